package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
)

const (
	fprAlice = "0123456789ABCDEF0123456789ABCDEF01234567"
	fprForge = "968479A1AFF927E37D1A566BB5690EEEBB952194"
	// A key and its fingerprint by ssh-keygen -l.
	sshKeyText     = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
	sshFingerprint = "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"
)

var (
	oid1 = strings.Repeat("1", 40)
	oid2 = strings.Repeat("2", 64)
)

// wholeSample has everything a policy can hold.
var wholeSample = `version = 1
key-time = "claimed"
accept-weak = ["sha1", "dsa1024"]

[identity.alice]
subject = "alice@example.com"
issuer  = "https://accounts.example.com"
email   = ["Alice@Example.org", "a@example.net"]

[identity.alice-pgp]
openpgp = ["` + strings.ToLower(fprAlice) + `", "` + strings.Repeat("A1", 32) + `"]
from    = 2026-01-01T00:00:00Z

[identity.bob]
ssh   = ["` + sshKeyText + ` bob@laptop, of 2026", "SHA256:` + strings.Repeat("A", 43) + `"]
email = "bob@example.com"

[identity.carol] # touches carol
ssh-principal = "carol@example.com"

[identity.dave]
x509-issuer     = "CN=Example CA,O=Example"
subject-pattern = "*@example.com"

[identity.release]
subject-pattern = "https://forge.example.com/acme/app/*@refs/tags/*"
issuer = "https://token.example.com"
kind   = "bot"

[identity.forge]
openpgp = "` + fprForge + `"
kind    = "forge"

# about main
[[rule]]
name = "main"
refs = ["refs/heads/main", "refs/heads/release/*"]
allow = [
  "alice", "alice-pgp", "bob",
  "forge", # merges
]
match = ["author", "committer"]
threshold = 2
immutable = false

[[rule]]
refs = ["**"]
paths = ["infra/**", "!infra/README.md", "*.key"]
allow = ["alice", "forge"]
match = "committer"

[[rule]]
refs = ["refs/tags/v*"]
allow = ["release"]
lightweight = true
immutable = true

[baseline]
after = ["` + oid1 + `"]
reason = "from here on we sign"

[[exempt]]
object = "` + oid2 + `"
reason = "an old laptop"
until  = 2027-01-01T00:00:00Z

[[exempt]]
object = "` + oid1 + `"
reason = "…"
`

// contents is all that a policy says, without places.
type contents struct {
	Claimed    bool
	Weak       []string
	Identities []Entry
	Rules      []Rule
	After      []string
	Reason     string
	Exempt     []Exempt
}

func contentsOf(p *Policy) contents {
	c := contents{p.claimed, p.weak, p.Identities(), p.AllRules(), p.Baseline(), p.BaselineReason(), p.Exemptions()}
	for i := range c.Identities {
		c.Identities[i].Line = 0
	}
	for i := range c.Rules {
		c.Rules[i].Line = 0
	}
	for i := range c.Exempt {
		c.Exempt[i].Line = 0
	}
	slices.SortFunc(c.Identities, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return c
}

// document is a policy as the other half of the TOML library sees it.
type document struct {
	Version    int
	KeyTime    string `toml:"key-time"`
	AcceptWeak any    `toml:"accept-weak"`
	Identity   map[string]struct {
		Subject        string
		SubjectPattern string `toml:"subject-pattern"`
		Issuer         string
		OpenPGP, SSH   any
		SSHPrincipal   string `toml:"ssh-principal"`
		X509Issuer     string `toml:"x509-issuer"`
		Kind           string
		Email          any
		From, Until    time.Time
		Compromised    any
	}
	Rule []struct {
		Name               string
		Refs, Paths, Allow []string
		Match              any
		Threshold          int
		Lightweight        bool
		Immutable          bool
	}
	Baseline struct {
		After  []string
		Reason string
	}
	Exempt []struct {
		Object, Reason string
		Until          time.Time
	}
}

// oracle decodes a policy by the other half of the TOML library, which has
// its own ideas of what is valid.
func oracle(data []byte) (contents, error) {
	var doc document
	if err := toml.NewDecoder(strings.NewReader(string(data))).DisallowUnknownFields().Decode(&doc); err != nil {
		return contents{}, err
	}
	if doc.Version != 1 {
		return contents{}, fmt.Errorf("version %d", doc.Version)
	}
	c := contents{Claimed: doc.KeyTime == "claimed", Weak: list(doc.AcceptWeak), After: doc.Baseline.After, Reason: doc.Baseline.Reason}
	for name, id := range doc.Identity {
		e := Entry{Name: name, Subject: id.Subject, SubjectPattern: id.SubjectPattern, Issuer: id.Issuer,
			OpenPGP: list(id.OpenPGP), SSH: list(id.SSH), SSHPrincipal: id.SSHPrincipal, X509Issuer: id.X509Issuer,
			Role: id.Kind, Emails: list(id.Email), Window: Window{id.From, id.Until}.utc()}
		if e.Role == "" {
			e.Role = Human
		}
		for i, s := range e.OpenPGP {
			e.OpenPGP[i] = strings.ToUpper(s)
		}
		for i, s := range e.SSH {
			parts := strings.SplitN(s, " ", 3) // of which the third is the comment
			e.SSH[i] = strings.Join(parts[:min(len(parts), 2)], " ")
		}
		tables, _ := id.Compromised.([]any)
		if one, ok := id.Compromised.(map[string]any); ok {
			tables = []any{one}
		}
		for _, table := range tables {
			m := table.(map[string]any)
			from, _ := m["from"].(time.Time)
			until, _ := m["until"].(time.Time)
			e.Compromised = append(e.Compromised, Window{from, until}.utc())
		}
		c.Identities = append(c.Identities, e)
	}
	for _, r := range doc.Rule {
		c.Rules = append(c.Rules, Rule{Name: r.Name, Refs: r.Refs, Paths: r.Paths, Allow: r.Allow, Match: list(r.Match),
			Threshold: r.Threshold, Lightweight: r.Lightweight, Immutable: r.Immutable})
	}
	for _, x := range doc.Exempt {
		c.Exempt = append(c.Exempt, Exempt{Object: x.Object, Reason: x.Reason, Until: x.Until.UTC()})
	}
	slices.SortFunc(c.Identities, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return c, nil
}

// list returns what is one string, or an array of them.
func list(v any) []string {
	var texts []string
	switch v := v.(type) {
	case string:
		texts = []string{v}
	case []any:
		for _, s := range v {
			texts = append(texts, s.(string))
		}
	}
	return texts
}

func TestParseReadsEverything(t *testing.T) {
	for _, data := range []string{wholeSample, strings.ReplaceAll(wholeSample, "\n", "\r\n")} {
		p := mustParse(t, data)
		want, err := oracle([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		if len(want.Identities) != 7 || len(want.Rules) != 3 || len(want.Exempt) != 2 || len(want.After) != 1 || len(want.Weak) != 2 {
			t.Fatalf("the oracle read %+v", want)
		}
		if diff := cmp.Diff(want, contentsOf(p)); diff != "" {
			t.Errorf("contents (-TOML +Parse):\n%s", diff)
		}
		if got := p.AllRules()[1].Line; got != strings.Count(data[:strings.Index(data, "paths")], "\n")-1 {
			t.Errorf("the second rule is in line %d", got)
		}
		checkRemoveEach(t, []byte(data))
	}
}

func TestAccessorsReturnCopies(t *testing.T) {
	p := mustParse(t, wholeSample)
	before := contentsOf(mustParse(t, wholeSample))
	for _, e := range p.Identities() {
		for _, list := range [][]string{e.OpenPGP, e.SSH, e.Emails} {
			clear(list)
		}
	}
	for _, r := range p.AllRules() {
		for _, list := range [][]string{r.Refs, r.Paths, r.Allow, r.Match} {
			clear(list)
		}
	}
	clear(p.Baseline())
	clear(p.Exemptions())
	clear(p.KeyRules(date(2026, 1, 1)).Weak)
	if diff := cmp.Diff(before, contentsOf(p)); diff != "" {
		t.Errorf("contents after a caller changed some (-want +got):\n%s", diff)
	}
}

package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
)

func TestPropose(t *testing.T) {
	ci := func(ref string) verifier.Signer {
		return verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: "https://token.example.com", Subject: "https://forge.example.com/acme/app/.forge/workflows/release.yml@" + ref}}
	}
	got := string(Propose(mainRef, []Observed{
		{Signer: mallory, Objects: 1},
		{Signer: forgeKey, Objects: 70, OnBranch: true, First: date(2024, 1, 2), Last: date(2026, 3, 4)},
		{Signer: keylessAlice, Objects: 100, OnBranch: true, First: date(2025, 1, 1), Last: date(2025, 1, 1)},
		{Signer: pgpBob, Objects: 20, OnBranch: true},
		{Signer: verifier.Signer{Kind: verifier.OpenPGP, Identity: verifier.Identity{Subject: "Robert <bob@example.com>"}, Key: fprAlice}, Objects: 5, First: date(2023, 1, 1), Last: date(2023, 1, 2)},
		{Signer: sshCarol, Objects: 10},
		{Signer: x509Dave, Objects: 9, OnBranch: true},
		{Signer: ci("refs/tags/v1"), Objects: 1},
		{Signer: ci("refs/tags/v2"), Objects: 1, First: date(2026, 1, 1), Last: date(2026, 1, 1)},
		{Signer: ci("refs/heads/main"), Objects: 1},
	}))
	const want = `# Proposed from who signed so far: take out whom you do not know.
version = 1
# key-time = "claimed"   # would let keys sign that have expired since, and believe what they say of when

# 100 objects, 2025-01-01 to 2025-01-01
[identity.alice]
subject = "alice@example.com"
issuer = "https://accounts.example.com"

# 70 objects, 2024-01-02 to 2026-03-04, by "GitHub <noreply@github.com>"
[identity.github]
openpgp = "968479A1AFF927E37D1A566BB5690EEEBB952194"
kind = "forge"

# 25 objects, 2023-01-01 to 2023-01-02, by "Bob <bob@example.com>"
[identity.bob]
openpgp = "0123456789ABCDEF0123456789ABCDEF01234567"

# 10 objects, by "carol@example.com"
[identity.carol]
ssh = "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"

# 9 objects
[identity.dave]
subject = "dave@example.com"
x509-issuer = "CN=CA"

# 2 objects, 2026-01-01 to 2026-01-01
[identity.release]
subject-pattern = "https://forge.example.com/acme/app/.forge/workflows/release.yml@refs/tags/*"
issuer = "https://token.example.com"
kind = "bot"

# 1 object
[identity.release-2]
subject = "https://forge.example.com/acme/app/.forge/workflows/release.yml@refs/heads/main"
issuer = "https://token.example.com"
kind = "bot"

# 1 object
[identity.mallory]
subject = "mallory@example.com"
issuer = "https://accounts.example.com"

[[rule]]
name = "default branch"
refs = ["refs/heads/main"]
allow = [
  "alice",
  "github",
  "bob",
  "dave",
]
`
	if got != want {
		t.Errorf("Propose =\n%s", got)
	}
	checkProposal(t, []byte(got))
}

// checkProposal checks what holds for whatever was seen.
func checkProposal(t *testing.T, data []byte) *Policy {
	t.Helper()
	p, err := Parse("proposed", data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if warnings := Lint(p, date(2026, 6, 1)); len(warnings) > 0 {
		t.Errorf("Lint = %v\n%s", warnings, data)
	}
	return p
}

func TestProposeNames(t *testing.T) {
	p := checkProposal(t, Propose("", []Observed{
		{Signer: verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: "i", Subject: "https://f/a/b/.forge/release.yml@refs/tags/v1"}}, Objects: 4}, // the only one
		{Signer: verifier.Signer{Kind: verifier.SSH, Key: sshFingerprint}, Objects: 3},
		{Signer: verifier.Signer{Kind: verifier.OpenPGP, Identity: verifier.Identity{Subject: "Some Body"}, Key: fprAlice}, Objects: 2},
	}))
	var got []string
	for _, e := range p.Identities() {
		got = append(got, e.Name+": "+e.String())
	}
	const want = "release: https://f/a/b/.forge/release.yml@refs/tags/v1 (i); ssh: SSH key " + sshFingerprint + "; some-body: OpenPGP key " + fprAlice
	if strings.Join(got, "; ") != want {
		t.Errorf("Propose gives %q, want %q", got, want)
	}
}

func TestProposeWithoutARule(t *testing.T) {
	seen := []Observed{{Signer: forgeKey, Objects: 1, OnBranch: true}, {Signer: keylessAlice, Objects: 1}}
	for name, data := range map[string][]byte{
		"no branch":             Propose("", []Observed{{Signer: keylessAlice, Objects: 1, OnBranch: true}}),
		"branch with a star":    Propose("refs/heads/*", []Observed{{Signer: keylessAlice, Objects: 1, OnBranch: true}}),
		"branch that is no ref": Propose("main", []Observed{{Signer: keylessAlice, Objects: 1, OnBranch: true}}),
		"branch not in UTF-8":   Propose("refs/heads/\xff", []Observed{{Signer: keylessAlice, Objects: 1, OnBranch: true}}),
		"nobody on it":          Propose(mainRef, []Observed{{Signer: keylessAlice, Objects: 1}}),
		"forges only":           Propose(mainRef, seen),
		"nobody at all":         Propose(mainRef, nil),
	} {
		if p := checkProposal(t, data); len(p.AllRules()) != 0 {
			t.Errorf("%s: %s", name, data)
		}
	}
}

func TestProposeKeepsToItsSize(t *testing.T) {
	var seen []Observed
	for i := range 12000 {
		seen = append(seen, Observed{Signer: verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: issuer, Subject: fmt.Sprintf("person-%d@example.com", i)}}, Objects: 1, OnBranch: true})
	}
	data := Propose(mainRef, seen)
	p, err := Parse("proposed", data)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.Identities()); n < 1000 || n == len(seen) || len(p.AllRules()) != 1 || !strings.Contains(string(data), fmt.Sprintf("# Left out, for the file would be too long: %d more", len(seen)-n)) {
		t.Errorf("%d identities, %d rules", n, len(p.AllRules()))
	}
}

func FuzzPropose(f *testing.F) {
	f.Add("alice@example.com", issuer, "", uint8(0), mainRef)
	f.Add("\"]\n[identity.x]\n", "i\x1b[31m", "", uint8(0), "refs/heads/\"]")
	f.Add("\xff\u202e*", "\u2028", "", uint8(3), "refs/heads/a")
	f.Add("https://f/a/b@refs/tags/v*", "i", "", uint8(0), "refs/heads/\\")
	f.Add("https://f/a/b@refs/tags/v1", "i", "", uint8(0), mainRef)
	f.Add("Eve\n# x <a@b>", "", fprAlice, uint8(1), mainRef)
	f.Add("carol", "", sshFingerprint, uint8(2), mainRef)
	f.Add("", "", fprForge, uint8(1), mainRef)
	f.Fuzz(func(t *testing.T, subject, issuer, key string, kind uint8, branch string) {
		s := verifier.Signer{Kind: []verifier.Kind{verifier.Keyless, verifier.OpenPGP, verifier.SSH, verifier.X509}[kind%4], Identity: verifier.Identity{Issuer: issuer, Subject: subject}, Key: key}
		if s.Kind == verifier.OpenPGP && s.Key != strings.ToUpper(s.Key) || s.Kind == verifier.SSH && !strings.HasPrefix(s.Key, sshPrefix) {
			return // as no signer's key is written
		}
		other := s
		other.Identity.Subject += "2"
		seen := []Observed{{s, 2, true, date(2026, 1, 1), time.Time{}}, {other, 1, false, time.Time{}, date(2026, 1, 1)}, {s, 1, true, time.Time{}, time.Time{}}}
		data := Propose(branch, seen)
		p := checkProposal(t, data)
		for _, o := range seen {
			if name, err := p.Identify(Signature{o.Signer, date(2026, 1, 1), true}); err != nil && !strings.Contains(string(data), "# Left out") {
				t.Errorf("%q is not allowed by what was proposed for it: %v", name, err)
			}
		}
		for _, r := range string(data) {
			if r < ' ' && r != '\n' || r == 0x7f || r == 0x2028 || r == 0x202e {
				t.Errorf("the text has %q", r)
			}
		}
	})
}

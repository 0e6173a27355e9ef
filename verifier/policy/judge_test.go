package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
)

const (
	mainRef = "refs/heads/main"
	tagRef  = "refs/tags/v1"
)

var (
	forgeKey = verifier.Signer{Kind: verifier.OpenPGP, Identity: verifier.Identity{Subject: "GitHub <noreply@github.com>"}, Key: fprForge}
	mallory  = verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: issuer, Subject: "mallory@example.com"}}
)

// unasked fails the test if an object's paths or merge are looked at.
func unasked(t *testing.T, o *Object) {
	o.Paths = func() ([]string, error) { t.Error("the paths were read"); return nil, nil }
	o.CleanMerge = func() (bool, error) { t.Error("the merge was made"); return false, nil }
}

// commitBy returns a commit that reaches a ref.
func commitBy(t *testing.T, p *Policy, s verifier.Signer, ref string) *Object {
	o := &Object{Type: "commit", OID: oid1, Rules: p.RulesOf(ref), Signature: &Signature{s, date(2026, 1, 1), true}, Parents: 1}
	unasked(t, o)
	return o
}

// check judges, and finds Explain to agree.
func check(t *testing.T, p *Policy, o *Object) Judgment {
	t.Helper()
	j, err := p.Judge(o)
	if err != nil {
		t.Fatalf("Judge: %v", err)
	}
	results, err := p.Explain(o)
	if err != nil {
		t.Fatalf("Explain: %v", err)
	}
	good := true
	for _, r := range results {
		if r.Why == "" || !r.Applies && !r.Satisfied {
			t.Errorf("Explain: %+v", r)
		}
		good = good && r.Satisfied
	}
	if want := j.Class == verifier.Verified && j.Findings == nil; good != want {
		t.Errorf("Judge = %+v, Explain = %v", j, results)
	}
	return j
}

func findings(j Judgment) string {
	var ids []string
	for _, f := range j.Findings {
		ids = append(ids, f.ID)
	}
	return strings.Join(ids, " ")
}

func TestWithoutRulesAnyIdentityMaySign(t *testing.T) {
	p := mustParse(t, people)
	for s, want := range map[verifier.Signer]string{keylessAlice: "alice", pgpBob: "bob", sshCarol: "carol", mallory: ""} {
		j := check(t, p, commitBy(t, p, s, mainRef))
		if j.Entry != want || (j.Class == verifier.Verified) != (want != "") || (j.Role == Human) != (want != "") {
			t.Errorf("Judge(%v) = %+v, want %q", s, j, want)
		}
	}
	for _, typ := range []string{"commit", "tag"} {
		j := check(t, p, &Object{Type: typ, OID: oid1})
		if j.Class != verifier.IdentityNotAllowed || j.Message != "no valid signature" {
			t.Errorf("Judge of an unsigned %s = %+v", typ, j)
		}
	}
	if j := check(t, new(Policy), commitBy(t, new(Policy), keylessAlice, mainRef)); j.Class != verifier.IdentityNotAllowed {
		t.Errorf("the zero policy allows %+v", j)
	}
}

func TestRulesAllowBySigner(t *testing.T) {
	p := mustParse(t, people+`[[rule]]
name = "main"
refs = ["refs/heads/main"]
allow = ["alice", "bob"]
[[rule]]
refs = ["refs/heads/**"]
allow = ["carol", "bob"]
`)
	for _, tt := range []struct {
		name   string
		signer verifier.Signer
		ref    string
		want   string // the entry; else the message begins with it
	}{
		{"both rules", pgpBob, mainRef, "bob"},
		{"one of the two", keylessAlice, mainRef, `!alice@example.com (https://accounts.example.com) is [identity.alice], which the rule in line 16 does not allow: it allows carol, bob`},
		{"the other", sshCarol, mainRef, `!carol@example.com (ssh key ` + sshFingerprint + `) is [identity.carol], which rule "main" in line 12 does not allow: it allows alice, bob`},
		{"only one rule", sshCarol, "refs/heads/x", "carol"},
		{"no rule", keylessAlice, "refs/notes/x", "alice"},
		{"nobody of the policy", mallory, "refs/notes/x", "!mallory@example.com (https://accounts.example.com) is not in the policy"},
	} {
		j := check(t, p, commitBy(t, p, tt.signer, tt.ref))
		message, refused := strings.CutPrefix(tt.want, "!")
		switch {
		case refused && (j.Class != verifier.IdentityNotAllowed || j.Message != message || j.Findings != nil):
			t.Errorf("%s: Judge = %+v, want %q", tt.name, j, message)
		case !refused && (j.Class != verifier.Verified || j.Entry != tt.want || j.Message != "" || j.Findings != nil):
			t.Errorf("%s: Judge = %+v, want %q", tt.name, j, tt.want)
		}
	}
}

func TestCommitOnSeveralRefsIsJudgedByAllTheirRules(t *testing.T) {
	p := mustParse(t, people+"[[rule]]\nrefs = [\"refs/heads/a\"]\nallow = [\"alice\"]\n[[rule]]\nrefs = [\"refs/heads/b\"]\nallow = [\"bob\", \"alice\"]\n")
	o := commitBy(t, p, pgpBob, "refs/heads/b")
	if j := check(t, p, o); j.Class != verifier.Verified {
		t.Errorf("on b: Judge = %+v", j)
	}
	o.Rules = o.Rules.Union(p.RulesOf("refs/heads/a"))
	if j := check(t, p, o); j.Class != verifier.IdentityNotAllowed {
		t.Errorf("on a and b: Judge = %+v", j)
	}
}

func TestEntryIsOneThatAllRulesName(t *testing.T) {
	const again = "[identity.%s]\nsubject-pattern = \"*@example.com\"\nissuer = \"https://accounts.example.com\"\nkind = \"bot\"\n"
	p := mustParse(t, people+strings.Replace(again, "%s", "staff", 1)+
		"[[rule]]\nrefs = [\"refs/heads/**\"]\nallow = [\"alice\", \"staff\"]\n[[rule]]\nrefs = [\"refs/heads/bots\"]\nallow = [\"staff\"]\n[[rule]]\nrefs = [\"refs/heads/x\"]\nallow = [\"alice\"]\n")
	for ref, want := range map[string]string{mainRef: "alice human", "refs/heads/bots": "staff bot", "refs/heads/x": "alice human"} {
		if j := check(t, p, commitBy(t, p, keylessAlice, ref)); j.Entry+" "+j.Role != want || j.Class != verifier.Verified {
			t.Errorf("%s: Judge = %+v, want %s", ref, j, want)
		}
	}
	// Two rules, each of which names another identity of hers, are satisfied.
	o := commitBy(t, p, keylessAlice, "refs/heads/bots")
	o.Rules = o.Rules.Union(p.RulesOf("refs/heads/x"))
	if j := check(t, p, o); j.Class != verifier.Verified || j.Entry != "alice" {
		t.Errorf("Judge = %+v", j)
	}
}

func TestTagRulesAreForTags(t *testing.T) {
	p := mustParse(t, people+"[[rule]]\nrefs = [\"refs/tags/**\"]\nallow = [\"bob\"]\n[[rule]]\nrefs = [\"refs/heads/**\"]\nallow = [\"carol\"]\n[[rule]]\nrefs = [\"**\"]\npaths = [\"*\"]\nallow = [\"forge\"]\n")
	tag := func(s verifier.Signer) *Object {
		o := commitBy(t, p, s, tagRef)
		o.Type = "tag"
		return o
	}
	if j := check(t, p, tag(pgpBob)); j.Class != verifier.Verified {
		t.Errorf("a tag by whom the tag rule allows: Judge = %+v", j)
	}
	if j := check(t, p, tag(sshCarol)); j.Class != verifier.IdentityNotAllowed {
		t.Errorf("a tag by whom the branch rule allows: Judge = %+v", j)
	}
	if j := check(t, p, commitBy(t, p, keylessAlice, tagRef)); j.Class != verifier.Verified {
		t.Errorf("a commit that only a tag reaches: Judge = %+v", j)
	}
	o := commitBy(t, p, pgpBob, tagRef)
	o.Rules = o.Rules.Union(withRules(t).RulesOf(mainRef)).Union("\xff\xff\xff\xff")
	o.Paths = func() ([]string, error) { return nil, nil }
	if j := check(t, p, o); j.Class != verifier.IdentityNotAllowed {
		t.Errorf("a commit by whom the tag rule allows, on a branch: Judge = %+v", j)
	}
}

func TestPathRules(t *testing.T) {
	p := mustParse(t, people+"[[rule]]\nrefs = [\"refs/heads/**\"]\npaths = [\"infra/**\", \"!infra/doc/\", \"!infra/doc/**\"]\nallow = [\"bob\"]\n")
	for _, tt := range []struct {
		paths string
		want  verifier.Class // of a commit by alice
	}{
		{"", verifier.Verified},
		{"README infra", verifier.Verified},
		{"infra/doc/a", verifier.Verified},
		{"README infra/x", verifier.IdentityNotAllowed},
		{"infra/doc/a infra/a/b", verifier.IdentityNotAllowed},
	} {
		for signer, want := range map[verifier.Signer]verifier.Class{keylessAlice: tt.want, pgpBob: verifier.Verified} {
			o := commitBy(t, p, signer, mainRef)
			calls := 0
			o.Paths = func() ([]string, error) { calls++; return strings.Fields(tt.paths), nil }
			j, err := p.Judge(o)
			if err != nil || j.Class != want || calls != 1 {
				t.Errorf("%s by %v: Judge = %+v, %v after %d calls, want %s after one", tt.paths, signer, j, err, calls, want)
			}
			check(t, p, o)
		}
	}
	if j := check(t, p, commitBy(t, p, keylessAlice, "refs/notes/x")); j.Class != verifier.Verified { // and no paths are read
		t.Errorf("on another ref: Judge = %+v", j)
	}
}

func TestUnknownPathsAreNoVerdict(t *testing.T) {
	cause := errors.New("no tree")
	p := mustParse(t, people+"[[rule]]\nrefs = [\"refs/heads/**\"]\npaths = [\"a\"]\nallow = [\"bob\"]\n[[rule]]\nrefs = [\"refs/heads/main\"]\nallow = [\"alice\"]\n")
	o := commitBy(t, p, keylessAlice, mainRef)
	o.Paths = func() ([]string, error) { return nil, cause }
	if j, err := p.Judge(o); !errors.Is(err, cause) || j.Class == verifier.IdentityNotAllowed {
		t.Errorf("Judge = %+v, %v, want %v", j, err, cause)
	}
	if _, err := p.Explain(o); !errors.Is(err, cause) {
		t.Errorf("Explain = %v, want %v", err, cause)
	}
	o.Paths = nil
	if _, err := p.Judge(o); err == nil {
		t.Error("Judge without Paths = nil, want an error")
	}
	// What is refused whatever the paths are is refused, and they are not read.
	o = commitBy(t, p, sshCarol, mainRef)
	if j, err := p.Judge(o); err != nil || j.Class != verifier.IdentityNotAllowed {
		t.Errorf("Judge = %+v, %v", j, err)
	}
}

func TestMatch(t *testing.T) {
	const alice, mail = "subject = \"alice@example.com\"\nissuer = \"https://accounts.example.com\"\n", "email = [\"Al@Corp.example.com\"]\n"
	const bob = "openpgp = \"" + fprAlice + "\"\n"
	for _, tt := range []struct {
		name              string
		identity          string
		signer            verifier.Signer
		author, committer string
		want              string
	}{
		{"both", alice, keylessAlice, "alice@example.com", "alice@example.com", ""},
		{"author", alice, keylessAlice, "bob@example.com", "alice@example.com", "author-mismatch"},
		{"committer", alice, keylessAlice, "alice@example.com", "bob@example.com", "committer-mismatch"},
		{"domain in upper case", alice, keylessAlice, "alice@example.com", "alice@EXAMPLE.com", ""},
		{"local part in upper case", alice, keylessAlice, "alice@example.com", "Alice@example.com", "committer-mismatch"},
		{"Kelvin sign in the domain", "subject = \"alice@k.com\"\nissuer = \"https://accounts.example.com\"\n",
			verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: issuer, Subject: "alice@k.com"}}, "alice@k.com", "alice@\u212a.com", "committer-mismatch"},
		{"Cyrillic letter", alice, keylessAlice, "alice@example.com", "аlice@example.com", "committer-mismatch"},
		{"none", alice, keylessAlice, "alice@example.com", "", "committer-mismatch"},
		{"with a space", alice, keylessAlice, "alice@example.com", "alice@example.com ", "committer-mismatch"},
		{"listed", alice + mail, keylessAlice, "Al@corp.example.com", "alice@example.com", ""},
		{"listed in other case", alice + mail, keylessAlice, "al@corp.example.com", "alice@example.com", "author-mismatch"},
		{"user id", bob, pgpBob, "bob@example.com", "bob@example.com", ""},
		{"not in the user id", bob, pgpBob, "bob@example.com", "alice@example.com", "committer-mismatch"},
		{"user id beside a list", bob + mail, pgpBob, "Al@corp.example.com", "bob@example.com", "committer-mismatch"},
		{"name in the user id", bob, verifier.Signer{Kind: verifier.OpenPGP, Identity: verifier.Identity{Subject: "Eve <bob@example.com> <eve@example.com>"}, Key: fprAlice}, "eve@example.com", "bob@example.com", "committer-mismatch"},
		{"no user id", bob, verifier.Signer{Kind: verifier.OpenPGP, Key: fprAlice}, "bob@example.com", "bob@example.com", "author-mismatch committer-mismatch"},
		{"principal of the key", "ssh = \"" + sshFingerprint + "\"\n", sshCarol, "carol@example.com", "carol@example.com", ""},
		{"principal", "ssh-principal = \"carol@example.com\"\n", sshCarol, "carol@example.com", "x@example.com", "committer-mismatch"},
		{"X.509", "x509-issuer = \"CN=CA\"\nsubject-pattern = \"*@example.com\"\n", x509Dave, "dave@example.com", "eve@example.com", "committer-mismatch"},
		{"workflow", "subject = \"https://f/a/b@refs/heads/main\"\nissuer = \"https://accounts.example.com\"\n",
			verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: issuer, Subject: "https://f/a/b@refs/heads/main"}}, "https://f/a/b@refs/heads/main", "https://f/a/b@refs/heads/main", "author-mismatch committer-mismatch"},
	} {
		p := mustParse(t, "version = 1\n[identity.x]\n"+tt.identity+"[[rule]]\nrefs = [\"refs/heads/main\"]\nallow = [\"x\"]\nmatch = [\"author\", \"committer\"]\n")
		o := commitBy(t, p, tt.signer, mainRef)
		o.Author, o.Committer = tt.author, tt.committer
		if j := check(t, p, o); findings(j) != tt.want || j.Class != verifier.Verified || j.Entry != "x" {
			t.Errorf("%s: Judge = %+v, want %q", tt.name, j, tt.want)
		}
		o.Rules = ""
		if j := check(t, p, o); j.Findings != nil {
			t.Errorf("%s, without the rule: Judge = %+v", tt.name, j)
		}
	}
}

func TestMatchSaysWhatLooksAlike(t *testing.T) {
	p := mustParse(t, people+"[[rule]]\nrefs = [\"refs/heads/main\"]\nallow = [\"alice\"]\nmatch = \"committer\"\n")
	o := commitBy(t, p, keylessAlice, mainRef)
	for mail, want := range map[string]string{
		"bob@example.com":   `the committer is "bob@example.com", which is no address of alice@example.com (https://accounts.example.com)`,
		"аlice@example.com": `the committer is "\u0430lice@example.com", which looks like "alice@example.com", an address of alice@example.com (https://accounts.example.com), and is another`,
	} {
		o.Committer = mail
		if j := check(t, p, o); len(j.Findings) != 1 || j.Findings[0].Message != want {
			t.Errorf("%s: Judge = %+v, want %q", mail, j, want)
		}
	}
}

func TestMatchOfTagsIsTheTagger(t *testing.T) {
	p := mustParse(t, people+"[[rule]]\nrefs = [\"refs/tags/**\"]\nallow = [\"alice\"]\nmatch = \"author\"\n")
	o := commitBy(t, p, keylessAlice, tagRef)
	o.Type, o.Author, o.Committer = "tag", "", "alice@example.com"
	if j := check(t, p, o); j.Findings != nil {
		t.Errorf("Judge = %+v", j)
	}
	o.Author, o.Committer = "alice@example.com", "bob@example.com"
	if j := check(t, p, o); findings(j) != CommitterMismatch || !strings.HasPrefix(j.Findings[0].Message, `the tagger is "bob@`) {
		t.Errorf("Judge = %+v", j)
	}
}

func TestForgesMergeOnly(t *testing.T) {
	cause := errors.New("no git")
	p := mustParse(t, people+"[[rule]]\nrefs = [\"refs/heads/main\"]\nallow = [\"alice\", \"forge\"]\nmatch = [\"author\", \"committer\"]\n")
	for _, tt := range []struct {
		name    string
		typ     string
		parents int
		merge   func() (bool, error) // nil: not to be called
		class   verifier.Class
		want    string
		err     error
	}{
		{"clean merge", "commit", 2, func() (bool, error) { return true, nil }, verifier.Verified, "", nil},
		{"octopus", "commit", 9, func() (bool, error) { return true, nil }, verifier.Verified, "", nil},
		{"content", "commit", 2, func() (bool, error) { return false, nil }, verifier.Verified, ForgeContent, nil},
		{"unknown", "commit", 2, func() (bool, error) { return true, cause }, verifier.Verified, "", cause},
		{"one parent", "commit", 1, nil, verifier.IdentityNotAllowed, "", nil},
		{"no parent", "commit", 0, nil, verifier.IdentityNotAllowed, "", nil},
		{"tag", "tag", 2, nil, verifier.IdentityNotAllowed, "", nil},
	} {
		for _, ref := range []string{mainRef, "refs/x/y"} { // whatever rules say
			o := commitBy(t, p, forgeKey, ref)
			o.Type, o.Parents, o.Author, o.Committer = tt.typ, tt.parents, "alice@example.com", "noreply@github.com"
			if tt.merge != nil {
				o.CleanMerge = tt.merge
			}
			j, err := p.Judge(o)
			if !errors.Is(err, tt.err) || j.Class != tt.class || findings(j) != tt.want || j.Entry != "forge" || j.Role != Forge {
				t.Errorf("%s on %s: Judge = %+v, %v, want %s %s %v", tt.name, ref, j, err, tt.class, tt.want, tt.err)
			}
			if tt.err == nil {
				check(t, p, o)
			} else if _, err := p.Explain(o); !errors.Is(err, tt.err) {
				t.Errorf("%s: Explain = %v", tt.name, err)
			}
		}
	}
	o := commitBy(t, p, forgeKey, "refs/x/y")
	o.Parents, o.CleanMerge = 2, nil
	if _, err := p.Judge(o); err == nil {
		t.Error("Judge without CleanMerge = nil, want an error")
	}
}

func TestForgeIsNoPersonByAnotherEntry(t *testing.T) {
	p := mustParse(t, strings.Replace(people, "version = 1\n", "version = 1\n[identity.human]\nopenpgp = \""+fprForge+"\"\nfrom = 2020-01-01T00:00:00Z\n", 1))
	j := check(t, p, commitBy(t, p, forgeKey, mainRef))
	if j.Class != verifier.IdentityNotAllowed || j.Role != Forge {
		t.Errorf("Judge = %+v", j)
	}
}

func TestForgeIsNotJudgedByMergeIfRulesRefuse(t *testing.T) {
	p := mustParse(t, people+"[[rule]]\nrefs = [\"refs/heads/main\"]\nallow = [\"alice\"]\n")
	o := commitBy(t, p, forgeKey, mainRef)
	o.Parents = 2
	if j := check(t, withoutMerge(p, o), o); j.Class != verifier.IdentityNotAllowed {
		t.Errorf("Judge = %+v", j)
	}
}

// withoutMerge judges before Explain, which looks at everything, may.
func withoutMerge(p *Policy, o *Object) *Policy {
	_, _ = p.Judge(o) // fails the test by itself if it makes the merge
	o.CleanMerge = func() (bool, error) { return true, nil }
	return p
}

// A merge that git would make adds nothing that a second person could look at.
func TestThresholdOfMerges(t *testing.T) {
	p := mustParse(t, people+`
[[rule]]
refs = ["refs/heads/main"]
allow = ["alice", "bob", "forge"]
threshold = 2
`)
	cause := errors.New("no objects")
	for _, tt := range []struct {
		name    string
		signer  verifier.Signer
		parents int
		merge   func() (bool, error)
		want    string
		err     error
	}{
		{"clean", keylessAlice, 2, func() (bool, error) { return true, nil }, "", nil},
		{"by a forge", forgeKey, 2, func() (bool, error) { return true, nil }, "", nil},
		{"with changes", keylessAlice, 2, func() (bool, error) { return false, nil }, ThresholdNotMet, nil},
		{"not known", keylessAlice, 2, func() (bool, error) { return false, cause }, "", cause},
		{"no merge", keylessAlice, 1, func() (bool, error) { t.Error("the merge was made"); return true, nil }, ThresholdNotMet, nil},
	} {
		o := commitBy(t, p, tt.signer, mainRef)
		o.Parents, o.CleanMerge = tt.parents, tt.merge
		j, err := p.Judge(o)
		if findings(j) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: Judge = %+v, %v; want %q, %v", tt.name, j, err, tt.want, tt.err)
		}
	}
	o := commitBy(t, p, keylessAlice, mainRef)
	o.Parents, o.CleanMerge = 2, func() (bool, error) { return true, nil }
	results, err := p.Explain(o)
	if err != nil || !strings.Contains(results[2].Why, "it has 1 identities behind it, of 2 asked for, and is a merge that git would make") {
		t.Errorf("Explain = %v, %v", results, err)
	}
}

func TestThreshold(t *testing.T) {
	p := mustParse(t, people+`[identity.alice-pgp]
openpgp = "`+strings.Repeat("A", 40)+`"
email = "alice@example.com"
[identity.staff]
subject-pattern = "*@example.com"
issuer = "https://accounts.example.com"
[identity.partners]
subject-pattern = "*@example.net"
issuer = "https://accounts.example.com"
[identity.stranger]
ssh-principal = "stranger"
[[rule]]
name = "two"
refs = ["refs/heads/main", "refs/tags/**"]
allow = ["alice", "bob", "carol", "forge", "alice-pgp", "staff", "partners"]
threshold = 2
[[rule]]
refs = ["refs/heads/main", "refs/tags/**", "refs/heads/any"]
allow = ["alice", "bob", "carol", "forge", "alice-pgp", "staff", "partners", "stranger"]
`)
	alicePGP := verifier.Signer{Kind: verifier.OpenPGP, Identity: verifier.Identity{Subject: "x"}, Key: strings.Repeat("A", 40)}
	eve := verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: issuer, Subject: "eve@example.com"}}
	for _, tt := range []struct {
		name     string
		signer   verifier.Signer
		vouchers string
		good     bool
	}{
		{"nobody else", keylessAlice, "", false},
		{"another", keylessAlice, "bob", true},
		{"the signer", keylessAlice, "alice", false},
		{"the signer's other key", keylessAlice, "alice-pgp", false},
		{"the signer's other key, the other way", alicePGP, "alice", false},
		{"a pattern that matches the signer", keylessAlice, "staff", false},
		{"a pattern that matches the signer's address", pgpBob, "staff", false},
		{"a pattern that does not", keylessAlice, "partners", true},
		{"signer by pattern, somebody by name", eve, "alice", true},
		{"signer by pattern, somebody by the same", eve, "staff", false},
		{"forge", keylessAlice, "forge", false},
		{"whom the rule does not name", keylessAlice, "stranger", false},
		{"whom the policy does not name", keylessAlice, "nobody", false},
		{"name in other case", keylessAlice, "Bob", false},
		{"forge signs, one vouches", forgeKey, "bob", false},
		{"forge signs, one vouches twice", forgeKey, "bob bob", false},
		{"forge signs, two vouch", forgeKey, "bob alice", true},
		{"forge signs, one vouches by two names", forgeKey, "alice alice-pgp", false},
		{"forge signs, one may vouch by two names", forgeKey, "staff alice", false},
		{"forge signs, two and a pattern", forgeKey, "staff alice bob", true},
		{"forge signs, two patterns apart", forgeKey, "staff partners", true},
	} {
		o := commitBy(t, p, tt.signer, mainRef)
		o.Vouchers = strings.Fields(tt.vouchers)
		if tt.signer == forgeKey {
			o.Parents, o.CleanMerge = 2, func() (bool, error) { return false, nil }
		}
		want := ThresholdNotMet
		if tt.good {
			want = ""
		}
		if tt.signer == forgeKey {
			want = strings.TrimSpace(want + " " + ForgeContent)
		}
		if j := check(t, p, o); findings(j) != want || j.Class != verifier.Verified {
			t.Errorf("%s: Judge = %+v, want %q", tt.name, j, want)
		}
	}
	o := commitBy(t, p, keylessAlice, mainRef)
	if j := check(t, p, o); j.Findings[0].Message != `rule "two" in line 23 asks for 2 identities behind it, of which it has 1` {
		t.Errorf("Judge = %+v", j)
	}
	o.Rules = p.RulesOf("refs/heads/any")
	if j := check(t, p, o); j.Findings != nil {
		t.Errorf("without the rule: Judge = %+v", j)
	}
}

func TestExplainInWords(t *testing.T) {
	p := mustParse(t, people+`[[rule]]
name = "main"
refs = ["refs/heads/main"]
paths = ["infra/**"]
allow = ["alice", "bob"]
match = ["author", "committer"]
threshold = 2
[[rule]]
refs = ["refs/heads/main", "refs/tags/**"]
allow = ["bob"]
[[rule]]
refs = ["refs/tags/**"]
allow = ["carol"]
[[rule]]
name = "other paths"
refs = ["**"]
paths = ["/src"]
allow = ["carol"]
[[rule]]
refs = ["refs/heads/x"]
allow = ["carol"]
`)
	o := commitBy(t, p, keylessAlice, mainRef)
	o.Rules = o.Rules.Union(p.RulesOf(tagRef))
	o.Author, o.Committer, o.Vouchers = "alice@example.com", "alice@example.com", []string{"bob"}
	o.Paths = func() ([]string, error) { return []string{"README", "infra/x"}, nil }
	explain := func() string {
		results, err := p.Explain(o)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, r := range results {
			lines = append(lines, r.String())
		}
		return strings.Join(lines, "\n")
	}
	const want = `identities: satisfied: alice@example.com (https://accounts.example.com) is [identity.alice]
forges: does not apply: the signer is no forge
rule "main" (line 12): satisfied: it allows [identity.alice]; the author and the committer match; it has 2 identities behind it, of 2 asked for; it is asked because of "infra/x"
rule (line 19): not satisfied: alice@example.com (https://accounts.example.com) is [identity.alice], which the rule in line 19 does not allow: it allows bob
rule (line 22): does not apply: it is for the tag before the commit, not for the commit
rule "other paths" (line 25): does not apply: no path of it is changed
rule (line 30): does not apply: no ref of it reaches the commit`
	if got := explain(); got != want {
		t.Errorf("Explain =\n%s\nwant\n%s", got, want)
	}
	o.Type, o.Rules = "tag", p.RulesOf(tagRef)
	if got := explain(); !strings.Contains(got, "rule \"main\" (line 12): does not apply: no tag ref of it holds the tag\n") ||
		!strings.Contains(got, "rule \"other paths\" (line 25): does not apply: no path of it is changed\n") {
		t.Errorf("Explain of a tag =\n%s", got)
	}
	o.Signature = nil
	if got := explain(); !strings.Contains(got, "identities: not satisfied: no valid signature\n") || !strings.Contains(got, "rule (line 19): not satisfied: no valid signature\n") {
		t.Errorf("Explain of an unsigned tag =\n%s", got)
	}
}

func TestWindowsAndCompromiseReachJudge(t *testing.T) {
	p := mustParse(t, strings.Replace(people, "issuer =", "compromised = {from = 2026-02-01T00:00:00Z}\nissuer =", 1))
	for at, want := range map[time.Time]verifier.Class{date(2026, 1, 1): verifier.Verified, date(2026, 2, 1): verifier.IdentityNotAllowed} {
		o := commitBy(t, p, keylessAlice, mainRef)
		o.Signature.Time = at
		if j := check(t, p, o); j.Class != want {
			t.Errorf("%v: Judge = %+v, want %s", at, j, want)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	p := mustParse(b, wholeSample)
	for name, o := range map[string]*Object{
		"no rule": {Type: "commit", Signature: &Signature{sshCarol, date(2026, 1, 1), false}, Parents: 1},
		"rules": {Type: "commit", Rules: p.RulesOf("refs/heads/main"), Signature: &Signature{keylessAlice, date(2026, 1, 1), true}, Parents: 1, Author: "alice@example.com", Committer: "alice@example.com",
			Vouchers: []string{"bob"}, Paths: func() ([]string, error) { return []string{"infra/x", "src/main.go"}, nil }},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if j, err := p.Judge(o); err != nil || j.Class != verifier.Verified || j.Findings != nil {
					b.Fatal(j, err)
				}
			}
		})
	}
}

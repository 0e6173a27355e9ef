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
		{Signer: mallory, Objects: 1, Good: 1},
		{Signer: forgeKey, Objects: 70, Good: 70, Merges: 70, OnBranch: true, First: date(2024, 1, 2), Last: date(2026, 3, 4)},
		{Signer: keylessAlice, Objects: 100, Good: 99, OnBranch: true, First: date(2025, 1, 1), Last: date(2025, 1, 1)},
		{Signer: pgpBob, Objects: 20, Good: 20, OnBranch: true},
		{Signer: verifier.Signer{Kind: verifier.OpenPGP, Identity: verifier.Identity{Subject: "Robert <bob@example.com>"}, Key: fprAlice}, Objects: 5, Good: 5, First: date(2023, 1, 1), Last: date(2023, 1, 2)},
		{Signer: sshCarol, Objects: 10, Good: 10},
		{Signer: x509Dave, Objects: 9, Good: 9, OnBranch: true},
		{Signer: ci("refs/tags/v1"), Objects: 1, Good: 1},
		{Signer: ci("refs/tags/v2"), Objects: 1, Good: 1, First: date(2026, 1, 1), Last: date(2026, 1, 1)},
		{Signer: ci("refs/heads/main"), Objects: 1, Good: 1},
	}))
	const want = `# Proposed from who signed so far: take out whom you do not know.
version = 1
# key-time = "claimed"   # would let keys sign that have expired since, and believe what they say of when

# 100 objects, 99 of them good, 2025-01-01 to 2025-01-01
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
	for _, w := range Lint(p, date(2026, 6, 1)) {
		// Somebody may have signed who is called so.
		if !strings.HasPrefix(w.Text, "subject \"") || !strings.Contains(w.Text, "literally") && !strings.Contains(w.Text, "is a key") {
			t.Errorf("Lint: %v\n%s", w, data)
		}
	}
	return p
}

// TestProposeForges is about squash merges and edits, which a forge signs as
// well: kind = "forge" would refuse them.
func TestProposeForges(t *testing.T) {
	const header = "# Proposed from who signed so far: take out whom you do not know.\nversion = 1\n" +
		"# key-time = \"claimed\"   # would let keys sign that have expired since, and believe what they say of when\n\n"
	const entry = "[identity.github]\nopenpgp = \"" + fprForge + "\"\nkind = "
	const rule = "\n[[rule]]\nname = \"default branch\"\nrefs = [\"refs/heads/main\"]\nallow = [\n  \"github\",\n]\n"
	const bot = " that are no merges, such as squash merges and edits on its pages.\n" +
		"# Whoever can press its buttons can write what it signs. To allow merges only: kind = \"forge\"\n" + entry + "\"bot\"\n" + rule
	for _, tt := range []struct {
		objects, merges int
		want            string
	}{
		{1122, 74, "# A forge that signed 1048 objects" + bot},
		{100, 0, "# A forge that signed 100 objects" + bot},
		{100, 94, "# A forge that signed 6 objects" + bot},
		{100, 95, "# Of these 5 are no merges, which kind = \"forge\" refuses.\n" + entry + "\"forge\"\n"},
		{100, 100, entry + "\"forge\"\n"},
	} {
		forge := verifier.Signer{Kind: verifier.OpenPGP, Key: fprForge}
		got := string(Propose(mainRef, []Observed{
			{Signer: forge, Objects: tt.objects - 10, Good: tt.objects - 10, Merges: tt.merges - tt.merges/20, OnBranch: true},
			{Signer: forge, Objects: 10, Good: 10, Merges: tt.merges / 20},
		}))
		if want := fmt.Sprintf("%s# %d objects\n%s", header, tt.objects, tt.want); got != want {
			t.Errorf("%d merges of %d: Propose =\n%s\nwant\n%s", tt.merges, tt.objects, got, want)
		}
		checkProposal(t, []byte(got))
	}
}

// TestProposeLeavesOutWhoIsNotGood is about the keys that GitHub had before,
// and others that have expired: the audit would go on to refuse them.
func TestProposeLeavesOutWhoIsNotGood(t *testing.T) {
	seen := []Observed{
		{Signer: verifier.Signer{Kind: verifier.OpenPGP, Key: fprForge}, Objects: 100, Good: 80, Merges: 100, OnBranch: true},
		{Signer: verifier.Signer{Kind: verifier.OpenPGP, Identity: verifier.Identity{Subject: "GitHub <noreply@github.com>"}, Key: webFlow[0]}, Objects: 60, OnBranch: true},
		{Signer: pgpBob, Objects: 5, Good: 1, OnBranch: true},
		{Signer: sshCarol, Objects: 4, OnBranch: true},
		{Signer: x509Dave, Objects: 3, OnBranch: true},
		{Signer: verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: "i", Subject: "carol@example.org"}}, Objects: 2, Good: 2},
		{Signer: keylessAlice, Objects: 1, OnBranch: true},
	}
	got := string(Propose(mainRef, seen))
	const want = `
# 100 objects, 80 of them good
[identity.github]
openpgp = "968479A1AFF927E37D1A566BB5690EEEBB952194"
kind = "forge"

# 60 objects, by "GitHub <noreply@github.com>"
# A forge that signed 60 objects that are no merges, such as squash merges and edits on its pages.
# Whoever can press its buttons can write what it signs. To allow merges only: kind = "forge"
# Left out: none of its 60 signatures is good now: key expired, revoked, weak or not known; key-time = "claimed" would let those of an expired key count
# [identity.github-2]
# openpgp = "5DE3E0509C47EA3CF04A42D34AEE18F83AFDEB23"
# kind = "bot"

# 5 objects, 1 of them good, by "Bob <bob@example.com>"
[identity.bob]
openpgp = "0123456789ABCDEF0123456789ABCDEF01234567"

# 4 objects, by "carol@example.com"
# Left out: none of its 4 signatures is good now: key expired, or of no allowed signer; naming it here would make it known
# [identity.carol]
# ssh = "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"

# 3 objects
# Left out: none of its 3 signatures is good now: certificate expired, or of an authority that is not trusted
# [identity.dave]
# subject = "dave@example.com"
# x509-issuer = "CN=CA"

# 2 objects
[identity.carol-2]
subject = "carol@example.org"
issuer = "i"

# 1 object
# Left out: its signature is not good now
# [identity.alice]
# subject = "alice@example.com"
# issuer = "https://accounts.example.com"

[[rule]]
name = "default branch"
refs = ["refs/heads/main"]
allow = [
  "github",
  "bob",
]
`
	if _, rest, _ := strings.Cut(got, "of when\n"); rest != want {
		t.Errorf("Propose =\n%s", got)
	}
	checkProposal(t, []byte(got))

	// What is in comments is ready to be taken out of them.
	lines := strings.SplitAfter(got, "\n")
	for i, line := range lines {
		if text := strings.TrimPrefix(line, "# "); strings.HasPrefix(text, "[identity.") || strings.Contains(text, " = \"") && !strings.Contains(text, ": ") && !strings.Contains(text, "#") {
			lines[i] = text
		}
	}
	p, err := Parse("uncommented", []byte(strings.Join(lines, "")))
	if err != nil || len(p.Identities()) != len(seen) {
		t.Errorf("without its comment signs: %v\n%s", err, strings.Join(lines, ""))
	}
}

func TestProposeNames(t *testing.T) {
	p := checkProposal(t, Propose("", []Observed{
		{Signer: verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: "i", Subject: "https://f/a/b/.forge/release.yml@refs/tags/v1"}}, Objects: 4, Good: 4}, // the only one
		{Signer: verifier.Signer{Kind: verifier.SSH, Key: sshFingerprint}, Objects: 3, Good: 3},
		{Signer: verifier.Signer{Kind: verifier.OpenPGP, Identity: verifier.Identity{Subject: "Some Body"}, Key: fprAlice}, Objects: 2, Good: 2},
	}))
	var got []string
	for _, e := range p.Identities() {
		got = append(got, e.Name+": "+e.String())
	}
	const want = "release: https://f/a/b/.forge/release.yml@refs/tags/v1 (i); ssh-zkaslgjf: SSH key " + sshFingerprint + "; some-body: OpenPGP key " + fprAlice
	if strings.Join(got, "; ") != want {
		t.Errorf("Propose gives %q, want %q", got, want)
	}
}

func TestProposeWithoutARule(t *testing.T) {
	seen := []Observed{{Signer: forgeKey, Objects: 1, Good: 1, Merges: 1, OnBranch: true}, {Signer: keylessAlice, Objects: 1, Good: 1}}
	for name, data := range map[string][]byte{
		"no branch":             Propose("", []Observed{{Signer: keylessAlice, Objects: 1, Good: 1, OnBranch: true}}),
		"branch with a star":    Propose("refs/heads/*", []Observed{{Signer: keylessAlice, Objects: 1, Good: 1, OnBranch: true}}),
		"branch that is no ref": Propose("main", []Observed{{Signer: keylessAlice, Objects: 1, Good: 1, OnBranch: true}}),
		"branch not in UTF-8":   Propose("refs/heads/\xff", []Observed{{Signer: keylessAlice, Objects: 1, Good: 1, OnBranch: true}}),
		"nobody on it":          Propose(mainRef, []Observed{{Signer: keylessAlice, Objects: 1, Good: 1}}),
		"nobody good on it":     Propose(mainRef, []Observed{{Signer: keylessAlice, Objects: 1, OnBranch: true}}),
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
		seen = append(seen, Observed{Signer: verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: issuer, Subject: fmt.Sprintf("person-%d@example.com", i)}}, Objects: 1, Good: 1, OnBranch: true})
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
	for kind := range uint8(4) { // of which signatures are good
		f.Add("alice@example.com", issuer, "", 4+kind, mainRef)
		f.Add("Eve\n# x <a@b>", "", fprForge, 4+kind, mainRef)
		f.Add("https://f/a/b@refs/tags/v1", "i", sshFingerprint, 4+kind, mainRef)
	}
	f.Add("*@example.com", issuer, "", uint8(4), mainRef)
	f.Fuzz(func(t *testing.T, subject, issuer, key string, kind uint8, branch string) {
		good := int(kind) / 4 % 2
		s := verifier.Signer{Kind: []verifier.Kind{verifier.Keyless, verifier.OpenPGP, verifier.SSH, verifier.X509}[kind%4], Identity: verifier.Identity{Issuer: issuer, Subject: subject}, Key: key}
		if s.Kind == verifier.OpenPGP && s.Key != strings.ToUpper(s.Key) || s.Kind == verifier.SSH && !strings.HasPrefix(s.Key, sshPrefix) {
			return // as no signer's key is written
		}
		other := s
		other.Identity.Subject += "2"
		seen := []Observed{{s, 2, good, 2, true, date(2026, 1, 1), time.Time{}}, {other, 1, good, 0, false, time.Time{}, date(2026, 1, 1)}, {s, 1, 0, 0, true, time.Time{}, time.Time{}}}
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

package policy

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitseal/verifier"
)

var alice = Entry{Subject: "alice@example.org", Issuer: issuer}

func TestAllowBeginsAFile(t *testing.T) {
	got, err := Allow(nil, alice)
	const want = `version = 1

[identity.alice]
subject = "alice@example.org"
issuer = "https://accounts.example.com"
`
	if err != nil || string(got) != want {
		t.Errorf("Allow(nil) = %q, %v, want %q", got, err, want)
	}
}

func TestAllowAppends(t *testing.T) {
	for _, tt := range []struct{ name, data, want string }{
		{"newline", "version = 1 # x\n", "version = 1 # x\n\n[identity.A]\nsubject = \"a\"\nissuer = \"i\"\n"},
		{"no newline", "version = 1", "version = 1\n\n[identity.A]\nsubject = \"a\"\nissuer = \"i\""},
		{"comment at the end", "version = 1\n# x", "version = 1\n# x\n\n[identity.A]\nsubject = \"a\"\nissuer = \"i\""},
		{"CRLF", "version = 1\r\n", "version = 1\r\n\r\n[identity.A]\r\nsubject = \"a\"\r\nissuer = \"i\"\r\n"},
		{"CRLF, none at the end", "version = 1\r\n#", "version = 1\r\n#\r\n\r\n[identity.A]\r\nsubject = \"a\"\r\nissuer = \"i\""},
	} {
		got, err := Allow([]byte(tt.data), Entry{Name: "A", Subject: "a", Issuer: "i"})
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: Allow = %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestAllowWritesAllFields(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for _, e := range []Entry{
		{Name: "all", SubjectPattern: `*"\` + "\n\u202e\U000e0001é", Issuer: "i\t\x7f\x00", Window: Window{date(2026, 1, 1).In(zone), time.Date(2026, 2, 1, 0, 0, 0, 5e8, zone)},
			Compromised: []Window{{From: date(2026, 1, 5)}}},
		{Name: "two windows, \"\\", Subject: "a", Issuer: "i", Compromised: []Window{{From: date(2026, 1, 5)}, {date(2026, 1, 1), date(2026, 1, 2).In(zone)}}},
	} {
		data, err := Allow(nil, e)
		if err != nil {
			t.Fatalf("Allow(%v): %v", e, err)
		}
		got := mustParse(t, string(data)).Identities()
		e.Line, e.Role = 3, Human
		if diff := cmp.Diff([]Entry{e}, got); diff != "" {
			t.Errorf("%s: identities (-want +got):\n%s", data, diff)
		}
		for _, r := range string(data) {
			if r == '\u202e' || r == '\x7f' {
				t.Errorf("%q has %q unescaped", data, r)
			}
		}
	}
}

func TestAllowMakesNames(t *testing.T) {
	data := []byte("version = 1\n")
	for _, tt := range []struct{ subject, want string }{
		{"alice@example.com", "alice"},
		{"alice@example.org", "alice-2"},
		{"Alice@example.com", "alice-3"},
		{"A.B+c@example.com", "a-b-c"},
		{"*@example.com", "example-com"},
		{"@example.com", "example-com-2"},
		{"https://forge.example.com/acme/app/.forge/workflows/release.yml@refs/heads/main", "release"},
		{"https://forge.example.com/acme/app/.forge/workflows/*@refs/tags/*", "workflows"},
		{"https://forge.example.com", "forge"},
		{"spiffe://example.com/ns/build/", "build"},
		{"octocat", "octocat"},
		{"é", "identity"},
		{"://", "identity-2"},
	} {
		e := Entry{Subject: tt.subject, Issuer: issuer}
		if strings.Contains(tt.subject, "*") {
			e.Subject, e.SubjectPattern = "", tt.subject
		}
		var err error
		if data, err = Allow(data, e); err != nil {
			t.Fatal(err)
		}
		entries := mustParse(t, string(data)).Identities()
		if got := entries[len(entries)-1].Name; got != tt.want {
			t.Errorf("name for %s = %q, want %q", tt.subject, got, tt.want)
		}
	}
}

func TestAllowIsIdempotent(t *testing.T) {
	data, err := Allow(nil, alice)
	if err != nil {
		t.Fatal(err)
	}
	again := alice
	again.Name = "other"
	if out, err := Allow(data, again); !errors.Is(err, ErrPresent) || out != nil {
		t.Errorf("Allow again = %q, %v, want %v", out, err, ErrPresent)
	}
	again.Window.Until = date(2026, 1, 1)
	if _, err := Allow(data, again); err != nil {
		t.Errorf("Allow with another window: %v", err)
	}
}

func TestAllowFindsKeysThatAreThere(t *testing.T) {
	const data = "version = 1\n[identity.bob]\nopenpgp = [\"" + fprAlice + "\", \"" + fprForge + "\"]\n[identity.carol]\nssh = \"" + sshKeyText + " carol@laptop\"\n"
	until := Window{Until: date(2026, 1, 1)}
	for _, tt := range []struct {
		name    string
		e       Entry
		present bool
	}{
		{"one of two", Entry{OpenPGP: []string{strings.ToLower(fprForge)}}, true},
		{"both, in another order", Entry{OpenPGP: []string{fprForge, fprAlice}}, true},
		{"with spaces", Entry{OpenPGP: []string{fprAlice[:20] + "  " + fprAlice[20:]}}, true},
		{"by another name", Entry{Name: "x", SSH: []string{sshKeyText}}, true},
		{"fingerprint of a key", Entry{SSH: []string{sshFingerprint}}, true},
		{"another comment", Entry{SSH: []string{sshKeyText + " x"}}, true},
		{"another window", Entry{SSH: []string{sshFingerprint}, Window: until}, false},
		{"another key", Entry{OpenPGP: []string{strings.Repeat("A", 40)}}, false},
	} {
		out, err := Allow([]byte(data), tt.e)
		if errors.Is(err, ErrPresent) != tt.present || !tt.present && err != nil || (out == nil) != tt.present {
			t.Errorf("%s: Allow = %q, %v", tt.name, out, err)
		}
	}
}

func TestAllowRefuses(t *testing.T) {
	const text = "version = 1\n[identity.bob]\nsubject = \"bob@example.com\"\nissuer = \"i\"\n"
	for _, tt := range []struct {
		data string
		e    Entry
		want string
	}{
		{"version = 2", alice, "adding alice@example.org (https://accounts.example.com) to the policy: line 1: version"},
		{text, Entry{Issuer: "i"}, "missing subject"},
		{text, Entry{Subject: "a"}, "missing issuer"},
		{text, Entry{Subject: "a", SubjectPattern: "a*", Issuer: "i"}, "both subject"},
		{text, Entry{SubjectPattern: "*", Issuer: "i"}, "matches everything"},
		{text, Entry{Subject: "a\xff", Issuer: "i"}, "not UTF-8"},
		{text, Entry{Subject: "a\xc2", Issuer: "\xb4i"}, "not UTF-8"}, // but UTF-8 side by side
		{text, Entry{Name: "a\nb", Subject: "a", Issuer: "i"}, "cannot be shown"},
		{text, Entry{Name: "a\xff", Subject: "a", Issuer: "i"}, "cannot be shown"},
		{text, Entry{Name: "bob", Subject: "a", Issuer: "i"}, "[identity.bob] in line 2 has that name"},
		{text, Entry{Subject: "a", Issuer: "i", Window: Window{date(2026, 1, 2), date(2026, 1, 1)}}, "is not after from"},
		{text, Entry{Subject: "a", Issuer: "i", Window: Window{From: date(10000, 1, 1)}}, "year 10000"},
		{text, Entry{Subject: "a", Issuer: "i", Compromised: []Window{{}}}, "neither from nor until"},
		{text, Entry{Subject: "a", Issuer: "i", Compromised: []Window{{Until: time.Time{}.In(time.FixedZone("", 3600))}}}, "neither from nor until"},
		{text, Entry{Subject: strings.Repeat("a", maxSize), Issuer: "i"}, "more than 1048576 bytes"},
	} {
		out, err := Allow([]byte(tt.data), tt.e)
		if err == nil || !strings.Contains(err.Error(), tt.want) || out != nil {
			t.Errorf("Allow(%.100v) = %.100q, %.200v, want an error with %q", tt.e, out, err, tt.want)
		}
	}
}

func TestAllowTakesEveryWay(t *testing.T) {
	for _, tt := range []struct {
		e    Entry
		name string
		want string // under the header
	}{
		{Entry{OpenPGP: []string{strings.ToLower(fprAlice)}, Role: Forge}, "openpgp-01234567", `openpgp = "` + fprAlice + "\"\nkind = \"forge\"\n"},
		{Entry{OpenPGP: []string{fprAlice, fprForge}, Emails: []string{"Alice@example.com", "a@example.com"}}, "alice",
			`openpgp = ["` + fprAlice + `", "` + fprForge + "\"]\nemail = [\"Alice@example.com\", \"a@example.com\"]\n"},
		{Entry{OpenPGP: []string{"0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567"}}, "openpgp-01234567", `openpgp = "` + fprAlice + "\"\n"},
		{Entry{OpenPGP: []string{"0x" + fprAlice}}, "openpgp-01234567", `openpgp = "` + fprAlice + "\"\n"},
		{Entry{Name: "me", OpenPGP: []string{fprAlice}}, "me", `openpgp = "` + fprAlice + "\"\n"},
		{Entry{SSH: []string{sshKeyText}}, "ssh-zkaslgjf", `ssh = "` + sshKeyText + "\"\n"},
		{Entry{SSH: []string{sshKeyText + " carol@laptop"}}, "ssh-zkaslgjf", `ssh = "` + sshKeyText + "\"\n"},
		{Entry{SSH: []string{"SHA256:+/A+" + sshFingerprint[11:]}}, "ssh-algjfiuh", `ssh = "SHA256:+/A+` + sshFingerprint[11:] + "\"\n"},
		{Entry{SSHPrincipal: "carol@example.com"}, "carol", "ssh-principal = \"carol@example.com\"\n"},
		{Entry{X509Issuer: "CN=CA", SubjectPattern: "*@example.com"}, "example-com", "subject-pattern = \"*@example.com\"\nx509-issuer = \"CN=CA\"\n"},
	} {
		data, err := Allow(nil, tt.e)
		if want := "version = 1\n\n[identity." + tt.name + "]\n" + tt.want; err != nil || string(data) != want {
			t.Errorf("Allow(%+v) = %q, %v, want %q", tt.e, data, err, want)
			continue
		}
		if _, err := Allow(data, tt.e); !errors.Is(err, ErrPresent) {
			t.Errorf("Allow(%+v) again = %v, want %v", tt.e, err, ErrPresent)
		}
		removal, err := Remove(data, Match{Subject: tt.e.Subject + tt.e.SubjectPattern + tt.e.SSHPrincipal, Name: tt.name})
		if err != nil || string(removal.Text) != "version = 1\n" {
			t.Errorf("Remove = %+v, %v", removal, err)
		}
	}
}

func TestAllowRefusesWhatTheWholeForbids(t *testing.T) {
	const two = people + "[[rule]]\nrefs = [\"**\"]\nallow = [\"alice\", \"carol\"]\nthreshold = 2\n"
	for _, tt := range []struct {
		name, data string
		e          Entry
		want       string
	}{
		{"OpenPGP key id with 0x", people, Entry{OpenPGP: []string{"0x" + fprAlice[24:]}}, `openpgp "0x` + fprAlice[24:] + `" is not the fingerprint`},
		{"one key of two is there", people, Entry{OpenPGP: []string{strings.Repeat("B", 40), fprAlice}}, "the same key " + fprAlice + " and window as [identity.bob] in line 5"},
		{"address that makes one of two", two, Entry{SSHPrincipal: "x", Emails: []string{"alice@example.com", "carol@example.com"}}, "threshold 2 is never met"},
		{"unknown kind", people, Entry{SSHPrincipal: "x", Role: "robot"}, `kind "robot" is not human, bot or forge`},
		{"bad OpenPGP key", people, Entry{OpenPGP: []string{"0x1"}}, "not the fingerprint"},
		{"bad SSH key", people, Entry{SSH: []string{"x"}}, "neither a fingerprint"},
		{"bad address", people, Entry{SSHPrincipal: "x", Emails: []string{"x"}}, "not an address"},
		{"principal not in UTF-8", people, Entry{SSHPrincipal: "\xff"}, "not UTF-8"},
		{"two ways", people, Entry{SSHPrincipal: "x", Issuer: "i"}, "both ssh-principal and issuer"},
	} {
		if out, err := Allow([]byte(tt.data), tt.e); err == nil || !strings.Contains(err.Error(), tt.want) || out != nil || errors.Is(err, ErrPresent) {
			t.Errorf("%s: Allow = %q, %v, want an error with %q", tt.name, out, err, tt.want)
		}
	}
}

func TestAllowLeavesItsArgument(t *testing.T) {
	e := Entry{OpenPGP: []string{strings.ToLower(fprAlice)}}
	if _, err := Allow(nil, e); err != nil || e.OpenPGP[0] != strings.ToLower(fprAlice) {
		t.Errorf("Allow left %+v, %v", e, err)
	}
}

func TestRemoveRefusesWhatARuleNames(t *testing.T) {
	const rule = "[[rule]]\nname = \"main\"\nrefs = [\"**\"]\nallow = [\"alice\"]\n"
	got, err := Remove([]byte(people+rule), Match{Name: "alice"})
	if want := `removing [identity.alice] from the policy: rule "main" in line 12 allows it; take it out there first`; err == nil || err.Error() != want || got != nil {
		t.Errorf("Remove = %v, %v, want %q", got, err, want)
	}
	got, err = Remove([]byte(people+rule), Match{Name: "forge"})
	if want := strings.Replace(people, "[identity.forge]\nopenpgp = \""+fprForge+"\"\nkind = \"forge\"\n", "", 1) + rule; err != nil || string(got.Text) != want {
		t.Errorf("Remove beside a rule = %q, %v, want %q", got.Text, err, want)
	}
}

func TestRemoveByKeyOrPrincipal(t *testing.T) {
	const data = kinds + "[identity.bob-2]\nopenpgp = [\"" + fprAlice + "\", \"" + fprForge + "\"]\nfrom = 2026-01-01T00:00:00Z\n"
	for _, tt := range []struct {
		m              Match
		removed, still string
	}{
		{Match{Subject: strings.ToLower(fprAlice)}, "bob bob-2", ""},
		{Match{Subject: fprForge}, "bob-2", "bob"}, // whose key bob-2 had as well
		{Match{Name: "bob"}, "bob", "bob-2"},
		{Match{Subject: sshFingerprint}, "carol-key", ""},
		{Match{Subject: sshKeyText}, "carol-key", ""},
		{Match{Subject: "carol@example.com"}, "carol", ""},
		{Match{Subject: "dave@example.com", Issuer: "CN=CA"}, "dave", ""},
		{Match{Subject: "dave@example.com", Issuer: "CN=other"}, "", ""},
		{Match{Subject: "x@staff.example.com"}, "", "staff"},
		{Match{Key: strings.ToLower(fprAlice)}, "bob bob-2", ""},
		{Match{Key: "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567"}, "bob bob-2", ""},
		{Match{Subject: "0X" + fprAlice}, "bob bob-2", ""},
		{Match{Key: fprForge}, "bob-2", "bob"},
		{Match{Key: fprAlice, Name: "bob"}, "bob", "bob-2"},
		{Match{Key: fprAlice, Name: "dave"}, "", "bob bob-2"},
		{Match{Key: fprAlice, Subject: "carol@example.com"}, "", "bob carol bob-2"},
		{Match{Key: sshFingerprint}, "carol-key", ""},
		{Match{Key: sshKeyText + " carol@laptop"}, "carol-key", ""},
		{Match{Key: strings.Repeat("A", 40)}, "", ""},
	} {
		got, err := Remove([]byte(data), tt.m)
		if err != nil {
			t.Fatal(err)
		}
		var removed, still []string
		for _, e := range got.Removed {
			removed = append(removed, e.Name)
		}
		for _, e := range got.Still {
			still = append(still, e.Name)
		}
		if strings.Join(removed, " ") != tt.removed || strings.Join(still, " ") != tt.still {
			t.Errorf("Remove(%+v): removed %v, still %v, want %q and %q", tt.m, removed, still, tt.removed, tt.still)
		}
		mustParse(t, string(got.Text))
	}
}

const garden = `# the policy
version = 1
[identity.one] # touches the version
subject = "one@example.com"
issuer = "i"

# a title

# about two
# and more about two
[identity.two]
subject = "two@example.com"

# inside two
issuer = """
i"""
# until = 2026-01-01T00:00:00Z

[identity.three]
subject = '''
three
# not a comment'''
issuer = "i"
  # about four
[identity.four]
subject-pattern = "*@example.com"
issuer = "i"
# the end`

func TestRemoveTakesTheBlockOnly(t *testing.T) {
	for _, tt := range []struct {
		name    string
		m       Match
		removed string // from garden
	}{
		{"first", Match{Name: "one"}, "[identity.one] # touches the version\nsubject = \"one@example.com\"\nissuer = \"i\"\n"},
		{"by subject", Match{Subject: "one@example.com"}, "[identity.one] # touches the version\nsubject = \"one@example.com\"\nissuer = \"i\"\n"},
		{"with comments", Match{Subject: "two@example.com", Issuer: "i"},
			"\n# about two\n# and more about two\n[identity.two]\nsubject = \"two@example.com\"\n\n# inside two\nissuer = \"\"\"\ni\"\"\"\n# until = 2026-01-01T00:00:00Z\n"},
		{"before another's comment", Match{Name: "three"}, "\n[identity.three]\nsubject = '''\nthree\n# not a comment'''\nissuer = \"i\"\n"},
		{"last", Match{Subject: "*@example.com"}, "\n  # about four\n[identity.four]\nsubject-pattern = \"*@example.com\"\nissuer = \"i\"\n# the end"},
		{"other issuer", Match{Subject: "one@example.com", Issuer: "j"}, ""},
		{"other name", Match{Name: "two", Subject: "one@example.com"}, ""},
		{"not there", Match{Name: "five"}, ""},
	} {
		if !strings.Contains(garden, tt.removed) {
			t.Fatalf("%s: not in the text: %q", tt.name, tt.removed)
		}
		want := strings.Replace(garden, tt.removed, "", 1)
		got, err := Remove([]byte(garden), tt.m)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if string(got.Text) != want {
			t.Errorf("%s: Remove (-want +got):\n%s", tt.name, cmp.Diff(want, string(got.Text)))
		}
		if wantRemoved := min(len(tt.removed), 1); len(got.Removed) != wantRemoved {
			t.Errorf("%s: removed %v, want %d", tt.name, got.Removed, wantRemoved)
		}
		mustParse(t, string(got.Text))
	}
}

func TestRemoveTakesCommentSignInStringForText(t *testing.T) {
	const a = "[identity.a]\nissuer = 'i'\nsubject = '''\n# a'''\n"
	const b = "[identity.b]\nissuer = 'i'\nsubject = 'b'\n"
	got, err := Remove([]byte("version = 1\n"+a+b), Match{Name: "b"})
	if err != nil || string(got.Text) != "version = 1\n"+a {
		t.Errorf("Remove = %q, %v", got.Text, err)
	}
}

func TestRemoveSeveral(t *testing.T) {
	for _, end := range []string{"\n", ""} {
		data := []byte("version = 1" + end)
		for _, e := range []Entry{
			{Subject: "a@example.com", Issuer: "i"},
			{Subject: "a@example.com", Issuer: "j"},
			{Subject: "a@example.com", Issuer: "i", Window: Window{From: date(2026, 1, 1)}},
		} {
			var err error
			if data, err = Allow(data, e); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Remove(data, Match{Subject: "a@example.com"})
		if err != nil || string(got.Text) != "version = 1"+end || len(got.Removed) != 3 {
			t.Errorf("Remove = %q, %v, %v", got.Text, got.Removed, err)
		}
	}
}

func TestRemoveSaysWhatStillAllows(t *testing.T) {
	data := []byte(`version = 1
[identity.alice]
subject = "alice@example.com"
issuer = "i"
[identity.staff]
subject-pattern = "*@example.com"
issuer = "i"
[identity.staff-elsewhere]
subject-pattern = "*@example.com"
issuer = "j"
`)
	for _, tt := range []struct {
		name    string
		m       Match
		removed int
		still   string
	}{
		{"by name", Match{Name: "alice"}, 1, "staff"},
		{"by subject", Match{Subject: "alice@example.com"}, 1, "staff staff-elsewhere"},
		{"by subject and issuer", Match{Subject: "alice@example.com", Issuer: "i"}, 1, "staff"},
		{"only by pattern", Match{Subject: "bob@example.com", Issuer: "j"}, 0, "staff-elsewhere"},
		{"the pattern", Match{Subject: "*@example.com", Issuer: "i"}, 1, ""},
		{"unknown", Match{Subject: "bob@example.net"}, 0, ""},
	} {
		got, err := Remove(data, tt.m)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var still []string
		for _, e := range got.Still {
			still = append(still, e.Name)
		}
		if len(got.Removed) != tt.removed || strings.Join(still, " ") != tt.still {
			t.Errorf("%s: removed %v, still %v, want %d and %s", tt.name, got.Removed, still, tt.removed, tt.still)
		}
	}
}

func TestRemoveRefuses(t *testing.T) {
	for _, tt := range []struct {
		data string
		m    Match
		want string
	}{
		{garden, Match{}, "neither a name nor a subject nor a key"},
		{garden, Match{Issuer: "i"}, "neither a name nor a subject nor a key"},
		{garden, Match{Key: fprAlice[24:]}, `removing from the policy: "89ABCDEF01234567" is neither an OpenPGP fingerprint nor an SSH key or its fingerprint`},
		{garden, Match{Name: "one", Key: "one@example.com"}, `"one@example.com" is neither`},
		{"version = 2", Match{Name: "a"}, "removing from the policy: line 1: version"},
	} {
		if got, err := Remove([]byte(tt.data), tt.m); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Remove(%q, %v) = %v, %v, want an error with %q", tt.data, tt.m, got, err, tt.want)
		}
	}
	if got, err := Remove(nil, Match{Name: "a"}); err != nil || len(got.Text) != 0 || got.Removed != nil {
		t.Errorf("Remove from no file = %v, %v, want nothing", got, err)
	}
}

func TestEditsKeepTheirInput(t *testing.T) {
	data := append(make([]byte, 0, 10_000), garden...)
	before := bytes.Clone(data[:cap(data)])
	if _, err := Allow(data, alice); err != nil {
		t.Error(err)
	}
	if _, err := Remove(data, Match{Name: "two"}); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(before, data[:cap(data)]) {
		t.Error("Allow or Remove wrote into its input")
	}
}

// checkRemoveEach removes each entry of a good policy by itself.
func checkRemoveEach(t *testing.T, data []byte) {
	t.Helper()
	p, err := Parse("before", data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range p.entries {
		got, err := Remove(data, Match{Name: e.Name})
		if slices.ContainsFunc(p.rules, func(r *rule) bool { return r.allow[e] }) {
			if err == nil || got != nil {
				t.Fatalf("Remove(%s), which a rule allows = %v, %v, want an error", e.Name, got, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		after, err := Parse("after", got.Text)
		if err != nil {
			t.Fatalf("after Remove(%s): %v\n%s", e.Name, err, got.Text)
		}
		var want []Entry
		for _, other := range p.Identities() {
			if other.Line = 0; other.Name != e.Name {
				want = append(want, other)
			}
		}
		have := after.Identities()
		for i := range have {
			have[i].Line = 0
		}
		if len(after.rules) != len(p.rules) || len(after.exempt) != len(p.exempt) || len(after.Baseline()) != len(p.Baseline()) {
			t.Fatalf("Remove(%s) took more than the entry:\n%s", e.Name, got.Text)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Fatalf("after Remove(%s) (-want +got):\n%s", e.Name, diff)
		}
	}
}

func FuzzAllow(f *testing.F) {
	f.Add([]byte(""), "alice@example.com", issuer, int64(0), int64(0), int64(0))
	f.Add([]byte(sample), "a\"\\\n\x00", "i", int64(1), int64(0), int64(99))
	f.Add([]byte(garden), "*b*", "i", int64(1), int64(2), int64(3))
	f.Add([]byte("version = 1\r\n# x"), "x", "y", int64(0), int64(5), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, subject, issuer string, from, until, compromised int64) {
		e := Entry{Subject: subject, Issuer: issuer}
		if strings.Contains(subject, "*") {
			e.Subject, e.SubjectPattern = "", subject
		}
		for field, seconds := range map[*time.Time]int64{&e.Window.From: from, &e.Window.Until: until} {
			if seconds != 0 {
				*field = time.Unix(seconds, 0).UTC()
			}
		}
		if compromised != 0 {
			e.Compromised = []Window{{From: time.Unix(compromised, 0).UTC()}}
		}
		out, err := Allow(data, e)
		if err != nil {
			return
		}

		if !bytes.HasPrefix(out, data) {
			t.Errorf("Allow changed the text that was there: %q", out)
		}
		entries := mustParse(t, string(out)).Identities()
		got := entries[len(entries)-1]
		e.Name, e.Line, e.Role = got.Name, got.Line, Human
		if diff := cmp.Diff(e, got); diff != "" {
			t.Errorf("entry after Allow (-want +got):\n%s", diff)
		}
		if _, err := Allow(out, e); !errors.Is(err, ErrPresent) {
			t.Errorf("Allow again = %v, want %v", err, ErrPresent)
		}

		removal, err := Remove(out, Match{Name: e.Name})
		if err != nil {
			t.Fatal(err)
		}
		if len(data) == 0 {
			data = []byte("version = 1\n")
		}
		if !bytes.Equal(removal.Text, data) {
			t.Errorf("Remove after Allow = %q, want %q", removal.Text, data)
		}
	})
}

func FuzzAllowKey(f *testing.F) {
	f.Add([]byte(""), fprAlice, false)
	f.Add([]byte(sample), "0x0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567", false)
	f.Add([]byte(wholeSample), strings.Repeat("A1", 32), false)
	f.Add([]byte("version = 1"), sshFingerprint, true)
	f.Add([]byte("version = 1\r\n"), sshKeyText+" a \"comment\" # of words", true)
	f.Fuzz(func(t *testing.T, data []byte, key string, ssh bool) {
		e, kind := Entry{OpenPGP: []string{key}}, verifier.OpenPGP
		if ssh {
			e, kind = Entry{SSH: []string{key}}, verifier.SSH
		}
		out, err := Allow(data, e)
		if err != nil {
			return
		}
		p := mustParse(t, string(out))
		got := p.entries[len(p.entries)-1]
		if name, err := p.Identify(Signature{Signer: verifier.Signer{Kind: kind, Key: got.keys[0]}}); err != nil || !strings.HasPrefix(got.Name, string(kind)+"-") && name != got.Name {
			t.Errorf("the key of %+v is allowed by %q, %v", got.Entry, name, err)
		}
		if _, err := Allow(out, e); !errors.Is(err, ErrPresent) {
			t.Errorf("Allow again = %v, want %v", err, ErrPresent)
		}
		if len(data) == 0 {
			data = []byte("version = 1\n")
		}
		removal, err := Remove(out, Match{Name: got.Name, Key: key})
		if err != nil || !bytes.Equal(removal.Text, data) {
			t.Errorf("Remove after Allow = %+v, %v, want %q", removal, err, data)
		}
	})
}

package policy

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const sample = `# who may sign
version = 1

[identity.alice] # she left
subject = "alice@example.com"
issuer  = "https://accounts.example.com"
until   = 2026-06-30T00:00:00Z

[identity."build bot"]
issuer          = 'https://token.example.com'
subject-pattern = "https://forge.example.com/acme/app/*@refs/tags/*"
from            = 2026-01-01T02:00:00.5+02:00
compromised     = [
  {from = 2026-02-01T00:00:00Z, until = 2026-02-03T00:00:00Z}, # the first time
  {from = 2026-03-01T00:00:00Z},
]

  [ identity . carol ]
subject = "carol@example.com"
issuer = "https://accounts.example.com"
compromised = {until = 2026-01-01T00:00:00Z}
`

var sampleEntries = []Entry{{
	Name:    "alice",
	Subject: "alice@example.com",
	Issuer:  "https://accounts.example.com",
	Role:    Human,
	Window:  Window{Until: date(2026, 6, 30)},
	Line:    4,
}, {
	Name:           "build bot",
	SubjectPattern: "https://forge.example.com/acme/app/*@refs/tags/*",
	Issuer:         "https://token.example.com",
	Role:           Human,
	Window:         Window{From: date(2026, 1, 1).Add(time.Second / 2)},
	Compromised: []Window{
		{From: date(2026, 2, 1), Until: date(2026, 2, 3)},
		{From: date(2026, 3, 1)},
	},
	Line: 9,
}, {
	Name:        "carol",
	Subject:     "carol@example.com",
	Issuer:      "https://accounts.example.com",
	Role:        Human,
	Compromised: []Window{{Until: date(2026, 1, 1)}},
	Line:        18,
}}

func date(year, month, day int) time.Time {
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
}

// mustParse parses a policy that has to be good.
func mustParse(t testing.TB, data string) *Policy {
	t.Helper()
	p, err := Parse("test", []byte(data))
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return p
}

func TestParse(t *testing.T) {
	for _, data := range []string{sample, strings.ReplaceAll(sample, "\n", "\r\n"), strings.TrimSuffix(sample, "\n")} {
		p := mustParse(t, data)
		if diff := cmp.Diff(sampleEntries, p.Identities()); diff != "" {
			t.Errorf("Parse(%q): identities (-want +got):\n%s", data, diff)
		}
		if got, want := p.Digest(), sha256.Sum256([]byte(data)); got != want {
			t.Errorf("Digest() = %x, want %x", got, want)
		}
	}
}

func TestParseTakesPolicyWithoutIdentities(t *testing.T) {
	if got := mustParse(t, "version = 1").Identities(); len(got) != 0 {
		t.Errorf("Identities() = %v, want none", got)
	}
}

func TestParseDoesNotKeepItsInput(t *testing.T) {
	data := []byte(sample)
	p, err := Parse("test", data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if diff := cmp.Diff(sampleEntries, p.Identities()); diff != "" {
		t.Errorf("identities after the input was cleared (-want +got):\n%s", diff)
	}
}

func TestIdentitiesAreCopies(t *testing.T) {
	p := mustParse(t, sample)
	p.Identities()[1].Compromised[0] = Window{}
	if diff := cmp.Diff(sampleEntries, p.Identities()); diff != "" {
		t.Errorf("identities after a caller changed some (-want +got):\n%s", diff)
	}
}

// TestParseRefuses takes a good policy and breaks one thing at a time.
func TestParseRefuses(t *testing.T) {
	const good = `version = 1
[identity.alice]
subject = "alice@example.com"
issuer = "https://accounts.example.com"
from = 2026-01-01T00:00:00Z
`
	mustParse(t, good)
	const bob = "[identity.bob]\nsubject = \"bob@example.com\"\nissuer = \"https://accounts.example.com\"\n"
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("nothing to replace: %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	subject, issuer, from := `subject = "alice@example.com"`, `issuer = "https://accounts.example.com"`, "from = 2026-01-01T00:00:00Z"
	for _, tt := range []struct{ name, data, want string }{
		{"empty file", "", "line 1: missing version = 1"},
		{"only a comment", "# policy\n\n", "line 1: missing version = 1"},
		{"no version", replace("version = 1\n", "\n"), "line 1: missing version = 1"},
		{"version 2", replace("version = 1", "version = 2"), "line 1: version is not 1, the only one that this version of gitseal knows"},
		{"version as a string", replace("version = 1", `version = "1"`), "line 1: version is not 1"},
		{"version spelled otherwise", replace("version = 1", "version = 0x1"), "line 1: version is not 1"},
		{"second version", replace("version = 1", "version = 1\nversion = 1"), "line 2: second version"},
		{"unknown key at the top", replace("version = 1", "version = 1\nmode = 2"), "line 2: unknown key mode: outside its tables this version of gitseal knows version, key-time and accept-weak"},
		{"identity in a line", replace("version = 1", "version = 1\nidentity.bob = {}"), "line 2: unknown key identity.bob"},

		{"unknown table", good + "[[rules]]\n", "line 6: unknown table [[rules]]: this version of gitseal knows [identity.NAME], [[rule]], [baseline] and [[exempt]]"},
		{"rule that is no array", good + "[rule]\n", "line 6: unknown table [rule]: this version"},
		{"rule quoted as one word", good + "['[rule]']\n", "line 6: unknown table [\"[rule]\"]: this version"},
		{"table in a rule", good + "[rule.x]\n", "line 6: unknown table [rule.x]: this version"},
		{"exempt that is no array", good + "\n[exempt]\n", "line 7: unknown table [exempt]: this version"},
		{"baseline array", good + "[[baseline]]\n", "line 6: unknown table [[baseline]]: this version"},
		{"identity array", good + "[[identity.bob]]\n", "line 6: unknown table [[identity.bob]]"},
		{"identity without a name", good + "[identity]\n", "line 6: unknown table [identity]"},
		{"table in an identity", good + "[identity.alice.compromised]\n", "line 6: unknown table [identity.alice.compromised]"},
		{"empty name", replace("identity.alice", `identity.""`), "line 2: the name of an identity is empty"},
		{"name with an escape", replace("identity.alice", `identity."a\u001b"`), `line 2: the name "a\x1b" has a character that cannot be shown`},
		{"second name", good + strings.Replace(bob, "bob]", "alice]", 1), "line 6: second [identity.alice], after line 2"},

		{"key in other case", replace("subject", "Subject"), "line 3: unknown key Subject"},
		{"quoted unknown key", replace(from, `"a\nb" = 1`), `line 5: unknown key "a\u000Ab"`},
		{"dotted key", replace(from, `compromised.from = 2026-01-01T00:00:00Z`), "line 5: unknown key compromised.from"},
		{"quoted dotted key", replace("subject", `"subject.x"`), `line 3: unknown key "subject.x"`},
		{"second key", replace(from, subject), "line 5: second subject"},
		{"no subject", replace(subject, ""), "line 2: missing subject or subject-pattern"},
		{"empty identity at the end", good + "[identity.bob]", "line 6: missing subject or subject-pattern"},
		{"both subjects", replace(from, `subject-pattern = "*@example.com"`), "line 2: both subject and subject-pattern"},
		{"no issuer", replace(issuer, ""), "line 2: missing issuer"},
		{"empty subject", replace("alice@example.com", ""), "line 3: subject is empty"},
		{"empty issuer", replace("https://accounts.example.com", ""), "line 4: issuer is empty"},
		{"empty pattern", replace(subject, `subject-pattern = ""`), "line 3: subject-pattern is empty"},
		{"pattern for anyone", replace(subject, `subject-pattern = "*"`), `line 2: subject-pattern: pattern "*" matches everything`},
		{"subject without quotes", replace(`"alice@example.com"`, "alice@example.com"), "line 3: text without quotes: "},
		{"subject without quotes that begins as a number", replace(`"alice@example.com"`, "nina@example.com"), "line 3: text without quotes: "},
		{"array as subject", replace(subject, `subject = ["alice@example.com"]`), "line 3: subject is not a string"},
		{"number as issuer", replace(issuer, "issuer = 1"), "line 4: issuer is not a string"},

		{"string as time", replace("2026-01-01T00:00:00Z", `"2026-01-01T00:00:00Z"`), "line 5: from is not a time with a zone, such as 2026-06-30T00:00:00Z"},
		{"date", replace("2026-01-01T00:00:00Z", "2026-01-01"), "line 5: from is not a time with a zone"},
		{"time without zone", replace("2026-01-01T00:00:00Z", "2026-01-01T00:00:00"), "line 5: from is not a time with a zone"},
		{"no such day", replace("2026-01-01", "2026-02-29"), "line 5: from is not a time with a zone"},
		{"short hour", replace("T00:", "T0:"), "line 5: from is not a time with a zone"},
		{"zone of a day", replace("00:00Z", "00:00+24:00"), "line 5: from is not a time with a zone"},
		{"zone of 60 minutes", replace("00:00Z", "00:00+00:60"), "line 5: from is not a time with a zone"},
		{"lower case", replace("T00", "t00"), "line 5: from is not a time with a zone"},
		{"zero time", replace("2026-01-01", "0001-01-01"), "line 5: from is the zero time"},
		{"year -1", replace("2026-01-01T00:00:00Z", "0000-01-01T00:00:00+01:00"), "line 2: the year -1 is not of four digits"},
		{"until at from", replace(from, from+"\nuntil = 2026-01-01T01:00:00+01:00"), "line 2: until 2026-01-01T00:00:00Z is not after from 2026-01-01T00:00:00Z"},
		{"until before from", replace(from, "until = 2025-12-31T00:00:00Z\n"+from), "line 2: until 2025-12-31T00:00:00Z is not after from"},

		{"time as compromised", replace("from", "compromised"), "line 5: compromised is not {from = TIME, until = TIME}, or an array of those"},
		{"array of times", replace(from, "compromised = [2026-01-01T00:00:00Z]"), "line 5: compromised is not {"},
		{"array of arrays", replace(from, "compromised = [[{from = 2026-01-01T00:00:00Z}]]"), "line 5: compromised is not {"},
		{"no window", replace(from, "compromised = []"), "line 5: compromised is empty"},
		{"empty window", replace(from, "compromised = {}"), "line 2: compromised has neither from nor until"},
		{"empty second window", replace(from, "compromised = [{"+from+"}, {}]"), "line 2: compromised has neither from nor until"},
		{"unknown key in a window", replace(from, "compromised = {since = 2026-01-01T00:00:00Z}"), "line 5: compromised: unknown key since: this version of gitseal knows from and until"},
		{"second key in a window", replace(from, "compromised = {"+from+", "+from+"}"), "line 5: compromised: second from"},
		{"string in a window", replace(from, `compromised = {until = "never"}`), "line 5: compromised: until is not a time"},
		{"window backwards", replace(from, "compromised = {"+from+", until = 2025-01-01T00:00:00Z}"), "line 2: compromised: until 2025-01-01T00:00:00Z is not after from"},

		{"same identity", replace(from, "") + strings.Replace(bob, "bob@", "alice@", 1), "line 6: the same subject, issuer and window as [identity.alice] in line 2"},
		{"same identity, window otherwise written", good + strings.Replace(bob, "bob@", "alice@", 1) + "from = 2025-12-31T23:00:00-01:00",
			"line 6: the same subject, issuer and window as [identity.alice] in line 2"},
		{"not TOML", replace(issuer, "issuer: x"), "line 4: "},
		{"unfinished string", replace(issuer, `issuer = "x`), "line 4: "},
		{"unfinished file", good + "[identity.bob", "line 6: "},
		{"not UTF-8", replace("alice@", "alice\xff@"), "line 3: "},
		{"huge", good + "#" + strings.Repeat("x", maxSize), "line 1: more than 1048576 bytes"},
	} {
		_, err := Parse("p.toml", []byte(tt.data))
		if err == nil || !strings.HasPrefix(err.Error(), "reading policy p.toml: "+tt.want) {
			t.Errorf("%s: Parse = %v, want %q\n%.200s", tt.name, err, tt.want, tt.data)
		}
	}
}

func TestParseTakesOneIdentityInSeveralWindows(t *testing.T) {
	p := mustParse(t, `version = 1
[identity.alice]
subject = "a@example.com"
issuer = "i"
until = 2026-01-01T00:00:00Z
[identity.alice-again]
subject = "a@example.com"
issuer = "i"
from = 2026-06-01T00:00:00Z
[identity.alice-elsewhere]
subject = "a@example.com"
issuer = "j"
until = 2026-01-01T00:00:00Z
[identity.alice-pattern]
subject-pattern = "a@example.com"
issuer = "i"
until = 2026-01-01T00:00:00Z
`)
	if got := len(p.Identities()); got != 4 {
		t.Errorf("%d identities, want 4", got)
	}
}

func TestParseBoundsNesting(t *testing.T) {
	for _, open := range []string{"[", "{a="} {
		if _, err := Parse("test", []byte("version = "+strings.Repeat(open, maxSize/4))); err == nil {
			t.Errorf("Parse took a value nested with %q", open)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(wholeSample))
	f.Add([]byte("version = 1"))
	f.Add([]byte("version = 1\r\n[identity.'a b']\r\nsubject = '''a\r\n#'''\r\nissuer = \"\"\"\\u0041\"\"\"\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("fuzz", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "reading policy fuzz: line ") {
				t.Errorf("error without a line: %v", err)
			}
			return
		}

		// What we accept is TOML, and says the same to others.
		want, err := oracle(data)
		if err != nil {
			t.Fatalf("Parse accepted what is not TOML: %v", err)
		}
		if diff := cmp.Diff(want, contentsOf(p)); diff != "" {
			t.Fatalf("contents (-TOML +Parse):\n%s", diff)
		}

		// What we write says the same again.
		text := []byte("version = 1\n")
		for _, e := range p.entries {
			text = append(appendEntry(text, e, "\n"), '\n')
		}
		again, err := Parse("again", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for i, e := range again.entries {
			if e.Line = p.entries[i].Line; !cmp.Equal(e.Entry, p.entries[i].Entry) {
				t.Errorf("entry %v came back as %v", p.entries[i].Entry, e.Entry)
			}
		}
		checkRemoveEach(t, data)
		for _, w := range Lint(p, date(2026, 1, 1)) {
			if w.Text == "" || w.Line > 1+strings.Count(string(data), "\n") {
				t.Errorf("warning %+v", w)
			}
		}
	})
}

// manyIdentities returns a policy with n identities, every tenth by pattern.
func manyIdentities(n int) []byte {
	b := []byte("version = 1\n")
	for i := range n {
		key, subject := "subject", fmt.Sprintf("person-%d@example.com", i)
		if i%10 == 9 {
			key, subject = "subject-pattern", fmt.Sprintf("https://forge.example.com/acme/app-%d/*@refs/tags/*", i)
		}
		b = fmt.Appendf(b, "\n[identity.person-%d]\n%s = %q\nissuer = \"https://accounts.example.com\"\nuntil = 2026-06-30T00:00:00Z\n", i, key, subject)
	}
	return b
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{5, 1000} {
		data := manyIdentities(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse("bench", data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

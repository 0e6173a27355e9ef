package policy

import (
	"slices"
	"strings"
	"testing"
)

// lint returns the texts of a policy's warnings.
func lint(t *testing.T, data string) []string {
	t.Helper()
	var texts []string
	for _, w := range Lint(mustParse(t, data), date(2026, 6, 1)) {
		texts = append(texts, w.String())
	}
	return texts
}

func TestLintFindsNothingInASoundPolicy(t *testing.T) {
	if got := lint(t, people+`[[rule]]
refs = ["refs/heads/main", "refs/heads/release/*", "refs/tags/v*"]
paths = ["infra/**", "*.go", "/README.md", "**/Makefile", "!infra/doc"]
allow = ["alice", "bob"]
match = "committer"
threshold = 2
lightweight = true
[[rule]]
refs = ["refs/heads/**"]
allow = ["alice", "bob", "carol", "forge"]
`); got != nil {
		t.Errorf("Lint = %q, want nothing", got)
	}
}

func TestLintRules(t *testing.T) {
	rule := func(lines ...string) string { return "[[rule]]\n" + strings.Join(lines, "\n") + "\n" }
	const mainRefs, allRefs = `refs = ["refs/heads/main"]`, `refs = ["refs/heads/**"]`
	const alice, bob, both, all = `allow = ["alice"]`, `allow = ["bob"]`, `allow = ["alice", "bob"]`, `allow = ["alice", "bob", "carol", "forge"]`
	expired := strings.Replace(people, "[identity.bob]", "until = 2026-06-01T00:00:00Z\n[identity.bob]", 1)
	staff := strings.Replace(people, "[identity.bob]", "[identity.staff]\nsubject-pattern = \"*@example.com\"\nissuer = \"https://accounts.example.com\"\nkind = \"bot\"\n[identity.bob]", 1)
	for _, tt := range []struct {
		name, data string
		want       string // separated by newlines, the warnings hold these; each line is one of a rule
	}{
		{"all expired", expired + rule(mainRefs, alice), "all whom it allows have expired"},
		{"one expired", expired + rule(mainRefs, both), ""},
		{"threshold with one expired", expired + rule(mainRefs, both, "threshold = 2"), "threshold 2 is not met any more: of those whom it allows, 1 have not expired"},
		{"forges only", people + rule(mainRefs, `allow = ["forge"]`), "allows forges only, which sign merges"},
		{"forges only, tags", people + rule(`refs = ["refs/tags/**"]`, `allow = ["forge"]`), "allows forges only, which sign no tags"},
		{"match without an address", strings.Replace(people, "alice@example.com", "https://forge.example.com/acme/app", 1) + rule(mainRefs, both, `match = "author"`), "match is never met by [identity.alice]"},
		{"match with an address", strings.Replace(people, "alice@example.com\"", "https://forge.example.com/acme/app\"\nemail = \"a@example.com\"", 1) + rule(mainRefs, both, `match = "author"`), ""},
		{"match by pattern", staff + rule(mainRefs, `allow = ["staff"]`, `match = "author"`), ""},

		{"nobody in common", people + rule(mainRefs, alice) + rule(allRefs, `allow = ["bob", "carol"]`), "nobody can satisfy both it and the rule in line 15"},
		{"nobody in common, both cover", people + rule(mainRefs, alice) + rule(mainRefs, bob), "nobody can satisfy both it and the rule in line 15\nnobody can satisfy both it and the rule in line 12"},
		{"nobody in common, on paths", people + rule(mainRefs, alice, `paths = ["/a"]`) + rule(allRefs, bob), "nobody can satisfy both it and the rule in line 16"},
		{"nobody in common, on other paths", people + rule(mainRefs, alice, `paths = ["/a"]`) + rule(mainRefs, bob, `paths = ["/b"]`), ""},
		{"nobody in common, on other refs", people + rule(mainRefs, alice) + rule(`refs = ["refs/heads/dev"]`, bob), ""},
		{"nobody in common, on some refs", people + rule(`refs = ["refs/heads/main", "refs/tags/v*"]`, alice) + rule(allRefs, bob), ""},
		{"somebody in common by pattern", staff + rule(mainRefs, alice) + rule(allRefs, `allow = ["staff", "bob"]`), ""},

		{"somebody in common by the allowed signers", strings.Replace(people, "openpgp = \""+fprAlice+"\"", "ssh = \""+sshFingerprint+"\"", 1) + rule(mainRefs, bob) + rule(allRefs, `allow = ["carol"]`), ""},
		{"somebody in common by two patterns", strings.Replace(staff, "subject = \"alice@", "subject-pattern = \"a*@", 1) + rule(mainRefs, alice) + rule(allRefs, `allow = ["staff"]`), ""},

		{"needless", people + rule(mainRefs, both) + rule(allRefs, both), "needless beside the rule in line 15"},
		{"needless twice", people + rule(mainRefs, both) + rule(mainRefs, both), "needless beside the rule in line 12"},
		{"needless, allows more", people + rule(mainRefs, all) + rule(allRefs, both), "needless beside the rule in line 15"},
		{"needless, fewer paths", people + rule(mainRefs, both, `paths = ["/a"]`) + rule(mainRefs, both), "needless beside the rule in line 16"},
		{"allows less", people + rule(mainRefs, both) + rule(allRefs, all), ""},
		{"matches more", people + rule(mainRefs, both, `match = "author"`) + rule(allRefs, both), ""},
		{"higher threshold", people + rule(mainRefs, both, `threshold = 2`) + rule(allRefs, both), ""},
		{"threshold 1", people + rule(mainRefs, both, `threshold = 1`) + rule(allRefs, both), "needless beside the rule in line 16"},
		{"immutable", people + rule(mainRefs, both, `immutable = true`) + rule(allRefs, both), ""},
		{"forbids lightweight", people + rule(`refs = ["refs/tags/v*"]`, both) + rule(`refs = ["refs/tags/**"]`, both, "lightweight = true"), ""},

		{"no level", people + rule(`refs = ["refs/heads"]`, both), `refs "refs/heads" matches no ref: "refs/heads/**" matches those below`},
		{"one level of branches", people + rule(`refs = ["refs/heads/*"]`, both), `refs "refs/heads/*" leaves out names with a slash: "refs/heads/**" matches those too`},
		{"one level of tags", people + rule(`refs = ["refs/tags/*"]`, both), `refs "refs/tags/*" leaves out names with a slash: "refs/tags/**"`},
		{"lightweight branch", people + rule(mainRefs, both, "lightweight = true"), "lightweight is about tags, and refs match none"},
		{"lightweight by a star", people + rule(`refs = ["refs/*/v1"]`, both, "lightweight = true"), ""},
		{"lightweight by levels", people + rule(`refs = ["refs/**/v1"]`, both, "lightweight = true"), ""},
		{"paths of tags", people + rule(`refs = ["refs/tags/v*"]`, both, `paths = ["/a"]`), "never applies: it has paths, and refs are tags"},
		{"unanchored path", people + rule(mainRefs, both, `paths = ["infra"]`), `paths "infra" matches in every folder: "/infra" is the one at the top, "**/infra" says that all are meant`},
		{"unanchored folder", people + rule(mainRefs, both, `paths = ["infra/"]`), `paths "infra/" matches in every folder: "/infra/" is`},
		{"takes out of nothing", people + rule(mainRefs, both, `paths = ["!/infra", "/b"]`), `paths "!/infra" takes out what no pattern before it matched`},
	} {
		got := slices.DeleteFunc(lint(t, tt.data), func(s string) bool { return strings.Contains(s, "]: expired at ") })
		var want []string
		if tt.want != "" {
			want = strings.Split(tt.want, "\n")
		}
		agrees := len(got) == len(want)
		for i := range min(len(got), len(want)) {
			agrees = agrees && strings.Contains(got[i], want[i]) && strings.Contains(got[i], ": [[rule]]: ")
		}
		if !agrees {
			t.Errorf("%s: Lint = %q, want %q", tt.name, got, want)
		}
	}
}

func TestLintOtherTables(t *testing.T) {
	for _, tt := range []struct{ name, data, want string }{
		{"unknown algorithm", "version = 1\naccept-weak = [\"sha1\", \"sha-1\"]", "accept-weak names sha-1, which this version of gitseal does not know"},
		{"exemption that is over", "version = 1\n[[exempt]]\nobject = \"" + oid1 + "\"\nreason = \"x\"\nuntil = 2026-06-01T00:00:00Z", "line 2: [[exempt]]: expired at 2026-06-01T00:00:00Z: " + oid1 + " is judged again"},
		{"exemption that is not", "version = 1\n[[exempt]]\nobject = \"" + oid1 + "\"\nreason = \"x\"\nuntil = 2026-06-01T00:00:01Z", ""},
		{"window of a key", "version = 1\n[identity.a]\nopenpgp = \"" + fprAlice + "\"\nfrom = 2026-01-01T00:00:00Z", "line 2: [identity.a]: allows nothing: from, until and compromised"},
		{"window of a key, claims believed", "version = 1\nkey-time = \"claimed\"\n[identity.a]\nopenpgp = \"" + fprAlice + "\"\nfrom = 2026-01-01T00:00:00Z", ""},
		{"window of X.509", "version = 1\n[identity.a]\nx509-issuer = \"CN=CA\"\nsubject = \"x\"\nfrom = 2026-01-01T00:00:00Z", ""},
		{"in no rule", people + "[[rule]]\nrefs = [\"**\"]\nallow = [\"alice\", \"carol\", \"forge\"]", "line 5: [identity.bob]: can sign nothing: the rule in line 12 is for all refs"},
		{"in no rule that is for all", people + "[[rule]]\nrefs = [\"refs/heads/**\"]\nallow = [\"alice\"]", ""},
		{"key needless beside two", "version = 1\n[identity.a]\nopenpgp = \"" + fprAlice + "\"\nfrom = 2026-01-01T00:00:00Z\n[identity.b]\nopenpgp = [\"" + fprAlice + "\", \"" + fprForge + "\"]", "line 2: [identity.a]: needless beside [identity.b] in line 5"},
		{"needed by a rule", staffRule, ""},
		{"names that look alike", people + "[identity.'\u0430lice']\nssh-principal = \"x\"", `line 12: [identity."` + "\u0430" + `lice"]: is easily taken for [identity.alice] in line 2: "alice" and "\u0430lice"`},
		{"subjects that look alike", people + "[identity.x]\nsubject = \"Alice@example.com\"\nissuer = \"https://accounts.example.com\"", `line 12: [identity.x]: is easily taken for [identity.alice] in line 2: "alice@example.com (https://accounts.example.com)" and "Alice@`},
		{"one subject in two windows", "version = 1\n[identity.a]\nsubject = \"s\"\nissuer = \"i\"\nfrom = 2026-01-01T00:00:00Z\n[identity.b]\nsubject = \"s\"\nissuer = \"i\"\nuntil = 2027-01-01T00:00:00Z\n", ""},
		{"needed for its addresses", people + "[identity.staff]\nsubject-pattern = \"*@example.com\"\nissuer = \"https://accounts.example.com\"\n[identity.x]\nsubject = \"x@example.com\"\nissuer = \"https://accounts.example.com\"\nemail = \"y@example.com\"\n[[rule]]\nrefs = [\"refs/x\"]\nallow = [\"alice\"]\n", ""},
	} {
		got := lint(t, tt.data)
		if tt.name == "key needless beside two" { // whose window allows nothing as well
			got = slices.DeleteFunc(got, func(s string) bool { return strings.Contains(s, "allows nothing") })
		}
		if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want)) {
			t.Errorf("%s: Lint = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// staffRule has an entry that a pattern covers, and a rule that only it may
// satisfy.
const staffRule = people + `[identity.staff]
subject-pattern = "*@example.com"
issuer = "https://accounts.example.com"
[[rule]]
refs = ["refs/heads/main"]
allow = ["alice"]
`

func TestLintIsInTheOrderOfTheFile(t *testing.T) {
	got := lint(t, "version = 1\naccept-weak = \"x\"\n[[exempt]]\nobject = \""+oid1+"\"\nreason = \"x\"\nuntil = 2026-01-01T00:00:00Z\n"+
		"[identity.a]\nsubject = \"a\"\nissuer = \"i\"\nuntil = 2026-01-01T00:00:00Z\n[[rule]]\nname = \"r\"\nrefs = [\"refs/tags\"]\nallow = [\"a\"]\n")
	want := []string{"accept-weak", "line 3: [[exempt]]: ", "line 7: [identity.a]: ", `line 11: [[rule]] "r": `, `line 11: [[rule]] "r": `}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("Lint = %q, want %q", got, want)
	}
}

func TestLintUsed(t *testing.T) {
	p := mustParse(t, people)
	got := LintUsed(p, map[string]bool{"alice": true, "carol": true, "forge": true, "bob": false})
	if len(got) != 1 || got[0].String() != "line 5: [identity.bob]: no good signature used it" {
		t.Errorf("LintUsed = %v", got)
	}
	if got := LintUsed(p, nil); len(got) != 4 {
		t.Errorf("LintUsed with nothing used = %v, want all four", got)
	}
}

func TestCoversIsSound(t *testing.T) {
	patterns := []string{"**", "refs/**", "refs/heads/**", "refs/heads/*", "refs/heads/main", "refs/heads/a/**", "refs/**/main", "refs/heads/m*", "refs/*/main", "refs/tags/**"}
	names := []string{"refs/heads/main", "refs/heads/a", "refs/heads/a/b", "refs/heads/a/b/c", "refs/heads/m", "refs/tags/main", "refs/tags/a/main", "refs/x", "HEAD", "refs/heads"}
	covered := 0
	for _, a := range patterns {
		for _, b := range patterns {
			g, _ := parseRef(a)
			h, _ := parseRef(b)
			if !g.covers(&h) {
				continue
			}
			covered++
			for _, name := range names {
				if h.match(name) && !g.match(name) {
					t.Errorf("%s covers %s, and does not match %s", a, b, name)
				}
			}
		}
	}
	if covered < 25 {
		t.Errorf("%d pairs are covered", covered)
	}
}

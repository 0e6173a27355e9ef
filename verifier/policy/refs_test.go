package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// withRules returns a policy with a rule of its own for each text.
func withRules(t testing.TB, texts ...string) *Policy {
	t.Helper()
	data := people
	for _, text := range texts {
		data += "[[rule]]\nallow = [\"alice\"]\n" + text + "\n"
	}
	return mustParse(t, data)
}

func TestRefsMatch(t *testing.T) {
	for _, tt := range []struct{ pattern, match, not string }{
		{"refs/heads/main", "refs/heads/main refs/remotes/origin/main", "refs/heads/mai refs/heads/main2 refs/heads/x/main refs/heads/Main refs/tags/main refs/remotes/main refs/remotes/a/b/main main"},
		{"refs/heads/release/*", "refs/heads/release/1 refs/remotes/up/release/1", "refs/heads/release refs/heads/release/1/2 refs/heads/x/release/1"},
		{"refs/heads/**", "refs/heads/a refs/heads/a/b refs/remotes/o/a/b", "refs/heads refs/tags/a refs/remotes/o"},
		{"refs/remotes/origin/*", "refs/remotes/origin/main", "refs/heads/main refs/remotes/other/main"},
		{"refs/**/main", "refs/main refs/heads/main refs/heads/a/main refs/remotes/a/b/main", "refs/heads/main/a"},
		{"refs/tags/v*", "refs/tags/v1 refs/tags/v", "refs/tags/v/1 refs/tags/w1 refs/heads/v1"},
		{"refs/tags/v[0-9].?", "refs/tags/v1.2", "refs/tags/v1.23 refs/tags/va.2"},
		{"**", "refs/heads/a refs/tags/a refs/x/y/z refs/stash HEAD", ""},
	} {
		p := withRules(t, fmt.Sprintf("refs = [%q]", tt.pattern))
		for want, list := range map[bool]string{true: tt.match, false: tt.not} {
			for _, ref := range strings.Fields(list) {
				if got := p.RulesOf(ref) != ""; got != want {
					t.Errorf("%s: matches %s = %v, want %v", tt.pattern, ref, got, want)
				}
			}
		}
	}
}

func TestParseRefRefuses(t *testing.T) {
	for _, s := range []string{"", "main", "heads/main", "*", "refs", "refs/", "/refs/heads/a", "refs/heads/", "refs//heads", "!refs/heads/a", "refs/heads/a b",
		`refs/heads/\*`, "refs/heads/a^", "refs/heads/a~1", "refs/heads/a:b", "refs/heads/a..b", "refs/heads/.a", "refs/heads/a.lock", "refs/heads/a@{1}",
		"refs/heads/rel**", "refs/heads/[", "refs/heads/a\x00", "refs/heads/\u0007", "**/main", "REFS/heads/main"} {
		if _, err := parseRef(s); err == nil || !strings.HasPrefix(err.Error(), "refs ") {
			t.Errorf("parseRef(%q) = %v, want an error", s, err)
		}
	}
}

func TestRulesAreSets(t *testing.T) {
	texts := make([]string, 300)
	for i := range texts {
		texts[i] = fmt.Sprintf("refs = [\"refs/heads/b%d\", \"refs/heads/all\", \"refs/tags/t%d\"]", i, i)
	}
	p := withRules(t, texts...)
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var refs []string
		for range random.IntN(5) {
			refs = append(refs, fmt.Sprintf([]string{"refs/heads/b%d", "refs/tags/t%d", "refs/heads/none%d"}[random.IntN(3)], random.IntN(300)))
		}
		var forth, back Rules
		for i := range refs {
			forth = forth.Union(p.RulesOf(refs[i]))
			back = p.RulesOf(refs[len(refs)-1-i]).Union(back)
		}
		if forth != back {
			t.Fatalf("%v: the union is %q, in the other order %q", refs, forth, back)
		}
		for i := range texts {
			for kind, name := range []string{byRef: fmt.Sprintf("refs/heads/b%d", i), byTag: fmt.Sprintf("refs/tags/t%d", i)} {
				want := false
				for _, ref := range refs {
					want = want || ref == name
				}
				if got := forth.has(i, kind); got != want {
					t.Fatalf("%v: the union has rule %d by %s = %v, want %v", refs, i, name, got, want)
				}
			}
		}
	}
	all := p.RulesOf("refs/heads/all")
	if got := all.Union(p.RulesOf("refs/heads/b7")); got != all {
		t.Error("a set grew by what it had")
	}
	if got := new(Policy).RulesOf("refs/heads/main"); got != "" {
		t.Errorf("RulesOf of the zero policy = %q", got)
	}
}

func TestLightweightAndImmutable(t *testing.T) {
	p := withRules(t,
		`refs = ["refs/tags/v*"]`,
		"refs = [\"refs/tags/nightly-*\", \"refs/tags/v0\"]\nlightweight = true",
		"refs = [\"refs/tags/v*\", \"refs/heads/stable\"]\nimmutable = true\nlightweight = true")
	for ref, want := range map[string][2]bool{
		"refs/tags/v1":               {false, true}, // one rule forbids it
		"refs/tags/v0":               {false, true},
		"refs/tags/nightly-1":        {true, false},
		"refs/tags/other":            {true, false}, // no rule is for it
		"refs/heads/stable":          {true, true},
		"refs/remotes/origin/stable": {true, true},
		"refs/heads/main":            {true, false},
	} {
		if got := [2]bool{p.AllowsLightweight(ref), p.Immutable(ref)}; got != want {
			t.Errorf("%s: lightweight, immutable = %v, want %v", ref, got, want)
		}
	}
}

func FuzzRefs(f *testing.F) {
	f.Add("refs/heads/**", "refs/heads/a/b")
	f.Add("refs/*/v[0-9]*", "refs/tags/v1")
	f.Add("**", "refs/stash")
	f.Fuzz(func(t *testing.T, pattern, ref string) {
		g, err := parseRef(pattern)
		if err != nil {
			return
		}
		got := g.match(ref)
		if want := naiveMatch(g.levels, strings.Split(ref, "/")); got != want {
			t.Errorf("%q matches %q = %v, want %v", pattern, ref, got, want)
		}
		if name, ok := g.literal(); ok && (name != pattern || got != (ref == pattern)) {
			t.Errorf("%q is literally %q", pattern, name)
		}
	})
}

// naiveMatch tries whatever "**" could stand for.
func naiveMatch(levels []level, names []string) bool {
	if len(levels) > 6 || len(names) > 10 {
		g := glob{levels}
		return g.match(strings.Join(names, "/")) // trying takes too long
	}
	switch {
	case len(levels) == 0:
		return len(names) == 0
	case levels[0].any:
		return naiveMatch(levels[1:], names) || len(names) > 0 && naiveMatch(levels, names[1:])
	}
	return len(names) > 0 && naiveLevel(levels[0].text, names[0]) && naiveMatch(levels[1:], names[1:])
}

// naiveLevel tries whatever "*" could stand for.
func naiveLevel(pattern, s string) bool {
	switch {
	case strings.Count(pattern, "*") > 3 || len(s) > 20:
		l := level{text: pattern, wild: strings.ContainsAny(pattern, `*?[\`)}
		return l.match(s)
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return naiveLevel(pattern[1:], s) || s != "" && naiveLevel(pattern, s[1:])
	case s == "":
		return false
	case pattern[0] == '[':
		in, n := inBracket(pattern, s[0])
		return in && naiveLevel(pattern[n:], s[1:])
	}
	return (pattern[0] == '?' || pattern[0] == s[0]) && naiveLevel(pattern[1:], s[1:])
}

func BenchmarkRulesOf(b *testing.B) {
	p := withRules(b, `refs = ["refs/heads/main", "refs/heads/release/*"]`, `refs = ["refs/tags/v*"]`, `refs = ["refs/heads/**"]`, `refs = ["**"]`)
	for _, ref := range []string{"refs/heads/main", "refs/heads/feature/x", "refs/remotes/origin/main", "refs/tags/v1.2.3"} {
		b.Run(strings.ReplaceAll(ref, "/", "-"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p.RulesOf(ref) == "" {
					b.Fatal("no rule")
				}
			}
		})
	}
}

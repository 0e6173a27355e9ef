package policy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gitseal/verifier"
)

// TestJudgeAndExplainAgree judges objects made at random by policies made at
// random, by Judge, by Explain and by the words of the specification.
func TestJudgeAndExplainAgree(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 5))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	some := func(list ...string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(string) bool { return random.IntN(2) == 0 })
	}
	signers := []verifier.Signer{keylessAlice, pgpBob, sshCarol, forgeKey, mallory}
	seen := make(map[string]int)
	for range 3000 {
		p := randomPolicy(t, random)
		var rules Rules
		refs := some("refs/heads/main", "refs/heads/dev", "refs/tags/v1", "refs/remotes/o/main", "refs/x")
		for _, ref := range refs {
			rules = rules.Union(p.RulesOf(ref))
		}
		changed := some("a", "infra/x", "doc/y")
		clean, failing := random.IntN(2) == 0, random.IntN(10) == 0
		cause := errors.New("unknown")
		o := &Object{
			Type: pick("commit", "tag"), Rules: rules, Parents: random.IntN(4),
			Author: pick("alice@example.com", "bob@example.com"), Committer: pick("alice@example.com", "noreply@github.com", "carol@example.com"),
			Vouchers:   some("alice", "bob", "carol", "forge"),
			Paths:      func() ([]string, error) { return changed, map[bool]error{true: cause}[failing] },
			CleanMerge: func() (bool, error) { return clean, map[bool]error{true: cause}[failing] },
		}
		if random.IntN(10) > 0 {
			o.Signature = &Signature{signers[random.IntN(len(signers))], date(2026, 1, 1), true}
		}
		j, err := p.Judge(o)
		results, explained := p.Explain(o)
		if explained != nil {
			if !errors.Is(explained, cause) || err == nil && j.Class == verifier.Verified {
				t.Fatalf("Explain = %v, Judge = %+v, %v", explained, j, err)
			}
			seen["unknown"]++
			continue
		}
		if err != nil {
			t.Fatalf("Judge = %v, Explain = %v", err, results)
		}
		good := !slices.ContainsFunc(results, func(r RuleResult) bool { return !r.Satisfied })
		if want := naiveJudge(p, o, refs, changed, clean); good != want || good != (j.Class == verifier.Verified && j.Findings == nil) {
			t.Fatalf("Judge = %+v, Explain = %v, want good = %v\nrules %+v\nobject %+v\nrefs %v changed %v", j, results, want, p.AllRules(), o, refs, changed)
		}
		if len(results) != len(p.rules)+2 {
			t.Fatalf("%d results for %d rules", len(results), len(p.rules))
		}
		seen[fmt.Sprint(good)]++
	}
	if seen["true"] < 300 || seen["false"] < 300 || seen["unknown"] < 20 {
		t.Errorf("verdicts are %v, which is one-sided", seen)
	}
}

// randomPolicy returns a policy with up to three rules for people.
func randomPolicy(t *testing.T, random *rand.Rand) *Policy {
	data := people
	one := func(key string, values ...string) string {
		if len(values) == 0 || random.IntN(3) > 0 {
			return ""
		}
		return fmt.Sprintf("%s = [%q]\n", key, values[random.IntN(len(values))])
	}
	for range random.IntN(4) {
		allow := []string{"alice", "bob", "carol", "forge"}
		random.Shuffle(4, func(i, j int) { allow[i], allow[j] = allow[j], allow[i] })
		allow = allow[:1+random.IntN(4)]
		data += fmt.Sprintf("[[rule]]\nallow = [\"%s\"]\n", strings.Join(allow, `", "`))
		refs := []string{"refs/heads/main", "refs/heads/*", "refs/tags/*", "**"}
		data += fmt.Sprintf("refs = [%q]\n", refs[random.IntN(4)])
		data += one("paths", "a", "infra/", "!a") + one("match", "author", "committer")
		if people := len(slices.DeleteFunc(allow, func(s string) bool { return s == "forge" })); people > 0 {
			data += fmt.Sprintf("threshold = %d\n", 1+random.IntN(people))
		}
	}
	return mustParse(t, data)
}

// naiveJudge reports whether an object is good by the policy of randomPolicy:
// the specification, word for word.
func naiveJudge(p *Policy, o *Object, refs, changed []string, clean bool) bool {
	if o.Signature == nil || o.Signature.Signer == mallory {
		return false
	}
	who := map[verifier.Signer]string{keylessAlice: "alice", pgpBob: "bob", sshCarol: "carol", forgeKey: "forge"}[o.Signature.Signer]
	mail := map[string]string{"alice": "alice@example.com", "bob": "bob@example.com", "carol": "carol@example.com", "forge": "noreply@github.com"}[who]
	if who == "forge" && (o.Type != "commit" || o.Parents < 2 || !clean) {
		return false
	}
	for _, r := range p.AllRules() {
		governs := false
		for _, ref := range refs {
			isTag := strings.HasPrefix(ref, "refs/tags/")
			ref = strings.Replace(ref, "refs/remotes/o/", "refs/heads/", 1)
			matches := r.Refs[0] == ref || r.Refs[0] == "**" || strings.HasSuffix(r.Refs[0], "/*") && strings.HasPrefix(ref, strings.TrimSuffix(r.Refs[0], "*"))
			governs = governs || matches && isTag == (o.Type == "tag")
		}
		if r.Paths != nil {
			path := map[string]string{"a": "a", "infra/": "infra/x", "!a": "none"}[r.Paths[0]]
			governs = governs && o.Type == "commit" && slices.Contains(changed, path)
		}
		if !governs {
			continue
		}
		if !slices.Contains(r.Allow, who) {
			return false
		}
		for _, what := range r.Match {
			has := o.Committer
			if what == Author && o.Type == "commit" {
				if has = o.Author; who == "forge" {
					continue
				}
			}
			if has != mail {
				return false
			}
		}
		behind := map[string]bool{}
		for _, name := range append(o.Vouchers, who) {
			if name != "forge" && slices.Contains(r.Allow, name) {
				behind[name] = true
			}
		}
		if plain := o.Type == "commit" && o.Parents > 1 && clean; len(behind) < r.Threshold && !plain {
			return false
		}
	}
	return true
}

func TestOverlap(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 9))
	word := func(letters string, n int) string {
		b := make([]byte, random.IntN(n))
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		return string(b)
	}
	found := 0
	for range 20000 {
		a, b, s := word("ab*", 6), word("ab*", 6), word("ab", 7)
		both := naiveLevel(a, s) && naiveLevel(b, s)
		if both && !overlap(a, b) {
			t.Fatalf("overlap(%q, %q) = false, and both match %q", a, b, s)
		}
		if overlap(a, b) != overlap(b, a) {
			t.Fatalf("overlap(%q, %q) depends on the order", a, b)
		}
		if both {
			found++
		}
	}
	if found < 100 {
		t.Errorf("only %d overlaps were tried", found)
	}
	for _, tt := range []struct {
		a, b string
		want bool
	}{{"*@a.com", "*@b.com", false}, {"build-*@a.com", "*-bot@a.com", true}, {"a*", "b*", false}, {"a*c", "ab*", true}, {"", "*", true}, {"", "a", false}, {"*a", "*b", false}} {
		if got := overlap(tt.a, tt.b); got != tt.want {
			t.Errorf("overlap(%q, %q) = %v", tt.a, tt.b, got)
		}
	}
}

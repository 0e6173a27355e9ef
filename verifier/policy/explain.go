package policy

import (
	"fmt"
	"slices"
	"strings"
)

// A RuleResult is what one rule makes of an object, in words for people.
type RuleResult struct {
	Name string // the rule's; of the two that stand in no file "identities" and "forges"
	Line int    // the line of the file that the rule begins in; 0 for those two
	// Refs and Paths are the rule's patterns.
	Refs, Paths []string
	Applies     bool // the rule governs the object
	Satisfied   bool // true if it does not apply
	Why         string
}

// String returns the result as one line.
func (r RuleResult) String() string {
	state := "not satisfied"
	switch {
	case !r.Applies:
		state = "does not apply"
	case r.Satisfied:
		state = "satisfied"
	}
	what := r.Name
	switch {
	case r.Line > 0 && r.Name != "":
		what = fmt.Sprintf("rule %q (line %d)", r.Name, r.Line)
	case r.Line > 0:
		what = fmt.Sprintf("rule (line %d)", r.Line)
	}
	return what + ": " + state + ": " + r.Why
}

// Explain judges an object by each rule by itself, in the order of the file,
// after the two that no file needs to hold: that an identity of the policy
// signed, and that forges merge. Judge finds the object good exactly if all
// of them are satisfied. The error is that of Paths or CleanMerge.
func (p *Policy) Explain(o *Object) ([]RuleResult, error) {
	m := p.look(o)
	list := []RuleResult{m.explainSigner()}
	forges, err := m.explainForge()
	if err != nil {
		return nil, err
	}
	list = append(list, forges)
	for _, r := range p.rules {
		v := r.judge(m)
		if v.unknown != nil {
			return nil, v.unknown
		}
		list = append(list, r.explain(m, v))
	}
	return list, nil
}

func (m *matter) explainSigner() RuleResult {
	if m.refused != nil {
		return RuleResult{Name: "identities", Applies: true, Why: m.refused.Error()}
	}
	var names []string
	for _, e := range m.allowing {
		names = append(names, "["+e.header()+"]")
	}
	return RuleResult{Name: "identities", Applies: true, Satisfied: true,
		Why: fmt.Sprintf("%v is %s", m.Signature.Signer, strings.Join(names, " and "))}
}

func (m *matter) explainForge() (RuleResult, error) {
	r := RuleResult{Name: "forges"}
	if !m.forge {
		r.Satisfied, r.Why = true, "the signer is no forge"
		return r, nil
	}
	r.Applies = true
	if v := m.signsAsForge(); v.refused != "" {
		r.Why = v.refused
		return r, nil
	}
	v := m.mergesAsForge()
	switch {
	case v.unknown != nil:
		return r, v.unknown
	case len(v.findings) > 0:
		r.Why = v.findings[0].Message
	default:
		r.Satisfied, r.Why = true, "git merging the same parents yields the same"
	}
	return r, nil
}

// explain puts a verdict of the rule into words.
func (r *rule) explain(m *matter, v verdict) RuleResult {
	result := RuleResult{Name: r.Name, Line: r.Line, Refs: slices.Clone(r.Refs), Paths: slices.Clone(r.Paths), Applies: v.applies}
	var why []string
	switch {
	case !v.applies:
		result.Satisfied = true
		why = append(why, r.notFor(m))
	case m.refused != nil:
		why = append(why, m.refused.Error())
	case v.refused != "":
		why = append(why, v.refused)
	case len(v.findings) > 0:
		for _, f := range v.findings {
			why = append(why, f.Message)
		}
	default:
		result.Satisfied = true
		mine := r.among(m.allowing)
		why = append(why, fmt.Sprintf("it allows [%s]", mine[0].header()))
		if len(r.Match) > 0 {
			why = append(why, "the "+strings.Join(r.Match, " and the ")+" match")
		}
		if n, _ := r.standing(m, mine); r.Threshold > 1 {
			text := fmt.Sprintf("it has %d identities behind it, of %d asked for", n, r.Threshold)
			if v.plain {
				text += ", and is a merge that git would make"
			}
			why = append(why, text)
		}
	}
	if v.path != "" {
		why = append(why, fmt.Sprintf("it is asked because of %q", v.path))
	}
	result.Why = strings.Join(why, "; ")
	return result
}

// notFor says why the rule does not apply.
func (r *rule) notFor(m *matter) string {
	kind, other, what := byRef, byTag, "no ref of it reaches the commit"
	if m.Type != "commit" {
		kind, other, what = byTag, byRef, "no tag ref of it holds the tag"
	}
	switch {
	case m.Rules.has(r.number, kind):
		return "no path of it is changed" // a tag changes none
	case m.Rules.has(r.number, other) && kind == byRef:
		return "it is for the tag before the commit, not for the commit"
	}
	return what
}

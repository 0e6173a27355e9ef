package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitseal/verifier"
)

// An Object is a commit or a tag to judge, and what is known of it.
type Object struct {
	Type  string // "commit", or else a tag
	OID   string
	Rules Rules // of the refs that reach the commit, or hold the tag
	// Signature is who signed. Nil: nobody did, validly; then nothing but an
	// exemption helps.
	Signature *Signature
	// Author and Committer are e-mail addresses as they are in the object. Of
	// a tag Committer is the tagger, and Author is not looked at.
	Author, Committer string
	Parents           int
	// Vouchers are names of entries that vouch for the object besides its
	// signer: by merging or tagging it, or by an attestation.
	Vouchers []string
	// Paths returns the paths that the commit changes. It is called only if a
	// rule asks, and then once.
	Paths func() ([]string, error)
	// CleanMerge reports whether git merging the commit's parents yields its
	// tree. It is called only for merges: by a forge, or by fewer than a rule
	// asks for.
	CleanMerge func() (bool, error)
}

// A Judgment is what a policy says of an object.
type Judgment struct {
	Class    verifier.Class // verifier.Verified or verifier.IdentityNotAllowed
	Entry    string         // the name of an entry that allows the signer; of several, if it can be, one that all rules name
	Role     string         // Human, Bot or Forge; empty without Entry
	Message  string         // why Class is IdentityNotAllowed
	Findings []Finding      // what else is against the policy, though the signer is allowed
}

// A Finding is something that is against the policy.
type Finding struct {
	ID      string // one of the constants
	Message string
}

// The findings of a policy.
const (
	CommitterMismatch = "committer-mismatch"
	AuthorMismatch    = "author-mismatch"
	ForgeContent      = "forge-content"
	ThresholdNotMet   = "threshold-not-met"
)

// Judge judges an object by the policy: its signer, and every rule that
// governs it. The error is that of Paths or CleanMerge, without which it could
// not be told whether the object is good: what is against it nevertheless is
// in the Judgment. If the class is IdentityNotAllowed, that is certain and the
// error is nil.
func (p *Policy) Judge(o *Object) (Judgment, error) {
	m := p.look(o)
	if m.refused != nil {
		return Judgment{Class: verifier.IdentityNotAllowed, Message: m.refused.Error()}, nil
	}
	j := Judgment{Class: verifier.Verified, Entry: m.allowing[0].Name, Role: m.allowing[0].Role}
	if m.forge {
		j.Role = Forge
	}
	refuse := func(message string) (Judgment, error) {
		return Judgment{Class: verifier.IdentityNotAllowed, Entry: j.Entry, Role: j.Role, Message: message}, nil
	}
	if v := m.signsAsForge(); v.refused != "" {
		return refuse(v.refused)
	}
	names, unknown := m.allowing, error(nil) // names: of those, whom all rules name
	// Rules that ask for paths come last: where others refuse, none are read.
	for _, asking := range []bool{false, true} {
		for _, r := range p.rules {
			if asking != (r.paths != nil) {
				continue
			}
			v := r.judge(m)
			if v.refused != "" {
				return refuse(v.refused)
			}
			if v.applies {
				names = r.among(names)
			}
			j.Findings, unknown = append(j.Findings, v.findings...), cmp.Or(unknown, v.unknown)
		}
	}
	v := m.mergesAsForge()
	j.Findings, unknown = append(j.Findings, v.findings...), cmp.Or(unknown, v.unknown)
	if len(names) > 0 {
		j.Entry = names[0].Name
		if !m.forge {
			j.Role = names[0].Role
		}
	}
	return j, unknown
}

// A matter is an object that is being judged.
type matter struct {
	*Object
	policy   *Policy
	who      []*entry // for the signer, at whatever time
	allowing []*entry // those of them that allow the signature; at least one unless refused
	refused  error    // why none does
	forge    bool     // the signer is one

	paths     []string // once pathsRead
	pathsErr  error
	pathsRead bool

	mergeClean bool // once mergeMade
	mergeErr   error
	mergeMade  bool
}

// look finds out who signed an object.
func (p *Policy) look(o *Object) *matter {
	m := &matter{Object: o, policy: p}
	if o.Signature == nil {
		m.refused = errors.New("no valid signature")
		return m
	}
	m.who = p.matching(o.Signature.Signer)
	m.allowing, m.refused = p.allowing(*o.Signature, m.who)
	// Another entry for a forge's key does not make a person of it.
	m.forge = slices.ContainsFunc(m.who, func(e *entry) bool { return e.Role == Forge })
	return m
}

// changed returns the paths that the object changes.
func (m *matter) changed() ([]string, error) {
	if !m.pathsRead {
		m.pathsRead = true
		if m.Paths == nil {
			m.pathsErr = errors.New("the paths that it changes are not known")
		} else {
			m.paths, m.pathsErr = m.Paths()
		}
	}
	return m.paths, m.pathsErr
}

// A verdict is what one rule makes of an object. Without refused, findings and
// unknown it is satisfied.
type verdict struct {
	applies  bool
	unknown  error  // why it could not be told
	path     string // that makes the rule apply
	refused  string // why the signer is not allowed
	findings []Finding
	plain    bool // it is a merge that git would make, so that nobody else has to stand for it
}

// signsAsForge judges whether a forge signed what it may not sign.
func (m *matter) signsAsForge() verdict {
	v := verdict{applies: m.forge}
	switch {
	case m.forge && m.Type != "commit":
		v.refused = fmt.Sprintf("%v is a forge, which may sign merges only, and this is a tag", m.Signature.Signer)
	case m.forge && m.Parents < 2:
		v.refused = fmt.Sprintf("%v is a forge, which may sign merges only, and this commit has %s", m.Signature.Signer, parents(m.Parents))
	}
	return v
}

// mergesAsForge judges whether a merge by a forge, which it may sign, brings
// in something of its own.
func (m *matter) mergesAsForge() verdict {
	v := verdict{applies: m.forge}
	switch {
	case !m.forge:
	default:
		clean, err := m.clean()
		if v.unknown = err; err == nil && !clean {
			v.findings = []Finding{{ForgeContent, "a forge merged, and git merging the same parents yields something else"}}
		}
	}
	return v
}

// clean reports whether git merging the parents yields the commit's tree.
func (m *matter) clean() (bool, error) {
	if !m.mergeMade {
		m.mergeMade, m.mergeErr = true, errors.New("what merging the parents yields is not known")
		if m.CleanMerge != nil {
			m.mergeClean, m.mergeErr = m.CleanMerge()
		}
	}
	return m.mergeClean, m.mergeErr
}

func parents(n int) string {
	if n == 0 {
		return "no parent"
	}
	return "one parent"
}

// judge judges an object by one rule. Its signer is allowed by the policy, or
// this only finds out whether the rule applies.
func (r *rule) judge(m *matter) verdict {
	v := verdict{}
	if m.Type != "commit" {
		v.applies = m.Rules.has(r.number, byTag) && r.paths == nil
	} else if v.applies = m.Rules.has(r.number, byRef); v.applies && r.paths != nil {
		changed, err := m.changed()
		if err != nil {
			v.unknown = err
			return v // as if it applied, for it may
		}
		i := slices.IndexFunc(changed, r.paths.match)
		if v.applies = i >= 0; v.applies {
			v.path = changed[i]
		}
	}
	if !v.applies || m.refused != nil {
		return v
	}
	mine := r.among(m.allowing)
	if len(mine) == 0 {
		v.refused = fmt.Sprintf("%v is [%s], which %s does not allow: it allows %s",
			m.Signature.Signer, m.allowing[0].header(), r.title(), strings.Join(r.Allow, ", "))
		return v
	}
	for _, what := range r.Match {
		if f, ok := m.mismatch(what, mine); ok {
			v.findings = append(v.findings, f)
		}
	}
	n, ok := r.standing(m, mine)
	if !ok && m.Type == "commit" && m.Parents > 1 {
		// A merge that git would make adds nothing that anybody could stand
		// for: what it brings in is asked by itself.
		if v.plain, v.unknown = m.clean(); v.plain || v.unknown != nil {
			ok = true
		}
	}
	if !ok {
		v.findings = append(v.findings, Finding{ThresholdNotMet, fmt.Sprintf("%s asks for %d identities behind it, of which it has %d", r.title(), r.Threshold, n)})
	}
	return v
}

// among returns those of the entries that the rule allows.
func (r *rule) among(entries []*entry) []*entry {
	for i, e := range entries {
		if !r.allow[e] {
			list := slices.Clone(entries[:i])
			for _, e := range entries[i+1:] {
				if r.allow[e] {
					list = append(list, e)
				}
			}
			return list
		}
	}
	return entries
}

// mismatch compares an address of the object with those of the signer, as one
// of the entries.
func (m *matter) mismatch(what string, entries []*entry) (f Finding, ok bool) {
	f.ID, f.Message = CommitterMismatch, m.Committer
	switch {
	case m.Type != "commit":
		what = "tagger"
	case what == Author && m.forge:
		return f, false // who asked for the merge
	case what == Author:
		f.ID, f.Message = AuthorMismatch, m.Author
	}
	mail, signer := f.Message, m.Signature.Signer
	if slices.ContainsFunc(entries, func(e *entry) bool { return e.owns(mail, signer) }) {
		return f, false
	}
	f.Message = fmt.Sprintf("the %s is %q, which is no address of %v", what, mail, signer)
	for _, e := range entries {
		for _, own := range append(slices.Clone(e.addresses), addressOf(signer)) {
			if own != "" && own != mail && fold(own) == fold(mail) {
				f.Message = fmt.Sprintf("the %s is %+q, which looks like %+q, an address of %v, and is another", what, mail, own, signer)
			}
		}
	}
	return f, true
}

// standing returns how many identities stand behind an object that a rule
// wants several for, and whether they are enough.
func (r *rule) standing(m *matter, mine []*entry) (n int, ok bool) {
	if r.Threshold == 0 {
		return 1, true
	}
	var others []*entry
	for _, name := range m.Vouchers {
		e := m.policy.byName[name]
		if e != nil && r.allow[e] && e.Role != Forge && !e.maySign(m.Signature.Signer, m.who) {
			others = append(others, e)
		}
	}
	n = distinct(others)
	if !m.forge {
		n++ // one of mine
	}
	return n, n >= r.Threshold
}

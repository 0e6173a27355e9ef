package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gitseal/verifier"
)

// An Observed is a signer as an audit saw it.
type Observed struct {
	Signer      verifier.Signer
	Objects     int       // that it signed
	Good        int       // of these, those of a good class
	Merges      int       // of these, commits with two or more parents
	OnBranch    bool      // some of these are commits of the branch to propose a rule for
	First, Last time.Time // when it signed, proven or claimed; zero: nobody says
}

// webFlow are the keys that sign what people do on github.com: merges, squash
// merges and edits (https://github.com/web-flow.gpg).
var webFlow = []string{
	"5DE3E0509C47EA3CF04A42D34AEE18F83AFDEB23", // 2017 to 2024
	"968479A1AFF927E37D1A566BB5690EEEBB952194", // since 2024
}

// Propose returns the text of a policy that allows those who signed so far,
// for a person to read and correct, and for the branch, a ref's full name, a
// rule for those who signed on it. No branch is for no rule. Those who signed
// most stand first. Those of whom no signature is good stand in comments.
//
// A forge is proposed as such only if nearly all that it signed are merges.
// Else most of what it signed so far would be refused, so it is proposed as a
// bot, with a comment that says what that means.
//
// That somebody signed is no reason to trust them, which the text says; and it
// takes nothing from its input that could be read as anything but a name.
// Subjects that no policy can hold are told in a comment.
func Propose(branch string, seen []Observed) []byte {
	out := []byte("# Proposed from who signed so far: take out whom you do not know.\nversion = 1\n")
	list := merge(seen)
	if slices.ContainsFunc(list, func(s *proposed) bool { return len(s.entry.OpenPGP)+len(s.entry.SSH) > 0 }) {
		out = append(out, "# key-time = \"claimed\"   # would let keys sign that have expired since, and believe what they say of when\n"...)
	}
	used := new(Policy) // for names
	var allow []string
	for i, s := range list {
		if len(out) > maxSize/2 { // the rule takes less than the other half
			out = fmt.Appendf(out, "\n# Left out, for the file would be too long: %d more\n", len(list)-i)
			break
		}
		e := s.entry
		if err := e.check(); err != nil || !writable(e) {
			out = fmt.Appendf(out, "\n# Left out, for no policy can name it: %s\n", quote(strings.ToValidUTF8(s.Signer.String(), "\ufffd")))
			continue
		}
		e.Name = used.freeName(e.proposedName(s.Signer))
		used.entries = append(used.entries, e)
		out = fmt.Appendf(out, "\n# %s\n", s.words())
		if isForge(s.Signer) {
			out = append(out, s.setForge()...)
		}
		if s.Good == 0 {
			out = fmt.Appendf(out, "# Left out: %s\n# ", s.noneGood())
			out = append(appendEntry(out, e, "\n# "), '\n')
			continue
		}
		out = append(appendEntry(out, e, "\n"), '\n')
		if s.OnBranch {
			allow = append(allow, e.Name)
		}
	}
	return appendRule(out, branch, allow)
}

// appendRule appends a rule for a branch, if it can have one.
func appendRule(out []byte, branch string, allow []string) []byte {
	g, err := parseRef(branch)
	if err != nil || len(allow) == 0 || !utf8.ValidString(branch) {
		return out
	}
	if _, ok := g.literal(); !ok {
		return out // no branch has such a name
	}
	rule := fmt.Appendf(nil, "\n[[rule]]\nname = \"default branch\"\nrefs = [%s]\nallow = [\n", quote(branch))
	for _, name := range allow {
		rule = fmt.Appendf(rule, "  %s,\n", quote(name))
	}
	rule = append(rule, "]\n"...)
	// A rule that only forges satisfy says nothing of the commits they merge.
	with := slices.Concat(out, rule)
	if p, err := parse(with); err != nil || len(p.lintRule(p.rules[0], time.Time{})) > 0 {
		return out
	}
	return with
}

// A proposed is what is proposed for signers that are one entry.
type proposed struct {
	Observed
	entry *entry
}

// merge makes entries of what was seen, one for each key, and one for the
// tags of a workflow, which has another subject for each.
func merge(seen []Observed) []*proposed {
	var list []*proposed
	subjects := make(map[alias]map[string]bool) // of each pattern
	for _, o := range seen {
		if e := entryFor(o.Signer); e.SubjectPattern != "" {
			a := alias{pattern: e.SubjectPattern, issuer: e.Issuer}
			if subjects[a] == nil {
				subjects[a] = make(map[string]bool)
			}
			subjects[a][o.Signer.Identity.Subject] = true
		}
	}
	byAlias := make(map[alias]*proposed)
	for _, o := range seen {
		e := entryFor(o.Signer)
		if len(subjects[alias{pattern: e.SubjectPattern, issuer: e.Issuer}]) == 1 {
			e.Subject, e.SubjectPattern = o.Signer.Identity.Subject, ""
		}
		a := alias{e.Kind(), strings.Join(e.OpenPGP, "") + strings.Join(e.SSH, ""), e.Subject, e.SubjectPattern, e.issuer()}
		if first := byAlias[a]; first != nil {
			first.add(o)
			continue
		}
		byAlias[a] = &proposed{o, e}
		list = append(list, byAlias[a])
	}
	slices.SortStableFunc(list, func(a, b *proposed) int {
		return cmp.Or(cmp.Compare(b.Objects, a.Objects), strings.Compare(a.entry.String(), b.entry.String()))
	})
	return list
}

// add takes in what else was seen of a signer.
func (p *proposed) add(o Observed) {
	p.Objects, p.Good, p.Merges = p.Objects+o.Objects, p.Good+o.Good, p.Merges+o.Merges
	p.OnBranch = p.OnBranch || o.OnBranch
	if p.First.IsZero() || !o.First.IsZero() && o.First.Before(p.First) {
		p.First = o.First
	}
	if o.Last.After(p.Last) {
		p.Last = o.Last
	}
}

// entryFor returns an entry without a name for a signer.
func entryFor(s verifier.Signer) *entry {
	e := new(entry)
	switch s.Kind {
	case verifier.OpenPGP:
		e.OpenPGP = []string{s.Key}
	case verifier.SSH:
		e.SSH = []string{s.Key}
	case verifier.X509:
		e.X509Issuer, e.Subject = s.Identity.Issuer, s.Identity.Subject
	default:
		e.Issuer, e.Subject = s.Identity.Issuer, s.Identity.Subject
		if strings.Contains(e.Subject, "://") {
			e.Role = Bot // a workflow or a service
		}
		// Tags are made by those who release. Branches and pull requests may
		// be anybody's, so each is proposed by itself.
		workflow, _, tag := strings.Cut(e.Subject, "@"+tagRefs)
		if pattern := workflow + "@" + tagRefs + "*"; tag && e.Role == Bot && !strings.Contains(workflow, "*") && broad(pattern) == "" {
			e.Subject, e.SubjectPattern = "", pattern
		}
	}
	return e
}

// isForge reports whether a signer is known to be a forge.
func isForge(s verifier.Signer) bool {
	return s.Kind == verifier.OpenPGP && slices.Contains(webFlow, s.Key)
}

// setForge makes of the entry a forge's or a bot's, by what it signed, and
// returns comments that say what that means.
func (p *proposed) setForge() string {
	others := p.Objects - p.Merges
	switch {
	case others*20 > p.Objects:
		p.entry.Role = Bot
		return fmt.Sprintf("# A forge that signed %d objects that are no merges, such as squash merges and edits on its pages.\n"+
			"# Whoever can press its buttons can write what it signs. To allow merges only: kind = \"forge\"\n", others)
	case others > 0:
		p.entry.Role = Forge
		return fmt.Sprintf("# Of these %d are no merges, which kind = \"forge\" refuses.\n", others)
	}
	p.entry.Role = Forge
	return ""
}

// noneGood says why none of the signatures may be good, and what would help.
func (p *proposed) noneGood() string {
	text := fmt.Sprintf("none of its %d signatures is good now", p.Objects)
	if p.Objects == 1 {
		text = "its signature is not good now"
	}
	switch p.Signer.Kind {
	case verifier.OpenPGP:
		text += ": key expired, revoked, weak or not known; key-time = \"claimed\" would let those of an expired key count"
	case verifier.SSH:
		text += ": key expired, or of no allowed signer; naming it here would make it known"
	case verifier.X509:
		text += ": certificate expired, or of an authority that is not trusted"
	}
	return text
}

// writable reports whether a file can hold the entry.
func writable(e *entry) bool {
	for _, s := range []string{e.Subject, e.SubjectPattern, e.Issuer, e.X509Issuer} {
		if !utf8.ValidString(s) {
			return false
		}
	}
	return true
}

// proposedName returns what the entry may be called after.
func (e *entry) proposedName(s verifier.Signer) string {
	switch {
	case isForge(s):
		return "github"
	case s.Kind == verifier.OpenPGP && isAddress(mailbox(s.Identity.Subject)):
		return mailbox(s.Identity.Subject)
	case s.Identity.Subject != "":
		return s.Identity.Subject
	}
	return e.calling()
}

// words describes what was seen, as a comment.
func (p *proposed) words() string {
	text := fmt.Sprintf("%d objects", p.Objects)
	if p.Objects == 1 {
		text = "1 object"
	}
	if p.Good > 0 && p.Good < p.Objects {
		text += fmt.Sprintf(", %d of them good", p.Good)
	}
	if !p.First.IsZero() {
		text += fmt.Sprintf(", %s to %s", p.First.UTC().Format(time.DateOnly), p.Last.UTC().Format(time.DateOnly))
	}
	if s := p.Signer; s.Kind != verifier.Keyless && s.Kind != verifier.X509 && s.Identity.Subject != "" {
		text += ", by " + quote(strings.ToValidUTF8(s.Identity.Subject, "\ufffd"))
	}
	return text
}

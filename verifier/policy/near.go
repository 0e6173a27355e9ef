package policy

import (
	"strings"

	"gitseal/verifier"
)

// A Near is an entry that an identity misses by little.
type Near struct {
	Entry Entry
	// OtherIssuer is true if the subject is the entry's and the issuer is
	// another one altogether. Otherwise the two identities differ only in
	// spelling: in the case of letters, or a slash at the issuer's end.
	OtherIssuer bool
}

// Near returns the entries that id misses by little, in the order of the file.
// It is for hints: how near an identity comes is never a reason to allow it.
// Entries that match id, at whatever time, are not among them.
func (p *Policy) Near(id verifier.Identity) []Near {
	subject, issuer := strings.ToLower(id.Subject), foldIssuer(id.Issuer)
	var near []Near
	for _, e := range p.entries {
		if e.Issuer == id.Issuer && e.matches(id.Subject) || !e.folded().matches(subject) {
			continue
		}
		near = append(near, Near{copyEntries([]*entry{e})[0], foldIssuer(e.Issuer) != issuer})
	}
	return near
}

func foldIssuer(s string) string {
	return strings.TrimSuffix(strings.ToLower(s), "/")
}

// folded returns the entry with its subject in lower case.
func (e *entry) folded() *entry {
	f := &entry{Entry: Entry{Subject: strings.ToLower(e.Subject)}}
	if e.SubjectPattern != "" {
		// Lower case does not touch the stars, so this parses again; and if
		// it did not, the zero Pattern matches nothing.
		f.SubjectPattern = strings.ToLower(e.SubjectPattern)
		f.pattern, _ = verifier.ParsePattern(f.SubjectPattern)
	}
	return f
}

package policy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrPresent is the error of Allow for an entry that the policy has already.
var ErrPresent = errors.New("already in the policy")

// Allow returns the text of a policy file with an entry added at its end. The
// text that was there stays as it is, byte for byte. Empty data is a file that
// does not exist yet.
//
// If e.Name is empty it is made from the subject, an address or a key, such
// that it is unique; e.Line is ignored. The fingerprint of an OpenPGP key may
// have spaces, as gpg prints it, or begin with 0x; it is written without. The
// error for an entry whose signer, or all of whose keys, an entry that is there
// names for the same window wraps ErrPresent; other entries that cover it are no
// reason to refuse (see Lint).
func Allow(data []byte, e Entry) ([]byte, error) {
	added := &entry{Entry: e.clone()}
	out, err := allow(data, added)
	if err != nil {
		return nil, fmt.Errorf("adding %s to the policy: %w", strings.TrimPrefix(added.String(), "pattern "), err)
	}
	return out, nil
}

func allow(data []byte, e *entry) ([]byte, error) {
	if len(data) == 0 {
		data = []byte("version = 1\n")
	}
	p, err := parse(data)
	if err != nil {
		return nil, err
	}
	e.Window = e.Window.utc()
	for i, w := range e.Compromised {
		e.Compromised[i] = w.utc()
	}
	for i, s := range e.OpenPGP {
		if key, err := openPGPKey(unspaced(s)); err == nil {
			e.OpenPGP[i] = key
		}
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	for _, s := range slices.Concat([]string{e.Subject, e.SubjectPattern, e.Issuer, e.SSHPrincipal, e.X509Issuer}, e.SSH, e.Emails) {
		if !utf8.ValidString(s) {
			return nil, fmt.Errorf("%q is not UTF-8, as a policy file has to be", s)
		}
	}
	if e.Name == "" {
		e.Name = p.freeName(e.calling())
	}
	if err := checkName(e.Name); err != nil {
		return nil, err
	}
	for _, other := range p.entries {
		if other.Window == e.Window && e.isIn(other.aliases()) {
			return nil, fmt.Errorf("[%s] in line %d: %w", other.header(), other.Line, ErrPresent)
		}
		if other.Name == e.Name {
			return nil, fmt.Errorf("[%s] in line %d has that name", other.header(), other.Line)
		}
	}

	// A file that does not end in a newline goes on without one, which is
	// what lets Remove give back the very file that was.
	eol := eolOf(data)
	out := slices.Clone(data)
	if bytes.HasSuffix(data, []byte("\n")) {
		out = append(out, eol...)
		out = appendEntry(out, e, eol)
		out = append(out, eol...)
	} else {
		out = append(out, eol+eol...)
		out = appendEntry(out, e, eol)
	}
	if len(out) > maxSize {
		return nil, fmt.Errorf("the file would have more than %d bytes", maxSize)
	}
	// What is wrong only beside other entries, such as a key that one of them
	// has, or an address that makes one person of two whom a rule needs.
	if _, err := parse(out); err != nil {
		return nil, fmt.Errorf("the file would be wrong: %w", err)
	}
	return out, nil
}

// eolOf returns how the first line of data ends.
func eolOf(data []byte) string {
	if line, _, _ := bytes.Cut(data, []byte("\n")); bytes.HasSuffix(line, []byte("\r")) {
		return "\r\n"
	}
	return "\n"
}

// isIn reports whether e knows its signer by nothing but what is in a list.
func (e *entry) isIn(list []alias) bool {
	return !slices.ContainsFunc(e.aliases(), func(a alias) bool { return !slices.Contains(list, a) })
}

// A Match says which entries Remove removes: those that agree with every field
// that is set. Name, Subject or Key has to be.
type Match struct {
	Name    string
	Subject string // the entry's subject, the text of its pattern, its principal, or one of its keys
	Issuer  string // the entry's Issuer or X509Issuer
	// Key is one of the entry's keys: an OpenPGP fingerprint, as Allow takes
	// it, or an SSH key or its fingerprint.
	Key string
}

// A Removal is what Remove did.
type Removal struct {
	Text    []byte  // of the file, without the entries
	Removed []Entry // possibly none; Line is that in the old text
	// Still holds the entries of Text that allow the subjects that were to go
	// nevertheless, such as a pattern for the whole domain. Line is that in
	// the old text.
	Still []Entry
}

// Remove removes the entries that match from the text of a policy file. With
// each block of text go the comments that touch it and one blank line before
// it; the rest stays as it is, byte for byte. So Remove undoes Allow, but for
// the version line of a file that Allow began. An entry that a rule names is
// refused: what is to become of the rule only people can say. To shut somebody
// out at once, until and compromised do without.
func Remove(data []byte, m Match) (*Removal, error) {
	if m.Name == "" && m.Subject == "" && m.Key == "" {
		return nil, errors.New("removing from the policy: neither a name nor a subject nor a key is given")
	}
	if _, err := typedKey(m.Key); m.Key != "" && err != nil {
		return nil, fmt.Errorf("removing from the policy: %w", err)
	}
	if len(data) == 0 {
		return new(Removal), nil
	}
	p, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("removing from the policy: %w", err)
	}
	var removed, kept []*entry
	out, from := []byte(nil), 0
	for _, e := range p.entries {
		if !m.matches(e) {
			kept = append(kept, e)
			continue
		}
		for _, r := range p.rules {
			if r.allow[e] {
				return nil, fmt.Errorf("removing [%s] from the policy: %s allows it; take it out there first", e.header(), r.title())
			}
		}
		removed = append(removed, e)
		out = append(out, data[from:beforeBlank(data, e.start)]...)
		from = e.end
	}
	out = append(out, data[from:]...)
	if !bytes.HasSuffix(data, []byte("\n")) && len(removed) > 0 {
		out = bytes.TrimSuffix(out, []byte(eolOf(data))) // see Allow
	}

	var still []*entry
	for _, e := range kept {
		allows := func(r *entry) bool { return e.mayAllow(r) }
		if m.allowedBy(e) || slices.ContainsFunc(removed, allows) {
			still = append(still, e)
		}
	}
	return &Removal{Text: out, Removed: copyEntries(removed), Still: copyEntries(still)}, nil
}

// matches reports whether an entry is to be removed.
func (m Match) matches(e *entry) bool {
	return (m.Name == "" || m.Name == e.Name) &&
		(m.Subject == "" || m.Subject == e.Subject+e.SubjectPattern+e.SSHPrincipal || e.hasKey(m.Subject)) &&
		(m.Issuer == "" || m.Issuer == e.issuer()) &&
		(m.Key == "" || e.hasKey(m.Key))
}

// hasKey reports whether a key, as people type it, is one of the entry's.
func (e *entry) hasKey(s string) bool {
	key, err := typedKey(s)
	return err == nil && slices.Contains(e.keys, key)
}

// allowedBy reports whether an entry is for the subject or the key that is to
// go.
func (m Match) allowedBy(e *entry) bool {
	if m.Key != "" && e.hasKey(m.Key) {
		return true
	}
	return m.Subject != "" && (e.matches(m.Subject) || e.SSHPrincipal == m.Subject || e.hasKey(m.Subject)) && (m.Issuer == "" || m.Issuer == e.issuer())
}

// mayAllow reports whether e is for a signer that other is for by exact name.
func (e *entry) mayAllow(other *entry) bool {
	if e.Kind() != other.Kind() {
		return false
	}
	if other.Subject != "" {
		return e.issuer() == other.issuer() && e.matches(other.Subject)
	}
	theirs := other.aliases()
	return other.SubjectPattern == "" && slices.ContainsFunc(e.aliases(), func(a alias) bool { return slices.Contains(theirs, a) })
}

// blockStart returns where the text of a block begins whose first line holds
// offset: there, or where the comments begin that touch it from above. The
// text before after belongs to others; a comment sign in it may be in a string.
func blockStart(data []byte, after, offset int) int {
	start := lineStart(data, offset)
	for start > after {
		above := lineStart(data, start-1)
		if above < after || !isComment(data[above:start]) {
			break
		}
		start = above
	}
	return start
}

// blockEnd returns where the text of a block ends whose last value ends at
// offset: after that line, and after the comments that touch it from below,
// unless those touch the next block as well and are about that.
func blockEnd(data []byte, offset int) int {
	end := lineEnd(data, offset)
	next := end
	for next < len(data) && isComment(data[next:lineEnd(data, next)]) {
		next = lineEnd(data, next)
	}
	if isBlank(data[next:lineEnd(data, next)]) { // or at the end of data
		return next
	}
	return end
}

// beforeBlank returns where the line before start begins if it is blank, and
// else start.
func beforeBlank(data []byte, start int) int {
	if start > 0 {
		if above := lineStart(data, start-1); isBlank(data[above:start]) {
			return above
		}
	}
	return start
}

// lineStart returns where the line begins that offset is in.
func lineStart(data []byte, offset int) int {
	return bytes.LastIndexByte(data[:offset], '\n') + 1
}

// lineEnd returns where the line ends that offset is in, after its newline.
func lineEnd(data []byte, offset int) int {
	if i := bytes.IndexByte(data[offset:], '\n'); i >= 0 {
		return offset + i + 1
	}
	return len(data)
}

func isBlank(line []byte) bool   { return len(bytes.TrimSpace(line)) == 0 }
func isComment(line []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) }

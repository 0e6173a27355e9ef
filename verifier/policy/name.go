package policy

import (
	"fmt"
	"slices"
	"strings"
)

// freeName makes the name of an entry from its subject: what stands before
// the @ of an address, or the end of a URI's path. A number makes it unique.
func (p *Policy) freeName(subject string) string {
	_, path, isURI := strings.Cut(subject, "://")
	parts := []string{subject}
	switch local, domain, isAddress := strings.Cut(subject, "@"); {
	case isURI:
		path, _, _ = strings.Cut(path, "@") // the ref of a workflow
		parts = strings.Split(path, "/")
		slices.Reverse(parts)
		parts[0], _, _ = strings.Cut(parts[0], ".") // the extension of its file
	case isAddress:
		parts = []string{local, domain}
	}
	base := "identity"
	for _, part := range parts {
		if words := strings.FieldsFunc(strings.ToLower(part), notInName); len(words) > 0 {
			base = strings.Join(words, "-")
			break
		}
	}
	name := base
	taken := func(e *entry) bool { return e.Name == name }
	for i := 2; slices.ContainsFunc(p.entries, taken); i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	return name
}

// notInName reports whether freeName leaves r out of names.
func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9')
}

// calling returns what an entry that passed its checks may be called after: a
// subject, an address, or else the key that it names first.
func (e *entry) calling() string {
	switch {
	case e.Subject+e.SubjectPattern+e.SSHPrincipal != "":
		return e.Subject + e.SubjectPattern + e.SSHPrincipal
	case len(e.Emails) > 0:
		return e.Emails[0]
	}
	return fmt.Sprintf("%s-%s", e.Kind(), keyWord(e.keys[0]))
}

// keyWord returns how names tell a key from others: by how its fingerprint
// begins. Names are for people; nothing is decided by them.
func keyWord(fingerprint string) string {
	word := strings.ToLower(strings.TrimPrefix(fingerprint, sshPrefix))
	word = strings.Join(strings.FieldsFunc(word, notInName), "") // base64 has + and /
	return word[:min(len(word), 8)]
}

package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"

	"gitseal/verifier"
)

// What an identity can be: its Role.
const (
	Human = "human"
	Bot   = "bot"
	Forge = "forge" // signs merges that others asked it for, and nothing else
)

// An Entry is one identity of a policy. It names its signer in exactly one
// way: by Issuer and a subject, by OpenPGP, by SSH, by SSHPrincipal, or by
// X509Issuer and a subject.
type Entry struct {
	Name    string // unique in the policy
	Subject string // the exact subject, or empty if SubjectPattern is set
	// SubjectPattern is what verifier.ParsePattern takes.
	SubjectPattern string
	Issuer         string
	OpenPGP        []string // fingerprints of primary keys, in upper case hexadecimal
	SSH            []string // fingerprints, "SHA256:…", or public keys, "ssh-ed25519 AAAA…", without their comments
	SSHPrincipal   string   // the exact name that the allowed signers in force give
	X509Issuer     string   // the exact distinguished name of a certificate's authority
	Role           string   // Human, Bot or Forge; to Allow, empty is Human
	Emails         []string // addresses that count as its own beside, of OpenPGP in place of, its signer's
	Window         Window   // when it may sign; the zero Window is always
	Compromised    []Window // when others could sign in its name; never a zero Window
	Line           int      // the line of the file that its block begins in, from 1
}

// Kind returns the kind of signatures that the entry is about.
func (e *Entry) Kind() verifier.Kind {
	switch {
	case len(e.OpenPGP) > 0:
		return verifier.OpenPGP
	case len(e.SSH) > 0 || e.SSHPrincipal != "":
		return verifier.SSH
	case e.X509Issuer != "":
		return verifier.X509
	}
	return verifier.Keyless
}

// String returns the way in which the entry names its signer, for people.
func (e *Entry) String() string {
	subject := e.Subject
	if e.SubjectPattern != "" {
		subject = "pattern " + e.SubjectPattern
	}
	switch {
	case len(e.OpenPGP) > 0:
		return "OpenPGP key " + strings.Join(e.OpenPGP, ", ")
	case len(e.SSH) > 0:
		return "SSH key " + strings.Join(e.SSH, ", ")
	case e.SSHPrincipal != "":
		return "SSH principal " + e.SSHPrincipal
	case e.X509Issuer != "":
		return fmt.Sprintf("%s (X.509 certificate by %s)", subject, e.X509Issuer)
	}
	return fmt.Sprintf("%s (%s)", subject, e.Issuer)
}

// clone returns the entry with slices of its own.
func (e Entry) clone() Entry {
	e.OpenPGP, e.SSH, e.Emails = slices.Clone(e.OpenPGP), slices.Clone(e.SSH), slices.Clone(e.Emails)
	e.Compromised = slices.Clone(e.Compromised)
	return e
}

// An entry is an Entry with what is known of it beyond the words.
type entry struct {
	Entry
	pattern   verifier.Pattern // of SubjectPattern
	keys      []string         // of OpenPGP or SSH, as verifier.Signer.Key has them
	addresses []string         // canonical: Emails, and its subject or principal if that is one
	person    int              // the same for entries that are known to be one person; see setPersons
	// The entry's lines are data[start:end], with the comments that touch them.
	start, end int
}

// header returns what stands between the brackets of the entry's first line.
func (e *entry) header() string { return quoteKey("identity", e.Name) }

// issuer returns the issuer that goes with the entry's subject; of its kind.
func (e *entry) issuer() string { return e.Issuer + e.X509Issuer } // one is empty

// matches reports whether the entry is for a subject, if the issuer agrees.
func (e *entry) matches(subject string) bool {
	if e.SubjectPattern != "" {
		return e.pattern.Match(subject)
	}
	return e.Subject == subject
}

// An alias is one thing by which an entry knows its signer: a key, a principal,
// or issuer and subject.
type alias struct {
	kind                          verifier.Kind
	key, subject, pattern, issuer string // subject may be a principal
}

// String returns what kind of thing the alias is.
func (a alias) String() string {
	switch {
	case a.key != "":
		return "key " + a.key
	case a.issuer == "":
		return "principal"
	}
	return "subject, issuer"
}

// aliases returns all by which the entry knows its signer.
func (e *entry) aliases() []alias {
	if len(e.keys) == 0 {
		return []alias{{e.Kind(), "", e.Subject + e.SSHPrincipal, e.SubjectPattern, e.issuer()}}
	}
	var list []alias
	for _, key := range e.keys {
		list = append(list, alias{kind: e.Kind(), key: key})
	}
	return list
}

// A grant is what an entry allows. No two entries of a policy have the same.
type grant struct {
	alias
	window Window
}

// check reports what is wrong with an entry, and works out what it is beyond
// the words.
func (e *entry) check() (err error) {
	if err := e.checkWay(); err != nil {
		return err
	}
	if err := e.Window.check(); err != nil {
		return err
	}
	for _, w := range e.Compromised {
		if w == (Window{}) {
			return errors.New("compromised has neither from nor until")
		}
		if err := w.check(); err != nil {
			return fmt.Errorf("compromised: %w", err)
		}
	}
	if e.SubjectPattern != "" {
		if e.pattern, err = verifier.ParsePattern(e.SubjectPattern); err != nil {
			return fmt.Errorf("subject-pattern: %w", err)
		}
	}
	switch e.Role {
	case "":
		e.Role = Human
	case Human, Bot, Forge:
	default:
		return fmt.Errorf("kind %q is not human, bot or forge", e.Role)
	}
	if err := e.setKeys(); err != nil {
		return err
	}
	return e.setAddresses()
}

// checkWay reports whether the entry does not name its signer in one way.
func (e *entry) checkWay() error {
	var room [7]string // so that good entries cost nothing
	ways := room[:0]
	for _, way := range [...]struct {
		key string
		set bool
	}{
		{"openpgp", len(e.OpenPGP) > 0}, {"ssh", len(e.SSH) > 0}, {"ssh-principal", e.SSHPrincipal != ""},
		{"x509-issuer", e.X509Issuer != ""}, {"issuer", e.Issuer != ""},
		{"subject", e.Subject != ""}, {"subject-pattern", e.SubjectPattern != ""},
	} {
		if way.set {
			ways = append(ways, way.key)
		}
	}
	issued := func(s string) bool { return s == "issuer" || s == "x509-issuer" }
	subject := func(s string) bool { return s == "subject" || s == "subject-pattern" }
	switch n := len(ways); {
	case n == 0:
		return errors.New("missing subject or subject-pattern, or another way to name the signer")
	case n == 1 && issued(ways[0]):
		return errors.New("missing subject or subject-pattern")
	case n == 1 && subject(ways[0]):
		return errors.New("missing issuer")
	case n == 1 || n == 2 && issued(ways[0]) && subject(ways[1]):
		return nil
	case subject(ways[n-2]) && subject(ways[n-1]):
		return errors.New("both subject and subject-pattern")
	}
	return fmt.Errorf("both %s and %s: an identity is named in one way, the other needs an identity of its own", ways[0], ways[1])
}

// checkName reports whether an entry cannot be called name. Names are shown
// to people, on terminals too.
func checkName(name string) error {
	if name == "" {
		return errors.New("the name of an identity is empty")
	}
	return checkShown("the name", name)
}

// checkShown reports whether a text has what cannot be shown.
func checkShown(what, text string) error {
	unprintable := func(r rune) bool { return !strconv.IsPrint(r) }
	if strings.ContainsFunc(text, unprintable) || !utf8.ValidString(text) {
		return fmt.Errorf("%s %q has a character that cannot be shown", what, text)
	}
	return nil
}

// set takes a key of an identity.
func (e *entry) set(key string, value *unstable.Node) (err error) {
	switch key {
	case "subject":
		e.Subject, err = readString(key, value)
	case "subject-pattern":
		e.SubjectPattern, err = readString(key, value)
	case "issuer":
		e.Issuer, err = readString(key, value)
	case "openpgp":
		e.OpenPGP, err = readStrings(key, value, oneOrMore, checked(openPGPKey))
	case "ssh":
		e.SSH, err = readStrings(key, value, oneOrMore, checked(sshKey))
	case "ssh-principal":
		e.SSHPrincipal, err = readString(key, value)
	case "x509-issuer":
		e.X509Issuer, err = readString(key, value)
	case "kind":
		e.Role, err = readString(key, value)
		if err == nil && !slices.Contains([]string{Human, Bot, Forge}, e.Role) {
			err = fmt.Errorf("kind %q is not human, bot or forge", e.Role)
		}
	case "email":
		e.Emails, err = readStrings(key, value, oneOrMore, checked(address))
	case "from":
		e.Window.From, err = readTime(key, value)
	case "until":
		e.Window.Until, err = readTime(key, value)
	case "compromised":
		e.Compromised, err = readWindows(key, value)
	default:
		err = unknownKey(key, "of an identity ", "subject", "subject-pattern", "issuer",
			"openpgp", "ssh", "ssh-principal", "x509-issuer", "kind", "email", "from", "until", "compromised")
	}
	return err
}

// finish takes the identity into the policy.
func (e *entry) finish(ps *parser) error {
	if err := e.check(); err != nil {
		return err
	}
	for _, a := range e.aliases() {
		g := grant{a, e.Window}
		if first := ps.grants[g]; first == e {
			return fmt.Errorf("the %v is there twice", a)
		} else if first != nil {
			return fmt.Errorf("the same %v and window as [%s] in line %d", a, first.header(), first.Line)
		}
		ps.grants[g] = e
	}
	e.end = blockEnd(ps.data, ps.end)
	ps.policy.entries = append(ps.policy.entries, e)
	return nil
}

package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gitseal/verifier"
)

// A Warning is something in a policy that is allowed and may be a mistake.
type Warning struct {
	Line int    // where the table begins; 0: it is about what stands before the first
	Name string // of the entry or rule; may be empty
	Text string // lower case, without a full stop

	table string // "identity", "rule", "exempt" or ""
}

// String returns the warning with its place.
func (w Warning) String() string {
	switch {
	case w.table == "":
		return w.Text
	case w.table == "identity":
		return fmt.Sprintf("line %d: [%s]: %s", w.Line, quoteKey("identity", w.Name), w.Text)
	case w.Name != "":
		return fmt.Sprintf("line %d: [[%s]] %q: %s", w.Line, w.table, w.Name, w.Text)
	}
	return fmt.Sprintf("line %d: [[%s]]: %s", w.Line, w.table, w.Text)
}

// Lint returns what may be a mistake in a policy at a time, in the order of
// the file: entries that allow nobody any more, or never did, subjects that are
// patterns or keys, patterns that match more or less than was likely meant, what
// another entry or rule makes needless, or that is easily taken for another,
// rules that nobody can satisfy or that never apply, exemptions that are over,
// and algorithms that no format knows.
func Lint(p *Policy, at time.Time) []Warning {
	var warnings []Warning
	for _, name := range p.weak {
		if !slices.Contains(weakNames, name) {
			warnings = append(warnings, Warning{Text: fmt.Sprintf("accept-weak names %s, which this version of gitseal does not know: it knows %s", name, strings.Join(weakNames, ", "))})
		}
	}
	alike := make(map[string]*entry) // by what is left of names, and of what they stand for
	for _, e := range p.entries {
		for _, key := range []string{"name " + fold(e.Name), "signer " + fold(e.String())} {
			if first := alike[key]; first == nil {
				alike[key] = e
			} else if first.Name != e.Name && (key[0] == 'n' || !first.sameSigner(e)) {
				warnings = append(warnings, Warning{e.Line, e.Name, fmt.Sprintf("is easily taken for [%s] in line %d: %+q and %+q", first.header(), first.Line, first.shown(key), e.shown(key)), "identity"})
			}
		}
		for _, text := range p.lintEntry(e, at) {
			warnings = append(warnings, Warning{e.Line, e.Name, text, "identity"})
		}
	}
	for _, r := range p.rules {
		for _, text := range p.lintRule(r, at) {
			warnings = append(warnings, Warning{r.Line, r.Name, text, "rule"})
		}
	}
	for _, x := range p.exempt {
		if (Window{Until: x.Until}).expired(at) {
			warnings = append(warnings, Warning{x.Line, "", fmt.Sprintf("expired at %s: %s is judged again", formatTime(x.Until), x.Object), "exempt"})
		}
	}
	slices.SortStableFunc(warnings, func(a, b Warning) int { return a.Line - b.Line })
	return warnings
}

// shown returns what of the entry is taken for another's: its name, or how it
// names its signer.
func (e *entry) shown(key string) string {
	if strings.HasPrefix(key, "name ") {
		return e.Name
	}
	return e.String()
}

// sameSigner reports whether two entries name one signer, for two windows.
func (e *entry) sameSigner(o *entry) bool { return slices.Equal(e.aliases(), o.aliases()) }

// LintUsed returns the entries that no good signature used, of those that an
// audit saw: used holds the names of the others. They may have outlived their
// purpose, or their keys.
func LintUsed(p *Policy, used map[string]bool) []Warning {
	var warnings []Warning
	for _, e := range p.entries {
		if !used[e.Name] {
			warnings = append(warnings, Warning{e.Line, e.Name, "no good signature used it", "identity"})
		}
	}
	return warnings
}

// lintEntry returns what may be a mistake in an entry.
func (p *Policy) lintEntry(e *entry, at time.Time) []string {
	var texts []string
	warn := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
	if e.Window.expired(at) {
		warn("expired at %s: only signatures from before are allowed", formatTime(e.Window.Until))
	}
	if text := mistaken(e.Subject); text != "" {
		warn("subject %q %s", e.Subject, text)
	}
	if likeKey(e.SSHPrincipal) {
		warn("ssh-principal %q is a key, and keys are named by openpgp or ssh", e.SSHPrincipal)
	}
	if text := broad(e.SubjectPattern); text != "" {
		warn("subject-pattern %q %s", e.SubjectPattern, text)
	}
	timed := e.Window != (Window{}) || len(e.Compromised) > 0
	if kind := e.Kind(); timed && !p.claimed && (kind == verifier.OpenPGP || kind == verifier.SSH) {
		warn("allows nothing: from, until and compromised are judged by proven times, which its signatures do not have; key-time = \"claimed\" believes what they claim")
	}
	for _, other := range p.entries {
		if other != e && other.covers(e) && p.asFree(other, e) {
			warn("needless beside [%s] in line %d, which allows the same and more", other.header(), other.Line)
			break
		}
	}
	for _, r := range p.rules {
		if r.paths == nil && !r.allow[e] && slices.Contains(r.Refs, "**") {
			warn("can sign nothing: %s is for all refs and does not allow it", r.title())
			break
		}
	}
	return texts
}

// asFree reports whether e may sign whatever other may, by the rules, so that
// other could go.
func (p *Policy) asFree(e, other *entry) bool {
	for _, r := range p.rules {
		if r.allow[other] && !r.allow[e] {
			return false
		}
	}
	return e.Role == other.Role && !slices.ContainsFunc(other.Emails, func(s string) bool { return !slices.Contains(e.Emails, s) })
}

// covers reports whether e allows all that other does, so that other could
// go. An entry that says when it was compromised is there to refuse.
func (e *entry) covers(other *entry) bool {
	if e.Kind() != other.Kind() || e.issuer() != other.issuer() || !e.Window.covers(other.Window) || len(other.Compromised) > 0 {
		return false
	}
	if e.issuer() == "" {
		return !slices.ContainsFunc(other.aliases(), func(a alias) bool { return !slices.Contains(e.aliases(), a) })
	}
	if e.SubjectPattern == "" {
		return other.SubjectPattern == "" && e.Subject == other.Subject
	}
	// A pattern that matches the text of another matches what that matches:
	// only its stars can have matched the other's stars.
	return e.pattern.Match(other.Subject + other.SubjectPattern)
}

// mistaken returns what was likely meant by a subject that few could have, and
// "" for others and for no subject.
func mistaken(subject string) string {
	switch {
	case strings.Contains(subject, "*"):
		return "has a *, which subject takes literally; subject-pattern takes patterns"
	case likeKey(subject):
		return "is a key, and keys are named by openpgp or ssh"
	}
	return ""
}

// likeKey reports whether a name is as long as the fingerprint of a key, or
// begins as an SSH key or its fingerprint does.
func likeKey(s string) bool {
	begins := func(prefix string) bool { return strings.HasPrefix(s, prefix) }
	return isFingerprint(unspaced(s)) || begins(sshPrefix) ||
		strings.Contains(s, " ") && slices.ContainsFunc([]string{"ssh-", "sk-ssh-", "ecdsa-sha2-", "sk-ecdsa-sha2-"}, begins)
}

// broad returns what is wrong with a pattern of which others can choose more
// than was likely meant, and "" for others and for no pattern.
func broad(pattern string) string {
	if pattern == "" {
		return ""
	}
	if !strings.Contains(pattern, "*") {
		return "has no *, and so is a subject"
	}
	if scheme, rest, isURI := strings.Cut(pattern, "://"); isURI {
		host, path, _ := strings.Cut(rest, "/")
		owner, _, _ := strings.Cut(path, "/")
		switch {
		case strings.Contains(scheme+host, "*"):
			return "does not fix the host"
		case strings.Contains(owner, "*"):
			return "does not fix the first part of the path, on a forge the owner: end it with a slash before the *"
		}
		return ""
	}
	// After the @, "*.example.com" is fixed enough, "*example.com" is not:
	// anyone can have a domain that ends so.
	at := strings.LastIndex(pattern, "@")
	domain := strings.TrimPrefix(pattern[at+1:], "*.")
	if at < 0 || strings.Contains(domain, "*") || domain != pattern[at+1:] && !strings.Contains(domain, ".") {
		return "does not fix what stands after the @"
	}
	return ""
}

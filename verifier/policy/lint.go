package policy

import (
	"fmt"
	"strings"
	"time"
)

// A Warning is something in a policy that is allowed and may be a mistake.
type Warning struct {
	Line int    // where the entry begins
	Name string // of the entry
	Text string // lower case, without a full stop
}

// String returns the warning with its place.
func (w Warning) String() string {
	return fmt.Sprintf("line %d: [%s]: %s", w.Line, quoteKey("identity", w.Name), w.Text)
}

// Lint returns what may be a mistake in a policy at a time, in the order of
// the file: entries that allow nobody any more, patterns that match more than
// was likely meant, and entries that another one makes needless.
func Lint(p *Policy, at time.Time) []Warning {
	var warnings []Warning
	for _, e := range p.entries {
		warn := func(format string, args ...any) {
			warnings = append(warnings, Warning{e.Line, e.Name, fmt.Sprintf(format, args...)})
		}
		if until := e.Window.Until; !until.IsZero() && !until.After(at) {
			warn("expired at %s: only signatures from before are allowed", formatTime(until))
		}
		if text := broad(e.SubjectPattern); text != "" {
			warn("subject-pattern %q %s", e.SubjectPattern, text)
		}
		for _, other := range p.entries {
			if other != e && other.covers(e) {
				warn("needless beside [%s] in line %d, which allows the same and more", other.header(), other.Line)
				break
			}
		}
	}
	return warnings
}

// covers reports whether e allows all that other does, so that other could
// go. An entry that says when it was compromised is there to refuse.
func (e *entry) covers(other *entry) bool {
	if e.Issuer != other.Issuer || !e.Window.covers(other.Window) || len(other.Compromised) > 0 {
		return false
	}
	if e.SubjectPattern == "" {
		return other.SubjectPattern == "" && e.Subject == other.Subject
	}
	// A pattern that matches the text of another matches what that matches:
	// only its stars can have matched the other's stars.
	return e.pattern.Match(other.Subject + other.SubjectPattern)
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

package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gitseal/verifier"
)

// weakNames are the algorithms that formats accept if accept-weak names them.
var weakNames = []string{"dsa1024", "md5", "ripemd160", "rsa1024", "sha1"}

// lintRule returns what may be a mistake in a rule.
func (p *Policy) lintRule(r *rule, at time.Time) []string {
	texts := r.lintPatterns()
	warn := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }

	// Whom it allows.
	allowed := r.allowed()
	live := slices.DeleteFunc(slices.Clone(allowed), func(e *entry) bool { return e.Window.expired(at) })
	commits := slices.ContainsFunc(r.Refs, func(s string) bool { return !strings.HasPrefix(s, tagRefs) })
	switch {
	case len(live) == 0:
		warn("all whom it allows have expired")
	case persons(live) < r.Threshold:
		warn("threshold %d is not met any more: of those whom it allows, %d have not expired", r.Threshold, persons(live))
	case persons(live) == 0 && commits:
		warn("allows forges only, which sign merges: nobody may sign another commit")
	case persons(live) == 0:
		warn("allows forges only, which sign no tags")
	}
	for _, e := range allowed {
		if len(r.Match) > 0 && e.Role != Forge && len(e.addresses) == 0 && e.Kind() == verifier.Keyless && !mayBeAddress(e) {
			warn("match is never met by [%s], whose subject is no e-mail address: give it email", e.header())
		}
	}

	// What other rules make of it.
	for _, o := range p.rules {
		if o == r || o.paths != nil || !o.covers(r) {
			continue
		}
		if !r.shares(o) {
			warn("nobody can satisfy both it and %s, which governs all that it does: none whom it allows is allowed there", o.title())
		} else if r.needless(o) {
			warn("needless beside %s, which governs all that it does and asks for as much", o.title())
		}
	}
	return texts
}

// lintPatterns returns what may be a mistake in the patterns of a rule.
func (r *rule) lintPatterns() []string {
	var texts []string
	warn := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
	tags := false // it may be for tags
	for i, s := range r.Refs {
		switch {
		case slices.Contains([]string{"refs", "refs/heads", "refs/tags", "refs/remotes"}, s):
			warn("refs %q matches no ref: %q matches those below", s, s+"/**")
		case strings.HasSuffix(s, "/*") && slices.Contains([]string{branchRefs, tagRefs}, s[:len(s)-1]):
			warn("refs %q leaves out names with a slash: %q matches those too", s, s+"*")
		}
		tags = tags || r.refs[i].mayBeTag()
	}
	if r.Lightweight && !tags {
		warn("lightweight is about tags, and refs match none")
	}
	if len(r.paths) == 0 {
		return texts
	}
	if !slices.ContainsFunc(r.Refs, func(s string) bool { return !strings.HasPrefix(s, tagRefs) }) {
		warn("never applies: it has paths, and refs are tags, which change none")
	}
	for i, s := range r.Paths {
		name := strings.TrimPrefix(s, "!")
		if r.paths[i].plainName() && !strings.Contains(strings.TrimSuffix(name, "/"), "/") {
			warn("paths %q matches in every folder: \"/%s\" is the one at the top, \"**/%s\" says that all are meant", s, name, name)
		}
		if i == 0 && r.paths[i].not {
			warn("paths %q takes out what no pattern before it matched", s)
		}
	}
	return texts
}

// plainName reports whether the pattern is one name without wildcards, in
// whatever folder.
func (p *pathPattern) plainName() bool {
	l := p.glob.levels
	return len(l) == 2 && l[0].any && !l[1].wild
}

// mayBeTag reports whether a pattern for refs could match a tag.
func (g *glob) mayBeTag() bool {
	for i, name := range []string{"refs", "tags"} {
		if i >= len(g.levels) || !g.levels[i].any && !g.levels[i].match(name) {
			return false
		}
		if g.levels[i].any {
			return true
		}
	}
	return true
}

// mayBeAddress reports whether a subject that the entry is for could be an
// e-mail address.
func mayBeAddress(e *entry) bool {
	return e.SubjectPattern != "" && !strings.Contains(e.SubjectPattern, "://")
}

// shares reports whether somebody may be allowed by both of two rules.
func (r *rule) shares(o *rule) bool {
	for e := range r.allow {
		for f := range o.allow {
			if e == f || e.mayMeet(f) {
				return true
			}
		}
	}
	return false
}

// mayMeet reports whether one signer may be both what e and what o are for.
func (e *entry) mayMeet(o *entry) bool {
	switch {
	case e.Kind() != o.Kind() || e.issuer() != o.issuer():
		return false
	case e.SSHPrincipal != "" && len(o.keys) > 0 || o.SSHPrincipal != "" && len(e.keys) > 0:
		return true // the allowed signers know whose key it is
	case e.SubjectPattern != "" && o.SubjectPattern != "":
		return overlap(e.SubjectPattern, o.SubjectPattern)
	}
	return e.mayAllow(o) || o.mayAllow(e)
}

// needless reports whether whoever satisfies o satisfies r, where both apply.
func (r *rule) needless(o *rule) bool {
	for e := range o.allow {
		if !r.allow[e] {
			return false
		}
	}
	for _, what := range r.Match {
		if !slices.Contains(o.Match, what) {
			return false
		}
	}
	// Who counts for a threshold depends on allow.
	sameOrNone := r.Threshold < 2 || r.Threshold <= o.Threshold
	// Of two that are needless beside each other the first stays.
	earlier := r.number > o.number || !r.covers(o) || r.paths != nil || !o.needless(r)
	return sameOrNone && (!r.Immutable || o.Immutable) && (r.Lightweight || !o.Lightweight) && earlier
}

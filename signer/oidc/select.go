package oidc

import (
	"errors"
	"fmt"
	"strings"
)

// Sources returns all sources, in the order in which Select tries them: what
// was set for this purpose, what a CI job or a cloud gives, then people.
func Sources(cfg Config) []Source {
	c := &cfg
	return []Source{
		envvar{c}, file{c}, command{c, loginTime},
		github{c}, gitlab{c}, buildkite{c}, circleci{c},
		spiffe{c}, mounted{c, kubernetes}, mounted{c, aws}, google{c}, azure{c},
		NewBrowser(cfg), NewDevice(cfg),
	}
}

// named is implemented by sources that may be used where nothing says so, if a
// person does: Available stands for what only seems likely.
type named interface {
	Source
	AvailableByName() error
}

// Select returns the first source that is available, or the one that is
// called provider, unless that is "". It tries no other when one that is
// available fails: that would be to sign as somebody else. So would be to go on
// in a CI job that gets no tokens, for what comes next is whose machine it runs
// on. The error is a *NoSourceError where a source cannot be used; no source is
// called provider in the others.
func Select(sources []Source, provider string) (Source, error) {
	none := new(NoSourceError)
	var names []string
	for _, s := range sources {
		names = append(names, s.Name())
		if provider != "" && s.Name() != provider {
			continue
		}
		err := s.Available()
		if n, ok := s.(named); ok && provider != "" {
			err = n.AvailableByName()
		}
		if err == nil {
			return s, nil
		}
		none.Tried = append(none.Tried, Unavailable{s.Name(), err})
		if withheld := withheld(""); errors.As(err, &withheld) {
			return nil, none
		}
	}
	if provider != "" && len(none.Tried) == 0 {
		return nil, fmt.Errorf("no token provider is called %q: there are %s", provider, strings.Join(names, ", "))
	}
	return nil, none
}

// unset is what has to be set for a source to be available.
type unset string

// Error says that it is not.
func (e unset) Error() string { return string(e) + " is not set" }

// elsewhere says that nothing here looks as where a source gives tokens.
type elsewhere string

// Error says what.
func (e elsewhere) Error() string { return string(e) }

// withheld says that this is a CI job, and why it gets no tokens.
type withheld string

// Error says why.
func (w withheld) Error() string { return string(w) }

// summary returns the reasons of several sources in few words: most are that
// something was not set, or that this is no CI job and no cloud.
func summary(tried []Unavailable) string {
	var settings, rest []string
	nowhere := false
	for _, u := range tried {
		var what unset
		var where elsewhere
		switch {
		case errors.As(u.Err, &what):
			settings = append(settings, string(what))
		case errors.As(u.Err, &where):
			nowhere = true
		default:
			rest = append(rest, fmt.Sprintf("%s: %v", u.Name, u.Err))
		}
	}
	var parts []string
	switch n := len(settings); n {
	case 0:
	case 1:
		parts = append(parts, settings[0]+" is not set")
	default:
		parts = append(parts, strings.Join(settings[:n-1], ", ")+" and "+settings[n-1]+" are not set")
	}
	if nowhere {
		parts = append(parts, "no CI job or cloud that gives tokens is recognised")
	}
	return strings.Join(append(parts, rest...), "; ")
}

// Display reports whether a browser that is opened here is one that the person
// sees, as far as the environment tells: on Unix a display or a program of
// their own that opens URLs (BROWSER, which editors set that work over ssh);
// elsewhere always, but over ssh, where the screen is of another machine.
func Display(getenv func(string) string, goos string) bool {
	switch goos {
	case "windows", "darwin":
		return getenv("SSH_CONNECTION") == ""
	}
	return getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != "" || getenv("BROWSER") != ""
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"gitseal/verifier"
	"gitseal/verifier/report"
)

// A trust is whom we trust, and where that is written.
type trust struct {
	roots    []*verifier.TrustedRoot
	sources  []string  // files, or where else each of the roots is from
	instance *instance // whose own root is the first; nil if none of them is
}

// trust reads the trusted roots in force: the instance's own and those of
// gitseal.trustedRoot; or, where a file is named on the command line, that
// one alone. It never asks the network.
func (s *settings) trust(file string) (*trust, error) {
	t := new(trust)
	if file == sigstoreName {
		return t, t.readSigstore(s)
	}
	if file != "" {
		return t, t.read(file)
	}
	in, err := s.instance()
	if err != nil {
		return nil, err
	}
	extra, err := s.paths("gitseal.trustedRoot", sigstoreName)
	if err != nil {
		return nil, err
	}
	root, source, err := in.trustedRoot()
	switch {
	case errors.Is(err, fs.ErrNotExist) && in.setting.isDefault() && len(extra) > 0:
		// Only verifying, with other people's roots: no instance is needed.
	case errors.Is(err, fs.ErrNotExist):
		hints := []string{setUp}
		if in.setting.isDefault() {
			hints = append(hints, trustOthers)
		}
		return nil, fail(exitUsage, fmt.Errorf("no instance is set up: %s does not exist", source), hints...)
	case err != nil:
		return nil, err
	default:
		t.add(root, source)
		t.instance = in
	}
	for _, v := range extra {
		if v.Value == sigstoreName {
			err = t.readSigstore(s)
		} else {
			err = t.read(v.Value)
		}
		if err != nil {
			return nil, fmt.Errorf("reading gitseal.trustedRoot (set in %s): %w", v.Source, err)
		}
	}
	return t, nil
}

// readSigstore adds the trusted root of the public good instance: as it was
// last updated, or else as it is built in.
func (t *trust) readSigstore(s *settings) error {
	in, err := s.instanceOf(setting{"gitseal.instance", sigstoreName, "default"})
	if err != nil {
		return err
	}
	root, source, err := in.trustedRoot()
	if err != nil {
		return err
	}
	t.add(root, source)
	if t.instance == nil {
		t.instance = in // what says how old it is
	}
	return nil
}

// read adds the trusted root in a file.
func (t *trust) read(file string) error {
	data, err := readFile(file, maxTrustedRoot)
	if err != nil {
		return fail(exitUsage, err)
	}
	root, err := verifier.ParseTrustedRoot(data)
	if err != nil {
		return fail(exitUsage, fmt.Errorf("%s: %w", file, err), wantTrustedRoot)
	}
	t.add(root, file)
	return nil
}

// add adds a trusted root.
func (t *trust) add(root *verifier.TrustedRoot, source string) {
	t.roots = append(t.roots, root)
	t.sources = append(t.sources, source)
}

// verifier returns a verifier under t.
func (t *trust) verifier() (*verifier.Verifier, error) {
	return verifier.New(verifier.Config{TrustedRoots: t.roots})
}

// isFresh is the age below which an update is not worth a hint.
const isFresh = 24 * time.Hour

// age says how old the instance's own trusted root is; "" if it is fresh, or
// not one that can be updated.
func (t *trust) age(now time.Time) string {
	if t.instance == nil {
		return ""
	}
	last, err := t.instance.lastUpdate()
	switch {
	case err != nil:
		return "its trusted root was updated nobody knows when"
	case last != nil && now.Sub(last.UpdatedAt) >= isFresh:
		return fmt.Sprintf("its trusted root was updated %s ago", count(int(now.Sub(last.UpdatedAt)/isFresh), "day", "days"))
	case last == nil && t.instance.setting.Value == sigstoreName:
		return "its trusted root is " + builtInSource
	}
	return ""
}

// outdated returns the command under which a signature of a class may become
// good: one that names a log or an authority that the trusted root does not
// have may be good under a newer one. It is "" where that cannot be the reason.
func (t *trust) outdated(class verifier.Class, now time.Time) string {
	switch class {
	case verifier.UntrustedLog, verifier.UntrustedCertificate, verifier.BadTime:
		if age := t.age(now); age != "" {
			return fmt.Sprintf("%s   # instance %s: %s", updateTrust, printable(t.instance.setting.Value), age)
		}
	}
	return ""
}

// hint returns what to do about a signature of a class.
func (t *trust) hint(class verifier.Class, now time.Time) string {
	if hint := t.outdated(class, now); hint != "" {
		return hint
	}
	return report.Hint(class)
}

// hints returns hint as it is now, for many signatures: how old the trusted
// root is, is looked up once for each class. One goroutine may call it at a
// time.
func (t *trust) hints(now time.Time) func(verifier.Class) string {
	known := make(map[verifier.Class]string)
	return func(class verifier.Class) string {
		hint, ok := known[class]
		if !ok {
			hint = t.hint(class, now)
			known[class] = hint
		}
		return hint
	}
}

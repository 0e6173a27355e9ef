package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/urfave/cli/v2"

	sigstore "gitseal/internal/trust"
)

func runTrustShow(c *cli.Context, e *env) error {
	asJSON, err := checkFormat(c)
	if err != nil {
		return err
	}
	if c.Args().Present() {
		return usage("trust show takes no arguments")
	}
	s, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	t, err := s.trust("")
	if err != nil {
		return err
	}
	in, err := s.instance()
	if err != nil {
		return err
	}
	doc := trustJSON{Schema: "gitseal.trust/1", TrustedRoots: []rootJSON{}}
	if doc.Instance, err = in.json(e.now()); err != nil {
		return err
	}
	config, err := s.signingInUse(in, t)
	if err != nil {
		return err
	}
	doc.Signing = newSigningJSON(config, e.now())
	for i, root := range t.roots {
		doc.TrustedRoots = append(doc.TrustedRoots, newRootJSON(root, t.sources[i], config))
	}
	if asJSON {
		return writeJSON(e, doc)
	}
	e.printf("%s", joinLines(doc.lines()))
	return nil
}

// signingInUse returns the servers that sign; nil if none do.
func (s *settings) signingInUse(in *instance, t *trust) (*sigstore.SigningConfig, error) {
	if in.hasAuthority() || t.instance == nil {
		return nil, nil
	}
	config, err := in.signingConfig()
	if errors.Is(err, fs.ErrNotExist) && s.namesServers() {
		err = nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return s.services(config, t.roots[0])
}

// A factList is lines of text, one fact each.
type factList []string

func (l *factList) add(name, format string, args ...any) {
	*l = append(*l, fmt.Sprintf("%-16s %s", name, printable(fmt.Sprintf(format, args...))))
}

// lines returns the document as text.
func (doc *trustJSON) lines() []string {
	var lines factList
	in := doc.Instance
	lines.add("instance", "%s", in.Name)
	if in.Directory != in.Name {
		lines.add("directory", "%s", in.Directory)
	}
	if r := in.Repository; r != nil {
		lines.add("repository", "%s", r.URL)
		switch {
		case r.UpdatedAt == "":
			lines.add("updated", "never: %s", updateTrust)
		case r.Expired:
			lines.add("updated", "%s; it expired %s: %s", r.UpdatedAt, r.Expires, updateTrust)
		default:
			lines.add("updated", "%s, good until %s", r.UpdatedAt, r.Expires)
		}
	}
	for _, root := range doc.TrustedRoots {
		lines = append(append(lines, ""), root.lines()...)
	}
	if doc.Signing != nil {
		lines = append(append(lines, ""), doc.Signing.lines()...)
	}
	return lines
}

func (r rootJSON) lines() []string {
	var lines factList
	lines.add("trusted root", "%s", r.Digest)
	lines.add("from", "%s", r.Source)
	if r.Modified != "" {
		lines.add("file of", "%s", r.Modified)
	}
	if len(r.CertificateAuthorities) == 0 {
		lines.add("authority", "none: no signature with a certificate verifies under this trusted root")
	}
	for _, a := range r.CertificateAuthorities {
		lines.add("authority", "%s", a.line())
	}
	for _, l := range r.Logs {
		lines.add("log", "%s", l.line())
	}
	for _, l := range r.CTLogs {
		lines.add("certificate log", "%s", l.line())
	}
	for _, a := range r.TimestampAuthorities {
		lines.add("time-stamps", "%s", a.line())
	}
	return lines
}

func (s *signingJSON) lines() []string {
	var lines factList
	for _, kind := range []struct {
		name     string
		services []serviceJSON
		selected selectionJSON
	}{
		{"authority", s.CertificateAuthorities, selectionJSON{}}, {"log", s.Logs, s.LogSelection},
		{"time-stamps", s.TimestampAuthorities, s.TimestampSelection}, {"identities", s.OIDCProviders, selectionJSON{}},
	} {
		for _, service := range kind.services {
			lines.add("signs with", "%s %s, API version %d%s", kind.name, service.URL, service.MajorAPIVersion, kind.selected.of(len(kind.services)))
		}
	}
	return lines
}

func (a authorityJSON) line() string {
	return fmt.Sprintf("%s (%s), %s", a.Subject, cmp.Or(a.URL, "no address"), a.ValidFor)
}

func (l trustedLogJSON) line() string {
	generation := ""
	if l.Generation != 0 {
		generation = fmt.Sprintf("Rekor v%d, ", l.Generation)
	}
	return fmt.Sprintf("%s, %s%s, id %s, %s", cmp.Or(l.URL, "no address"), generation, l.Key, l.ID, l.ValidFor)
}

func (w windowJSON) String() string {
	if w.End == "" {
		return "since " + w.Start
	}
	return w.Start + " to " + w.End
}

// of says how many of n servers are asked.
func (s selectionJSON) of(n int) string {
	switch {
	case n == 1 || s.Selector == "":
		return ""
	case s.Selector == "ANY":
		return fmt.Sprintf(" (any one of %d is asked)", n)
	case s.Selector == "EXACT":
		return fmt.Sprintf(" (%d of %d are asked)", s.Count, n)
	}
	return fmt.Sprintf(" (%s of %d are asked)", strings.ToLower(s.Selector), n)
}

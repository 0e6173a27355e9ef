package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
	"github.com/urfave/cli/v2"

	"gitseal/verifier"
	"gitseal/verifier/policy"
)

func policyCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "policy",
		Usage: "say who may sign",
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return fail(exitUsage, fmt.Errorf("unknown command %q", "policy "+c.Args().First()), "gitseal policy --help")
			}
			return cli.ShowSubcommandHelp(c)
		},
		Subcommands: []*cli.Command{
			{
				Name:      "allow",
				Usage:     "allow an identity to sign",
				ArgsUsage: "[SUBJECT]",
				Description: "Adds an identity to the user's policy. SUBJECT is exact, or a pattern in which * stands\n" +
					"for any run of characters. Without SUBJECT: your own identity on the local authority.\n" +
					"With --openpgp or --ssh the identity is a key, and there is no SUBJECT.",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "openpgp", Usage: "allow the OpenPGP key with this `FINGERPRINT`, of its primary key"},
					&cli.StringFlag{Name: "ssh", Usage: "allow this SSH `KEY`: its fingerprint, SHA256:…, or the line of its .pub file"},
					&cli.StringFlag{Name: "name", Usage: "call the identity `NAME` in the policy"},
					&cli.StringFlag{Name: "issuer", Usage: "the OpenID Connect `ISSUER` that vouches for SUBJECT; default: the local authority"},
					&cli.TimestampFlag{Name: "from", Layout: time.RFC3339, Usage: "not before this `TIME`, such as 2026-01-01T00:00:00Z, by proven time"},
					&cli.TimestampFlag{Name: "until", Layout: time.RFC3339, Usage: "only before this `TIME`"},
				},
				Action: func(c *cli.Context) error { return runAllow(c, e) },
			},
			{
				Name:      "remove",
				Usage:     "stop allowing an identity",
				ArgsUsage: "SUBJECT",
				Flags:     []cli.Flag{&cli.StringFlag{Name: "issuer", Usage: "only by this `ISSUER`"}},
				Action:    func(c *cli.Context) error { return runRemove(c, e) },
			},
			{
				Name:      "check",
				Usage:     "check a policy file, the user's by default",
				ArgsUsage: "[FILE]",
				Flags:     historyFlags(&cli.BoolFlag{Name: "used", Usage: "look at the history of HEAD, and name the identities that nobody used"}),
				Action:    func(c *cli.Context) error { return runCheck(c, e) },
			},
			policyInitCommand(e), policyExplainCommand(e), policyDiffCommand(e),
		},
	}
}

func runAllow(c *cli.Context, e *env) error {
	if c.NArg() > 1 {
		return fail(exitUsage, errors.New("policy allow takes one subject"), "gitseal policy allow SUBJECT --issuer ISSUER   # flags may stand before or after")
	}
	settings, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	entry, err := allowedEntry(c, e, settings)
	if err != nil {
		return err
	}
	entry.Name = c.String("name")
	if t := c.Timestamp("from"); t != nil {
		entry.Window.From = *t
	}
	if t := c.Timestamp("until"); t != nil {
		entry.Window.Until = *t
	}
	file, added, err := allowEntry(settings, *entry)
	if err != nil {
		return err
	}
	verb := "already allowed"
	if added {
		verb = "allowed"
	}
	who := printable(entry.String())
	if entry.Issuer != "" {
		who = fmt.Sprintf("%s (%s)", printable(entry.Subject+entry.SubjectPattern), issuerLabel(entry.Issuer))
	}
	e.printf("%s %s in %s\n", verb, who, printable(file))
	return nil
}

// allowedEntry returns the identity that flags and argument name.
func allowedEntry(c *cli.Context, e *env, settings *settings) (*policy.Entry, error) {
	entry := new(policy.Entry)
	if c.IsSet("openpgp") { // with spaces, as gpg prints it
		fingerprint := strings.Join(strings.Fields(c.String("openpgp")), "")
		entry.OpenPGP = []string{strings.TrimPrefix(fingerprint, "0x")}
	}
	if c.IsSet("ssh") {
		entry.SSH = []string{c.String("ssh")}
	}
	if len(entry.OpenPGP)+len(entry.SSH) > 0 {
		if c.Args().Present() || c.IsSet("issuer") || len(entry.OpenPGP)+len(entry.SSH) > 1 {
			return nil, usage("one key is an identity by itself: it has neither SUBJECT nor --issuer")
		}
		return entry, nil
	}
	if subject := c.Args().First(); isKey(subject) {
		flag := "--openpgp"
		if strings.HasPrefix(subject, "SHA256:") {
			flag = "--ssh"
		}
		return nil, fail(exitUsage, fmt.Errorf("%s is a key, and not the subject of a certificate", subject), "gitseal policy allow "+flag+" "+shellWord(subject))
	}
	id := verifier.Identity{Subject: c.Args().First(), Issuer: c.String("issuer")}
	if id.Subject == "" {
		who, err := settings.identity("")
		if err != nil {
			return nil, err
		}
		id.Subject = who.Value
	}
	if id.Issuer == "" {
		issuer, err := localIssuer(settings, e)
		if err != nil {
			return nil, err
		}
		id.Issuer = issuer
	}
	entry.Subject, entry.Issuer = id.Subject, id.Issuer
	if isPattern(c.Args().First()) {
		entry.Subject, entry.SubjectPattern = "", id.Subject
	}
	return entry, nil
}

// isKey reports whether what is given as a subject looks like the fingerprint of
// a key.
func isKey(s string) bool {
	hexadecimal := strings.Trim(s, "0123456789abcdefABCDEF") == ""
	return hexadecimal && (len(s) == 40 || len(s) == 64) || strings.HasPrefix(s, "SHA256:")
}

// localIssuer returns the issuer of the local authority, which an instance
// elsewhere does not have.
func localIssuer(s *settings, e *env) (string, error) {
	in, err := s.instance()
	if err != nil {
		return "", err
	}
	a, err := in.authority(e)
	if err != nil {
		return "", err
	}
	defer a.Close() // only read from
	return a.Issuer(), nil
}

// allowEntry adds an identity to the user's policy file, and reports whether
// it was not there yet.
func allowEntry(s *settings, entry policy.Entry) (file string, added bool, err error) {
	added = true
	file, err = editPolicy(s, func(data []byte) ([]byte, error) {
		out, err := policy.Allow(data, entry)
		if errors.Is(err, policy.ErrPresent) {
			added = false
			return data, nil
		}
		return out, err
	})
	return file, added, err
}

func isPattern(subject string) bool { return strings.Contains(subject, "*") }

func runRemove(c *cli.Context, e *env) error {
	if c.NArg() != 1 {
		return fail(exitUsage, errors.New("policy remove takes one subject"), "gitseal policy remove SUBJECT [--issuer ISSUER]")
	}
	settings, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	var removal *policy.Removal
	file, err := editPolicy(settings, func(data []byte) ([]byte, error) {
		var err error
		removal, err = policy.Remove(data, policy.Match{Subject: c.Args().First(), Issuer: c.String("issuer")})
		if err != nil {
			return nil, err
		}
		return removal.Text, nil
	})
	if err != nil {
		return err
	}
	for _, entry := range removal.Removed {
		e.printf("removed %s from %s\n", describeEntry(&entry), printable(file))
	}
	for _, entry := range removal.Still {
		fmt.Fprintf(e.stderr, "gitseal: still allowed by identity.%s, which matches %s\n", printable(entry.Name), printable(entry.Subject+entry.SubjectPattern))
	}
	if len(removal.Removed) == 0 {
		return fail(exitFinding, fmt.Errorf("%s is not in %s", c.Args().First(), file), "gitseal policy check")
	}
	return nil
}

// editPolicy changes the user's policy file: under a lock, since two commands
// may run at once, and whole or not at all.
func editPolicy(s *settings, edit func([]byte) ([]byte, error)) (string, error) {
	v, err := s.policyFile()
	if err != nil {
		return "", err
	}
	file := v.Value
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target // a link to where it is kept stays one
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", fail(exitUsage, err)
	}
	unlock, err := lockedfile.MutexAt(file + ".lock").Lock()
	if err != nil {
		return "", fail(exitUsage, fmt.Errorf("locking the policy: %w", err))
	}
	defer unlock()
	data, err := readFile(file, maxPolicy)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fail(exitUsage, err)
	}
	out, err := edit(data)
	if err != nil {
		err = fmt.Errorf("%s: %w", file, err)
		if _, broken := policy.Parse(file, data); len(data) > 0 && broken != nil {
			return "", fail(exitUsage, err, "gitseal policy check "+shellWord(file))
		}
		return "", fail(exitUsage, err)
	}
	if string(out) == string(data) {
		return file, nil
	}
	return file, replaceFile(file, out)
}

// replaceFile writes a file beside its place, syncs it and moves it there, so
// that a reader sees the old text or the new.
func replaceFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return fail(exitUsage, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fail(exitUsage, errors.Join(fmt.Errorf("writing %s: %w", name, err), os.Remove(f.Name())))
	}
	return nil
}

// correctPolicy is the hint for a policy file that does not parse.
func correctPolicy(file string) string {
	return "correct that line, then: gitseal policy check " + shellWord(file)
}

// describeEntry says whom an entry allows.
func describeEntry(entry *policy.Entry) string {
	kind := ""
	if entry.SubjectPattern != "" {
		kind = "pattern "
	}
	if entry.Kind() == verifier.Keyless {
		return fmt.Sprintf("%s%s (%s)", kind, printable(entry.Subject+entry.SubjectPattern), issuerLabel(entry.Issuer))
	}
	return printable(entry.String())
}

func runCheck(c *cli.Context, e *env) error {
	if c.NArg() > 1 {
		return usage("policy check takes one file")
	}
	file := c.Args().First()
	if file == "" {
		settings, err := readSettings(c.Context, e)
		if err != nil {
			return err
		}
		v, err := settings.policyFile()
		if err != nil {
			return err
		}
		file = v.Value
	}
	data, err := readFile(file, maxPolicy)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(exitUsage, err, "gitseal policy allow   # begins it with your own identity")
	}
	if err != nil {
		return fail(exitUsage, err)
	}
	p, err := policy.Parse(file, data)
	if err != nil {
		return fail(exitUsage, err, correctPolicy(file))
	}
	for _, entry := range p.Identities() {
		e.printf("%s: %s, %s\n", printable(entry.Name), describeEntry(&entry), entry.Window)
	}
	if len(p.Identities()) == 0 {
		e.printf("warning: it allows nobody\n")
		return quiet(exitFinding)
	}
	warnings := policy.Lint(p, e.now())
	if c.Bool("used") {
		unused, err := lintUsed(c, e, p, file)
		if err != nil {
			return err
		}
		warnings = append(warnings, unused...)
	}
	for _, w := range warnings {
		e.printf("warning: %s\n", printable(w.String()))
	}
	if len(warnings) > 0 {
		return quiet(exitFinding)
	}
	return nil
}

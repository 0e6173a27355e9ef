package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
)

func doctorCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "say what is set, where, and whether signing and verifying work now",
		Description: "Prints every setting with its source, checks that git is set up, and makes and verifies a\n" +
			"test signature, which adds an entry to the local log. Where servers sign it asks each whether\n" +
			"it is there, looks at the identity token, which it sends to nobody, and makes a signature\n" +
			"only with --sign, for their log keeps it for ever. Exits 2 if anything needs mending.\n" +
			"With --last it does nothing of that, and says why the last signing failed.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "sign", Usage: "make a test signature with the instance's servers, too"},
			&cli.BoolFlag{Name: "last", Usage: "say why the last signing failed that git asked for"},
			formatFlag(),
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usage("doctor takes no arguments")
			}
			asJSON, err := checkFormat(c)
			switch {
			case err != nil:
				return err
			case !c.Bool("last") && c.IsSet("format"):
				return usage("--format is for --last")
			case !c.Bool("last"):
				return runDoctor(c.Context, e, c.Bool("sign"))
			case c.Bool("sign"):
				return usage("--last and --sign exclude one another")
			}
			settings, err := readSettings(c.Context, e)
			if err != nil {
				return err
			}
			return settings.lastFailed(e, asJSON)
		},
	}
}

// A doctor prints findings and remembers whether any was bad.
type doctor struct {
	env   *env
	signs bool // with servers, too
	bad   bool
	said  map[string]bool // errors: several parts may come to nothing for the same reason
}

func (d *doctor) ok(format string, args ...any) { d.line("ok  ", format, args...) }

func (d *doctor) fail(hint, format string, args ...any) {
	d.bad = true
	d.line("BAD ", format, args...)
	d.hint(hint)
}

func (d *doctor) line(mark, format string, args ...any) {
	d.env.printf("%s %s\n", mark, oneLine(fmt.Sprintf(format, args...)))
}

func (d *doctor) hint(hint string) {
	if hint != "" {
		d.env.printf("     hint: %s\n", hint)
	}
}

// err reports an error with the hint that goes with it.
func (d *doctor) err(err error) {
	_, message, hints := exitCode(err)
	if d.said[message] {
		return
	}
	d.said[message] = true
	d.fail("", "%s", strings.TrimSuffix(message, "."))
	for _, hint := range hints {
		if !strings.HasPrefix(hint, askDoctor) {
			d.hint(hint)
		}
	}
}

func runDoctor(ctx context.Context, e *env, sign bool) error {
	d := &doctor{env: e, signs: sign, said: make(map[string]bool)}
	d.ok("gitseal %s, %s", version(), e.program)
	out, err := exec.CommandContext(ctx, "git", "version").Output()
	if err != nil {
		d.fail("install git, or put it on the PATH", "git does not run: %v", err)
		return quiet(exitUsage)
	}
	d.ok("%s", strings.TrimSpace(string(out)))
	settings, err := readSettings(ctx, e)
	if err != nil {
		d.err(err)
		return quiet(exitUsage)
	}
	d.settings(settings)
	d.misspelt(settings, os.Environ())
	d.git(ctx, settings)
	d.policy(settings)
	d.identities(settings)
	d.trust(settings)
	d.deferral(settings)
	d.repository(settings)
	d.sign(ctx, settings)
	if d.bad {
		return quiet(exitUsage)
	}
	return nil
}

// settings prints every value and where it comes from.
func (d *doctor) settings(s *settings) {
	print := func(v setting, err error) {
		if err != nil {
			d.err(err)
			return
		}
		d.line("set ", "%s = %s (%s)", v.Key, v.Value, v.Source)
	}
	print(s.lookup("gitseal.instance", "local"))
	for _, key := range append(slices.Concat(serviceSettings, deferralSettings), "gitseal.progress", "gitseal.trace") {
		if v, err := s.lookup(key, ""); err != nil || v.Value != "" {
			print(v, err)
		}
	}
	d.identitySettings(s)
	// With servers it is the token that says who signs.
	if in, err := s.instance(); err == nil && in.hasAuthority() {
		print(s.authorityDir())
		if who, err := s.identity(""); err != nil {
			d.err(err)
		} else {
			d.line("set ", "identity = %s (%s of %s)", who.Value, who.Key, who.Source)
		}
	}
	print(s.policyFile())
	_, v, err := s.anyIdentity()
	print(v, err)
	for _, key := range []string{"gitseal.trustedRoot", "gitseal.caFile"} {
		all, err := s.paths(key, sigstoreName)
		if err != nil {
			d.err(err)
		}
		for _, v := range all {
			print(v, nil)
		}
	}
	d.keys(s)
}

// keys prints the files with keys, and whether they can be read.
func (d *doctor) keys(s *settings) {
	for i := range keySettings {
		all, err := s.keySources(nil, i)
		if err != nil {
			d.err(err)
			continue
		}
		for _, v := range all {
			d.line("set ", "%s = %s (%s)", v.Key, v.Value, v.Source)
			if _, err := readSources(context.Background(), nil, v, keySettings[i].flag == "openpgp-keyring"); err != nil {
				d.err(err)
			}
		}
		if theirs, ok := gitsKeys[keySettings[i].key]; ok && len(all) == 0 {
			if entry, ok := s.config(theirs).Get(theirs); ok && entry.Value != "" {
				d.line("note", "%s = %s (%s) is not used: a relative path is in the work tree, where what is to be judged may write", theirs, entry.Value, entry.Origin)
			}
		}
	}
}

// git checks that git calls us to sign and to verify.
func (d *doctor) git(ctx context.Context, s *settings) {
	hint := "gitseal init"
	if _, err := openRepository(ctx); errors.Is(err, gitutil.ErrNotRepository) {
		d.line("note", "not inside a repository: only global settings are seen")
		hint = "gitseal init --global"
	}
	check := func(key, want string) {
		v, err := s.git.String(key, "")
		switch entry, _ := s.git.Get(key); {
		case err != nil:
			d.err(fail(exitUsage, err))
		case v == want:
			d.ok("%s = %s (%s)", key, v, entry.Origin)
		case v == "":
			d.fail(hint, "%s is not set, want %s", key, want)
		default:
			d.fail(hint, "%s is %s (%s), want %s", key, v, entry.Origin, want)
		}
	}
	check("gpg.format", "x509")
	check("gpg.x509.program", d.env.program)
	for _, key := range []string{"commit.gpgSign", "tag.gpgSign"} {
		on, err := s.git.Bool(key, false)
		switch {
		case err != nil:
			d.err(fail(exitUsage, err))
		case on:
			entry, _ := s.git.Get(key)
			d.ok("%s = true (%s)", key, entry.Origin)
		default:
			d.line("note", "%s is off: git signs only when it is asked to, with -S or -s", key)
		}
	}
	if v, _ := s.git.String("gpg.minTrustLevel", ""); strings.EqualFold(v, "ultimate") {
		entry, _ := s.git.Get("gpg.minTrustLevel")
		d.fail("git config --unset gpg.minTrustLevel", "gpg.minTrustLevel is %s (%s): git refuses every signature, for the most that gitseal says is fully", v, entry.Origin)
	}
	if v, err := s.git.String("gpg.program", ""); err == nil && v == d.env.program {
		d.line("note", "gpg.program is gitseal too: OpenPGP signatures will not verify, and git-crypt, which reads it, will not encrypt")
	}
}

// policy reads the policy in force.
func (d *doctor) policy(s *settings) {
	p, source, err := s.policy("")
	switch {
	case err != nil:
		d.err(err)
	case p == nil:
		hint := "gitseal policy allow"
		if in, err := s.instance(); err == nil && !in.hasAuthority() {
			hint += " SUBJECT --issuer ISSUER   # whom the servers certify: gitseal show tells both, once you have signed"
		}
		d.fail(hint, "no policy says who may sign, so no signature counts as good")
	default:
		d.ok("policy %s allows %s", source, count(len(p.Identities()), "identity", "identities"))
		d.private(source)
	}
}

// private checks that nobody but its owner can change a file that decides
// whom to trust.
func (d *doctor) private(file string) {
	info, err := os.Stat(file)
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		d.fail("chmod go-w "+shellWord(file), "%s can be changed by others (mode %04o)", file, info.Mode().Perm())
	}
}

// trust reads the trusted roots in force.
func (d *doctor) trust(s *settings) {
	t, err := s.trust("")
	if err != nil {
		d.err(err)
		return
	}
	now := d.env.now()
	for i, root := range t.roots {
		d.ok("trusted root %s: %s, %s, %s", t.sources[i],
			count(len(root.CertificateAuthorities), "certificate authority", "certificate authorities"),
			count(len(root.TLogs), "log", "logs"),
			count(len(root.TimestampAuthorities), "time-stamp authority", "time-stamp authorities"))
		d.private(t.sources[i])
		for _, ca := range root.CertificateAuthorities {
			if now.Before(ca.ValidFor.Start) {
				d.fail("check the clock: it says "+formatTime(now), "authority %s begins only at %s", ca.URI, formatTime(ca.ValidFor.Start))
			}
		}
	}
}

// repository checks that the instance's trust is kept up to date, where it comes
// from a TUF repository.
func (d *doctor) repository(s *settings) {
	in, err := s.instance()
	if err != nil {
		return // trust has said it
	}
	url, err := in.repository()
	switch {
	case err != nil:
		d.err(err)
		return
	case url == "":
		return
	}
	if program, err := findTUF(d.env); err != nil {
		d.err(err)
	} else {
		d.ok("%s, for trust from %s", program, url)
	}
	switch stale, err := in.stale(d.env.now()); {
	case err != nil:
		d.err(err)
	case stale != "":
		d.line("note", "%s: it is updated before anything is signed", stale)
		d.hint(updateTrust)
	default:
		last, err := in.lastUpdate()
		if err != nil || last == nil {
			return // stale would have said it
		}
		d.ok("trust was updated %s, and is good until %s", formatTime(last.UpdatedAt), formatTime(last.Expires))
	}
}

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"gitseal/signer/agent"
)

func loginCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "login",
		Usage: "get a certificate now, and have the agent keep it",
		Description: "Gets an identity token as signing would, has it made into a certificate of the instance in\n" +
			"force, and leaves that to the agent, which signs with it until it expires, or for as long as\n" +
			"the login can be renewed. Signing logs in by itself where it has to; this is for doing it\n" +
			"beforehand, as somebody else, or where git is called without a terminal.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "device", Usage: "show a code on the terminal to log in with on another device; the same as --provider device"},
			&cli.StringFlag{Name: "provider", Usage: "get the token from `NAME`, not from the first of the sources that has one: see gitseal doctor"},
		},
		Action: func(c *cli.Context) error { return runLogin(c, e) },
	}
}

func runLogin(c *cli.Context, e *env) (err error) {
	if c.Args().Present() {
		return usage("login takes no arguments")
	}
	provider := c.String("provider")
	if c.Bool("device") {
		if provider != "" && provider != "device" {
			return usage("--device and --provider %s are two sources", provider)
		}
		provider = "device"
	}
	s, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	in, err := s.instance()
	if err != nil {
		return err
	}
	if err := s.canLogIn(in); err != nil {
		return err
	}
	remote, err := s.remoteInstance(c.Context, e, in)
	if err != nil {
		return err
	}
	usual, usualErr := s.openPerson(e, in, remote, "")
	if usual != nil {
		defer func() { err = errors.Join(err, usual.Close()) }()
	}
	login := usual
	if provider != "" {
		if login, err = s.openPerson(e, in, remote, provider); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, login.Close()) }()
	} else if usualErr != nil {
		return usualErr
	}
	cred, err := login.logInAgain(c.Context)
	if err != nil {
		return login.explain("logging in", err)
	}
	e.printf("logged in as %s\n", credentialLine(cred))
	if usual != nil && usual.remote.source != nil && usual.remote.person != login.remote.person {
		name := usual.remote.source.Name()
		e.printError(fmt.Sprintf("git signs with the token of source %s all the same", name),
			[]string{"git config gitseal.tokenProvider " + provider})
	}
	return nil
}

// canLogIn says why a login at an instance would be for nothing.
func (s *settings) canLogIn(in *instance) error {
	if in.hasAuthority() {
		return fail(exitUsage, errors.New("the local authority asks nobody to log in: it certifies gitseal.identity or user.email"),
			setUp+" --instance sigstore   # signs with servers, which do")
	}
	on, v, err := s.flag("gitseal.agent", true)
	if err == nil && !on {
		err = fail(exitUsage, fmt.Errorf("gitseal.agent is false (set in %s), and a login is for the agent to keep", v.Source),
			"git config --global gitseal.agent true", "or have each signature ask for itself, as it does now")
	}
	return err
}

// openPerson opens a session that only knows who would sign, by the word of a
// source, or of the usual one if provider is "".
func (s *settings) openPerson(e *env, in *instance, remote *remoteInstance, provider string) (*session, error) {
	sig, err := s.prepare(e, remote)
	if err != nil {
		return nil, err
	}
	ses := &session{signing: sig, provider: provider, called: true}
	if err := ses.openSource(in.name(), remote); err != nil {
		return nil, errors.Join(err, ses.Close())
	}
	return ses, nil
}

// logInAgain logs in, and has the agent keep the certificate.
func (s *session) logInAgain(ctx context.Context) (*agent.Credential, error) {
	if s.remote.source == nil {
		return nil, s.remote.none
	}
	a, err := s.settings.connectAgent(ctx, s.env, true, s.trace.step)
	if err != nil {
		return nil, err
	}
	s.remote.agent = a
	cred, err := s.logIn(ctx, a, nil, "", true)
	if err != nil {
		return nil, err
	}
	cert, err := s.certificateOf(cred)
	if err != nil {
		return nil, fmt.Errorf("checking the agent's certificate: %w", err)
	}
	return cred, s.settings.mayGive(cert, nil)
}

// credentialLine says whose a certificate is, and until when.
func credentialLine(c *agent.Credential) string {
	line := fmt.Sprintf("%s (%s), until %s", uid(c.Identity), issuerLabel(c.Identity.Issuer), formatTime(c.NotAfter))
	if c.Renewable {
		line += ", renewed without asking"
	}
	return line
}

func logoutCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "logout",
		Usage: "have the agent forget the certificates of the instance in force",
		Description: "Has the agent overwrite the keys of its certificates and forget the logins that renew them.\n" +
			"Signatures that were made stay valid.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "of all instances"}},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usage("logout takes no arguments")
			}
			return runForget(c.Context, e, c.Bool("all"), "")
		},
	}
}

// runForget has the agent forget the certificates of the instance in force, or
// of all, for one subject or, if that is "", for everybody.
func runForget(ctx context.Context, e *env, all bool, subject string) error {
	s, err := readSettings(ctx, e)
	if err != nil {
		return err
	}
	var of *[32]byte
	if !all {
		in, err := s.instance()
		if err != nil {
			return err
		}
		if in.hasAuthority() {
			return fail(exitUsage, errors.New("the local authority asks nobody to log in, so nobody can log out"), "gitseal logout --all")
		}
		digest, err := s.instanceDigest(in)
		if err != nil {
			return err
		}
		of = &digest
	}
	n, err := s.forget(ctx, e, of, subject)
	if err != nil {
		return err
	}
	if n == 0 {
		who := "nobody was"
		if subject != "" {
			who = printable(subject) + " was not"
		}
		e.printf("nothing to forget: %s logged in\n", who)
		return nil
	}
	e.printf("forgot %s\n", count(n, "certificate", "certificates"))
	return nil
}

// instanceDigest returns by what the agent knows an instance.
func (s *settings) instanceDigest(in *instance) (digest [32]byte, err error) {
	remote, err := s.readRemote(in)
	if err != nil {
		return digest, in.explainAbsent(err)
	}
	services, err := s.services(remote.SigningConfig, remote.TrustedRoot)
	if err != nil {
		return digest, err
	}
	known, err := s.agentInstance(in.name(), remote.RootJSON, services)
	if err != nil {
		return digest, err
	}
	return known.Digest(), nil
}

// forget has the agent forget certificates: of all instances if of is nil, of
// everybody if subject is "". Without an agent there are none.
func (s *settings) forget(ctx context.Context, e *env, of *[32]byte, subject string) (int, error) {
	a, err := s.connectAgent(ctx, e, false, func(string) {})
	var gone *agent.UnavailableError
	switch {
	case errors.As(err, &gone) && isAbsent(gone):
		return 0, nil
	case errors.As(err, &gone):
		return 0, fail(exitUnknown, fmt.Errorf("having the agent forget: %w", err), askDoctor)
	case err != nil:
		return 0, err
	}
	defer a.Close()
	n, err := a.Forget(ctx, of, subject)
	if err != nil {
		return 0, fail(exitUnknown, fmt.Errorf("having the agent forget: %w", err), "gitseal agent stop")
	}
	return n, nil
}

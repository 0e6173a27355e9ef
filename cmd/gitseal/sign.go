package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"gitseal/fakeca"
	"gitseal/signer"
	"gitseal/signer/oidc"
	"gitseal/signer/sigstore"
	"gitseal/verifier"
)

// A signing is what signs through the instance in force: all of a
// signer.Config but the token source, which depends on who is to sign.
type signing struct {
	env      *env
	settings *settings
	config   signer.Config
	local    *fakeca.Authority // nil: servers sign
	remote   *remoteSigning    // nil: the local authority signs
	spinner  *spinner
	trace    *tracer
	wait     time.Duration // how long a signature of signer's may take
}

// openSigning opens the instance in force for signing. The caller closes it.
// Connections to its servers are opened meanwhile, so that the first request
// does not wait for one.
func (s *settings) openSigning(ctx context.Context, e *env) (*signing, error) {
	in, err := s.instance()
	if err != nil {
		return nil, err
	}
	if in.hasAuthority() {
		return s.openLocal(e, in)
	}
	remote, err := s.remoteInstance(ctx, e, in)
	if err != nil {
		return nil, err
	}
	return s.openRemote(ctx, e, remote)
}

// remoteInstance returns the instance in force, which has no embedded
// authority, to sign with.
func (s *settings) remoteInstance(ctx context.Context, e *env, in *instance) (*remoteInstance, error) {
	if s.assumed {
		// Servers are asked for nothing, an update least of all, that the
		// configuration may have them not asked for.
		return nil, errAssumed
	}
	remote, err := s.signingInstance(ctx, e)
	return remote, in.explainAbsent(err)
}

// explainAbsent explains that the files of an instance could not be read if
// that is because there are none.
func (in *instance) explainAbsent(err error) error {
	if _, _, hints := exitCode(err); len(hints) == 0 && errors.Is(err, fs.ErrNotExist) {
		return fail(exitUsage, fmt.Errorf("no instance is set up in %s (gitseal.instance, set in %s): %w", in.dir, in.setting.Source, err),
			setUp+" --instance DIR   # or a TUF repository's URL")
	}
	return err
}

// openLocal opens the embedded authority of the instance, which holds nothing
// open until it signs.
func (s *settings) openLocal(e *env, in *instance) (*signing, error) {
	a, err := in.authority(e)
	if err != nil {
		return nil, err
	}
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("%s: %w", in.dir, err))
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		return nil, err
	}
	trace := newTracer(e)
	return &signing{env: e, settings: s, local: a, trace: trace, config: signer.Config{
		CA: a, Logs: []signer.Log{a}, Timestampers: []signer.Timestamper{a}, Verifier: v, Now: e.now, Progress: trace.step,
	}}, nil
}

// openRemote prepares to sign with the servers of an instance, and begins to
// open connections to them.
func (s *settings) openRemote(ctx context.Context, e *env, remote *remoteInstance) (*signing, error) {
	sig, err := s.prepare(e, remote)
	if err != nil {
		return nil, err
	}
	if err := sig.connect(ctx); err != nil {
		_ = sig.Close() // nothing was signed
		return nil, err
	}
	return sig, nil
}

// prepare does what can be done to sign with the servers of an instance without
// them.
func (s *settings) prepare(e *env, remote *remoteInstance) (*signing, error) {
	services, err := s.services(remote.SigningConfig, remote.TrustedRoot)
	if err != nil {
		return nil, err
	}
	sig := &signing{env: e, settings: s}
	if sig.trace, err = s.trace(e); err != nil {
		return nil, err
	}
	client, err := s.client(sig.trace)
	if err != nil {
		return nil, err
	}
	sig.remote = &remoteSigning{dir: remote.Dir, client: client, config: remote.SigningConfig, services: services, root: remote.TrustedRoot}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{remote.TrustedRoot}, Small: true})
	if err != nil {
		return nil, err
	}
	defers, err := s.deferral()
	if err != nil {
		return nil, err
	}
	// Whoever signs keeps us waiting long enough for what the check needs.
	go func() {
		v.Prepare()
		if defers != signer.DeferAlways {
			v.PrepareTimestamps() // else there may be none
		}
	}()
	if sig.spinner, err = s.newSpinner(); err != nil {
		return nil, err
	}
	audience, err := s.audience()
	if err != nil {
		return nil, err
	}
	sig.config = signer.Config{
		Audience: audience, Verifier: v, Now: e.now,
		Progress: func(step string) {
			sig.trace.step(step)
			sig.spinner.show(step)
		},
	}
	return sig, nil
}

// connect begins to open connections to the servers.
func (sig *signing) connect(ctx context.Context) error {
	r := sig.remote
	servers, err := sigstore.New(sigstore.Config{Client: r.client, Signing: r.services, TrustedRoot: r.root, Now: sig.env.now})
	if err != nil {
		return fail(exitUsage, fmt.Errorf("instance %s: %w", r.dir, err), "gitseal trust show", "gitseal trust update")
	}
	r.servers = servers.URLs()
	servers.Connect(ctx)
	sig.config.CA, sig.config.Logs, sig.config.Timestampers = servers.CA(), servers.Logs(), servers.Timestampers()
	return nil
}

// signer returns a signer for whoever is to sign: on the local authority who
// the settings or git's -u argument key name, else whoever an identity token
// speaks for that can be had.
func (sig *signing) signer(s *settings, key string) (*signer.Signer, error) {
	cfg := sig.config
	sig.wait = signTimeout
	if sig.local != nil {
		who, err := s.identity(key)
		if err != nil {
			return nil, err
		}
		cfg.Tokens = localTokens{sig.local, who.Value}
	} else {
		source, err := sig.tokenSource()
		if err != nil {
			return nil, sig.explain("getting a token", err)
		}
		if mayAsk(source) {
			sig.wait += loginTimeout
		}
		cfg.Tokens = sourceTokens{source, sig.spinner}
	}
	cfg.Accept = func(c *signer.Claims) error { return s.mayUse(c, nil) }
	return signer.New(cfg)
}

// tokenSource returns where the identity token comes from.
func (sig *signing) tokenSource() (oidc.Source, error) {
	cfg, err := sig.settings.tokenConfig(sig.env, sig.remote.config, sig.remote.client, true)
	if err != nil {
		return nil, err
	}
	provider, err := sig.settings.provider()
	if err != nil {
		return nil, err
	}
	return sig.settings.tokenSource(cfg, provider)
}

// Close ends the spinner and the trace, and closes the local authority.
func (sig *signing) Close() error {
	sig.spinner.stop()
	sig.trace.close()
	if sig.local != nil {
		return sig.local.Close()
	}
	return nil
}

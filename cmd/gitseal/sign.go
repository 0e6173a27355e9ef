package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"gitseal/fakeca"
	"gitseal/signer"
	"gitseal/signer/sigstore"
	"gitseal/verifier"
)

// A signing is what signs through the instance in force: all of a
// signer.Config but the token source, which depends on who is to sign.
type signing struct {
	config  signer.Config
	local   *fakeca.Authority // nil: servers sign
	remote  *remoteSigning    // nil: the local authority signs
	spinner *spinner
	trace   *tracer
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
		return in.openLocal(e)
	}
	if s.assumed {
		// Servers are asked for nothing, an update least of all, that the
		// configuration may have them not asked for.
		return nil, errAssumed
	}
	remote, err := s.signingInstance(ctx, e)
	if _, _, hints := exitCode(err); len(hints) == 0 && errors.Is(err, fs.ErrNotExist) {
		return nil, fail(exitUsage, fmt.Errorf("no instance is set up in %s (gitseal.instance, set in %s): %w", in.dir, in.setting.Source, err),
			setUp+" --instance DIR   # or a TUF repository's URL")
	}
	if err != nil {
		return nil, err
	}
	return s.openRemote(ctx, e, remote)
}

// openLocal opens the embedded authority of the instance, which holds nothing
// open until it signs.
func (in *instance) openLocal(e *env) (*signing, error) {
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
	return &signing{local: a, trace: new(tracer), config: signer.Config{
		CA: a, Logs: []signer.Log{a}, Timestampers: []signer.Timestamper{a}, Verifier: v, Now: e.now,
	}}, nil
}

// openRemote prepares to sign with the servers of an instance.
func (s *settings) openRemote(ctx context.Context, e *env, remote *remoteInstance) (*signing, error) {
	config, err := s.services(remote.SigningConfig, remote.TrustedRoot)
	if err != nil {
		return nil, err
	}
	sig := new(signing)
	if sig.trace, err = s.trace(e); err != nil {
		return nil, err
	}
	client, err := s.client(sig.trace)
	if err != nil {
		return nil, err
	}
	servers, err := sigstore.New(sigstore.Config{Client: client, Signing: config, TrustedRoot: remote.TrustedRoot, Now: e.now})
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("instance %s: %w", remote.Dir, err), "gitseal trust show", "gitseal trust update")
	}
	sig.remote = &remoteSigning{client, config, remote.TrustedRoot, servers.URLs()}
	servers.Connect(ctx)
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{remote.TrustedRoot}})
	if err != nil {
		return nil, err
	}
	// The servers keep us waiting long enough for what the self-check needs.
	go v.Prepare()
	if sig.spinner, err = s.newSpinner(); err != nil {
		return nil, err
	}
	audience, err := s.lookup("gitseal.clientID", "sigstore")
	if err != nil {
		return nil, err
	}
	sig.config = signer.Config{
		Audience: audience.Value,
		CA:       servers.CA(), Logs: servers.Logs(), Timestampers: servers.Timestampers(),
		Verifier: v, Now: e.now,
		Progress: func(step string) {
			sig.trace.step(step)
			sig.spinner.show(step)
		},
	}
	return sig, nil
}

// signer returns a signer for whoever is to sign: on the local authority who
// the settings or git's -u argument key name, else whoever the identity token
// speaks for.
func (sig *signing) signer(s *settings, key string) (*signer.Signer, error) {
	cfg := sig.config
	if sig.local != nil {
		who, err := s.identity(key)
		if err != nil {
			return nil, err
		}
		cfg.Tokens = localTokens{sig.local, who.Value}
	} else {
		cfg.Tokens = envToken{s.getenv}
	}
	return signer.New(cfg)
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

package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"strings"
	"time"

	"gitseal/internal/transport"
	sigstore "gitseal/internal/trust"
	"gitseal/signer/oidc"
)

// This file reads the settings that say where identity tokens come from.

// maxSecretFile bounds a file with a client secret.
const maxSecretFile = 1 << 12

// identitySettings are those settings. Those that a repository may not make say
// what it may not do.
var identitySettings = []struct{ key, why string }{
	{"gitseal.tokenProvider", ""},
	{"gitseal.tokenFile", "say which file holds identity tokens"},
	{"gitseal.tokenCommand", "say which program is run"},
	{"gitseal.issuer", "say where you log in, unless its instance does"},
	{"gitseal.clientID", ""},
	{"gitseal.clientSecretFile", "say which file holds a secret"},
	{"gitseal.connectorID", ""},
	{"gitseal.urlOpener", "say which program is run"},
}

// identitySetting returns one of identitySettings, "" if it is not set.
func (s *settings) identitySetting(key string) (setting, error) {
	v, err := s.lookup(key, "")
	if err != nil || v.Value == "" {
		return v, err
	}
	for _, one := range identitySettings {
		if one.key == key && one.why != "" {
			return v, s.userOnly(v, one.why)
		}
	}
	return v, nil
}

// identityFile returns a setting that is a file, "" if it is not set.
func (s *settings) identityFile(key string) (string, error) {
	v, err := s.identitySetting(key)
	if err != nil || v.Value == "" {
		return "", err
	}
	return s.absolute(v)
}

// audience returns whom tokens have to be for.
func (s *settings) audience() (string, error) {
	v, err := s.lookup("gitseal.clientID", "sigstore")
	return v.Value, err
}

// A tokenConfig says where identity tokens may come from.
type tokenConfig struct {
	oidc.Config
	refused error // why the issuer that is set is not one to log in at; nil: it is
}

// tokenConfig returns where identity tokens may come from. config is that of
// the instance, nil if it has none. A person who has called a command of ours
// is asked on the terminal whatever gitseal.progress says.
func (s *settings) tokenConfig(e *env, config *sigstore.SigningConfig, client *transport.Client, called bool) (cfg tokenConfig, err error) {
	if cfg.Audience, err = s.audience(); err != nil {
		return cfg, err
	}
	if cfg.TokenFile, err = s.identityFile("gitseal.tokenFile"); err != nil {
		return cfg, err
	}
	command, err := s.identitySetting("gitseal.tokenCommand")
	if err != nil {
		return cfg, err
	}
	if cfg.Issuer, cfg.refused, err = s.issuer(config, e.now()); err != nil {
		return cfg, err
	}
	if cfg.ClientSecret, err = s.clientSecret(); err != nil {
		return cfg, err
	}
	connector, err := s.identitySetting("gitseal.connectorID")
	if err != nil {
		return cfg, err
	}
	if cfg.OpenURL, err = s.urlOpener(); err != nil {
		return cfg, err
	}
	if cfg.Terminal, err = s.terminal(called); err != nil {
		return cfg, err
	}
	cfg.TokenCommand, cfg.ClientID, cfg.ConnectorID = command.Value, cfg.Audience, connector.Value
	cfg.Getenv, cfg.Client, cfg.Now = s.getenv, client, e.now
	cfg.Display = oidc.Display(s.getenv, runtime.GOOS)
	return cfg, nil
}

// issuer returns the URL of whom people log in at: gitseal.issuer, else whom the
// instance's signing config names; "" if nobody does. refused is why there is
// none though one is set, which matters only to who logs in: repositories that
// gitsign was set up in name one.
func (s *settings) issuer(config *sigstore.SigningConfig, now time.Time) (address string, refused, err error) {
	v, err := s.lookup("gitseal.issuer", "")
	if err != nil {
		return "", nil, err
	}
	named := ""
	if config != nil {
		for _, p := range config.OIDCProviders {
			if p.MajorAPIVersion == 1 && p.ValidFor.Contains(now) {
				named = p.URL
				break
			}
		}
	}
	if v.Value == "" || v.Value == named {
		return named, nil, nil
	}
	if u, err := url.Parse(v.Value); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", nil, usage("reading %s (set in %s): %q is not an http or https URL", v.Key, v.Source, v.Value)
	}
	// Who logs in shows a password there.
	if _, refused := s.identitySetting("gitseal.issuer"); refused != nil {
		return "", refused, nil
	}
	return v.Value, nil, nil
}

// clientSecret reads the secret by which the issuer knows this program; "" if
// there is none, which is how it should be.
func (s *settings) clientSecret() (string, error) {
	file, err := s.identityFile("gitseal.clientSecretFile")
	if err != nil || file == "" {
		return "", err
	}
	data, err := readFile(file, maxSecretFile)
	if err != nil {
		return "", fail(exitUsage, fmt.Errorf("reading gitseal.clientSecretFile: %w", err))
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", usage("reading gitseal.clientSecretFile: %s is empty", file)
	}
	return secret, nil
}

// terminal returns what opens the person's terminal to ask for a login, or
// says why nobody is asked there.
func (s *settings) terminal(called bool) (func() (io.WriteCloser, error), error) {
	not := func(format string, args ...any) func() (io.WriteCloser, error) {
		err := fmt.Errorf(format, args...)
		return func() (io.WriteCloser, error) { return nil, err }
	}
	if !mayPrompt(s.getenv) {
		return not("GIT_TERMINAL_PROMPT is %s", s.getenv("GIT_TERMINAL_PROMPT")), nil
	}
	on, v, err := s.flag("gitseal.progress", true)
	if err != nil {
		return nil, err
	}
	if !on && !called {
		return not("gitseal.progress is false (%s): the terminal belongs to another", v.Source), nil
	}
	return func() (io.WriteCloser, error) {
		tty, err := openTerminal()
		if err != nil {
			return nil, errors.New("there is no terminal")
		}
		return tty, nil
	}, nil
}

// provider returns the name of the token source to use, "" for the first that
// can be.
func (s *settings) provider() (string, error) {
	v, err := s.identitySetting("gitseal.tokenProvider")
	if strings.HasPrefix(v.Key, "gitsign.") && v.Value == "interactive" {
		return "browser", err // gitsign's name for it
	}
	return v.Value, err
}

// tokenSource returns where the identity token comes from: from the source called
// provider, "" is the first that has one. If it can come from nowhere, the error
// is an *oidc.NoSourceError.
func (s *settings) tokenSource(cfg tokenConfig, provider string) (oidc.Source, error) {
	source, err := oidc.Select(oidc.Sources(cfg.Config), provider)
	var none *oidc.NoSourceError
	switch {
	case errors.As(err, &none) && cfg.refused != nil:
		return nil, cfg.refused
	case err == nil || errors.As(err, &none):
		return source, err
	}
	hint := askDoctor + "   # says where a token is to be had"
	if p, _ := s.provider(); p == provider { // an error was one before
		hint = s.anySource()
	}
	return nil, fail(exitUsage, fmt.Errorf("choosing where to get an identity token: %w", err), hint)
}

// anySource is the hint for who has named a source that is none here.
func (s *settings) anySource() string {
	v, _ := s.identitySetting("gitseal.tokenProvider") // it was read, or no source were named
	return unsetting(v) + "   # looks for other sources than " + printable(v.Value) + ", too"
}

// isInteractive reports whether a source asks a person.
func isInteractive(source oidc.Source) bool {
	return source.Name() == "browser" || source.Name() == "device"
}

// mayAsk reports whether a source can take as long as a person: nobody knows what
// the program of gitseal.tokenCommand does.
func mayAsk(source oidc.Source) bool { return isInteractive(source) || source.Name() == "command" }

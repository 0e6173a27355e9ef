package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"gitseal/fakeca"
	"gitseal/fakeca/server"
	"gitseal/internal/rekor"
	"gitseal/internal/transport"
	sigstore "gitseal/internal/trust"
	"gitseal/monitor"
	"gitseal/verifier"
)

// A knownLog is a log that a trusted root in force names, and how to ask it.
type knownLog struct {
	*monitor.Log
	trusted *sigstore.Log
	v1      *rekor.V1   // nil: a tiled log
	fetch   rekor.Fetch // of a tiled log
}

// logs are the logs that a command line means, and what is needed to ask them.
// The embedded authority's is asked in process: nothing listens at its address.
type logs struct {
	chosen   []*sigstore.Log
	trust    *trust
	settings *settings
	env      *env
	client   *transport.Client
	trace    *tracer
	local    *fakeca.Authority // nil: not opened
}

// openLogs prepares to ask the logs that the flags mean (logFlags). The caller
// closes it.
func openLogs(c *cli.Context, e *env) (*logs, error) {
	settings, err := readSettings(c.Context, e)
	if err != nil {
		return nil, err
	}
	trust, err := settings.trust(c.String("trusted-root"))
	if err != nil {
		return nil, err
	}
	l, err := settings.asker(e, trust)
	if err != nil {
		return nil, err
	}
	if l.chosen, err = namedLogs(trust.roots, c.String("log"), e.now()); err != nil {
		l.Close() // nothing was done with it
		return nil, err
	}
	return l, nil
}

// asker prepares to ask logs that t names. The caller closes it.
func (s *settings) asker(e *env, t *trust) (*logs, error) {
	trace, err := s.trace(e)
	if err != nil {
		return nil, err
	}
	client, err := s.client(trace)
	if err != nil {
		trace.close()
		return nil, err
	}
	return &logs{trust: t, settings: s, env: e, client: client, trace: trace}, nil
}

// Close ends the trace, and closes the local authority if it was opened.
func (l *logs) Close() error {
	l.trace.close()
	if l.local != nil {
		return l.local.Close()
	}
	return nil
}

// namedLogs returns the logs of the trusted roots that a person means by name, a
// base URL or an origin; by "" all those whose keys count now.
func namedLogs(roots []*verifier.TrustedRoot, name string, now time.Time) ([]*sigstore.Log, error) {
	var found []*sigstore.Log
	var there []string
	for _, root := range roots {
		for i := range root.TLogs {
			log := &root.TLogs[i]
			if log.BaseURL == "" {
				continue // there is no way to ask it
			}
			there = append(there, log.BaseURL)
			meant := log.ValidFor.Contains(now)
			if name != "" {
				meant = strings.TrimRight(name, "/") == strings.TrimRight(log.BaseURL, "/") || name == log.Origin()
			}
			known := slices.ContainsFunc(found, func(l *sigstore.Log) bool {
				return bytes.Equal(l.KeyID, log.KeyID) && l.BaseURL == log.BaseURL
			})
			if meant && !known {
				found = append(found, log)
			}
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case name != "" && len(there) > 0:
		slices.Sort(there)
		return nil, fail(exitUsage, fmt.Errorf("no trusted root in force names a log %q", name),
			"the logs that are trusted: "+printable(strings.Join(slices.Compact(there), " ")))
	case name != "":
		return nil, fail(exitUsage, fmt.Errorf("no trusted root in force names a log %q, or any", name))
	}
	return nil, fail(exitUsage, errors.New("no trusted root in force names a log that is in use now"))
}

// open returns a log, ready to be asked.
func (l *logs) open(ctx context.Context, trusted *sigstore.Log) (*knownLog, error) {
	client := l.client
	if strings.HasSuffix(trusted.Origin(), ".gitseal.internal") {
		var err error
		if client, err = l.openLocal(trusted); err != nil {
			return nil, err
		}
	}
	v1 := &rekor.V1{Client: client, URL: trusted.BaseURL}
	v2 := &rekor.V2{Client: client, URL: trusted.BaseURL}
	k := &knownLog{trusted: trusted, fetch: v2.Fetch}
	tiled := sha256.Sum256(trusted.SPKI) != [32]byte(trusted.KeyID)
	if !tiled {
		// The ids of both generations are made like this where the key is
		// ECDSA: the log says which it is.
		_, _, err := v1.Info(ctx)
		if tiled = errors.Is(err, fs.ErrNotExist); !tiled && err != nil {
			return nil, explainLog(err)
		}
	}
	if tiled {
		k.Log = monitor.NewTiled(trusted, v2.Fetch)
	} else {
		k.v1, k.fetch = v1, nil
		k.Log = monitor.NewRekorV1(trusted, v1)
	}
	return k, nil
}

// openLocal returns a client for the log of the local authority, whichever of
// the two authorities that this user may have it is.
func (l *logs) openLocal(trusted *sigstore.Log) (*transport.Client, error) {
	if l.local == nil {
		in, err := l.settings.instance()
		if err == nil && !in.hasAuthority() {
			in, err = l.settings.instanceOf(setting{Value: localName})
		}
		if err != nil {
			return nil, err
		}
		if l.local, err = in.authority(l.env); err != nil {
			return nil, err
		}
	}
	root, err := verifier.ParseTrustedRoot(l.local.TrustedRoot())
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	if !slices.ContainsFunc(root.TLogs, func(own sigstore.Log) bool { return bytes.Equal(own.KeyID, trusted.KeyID) }) {
		return nil, fail(exitUnknown, fmt.Errorf("log %s is that of another local authority: only who holds it can ask it", trusted.BaseURL))
	}
	return transport.New(transport.Config{
		UserAgent: "gitseal/" + version(), RoundTripper: server.RoundTripper(server.New(l.local)), Now: l.env.now,
	}), nil
}

// pins returns where the newest checkpoints are remembered.
func (s *settings) pins() (monitor.Pins, error) {
	dir, err := s.baseDir("XDG_STATE_HOME", filepath.Join(".local", "state"))
	if err != nil {
		return monitor.Pins{}, err
	}
	return monitor.Pins{Dir: filepath.Join(dir, "gitseal", "checkpoints")}, nil
}

// logIndexes returns where the indexes of tiled logs are kept.
func (s *settings) logIndexes() (string, error) {
	dir, err := s.baseDir("XDG_CACHE_HOME", ".cache")
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "gitseal", "logs"), nil
}

// explainLog gives an error of asking a log its exit code and the next
// command.
func explainLog(err error) error {
	var exit *exitError
	var fork *monitor.ForkError
	var pin *monitor.PinError
	switch {
	case errors.As(err, &exit):
		return err
	case errors.As(err, &fork):
		return fail(exitEquivocation, err, forkHints(fork)...)
	case errors.As(err, &pin):
		return fail(exitUsage, err, "find out who changed it; then move it away, and what the log shows next is pinned: mv "+shellWord(pin.Path)+" …")
	case errors.Is(err, rekor.ErrContradiction):
		return fail(exitEquivocation, err)
	}
	return fail(exitUnknown, err) // what a log lacks is no file that a user lacks
}

// forkHints says where the evidence of a fork is, and what it is good for.
func forkHints(fork *monitor.ForkError) []string {
	hints := []string{"trust nothing that is proven by this log alone, and tell its operator and its other users"}
	for _, path := range fork.Evidence {
		hints = append(hints, "signed by the log: "+path)
	}
	return hints
}

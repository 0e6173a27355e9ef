package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/internal/entries"
	"gitseal/internal/rekor"
	sigstore "gitseal/internal/trust"
	"gitseal/verifier"
	"gitseal/verifier/audit"
)

func onlineFlag() cli.Flag {
	return &cli.BoolFlag{Name: "online", Usage: "ask the logs of the trusted roots for entries that are not in the signatures; tells them which certificates are looked at"}
}

// entryStore returns where log entries are kept that do not travel in
// signatures.
func (s *settings) entryStore() (entries.Store, error) {
	dir, err := s.baseDir("XDG_CACHE_HOME", ".cache")
	if err != nil {
		return entries.Store{}, err
	}
	return entries.Store{Dir: filepath.Join(dir, "gitseal", "entries")}, nil
}

// An entryFinder finds log entries that do not travel in signatures: those
// that are kept and, online, those that logs have.
type entryFinder struct {
	*rekor.Finder
	env    *env
	asking *logs // nil: offline
	store  entries.Store
}

// entryFinder returns a finder, which the caller closes. Offline it asks
// nobody; t is not looked at.
func (s *settings) entryFinder(e *env, t *trust, online bool) (*entryFinder, error) {
	store, err := s.entryStore()
	if err != nil && !online {
		// Without a home nothing was kept.
		return &entryFinder{rekor.NewFinder(rekor.FinderConfig{}), e, nil, entries.Store{}}, nil
	}
	if err != nil {
		return nil, err
	}
	if !online {
		return &entryFinder{rekor.NewFinder(rekor.FinderConfig{Store: store}), e, nil, store}, nil
	}
	asking, err := s.asker(e, t)
	if err != nil {
		return nil, err
	}
	open := func(l *sigstore.Log) (*rekor.V1, error) {
		client := asking.client
		if strings.HasSuffix(l.Origin(), ".gitseal.internal") {
			var err error
			if client, err = asking.openLocal(l); err != nil {
				return nil, err
			}
		}
		return &rekor.V1{Client: client, URL: l.BaseURL}, nil
	}
	finder := rekor.NewFinder(rekor.FinderConfig{Store: store, Open: open, Roots: t.roots, Now: e.now})
	return &entryFinder{finder, e, asking, store}, nil
}

// isEmpty reports whether there is nothing that it could find.
func (f *entryFinder) isEmpty() bool { return f.asking == nil && f.store.Empty() }

// Close ends the asking. That entries could not be kept is worth a line, and
// changes no verdict.
func (f *entryFinder) Close() {
	if err := f.Err(); err != nil {
		fmt.Fprintf(f.env.stderr, "gitseal: %s\n", oneLine(err.Error()))
	}
	if f.asking != nil {
		f.asking.Close() // only asked
	}
}

// verify verifies what git hands over, where no entry is embedded by the proofs
// that the repository keeps, or by a log entry that is kept elsewhere. Nobody is
// asked: git waits.
func (s *settings) verify(v *verifier.Verifier, payload, signature []byte, kept func() ([]verifier.Proof, error), allowed verifier.Allowed) (*verifier.Result, error) {
	result, err := v.Verify(payload, signature, allowed)
	var verr *verifier.VerifyError
	if !errors.As(err, &verr) || verr.Class != verifier.NotLogged {
		return result, err
	}
	var d verifier.Detached
	var untold error
	d.Proofs, untold = kept()
	// What gitsign would have had no id for it has entered nowhere.
	if object, err := audit.EntryObject(payload, signature); err == nil {
		store, err := s.entryStore()
		if err != nil && len(d.Proofs) == 0 {
			return nil, err
		}
		for _, e := range store.Get(verr.Unverified.Certificate.Fingerprint).Entries {
			d.Object, d.Entries = object, append(d.Entries, e.Marshal())
		}
	}
	if len(d.Proofs)+len(d.Entries) > 0 {
		result, err = v.VerifyDetached(payload, signature, d, allowed)
	}
	if errors.As(err, &verr) && verr.Class == verifier.NotLogged && untold != nil {
		verr.Err = fmt.Errorf("%w; whether there is a proof could not be told: %w", verr.Err, untold)
	}
	return result, err
}

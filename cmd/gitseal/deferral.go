package main

import (
	"errors"
	"path/filepath"

	"gitseal/signer"
	"gitseal/signer/pending"
)

// Values of gitseal.logMode and gitseal.onOffline.
const (
	logEmbed     = "embed"    // the log entry travels in the signature
	logDeferred  = "deferred" // it is made later
	offlineFail  = "fail"     // without the log nothing is signed
	offlineDefer = "defer"    // without the log the entry is made later
)

// deferralSettings are the settings about log entries that are made later, for
// doctor.
var deferralSettings = []string{"gitseal.logMode", "gitseal.onOffline", "gitseal.requireLogged"}

// deferral returns when a signature goes without its log entry.
func (s *settings) deferral() (signer.Defer, error) {
	mode, err := s.lookup("gitseal.logMode", logEmbed)
	if err != nil {
		return "", err
	}
	offline, err := s.lookup("gitseal.onOffline", offlineFail)
	if err != nil {
		return "", err
	}
	switch {
	case mode.Value != logEmbed && mode.Value != logDeferred:
		return "", usage("reading %s (set in %s): %q is neither %s nor %s", mode.Key, mode.Source, mode.Value, logEmbed, logDeferred)
	case offline.Value != offlineFail && offline.Value != offlineDefer:
		return "", usage("reading %s (set in %s): %q is neither %s nor %s", offline.Key, offline.Source, offline.Value, offlineFail, offlineDefer)
	case mode.Value == logDeferred:
		return signer.DeferAlways, nil
	case offline.Value == offlineDefer:
		return signer.DeferUnreachable, nil
	}
	return signer.DeferNever, nil
}

// requireLogged reports whether a push stops while something in it still waits
// for its log entry.
func (s *settings) requireLogged() (bool, error) {
	on, _, err := s.flag("gitseal.requireLogged", false)
	return on, err
}

// queue returns where signatures wait for their log entry.
func (s *settings) queue() (pending.Queue, error) {
	dir, err := s.baseDir("XDG_STATE_HOME", filepath.Join(".local", "state"))
	if err != nil {
		return pending.Queue{}, err
	}
	return pending.Queue{Dir: filepath.Join(dir, "gitseal", "pending")}, nil
}

// ofQueue gives an error of a queue the command that mends it, if there is one.
func ofQueue(queue pending.Queue, err error) error {
	if errors.Is(err, pending.ErrShared) {
		return fail(exitUsage, err, "chmod go-w "+shellWord(queue.Dir)+"   # what others may write to is not used")
	}
	return err
}

// deferral checks the settings about log entries that are made later, and says
// what waits for one.
func (d *doctor) deferral(s *settings) {
	if _, err := s.deferral(); err != nil {
		d.err(err)
	}
	if _, err := s.requireLogged(); err != nil {
		d.err(err)
	}
	queue, err := s.queue()
	if err != nil {
		return // without a home nothing was queued in it
	}
	records, bad, err := queue.List()
	if err != nil {
		d.err(ofQueue(queue, err))
		return
	}
	for _, b := range bad {
		file := shellWord(filepath.Join(queue.Dir, b.Name))
		hint := "rm " + file + "   # if nothing that you signed is in it"
		if errors.Is(b.Err, pending.ErrShared) {
			hint = "chmod go-w " + file + "   # if it is yours"
		}
		d.fail(hint, "%s is no signature that waits for its log entry: %v", filepath.Join(queue.Dir, b.Name), b.Err)
	}
	expired := 0
	for _, r := range records {
		if p := newPendingJSON(r, d.env.now()); p.Expired {
			expired++
		}
	}
	if expired > 0 {
		d.fail("gitseal log flush --all   # says what is lost, if no log has it already", "%s not recorded before the certificate ended", count(expired, "signature was", "signatures were"))
	}
	if waiting := len(records) - expired; waiting > 0 {
		d.line("note", "%s for the log entry", count(waiting, "signature waits", "signatures wait"))
		d.hint("gitseal log flush --all")
	}
}

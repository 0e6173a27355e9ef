package pending

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"gitseal/internal/tlog"
	"gitseal/signer"
	"gitseal/verifier"
)

// An attempt is one to have a record recorded.
type attempt struct {
	root     *os.Root // the queue's directory
	record   *Record
	services *servers
	now      func() time.Time
	leaf     *x509.Certificate

	proof verifier.Proof
	err   error // why there is none, or it is not kept
}

// A lostError says that no log and no time-stamp authority can prove any more
// that a signature was made while its certificate was valid.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// run returns a proof that verifies.
func (a *attempt) run(ctx context.Context) (verifier.Proof, error) {
	var none verifier.Proof
	r := a.record
	var err error
	if a.leaf, err = x509.ParseCertificate(r.Certificate); err != nil {
		return none, err
	}
	expired := a.now().After(a.leaf.NotAfter)

	// The time-stamp, if one is missing that can still be had: a signature
	// that is stamped can wait for its log. Both are asked at once.
	stamped := make(chan error, 1)
	if len(r.Timestamps)+len(r.Stamped) == 0 && !expired {
		go func() { stamped <- a.services.stampers.ask(func() error { return a.stamp(ctx) }) }()
	} else {
		stamped <- nil
	}
	var der []byte
	err = a.services.log.ask(func() (err error) {
		der, err = a.services.Log.Add(ctx, sha256.Sum256(r.SignedAttributes), r.Signature, r.Certificate)
		return err
	})
	unstamped := <-stamped
	if err != nil {
		return none, fmt.Errorf("recording the signature in the log: %w", err)
	}
	if unstamped != nil && !missing(unstamped) {
		return none, fmt.Errorf("getting a time-stamp: %w", unstamped)
	}

	proof := verifier.Proof{Entry: der, Timestamps: a.record.Stamped}
	entry, err := tlog.ParseEntry(der)
	if err != nil {
		return none, fmt.Errorf("reading the log's answer: %w", err)
	}
	if err := a.verify(proof); err != nil {
		return none, a.explain(entry, err, unstamped, expired)
	}
	// A verifier rebuilds the body, so it need not travel. The one that was
	// carried was this one.
	entry.CanonicalizedBody = nil
	proof.Entry = entry.Marshal()
	return proof, nil
}

// verify verifies the signature by a proof. Whose it is was asked when it was
// made: a proof is the same for whoever's it is.
func (a *attempt) verify(p verifier.Proof) error {
	r := a.record
	parts := verifier.Parts{SignedAttributes: r.SignedAttributes, Signature: r.Signature, Certificate: r.Certificate, Timestamps: r.Timestamps}
	_, err := a.services.Verifier.VerifyParts(parts, p, verifier.AnyIdentity{})
	return err
}

// explain returns the error for an entry that does not verify.
func (a *attempt) explain(entry *tlog.Entry, err, unstamped error, expired bool) error {
	err = fmt.Errorf("checking the log's answer: %w", err)
	switch {
	case unstamped != nil:
		return fmt.Errorf("%w; getting a time-stamp: %w", err, unstamped)
	case expired && len(a.record.Timestamps)+len(a.record.Stamped) == 0 && a.tooLate(entry, err):
		return &lostError{fmt.Errorf("the certificate expired at %s, before anything proved a time: %w", a.leaf.NotAfter.UTC().Format(time.RFC3339), err)}
	}
	return err
}

// tooLate reports whether the time is what is wrong with an entry: its log
// tells none, or one after the certificate's end, which it will not change.
func (a *attempt) tooLate(entry *tlog.Entry, err error) bool {
	var verr *verifier.VerifyError
	if !errors.As(err, &verr) {
		return false
	}
	switch verr.Check {
	case verifier.CheckTime:
		return verr.Class == verifier.BadTime
	case verifier.CheckChain:
		// What comes this far without a time-stamp has the log's promise of
		// that time.
		return time.Unix(entry.IntegratedTime, 0).After(a.leaf.NotAfter)
	}
	return false
}

// A missingError says why there is no time-stamp, where that is nobody's
// refusal.
type missingError struct{ err error }

func (e *missingError) Error() string { return e.err.Error() }
func (e *missingError) Unwrap() error { return e.err }

func missing(err error) bool {
	var m *missingError
	return errors.As(err, &m)
}

// stamp gets time-stamps for the record and puts them into the queue: a log
// that is out of reach, or a crash, may keep the proof from being kept until
// no other can be had. Authorities that cannot be reached are passed over, as
// when the signature was made; what is wrong is an error.
func (a *attempt) stamp(ctx context.Context) error {
	var tokens [][]byte
	var none error
	for _, stamper := range a.services.Timestampers {
		token, err := a.ask(ctx, stamper)
		switch {
		case err == nil:
			tokens = append(tokens, token)
		case !missing(err):
			return err
		case none == nil:
			none = err
		}
	}
	if len(tokens) == 0 {
		return none
	}
	r := *a.record
	r.Stamped = tokens
	text, err := r.marshal()
	if err != nil {
		return err
	}
	if _, err := a.root.Lstat(r.name()); err == nil {
		err = write(a.root, r.name(), text)
		if err != nil {
			return fmt.Errorf("keeping it: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keeping it: %w", err)
	}
	a.record = &r
	return nil
}

// ask returns a time-stamp within the certificate's validity.
func (a *attempt) ask(ctx context.Context, stamper signer.Timestamper) ([]byte, error) {
	token, err := stamper.Timestamp(ctx, sha256.Sum256(a.record.Signature))
	if unreachable(err) {
		return nil, &missingError{err}
	}
	if err != nil {
		return nil, err
	}
	at, err := a.services.Verifier.Timestamp(token, a.record.Signature)
	if err != nil {
		return nil, err
	}
	// One that is no good must not get into the queue, where it would stay.
	if at.Before(a.leaf.NotBefore) {
		return nil, fmt.Errorf("it is of %s, before the certificate's beginning", at.Format(time.RFC3339))
	}
	// Between the look at the clock and the answer it may have expired.
	if at.After(a.leaf.NotAfter) {
		return nil, &missingError{fmt.Errorf("it came at %s, after the certificate's end", at.Format(time.RFC3339))}
	}
	return token, nil
}

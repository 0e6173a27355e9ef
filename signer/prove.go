package signer

import (
	"context"
	"crypto/sha256"
	"slices"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
)

// A proof is what the logs and the time-stamp authorities gave for one
// signature, each in the order of the Config.
type proof struct {
	entries []*tlog.Entry
	tokens  [][]byte
}

// prove has a signature recorded in each log, by add, and stamped by each
// time-stamp authority. They do not wait for one another. The first failure
// ends it all: a proof with a part missing is not what was configured.
func (s *Signer) prove(ctx context.Context, signature []byte, add func(context.Context, Log) ([]byte, error)) (*proof, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		step string
		i    int
		der  []byte
		err  error
	}
	n := len(s.cfg.Logs) + len(s.cfg.Timestampers)
	answers := make(chan answer, n) // those after a failure are not waited for
	// Both begin now. The log, the slower, is what is said to be waited for.
	if len(s.cfg.Timestampers) > 0 {
		s.cfg.Progress(stepStamp)
	}
	s.cfg.Progress(stepLog)
	for i, log := range s.cfg.Logs {
		go func() {
			entry, err := add(ctx, log)
			answers <- answer{stepLog, i, entry, err}
		}()
	}
	imprint := sha256.Sum256(signature)
	for i, stamper := range s.cfg.Timestampers {
		go func() {
			token, err := stamper.Timestamp(ctx, imprint)
			answers <- answer{stepStamp, i, token, err}
		}()
	}
	p := &proof{make([]*tlog.Entry, len(s.cfg.Logs)), make([][]byte, len(s.cfg.Timestampers))}
	for range n {
		a := <-answers
		if a.err != nil {
			return nil, &StepError{a.step, a.err}
		}
		if a.step == stepStamp {
			p.tokens[a.i] = a.der
			continue
		}
		entry, err := tlog.ParseEntry(a.der)
		if err != nil {
			return nil, &StepError{stepEntry, err}
		}
		p.entries[a.i] = entry
	}
	return p, nil
}

// embed puts the proof, which has one entry, into the unsigned attributes.
func (p *proof) embed(signer *cms.SignerInfo) error {
	// A verifier rebuilds the body, so it need not travel.
	entry := *p.entries[0]
	entry.CanonicalizedBody = nil
	if err := signer.AddLogEntry(entry.Marshal()); err != nil {
		return err
	}
	for _, token := range p.tokens {
		signer.AddTimeStamp(slices.Clone(token))
	}
	return cms.SortAttributes(signer.UnsignedAttributes)
}

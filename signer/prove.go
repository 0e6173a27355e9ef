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
	p := &proof{make([]*tlog.Entry, len(s.cfg.Logs)), make([][]byte, len(s.cfg.Timestampers))}
	if err := s.ask(ctx, s.questions(signature, s.cfg.Logs, add), p.take); err != nil {
		return nil, err
	}
	return p, nil
}

// A question is what one log or time-stamp authority is asked.
type question struct {
	step string
	i    int // in the order of the Config
	ask  func(context.Context) ([]byte, error)
}

// questions returns what to ask those logs, by add, and all time-stamp
// authorities about a signature.
func (s *Signer) questions(signature []byte, logs []Log, add func(context.Context, Log) ([]byte, error)) []question {
	var list []question
	for i, log := range logs {
		list = append(list, question{stepLog, i, func(ctx context.Context) ([]byte, error) { return add(ctx, log) }})
	}
	imprint := sha256.Sum256(signature)
	for i, stamper := range s.cfg.Timestampers {
		list = append(list, question{stepStamp, i, func(ctx context.Context) ([]byte, error) { return stamper.Timestamp(ctx, imprint) }})
	}
	return list
}

// An answer is what a question was answered with, or why it was not.
type answer struct {
	question
	der []byte
	err error
}

// take takes an answer in. A failure is returned.
func (p *proof) take(a answer) error {
	if a.err != nil {
		return &StepError{a.step, a.err}
	}
	if a.step == stepStamp {
		p.tokens[a.i] = a.der
		return nil
	}
	entry, err := tlog.ParseEntry(a.der)
	if err != nil {
		return &StepError{stepEntry, err}
	}
	p.entries[a.i] = entry
	return nil
}

// ask asks all at once, and has take take in each answer as it comes, until it
// returns an error.
func (s *Signer) ask(ctx context.Context, questions []question, take func(answer) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, len(questions)) // those after an error are not waited for
	// All begin now. The log, the slower, is what is said to be waited for.
	for _, step := range []string{stepStamp, stepLog} {
		if slices.ContainsFunc(questions, func(q question) bool { return q.step == step }) {
			s.cfg.Progress(step)
		}
	}
	for _, q := range questions {
		go func() {
			der, err := q.ask(ctx)
			answers <- answer{q, der, err}
		}()
	}
	for range questions {
		if err := take(<-answers); err != nil {
			return err
		}
	}
	return nil
}

// embed puts the proof, which has one entry or none, into the unsigned
// attributes.
func (p *proof) embed(signer *cms.SignerInfo) error {
	for _, e := range p.entries {
		// A verifier rebuilds the body, so it need not travel.
		entry := *e
		entry.CanonicalizedBody = nil
		if err := signer.AddLogEntry(entry.Marshal()); err != nil {
			return err
		}
	}
	for _, token := range p.tokens {
		signer.AddTimeStamp(slices.Clone(token))
	}
	return cms.SortAttributes(signer.UnsignedAttributes)
}

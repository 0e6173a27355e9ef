package signer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gitseal/internal/tlog"
)

// Defer says when a git signature goes without its log entry. One has to be
// made later, for without it the signature does not verify.
type Defer string

// When to go without: never, which is the zero value; when the log or a
// time-stamp authority cannot be reached; always, so that the log is not asked.
//
// What is deferred is never a refusal: an error of a log or a time-stamp
// authority is passed over only where it says of itself, by a method Unreachable
// that returns true, that nobody answered. What was answered, and was a refusal
// or wrong, is an error as ever.
const (
	DeferNever       Defer = ""
	DeferUnreachable Defer = "unreachable"
	DeferAlways      Defer = "always"
)

// defaultPatience is how long to wait for who may be out of reach. The slowest of
// the public logs answer within 5 seconds.
const defaultPatience = 10 * time.Second

// unreachable reports whether err says that nobody answered.
func unreachable(err error) bool {
	var u interface{ Unreachable() bool }
	return errors.As(err, &u) && u.Unreachable()
}

// A patienceError says that somebody took longer than Config.Patience, now or
// not that long ago.
type patienceError struct{ text string }

func (e *patienceError) Error() string     { return e.text }
func (e *patienceError) Unreachable() bool { return true }

// An outage is who could not be reached, and when that was.
type outage struct {
	mu sync.Mutex
	at map[who]time.Time // guarded by mu
}

// who is a log or a time-stamp authority of the Config.
type who struct {
	step string
	i    int
}

// since returns when somebody could not be reached last; zero: the last time it
// could, or it was not tried.
func (o *outage) since(q question) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at[who{q.step, q.i}]
}

// note takes note of whether somebody could be reached.
func (o *outage) note(q question, reached bool, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case reached:
		delete(o.at, who{q.step, q.i})
	case o.at == nil:
		o.at = map[who]time.Time{{q.step, q.i}: now}
	default:
		o.at[who{q.step, q.i}] = now
	}
}

// patiently returns a question that is asked for no longer than Config.Patience,
// and not at all for as long after an outage: without a network, each of many
// signatures would wait for the same.
func (s *Signer) patiently(q question) question {
	ask := q.ask
	q.ask = func(ctx context.Context) ([]byte, error) {
		now := s.cfg.Now()
		if ago := now.Sub(s.cfg.outage.since(q)); ago >= 0 && ago < s.cfg.Patience {
			return nil, &patienceError{fmt.Sprintf("it could not be reached %s ago", about(ago))}
		}
		late := &patienceError{fmt.Sprintf("no answer within %v", s.cfg.Patience)}
		limited, cancel := context.WithTimeoutCause(ctx, s.cfg.Patience, late)
		defer cancel()
		der, err := ask(limited)
		if err != nil && context.Cause(limited) == error(late) {
			err = late
		}
		if ctx.Err() == nil {
			s.cfg.outage.note(q, !unreachable(err), s.cfg.Now())
		}
		return der, err
	}
	return q
}

// proveOrDefer is prove where the entry may be deferred. The proof then has none,
// and of the time-stamp authorities only what those gave that could be reached.
// Where the log alone did answer its entry is left out, too: asking for it again
// is harmless, and an entry without a time may prove nothing.
func (s *Signer) proveOrDefer(ctx context.Context, signature []byte, add func(context.Context, Log) ([]byte, error)) (*proof, error) {
	logs := s.cfg.Logs
	switch s.cfg.Defer {
	case DeferNever:
		return s.prove(ctx, signature, add)
	case DeferAlways:
		logs = nil
	}
	questions := s.questions(signature, logs, add)
	for i, q := range questions {
		questions[i] = s.patiently(q)
	}
	p := &proof{make([]*tlog.Entry, len(logs)), make([][]byte, len(s.cfg.Timestampers))}
	deferred := len(logs) == 0
	err := s.ask(ctx, questions, func(a answer) error {
		if ctx.Err() != nil || !unreachable(a.err) {
			return p.take(a)
		}
		deferred = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	if deferred {
		p.entries = nil
		p.tokens = slices.DeleteFunc(p.tokens, func(token []byte) bool { return token == nil })
	}
	return p, nil
}

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"gitseal/internal/transport"
)

// A tracer writes what a run waits for, and when, to the file that
// GITSEAL_TRACE or gitseal.trace names: one JSON object a line, appended, so
// that the runs of a rebase follow one another. Times are milliseconds since
// the run began. No header, no body and no token is ever in it.
//
// The zero tracer writes nothing.
type tracer struct {
	now   func() time.Time
	began time.Time
	steps *steps // told of each step, too; nil: not

	mu   sync.Mutex // guards file
	file *os.File   // nil: none
}

// A traceLine is one line of a trace.
type traceLine struct {
	PID      int     `json:"pid"`
	At       float64 `json:"at"`           // when it began
	Took     float64 `json:"ms,omitempty"` // how long it took
	Step     string  `json:"step,omitempty"`
	Service  string  `json:"service,omitempty"`
	Host     string  `json:"host,omitempty"`
	Request  string  `json:"request,omitempty"` // method and path
	Attempt  int     `json:"attempt,omitempty"`
	Status   int     `json:"status,omitempty"`
	Reused   bool    `json:"reused,omitempty"` // the connection was open already
	DNS      float64 `json:"dns,omitempty"`
	Connect  float64 `json:"connect,omitempty"`
	TLS      float64 `json:"tls,omitempty"`
	Wait     float64 `json:"wait,omitempty"` // from the request's last byte to the answer's first
	Received int64   `json:"bytes,omitempty"`
	Err      string  `json:"error,omitempty"`
}

// newTracer returns a tracer that writes nothing, but notes the steps of the
// run.
func newTracer(e *env) *tracer { return &tracer{now: e.now, began: e.began, steps: &e.steps} }

// trace opens the trace that the settings ask for.
func (s *settings) trace(e *env) (*tracer, error) {
	t := newTracer(e)
	v, err := s.lookup("gitseal.trace", "")
	if err != nil || v.Value == "" {
		return t, err
	}
	path, err := s.absolute(v)
	if err != nil {
		return nil, err
	}
	if err := s.userOnly(v, "say which file is written to"); err != nil {
		return nil, err
	}
	t.file, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("opening the trace (gitseal.trace, set in %s): %w", v.Source, err))
	}
	return t, nil
}

// step notes that a step of signing begins.
func (t *tracer) step(name string) {
	if t.steps != nil {
		t.steps.add(name, t.since(t.now()))
	}
	t.write(traceLine{At: t.since(t.time()), Step: name})
}

// request notes a request that is over.
func (t *tracer) request(ev transport.Event) {
	t.write(traceLine{
		At: t.since(ev.Start), Took: ms(ev.Duration), Service: ev.Service, Host: ev.Host, Request: ev.Method + " " + ev.Path,
		Attempt: ev.Attempt, Status: ev.Status, Reused: ev.Reused,
		DNS: ms(ev.DNS), Connect: ms(ev.Connect), TLS: ms(ev.TLS), Wait: ms(ev.Wait), Received: ev.Bytes, Err: ev.Err,
	})
}

// time tells the time, but only if somebody wants to know.
func (t *tracer) time() time.Time {
	if t.file == nil {
		return time.Time{}
	}
	return t.now()
}

func (t *tracer) since(at time.Time) float64 { return ms(at.Sub(t.began)) }

// write appends a line in one write, so that processes do not mix theirs. A
// trace that cannot be written stops nothing: it is not the answer.
func (t *tracer) write(line traceLine) {
	if t.file == nil {
		return
	}
	line.PID = os.Getpid()
	data, err := json.Marshal(line)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.file.Write(append(data, '\n')) // see above
}

func (t *tracer) close() {
	if t.file != nil {
		t.write(traceLine{At: t.since(t.time()), Step: "done"})
		_ = t.file.Close() // see write
	}
}

// ms returns a duration in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

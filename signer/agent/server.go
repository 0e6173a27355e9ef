package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"gitseal/signer"
	"gitseal/signer/oidc"
)

// A Config says how an agent signs. Open is required.
type Config struct {
	// Open returns a signer for an instance. It is asked once for each, and
	// the signer is kept, so that its connections stay open.
	Open func(*Instance, signer.TokenSource) (*signer.Signer, error)

	// Renew gets a new token for a session that was handed over with the
	// instance; nil: sessions are not used.
	Renew func(context.Context, *Instance, *oidc.Session) (*oidc.Grant, error)

	// Confirm asks a person before each signature, one at a time; an error is
	// a no. nil: nobody is asked.
	Confirm func(ctx context.Context, question string) error

	// Flush records what waits for a log in the directory Queue. It is called in
	// the background, when there is a pause between signatures, and again after
	// a while if it fails; nil: the agent refuses to.
	Flush func(context.Context) error
	Queue string // "": none that clients know

	Grace   time.Duration        // how long the agent lives with nothing to sign with; 0: 1 minute
	Idle    time.Duration        // how long after its last signature a login is renewed; 0: 8 hours
	Now     func() time.Time     // nil: time.Now
	Uptime  func() time.Duration // a clock that nobody sets; nil: the runtime's
	Log     *slog.Logger         // nil: none
	Version string               // of the program, for people
	Locked  bool                 // what Harden returned, for Status
}

// A Server is an agent.
type Server struct {
	cfg     Config
	started time.Time
	work    context.Context // of all that is done; ends with Serve
	halt    chan struct{}   // closed by Stop
	once    sync.Once       // closes it
	wake    chan struct{}   // has an element if sweep has something to do sooner than it knew
	asking  sync.Mutex      // one person, one question
	long    chan struct{}   // has an element for each long message there is

	background sync.WaitGroup // renewals and flushes; grows under mu, and not once ended is set
	flushPause time.Duration  // until the first that failed is tried again
	lull       lull           // in which what waits is recorded
	stirred    chan struct{}  // has an element if a signature was asked for

	mu       sync.Mutex // guards the fields below
	slots    map[slotKey]*slot
	recent   map[loginKey]slotKey // who logged in last
	logins   int                  // there have been
	turns    map[loginKey]*turn
	conns    map[net.Conn]bool  // open
	parked   map[net.Conn]*wire // those of them whose turn has not come
	stoppers []*wire            // who asked to stop: answered at the end
	served   int                // since memory was given back
	atWork   int                // signatures and logins under way
	turn     []func()           // begin those whose turn has not come, the next first
	busy     time.Duration      // when there was something to do last, by Uptime
	flusher  chan<- struct{}    // tells who flushes that there is more; nil: nobody does
	flushing bool               // just now
	ended    bool
}

// New returns an agent, which does nothing until Serve.
func New(cfg Config) (*Server, error) {
	if cfg.Open == nil {
		return nil, errors.New("making an agent: what opens signers is required")
	}
	if cfg.Grace <= 0 {
		cfg.Grace = time.Minute
	}
	if cfg.Idle <= 0 {
		cfg.Idle = 8 * time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Uptime == nil {
		start := time.Now()
		cfg.Uptime = func() time.Duration { return time.Since(start) }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		cfg: cfg, started: cfg.Now(), halt: make(chan struct{}), wake: make(chan struct{}, 1), busy: cfg.Uptime(), long: make(chan struct{}, maxLong), flushPause: firstFlushPause,
		lull: lull{flushQuiet, flushLatest}, stirred: make(chan struct{}, 1),
		slots: make(map[slotKey]*slot), recent: make(map[loginKey]slotKey), turns: make(map[loginKey]*turn), conns: make(map[net.Conn]bool),
		parked: make(map[net.Conn]*wire),
	}, nil
}

// How connections are served.
const (
	askTime  = 10 * time.Second // for a client to ask, from when it is served
	talkTime = 20 * time.Minute // for all that is said on one connection
	endTime  = 5 * time.Second  // for what is under way at the end
)

// Serve serves the clients that connect to l, until there has been nothing to
// sign with for a while, a client says Stop, or ctx is done; then it forgets
// all keys. It closes l. An error is that of accepting connections.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	work, cancel := context.WithCancel(ctx)
	s.work = work
	var served sync.WaitGroup
	waiting := make(chan net.Conn, maxWaiting)
	accepting := make(chan error, 1)
	go func() { accepting <- s.accept(l, waiting) }()
	go s.pulseWaiting(work)
	served.Go(func() { s.dispatch(waiting, &served) })
	s.cfg.Log.Info("agent begins", "version", s.cfg.Version, "pid", os.Getpid(), "locked", s.cfg.Locked)

	err := s.live(ctx, accepting)
	// New clients go to the next agent; who is here is served to the end,
	// unless it is to be a quick one.
	lerr := l.Close()
	if err == errHalt || ctx.Err() != nil {
		cancel()
	}
	timer := time.AfterFunc(endTime, func() {
		cancel()
		s.hangUp()
	})
	served.Wait()
	timer.Stop()
	cancel()
	s.forgetAll()
	s.background.Wait()
	s.cfg.Log.Info("agent ends")
	s.stopped()
	if err == errHalt {
		err = nil
	}
	return errors.Join(err, lerr)
}

// errHalt is the end that a client asked for.
var errHalt = errors.New("stopped")

// live returns when the agent is to end, and why if not by itself.
func (s *Server) live(ctx context.Context, accepting <-chan error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.halt:
			return errHalt
		case err := <-accepting:
			return err
		case <-s.wake:
		case <-timer.C:
		}
		next, end := s.sweep()
		if end {
			return nil
		}
		timer.Reset(next)
	}
}

// accept greets who connects, and hands them on. That never waits for a client:
// the greeting fits what the system keeps for one that does not read.
func (s *Server) accept(l net.Listener, waiting chan<- net.Conn) error {
	defer close(waiting)
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil && tooMany(err):
			// Others will go.
			s.cfg.Log.Warn("too many open files")
			time.Sleep(pollTime)
			continue
		case err != nil:
			return fmt.Errorf("accepting connections: %w", err)
		}
		if err := checkPeer(conn); err != nil {
			s.cfg.Log.Warn("connection refused", "reason", err)
			_ = conn.Close() // it is owed nothing
			continue
		}
		hello := &message{Hello: &helloMessage{protocol, s.cfg.Version, s.idle()}}
		err = s.enter(conn).send(hello, nil)
		if err == nil && len(waiting) == cap(waiting) {
			err = errors.New("too many connections")
		}
		if err != nil {
			s.cfg.Log.Warn("connection closed", "reason", err)
			s.leave(conn)
			continue
		}
		waiting <- conn
	}
}

// serve hears what a client asks, and has it answered: at once, or, if it is to
// sign or to log in, in its turn. answering is done when it has been, and left
// is called.
func (s *Server) serve(conn net.Conn, answering *sync.WaitGroup, left func()) {
	timer := time.AfterFunc(talkTime, func() { _ = conn.Close() }) // that ends it
	w := s.enter(conn)
	admit, release := s.admit()
	w.admit = admit
	m, body, err := s.hear(w)
	answer := func() {
		defer left()
		defer s.leave(conn)
		defer release()
		defer timer.Stop()
		// Before the connection ends: who sees that finds the reason in the log.
		defer s.survive("serving a client")
		if err == nil && m != nil {
			err = s.converse(w, m, body)
		}
		if err != nil {
			s.cfg.Log.Warn("connection broken", "reason", err)
		}
	}
	if m == nil || m.Sign == nil && m.Login == nil {
		answer()
		return
	}
	s.inTurn(func() {
		answering.Go(func() {
			defer s.done()
			answer()
		})
	})
}

// hear returns what a client asks; nil: nothing, it only wanted to see whether
// we are here.
func (s *Server) hear(w *wire) (m *message, body []byte, err error) {
	defer s.survive("listening to a client")
	err = w.within(askTime, func() (err error) {
		m, body, err = w.receive()
		return err
	})
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return m, body, err
}

// survive notes a panic. Neither its value nor the arguments of the functions
// are noted: a key may be among them.
func (s *Server) survive(what string) {
	v := recover()
	if v == nil {
		return
	}
	var where []string
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for frame, more := frames.Next(); more; frame, more = frames.Next() {
		where = append(where, fmt.Sprintf("%s:%d", frame.Function, frame.Line))
	}
	s.cfg.Log.Error("panic", "while", what, "type", fmt.Sprintf("%T", v), "at", strings.Join(where, " "))
}

// poke has sweep look now.
func (s *Server) poke() {
	select {
	case s.wake <- struct{}{}:
	default: // it will
	}
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// How a client finds an agent.
const (
	helloTime = 2 * time.Second       // until an agent says that it is one
	pollTime  = 10 * time.Millisecond // between looks for one that starts
	firstTime = time.Second           // for which Dial's connection waits for its request
	maxAtOnce = 64                    // requests of one Client at a time
)

// ErrRunning means that an agent cannot be started where there is one.
var ErrRunning = errors.New("another agent is running")

// A ClientConfig says how to reach an agent. Path is required.
type ClientConfig struct {
	Path  string            // of its socket
	Ahead *Ahead            // a connection that was begun; nil: none
	Start func() error      // starts an agent that will listen there, and returns; nil: none is started
	Trace func(line string) // told what is found, and why an agent is not used; nil: nobody
	Wait  time.Duration     // how long one that was started may take until it answers; 0: 2 s
}

// A Client asks an agent. It may be used by several goroutines at once.
type Client struct {
	cfg    ClientConfig
	places chan struct{} // one is taken by each request under way

	mu    sync.Mutex
	first *wire       // of Dial, for the first request; nil: used
	timer *time.Timer // closes it
}

// An UnavailableError says that there is no agent that can be used, or that it
// is there no more. Nothing is wrong with what it was asked: it can be done
// without an agent.
type UnavailableError struct {
	Path string
	Err  error
}

// Error returns where the agent was looked for, and what went wrong.
func (e *UnavailableError) Error() string { return fmt.Sprintf("agent at %s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Dial looks for the agent, and starts one if there is none. What is not the
// user's own, speaks another protocol or does not answer is not used, and not
// touched; but an older agent that has nothing to lose is replaced. The error
// is an *UnavailableError unless ctx is done.
func Dial(ctx context.Context, cfg ClientConfig) (*Client, error) {
	if cfg.Trace == nil {
		cfg.Trace = func(string) {}
	}
	if cfg.Wait <= 0 {
		cfg.Wait = 2 * time.Second
	}
	c := &Client{cfg: cfg, places: make(chan struct{}, maxAtOnce)}
	w, begun, err := cfg.Ahead.take(cfg.Path)
	if !begun {
		w, err = c.connect(ctx, helloTime)
	}
	if errors.Is(err, io.EOF) {
		w, err = c.connect(ctx, helloTime) // it may just have ended
	}
	if errors.Is(err, errOlder) {
		cfg.Trace("the agent is of an older version and idle: it is replaced")
		w, err = c.replace(ctx, w)
	}
	if absent(err) && cfg.Start != nil {
		cfg.Trace("no agent answers: starting one")
		w, err = c.start(ctx)
	}
	if err != nil {
		err = c.failure(ctx, err)
		cfg.Trace(err.Error())
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first, c.timer = w, time.AfterFunc(firstTime, c.Close)
	return c, nil
}

// failure returns err as the caller gets it.
func (c *Client) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &UnavailableError{c.cfg.Path, err}
}

// Close closes what is open. Requests under way are not ended.
func (c *Client) Close() {
	if w := c.takeFirst(); w != nil {
		_ = w.conn.Close() // nothing was said on it
	}
}

// takeFirst returns Dial's connection once.
func (c *Client) takeFirst() *wire {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.first
	c.first = nil
	if c.timer != nil {
		c.timer.Stop()
	}
	return w
}

// errOlder is the error about an agent that can be replaced; the connection is
// open.
var errOlder = errors.New("it is of an older version")

// connect connects to the agent that is there.
func (c *Client) connect(ctx context.Context, d time.Duration) (*wire, error) {
	return connect(ctx, c.cfg.Path, d)
}

// connect connects to an agent, which has to greet within d.
func connect(ctx context.Context, path string, d time.Duration) (*wire, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	conn, err := dial(ctx, path)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn}
	hello, err := w.greeting(ctx, d)
	switch {
	case err != nil:
	case hello.Protocol < protocol && hello.Idle:
		return w, errOlder
	case hello.Protocol != protocol:
		err = fmt.Errorf("it is of version %q, which speaks another protocol, and in use", hello.Version)
	default:
		return w, nil
	}
	_ = conn.Close() // nothing was said on it
	return nil, err
}

// greeting returns what an agent begins with.
func (w *wire) greeting(ctx context.Context, d time.Duration) (*helloMessage, error) {
	m, err := w.hear(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("waiting for its greeting: %w", err)
	}
	if m.Hello == nil {
		return nil, errors.New("it does not greet as an agent does")
	}
	return m.Hello, nil
}

// hear returns the next message, which has to come within d, and before ctx is
// done.
func (w *wire) hear(ctx context.Context, d time.Duration) (*message, error) {
	stop := context.AfterFunc(ctx, func() { _ = w.conn.Close() }) // the error is that of ctx
	var m *message
	err := w.within(d, func() (err error) {
		m, _, err = w.receive()
		return err
	})
	if !stop() {
		err = errSlow
	}
	return m, err
}

// replace has an older agent stop. It returns the error of connecting once that
// is gone, or a connection to the one that is there instead.
func (c *Client) replace(ctx context.Context, old *wire) (*wire, error) {
	defer old.conn.Close()
	if err := old.send(&message{Stop: new(struct{})}, nil); err != nil {
		return nil, err
	}
	if _, err := old.hear(ctx, helloTime); err != nil {
		return nil, err
	}
	return c.poll(ctx, func(err error) bool { return !absent(err) })
}

// start starts an agent, or waits for one that somebody else starts: of
// several processes that find none, one has the right to.
func (c *Client) start(ctx context.Context) (*wire, error) {
	begun := false
	var release func() error
	defer func() {
		if release != nil {
			_ = release() // an empty file whose lock ends with its descriptor
		}
	}()
	return c.poll(ctx, func(err error) bool {
		if begun || !absent(err) {
			return absent(err)
		}
		var serr error
		if release, serr = starting(c.cfg.Path); serr != nil {
			c.cfg.Trace(fmt.Sprintf("preparing to start an agent: %v", serr))
			return false
		}
		if release == nil {
			return true
		}
		begun = true
		// Somebody else may have started one, and gone, meanwhile.
		if w, _ := c.connect(ctx, helloTime); w != nil {
			_ = w.conn.Close() // nothing was said on it
			return true
		}
		if serr := c.cfg.Start(); serr != nil {
			c.cfg.Trace(fmt.Sprintf("starting an agent: %v", serr))
			return false
		}
		return true
	})
}

// poll connects, again and again for as long as it fails and again says so of
// the error, and no longer than Wait.
func (c *Client) poll(ctx context.Context, again func(error) bool) (*wire, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Wait)
	defer cancel()
	pace := time.NewTicker(pollTime)
	defer pace.Stop()
	for {
		w, err := c.connect(ctx, c.cfg.Wait)
		if err == nil {
			return w, nil
		}
		if errors.Is(err, errOlder) {
			_ = w.conn.Close() // nothing was said on it
		}
		if !again(err) {
			return nil, err
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for it: %w", err)
		}
	}
}

//go:build unix

package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A scarce listener has no file for a connection, once.
type scarce struct {
	net.Listener
	failed bool
}

func (l *scarce) Accept() (net.Conn, error) {
	if !l.failed {
		l.failed = true
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// TestMoreClientsThanRoom has room for one who waits, and none for the next.
func TestMoreClientsThanRoom(t *testing.T) {
	w := newWorld(t, nil)
	path := place(t)
	l := listenPlain(t, path)
	waiting := make(chan net.Conn, 1)
	accepted := make(chan error)
	go func() { accepted <- w.server.accept(&scarce{Listener: l}, waiting) }()
	w.path = path
	w.raw(t)
	gone(t, w.raw(t))
	if err := (<-waiting).Close(); err != nil {
		t.Error(err)
	}
	must(t, l.Close())
	if err := <-accepted; err != nil {
		t.Errorf("accept = %v", err)
	}
	for _, want := range []string{"too many open files", "too many connections"} {
		if log := w.log.String(); !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
}

func TestListenerThatBreaksEndsTheAgent(t *testing.T) {
	s, err := New(Config{Open: openNothing})
	must(t, err)
	if err := s.Serve(t.Context(), broken{}); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Serve = %v, want %v", err, syscall.EBADF)
	}
}

type broken struct{ net.Listener }

func (broken) Accept() (net.Conn, error) { return nil, syscall.EBADF }
func (broken) Close() error              { return nil }

// TestClientWaitsForAnAgentAtWork, for as long as a person thinks, but not for
// one that says nothing.
func TestClientWaitsForAnAgentAtWork(t *testing.T) {
	w := newWorld(t, func(_ *world, cfg *Config) {
		cfg.Confirm = func(ctx context.Context, _ string) error {
			time.Sleep(10 * time.Minute)
			return nil
		}
	})
	w.login(t, alice, "")
	synctest.Test(t, func(t *testing.T) {
		var err error
		cfg := w.server.cfg
		cfg.Log = nil
		bubble, err := New(cfg)
		must(t, err)
		bubble.work = t.Context()
		bubble.slots, bubble.recent = w.server.slots, w.server.recent
		ask := func(serve func(net.Conn)) (*message, error) {
			here, there := net.Pipe()
			go func() {
				serve(there)
				there.Close()
			}()
			defer here.Close()
			r := w.request("slow", "")
			return w.client.exchange(t.Context(), &wire{conn: here}, &message{Sign: &signMessage{Instance: r.Instance, Source: r.Source}}, r.Payload, nil)
		}
		begin := time.Now()
		serve := func(conn net.Conn) {
			var answering sync.WaitGroup
			bubble.serve(conn, &answering, func() {})
			answering.Wait()
		}
		m, err := ask(serve)
		if err != nil || m.Signed == nil || time.Since(begin) < 10*time.Minute {
			t.Errorf("after %v: %+v, %v, want a signature", time.Since(begin), m, err)
		}
		begin = time.Now()
		var gone *UnavailableError
		_, err = ask(func(conn net.Conn) {
			if _, _, err := (&wire{conn: conn}).receive(); err != nil {
				t.Error(err)
			}
			io.Copy(io.Discard, conn) // until the client has had enough
		})
		if d := time.Since(begin); !errors.As(err, &gone) || !strings.Contains(err.Error(), "no answer in time") || d > time.Minute {
			t.Errorf("after %v: %v, want an UnavailableError soon", d, err)
		}
		// A client that asks nothing is not listened to for long either.
		begin = time.Now()
		here, there := net.Pipe()
		defer here.Close()
		serve(there)
		if d := time.Since(begin); d > time.Minute {
			t.Errorf("a client that says nothing was served for %v", d)
		}
	})
}

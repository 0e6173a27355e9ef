//go:build unix

package agent

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"testing"
	"testing/synctest"
)

// TestConnectionThatWasBegunIsUsed, once, and only for what it leads to.
func TestConnectionThatWasBegunIsUsed(t *testing.T) {
	w := newWorld(t, nil)
	w.login(t, alice, "")
	ahead := Connect(t.Context(), w.path)
	begun, err := ahead.wire()
	must(t, err)
	c, err := Dial(t.Context(), ClientConfig{Path: w.path, Ahead: ahead})
	must(t, err)
	if c.first != begun {
		t.Error("Dial has made another connection")
	}
	w.client = c
	w.signs(t, "", alice)
	w.signs(t, "", alice) // on another connection

	if c, err = Dial(t.Context(), ClientConfig{Path: w.path, Ahead: ahead}); err != nil || c.first == begun {
		t.Errorf("Dial uses a connection twice: %v", err)
	}
	c.Close()
	ahead.Close()

	elsewhere := Connect(t.Context(), place(t))
	if c, err = Dial(t.Context(), ClientConfig{Path: w.path, Ahead: elsewhere}); err != nil {
		t.Errorf("Dial with a connection to somewhere else: %v", err)
	} else {
		c.Close()
	}
	elsewhere.Close()
}

// TestConnectionThatFailedIsAnAbsentAgent: Dial says of it what it says of its
// own.
func TestConnectionThatFailedIsAnAbsentAgent(t *testing.T) {
	path := place(t)
	ahead := Connect(t.Context(), path)
	var gone *UnavailableError
	if _, err := Dial(t.Context(), ClientConfig{Path: path, Ahead: ahead}); !errors.As(err, &gone) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Dial = %v, want an UnavailableError: there is none", err)
	}
	ahead.Close()
}

// TestConnectionThatNobodyNeedsIsClosed.
func TestConnectionThatNobodyNeedsIsClosed(t *testing.T) {
	w := newWorld(t, nil)
	w.client.Close()
	ahead := Connect(t.Context(), w.path)
	if _, err := ahead.wire(); err != nil {
		t.Fatal(err)
	}
	ahead.Close()
	w.nobodyIsThere(t)
	(*Ahead)(nil).Close()
}

// TestConnectionThatIsNotUsedSoonIsClosed, by a timer, which the race detector
// watches.
func TestConnectionThatIsNotUsedSoonIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		ahead := &Ahead{path: "p", wire: func() (*wire, error) { return &wire{conn: here}, nil }}
		_, err := Dial(t.Context(), ClientConfig{Path: "p", Ahead: ahead})
		must(t, err)
		if _, err := there.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the other side reads %v, want %v", err, io.EOF)
		}
	})
}

//go:build unix

package agent

import (
	"errors"
	"os"
	"testing"
	"time"
)

// TestLongMessagesWaitForOneAnother: a few clients could fill all memory with
// what they never ask to the end.
func TestLongMessagesWaitForOneAnother(t *testing.T) {
	w := newWorld(t, nil)
	w.login(t, alice, "")
	begin := func() *wire {
		t.Helper()
		c := w.raw(t)
		frame, err := (&message{Sign: &signMessage{Instance: w.instance.Digest(), Source: source}}).encode(maxBody)
		must(t, err)
		if _, err := c.conn.Write(frame); err != nil {
			t.Fatal(err)
		}
		return c
	}
	more := make([]byte, 4<<20) // more than the system keeps for who does not read
	var first []*wire
	for range maxLong {
		c := begin()
		if _, err := c.conn.Write(more); err != nil {
			t.Fatal(err)
		}
		first = append(first, c)
	}
	next := begin()
	must(t, next.conn.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
	if n, err := next.conn.Write(more); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("of one long message more than %d, %d bytes are taken, %v", maxLong, n, err)
	}
	w.signs(t, "", alice) // short ones do not wait
	must(t, first[0].conn.Close())
	must(t, next.conn.SetWriteDeadline(time.Now().Add(askTime)))
	if _, err := next.conn.Write(more); err != nil {
		t.Errorf("when another is gone: %v", err)
	}
}

// TestNothingLongComesAfterTheQuestion: it would have no place.
func TestNothingLongComesAfterTheQuestion(t *testing.T) {
	w := newWorld(t, nil)
	c := w.raw(t)
	must(t, c.send(&message{Login: &loginMessage{TrustedRoot: w.instance.TrustedRoot, SigningConfig: w.instance.SigningConfig, Audience: "sigstore", Source: source}}, nil))
	for {
		m, _, err := c.receive()
		must(t, err)
		if m.Go != nil {
			break
		}
	}
	frame, err := (&message{Sign: &signMessage{}}).encode(maxBody)
	must(t, err)
	if _, err := c.conn.Write(frame); err != nil {
		t.Fatal(err)
	}
	gone(t, c)
}

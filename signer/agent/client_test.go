//go:build unix

package agent

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// fake serves what something that is no agent of this version says to whoever
// connects, and then gives the connection to after.
func fake(t testing.TB, path string, greeting []byte, after func(*wire)) {
	t.Helper()
	l := listenPlain(t, path)
	var served sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		served.Wait()
	})
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Write(greeting) // a client that has gone needs none
			if after != nil {
				after(&wire{conn: conn})
			}
			conn.Close()
		}
	})
}

func greeting(t testing.TB, hello helloMessage) []byte {
	t.Helper()
	frame, err := (&message{Hello: &hello}).encode(0)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestWhatSpeaksOtherwiseIsNotUsed(t *testing.T) {
	for name, tt := range map[string]struct {
		greeting []byte
		want     string
	}{
		"an SSH server":        {[]byte("SSH-2.0-OpenSSH_9.2p1\r\n"), "waiting for its greeting"},
		"one who hangs up":     {nil, "waiting for its greeting"},
		"another message":      {[]byte("\x00\x00\x00\x09\x00\x00\x00\x00{\"go\":{}}"), "does not greet"},
		"a newer version":      {greeting(t, helloMessage{protocol + 1, "9.9", true}), `it is of version "9.9"`},
		"an older one, in use": {greeting(t, helloMessage{protocol - 1, "0.1", false}), `it is of version "0.1"`},
	} {
		t.Run(name, func(t *testing.T) {
			path := place(t)
			fake(t, path, tt.greeting, nil)
			checkUnused(t, path, tt.want)
		})
	}
}

func TestOneWhoSaysNothingIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	path := place(t)
	done := make(chan bool)
	defer close(done)
	fake(t, path, nil, func(*wire) { <-done })
	begin := time.Now()
	checkUnused(t, path, "no answer in time")
	if d := time.Since(begin); d >= quietTime {
		t.Errorf("that took %v", d)
	}
}

// TestIdleAgentOfAnOlderVersionIsReplaced asks it to stop, and starts another.
func TestIdleAgentOfAnOlderVersionIsReplaced(t *testing.T) {
	path := place(t)
	stopped := false
	fake(t, path, greeting(t, helloMessage{protocol - 1, "0.1", true}), func(c *wire) {
		m, _, err := c.receive()
		if err != nil || m.Stop == nil {
			return
		}
		stopped = true
		if err := c.send(&message{Done: new(doneMessage)}, nil); err != nil {
			t.Error(err)
		}
		must(t, os.Remove(path))
	})
	c, err := Dial(t.Context(), ClientConfig{Path: path, Wait: 10 * time.Second, Start: func() error { return begin(t, path) }})
	if err != nil || !stopped {
		t.Fatalf("Dial = %v, stopped %v", err, stopped)
	}
	defer c.Close()
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAgentThatHangsUp is said to be unavailable at once, at whatever point.
func TestAgentThatHangsUp(t *testing.T) {
	path := place(t)
	fake(t, path, greeting(t, helloMessage{protocol, "1", true}), func(c *wire) {
		if _, _, err := c.receive(); err == nil {
			io.WriteString(c.conn, "\x00\x00\x00\x09\x00") // half an answer
		}
	})
	c, err := Dial(t.Context(), ClientConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var gone *UnavailableError
	if _, err := c.Sign(t.Context(), &SignRequest{Payload: commit("x")}, nil); !errors.As(err, &gone) {
		t.Errorf("Sign = %v, want an UnavailableError", err)
	}
	if _, err := c.Login(t.Context(), new(Instance), "", "", noLogin); !errors.As(err, &gone) {
		t.Errorf("Login = %v, want an UnavailableError", err)
	}
}

// TestWordsOfAnAgentAreOneLine: they are shown on terminals.
func TestWordsOfAnAgentAreOneLine(t *testing.T) {
	path := place(t)
	const words = "gone\x1b]0;x\a\u202e\nhint: run this"
	fake(t, path, greeting(t, helloMessage{protocol, "1", true}), func(c *wire) {
		if _, _, err := c.receive(); err == nil {
			c.send(&message{Working: &workingMessage{words}}, nil)
			c.send(&message{Failed: &failedMessage{Step: words, Message: words}}, nil)
		}
	})
	c, err := Dial(t.Context(), ClientConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var steps []string
	_, err = c.Sign(t.Context(), &SignRequest{Payload: commit("x")}, func(step string) { steps = append(steps, step) })
	if err == nil || len(steps) != 1 {
		t.Fatalf("Sign = %v, steps %q", err, steps)
	}
	const want = "gone?]0;x???hint: run this"
	if steps[0] != want || err.Error() != want+": "+want {
		t.Errorf("step %q, error %q, want %q in both", steps[0], err, want)
	}
}

// TestAnswerToAnotherQuestion is none.
func TestAnswerToAnotherQuestion(t *testing.T) {
	path := place(t)
	fake(t, path, greeting(t, helloMessage{protocol, "1", true}), func(c *wire) {
		if _, _, err := c.receive(); err == nil {
			c.send(&message{Go: new(struct{})}, nil) // what it is for none of them to do
		}
	})
	c, err := Dial(t.Context(), ClientConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err1 := c.Sign(t.Context(), &SignRequest{Payload: commit("x")}, nil)
	_, err2 := c.Status(t.Context())
	_, err3 := c.Forget(t.Context(), nil, "")
	for _, err := range []error{err1, err2, err3, c.Stop(t.Context()), c.Flush(t.Context())} {
		var gone *UnavailableError
		if !errors.As(err, &gone) {
			t.Errorf("error %v, want an UnavailableError", err)
		}
	}
}

// TestForwardedSocket has what ssh makes of RemoteForward: another socket of the
// user's, by which bytes go back and forth.
func TestForwardedSocket(t *testing.T) {
	w := newWorld(t, nil)
	w.login(t, alice, "")
	path, agent := place(t), w.path
	l := listenPlain(t, path)
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", agent)
			if err != nil {
				near.Close()
				continue
			}
			copyTo := func(to, from net.Conn) {
				io.Copy(to, from) // until one of them has gone
				to.Close()
				from.Close()
			}
			go copyTo(far, near)
			go copyTo(near, far)
		}
	}()
	w.path = path
	w.client = w.dial(t)
	w.signs(t, "", alice)
	w.login(t, bob, "")
	w.signs(t, "", bob)
}

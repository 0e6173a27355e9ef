//go:build unix

package agent

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestSignaturesWaitForTheirTurn, and what is no signature does not.
func TestSignaturesWaitForTheirTurn(t *testing.T) {
	w := newWorld(t, nil)
	w.login(t, alice, "")
	for range maxAtWork {
		w.server.inTurn(func() {}) // which are not done yet
	}
	signed := make(chan error)
	go func() {
		_, err := w.client.Sign(t.Context(), w.request("waits", ""), nil)
		signed <- err
	}()
	for { // until it waits
		w.server.mu.Lock()
		n := len(w.server.turn)
		w.server.mu.Unlock()
		if n == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := w.client.Status(t.Context()); err != nil {
		t.Errorf("Status, while signatures wait: %v", err)
	}
	select {
	case err := <-signed:
		t.Fatalf("signed out of turn: %v", err)
	default:
	}
	for range maxAtWork {
		w.server.done()
	}
	must(t, <-signed)
	w.client.Close()
	w.nobodyIsThere(t)
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	if w.server.atWork != 0 || len(w.server.turn) != 0 || len(w.server.parked) != 0 {
		t.Errorf("at the end %d are at work, %d wait and %d are parked", w.server.atWork, len(w.server.turn), len(w.server.parked))
	}
}

// TestWhoseTurnHasComeIsNotHeld: what it had to sign would stay in memory.
func TestWhoseTurnHasComeIsNotHeld(t *testing.T) {
	s, err := New(Config{Open: openNothing})
	must(t, err)
	for range maxAtWork + 3 {
		s.inTurn(func() {})
	}
	queue := s.turn
	s.done()
	s.done()
	held := 0
	for _, begin := range queue {
		if begin != nil {
			held++
		}
	}
	if held != 1 {
		t.Errorf("%d are held, and one waits", held)
	}
}

// TestWhoWaitsForAPersonIsInNobodysWay has every signature confirmed that may be
// under way at a time, and one more that needs no person.
func TestWhoWaitsForAPersonIsInNobodysWay(t *testing.T) {
	s, err := New(Config{Open: openNothing})
	must(t, err)
	person := make(chan struct{})
	var waiting, over sync.WaitGroup
	for range maxAtWork {
		waiting.Add(1)
		s.inTurn(func() {
			over.Go(func() {
				defer s.done()
				must(t, s.aside(func() error {
					waiting.Done()
					<-person
					return nil
				}))
			})
		})
	}
	waiting.Wait()
	begun := false
	s.inTurn(func() { begun = true })
	if !begun {
		t.Error("another waits, though those at work wait for a person")
	}
	s.done()
	close(person)
	over.Wait()
	if s.atWork != 0 {
		t.Errorf("%d at work at the end", s.atWork)
	}
}

// TestWhoWaitsIsNotForgotten has a client whose turn does not come for longer
// than it would wait for one that says nothing.
func TestWhoWaitsIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Open: openNothing})
		must(t, err)
		work, cancel := context.WithCancel(t.Context())
		s.work = work
		go s.pulseWaiting(work)
		for range maxAtWork {
			s.inTurn(func() {})
		}
		here, there := net.Pipe()
		s.enter(there)
		var answering sync.WaitGroup
		go s.serve(there, &answering, func() {})
		asked := make(chan error)
		go func() {
			_, err := new(Client).exchange(t.Context(), &wire{conn: here}, &message{Sign: new(signMessage)}, nil, nil)
			asked <- err
		}()
		time.Sleep(10 * quietTime)
		select {
		case err := <-asked:
			t.Errorf("after %v the client gave up: %v", 10*quietTime, err)
		default:
		}
		for range maxAtWork {
			s.done()
		}
		if err := <-asked; err == nil {
			t.Error("an agent without certificates has signed")
		}
		cancel()
		synctest.Wait()
		answering.Wait()
		here.Close()
	})
}

// TestMemoryIsGivenBackAfterABurst looks at when, not at how much.
func TestMemoryIsGivenBackAfterABurst(t *testing.T) {
	s, err := New(Config{Open: openNothing})
	must(t, err)
	s.busy, s.served = time.Minute, burst-1
	if next := s.giveBack(time.Hour); next != 0 || s.served != burst-1 {
		t.Errorf("after few clients: look again in %v, %d served", next, s.served)
	}
	s.served = burst
	if next := s.giveBack(time.Minute + time.Second); next <= 0 || s.served != burst {
		t.Errorf("while it may go on: look again in %v, %d served", next, s.served)
	}
	s.flushing = true
	if next := s.giveBack(time.Hour); next <= 0 || s.served != burst {
		t.Errorf("while a flush runs: look again in %v, %d served", next, s.served)
	}
	s.flushing = false
	if next := s.giveBack(time.Hour); next != 0 || s.served != 0 {
		t.Errorf("after it: look again in %v, %d served", next, s.served)
	}
}

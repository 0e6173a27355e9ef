package agent

import (
	"context"
	"maps"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// How many clients there are. Signatures and logins under way, with goroutines,
// connections to servers and what these answer, are most of the memory that the
// agent takes beside the program itself; to wait for one's turn takes little.
const (
	maxAtWork  = 32   // signatures and logins under way, where no person is waited for
	maxServed  = 128  // clients that are listened to, until they have their answer
	maxWaiting = 1024 // greeted, but not listened to yet
)

// dispatch serves those that wait, no more than maxServed at a time.
func (s *Server) dispatch(waiting <-chan net.Conn, served *sync.WaitGroup) {
	places := make(chan struct{}, maxServed)
	for conn := range waiting {
		places <- struct{}{}
		served.Go(func() { s.serve(conn, served, func() { <-places }) })
	}
}

// inTurn has work begin as soon as few enough signatures and logins are under
// way. Who does it calls done.
func (s *Server) inTurn(begin func()) {
	s.mu.Lock()
	if s.atWork == maxAtWork {
		s.turn = append(s.turn, begin)
		s.mu.Unlock()
		return
	}
	s.atWork++
	s.mu.Unlock()
	begin()
}

// done has the next begin.
func (s *Server) done() {
	s.mu.Lock()
	var next func()
	if len(s.turn) > 0 {
		next = s.turn[0]
		s.turn = slices.Delete(s.turn, 0, 1) // what it was to sign is not kept
	} else {
		s.atWork--
	}
	s.mu.Unlock()
	if next != nil {
		next()
	}
}

// aside does what a person is waited for in, while others work.
func (s *Server) aside(wait func() error) error {
	s.done()
	defer func() {
		again := make(chan struct{})
		s.inTurn(func() { close(again) })
		<-again
	}()
	return wait()
}

// pulseWaiting tells those whose turn has not come that they are not forgotten.
func (s *Server) pulseWaiting(ctx context.Context) {
	ticker := time.NewTicker(pulseTime)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		parked := slices.Collect(maps.Values(s.parked))
		s.mu.Unlock()
		for _, w := range parked {
			_ = w.send(&message{Working: new(workingMessage)}, nil) // who serves it will see
		}
	}
}

// enter, unpark and leave keep account of who is connected: at first they wait,
// then it is their turn.
func (s *Server) enter(conn net.Conn) *wire {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parked[conn] == nil {
		s.parked[conn] = &wire{conn: conn}
	}
	s.conns[conn] = true
	return s.parked[conn]
}

func (s *Server) unpark(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.parked, conn)
}

func (s *Server) leave(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.stoppers, func(w *wire) bool { return w.conn == conn }) {
		_ = conn.Close() // all was said, or the other side is gone
	}
	delete(s.conns, conn)
	delete(s.parked, conn)
	s.busy = s.cfg.Uptime()
	s.served++
}

// stop has the agent end. Who asks is answered when it has: who had to look
// whether it is still there would have a service manager start the next.
func (s *Server) stop(w *wire) {
	s.mu.Lock()
	s.stoppers = append(s.stoppers, w)
	s.mu.Unlock()
	s.once.Do(func() { close(s.halt) })
}

// stopped answers those who asked to stop.
func (s *Server) stopped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.stoppers {
		_ = w.send(&message{Done: new(doneMessage)}, nil) // who has gone needs none
		_ = w.conn.Close()                                // all was said
	}
}

// hangUp closes all connections.
func (s *Server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close() // whoever has it learns it from that
	}
}

// A burst is over when many clients were served, and nothing has happened for a
// while.
const (
	burst     = 64
	burstOver = 2 * time.Second
)

// giveBack gives memory back to the system that a burst has taken. It returns
// when to look again; 0: there was none. The caller holds s.mu.
func (s *Server) giveBack(now time.Duration) time.Duration {
	if s.served < burst {
		return 0
	}
	if rest := s.busy + burstOver - now; len(s.conns) > 0 || s.flushing || rest > 0 {
		return max(rest, burstOver)
	}
	s.served = 0
	go debug.FreeOSMemory()
	return 0
}

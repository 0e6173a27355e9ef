package agent

import (
	"errors"
	"time"
)

// The least and the most time between two looks at what has expired. A machine
// that wakes up, or whose clock is set, has no timer that goes off for it.
const (
	minNap = 10 * time.Millisecond
	maxNap = 15 * time.Second
)

// sweep forgets what has expired, renews what is about to and was in use, and
// says when to look again, and whether the agent has nothing to live for.
func (s *Server) sweep() (next time.Duration, end bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	next = maxNap
	for _, sl := range s.slots {
		if sl.cred != nil && sl.left(now) <= 0 {
			sl.cred.Forget()
			sl.cred = nil
			s.cfg.Log.Info("certificate expired", "subject", sl.key.identity.Subject)
		}
		if s.renewable(sl, now) == 0 {
			sl.session = nil
		}
		if sl.cred == nil && sl.session == nil && sl.renewal == nil {
			s.drop(sl)
			continue
		}
		// Once: a certificate of which nobody makes use is not renewed.
		if early := sl.left(now) - renewEarly; sl.cred != nil && sl.late && sl.session != nil {
			if early <= 0 && now.up >= sl.retry {
				s.renew(sl, now)
			} else {
				next = min(next, max(early, sl.retry-now.up))
			}
		}
		for _, d := range []time.Duration{sl.left(now), s.renewable(sl, now)} {
			if d > 0 {
				next = min(next, d)
			}
		}
	}
	if len(s.slots)+len(s.turns)+len(s.conns) == 0 && !s.flushing {
		rest := s.busy + s.cfg.Grace - now.up
		if rest <= 0 {
			return 0, true
		}
		next = min(next, rest)
	}
	return max(next, minNap), false
}

// idle reports whether the agent has nothing that would be lost with it.
func (s *Server) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.slots)+len(s.turns) == 0
}

// endsIn returns after how much time the agent ends if nobody asks it anything.
// The caller holds s.mu.
func (s *Server) endsIn() time.Duration {
	now := s.clock()
	var last time.Duration
	for _, sl := range s.slots {
		last = max(last, sl.left(now), s.renewable(sl, now))
	}
	return last + s.cfg.Grace
}

// How long to wait until what could not be recorded is tried again.
const (
	firstFlushPause = 5 * time.Second
	lastFlushPause  = 5 * time.Minute
)

// flush begins to record what waits for a log, or has who does begin again.
func (s *Server) flush() error {
	if s.cfg.Flush == nil {
		return errors.New("this agent records nothing that waits for a log")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return errors.New("the agent is ending")
	case s.flusher != nil:
		select {
		case s.flusher <- struct{}{}:
		default: // it was told so already
		}
	default:
		again := make(chan struct{}, 1)
		s.flusher, s.flushing = again, true
		s.background.Go(func() { s.runFlush(again) })
	}
	return nil
}

// runFlush records what waits, until nothing does.
func (s *Server) runFlush(again <-chan struct{}) {
	defer s.poke()
	for pause := s.flushPause; ; pause = min(2*pause, lastFlushPause) {
		err := s.flushOnce()
		s.mu.Lock()
		s.flushing = false
		s.busy = s.cfg.Uptime()
		if err == nil && len(again) == 0 || s.work.Err() != nil {
			s.flusher = nil
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		s.poke()
		if err != nil {
			s.cfg.Log.Warn("not all is recorded that waits for a log", "reason", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-again:
			pause = s.flushPause
		case <-timer.C:
		case <-s.work.Done():
		}
		timer.Stop()
		s.mu.Lock()
		s.flushing = true
		s.mu.Unlock()
	}
}

func (s *Server) flushOnce() error {
	err := errors.New("broken off")
	func() {
		defer s.survive("recording what waits for a log")
		err = s.cfg.Flush(s.work)
	}()
	return err
}

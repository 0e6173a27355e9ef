package agent

import "time"

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
	if rest := s.giveBack(now.up); rest > 0 {
		next = min(next, rest)
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

package agent

import (
	"errors"
	"time"

	"gitseal/signer"
)

// When what was signed is recorded.
const (
	flushQuiet  = time.Second      // without another signature: those of a rebase are recorded together, and not while it runs
	flushLatest = 15 * time.Second // from when it was first to be, however many follow
)

// A lull is how long nothing has to be signed until what waits is recorded, and
// for how long that is waited for.
type lull struct{ quiet, latest time.Duration }

// stampLater is how much longer a certificate has to be valid for a signature to
// go without a time-stamp for now. A flush that begins at the latest within
// flushLatest has to get it before the end, and to be tried again if it does not.
const stampLater = 2 * time.Minute

// ownQueue reports whether what is signed will wait where Flush finds it.
func (s *Server) ownQueue(m *signMessage) bool {
	return s.cfg.Flush != nil && m.Queue != "" && m.Queue == s.cfg.Queue
}

// stampsLater reports whether a signature goes without a time-stamp, too: who
// defers all entries does not want to wait for anybody, and the flush that soon
// begins asks for the time-stamps of all signatures at once. It keeps them
// before it knows what the log answers.
func (s *Server) stampsLater(sl *slot, m *signMessage) bool {
	if signer.Defer(m.Defer) != signer.DeferAlways || !s.ownQueue(m) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return sl.left(s.clock()) >= stampLater
}

// stir tells who waits for a lull that there is none.
func (s *Server) stir() {
	select {
	case s.stirred <- struct{}{}:
	default: // it was told
	}
}

// awaitLull waits until nothing was signed for a while.
func (s *Server) awaitLull() {
	quiet, latest := time.NewTimer(s.lull.quiet), time.NewTimer(s.lull.latest)
	defer quiet.Stop()
	defer latest.Stop()
	for {
		select {
		case <-s.stirred:
			quiet.Reset(s.lull.quiet)
		case <-quiet.C:
			return
		case <-latest.C:
			return
		case <-s.work.Done():
			return
		}
	}
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
	s.awaitLull()
	for pause := s.flushPause; ; pause = min(2*pause, lastFlushPause) {
		err := s.flushOnce()
		s.mu.Lock()
		s.flushing = false
		s.busy = s.cfg.Uptime()
		s.served += burst // it takes as much as many signatures
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
			s.awaitLull()
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
	if err := s.work.Err(); err != nil {
		return err // while it waited for a lull
	}
	err := errors.New("broken off")
	func() {
		defer s.survive("recording what waits for a log")
		err = s.cfg.Flush(s.work)
	}()
	return err
}

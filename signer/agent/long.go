package agent

import (
	"errors"
	"fmt"
	"time"
)

// How many long messages there are at a time, from the first byte until they are
// answered. A commit has 1 kB and an instance 20; what is longer is a rare
// object, or a client that would fill the memory of this machine.
const (
	maxShort = 1 << 18 // bytes of one that is not long
	maxLong  = 2
)

// admit returns what a wire asks before it reads a message of that size, and
// what gives back the place that this may take.
func (s *Server) admit() (admit func(size int) error, release func()) {
	held := false
	return func(size int) error {
			if size <= maxShort {
				return nil
			}
			timer := time.NewTimer(askTime)
			defer timer.Stop()
			select {
			case s.long <- struct{}{}:
				held = true
				return nil
			case <-timer.C:
				return errors.New("too many long messages at a time")
			case <-s.work.Done():
				return s.work.Err()
			}
		}, func() {
			if held {
				<-s.long
			}
		}
}

// admitAnswer admits what a client may say after its request.
func admitAnswer(size int) error {
	if size > maxShort {
		return fmt.Errorf("a message of %d bytes after the request", size)
	}
	return nil
}

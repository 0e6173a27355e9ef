package pending

import (
	"errors"
	"sync"
)

// servers are the services of records, and what is known of them by now.
type servers struct {
	*Services
	log, stampers reach
}

// A reach is whether a server can be reached. Each request to one that cannot
// takes its time, and a push waits for a queue of thousands: when as many in a
// row as are asked at once have not reached it, nobody else tries.
type reach struct {
	most int // how many in a row are enough

	mu     sync.Mutex // guards the fields below
	missed int        // how many in a row have not reached it
	err    error      // why the last of them has not
}

// ask calls f, which asks the server, or returns why it cannot be reached.
func (r *reach) ask(f func() error) error {
	r.mu.Lock()
	missed, err := r.missed, r.err
	r.mu.Unlock()
	if missed >= r.most {
		return err
	}
	err = f()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.missed, r.err = r.missed+1, err; !unreachable(err) {
		r.missed = 0
	}
	return err
}

// unreachable reports whether an error says that a server gave no answer that
// counts.
func unreachable(err error) bool {
	var u interface{ Unreachable() bool }
	return errors.As(err, &u) && u.Unreachable()
}

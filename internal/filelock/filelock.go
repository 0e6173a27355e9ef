// Package filelock waits for file locks no longer than it is worth waiting.
package filelock

import (
	"context"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Lock waits until nobody else has the lock that is a file, and no longer than
// ctx: whoever may open the file can keep it for ever. The error is then the
// cause of ctx. Who died with a lock has it no more.
func Lock(ctx context.Context, name string) (unlock func(), err error) {
	type held struct {
		unlock func()
		err    error
	}
	got := make(chan held, 1)
	go func() {
		unlock, err := lockedfile.MutexAt(name).Lock()
		got <- held{unlock, err}
	}()
	select {
	case h := <-got:
		return h.unlock, h.err
	case <-ctx.Done():
		go func() {
			if h := <-got; h.err == nil {
				h.unlock()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

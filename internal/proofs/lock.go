package proofs

import (
	"context"
	"fmt"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// lock waits until nobody else has the lock, and no longer than ctx: whoever may
// write to a repository can keep it for ever. Who died with it has it no more.
func lock(ctx context.Context, name string) (unlock func(), err error) {
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
		return nil, fmt.Errorf("waiting for who else keeps proofs there: %w", context.Cause(ctx))
	}
}

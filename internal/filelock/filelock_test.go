package filelock

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
)

func TestLockEndsWithItsContext(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	synctest.Test(t, func(t *testing.T) { // does not end before the last one has given it back
		unlock, err := Lock(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		cause := errors.New("no more time")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if _, err := Lock(ctx, name); err != cause {
			t.Errorf("of a lock that is held: error %v, want %v", err, cause)
		}
		// Who gave up gets it, and gives it back.
		unlock()
		unlock, err = Lock(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		unlock()
	})
}

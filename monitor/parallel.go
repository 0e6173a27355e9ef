package monitor

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// maxRequests bounds how many questions are asked of one log at a time.
const maxRequests = 8

// parallel calls do for 0 to n-1, at most maxRequests at a time. After an
// error no more are begun. Of several errors it returns that of the lowest
// number, a *mismatch before any other: that some questions were not answered
// takes nothing from a contradiction. progress, if it is not nil, is told how
// many calls are over, by one goroutine at a time.
func parallel(ctx context.Context, n int, progress func(done, total int), do func(ctx context.Context, i int) error) error {
	errs := make([]error, n)
	var mu sync.Mutex // guards done, and progress
	done := 0
	over := func() {
		if progress != nil {
			mu.Lock()
			defer mu.Unlock()
			done++
			progress(done, n)
		}
	}
	var next atomic.Int64
	var failed atomic.Bool
	var running sync.WaitGroup
	for range min(n, maxRequests) {
		running.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[i] = do(ctx, i); errs[i] != nil {
					failed.Store(true)
				}
				over()
			}
		})
	}
	running.Wait()
	var first error
	for _, err := range errs {
		if wrong := (*mismatch)(nil); errors.As(err, &wrong) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

package pending

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"gitseal/fakeca"
	"gitseal/verifier"
)

// TestParallel has a log that answers nobody before a number of them ask.
func TestParallel(t *testing.T) {
	for _, tt := range []struct{ parallel, want int }{{0, 16}, {3, 3}, {1, 1}} {
		r := newRig(t, fakeca.RekorV1)
		var payloads []string
		for i := range 2*tt.want + 1 {
			payloads = append(payloads, fmt.Sprint(i))
		}
		r.queued(t, true, payloads...)
		var mu sync.Mutex
		asking, most := 0, 0
		enough := make(chan struct{})
		r.add = func(entry []byte) ([]byte, error) {
			if entry != nil {
				mu.Lock()
				defer mu.Unlock()
				asking--
				return entry, nil
			}
			mu.Lock()
			asking++
			most = max(most, asking)
			if asking == tt.want {
				select {
				case <-enough:
				default:
					close(enough)
				}
			}
			mu.Unlock()
			<-enough
			return nil, nil
		}
		cfg := r.config()
		cfg.Parallel = tt.parallel
		if f, err := r.queue.Flush(t.Context(), cfg); err != nil || len(f.Recorded) != len(payloads) || most != tt.want {
			t.Errorf("Parallel %d: %v, %d recorded, %d at once, want %d", tt.parallel, err, len(f.Recorded), most, tt.want)
		}
	}
}

// TestProofsAreKeptTogether has a slow repository: what is recorded meanwhile is
// kept in one go for each.
func TestProofsAreKeptTogether(t *testing.T) {
	r := newRig(t, fakeca.RekorV1)
	records, _ := r.queued(t, true, "1", "2", "3", "4")
	for i, where := range []string{"/a", "/a", "", "/a"} {
		records[i].Repository = where
	}
	root, err := r.queue.open(false)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f := &flush{FlushConfig: r.config(), root: root, servers: make(map[*Services]*servers)}
	f.Parallel = 1 // in order
	asked, keeping := 0, make(chan struct{})
	r.add = func(entry []byte) ([]byte, error) {
		if entry == nil {
			if asked++; asked == 2 {
				<-keeping // or two would be the first to be kept
			}
		}
		return entry, nil
	}
	var kept []string
	keep := f.Keep
	f.Keep = func(ctx context.Context, repository string, more map[[32]byte][]verifier.Proof) error {
		if len(kept) == 0 {
			close(keeping)
			for len(f.done) < 3 {
				runtime.Gosched()
			}
		}
		kept = append(kept, fmt.Sprintf("%d for %q", len(more), repository))
		return keep(ctx, repository, more)
	}
	for _, rec := range records {
		f.add(rec)
	}
	f.run(t.Context())
	if want := []string{`1 for "/a"`, `2 for "/a"`, `1 for ""`}; !slices.Equal(kept, want) {
		t.Errorf("kept %q, want %q", kept, want)
	}
	if out := f.flushed(nil); len(out.Recorded) != 4 || len(r.kept) != 4 {
		t.Errorf("%d recorded, %d kept, want 4", len(out.Recorded), len(r.kept))
	}
	wantQueue(t, "after", r.queue)
}

// TestFlushWaitsForAnother has a flush within which another one begins, and a
// signature is made.
func TestFlushWaitsForAnother(t *testing.T) {
	r := newRig(t, fakeca.RekorV1)
	r.queued(t, true, "one")
	late, _ := r.sign(t, true, "two")
	var second *Flushed
	var secondErr error
	var wg sync.WaitGroup
	cfg := r.config()
	keep := cfg.Keep
	cfg.Keep = func(ctx context.Context, repository string, more map[[32]byte][]verifier.Proof) error {
		if second == nil && len(r.kept) == 0 {
			// Who does not want to wait says so.
			impatient, cancel := context.WithCancel(ctx)
			cancel()
			if f, err := r.queue.Flush(impatient, cfg); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "waiting for another flush") {
				t.Errorf("Flush beside another = %v, %v, want that it does not wait", f, err)
			}
			wg.Go(func() { second, secondErr = r.queue.Flush(t.Context(), r.config()) })
			if err := r.queue.Add(late[0]); err != nil {
				t.Errorf("Add beside a flush: %v", err)
			}
		}
		return keep(ctx, repository, more)
	}
	f, err := r.queue.Flush(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if secondErr != nil || len(f.Recorded) != 1 || len(second.Recorded) != 1 || second.Recorded[0].Key() != late[0].Key() {
		t.Errorf("first %+v, second %+v, %v, want one recorded by each", f, second, secondErr)
	}
	wantQueue(t, "after", r.queue)
}

package pending

import (
	"errors"
	"fmt"
	"testing"

	"gitseal/fakeca"
	"gitseal/signer"
)

// TestServersOutOfReachAreNotAskedForEach has many signatures wait for a log, and
// for time-stamps, that cannot be had: a push waits for the flush.
func TestServersOutOfReachAreNotAskedForEach(t *testing.T) {
	const n = 5
	var payloads []string
	for i := range n {
		payloads = append(payloads, fmt.Sprint(i))
	}
	for _, tt := range []struct {
		name            string
		log, stamps     error
		logged, stamped int // requests
		recorded        int
	}{
		{"nothing", nil, nil, n, n, n},
		{"the log", errGone, nil, 1, n, 0},
		{"time-stamps", nil, errGone, n, 1, n},
		{"both", errGone, errGone, 1, 1, 0},
		{"a log that refuses", errors.New("it says no"), nil, n, n, 0},
	} {
		r := newRig(t, fakeca.RekorV1)
		r.queued(t, false, payloads...)
		logged := 0
		r.add = func(entry []byte) ([]byte, error) {
			if entry == nil {
				logged++
			}
			return entry, tt.log
		}
		r.stamp = func(token []byte) ([]byte, error) { return token, tt.stamps }
		cfg := r.config()
		services := &Services{r, []signer.Timestamper{r}, r.v}
		cfg.Services = func(*Record) (*Services, error) { return services, nil }
		cfg.Parallel = 1
		f, err := r.queue.Flush(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if logged != tt.logged || r.asked != tt.stamped || len(f.Recorded) != tt.recorded || len(f.Failed) != n-tt.recorded {
			t.Errorf("%s out of reach: %d requests to the log, %d for time-stamps, %d recorded; want %d, %d, %d",
				tt.name, logged, r.asked, len(f.Recorded), tt.logged, tt.stamped, tt.recorded)
		}
		for _, one := range f.Failed {
			if !errors.Is(one.Err, tt.log) {
				t.Errorf("%s out of reach: failed for %v, want %v", tt.name, one.Err, tt.log)
			}
		}
	}
}

// TestReachIsInARow has requests of which some reach the server.
func TestReachIsInARow(t *testing.T) {
	r := &reach{most: 2}
	asked := 0
	for i, err := range []error{errGone, nil, errGone, errors.New("it says no"), errGone, errGone, nil, nil} {
		got := r.ask(func() error { asked++; return err })
		if want := min(i+1, 6); asked != want {
			t.Errorf("after %d requests %d were made, want %d", i+1, asked, want)
		}
		if i >= 6 && got != errGone {
			t.Errorf("request %d: %v, want why the one before failed", i, got)
		}
	}
}

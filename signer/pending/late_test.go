package pending

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
	"gitseal/verifier"
)

// TestTimeStampOutOfReach: the entry of a Rekor v1 log tells a time by itself,
// that of a Rekor v2 log has to wait for the time-stamp.
func TestTimeStampOutOfReach(t *testing.T) {
	for _, generation := range generations {
		r := newRig(t, generation)
		records, armored := r.queued(t, false, "one")
		r.stamp = func([]byte) ([]byte, error) { return nil, fmt.Errorf("asking: %w", errGone) }
		f := r.flush(t)
		if generation == fakeca.RekorV1 {
			r.wantProof(t, "Rekor v1", "one", armored[0], 0)
			continue
		}
		if err := wantFailures(t, "Rekor v2", f, 1, 0); !strings.Contains(err.Error(), "nothing proves a time") || !strings.Contains(err.Error(), "getting a time-stamp: asking: nobody answers") {
			t.Errorf("Rekor v2: failed for %v, want both causes", err)
		}
		wantQueue(t, "Rekor v2", r.queue, records...)
	}
}

// TestTimeStampSavesARecord has a log that is out of reach until the
// certificate has expired. The time-stamp of the first flush is used by the
// last.
func TestTimeStampSavesARecord(t *testing.T) {
	for _, generation := range generations {
		r := newRig(t, generation)
		_, armored := r.queued(t, false, "one")
		r.add = func([]byte) ([]byte, error) { return nil, errGone }
		for range 2 {
			wantFailures(t, "without a log", r.flush(t), 1, 0)
		}
		r.expire()
		wantFailures(t, "expired, without a log", r.flush(t), 1, 0)
		r.add = nil
		if f := r.flush(t); len(f.Recorded) != 1 || r.asked != 1 {
			t.Errorf("%v: %+v with %d time-stamps asked for, want one recorded with one", generation, f, r.asked)
		}
		r.wantProof(t, generation.String(), "one", armored[0], 1)
		wantQueue(t, generation.String(), r.queue)
	}
}

// TestStampedCanWait has records with the time-stamp in the signature.
func TestStampedCanWait(t *testing.T) {
	for _, generation := range generations {
		r := newRig(t, generation)
		_, armored := r.queued(t, true, "one")
		r.expire()
		if f := r.flush(t); len(f.Recorded) != 1 || r.asked != 0 {
			t.Errorf("%v: %+v with %d time-stamps asked for, want one recorded with none", generation, f, r.asked)
		}
		r.wantProof(t, generation.String(), "one", armored[0], 0)
	}
}

// TestLost has records that nothing can prove a time of any more. They stay, and
// nobody is asked for a time-stamp that proves nothing.
func TestLost(t *testing.T) {
	for _, generation := range generations {
		r := newRig(t, generation)
		records, _ := r.queued(t, false, "one")
		r.expire()
		for range 2 {
			err := wantFailures(t, generation.String(), r.flush(t), 0, 1)
			if !strings.Contains(err.Error(), "the certificate expired at 2") || r.asked > 0 || len(r.kept) > 0 {
				t.Errorf("%v: lost for %v, %d time-stamps asked for, %d proofs kept", generation, err, r.asked, len(r.kept))
			}
			wantQueue(t, generation.String(), r.queue, records...)
		}
	}
}

// TestLateIsNotLost has records whose certificate expired and of which it is
// not certain that they are lost.
func TestLateIsNotLost(t *testing.T) {
	// The log has it: a flush was killed before the proof was kept.
	r := newRig(t, fakeca.RekorV1)
	_, armored := r.queued(t, false, "one")
	r.stamp = func([]byte) ([]byte, error) { return nil, errGone }
	r.keep = func(string, map[[32]byte][]verifier.Proof) error { return errors.New("no room") }
	wantFailures(t, "not kept", r.flush(t), 1, 0)
	r.expire()
	r.keep = nil
	if f := r.flush(t); len(f.Recorded) != 1 {
		t.Errorf("in the log since before the end: %+v, want it recorded", f)
	}
	r.wantProof(t, "in the log since before the end", "one", armored[0], 0)

	for _, generation := range generations {
		for name, add := range map[string]func([]byte) ([]byte, error){
			"log out of reach": func([]byte) ([]byte, error) { return nil, errGone },
			"answer is wrong": func(e []byte) ([]byte, error) {
				return spoilt(e, func(e *tlog.Entry) { e.Proof.Hashes = append(e.Proof.Hashes, [32]byte{}) }), nil
			},
			"entry is another log's": func(e []byte) ([]byte, error) {
				return spoilt(e, func(e *tlog.Entry) { e.LogID = make([]byte, len(e.LogID)) }), nil
			},
		} {
			r := newRig(t, generation)
			r.queued(t, false, "one")
			r.expire()
			r.add = add
			wantFailures(t, fmt.Sprintf("%v, %s", generation, name), r.flush(t), 1, 0)
		}
	}
}

// TestWithoutAuthorities has nobody to ask for a time-stamp, which may change
// while the certificate is valid.
func TestWithoutAuthorities(t *testing.T) {
	r := newRig(t, fakeca.RekorV2)
	r.queued(t, false, "one")
	cfg := r.config()
	cfg.Services = func(*Record) (*Services, error) { return &Services{r, nil, r.v}, nil }
	f, err := r.queue.Flush(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := wantFailures(t, "in time", f, 1, 0); !strings.Contains(err.Error(), "nothing proves a time") {
		t.Errorf("failed for %v, want that nothing proves a time", err)
	}
	if f := r.flush(t); len(f.Recorded) != 1 {
		t.Errorf("with an authority: %+v, want it recorded", f)
	}
}

// TestStaleRootIsNoLoss has an entry that came in time, of a log whose key is not
// trusted yet: that is for another trusted root to change.
func TestStaleRootIsNoLoss(t *testing.T) {
	r := newRig(t, fakeca.RekorV1)
	records, _ := r.queued(t, false, "one")
	if _, err := r.Add(t.Context(), sha256.Sum256(records[0].SignedAttributes), records[0].Signature, records[0].Certificate); err != nil {
		t.Fatal(err)
	}
	root, err := trust.Parse(r.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	stale := *root
	stale.TLogs = slices.Clone(root.TLogs)
	stale.TLogs[0].ValidFor.Start = r.time().Add(time.Minute)
	text, err := stale.Marshal()
	if err == nil {
		root, err = trust.Parse(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	good := r.v
	if r.v, err = verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}}); err != nil {
		t.Fatal(err)
	}
	r.expire()
	if err := wantFailures(t, "stale", r.flush(t), 1, 0); !strings.Contains(err.Error(), "is not trusted at") {
		t.Errorf("failed for %v, want that the log's key is not trusted", err)
	}
	r.v = good
	if f := r.flush(t); len(f.Recorded) != 1 {
		t.Errorf("with the right root: %+v, want it recorded", f)
	}
}

// TestExpiresMeanwhile has a certificate that expires between the look at the
// clock and the time-stamp.
func TestExpiresMeanwhile(t *testing.T) {
	r := newRig(t, fakeca.RekorV2)
	r.queued(t, false, "one")
	cfg := r.config()
	now := r.time()
	cfg.Now = func() time.Time { return now }
	r.expire()
	f, err := r.queue.Flush(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := wantFailures(t, "first", f, 1, 0); !strings.Contains(err.Error(), "after the certificate's end") {
		t.Errorf("failed for %v, want the late time-stamp", err)
	}
	wantFailures(t, "then", r.flush(t), 0, 1)
}

// TestTimeStampBeforeTheCertificate has an authority whose clock is slow. Its
// time-stamp would spoil the record for good.
func TestTimeStampBeforeTheCertificate(t *testing.T) {
	r := newRig(t, fakeca.RekorV2)
	r.wait(10 * time.Minute)
	records, armored := r.queued(t, false, "one")
	r.wait(-5 * time.Minute)
	if err := wantFailures(t, "slow", r.flush(t), 1, 0); !strings.Contains(err.Error(), "before the certificate's beginning") {
		t.Errorf("failed for %v, want the early time-stamp", err)
	}
	wantQueue(t, "slow", r.queue, records...)
	r.wait(5 * time.Minute)
	if f := r.flush(t); len(f.Recorded) != 1 {
		t.Errorf("with the right time: %+v, want it recorded", f)
	}
	r.wantProof(t, "with the right time", "one", armored[0], 1)
}

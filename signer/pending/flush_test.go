package pending

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/internal/tlog"
	"gitseal/signer"
	"gitseal/verifier"
)

var generations = []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1}

func TestFlushRecordsAll(t *testing.T) {
	for _, generation := range generations {
		for _, stamped := range []bool{true, false} {
			name := fmt.Sprintf("%v, stamped %v", generation, stamped)
			r := newRig(t, generation)
			payloads := []string{"one", "two", "three"}
			records, armored := r.queued(t, stamped, payloads...)
			f := r.flush(t)
			if len(f.Recorded) != 3 || len(f.Failed)+len(f.Lost)+len(f.Bad) > 0 {
				t.Fatalf("%s: %+v, want three recorded", name, f)
			}
			wantQueue(t, name, r.queue)
			stamps := 0
			if !stamped {
				stamps = 1
			}
			for i, payload := range payloads {
				if f.Recorded[i].Key() != records[i].Key() {
					t.Errorf("%s: record %d is out of order", name, i)
				}
				r.wantProof(t, name, payload, armored[i], stamps)
				entry, err := tlog.ParseEntry(r.kept[records[i].Key()][0].Entry)
				if err != nil || entry.CanonicalizedBody != nil {
					t.Errorf("%s: kept is %+v, %v, want an entry without its body", name, entry, err)
				}
			}
			if r.asked != 3*stamps {
				t.Errorf("%s: %d time-stamps asked for, want %d", name, r.asked, 3*stamps)
			}
		}
	}
}

func TestFlushLeavesWhatIsNotSelected(t *testing.T) {
	r := newRig(t, fakeca.RekorV2)
	records, _ := r.queued(t, true, "one", "two")
	cfg := r.config()
	cfg.Select = func(all []*Record) ([]*Record, error) { return all[1:], nil }
	if f, err := r.queue.Flush(t.Context(), cfg); err != nil || len(f.Recorded) != 1 || len(f.Failed) > 0 {
		t.Errorf("Flush = %+v, %v, want one recorded", f, err)
	}
	errNo := errors.New("it cannot be told")
	cfg.Select = func(all []*Record) ([]*Record, error) { return all, errNo }
	if f, err := r.queue.Flush(t.Context(), cfg); !errors.Is(err, errNo) {
		t.Errorf("Flush = %+v, %v, want that nothing was selected", f, err)
	}
	wantQueue(t, "after", r.queue, records[0])
}

// TestWhatFailsIsTriedAgain has one thing wrong at a time: nothing is kept, the
// record stays, and the next flush, when nothing is wrong, records it.
func TestWhatFailsIsTriedAgain(t *testing.T) {
	errNo := errors.New("it says no")
	for _, generation := range generations {
		other := newRig(t, generation)
		_, strangers := other.sign(t, true, "one")
		for _, tt := range []struct {
			name  string
			spoil func(*rig, *FlushConfig)
			want  string
		}{
			{"log out of reach", func(r *rig, _ *FlushConfig) { r.add = func([]byte) ([]byte, error) { return nil, errGone } }, "recording the signature in the log: nobody answers"},
			{"log refuses", func(r *rig, _ *FlushConfig) { r.add = func([]byte) ([]byte, error) { return nil, errNo } }, "it says no"},
			{"answer that is none", func(r *rig, _ *FlushConfig) {
				r.add = func(e []byte) ([]byte, error) { return e[:len(e)/2], nil }
			}, "reading the log's answer"},
			{"entry that proves nothing", func(r *rig, _ *FlushConfig) {
				r.add = func(e []byte) ([]byte, error) {
					return spoilt(e, func(e *tlog.Entry) { e.Proof, e.Promise = nil, nil }), nil
				}
			}, "checking the log's answer"},
			{"entry of another log", func(_ *rig, cfg *FlushConfig) {
				services := cfg.Services
				cfg.Services = func(rec *Record) (*Services, error) {
					s, err := services(rec)
					return &Services{other, s.Timestampers, s.Verifier}, err
				}
			}, "not in the trusted root"},
			{"time-stamp refused", func(r *rig, _ *FlushConfig) { r.stamp = func([]byte) ([]byte, error) { return nil, errNo } }, "getting a time-stamp: it says no"},
			{"time-stamp that is none", func(r *rig, _ *FlushConfig) { r.stamp = func(b []byte) ([]byte, error) { return b[1:], nil } }, "getting a time-stamp"},
			{"time-stamp of another", func(r *rig, _ *FlushConfig) {
				r.stamp = func([]byte) ([]byte, error) { return r.Authority.Timestamp(t.Context(), [32]byte{1}) }
			}, "of another signature"},
			{"time-stamp by another", func(_ *rig, cfg *FlushConfig) {
				services := cfg.Services
				cfg.Services = func(rec *Record) (*Services, error) {
					s, err := services(rec)
					return &Services{s.Log, []signer.Timestamper{other}, s.Verifier}, err
				}
			}, "not by a time-stamp authority"},
			{"verifier of another instance", func(_ *rig, cfg *FlushConfig) {
				services := cfg.Services
				cfg.Services = func(rec *Record) (*Services, error) {
					s, err := services(rec)
					return &Services{s.Log, nil, other.v}, err
				}
			}, "checking the log's answer"},
			{"no services", func(_ *rig, cfg *FlushConfig) { cfg.Services = func(*Record) (*Services, error) { return nil, errNo } }, "it says no"},
			{"half of the services", func(r *rig, cfg *FlushConfig) {
				cfg.Services = func(*Record) (*Services, error) { return &Services{Log: r}, nil }
			}, "no log or no verifier"},
			{"none of the services", func(_ *rig, cfg *FlushConfig) {
				cfg.Services = func(*Record) (*Services, error) { return nil, nil }
			}, "no log or no verifier"},
			{"proof not kept", func(r *rig, _ *FlushConfig) {
				r.keep = func(string, map[[32]byte][]verifier.Proof) error { return errNo }
			}, "it says no"},
		} {
			name := fmt.Sprintf("%v, %s", generation, tt.name)
			r := newRig(t, generation)
			_, armored := r.queued(t, false, "one")
			cfg := r.config()
			tt.spoil(r, &cfg)
			f, err := r.queue.Flush(t.Context(), cfg)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := wantFailures(t, name, f, 1, 0); !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: failed for %v, want %q", name, err, tt.want)
			}
			if len(r.kept) > 0 {
				t.Errorf("%s: a proof was kept", name)
			}
			r.add, r.stamp, r.keep = nil, nil, nil
			if f := r.flush(t); len(f.Recorded) != 1 {
				t.Errorf("%s: flushed again, %+v", name, f)
			}
			r.wantProof(t, name, "one", armored[0], 1)
		}
		if _, err := other.v.Verify([]byte("one"), strangers[0], verifier.AnyIdentity{}); err == nil {
			t.Error("a signature that was not recorded verifies")
		}
	}
}

// spoilt returns an entry that is changed.
func spoilt(pb []byte, change func(*tlog.Entry)) []byte {
	if pb == nil {
		return nil
	}
	e, err := tlog.ParseEntry(pb)
	if err != nil {
		panic(err)
	}
	change(e)
	return e.Marshal()
}

func TestFlushBrokenOff(t *testing.T) {
	r := newRig(t, fakeca.RekorV1)
	records, _ := r.queued(t, true, "one", "two")
	ctx, cancel := context.WithCancel(t.Context())
	r.add = func(entry []byte) ([]byte, error) {
		cancel()
		return entry, ctx.Err()
	}
	f, err := r.queue.Flush(ctx, r.config())
	if err != nil || len(f.Failed) != 2 {
		t.Fatalf("Flush = %+v, %v, want both failed", f, err)
	}
	for _, one := range f.Failed {
		if !errors.Is(one.Err, context.Canceled) {
			t.Errorf("failed for %v, want that it was cancelled", one.Err)
		}
	}
	wantQueue(t, "after", r.queue, records...)
}

func TestFlushNeedsServicesAndKeep(t *testing.T) {
	r := newRig(t, fakeca.RekorV1)
	for _, cfg := range []FlushConfig{{}, {Services: r.config().Services}, {Keep: r.config().Keep}} {
		if f, err := r.queue.Flush(t.Context(), cfg); err == nil || f != nil {
			t.Errorf("Flush = %v, %v, want an error", f, err)
		}
	}
}

// TestRecordThatWasForgotten has one removed while it gets its time-stamp: it
// does not come back.
func TestRecordThatWasForgotten(t *testing.T) {
	r := newRig(t, fakeca.RekorV2)
	records, _ := r.queued(t, false, "one")
	r.add = func([]byte) ([]byte, error) { return nil, errGone }
	r.stamp = func(token []byte) ([]byte, error) { return token, r.queue.Remove(records[0]) }
	wantFailures(t, "forgotten", r.flush(t), 1, 0)
	wantQueue(t, "forgotten", r.queue)
}

// TestServicesAreAskedInOrder: once for each record, as it was made.
func TestServicesAreAskedInOrder(t *testing.T) {
	r := newRig(t, fakeca.RekorV1)
	records, _ := r.sign(t, true, "1", "2", "3")
	for i := range records {
		if err := r.queue.Add(records[len(records)-1-i]); err != nil {
			t.Fatal(err)
		}
	}
	var asked []*Record
	cfg := r.config()
	services := cfg.Services
	cfg.Services = func(rec *Record) (*Services, error) { asked = append(asked, rec); return services(rec) }
	if _, err := r.queue.Flush(t.Context(), cfg); err != nil || !reflect.DeepEqual(asked, records) {
		t.Errorf("asked for %d services, %v, want them in the order of %d records", len(asked), err, len(records))
	}
}

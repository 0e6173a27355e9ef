package pending

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/signer"
	"gitseal/verifier"
)

// A rig is an authority, a clock, and a queue of what was signed with them.
type rig struct {
	*fakeca.Authority
	v     *verifier.Verifier
	queue Queue

	mu     sync.Mutex
	now    time.Time         // guarded by mu
	logged map[string][]byte // by signature: a log takes each once. Guarded by mu
	asked  int               // time-stamps. Guarded by mu

	add   func(entry []byte) ([]byte, error) // nil: as it is
	stamp func(token []byte) ([]byte, error)

	keep func(repository string, more map[[32]byte][]verifier.Proof) error // nil: keeps them
	kept map[[32]byte][]verifier.Proof                                     // written under mu
}

var errGone = gone{}

// gone is what a server that is out of reach leaves.
type gone struct{}

func (gone) Error() string     { return "nobody answers" }
func (gone) Unreachable() bool { return true }

func newRig(t testing.TB, generation fakeca.Generation) *rig {
	t.Helper()
	r := &rig{
		queue: Queue{filepath.Join(t.TempDir(), "state", "pending")}, now: time.Now(),
		logged: make(map[string][]byte), kept: make(map[[32]byte][]verifier.Proof),
	}
	a, err := fakeca.New(fakeca.Config{Log: generation, Clock: r.time})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	r.Authority = a
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	if err == nil {
		r.v, err = verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) time() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) wait(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// expire makes the certificates of what was signed so far expire.
func (r *rig) expire() { r.wait(time.Hour) }

// Add is the log: who adds what is in it gets that entry.
func (r *rig) Add(ctx context.Context, digest [32]byte, signature, certificate []byte) ([]byte, error) {
	if r.add != nil {
		if _, err := r.add(nil); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	entry := r.logged[string(signature)]
	r.mu.Unlock()
	if entry == nil {
		var err error
		if entry, err = r.Authority.Add(ctx, digest, signature, certificate); err != nil {
			return nil, err
		}
		r.mu.Lock()
		r.logged[string(signature)] = entry
		r.mu.Unlock()
	}
	if r.add != nil {
		return r.add(entry)
	}
	return entry, nil
}

func (r *rig) Timestamp(ctx context.Context, imprint [32]byte) ([]byte, error) {
	r.mu.Lock()
	r.asked++
	r.mu.Unlock()
	token, err := r.Authority.Timestamp(ctx, imprint)
	if err == nil && r.stamp != nil {
		return r.stamp(token)
	}
	return token, err
}

type tokens struct{ a *fakeca.Authority }

func (t tokens) Token(ctx context.Context) (string, error) {
	return t.a.Token(ctx, "alice@example.com")
}

// sign signs payloads with one certificate and returns their records, in the
// order in which they were made, and the signatures.
func (r *rig) sign(t testing.TB, stamped bool, payloads ...string) (records []*Record, armored [][]byte) {
	t.Helper()
	cfg := signer.Config{Tokens: tokens{r.Authority}, CA: r.Authority, Logs: []signer.Log{r.Authority}, Verifier: r.v,
		Defer: signer.DeferAlways, Now: r.time}
	if stamped {
		cfg.Timestampers = []signer.Timestamper{r.Authority}
	}
	s, err := signer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := s.NewCredential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, payload := range payloads {
		sig, err := s.SignWith(t.Context(), cred, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		p := sig.Pending
		if !stamped {
			p.Timestamps = nil // as it is read
		}
		records = append(records, &Record{
			Made: r.time().UTC().Add(time.Duration(i)), Instance: "/some\xffwhere", Repository: filepath.Join(t.TempDir(), "a\xffb"),
			Object:           "commit 0123456789012345678901234567890123456789",
			SignedAttributes: p.SignedAttributes, Signature: p.Signature, Certificate: p.Certificate, Timestamps: p.Timestamps,
		})
		armored = append(armored, sig.Armored)
	}
	return records, armored
}

// queued is sign, and has the records in the queue.
func (r *rig) queued(t testing.TB, stamped bool, payloads ...string) (records []*Record, armored [][]byte) {
	t.Helper()
	records, armored = r.sign(t, stamped, payloads...)
	for _, rec := range records {
		if err := r.queue.Add(rec); err != nil {
			t.Fatal(err)
		}
	}
	return records, armored
}

// config returns what everything is done with.
func (r *rig) config() FlushConfig {
	return FlushConfig{
		Services: func(*Record) (*Services, error) { return &Services{r, []signer.Timestamper{r}, r.v}, nil },
		Keep: func(_ context.Context, repository string, more map[[32]byte][]verifier.Proof) error {
			if r.keep != nil {
				if err := r.keep(repository, more); err != nil {
					return err
				}
			}
			r.mu.Lock() // two flushes take turns by a file, of which the race detector knows nothing
			defer r.mu.Unlock()
			for key, proofs := range more {
				r.kept[key] = append(r.kept[key], proofs...)
			}
			return nil
		},
		Now: r.time,
	}
}

func (r *rig) flush(t testing.TB) *Flushed {
	t.Helper()
	f, err := r.queue.Flush(t.Context(), r.config())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// wantQueue checks that the queue has those records and no bad file.
func wantQueue(t testing.TB, name string, q Queue, want ...*Record) {
	t.Helper()
	got, bad, err := q.List()
	if err != nil || len(bad) > 0 || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("%s: the queue has %d records, bad %v, %v, want those %d", name, len(got), bad, err, len(want))
	}
}

// wantProof checks that what was kept for a signature is one proof of it.
func (r *rig) wantProof(t testing.TB, name, payload string, armored []byte, stamps int) {
	t.Helper()
	key, err := verifier.ProofKey(armored)
	if err != nil {
		t.Fatal(err)
	}
	proofs := r.kept[key]
	if len(proofs) != 1 || len(proofs[0].Timestamps) != stamps {
		t.Fatalf("%s: %d proofs kept, want one with %d time-stamps: %v", name, len(proofs), stamps, proofs)
	}
	if _, err := r.v.VerifyDetached([]byte(payload), armored, verifier.Detached{Proofs: proofs}, verifier.AnyIdentity{}); err != nil {
		t.Errorf("%s: with its proof: %v", name, err)
	}
}

// wantFailures checks that there is one failure, of that kind.
func wantFailures(t testing.TB, name string, f *Flushed, failed, lost int) error {
	t.Helper()
	if len(f.Recorded) != 0 || len(f.Failed) != failed || len(f.Lost) != lost || len(f.Bad) != 0 {
		t.Fatalf("%s: recorded %d, failed %v, lost %v, bad %v, want %d failed and %d lost", name, len(f.Recorded), f.Failed, f.Lost, f.Bad, failed, lost)
	}
	for _, one := range append(f.Failed, f.Lost...) {
		return one.Err
	}
	return errors.New("none")
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

package sigstore_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"gitseal/internal/tlog"
	"gitseal/signer"
	"gitseal/signer/pending"
	"gitseal/signer/sigstore"
	"gitseal/verifier"
)

// TestStackRecordsLater signs without the log and has the signatures recorded
// later, twice: the first flush ends when the logs have them and nobody has kept
// what they say. What is kept in the end is for sigstore-go to judge too.
func TestStackRecordsLater(t *testing.T) {
	s := newStack(t)
	oracle := newOracle(t, s.rootJSON)
	issuer := s.env["STACK_OIDC_ISSUER"]
	for _, version := range []uint32{1, 2} {
		for _, stamped := range []bool{true, false} {
			name := fmt.Sprintf("Rekor v%d, stamped %v", version, stamped)
			in, err := sigstore.New(sigstore.Config{Client: s.client, Signing: s.only(version), TrustedRoot: s.root})
			if err != nil {
				t.Fatal(err)
			}
			cfg := signer.Config{Tokens: mint{s, alice, ""}, CA: in.CA(), Logs: in.Logs(), Verifier: s.verifier, Audience: "sigstore", Defer: signer.DeferAlways}
			if stamped {
				cfg.Timestampers = in.Timestampers()
			}
			sg, err := signer.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			cred, err := sg.NewCredential(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			queue := pending.Queue{Dir: filepath.Join(t.TempDir(), "pending")}
			made := make(map[[32]byte]*signer.Signature)
			for i := range 20 {
				sig, err := sg.SignWith(t.Context(), cred, fmt.Append(nil, i))
				if err != nil {
					t.Fatal(err)
				}
				p := sig.Pending
				rec := &pending.Record{Made: time.Now(), Instance: "stack", SignedAttributes: p.SignedAttributes, Signature: p.Signature, Certificate: p.Certificate, Timestamps: p.Timestamps}
				if err := queue.Add(rec); err != nil {
					t.Fatal(err)
				}
				made[rec.Key()] = sig
			}
			kept, again := make(map[[32]byte]verifier.Proof), make(map[[32]byte]int64)
			keep := func(_ context.Context, _ string, more map[[32]byte][]verifier.Proof) error {
				for key, proofs := range more {
					again[key] = indexOf(t, proofs[0])
				}
				return errors.New("killed")
			}
			flush := pending.FlushConfig{
				Services: func(*pending.Record) (*pending.Services, error) {
					return &pending.Services{Log: in.Logs()[0], Timestampers: in.Timestampers(), Verifier: s.verifier}, nil
				},
				Keep: func(ctx context.Context, repository string, more map[[32]byte][]verifier.Proof) error {
					return keep(ctx, repository, more)
				},
			}
			if f, err := queue.Flush(t.Context(), flush); err != nil || len(f.Failed) != len(made) || len(again) != len(made) {
				t.Fatalf("%s: %+v, %v, want all recorded and none kept", name, f, err)
			}
			keep = func(_ context.Context, _ string, more map[[32]byte][]verifier.Proof) error {
				for key, proofs := range more {
					kept[key] = proofs[0]
				}
				return nil
			}
			began := time.Now()
			f, err := queue.Flush(t.Context(), flush)
			if err != nil || len(f.Recorded) != len(made) {
				t.Fatalf("%s: %+v, %v, want all recorded", name, f, err)
			}
			t.Logf("%s: %d recorded again in %v", name, len(made), time.Since(began).Round(time.Millisecond))
			for _, rec := range f.Recorded {
				proof := kept[rec.Key()]
				if got := indexOf(t, proof); got != again[rec.Key()] {
					t.Errorf("%s: entry at %d, and at %d before", name, got, again[rec.Key()])
				}
				blob, artifact := asBlob(t, made[rec.Key()].Armored)
				blob.Tokens = append(blob.Tokens, proof.Timestamps...)
				blob.Entries = [][]byte{whole(t, proof, sha256.Sum256(artifact), blob)}
				oracle.check(t, blob, artifact, issuer, alice)
			}
		}
	}
}

// indexOf returns the index of a proof's entry.
func indexOf(t *testing.T, p verifier.Proof) int64 {
	t.Helper()
	e, err := tlog.ParseEntry(p.Entry)
	if err != nil {
		t.Fatal(err)
	}
	return e.LogIndex
}

// whole returns a proof's entry with the body that it is of.
func whole(t *testing.T, p verifier.Proof, digest [32]byte, blob *signer.BlobSignature) []byte {
	t.Helper()
	e, err := tlog.ParseEntry(p.Entry)
	if err != nil {
		t.Fatal(err)
	}
	if e.CanonicalizedBody = tlog.HashedRekordV2(digest, blob.Signature, blob.Certificate); e.KindVersion == "0.0.1" {
		e.CanonicalizedBody = tlog.HashedRekordV1(digest, blob.Signature, blob.Certificate)
	}
	return e.Marshal()
}

package signer_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/internal/cms"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
	"gitseal/signer"
	"gitseal/verifier"
)

func newCredential(t *testing.T, cfg signer.Config) (*signer.Signer, *signer.Credential) {
	t.Helper()
	s, err := signer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := s.NewCredential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s, cred
}

// TestEveryTimestamperIsEmbedded has two authorities, and a verifier that
// trusts both.
func TestEveryTimestamperIsEmbedded(t *testing.T) {
	a, other := newAuthority(t, fakeca.Config{}), newAuthority(t, fakeca.Config{})
	roots := make([]*trust.TrustedRoot, 2)
	for i, x := range []*fakeca.Authority{a, other} {
		var err error
		if roots[i], err = trust.Parse(x.TrustedRoot()); err != nil {
			t.Fatal(err)
		}
	}
	both := *roots[0]
	both.TimestampAuthorities = slices.Concat(both.TimestampAuthorities, roots[1].TimestampAuthorities)
	v, err := verifier.New(verifier.Config{TrustedRoots: []*trust.TrustedRoot{&both}})
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range [][]signer.Timestamper{{a, other}, {other, a}} {
		cfg := config(t, a)
		cfg.Timestampers, cfg.Verifier = order, v
		sig, err := sign(t, cfg, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if len(sig.Result.Times) != 2 {
			t.Errorf("times %v, want two", sig.Result.Times)
		}
		der, _, err := cms.Dearmor(sig.Armored)
		if err != nil {
			t.Fatal(err)
		}
		sd, err := cms.Parse(der)
		if err != nil {
			t.Fatal(err)
		}
		if attrs := sd.Signer.UnsignedAttributes; len(attrs) != 2 || len(attrs[1].Values) != 2 ||
			bytes.Compare(attrs[1].Values[0], attrs[1].Values[1]) >= 0 {
			t.Errorf("unsigned attributes %v, want one of two tokens in DER order", attrs)
		}
		// One that fails is not left out.
		cfg.Timestampers = append(slices.Clone(order), fakes{Authority: a, timestamp: func([]byte) ([]byte, error) { return nil, errServer }})
		_, err = sign(t, cfg, []byte("x"))
		atStep(t, "three, one of which fails", err, "getting a time-stamp", errServer.Error())
	}
}

func TestGitSignatureHasRoomForOneLog(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	cfg := config(t, a)
	cfg.Logs = []signer.Log{a, a}
	cfg.Tokens = failing{}
	_, err := sign(t, cfg, []byte("x"))
	atStep(t, "Sign", err, "recording the signature in the log", "asks for 2 logs")
	cfg.Tokens = tokens{a, alice}
	s, cred := newCredential(t, cfg)
	_, err = s.SignWith(t.Context(), cred, []byte("x"))
	atStep(t, "SignWith", err, "recording the signature in the log", "asks for 2 logs")
}

// checkBlob checks the parts of a blob signature over digest.
func checkBlob(t *testing.T, blob *signer.BlobSignature, digest [32]byte, entries, stamps int) (bodies []*tlog.Body) {
	t.Helper()
	cert, err := x509.ParseCertificate(blob.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.VerifyASN1(cert.PublicKey.(*ecdsa.PublicKey), digest[:], blob.Signature) {
		t.Error("the signature is not over the digest")
	}
	if len(blob.Entries) != entries || len(blob.Tokens) != stamps {
		t.Errorf("%d entries and %d time-stamps, want %d and %d", len(blob.Entries), len(blob.Tokens), entries, stamps)
	}
	for _, der := range blob.Tokens {
		token, err := cms.ParseToken(der)
		if imprint := sha256.Sum256(blob.Signature); err != nil || !bytes.Equal(token.Info.Imprint, imprint[:]) {
			t.Errorf("time-stamp: %v", err)
		}
	}
	for _, pb := range blob.Entries {
		entry, err := tlog.ParseEntry(pb)
		if err != nil {
			t.Fatal(err)
		}
		proof := tlog.InclusionProof{Index: uint64(entry.Proof.LogIndex), Size: uint64(entry.Proof.TreeSize), Hashes: entry.Proof.Hashes}
		if err := proof.Verify(tlog.LeafHash(entry.CanonicalizedBody), entry.Proof.RootHash); err != nil {
			t.Errorf("the body is not that of the entry: %v", err)
		}
		body, err := tlog.ParseBody(entry.CanonicalizedBody)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(body.Signatures[0].Signature, blob.Signature) || !bytes.Equal(body.Signatures[0].Certificate, blob.Certificate) {
			t.Error("the entry is of another signature")
		}
		bodies = append(bodies, body)
	}
	return bodies
}

func TestSignDigest(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a, other := newAuthority(t, fakeca.Config{Log: generation}), newAuthority(t, fakeca.Config{Log: generation})
		cfg := config(t, a)
		cfg.Logs, cfg.Timestampers = []signer.Log{a, other}, []signer.Timestamper{a, other}
		s, cred := newCredential(t, cfg)
		digest := sha256.Sum256([]byte("blob"))
		blob, err := s.SignDigest(t.Context(), cred, digest)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range checkBlob(t, blob, digest, 2, 2) {
			if body.Kind != "hashedrekord" || !bytes.Equal(body.Digest, digest[:]) {
				t.Errorf("%v: entry %+v", generation, body)
			}
		}
		if blob.Envelope != nil {
			t.Errorf("%v: an envelope", generation)
		}
	}
}

// plainLog hides that a log knows envelopes.
type plainLog struct{ signer.Log }

func TestSignDSSE(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	cfg := config(t, a)
	cfg.Logs = []signer.Log{a, plainLog{a}}
	for _, payload := range [][]byte{[]byte("payload"), nil} {
		s, cred := newCredential(t, cfg)
		blob, err := s.SignDSSE(t.Context(), cred, "text/plain", payload)
		if err != nil {
			t.Fatal(err)
		}
		signed := sha256.Sum256(fmt.Appendf(nil, "DSSEv1 10 text/plain %d %s", len(payload), payload))
		bodies := checkBlob(t, blob, signed, 2, 1)
		envelopeHash := sha256.Sum256(blob.Envelope)
		if bodies[0].Kind != "dsse" || !bytes.Equal(bodies[0].EnvelopeHash, envelopeHash[:]) {
			t.Errorf("a log that knows envelopes recorded %+v", bodies[0])
		}
		if bodies[1].Kind != "hashedrekord" || !bytes.Equal(bodies[1].Digest, signed[:]) {
			t.Errorf("a log that knows no envelopes recorded %+v", bodies[1])
		}
		var envelope struct {
			PayloadType string
			Payload     *[]byte
			Signatures  []struct{ Sig []byte }
		}
		if err := json.Unmarshal(blob.Envelope, &envelope); err != nil {
			t.Fatal(err)
		}
		if envelope.PayloadType != "text/plain" || envelope.Payload == nil || !bytes.Equal(*envelope.Payload, payload) ||
			len(envelope.Signatures) != 1 || !bytes.Equal(envelope.Signatures[0].Sig, blob.Signature) {
			t.Errorf("envelope %s", blob.Envelope)
		}
	}
}

func TestBlobFailures(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	relabelled := func(entry []byte) ([]byte, error) {
		e, err := tlog.ParseEntry(entry)
		if err != nil {
			return nil, err
		}
		e.Kind = "other"
		return e.Marshal(), nil
	}
	for _, tt := range []struct {
		name   string
		change func(*signer.Config)
		step   string
		want   string
	}{
		{"one of two logs fails", func(c *signer.Config) {
			c.Logs = append(c.Logs, fakes{Authority: a, add: func([]byte) ([]byte, error) { return nil, errServer }})
		}, "recording the signature in the log", errServer.Error()},
		{"entry of a kind that cannot be rebuilt", func(c *signer.Config) {
			c.Logs = []signer.Log{plainLog{fakes{Authority: a, add: relabelled}}}
		}, "reading the log's answer", `entry of kind "other 0.0.2" without its body`},
		{"one of two time-stamps fails", func(c *signer.Config) {
			c.Timestampers = append(c.Timestampers, fakes{Authority: a, timestamp: func([]byte) ([]byte, error) { return nil, errServer }})
		}, "getting a time-stamp", errServer.Error()},
	} {
		cfg := config(t, a)
		tt.change(&cfg)
		s, cred := newCredential(t, cfg)
		blob, err := s.SignDigest(t.Context(), cred, [32]byte{1})
		atStep(t, tt.name, err, tt.step, tt.want)
		if blob != nil {
			t.Errorf("%s: a signature came with the error", tt.name)
		}
	}
}

// TestFailureEndsTheOthers: who is still asked when something has failed is
// told to stop, and not waited for.
func TestFailureEndsTheOthers(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	stopped := make(chan struct{})
	cfg := config(t, a)
	cfg.Logs = []signer.Log{fakes{Authority: a, add: func([]byte) ([]byte, error) { return nil, errServer }}}
	cfg.Timestampers = []signer.Timestamper{stamperFunc(func(ctx context.Context) ([]byte, error) {
		<-ctx.Done()
		close(stopped)
		return nil, ctx.Err()
	})}
	_, err := sign(t, cfg, []byte("x"))
	atStep(t, "log", err, "recording the signature in the log", errServer.Error())
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Error("the time-stamp authority is still being asked")
	}
}

type stamperFunc func(context.Context) ([]byte, error)

func (f stamperFunc) Timestamp(ctx context.Context, _ [32]byte) ([]byte, error) { return f(ctx) }

func TestProgress(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	var steps []string
	cfg := config(t, a)
	cfg.Progress = func(step string) { steps = append(steps, step) }
	if _, err := sign(t, cfg, []byte("x")); err != nil {
		t.Fatal(err)
	}
	const want = "getting a token; certifying the key; signing; getting a time-stamp; recording the signature in the log; checking the finished signature"
	if got := strings.Join(steps, "; "); got != want {
		t.Errorf("steps %s, want %s", got, want)
	}
	steps, cfg.Tokens = nil, failing{}
	if _, err := sign(t, cfg, []byte("x")); err == nil || strings.Join(steps, "; ") != "getting a token" {
		t.Errorf("steps %v to a failure (%v)", steps, err)
	}
}

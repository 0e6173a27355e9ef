package fakeca

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// TestRefusalsSayWhatIsWrong checks that each part of a request that can be wrong
// is named, and that nothing is entered or issued.
func TestRefusalsSayWhatIsWrong(t *testing.T) {
	a := newTestAuthority(t, Config{Log: RekorV1})
	ctx := context.Background()
	u := certify(t, a, "alice@example.com")
	message := []byte("message")
	digest, signature := sha256.Sum256(message), signDigest(t, u.key, message)
	token, err := a.Token(ctx, "alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	key, proof := spkiOf(t, u.key), signDigest(t, u.key, []byte("alice@example.com"))
	for _, test := range []struct {
		part string
		try  func() error
	}{
		{"token", func() error { _, err := a.Certify(ctx, "x", key, proof); return err }},
		{"public key", func() error { _, err := a.Certify(ctx, token, nil, proof); return err }},
		{"proof of possession", func() error { _, err := a.Certify(ctx, token, key, signature); return err }},
		{"token", func() error { _, err := a.CertifyRequest(ctx, "x", nil); return err }},
		{"signing request", func() error { _, err := a.CertifyRequest(ctx, token, nil); return err }},
		{"certificate", func() error { _, err := a.Enter(ctx, digest, signature, nil); return err }},
		{"signature", func() error { _, err := a.Enter(ctx, digest, proof, u.chain[0]); return err }},
		{"certificate", func() error { _, err := a.Add(ctx, digest, signature, nil); return err }},
		{"signature", func() error { _, err := a.Add(ctx, digest, proof, u.chain[0]); return err }},
		{"envelope", func() error { _, err := a.EnterDSSE(ctx, nil, u.chain[0]); return err }},
		{"envelope", func() error { _, err := a.AddDSSE(ctx, make([]byte, maxEnvelope+1), u.chain[0]); return err }},
	} {
		var bad *RequestError
		if err := test.try(); !errors.As(err, &bad) || bad.Part != test.part {
			t.Errorf("error %v, want one of the %s", err, test.part)
		} else if strings.Contains(err.Error(), token) {
			t.Errorf("the token is in the error: %v", err)
		}
	}
	if shards, err := a.Shards(ctx); err != nil || shards[1].Size != 0 {
		t.Errorf("Shards = %v, %v, want an empty log", shards, err)
	}
}

// TestEnterTwice checks that Enter enters nothing twice, whoever entered it
// first, and that Add does.
func TestEnterTwice(t *testing.T) {
	for _, generation := range []Generation{RekorV1, RekorV2} {
		a := newTestAuthority(t, Config{Log: generation})
		ctx := context.Background()
		u := certify(t, a, "alice@example.com")
		message := []byte("message")
		digest, signature := sha256.Sum256(message), signDigest(t, u.key, message)
		if _, err := a.Add(ctx, digest, signature, u.chain[0]); err != nil {
			t.Fatal(err)
		}
		first, err := a.Entry(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		var duplicate *DuplicateError
		if e, err := a.Enter(ctx, digest, signature, u.chain[0]); !errors.As(err, &duplicate) || duplicate.Index != first.Index || duplicate.ID != first.ID {
			t.Errorf("%v: Enter = %v, %v, want the first entry's index %d", generation, e, err, first.Index)
		}
		if _, err := a.Add(ctx, digest, signature, u.chain[0]); err != nil {
			t.Errorf("%v: Add of the same: %v", generation, err)
		}
		if e, err := a.Enter(ctx, digest, signDigest(t, u.key, message), u.chain[0]); err != nil || e.TreeIndex != 2 {
			t.Errorf("%v: Enter of another signature = %v, %v, want it at 2", generation, e, err)
		}
	}
}

// TestEnterGivesUpWithItsContext enters what somebody else is entering.
func TestEnterGivesUpWithItsContext(t *testing.T) {
	a := newTestAuthority(t, Config{})
	u := certify(t, a, "alice@example.com")
	message := []byte("message")
	digest, signature := sha256.Sum256(message), signDigest(t, u.key, message)
	release, err := a.catalogue.claim(context.Background(), tlog.RecordHash(a.entryBody(digest, signature, u.chain[0])))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if e, err := a.Enter(ctx, digest, signature, u.chain[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("Enter = %v, %v, want context.Canceled", e, err)
	}
	release()
	if _, err := a.Enter(context.Background(), digest, signature, u.chain[0]); err != nil {
		t.Errorf("Enter when the other one is done: %v", err)
	}
}

func FuzzEnvelope(f *testing.F) {
	b64 := base64.StdEncoding.EncodeToString
	f.Add([]byte(fmt.Sprintf(`{"payload":%q,"payloadType":"t","signatures":[{"keyid":"","sig":%q}]}`, b64([]byte("{}")), b64([]byte("s")))))
	f.Add([]byte(`{"signatures":[{},{}]}`))
	f.Add([]byte(`{}{}`))
	a, err := New(Config{Log: RekorV1})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if kind, body, err := a.envelopeBody(text, nil); err == nil {
			t.Errorf("envelopeBody(%s) = %s, %s without a certificate", text, kind, body)
		}
	})
}

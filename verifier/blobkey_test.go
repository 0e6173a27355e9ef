package verifier_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gitseal/internal/trust"
	"gitseal/verifier"
)

// TestManagedKeys has what is special about keys without certificates.
func TestManagedKeys(t *testing.T) {
	p := newPacker(t)
	key := newKey(t)
	p.manage(key)
	b := p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "")
	if _, err := p.verify(t, b, nil); err != nil {
		t.Fatal(err)
	}
	p.key = newKey(t)
	_, err := p.verify(t, b, nil)
	wantClass(t, "another key", err, verifier.BadSignature, verifier.CheckSignature)

	p.key = key
	other := p.key
	p.key = newKey(t)
	body := p.body(t, "hashedrekord 0.0.1", crypto.SHA256, artifact, b.Signature, "")
	p.key = other
	b.entry = p.enter(t, "hashedrekord 0.0.1", body)
	b.put()
	_, err = p.verify(t, b, nil)
	wantClass(t, "entry of another key", err, verifier.BadLogProof, verifier.CheckLogEntry)

	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p.key = small
	_, err = p.verify(t, p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, ""), nil)
	wantClass(t, "RSA of 1024 bits", err, verifier.WeakAlgorithm, verifier.CheckBundle)
	p.key = ecdsaKey(t, elliptic.P224())
	_, err = p.verify(t, p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, ""), nil)
	wantClass(t, "P-224", err, verifier.UnsupportedSignature, verifier.CheckBundle)
}

// TestManagedKeyWithoutTimeOrLog has bundles that prove less, which a trusted
// key can bear and a certificate could not.
func TestManagedKeyWithoutTimeOrLog(t *testing.T) {
	p := newPacker(t)
	p.manage(newKey(t))
	noLog := func(r *trust.TrustedRoot) { r.TLogs = nil }

	b := p.pack(t, "hashedrekord 0.0.2", crypto.SHA256, "PKIX_ECDSA_P256_SHA_256")
	b.Stamps = nil
	result, err := p.verify(t, b, nil)
	if err != nil || !result.Time.IsZero() || len(result.Notes) != 1 {
		t.Errorf("no time: %+v, %v, want a note", result, err)
	}
	_, err = p.verify(t, b, noLog)
	wantClass(t, "entry of a log that is not trusted", err, verifier.UntrustedLog, verifier.CheckLogEntry)

	b.Entries = nil
	_, err = p.verify(t, b, nil)
	wantClass(t, "no entry", err, verifier.NotLogged, verifier.CheckLogEntry)
	result, err = p.verify(t, b, noLog)
	if err != nil || len(result.Notes) != 2 {
		t.Errorf("no entry, and no log: %+v, %v, want two notes", result, err)
	}

	b = p.pack(t, "hashedrekord 0.0.2", crypto.SHA256, "PKIX_ECDSA_P256_SHA_256")
	b.Stamps = [][]byte{p.stampOver(t, artifact)}
	_, err = p.verify(t, b, nil)
	wantClass(t, "bad time-stamp", err, verifier.BadTime, verifier.CheckTimestamp)
	b = p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "")
	_, err = p.verify(t, b, func(r *trust.TrustedRoot) {
		r.TLogs[0].ValidFor = trust.Window{Start: p.at().Add(-time.Hour), End: p.at().Add(-time.Second)}
	})
	wantClass(t, "log key not in force", err, verifier.UntrustedLog, verifier.CheckTime)
}

// TestSeveralEntries has a signature in two logs' worth of entries.
func TestSeveralEntries(t *testing.T) {
	p := newPacker(t)
	b := p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "")
	b.entry.LogIndex++
	p.promise(t, b.entry)
	b.Entries = append(b.Entries, b.entry.Marshal())
	result, err := p.verify(t, b, nil)
	if err != nil || result.Log.Index != 1000 || len(result.Times) != 2 || !strings.Contains(fmt.Sprint(result.Notes), "entry 1001") {
		t.Errorf("two entries: %+v, %v", result, err)
	}
}

// TestRealErrorsAreVerifyErrors has ParseBundle's errors carry a class.
func TestParseBundleErrorsCarryAClass(t *testing.T) {
	for text, class := range map[string]verifier.Class{
		"{}": verifier.MalformedSignature,
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.4+json","verificationMaterial":{}}`: verifier.UnsupportedSignature,
	} {
		_, err := verifier.ParseBundle([]byte(text))
		var verr *verifier.VerifyError
		if !errors.As(err, &verr) || verr.Class != class || verr.Check != verifier.CheckBundle {
			t.Errorf("%s: %v, want %s at the bundle", text, err, class)
		}
	}
}

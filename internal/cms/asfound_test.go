package cms

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"errors"
	"testing"
)

func TestSignedBytesAsFoundKeepsTheOrder(t *testing.T) {
	sd := newECDSA(t).sign(t, nil)
	sorted, err := sd.Signer.SignedBytes()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := sd.Signer.SignedBytesAsFound(); err != nil || !bytes.Equal(got, sorted) {
		t.Errorf("SignedBytesAsFound() = %x, %v, want %x", got, err, sorted)
	}
	a := sd.Signer.SignedAttributes
	a[0], a[1] = a[1], a[0]
	if _, err := sd.Signer.SignedBytes(); err == nil {
		t.Error("SignedBytes accepts attributes in another order")
	}
	got, err := sd.Signer.SignedBytesAsFound()
	if err != nil || bytes.Equal(got, sorted) || len(got) != len(sorted) {
		t.Errorf("SignedBytesAsFound() = %x, %v, want another order than %x", got, err, sorted)
	}
}

func TestCheckDigestGoesByTheHashItIsGiven(t *testing.T) {
	content := []byte("content")
	sd := newECDSA(t).sign(t, content)
	sum := sha1.Sum(content)
	for i := range sd.Signer.SignedAttributes {
		if a := &sd.Signer.SignedAttributes[i]; a.Type == OIDMessageDigest {
			a.Values = [][]byte{append([]byte{4, 20}, sum[:]...)}
		}
	}
	if err := sd.Signer.CheckDigest(OIDData, content, crypto.SHA1); err != nil {
		t.Errorf("CheckDigest(SHA-1) = %v", err)
	}
	if err := sd.Signer.CheckDigest(OIDData, content, crypto.SHA256); !errors.Is(err, ErrMismatch) {
		t.Errorf("CheckDigest(SHA-256) = %v, want that it does not match", err)
	}
	if err := sd.Signer.CheckDigest(OIDTSTInfo, content, crypto.SHA1); err == nil || errors.Is(err, ErrMismatch) {
		t.Errorf("CheckDigest of another content type = %v, want an error", err)
	}
}

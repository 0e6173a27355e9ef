package verifier

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"gitseal/internal/fixedkey"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

// issuing returns an authority and a function that issues certificates in its
// name, by its key or another.
func issuing(t *testing.T) (a *authority, issue func(serial int64, forge bool) *x509.Certificate) {
	t.Helper()
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	sign := func(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	key, other, leafKey := newKey(), newKey(), newKey()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	ca := sign(template, template, &key.PublicKey, key)
	return newAuthority(&trust.Authority{Chain: []*x509.Certificate{ca}}, new(fixedkey.Set)), func(serial int64, forge bool) *x509.Certificate {
		leaf := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
		if forge {
			return sign(leaf, &x509.Certificate{Subject: ca.Subject}, &leafKey.PublicKey, other)
		}
		return sign(leaf, ca, &leafKey.PublicKey, key)
	}
}

func TestOnlyGoodCertificatesAreRemembered(t *testing.T) {
	a, issue := issuing(t)
	good, forged := issue(2, false), issue(2, true)
	for range 2 {
		if err := a.signed(good, 0); err != nil {
			t.Fatal(err)
		}
		if err := a.signed(forged, 0); err == nil {
			t.Fatal("a certificate by another key is taken for the authority's")
		}
	}
	if len(a.seen.keys) != 1 || !a.seen.has(seenLeaf{fingerprint(good), 0}) {
		t.Errorf("%d certificates are remembered, want the good one", len(a.seen.keys))
	}
}

func TestFewCertificatesAreRemembered(t *testing.T) {
	a, issue := issuing(t)
	first := issue(2, false)
	if err := a.signed(first, 0); err != nil {
		t.Fatal(err)
	}
	for i := range int64(seenSize) {
		if err := a.signed(issue(3+i, false), 0); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.seen.keys) != seenSize || a.seen.has(seenLeaf{fingerprint(first), 0}) {
		t.Errorf("%d certificates are remembered, the first among them: %t", len(a.seen.keys), a.seen.has(seenLeaf{fingerprint(first), 0}))
	}
	if err := a.signed(first, 0); err != nil {
		t.Errorf("a certificate that was forgotten: %v", err)
	}
}

// twoLogs returns a root with two logs of the same id, a function that signs in
// the name of the first, and both logs.
func twoLogs(t *testing.T) (r *root, sign func(message []byte) []byte, first, second *trust.Log) {
	t.Helper()
	var keys []*ecdsa.PrivateKey
	tr := new(trust.TrustedRoot)
	for range 2 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
		tr.TLogs = append(tr.TLogs, trust.Log{PublicKey: &key.PublicKey, KeyID: bytes.Repeat([]byte{1}, 32)})
	}
	sign = func(message []byte) []byte {
		digest := sha256.Sum256(message)
		sig, err := ecdsa.SignASN1(rand.Reader, keys[0], digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	return newRoot(tr, new(fixedkey.Set)), sign, &tr.TLogs[0], &tr.TLogs[1]
}

func TestOnlyGoodSCTsAreRemembered(t *testing.T) {
	r, sign, log, other := twoLogs(t)
	issuer := &x509.Certificate{RawSubjectPublicKeyInfo: []byte("issuer")}
	tbs := []byte("certificate")
	good := sct{timestamp: 1, hash: 4, algorithm: 3}
	// The entry as RFC 6962, section 3.2, has it.
	issuerKeyHash := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	entry := append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1}, issuerKeyHash[:]...)
	entry = append(append(append(entry, 0, 0, byte(len(tbs))), tbs...), 0, 0)
	good.signature = sign(entry)
	// By its time another SCT, and so by the others; each is refused after the
	// good one was seen.
	later, rsa, weak, cut := good, good, good, good
	later.timestamp++
	rsa.algorithm = 1
	weak.hash = 2
	cut.signature = good.signature[:len(good.signature)-1]
	extended := good
	extended.extensions = []byte{1}
	for range 2 {
		if err := r.verifySCT(log, &good, issuer, tbs); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{
			"at another time":     r.verifySCT(log, &later, issuer, tbs),
			"said to be RSA":      r.verifySCT(log, &rsa, issuer, tbs),
			"over a weak hash":    r.verifySCT(log, &weak, issuer, tbs),
			"cut":                 r.verifySCT(log, &cut, issuer, tbs),
			"with an extension":   r.verifySCT(log, &extended, issuer, tbs),
			"of another log":      r.verifySCT(other, &good, issuer, tbs),
			"of other content":    r.verifySCT(log, &good, issuer, []byte("certificatf")),
			"with another issuer": r.verifySCT(log, &good, &x509.Certificate{RawSubjectPublicKeyInfo: []byte("another")}, tbs),
		} {
			if err == nil {
				t.Errorf("an SCT %s verifies", name)
			}
		}
	}
	if len(r.scts.keys) != 1 {
		t.Errorf("%d SCTs are remembered, want the good one", len(r.scts.keys))
	}
}

func TestOnlyGoodCheckpointsAreRemembered(t *testing.T) {
	r, sign, log, other := twoLogs(t)
	note := func(size string, signature []byte) []byte {
		return fmt.Appendf(nil, "log.example\n%s\n%s\n\n\u2014 log.example %s\n", size,
			base64.StdEncoding.EncodeToString(make([]byte, 32)),
			base64.StdEncoding.EncodeToString(append(bytes.Clone(log.KeyID[:4]), signature...)))
	}
	check := func(log *trust.Log, note []byte) error {
		parsed, err := tlog.ParseCheckpoint(note)
		if err != nil {
			t.Fatal(err)
		}
		return r.checkCheckpoint(log, parsed, note)
	}
	signature := sign(fmt.Appendf(nil, "log.example\n5\n%s\n", base64.StdEncoding.EncodeToString(make([]byte, 32))))
	wrong := bytes.Clone(signature)
	wrong[len(wrong)-1] ^= 1
	for range 2 {
		if err := check(log, note("5", signature)); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{
			"of another log":         check(other, note("5", signature)),
			"of another size":        check(log, note("6", signature)),
			"with a wrong signature": check(log, note("5", wrong)),
		} {
			if !errors.Is(err, tlog.ErrBadSignature) {
				t.Errorf("a checkpoint %s: %v, want %v", name, err, tlog.ErrBadSignature)
			}
		}
	}
	if len(r.checkpoints.keys) != 1 {
		t.Errorf("%d checkpoints are remembered, want the good one", len(r.checkpoints.keys))
	}
}

package tlog

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"gitseal/internal/fixedkey"
)

// A testLog signs checkpoints.
type testLog struct {
	signer crypto.Signer
	hash   crypto.Hash
}

// testLogs returns a log for each kind of key.
func testLogs(t testing.TB) map[string]testLog {
	t.Helper()
	logs := map[string]testLog{}
	add := func(name string, signer crypto.Signer, err error, hash crypto.Hash) {
		if err != nil {
			t.Fatal(err)
		}
		logs[name] = testLog{signer, hash}
	}
	for curve, hash := range map[elliptic.Curve]crypto.Hash{
		elliptic.P256(): crypto.SHA256, elliptic.P384(): crypto.SHA384, elliptic.P521(): crypto.SHA512,
	} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		add(curve.Params().Name, key, err, hash)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	add("Ed25519", edKey, err, 0)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	add("RSA", rsaKey, err, crypto.SHA256)
	return logs
}

func (l testLog) sign(t testing.TB, message []byte) []byte {
	t.Helper()
	if l.hash != 0 {
		h := l.hash.New()
		h.Write(message)
		message = h.Sum(nil)
	}
	sig, err := l.signer.Sign(rand.Reader, message, l.hash)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// keys returns the log's key as it is and made ready for many signatures.
func (l testLog) keys() []crypto.PublicKey {
	return []crypto.PublicKey{l.signer.Public(), new(fixedkey.Set).Key(l.signer.Public())}
}

// checkpoint returns a checkpoint of that origin, signed under name, and the
// log's id.
func (l testLog) checkpoint(t testing.TB, origin, name string) (*SignedCheckpoint, []byte) {
	t.Helper()
	cp := Checkpoint{Origin: origin, Size: 42, Root: testRoot}
	s := &SignedCheckpoint{Checkpoint: cp, Text: cp.Marshal()}
	id, err := KeyID(name, l.signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	s.Signatures = []NoteSignature{{name, [4]byte(id), l.sign(t, s.Text)}}
	// Only what comes out of the parser is ever verified.
	s, err = ParseCheckpoint(s.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	return s, id
}

func TestVerifyAcceptsEachKindOfKey(t *testing.T) {
	for kind, l := range testLogs(t) {
		for _, origin := range []string{"log.example", "log.example - 1193050959916656506"} {
			s, id := l.checkpoint(t, origin, "log.example")
			for _, key := range l.keys() {
				if err := s.Verify(key, id); err != nil {
					t.Errorf("%s, %T, origin %q: %v", kind, key, origin, err)
				}
			}
		}
	}
}

func TestVerifyRejectsBadSignature(t *testing.T) {
	logs, others := testLogs(t), testLogs(t)
	for kind, l := range logs {
		change := func(what string, f func(s *SignedCheckpoint)) {
			s, id := l.checkpoint(t, "log.example", "log.example")
			f(s)
			for _, key := range l.keys() {
				if err := s.Verify(key, id); !errors.Is(err, ErrBadSignature) {
					t.Errorf("%s, %T: %s: %v, want ErrBadSignature", kind, key, what, err)
				}
			}
		}
		change("text changed", func(s *SignedCheckpoint) { s.Text = bytes.Replace(s.Text, []byte("42"), []byte("43"), 1) })
		change("bit of signature", func(s *SignedCheckpoint) { s.Signatures[0].Signature[9] ^= 1 })
		change("signature and more", func(s *SignedCheckpoint) { s.Signatures[0].Signature = append(s.Signatures[0].Signature, 0) })
		change("signature truncated", func(s *SignedCheckpoint) { s.Signatures[0].Signature = s.Signatures[0].Signature[:9] })

		s, id := l.checkpoint(t, "log.example", "log.example")
		if err := s.Verify(others[kind].signer.Public(), id); !errors.Is(err, ErrBadSignature) {
			t.Errorf("%s: other key: %v, want ErrBadSignature", kind, err)
		}
	}
}

// A signature under a hash that does not belong to the curve is wrong.
func TestVerifyRejectsOtherHash(t *testing.T) {
	for kind, l := range testLogs(t) {
		switch l.hash {
		case 0:
			continue
		case crypto.SHA256:
			l.hash = crypto.SHA512
		default:
			l.hash = crypto.SHA256
		}
		s, id := l.checkpoint(t, "log.example", "log.example")
		for _, key := range l.keys() {
			if err := s.Verify(key, id); !errors.Is(err, ErrBadSignature) {
				t.Errorf("%s, %T: %v, want ErrBadSignature", kind, key, err)
			}
		}
	}
}

func TestVerifyRejectsMissingSignature(t *testing.T) {
	l := testLogs(t)["Ed25519"]
	s, id := l.checkpoint(t, "log.example", "log.example")
	s.Signatures[0].KeyID[3] ^= 1
	if err := s.Verify(l.signer.Public(), id); !errors.Is(err, ErrNoSignature) {
		t.Errorf("other key id: %v, want ErrNoSignature", err)
	}
	s.Signatures = nil
	if err := s.Verify(l.signer.Public(), id); !errors.Is(err, ErrNoSignature) {
		t.Errorf("no signature at all: %v, want ErrNoSignature", err)
	}
}

func TestVerifyRejectsOriginOfAnotherName(t *testing.T) {
	l := testLogs(t)["P-256"]
	for _, origin := range []string{
		"log.example.org", "other.example", "log.exampl", "log.example -", "log.example - ", "log.example - 1x",
		"log.example - -1", "log.example-1", "log.example 1", "Log.example", "log.example - 1 - 2", "log.example -  1",
	} {
		s, id := l.checkpoint(t, origin, "log.example")
		if err := s.Verify(l.signer.Public(), id); !errors.Is(err, ErrOriginMismatch) {
			t.Errorf("origin %q: %v, want ErrOriginMismatch", origin, err)
		}
	}
}

func TestVerifyIgnoresOtherSigners(t *testing.T) {
	l := testLogs(t)["Ed25519"]
	s, id := l.checkpoint(t, "log.example", "log.example")
	log := s.Signatures[0]
	stranger := NoteSignature{"witness.example", [4]byte{1}, []byte{1}}
	namesake := NoteSignature{"log.example", [4]byte{1}, []byte{1}}
	collision := NoteSignature{"witness.example", log.KeyID, []byte{1}} // four bytes can be made to collide
	for _, list := range [][]NoteSignature{{stranger, log}, {log, stranger}, {namesake, log}, {collision, log}, {log, collision}} {
		s.Signatures = list
		if err := s.Verify(l.signer.Public(), id); err != nil {
			t.Errorf("%v: %v", list, err)
		}
	}
}

func TestVerifyRejectsTwoSignaturesOfTheLog(t *testing.T) {
	l := testLogs(t)["Ed25519"]
	s, id := l.checkpoint(t, "log.example", "log.example")
	s.Signatures = append(s.Signatures, s.Signatures[0])
	if err := s.Verify(l.signer.Public(), id); err == nil || !strings.Contains(err.Error(), "two signatures") {
		t.Errorf("Verify = %v, want an error about two signatures", err)
	}
}

func TestVerifyRejectsUnusableKeysAndIDs(t *testing.T) {
	l := testLogs(t)["Ed25519"]
	s, id := l.checkpoint(t, "log.example", "log.example")
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := l.signer.Public().(ed25519.PublicKey)
	for _, key := range []crypto.PublicKey{nil, "key", public[:31], ed25519.PublicKey(nil), p224.Public(), &public} {
		if err := s.Verify(key, id); err == nil {
			t.Errorf("key %T accepted", key)
		}
	}
	for _, id := range [][]byte{nil, id[:4], id[:31], append(id, 0)} {
		if err := s.Verify(public, id); err == nil {
			t.Errorf("log id of %d bytes accepted", len(id))
		}
	}
}

func TestKeyIDFollowsSignedNote(t *testing.T) {
	logs := testLogs(t)
	sum := func(parts ...string) string {
		h := sha256.Sum256([]byte(strings.Join(parts, "")))
		return string(h[:])
	}
	spki := func(kind string) string {
		der, err := x509.MarshalPKIXPublicKey(logs[kind].signer.Public())
		if err != nil {
			t.Fatal(err)
		}
		return string(der)
	}
	ed := spki("Ed25519")
	want := map[string]string{
		"Ed25519": sum("log.example\n\x01", ed[len(ed)-32:]),
		"RSA":     sum("log.example\n\xffPKIX-RSA-PKCS#1v1.5", spki("RSA")),
		"P-256":   sum(spki("P-256")),
		"P-384":   sum(spki("P-384")),
		"P-521":   sum(spki("P-521")),
	}
	for kind, l := range logs {
		got, err := KeyID("log.example", l.signer.Public())
		if err != nil || string(got) != want[kind] {
			t.Errorf("%s: KeyID = %x, %v; want %x", kind, got, err, want[kind])
		}
	}
	if got := LogIDv1([]byte(spki("P-256"))); string(got) != want["P-256"] {
		t.Errorf("LogIDv1 = %x, want %x", got, want["P-256"])
	}
	agreement, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.PublicKey{nil, "no key", agreement.Public()} {
		if id, err := KeyID("log.example", key); err == nil {
			t.Errorf("KeyID of a %T = %x", key, id)
		}
	}
}

package sshsig

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"math/big"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gitseal/verifier"
)

func TestVerifyRSAWithSHA256(t *testing.T) {
	key := newKey(t, "rsa2048")
	v := newVerifier(t, line("a", "", key.PublicKey()), nil)
	if _, err := v.Verify(payload, recipe{key: key, algorithm: sigRSA256}.make(t, payload)); err != nil {
		t.Error(err)
	}
}

func TestVerifyRefusesRSAWithSHA1(t *testing.T) {
	key := newKey(t, "rsa2048")
	// Not even who accepts SHA-1 gets it: the format does not allow it.
	v := newVerifier(t, line("a", "", key.PublicKey()), func(cfg *Config) { cfg.Rules.Weak = []string{"sha1", "rsa1024"} })
	_, err := v.Verify(payload, recipe{key: key, algorithm: sigRSASHA1}.make(t, payload))
	wantClass(t, err, verifier.WeakAlgorithm, "RSA and SHA-1")
}

func TestVerifyRefusesShortRSA(t *testing.T) {
	key := newKey(t, "rsa1024")
	v := newVerifier(t, line("alice", "", key.PublicKey()), nil)
	_, err := v.Verify(payload, recipe{key: key}.make(t, payload))
	kerr := wantClass(t, err, verifier.WeakAlgorithm, "1024 bits")
	if kerr.Valid == nil || kerr.Valid.Signer.Identity.Subject != "alice" {
		t.Errorf("Valid = %+v, want alice's", kerr.Valid)
	}
	// It is still checked whether the key made it.
	_, err = v.Verify(slices.Concat(payload, []byte("x")), recipe{key: key}.make(t, payload))
	wantClass(t, err, verifier.BadSignature, "not made by the key")
}

func TestVerifyRefusesTinyRSA(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 511)
	n.SetBit(n, 0, 1)
	blob := appendString(appendString(appendString(nil, algRSA), []byte{1, 0, 1}), append([]byte{0}, n.Bytes()...))
	key, err := parseKey(blob)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = key.verify(nil, appendString(appendString(nil, sigRSA512), "x"))
	wantClass(t, refuse(verifier.BadSignature, err, new(verifier.KeyResult), nil), verifier.WeakAlgorithm, "512 bits")
}

func TestVerifyAcceptsRSAWithoutLeadingZeros(t *testing.T) {
	key := newKey(t, "rsa2048")
	v := newVerifier(t, line("a", "", key.PublicKey()), nil)
	for i := range 5000 {
		text := slices.Concat(payload, []byte{byte(i), byte(i >> 8)})
		stripped := false
		armored := recipe{key: key, blob: func(blob []byte) []byte {
			// The value is at the end: its 256 bytes, of which some are gone.
			value := bytes.TrimLeft(blob[len(blob)-256:], "\x00")
			stripped = len(value) < 256
			head := blob[:len(blob)-256-4-len("xxxx"+sigRSA512)-4]
			return appendString(slices.Clone(head), appendString(appendString(nil, sigRSA512), value))
		}}.make(t, text)
		if _, err := v.Verify(text, armored); err != nil {
			t.Fatal(err)
		}
		if stripped {
			return
		}
	}
	t.Fatal("no signature began with a zero")
}

func TestVerifySecurityKey(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	untouched := []string{"made without a touch of the security key"}
	for _, test := range []struct {
		key   *securityKey
		notes []string
	}{
		{newSecurityKey(ed, "ssh:", flagPresent), nil},
		{newSecurityKey(ed, "ssh:", flagPresent|flagVerified), nil},
		{newSecurityKey(ed, "ssh:", 0), untouched},
		{newSecurityKey(ec, "ssh:git", flagPresent), nil},
		{newSecurityKey(ec, "", 0), untouched},
	} {
		v := newVerifier(t, line("alice", "", test.key.PublicKey()), nil)
		result, err := v.Verify(payload, recipe{key: test.key}.make(t, payload))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(result.Notes, test.notes) {
			t.Errorf("Notes = %q, want %q", result.Notes, test.notes)
		}
		// The flags and the counter are signed.
		for from := range 5 {
			_, err := v.Verify(payload, recipe{key: test.key, blob: func(b []byte) []byte {
				b[len(b)-1-from] ^= 4
				return b
			}}.make(t, payload))
			wantClass(t, err, verifier.BadSignature, "not made by the key")
		}
	}
	// So is the application, which is part of the key.
	key := newSecurityKey(ed, "ssh:", flagPresent)
	liar := &securityKey{key.key, "ssh:other", key.flags, key.public}
	v := newVerifier(t, line("alice", "", key.PublicKey()), nil)
	_, err = v.Verify(payload, recipe{key: liar}.make(t, payload))
	wantClass(t, err, verifier.BadSignature, "")
	// And a plain key of the same bytes is another key.
	plain, err := ssh.NewSignerFromSigner(ed)
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.Verify(payload, recipe{key: plain}.make(t, payload))
	wantClass(t, err, verifier.IdentityNotAllowed, "no line")
}

func TestVerifyRefusesWebAuthn(t *testing.T) {
	key := newKey(t, algSKP256)
	v := newVerifier(t, line("alice", "", key.PublicKey()), nil)
	_, err := v.Verify(payload, recipe{key: key, blob: func(b []byte) []byte {
		i := bytes.LastIndex(b, appendString(nil, algSKP256))
		value := b[i+4+len(algSKP256):]
		return appendString(slices.Clone(b[:i-4]), append(appendString(nil, sigWebAuthn), value...))
	}}.make(t, payload))
	wantClass(t, err, verifier.UnsupportedSignature, "browser")
}

func TestParseKeyRefuses(t *testing.T) {
	point := newKey(t, algP256).PublicKey().Marshal()[4+len(algP256)+4+8+4:]
	modulus := append([]byte{0x00}, bytes.Repeat([]byte{0xff}, 256)...)
	compressed := append([]byte{2}, point[1:33]...)
	off := append(bytes.Clone(point[:64]), point[64]^1)
	tests := []struct {
		name string
		blob []byte
		want string
	}{
		{"empty", nil, "key: truncated"},
		{"short Ed25519", strs(algEd25519, "x"), "1 bytes"},
		{"Ed25519 with more", append(strs(algEd25519, string(make([]byte, 32))), 0), "trailing bytes"},
		{"another curve", strs(algP256, "nistp384", string(point)), `on curve "nistp384"`},
		{"compressed point", strs(algP256, "nistp256", string(compressed)), "key"},
		{"point off the curve", strs(algP256, "nistp256", string(off)), "key"},
		{"point at infinity", strs(algP256, "nistp256", "\x00"), "key"},
		{"security key without application", strs(algSKP256, "nistp256", string(point)), "truncated"},
		{"RSA with even exponent", strs(algRSA, "\x02", string(modulus)), "not an exponent"},
		{"RSA with exponent 1", strs(algRSA, "\x01", string(modulus)), "not an exponent"},
		{"RSA with a large exponent", strs(algRSA, "\x01\x00\x00\x00\x01", string(modulus)), "not an exponent"},
		{"RSA with even modulus", strs(algRSA, "\x03", string(append(bytes.Clone(modulus), 0))), "not an exponent"},
		{"RSA with padded exponent", strs(algRSA, "\x00\x03", string(modulus)), "wrongly encoded"},
		{"RSA with exponent 0", strs(algRSA, "", string(modulus)), "wrongly encoded"},
		{"RSA with negative modulus", strs(algRSA, "\x03", string(modulus[1:])), "wrongly encoded"},
		{"RSA too large", strs(algRSA, "\x03", "\x00"+strings.Repeat("\xff", maxInteger+1)), "wrongly encoded"},
	}
	for _, test := range tests {
		if k, err := parseKey(test.blob); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: parseKey = %+v, %v; want %q", test.name, k, err, test.want)
		}
	}
	if _, err := parseKey(strs(algRSA, "\x03", "\x00"+strings.Repeat("\xff", maxInteger))); err != nil {
		t.Errorf("the largest RSA key: %v", err)
	}
	if _, err := parseKey(strs(algP256, "nistp256", string(point))); err != nil {
		t.Errorf("the point itself: %v", err)
	}
}

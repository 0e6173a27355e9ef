package fixedkey

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// agree checks that the table of pub says of a signature what crypto/ecdsa
// says, and on P-384 the few multiples of it, and that all say want.
func agree(t *testing.T, pub *ecdsa.PublicKey, fixed *Key, digest, sig []byte, want bool) {
	t.Helper()
	if got := ecdsa.VerifyASN1(pub, digest, sig); got != want {
		t.Fatalf("crypto/ecdsa: %x over %x: %t, want %t", sig, digest, got, want)
	}
	if got := fixed.Verify(digest, sig); got != want {
		t.Errorf("Verify(%x, %x) = %t, want %t", digest, sig, got, want)
	}
	if pub.Curve == elliptic.P384() {
		if got := fixOnce(t, pub).Verify(digest, sig); got != want {
			t.Errorf("without a table: Verify(%x, %x) = %t, want %t", digest, sig, got, want)
		}
	}
}

func fixOnce(t testing.TB, pub *ecdsa.PublicKey) *Key {
	t.Helper()
	k, err := newOnceP384(pub)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func fix(t testing.TB, pub *ecdsa.PublicKey) *Key {
	t.Helper()
	k, err := New(pub)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// encode returns the DER of a signature; of numbers below zero too.
func encode(r, s *big.Int) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(r)
		b.AddASN1BigInt(s)
	})
	return b.BytesOrPanic()
}

// decode reverses encode.
func decode(t *testing.T, sig []byte) (r, s *big.Int) {
	t.Helper()
	r, s = new(big.Int), new(big.Int)
	in := cryptobyte.String(sig)
	if !in.ReadASN1(&in, asn1.SEQUENCE) || !in.ReadASN1Integer(r) || !in.ReadASN1Integer(s) {
		t.Fatalf("%x is no signature", sig)
	}
	return r, s
}

// onBothCurves runs a test for each curve that has tables.
func onBothCurves(t *testing.T, test func(t *testing.T, curve elliptic.Curve)) {
	for _, curve := range curves {
		t.Run(curve.Params().Name, func(t *testing.T) { test(t, curve) })
	}
}

func publicKey(t testing.TB, curve elliptic.Curve, uncompressed []byte) *ecdsa.PublicKey {
	t.Helper()
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, uncompressed)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

// unchecked returns a key that need not be one.
func unchecked(curve elliptic.Curve, x, y *big.Int) *ecdsa.PublicKey {
	//lint:ignore SA1019 what parses keys makes no such ones
	return &ecdsa.PublicKey{Curve: curve, X: x, Y: y}
}

func plus(a *big.Int, b int64) *big.Int { return new(big.Int).Add(a, big.NewInt(b)) }

func TestSignaturesVerify(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		key, _, _ := signed(t, curve)
		fixed := fix(t, &key.PublicKey)
		for length := range 80 {
			digest := make([]byte, length)
			rand.Read(digest) // never returns an error
			sig, err := ecdsa.SignASN1(rand.Reader, key, digest)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, &key.PublicKey, fixed, digest, sig, true)
			if length > 0 {
				digest[min(length, fixed.size)-1] ^= 1
				agree(t, &key.PublicKey, fixed, digest, sig, false)
			}
			if length > fixed.size {
				// What lies beyond the bits that n has does not count.
				digest[fixed.size-1] ^= 1
				digest[fixed.size] ^= 1
				agree(t, &key.PublicKey, fixed, digest, sig, true)
			}
		}
	})
}

func TestOtherKeysSignatureDoesNotVerify(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		key, _, _ := signed(t, curve)
		_, digest, sig := signed(t, curve)
		agree(t, &key.PublicKey, fix(t, &key.PublicKey), digest, sig, false)
	})
}

func TestEveryBitOfASignatureCounts(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		key, digest, sig := signed(t, curve)
		fixed := fix(t, &key.PublicKey)
		for i := range 8 * len(sig) {
			flipped := bytes.Clone(sig)
			flipped[i/8] ^= 1 << (i % 8)
			agree(t, &key.PublicKey, fixed, digest, flipped, false)
		}
		for i := range sig {
			agree(t, &key.PublicKey, fixed, digest, sig[:i], false)
		}
	})
}

func TestNumbersOutOfRangeAreRefused(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		key, digest, sig := signed(t, curve)
		fixed := fix(t, &key.PublicKey)
		n, p := curve.Params().N, curve.Params().P
		r, s := decode(t, sig)
		agree(t, &key.PublicKey, fixed, digest, encode(r, s), true)
		// Its opposite is as good.
		agree(t, &key.PublicKey, fixed, digest, encode(r, new(big.Int).Sub(n, s)), true)
		for _, other := range []*big.Int{
			new(big.Int), big.NewInt(1), big.NewInt(-1), n, plus(n, 1), plus(n, -1), p, plus(p, 1),
			new(big.Int).Add(r, n), new(big.Int).Add(s, n), new(big.Int).Neg(r), new(big.Int).Neg(s),
			new(big.Int).Sub(r, n), new(big.Int).Sub(s, n),
			new(big.Int).Lsh(big.NewInt(1), uint(n.BitLen())), new(big.Int).Lsh(n, 64), new(big.Int).Lsh(big.NewInt(1), 1<<16),
		} {
			agree(t, &key.PublicKey, fixed, digest, encode(other, s), false)
			agree(t, &key.PublicKey, fixed, digest, encode(r, other), false)
			agree(t, &key.PublicKey, fixed, digest, encode(other, other), false)
		}
	})
}

// TestOnlyDERIsRead gives the numbers of a good signature in encodings of
// other kinds.
func TestOnlyDERIsRead(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		key, digest, sig := signed(t, curve)
		fixed := fix(t, &key.PublicKey)
		r, s := decode(t, sig)
		integer := func(x *big.Int, zeros int) []byte {
			content := append(make([]byte, zeros+1), x.Bytes()...)
			if content[zeros+1] < 0x80 {
				content = content[1:]
			}
			return append([]byte{2, byte(len(content))}, content...)
		}
		sequence := func(content ...[]byte) []byte {
			all := bytes.Join(content, nil)
			return append([]byte{0x30, byte(len(all))}, all...)
		}
		agree(t, &key.PublicKey, fixed, digest, sequence(integer(r, 0), integer(s, 0)), true)
		body := sig[2:]
		for name, sig := range map[string][]byte{
			"empty":                      {},
			"no numbers":                 sequence(),
			"one number":                 sequence(integer(r, 0)),
			"three numbers":              sequence(integer(r, 0), integer(s, 0), integer(s, 0)),
			"leading zero in r":          sequence(integer(r, 1), integer(s, 0)),
			"leading zero in s":          sequence(integer(r, 0), integer(s, 1)),
			"r without bytes":            sequence([]byte{2, 0}, integer(s, 0)),
			"s without bytes":            sequence(integer(r, 0), []byte{2, 0}),
			"something after it":         append(bytes.Clone(sig), 0),
			"something after s":          sequence(body, []byte{0}),
			"long length":                append([]byte{0x30, 0x81, byte(len(body))}, body...),
			"longer length":              append([]byte{0x30, 0x82, 0, byte(len(body))}, body...),
			"indefinite length":          append(append([]byte{0x30, 0x80}, body...), 0, 0),
			"a set":                      append([]byte{0x31}, sig[1:]...),
			"an octet string for r":      append([]byte{0x30, sig[1], 4}, sig[3:]...),
			"numbers as they are":        append(r.FillBytes(make([]byte, fixed.size)), s.FillBytes(make([]byte, fixed.size))...),
			"length one more":            append([]byte{0x30, sig[1] + 1}, body...),
			"length one less":            append([]byte{0x30, sig[1] - 1}, body...),
			"a sequence in the sequence": sequence(sig),
		} {
			t.Run(name, func(t *testing.T) { agree(t, &key.PublicKey, fixed, digest, sig, false) })
		}
	})
}

// TestDigestIsReduced verifies digests that are, as numbers, n or more.
func TestDigestIsReduced(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		key, _, _ := signed(t, curve)
		fixed := fix(t, &key.PublicKey)
		n := curve.Params().N
		sign := func(digest []byte) []byte {
			sig, err := ecdsa.SignASN1(rand.Reader, key, digest)
			if err != nil {
				t.Fatal(err)
			}
			return sig
		}
		bytesOf := func(x *big.Int) []byte { return x.FillBytes(make([]byte, fixed.size)) }
		zero := make([]byte, fixed.size)
		for _, digest := range [][]byte{
			nil, zero, bytesOf(n), bytesOf(plus(n, 1)), bytesOf(plus(n, -1)), bytes.Repeat([]byte{0xff}, fixed.size), bytes.Repeat([]byte{0xff}, fixed.size+1),
		} {
			agree(t, &key.PublicKey, fixed, digest, sign(digest), true)
		}
		// 0 and n are the same number, and so is what has no bytes.
		agree(t, &key.PublicKey, fixed, zero, sign(bytesOf(n)), true)
		agree(t, &key.PublicKey, fixed, bytesOf(n), sign(nil), true)
	})
}

func TestInputsAreNotChanged(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		key, digest, sig := signed(t, curve)
		fixed := fix(t, &key.PublicKey)
		digestWas, sigWas := bytes.Clone(digest), bytes.Clone(sig)
		for range 2 {
			if !fixed.Verify(digest, sig) {
				t.Error("a good signature does not verify")
			}
		}
		if !bytes.Equal(digest, digestWas) || !bytes.Equal(sig, sigWas) {
			t.Error("Verify changed what it verified")
		}
		if fixed.order.Cmp(curve.Params().N) != 0 {
			t.Error("Verify changed the order")
		}
	})
}

func TestKeyIsCopied(t *testing.T) {
	onBothCurves(t, func(t *testing.T, curve elliptic.Curve) {
		key, digest, sig := signed(t, curve)
		pub := key.PublicKey
		fixed := fix(t, &pub)
		pub = ecdsa.PublicKey{}
		if !fixed.Verify(digest, sig) {
			t.Error("a good signature does not verify after the caller's key changed")
		}
	})
}

func TestNewRefuses(t *testing.T) {
	coordinates := func(curve elliptic.Curve) (x, y *big.Int) { return curve.Params().Gx, curve.Params().Gy }
	x, y := coordinates(elliptic.P256())
	bigX, bigY := coordinates(elliptic.P384())
	p := elliptic.P256().Params().P
	for name, pub := range map[string]*ecdsa.PublicKey{
		"none":                             nil,
		"P-224":                            unchecked(elliptic.P224(), elliptic.P224().Params().Gx, elliptic.P224().Params().Gy),
		"P-521":                            unchecked(elliptic.P521(), elliptic.P521().Params().Gx, elliptic.P521().Params().Gy),
		"no curve":                         unchecked(nil, x, y),
		"P-256 as numbers":                 unchecked(elliptic.P256().Params(), x, y),
		"off P-256":                        unchecked(elliptic.P256(), x, plus(y, 1)),
		"off P-384":                        unchecked(elliptic.P384(), bigX, plus(bigY, 1)),
		"a point of P-384 said of P-256":   unchecked(elliptic.P256(), bigX, bigY),
		"a point of P-256 said of P-384":   unchecked(elliptic.P384(), x, y),
		"zero, which stands for infinity":  unchecked(elliptic.P256(), new(big.Int), new(big.Int)),
		"negative":                         unchecked(elliptic.P256(), new(big.Int).Neg(x), y),
		"negative y, which is below p":     unchecked(elliptic.P256(), x, new(big.Int).Sub(y, p)),
		"coordinate that is not below p":   unchecked(elliptic.P256(), new(big.Int).Add(x, p), y),
		"zero on P-384, for infinity":      unchecked(elliptic.P384(), new(big.Int), new(big.Int)),
		"y that is the opposite and p off": unchecked(elliptic.P256(), x, new(big.Int).Add(p, y)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(pub)
			if err == nil || !strings.HasPrefix(err.Error(), "making a table of a key: ") {
				t.Errorf("New = %v, want an error that says what it was making", err)
			}
		})
	}
}

// Package fixedkey verifies ECDSA signatures (FIPS 186-5, section 6.4.2) by
// public keys that recur: the authorities and logs of a trusted root, which
// signed something about every commit of a history. With tables of multiples
// of the key and of the generator a verification is additions alone.
//
// IT IS FOR PUBLIC DATA ONLY. Time and memory access depend on all inputs:
// which entry of a table is read tells the scalar. There is nothing to sign
// with here, no way to hand in a private key or to multiply by a scalar of
// one's own, and there must never be.
//
// Otherwise it does what crypto/ecdsa does: it accepts a signature exactly if
// VerifyASN1 does. Points are those of filippo.io/nistec, the standard
// library's own, whose additions hold for every two points, equal, opposite or
// at infinity alike.
package fixedkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A Key is a public key with its table: 0.4 MB on P-256, 1.0 MB on P-384, and
// as much again for the generator of P-384, once in a process. It never
// changes and may be used by several goroutines at once.
type Key struct {
	order *big.Int // n: of the generator
	size  int      // bytes of n, and of a coordinate
	// sum returns the x-coordinate of [u1]G + [u2]Q, where Q is the public
	// key. Scalars are big-endian, size bytes long. Infinity is an error.
	sum func(u1, u2 []byte) ([]byte, error)
}

// New makes the table of a key on P-256 or P-384, which takes as long as some
// twenty verifications by crypto/ecdsa. A key on another curve, and one that is
// not a point of its curve, are an error. The key is copied.
func New(pub *ecdsa.PublicKey) (*Key, error) {
	if !supported(pub) {
		return nil, errors.New("making a table of a key: not an ECDSA key on P-256 or P-384")
	}
	// Bytes checks that the coordinates are in range and on the curve, which
	// leaves out infinity.
	q, err := pub.Bytes()
	if err != nil {
		return nil, fmt.Errorf("making a table of a key: %w", err)
	}
	sum := sumP384
	if pub.Curve == elliptic.P256() {
		sum = sumP256
	}
	of, err := sum(q)
	if err != nil {
		return nil, fmt.Errorf("making a table of a key: %w", err)
	}
	return newKey(pub, q, of), nil
}

// newKey returns the Key of pub, which is q uncompressed, with that sum.
func newKey(pub *ecdsa.PublicKey, q []byte, sum func(u1, u2 []byte) ([]byte, error)) *Key {
	return &Key{new(big.Int).Set(pub.Curve.Params().N), (len(q) - 1) / 2, sum}
}

// supported reports whether there can be a table of pub.
func supported(pub *ecdsa.PublicKey) bool {
	return pub != nil && (pub.Curve == elliptic.P256() || pub.Curve == elliptic.P384())
}

// Verify reports whether sig, in DER, is the key's signature over digest.
func (k *Key) Verify(digest, sig []byte) bool {
	// r and s are numbers from 1 to n-1. Nothing is reduced to become one.
	r, s, ok := k.parse(sig)
	if !ok || !k.inRange(r) || !k.inRange(s) {
		return false
	}

	// The digest, or its leftmost bits as many as n has, is a number modulo n.
	// Both orders have whole bytes.
	if len(digest) > k.size {
		digest = digest[:k.size]
	}
	e := new(big.Int).SetBytes(digest)

	// R = [e/s]G + [r/s]Q, and not infinity. n is prime, so s has an inverse.
	w := new(big.Int).ModInverse(s, k.order)
	x, err := k.sum(k.scalar(e.Mul(e, w)), k.scalar(w.Mul(w, r)))
	if err != nil {
		return false
	}

	// The x-coordinate is a number below p, which may be n or more.
	v := new(big.Int).SetBytes(x)
	return v.Mod(v, k.order).Cmp(r) == 0
}

// inRange reports whether x is from 1 to n-1.
func (k *Key) inRange(x *big.Int) bool { return x.Sign() > 0 && x.Cmp(k.order) < 0 }

// scalar returns x modulo n, big-endian. It changes x.
func (k *Key) scalar(x *big.Int) []byte {
	return x.Mod(x, k.order).FillBytes(make([]byte, k.size))
}

// parse reads a signature (RFC 3279, section 2.2.3), which is DER with nothing
// after it:
//
//	Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }
//
// Numbers that are negative, not minimal or of more bytes than n are refused.
func (k *Key) parse(sig []byte) (r, s *big.Int, ok bool) {
	var rBytes, sBytes []byte
	var inner cryptobyte.String
	input := cryptobyte.String(sig)
	if !input.ReadASN1(&inner, asn1.SEQUENCE) || !input.Empty() ||
		!inner.ReadASN1Integer(&rBytes) || !inner.ReadASN1Integer(&sBytes) || !inner.Empty() ||
		len(rBytes) > k.size || len(sBytes) > k.size {
		return nil, nil, false
	}
	return new(big.Int).SetBytes(rBytes), new(big.Int).SetBytes(sBytes), true
}

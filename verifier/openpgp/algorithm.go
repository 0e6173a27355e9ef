package openpgp

import (
	"bytes"
	//lint:ignore SA1019 old signatures were made with it; the rules must accept it by name
	"crypto/dsa"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/ProtonMail/go-crypto/bitcurves"
	"github.com/ProtonMail/go-crypto/brainpool"
	"github.com/ProtonMail/go-crypto/openpgp/ed448"

	"gitseal/verifier"
)

// Sizes of signatures that come as they are: RFC 9580, sections 5.2.3.4 and
// 5.2.3.5.
const (
	ed25519SignatureSize = 64
	ed448SignatureSize   = 114
)

// A curve is one that keys are on: RFC 9580, section 9.2.
type curve struct {
	name      string // as gpg calls it
	algorithm byte   // that it is used with, where an identifier names it
	oid       []byte
	size      int                   // of an Edwards point
	curve     func() elliptic.Curve // of ECDSA
	standard  bool                  // one of package elliptic's own
}

var (
	curveEd25519 = &curve{name: "ed25519", algorithm: algEdDSALegacy, size: ed25519.PublicKeySize,
		oid: []byte{0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01}}
	curveEd448 = &curve{name: "ed448", size: ed448.PublicKeySize}
)

var curves = []*curve{
	curveEd25519,
	{name: "nistp256", algorithm: algECDSA, curve: elliptic.P256, standard: true,
		oid: []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}},
	{name: "nistp384", algorithm: algECDSA, curve: elliptic.P384, standard: true,
		oid: []byte{0x2b, 0x81, 0x04, 0x00, 0x22}},
	{name: "nistp521", algorithm: algECDSA, curve: elliptic.P521, standard: true,
		oid: []byte{0x2b, 0x81, 0x04, 0x00, 0x23}},
	{name: "brainpoolP256r1", algorithm: algECDSA, curve: brainpool.P256r1,
		oid: []byte{0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07}},
	{name: "brainpoolP384r1", algorithm: algECDSA, curve: brainpool.P384r1,
		oid: []byte{0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0b}},
	{name: "brainpoolP512r1", algorithm: algECDSA, curve: brainpool.P512r1,
		oid: []byte{0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0d}},
	{name: "secp256k1", algorithm: algECDSA, curve: secp256k1,
		oid: []byte{0x2b, 0x81, 0x04, 0x00, 0x0a}},
}

func secp256k1() elliptic.Curve { return bitcurves.S256() }

// parseCurve reads the object identifier of a curve, a byte of length before
// it: RFC 9580, section 9.2.
func parseCurve(data []byte) (*curve, []byte, error) {
	n, rest, err := number(data, 1)
	if err != nil {
		return nil, nil, err
	}
	oid, rest, err := take(rest, n)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range curves {
		if bytes.Equal(c.oid, oid) {
			return c, rest, nil
		}
	}
	return nil, nil, fmt.Errorf("key on an unknown curve, %x", oid)
}

// A checker checks that a signature value is one over digest by the key it
// was made for. s.algorithm is the key's.
type checker func(s *signature, digest []byte) error

var errValue = errors.New("the signature value is wrong")

// newChecker returns the checker of k. That of a key that could not be read
// says why.
func newChecker(k *publicKey) checker {
	switch k.algorithm {
	case algRSA, algRSASign:
		return rsaChecker(k)
	case algDSA:
		return dsaChecker(k)
	case algECDSA:
		return ecdsaChecker(k)
	case algEdDSALegacy:
		// RFC 9580, section 5.5.5.5: the point has a prefix, and the halves of
		// the signature are numbers.
		point := k.numbers[0]
		if len(point) != 1+ed25519.PublicKeySize || point[0] != 0x40 {
			return unreadable("its point is not compressed as it should be")
		}
		return func(s *signature, digest []byte) error {
			value := make([]byte, ed25519SignatureSize)
			if !fill(value[:32], s.values[0]) || !fill(value[32:], s.values[1]) {
				return errValue
			}
			return sound(ed25519.Verify(point[1:], digest, value))
		}
	case algEd25519:
		return func(s *signature, digest []byte) error {
			return sound(ed25519.Verify(k.numbers[0], digest, s.values[0]))
		}
	case algEd448:
		key := &ed448.PublicKey{Point: k.numbers[0]}
		return func(s *signature, digest []byte) error {
			return sound(ed448.Verify(key, digest, s.values[0]))
		}
	}
	return unreadable(fmt.Sprintf("algorithm %d is not for signing", k.algorithm))
}

// rsaChecker is for PKCS #1 v1.5 signatures: RFC 9580, section 5.2.3.1.
func rsaChecker(k *publicKey) checker {
	n, e := new(big.Int).SetBytes(k.numbers[0]), new(big.Int).SetBytes(k.numbers[1])
	switch {
	case n.BitLen() < 1024:
		err := &classError{verifier.WeakAlgorithm, fmt.Errorf("RSA key of %d bits", n.BitLen())}
		return func(*signature, []byte) error { return err }
	case e.BitLen() > 31 || e.Bit(0) == 0 || e.BitLen() < 2 || n.Bit(0) == 0:
		return unreadable("its modulus or exponent is not one of RSA, or too large")
	}
	key := &rsa.PublicKey{N: n, E: int(e.Int64())}
	return func(s *signature, digest []byte) error {
		value := make([]byte, key.Size())
		if !fill(value, s.values[0]) {
			return errValue
		}
		return sound(rsa.VerifyPKCS1v15(key, hashes[s.hash].hash, digest, value) == nil)
	}
}

func dsaChecker(k *publicKey) checker {
	key := new(dsa.PublicKey)
	key.P, key.Q = new(big.Int).SetBytes(k.numbers[0]), new(big.Int).SetBytes(k.numbers[1])
	key.G, key.Y = new(big.Int).SetBytes(k.numbers[2]), new(big.Int).SetBytes(k.numbers[3])
	one := big.NewInt(1)
	if q := key.Q.BitLen(); q < 160 || q > 512 || q%8 != 0 || key.P.Cmp(key.Q) <= 0 ||
		key.G.Cmp(one) <= 0 || key.G.Cmp(key.P) >= 0 || key.Y.Cmp(one) <= 0 || key.Y.Cmp(key.P) >= 0 {
		return unreadable("its numbers are not those of DSA")
	}
	return func(s *signature, digest []byte) error {
		// FIPS 186-3, section 4.6; the package leaves that to the caller.
		digest = digest[:min(len(digest), key.Q.BitLen()/8)]
		return sound(dsa.Verify(key, digest, new(big.Int).SetBytes(s.values[0]), new(big.Int).SetBytes(s.values[1])))
	}
}

func ecdsaChecker(k *publicKey) checker {
	key, err := ecdsaKey(k.curve, k.numbers[0])
	if err != nil {
		return unreadable(err.Error())
	}
	return func(s *signature, digest []byte) error {
		return sound(ecdsa.Verify(key, digest, new(big.Int).SetBytes(s.values[0]), new(big.Int).SetBytes(s.values[1])))
	}
}

// ecdsaKey reads an uncompressed point.
func ecdsaKey(c *curve, point []byte) (*ecdsa.PublicKey, error) {
	ec := c.curve()
	if c.standard {
		return ecdsa.ParseUncompressedPublicKey(ec, point)
	}
	size := (ec.Params().BitSize + 7) / 8
	if len(point) != 1+2*size || point[0] != 4 {
		return nil, errors.New("its point is not one")
	}
	x, y := new(big.Int).SetBytes(point[1:1+size]), new(big.Int).SetBytes(point[1+size:])
	p := ec.Params().P
	//lint:ignore SA1019 the one way to ask curves that package elliptic does not have
	if x.Cmp(p) >= 0 || y.Cmp(p) >= 0 || !ec.IsOnCurve(x, y) {
		return nil, errors.New("its point is not on the curve")
	}
	//lint:ignore SA1019 as above
	return &ecdsa.PublicKey{Curve: ec, X: x, Y: y}, nil
}

// unreadable returns the checker of a key that cannot be used.
func unreadable(why string) checker {
	err := unsupported("key cannot be used: %s", why)
	return func(*signature, []byte) error { return err }
}

func sound(ok bool) error {
	if ok {
		return nil
	}
	return errValue
}

// fill writes value to the end of out, zeros before it, and reports whether
// it fits.
func fill(out, value []byte) bool {
	if len(value) > len(out) {
		return false
	}
	copy(out[len(out)-len(value):], value)
	return true
}

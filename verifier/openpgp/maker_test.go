package openpgp_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "crypto/md5"
	_ "crypto/sha3"
	_ "crypto/sha512"

	//lint:ignore SA1019 old signatures were made with it
	_ "golang.org/x/crypto/ripemd160"

	"gitseal/verifier"
	"gitseal/verifier/openpgp"
)

// Keys and signatures are made here byte by byte, so that each can be wrong in
// one way. All is the same in each run, but for RSA keys.

var payload = []byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nwords\x00and more\n")

// Times of the keys and signatures, a year apart.
var (
	born   = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	signed = born.AddDate(1, 0, 0)
	later  = born.AddDate(2, 0, 0)
	now    = born.AddDate(3, 0, 0)
)

const (
	year = 365 * 24 * 3600

	md5ID, sha1ID, ripemdID, sha256ID, sha512ID = 1, 2, 3, 8, 10
)

var cryptoHashes = map[byte]crypto.Hash{1: crypto.MD5, 2: crypto.SHA1, 3: crypto.RIPEMD160, 8: crypto.SHA256,
	9: crypto.SHA384, 10: crypto.SHA512, 11: crypto.SHA224, 12: crypto.SHA3_256, 14: crypto.SHA3_512}

// testKey is a key with its private half.
type testKey struct {
	version   byte
	algorithm byte
	body      []byte
	sign      func(hash byte, digest []byte) []byte // the signature value, encoded
}

// edKey returns a version 4 EdDSA key.
func edKey(seed byte, created time.Time) *testKey {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
	oid := []byte{9, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01}
	point := append([]byte{0x40}, private.Public().(ed25519.PublicKey)...)
	return &testKey{4, 22, slices.Concat([]byte{4}, stamp(created), []byte{22}, oid, mpi(point)),
		func(_ byte, digest []byte) []byte {
			s := ed25519.Sign(private, digest)
			return slices.Concat(mpi(s[:32]), mpi(s[32:]))
		}}
}

// edKeyV6 returns a version 6 Ed25519 key.
func edKeyV6(seed byte, created time.Time) *testKey {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
	return &testKey{6, 27, slices.Concat([]byte{6}, stamp(created), []byte{27, 0, 0, 0, 32}, private.Public().(ed25519.PublicKey)),
		func(_ byte, digest []byte) []byte { return ed25519.Sign(private, digest) }}
}

// rsaKeys are made once: it takes a while.
var rsaKeys sync.Map

// rsaKey returns a version 4 RSA key of some size.
func rsaKey(t testing.TB, bits int, created time.Time) *testKey {
	t.Helper()
	made, _ := rsaKeys.LoadOrStore(bits, sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, bits) }))
	private, err := made.(func() (*rsa.PrivateKey, error))()
	if err != nil {
		t.Fatal(err)
	}
	e := big.NewInt(int64(private.E)).Bytes()
	return &testKey{4, 1, slices.Concat([]byte{4}, stamp(created), []byte{1}, mpi(private.N.Bytes()), mpi(e)),
		func(hash byte, digest []byte) []byte {
			s, err := rsa.SignPKCS1v15(nil, private, cryptoHashes[hash], digest)
			if err != nil {
				t.Fatal(err)
			}
			return mpi(s)
		}}
}

// mpi encodes a number without leading zeros.
func mpi(value []byte) []byte {
	value = bytes.TrimLeft(value, "\x00")
	return append(binary.BigEndian.AppendUint16(nil, uint16(new(big.Int).SetBytes(value).BitLen())), value...)
}

func stamp(t time.Time) []byte { return binary.BigEndian.AppendUint32(nil, uint32(t.Unix())) }

func (k *testKey) fingerprint() []byte {
	if k.version == 6 {
		sum := sha256.Sum256(k.hashed())
		return sum[:]
	}
	sum := sha1.Sum(k.hashed())
	return sum[:]
}

func (k *testKey) hex() string { return fmt.Sprintf("%X", k.fingerprint()) }

func (k *testKey) id() []byte {
	if k.version == 6 {
		return k.fingerprint()[:8]
	}
	return k.fingerprint()[12:]
}

// hashed is what is hashed for the key when it is signed.
func (k *testKey) hashed() []byte {
	if k.version == 6 {
		return slices.Concat([]byte{0x9b}, binary.BigEndian.AppendUint32(nil, uint32(len(k.body))), k.body)
	}
	return slices.Concat([]byte{0x99}, binary.BigEndian.AppendUint16(nil, uint16(len(k.body))), k.body)
}

func (k *testKey) primary() []byte { return pkt(6, k.body) }
func (k *testKey) sub() []byte     { return pkt(14, k.body) }

// pkt returns a packet in the current format with a length of five octets.
func pkt(tag byte, body []byte) []byte {
	return slices.Concat([]byte{0xc0 | tag, 0xff}, binary.BigEndian.AppendUint32(nil, uint32(len(body))), body)
}

func uid(name string) []byte { return pkt(13, []byte(name)) }

// overUID is what is hashed when a key signs a user id.
func overUID(k *testKey, name string) []byte {
	return slices.Concat(k.hashed(), []byte{0xb4}, binary.BigEndian.AppendUint32(nil, uint32(len(name))), []byte(name))
}

// sub returns a subpacket; add 0x80 to kind to make it critical.
func sub(kind byte, value ...byte) []byte {
	return slices.Concat([]byte{0xff}, binary.BigEndian.AppendUint32(nil, uint32(len(value)+1)), []byte{kind}, value)
}

func flags(f byte) []byte        { return sub(27, f) }
func keyLife(s uint32) []byte    { return sub(9, binary.BigEndian.AppendUint32(nil, s)...) }
func sigLife(s uint32) []byte    { return sub(3, binary.BigEndian.AppendUint32(nil, s)...) }
func reason(code byte) []byte    { return sub(29, code) }
func primaryUID() []byte         { return sub(25, 1) }
func issuerID(k *testKey) []byte { return sub(16, k.id()...) }
func issuerFingerprint(k *testKey) []byte {
	return sub(33, append([]byte{k.version}, k.fingerprint()...)...)
}
func revoker(k *testKey) []byte {
	return sub(12, append([]byte{0x80, k.algorithm}, k.fingerprint()...)...)
}

// sig says how to make a signature. What is zero is as usual.
type sig struct {
	by        *testKey
	version   byte // 0: the key's
	kind      byte
	hash      byte // 0: SHA-256
	at        time.Time
	hashed    []byte // subpackets, after the time
	unhashed  []byte
	noTime    bool
	noIssuer  bool
	algorithm byte // 0: the key's
	salt      []byte
	breakIt   bool // spoil the value
}

// over returns the signature packet over data.
func (s sig) over(data []byte) []byte { return pkt(2, s.body(data)) }

func (s sig) body(data []byte) []byte {
	if s.version == 0 {
		s.version = s.by.version
	}
	if s.hash == 0 {
		s.hash = sha256ID
	}
	if s.algorithm == 0 {
		s.algorithm = s.by.algorithm
	}
	if s.version == 6 && s.salt == nil {
		s.salt = bytes.Repeat([]byte{7}, map[byte]int{8: 16, 9: 24, 10: 32, 12: 16, 14: 32, 11: 16}[s.hash])
	}
	h := cryptoHashes[s.hash].New()
	h.Write(s.salt)
	h.Write(data)
	var head, tail []byte
	if s.version == 3 {
		trailer := append([]byte{s.kind}, stamp(s.at)...)
		h.Write(trailer)
		head = slices.Concat([]byte{3, 5}, trailer, s.by.id(), []byte{s.algorithm, s.hash})
	} else {
		area := s.hashed
		if !s.noTime {
			area = append(sub(2, stamp(s.at)...), area...)
		}
		if !s.noIssuer { // as gpg does, which needs the id
			area = append(area, issuerFingerprint(s.by)...)
			if s.version == 4 {
				s.unhashed = append(s.unhashed, issuerID(s.by)...)
			}
		}
		count := func(n int) []byte {
			if s.version == 6 {
				return binary.BigEndian.AppendUint32(nil, uint32(n))
			}
			return binary.BigEndian.AppendUint16(nil, uint16(n))
		}
		signedPart := slices.Concat([]byte{s.version, s.kind, s.algorithm, s.hash}, count(len(area)), area)
		h.Write(signedPart)
		h.Write(binary.BigEndian.AppendUint32([]byte{s.version, 0xff}, uint32(len(signedPart))))
		head = slices.Concat(signedPart, count(len(s.unhashed)), s.unhashed)
	}
	digest := h.Sum(nil)
	if s.version == 6 {
		tail = append([]byte{byte(len(s.salt))}, s.salt...)
	}
	value := s.by.sign(s.hash, digest)
	if s.breakIt {
		value[len(value)-1] ^= 1
	}
	return slices.Concat(head, digest[:2], tail, value)
}

// armor returns packets as git stores them.
func armor(packets ...[]byte) []byte { return block("PGP SIGNATURE", slices.Concat(packets...)) }

func block(label string, data []byte) []byte {
	var out strings.Builder
	out.WriteString("-----BEGIN " + label + "-----\n\n")
	text := base64.StdEncoding.EncodeToString(data)
	for line := range slices.Chunk([]byte(text), 64) {
		out.Write(line)
		out.WriteByte('\n')
	}
	// CRC-24 bit by bit, as RFC 4880 has it in section 6.1.
	crc := uint32(0xb704ce)
	for _, b := range data {
		crc ^= uint32(b) << 16
		for range 8 {
			if crc <<= 1; crc&0x1000000 != 0 {
				crc ^= 0x1864cfb
			}
		}
	}
	out.WriteString("=" + base64.StdEncoding.EncodeToString([]byte{byte(crc >> 16), byte(crc >> 8), byte(crc)}) + "\n")
	out.WriteString("-----END " + label + "-----\n")
	return []byte(out.String())
}

// keyOf returns a primary key that certifies and signs, as it stands in a
// keyring, with one user id.
func keyOf(k *testKey, name string, subpackets ...[]byte) []byte {
	if len(subpackets) == 0 {
		subpackets = [][]byte{flags(3)}
	}
	return slices.Concat(k.primary(), uid(name),
		sig{by: k, kind: 0x13, at: born, hashed: slices.Concat(subpackets...)}.over(overUID(k, name)))
}

// bind returns a subkey for signing as it stands in a keyring.
func bind(primary, subkey *testKey, at time.Time, subpackets ...[]byte) []byte {
	both := slices.Concat(primary.hashed(), subkey.hashed())
	back := sig{by: subkey, kind: 0x19, at: at}.body(both)
	area := slices.Concat(append(subpackets, sub(32, back...))...)
	return slices.Concat(subkey.sub(), sig{by: primary, kind: 0x18, at: at, hashed: area}.over(both))
}

// ring reads packets as a keyring.
func ring(t testing.TB, packets ...[]byte) *openpgp.Keyring {
	t.Helper()
	r, err := openpgp.ReadKeyring("test", slices.Concat(packets...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// today are the rules that keys are judged by today.
var today = verifier.KeyRules{At: now}

// then judges at the time of signing.
var then = verifier.KeyRules{At: now, AtSigning: true}

package openpgp

import (
	"crypto"
	_ "crypto/md5" // for signatures that the rules accept as weak
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"errors"
	"hash"

	"github.com/pjbgf/sha1cd"
	//lint:ignore SA1019 old signatures were made with it; the rules must accept it by name
	_ "golang.org/x/crypto/ripemd160"

	"gitseal/verifier"
)

// A hashAlgorithm is an entry of RFC 9580, section 9.5.
type hashAlgorithm struct {
	hash crypto.Hash
	name string
	weak bool // as KeyRules.Weak calls it, by name
	salt int  // bytes of salt in a version 6 signature; 0: it must not be used there
}

// hashes is by algorithm id. Names of weak ones are those that KeyRules.Weak
// has.
var hashes = [256]hashAlgorithm{
	1:  {crypto.MD5, weakMD5, true, 0},
	2:  {crypto.SHA1, weakSHA1, true, 0},
	3:  {crypto.RIPEMD160, weakRIPEMD160, true, 0},
	8:  {crypto.SHA256, "sha256", false, 16},
	9:  {crypto.SHA384, "sha384", false, 24},
	10: {crypto.SHA512, "sha512", false, 32},
	11: {crypto.SHA224, "sha224", false, 16},
	12: {crypto.SHA3_256, "sha3-256", false, 16},
	14: {crypto.SHA3_512, "sha3-512", false, 32},
}

func (a hashAlgorithm) new() hash.Hash {
	if a.hash == crypto.SHA1 {
		return sha1cd.New()
	}
	return a.hash.New()
}

// weakName returns the name that KeyRules.Weak has to have for the hash to be
// accepted, "" if it needs none.
func (a hashAlgorithm) weakName() string {
	if a.weak {
		return a.name
	}
	return ""
}

var errCollision = &classError{verifier.WeakAlgorithm, errors.New("the signed bytes are made for a collision of SHA-1")}

// digest returns what is signed when s is made over data, which is written to
// the hash piece by piece: RFC 9580, section 5.2.4.
func (s *signature) digest(data ...[]byte) ([]byte, error) {
	a := hashes[s.hash]
	if a.hash == 0 {
		return nil, unsupported("hash algorithm %d", s.hash)
	}
	if s.version == 6 && a.salt == 0 {
		return nil, errors.New("signature of version 6 with " + a.name)
	}
	h := a.new()
	h.Write(s.salt)
	for _, d := range data {
		h.Write(d)
	}
	h.Write(s.hashed)
	if n := len(s.hashed); s.version != 3 {
		h.Write([]byte{s.version, 0xff, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	if cd, ok := h.(sha1cd.CollisionResistantHash); ok {
		sum, collision := cd.CollisionResistantSum(nil)
		if collision {
			return nil, errCollision
		}
		return sum, nil
	}
	return h.Sum(nil), nil
}

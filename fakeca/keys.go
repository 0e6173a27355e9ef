package fakeca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// keyFile is the content of keys.json: all that an authority must keep secret,
// and the certificates that go with it. The keys are PKCS #8.
type keyFile struct {
	Version   int       `json:"version"` // 1
	ID        string    `json:"id"`
	Created   time.Time `json:"created"`
	TreeID    int64     `json:"treeId,omitempty"` // of a Rekor v1 log
	IssuerKey []byte    `json:"issuerKey"`
	CAKey     []byte    `json:"caKey"`
	CTKey     []byte    `json:"ctKey"`
	LogKey    []byte    `json:"logKey"` // Ed25519: Rekor v2; ECDSA: Rekor v1
	TSAKey    []byte    `json:"tsaKey"`
	CAChain   [][]byte  `json:"caChain"`  // DER: intermediate, root
	TSAChain  [][]byte  `json:"tsaChain"` // DER: leaf, root
}

func (f *keyFile) marshal() ([]byte, error) {
	data, err := json.MarshalIndent(f, "", "  ")
	return append(data, '\n'), err
}

// parseKeyFile reads what marshal writes and nothing else.
func parseKeyFile(data []byte) (*keyFile, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	f := new(keyFile)
	if err := d.Decode(f); err != nil {
		return nil, err
	}
	if f.Version != 1 {
		return nil, fmt.Errorf("unknown version %d", f.Version)
	}
	if !validID(f.ID) {
		return nil, fmt.Errorf("%q is not an id", f.ID)
	}
	if len(f.CAChain) != 2 || len(f.TSAChain) != 2 {
		return nil, errors.New("not two certificates in a chain")
	}
	if again, err := f.marshal(); err != nil || !bytes.Equal(again, data) {
		return nil, errors.New("not in the form it is written in")
	}
	return f, nil
}

// validID reports whether id is 8 characters of base32, which is what fits
// alike in a host name, an issuer and a file name.
func validID(id string) bool {
	if len(id) != 8 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || 'z' < c) && (c < '2' || '7' < c) {
			return false
		}
	}
	return true
}

// slack is how long before its creation an authority's keys begin to count, so
// that setting a fast clock right does not undo it.
const slack = time.Hour

// newKeys draws the keys of a new authority and makes its certificates.
func newKeys(cfg Config) (*keyFile, error) {
	var id [5]byte
	if _, err := io.ReadFull(cfg.Rand, id[:]); err != nil {
		return nil, err
	}
	f := &keyFile{
		Version: 1,
		ID:      strings.ToLower(base32.StdEncoding.EncodeToString(id[:])),
		Created: cfg.Clock().UTC().Truncate(time.Second),
	}
	start := f.Created.Add(-slack)
	commonName := organization + " " + f.ID
	ca, err := newECDSAKey(cfg.Curve, cfg.Rand)
	if err != nil {
		return nil, err
	}
	f.CAChain, err = newChain(chainConfig{
		random: cfg.Rand, start: start, key: ca,
		root: commonName + " root", subject: commonName + " intermediate",
		extensions: [][]byte{certSignAndCRLSign(), extKeyUsage(oidCodeSigning), isCA(0)},
	})
	if err != nil {
		return nil, err
	}
	tsa, err := newECDSAKey(elliptic.P256(), cfg.Rand)
	if err != nil {
		return nil, err
	}
	f.TSAChain, err = newChain(chainConfig{
		random: cfg.Rand, start: start, key: tsa,
		root: commonName + " timestamp root", subject: commonName + " timestamps",
		extensions: [][]byte{digitalSignature(), criticalExtKeyUsage(oidTimeStamping)},
	})
	if err != nil {
		return nil, err
	}
	issuer, err := newECDSAKey(elliptic.P256(), cfg.Rand)
	if err != nil {
		return nil, err
	}
	ct, err := newECDSAKey(elliptic.P256(), cfg.Rand)
	if err != nil {
		return nil, err
	}
	var log crypto.Signer
	if cfg.Log == RekorV1 {
		f.TreeID = rekorV1TreeID
		log, err = newECDSAKey(elliptic.P256(), cfg.Rand)
	} else {
		log, err = newEd25519Key(cfg.Rand)
	}
	if err != nil {
		return nil, err
	}
	for _, k := range []struct {
		der *[]byte
		key crypto.Signer
	}{{&f.IssuerKey, issuer}, {&f.CAKey, ca}, {&f.CTKey, ct}, {&f.LogKey, log}, {&f.TSAKey, tsa}} {
		if *k.der, err = x509.MarshalPKCS8PrivateKey(k.key); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// newECDSAKey draws a key from random bytes. Unlike ecdsa.GenerateKey it makes
// the same key of the same bytes, which fixtures with fixed seeds need.
func newECDSAKey(curve elliptic.Curve, random io.Reader) (*ecdsa.PrivateKey, error) {
	b := make([]byte, (curve.Params().BitSize+7)/8)
	for {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, err
		}
		// Too large or zero: once in 2^32 for P-256.
		if key, err := ecdsa.ParseRawPrivateKey(curve, b); err == nil {
			return key, nil
		}
	}
}

func newEd25519Key(random io.Reader) (ed25519.PrivateKey, error) {
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed[:]), nil
}

func parseECDSAKey(der []byte) (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	if key, ok := key.(*ecdsa.PrivateKey); ok {
		return key, nil
	}
	return nil, fmt.Errorf("a %T where an ECDSA key should be", key)
}

// sign signs a message with ECDSA as X.509 names it for the curve: SHA-384 for
// P-384, else SHA-256. The signature is the same for the same message
// (RFC 6979).
func sign(key *ecdsa.PrivateKey, message []byte) ([]byte, error) {
	hash := crypto.SHA256
	if key.Curve == elliptic.P384() {
		hash = crypto.SHA384
	}
	return signHash(key, hash, message)
}

func signHash(key *ecdsa.PrivateKey, hash crypto.Hash, message []byte) ([]byte, error) {
	h := hash.New()
	h.Write(message)
	return key.Sign(nil, h.Sum(nil), hash)
}

// A noteKey signs and verifies checkpoints (C2SP signed-note).
type noteKey struct {
	name   string
	id     [sha256.Size]byte // its first four bytes are the key hash
	spki   []byte
	sign   func(message []byte) ([]byte, error)
	verify func(message, signature []byte) bool
}

func (k *noteKey) Name() string                        { return k.name }
func (k *noteKey) KeyHash() uint32                     { return binary.BigEndian.Uint32(k.id[:]) }
func (k *noteKey) Sign(message []byte) ([]byte, error) { return k.sign(message) }
func (k *noteKey) Verify(message, sig []byte) bool     { return k.verify(message, sig) }

// newNoteKey returns the note key of a log called name. An Ed25519 key is
// identified by name and key, an ECDSA key, as Rekor and CT do it, by the key.
func newNoteKey(name string, key crypto.Signer) (*noteKey, error) {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	k := &noteKey{name: name, spki: spki}
	switch key := key.(type) {
	case ed25519.PrivateKey:
		public := key.Public().(ed25519.PublicKey)
		k.id = sha256.Sum256(append([]byte(name+"\n\x01"), public...))
		k.sign = func(message []byte) ([]byte, error) { return ed25519.Sign(key, message), nil }
		k.verify = func(message, sig []byte) bool { return ed25519.Verify(public, message, sig) }
	case *ecdsa.PrivateKey:
		k.id = sha256.Sum256(spki)
		k.sign = func(message []byte) ([]byte, error) { return sign(key, message) }
		k.verify = func(message, sig []byte) bool {
			digest := sha256.Sum256(message)
			return ecdsa.VerifyASN1(&key.PublicKey, digest[:], sig)
		}
	default:
		return nil, fmt.Errorf("a %T cannot sign checkpoints", key)
	}
	return k, nil
}

//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"gitseal/fakeca"
	"gitseal/internal/cms"
	"gitseal/internal/tlog"
)

// A kind is a way of signing commits.
type kind struct {
	name string
	each operations // that one signature takes
	// begin returns what signs the commits of a line.
	begin func(*line) (signFunc, error)
}

// A signFunc returns an armored signature over a payload.
type signFunc func(payload []byte) ([]byte, error)

// perCertificate is how many commits one certificate signs where several do.
const perCertificate = 100

// The kinds. A signature by the embedded authority takes the signer's, its
// certificate's, the SCT's and the time-stamp's signature over P-256, and the
// checkpoint's over Ed25519; one by an authority such as Sigstore's the
// certificate's over P-384, and over P-256 the signer's, the SCT's, the log's
// promise and its checkpoint's.
var (
	keyless = kind{"keyless", operations{p256: 4, ed25519: 1}, beginKeyless}
	shared  = kind{"keyless, 100 by a certificate", operations{p256: 2 + 2./perCertificate, ed25519: 1}, beginShared}
	fulcio  = kind{"keyless, P-384 authority, Rekor v1", operations{p256: 4, p384: 1}, beginFulcio}
	pgp     = kind{"OpenPGP, Ed25519", operations{ed25519: 1}, beginPGP}
	ssh     = kind{"SSH, Ed25519", operations{ed25519: 1}, beginSSH}
)

// A line is a line of history with keys and authorities of its own, so that
// its commits are the same in each run, whatever other lines do meanwhile.
type line struct {
	random *rand.ChaCha8
	now    time.Time // goes on with each signature

	signers map[string]signFunc // by name of kind
	roots   [][]byte            // trusted roots
	keyring bytes.Buffer        // OpenPGP
	allowed bytes.Buffer        // SSH

	authority *fakeca.Authority
}

// newLine returns line number n with a signer of each kind.
func newLine(n int, kinds []kind) (*line, error) {
	l := &line{
		random:  rand.NewChaCha8([32]byte{byte(n)}),
		now:     time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		signers: make(map[string]signFunc),
	}
	var err error
	if l.authority, err = l.newAuthority(fakeca.Config{}); err != nil {
		return nil, err
	}
	for _, k := range kinds {
		if l.signers[k.name] != nil {
			continue
		}
		if l.signers[k.name], err = k.begin(l); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *line) newAuthority(cfg fakeca.Config) (*fakeca.Authority, error) {
	cfg.Rand, cfg.Clock = l.random, func() time.Time { return l.now }
	a, err := fakeca.New(cfg)
	if err == nil {
		l.roots = append(l.roots, a.TrustedRoot())
	}
	return a, err
}

func beginKeyless(l *line) (signFunc, error) {
	return func(payload []byte) ([]byte, error) { return l.authority.Sign(payload, fakeca.Fixture{}), nil }, nil
}

func beginFulcio(l *line) (signFunc, error) {
	a, err := l.newAuthority(fakeca.Config{Curve: elliptic.P384(), Log: fakeca.RekorV1})
	if err != nil {
		return nil, err
	}
	return func(payload []byte) ([]byte, error) { return a.Sign(payload, fakeca.Fixture{}), nil }, nil
}

// A credential is a key with its certificate.
type credential struct {
	key  *ecdsa.PrivateKey
	leaf *x509.Certificate
}

// beginShared signs by certificates that it uses several times.
func beginShared(l *line) (signFunc, error) {
	var c *credential
	used := 0
	return func(payload []byte) (armored []byte, err error) {
		// The other kinds have their turns, too, while the certificate lasts.
		if c == nil || used == perCertificate || l.now.After(c.leaf.NotAfter) {
			if c, err = l.certify("shared@example.com"); err != nil {
				return nil, err
			}
			used = 0
		}
		used++
		return l.signCMS(c, payload)
	}, nil
}

// certify makes a key and has it certified.
func (l *line) certify(subject string) (*credential, error) {
	ctx := context.Background()
	var scalar [32]byte
	if _, err := l.random.Read(scalar[:]); err != nil {
		return nil, err
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:])
	if err != nil {
		return nil, err
	}
	token, err := l.authority.Token(ctx, subject)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(subject))
	proof, err := key.Sign(nil, digest[:], crypto.SHA256) // deterministic without randomness
	if err != nil {
		return nil, err
	}
	chain, err := l.authority.Certify(ctx, token, spki, proof)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(chain[0])
	return &credential{key, leaf}, err
}

// signCMS signs as package signer does, but for the check at the end, and
// with the same signature each time.
func (l *line) signCMS(c *credential, payload []byte) ([]byte, error) {
	ctx := context.Background()
	digest := sha256.Sum256(payload)
	attributes, err := cms.NewSignedAttributes(cms.OIDData, digest[:], l.now)
	if err != nil {
		return nil, err
	}
	sd := cms.NewDetached(c.leaf, cms.OIDSHA256, cms.OIDECDSAWithSHA256, attributes)
	signed, err := sd.Signer.SignedBytes()
	if err != nil {
		return nil, err
	}
	digest = sha256.Sum256(signed)
	if sd.Signer.Signature, err = c.key.Sign(nil, digest[:], crypto.SHA256); err != nil {
		return nil, err
	}
	added, err := l.authority.Add(ctx, digest, sd.Signer.Signature, c.leaf.Raw)
	if err != nil {
		return nil, err
	}
	entry, err := tlog.ParseEntry(added)
	if err != nil {
		return nil, err
	}
	entry.CanonicalizedBody = nil // which a verifier rebuilds
	token, err := l.authority.Timestamp(ctx, sha256.Sum256(sd.Signer.Signature))
	if err != nil {
		return nil, err
	}
	sd.Signer.AddTimeStamp(token)
	if err := errors.Join(sd.Signer.AddLogEntry(entry.Marshal()), cms.SortAttributes(sd.Signer.UnsignedAttributes)); err != nil {
		return nil, err
	}
	der, err := sd.Marshal()
	return cms.Armor(der), err
}

// beginPGP signs with an OpenPGP key of the kind that GnuPG makes.
func beginPGP(l *line) (signFunc, error) {
	fixed := false
	cfg := &packet.Config{
		Rand: l.random, Time: func() time.Time { return l.now }, Algorithm: packet.PubKeyAlgoEdDSA,
		NonDeterministicSignaturesViaNotation: &fixed,
	}
	key, err := openpgp.NewEntity("Bench", "", "bench@example.com", cfg)
	if err != nil {
		return nil, err
	}
	if err := key.Serialize(&l.keyring); err != nil {
		return nil, err
	}
	return func(payload []byte) ([]byte, error) {
		var out bytes.Buffer
		err := openpgp.ArmoredDetachSign(&out, key, bytes.NewReader(payload), cfg)
		return append(out.Bytes(), '\n'), err
	}, nil
}

// beginSSH signs with an SSH key (OpenSSH's PROTOCOL.sshsig).
func beginSSH(l *line) (signFunc, error) {
	const algorithm, namespace, hash = "ssh-ed25519", "git", "sha512"
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(l.random, seed); err != nil {
		return nil, err
	}
	private := ed25519.NewKeyFromSeed(seed)
	public := sshStrings([]byte(algorithm), private.Public().(ed25519.PublicKey))
	l.allowed.WriteString("bench@example.com " + algorithm + " " + base64.StdEncoding.EncodeToString(public) + "\n")
	return func(payload []byte) ([]byte, error) {
		digest := sha512.Sum512(payload)
		message := append([]byte("SSHSIG"), sshStrings([]byte(namespace), nil, []byte(hash), digest[:])...)
		signature := sshStrings([]byte(algorithm), ed25519.Sign(private, message))
		blob := binary.BigEndian.AppendUint32([]byte("SSHSIG"), 1)
		blob = append(blob, sshStrings(public, []byte(namespace), nil, []byte(hash), signature)...)
		out := []byte("-----BEGIN SSH SIGNATURE-----\n")
		for text := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(blob)), 70) {
			out = append(append(out, text...), '\n')
		}
		return append(out, "-----END SSH SIGNATURE-----\n"...), nil
	}, nil
}

// sshStrings returns strings as SSH writes them (RFC 4251, section 5).
func sshStrings(all ...[]byte) (out []byte) {
	for _, s := range all {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(s))), s...)
	}
	return out
}

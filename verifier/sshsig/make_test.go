package sshsig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gitseal/verifier"
)

// The times of the tests: the payload claims signedAt, keys are judged at
// judgedAt.
var (
	signedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	judgedAt = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
)

// payload is a commit without its signature.
var payload = fmt.Appendf(nil, "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@example.com> 1 +0000\n"+
	"committer A U Thor <a@example.com> %d +0200\n\nmessage\n", signedAt.Unix())

// newKeys returns keys of every kind, by their algorithms. They are made by
// golang.org/x/crypto/ssh, and so are their signatures, but for those of
// security keys, which only a security key can make there.
var newKeys = sync.OnceValue(func() map[string]ssh.Signer {
	keys := make(map[string]ssh.Signer)
	add := func(key crypto.Signer, err error) {
		if err != nil {
			panic(err)
		}
		signer, err := ssh.NewSignerFromSigner(key)
		if err != nil {
			panic(err)
		}
		name := signer.PublicKey().Type()
		if rsaKey, ok := key.(*rsa.PrivateKey); ok {
			name = fmt.Sprintf("rsa%d", rsaKey.N.BitLen())
		}
		keys[name] = signer
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	add(ed, err)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		add(key, err)
	}
	for _, bits := range []int{1024, 2048} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		add(key, err)
	}
	_, ed, _ = ed25519.GenerateKey(rand.Reader)
	keys[algSKEd25519] = newSecurityKey(ed, "ssh:", flagPresent)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	keys[algSKP256] = newSecurityKey(ec, "ssh:", flagPresent)
	return keys
})

// newKey returns one of newKeys.
func newKey(t testing.TB, name string) ssh.Signer {
	t.Helper()
	key, ok := newKeys()[name]
	if !ok {
		t.Fatalf("no key %q", name)
	}
	return key
}

// newEd25519 returns a key that no other test has.
func newEd25519(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// A securityKey is one in software.
type securityKey struct {
	key         crypto.Signer
	application string
	flags       byte
	public      ssh.PublicKey
}

func newSecurityKey(key crypto.Signer, application string, flags byte) *securityKey {
	inner, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		panic(err)
	}
	// The fields of the plain key come first in that of a security key, too.
	algorithm := map[string]string{algEd25519: algSKEd25519, algP256: algSKP256}[inner.Type()]
	blob := appendString(nil, algorithm)
	blob = append(blob, inner.Marshal()[4+len(inner.Type()):]...)
	public, err := ssh.ParsePublicKey(appendString(blob, application))
	if err != nil {
		panic(err)
	}
	return &securityKey{key, application, flags, public}
}

func (k *securityKey) PublicKey() ssh.PublicKey { return k.public }

// Sign signs as PROTOCOL.u2f has it.
func (k *securityKey) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	const counter = 7
	application, message := sha256.Sum256([]byte(k.application)), sha256.Sum256(data)
	signed := slices.Concat(application[:], []byte{k.flags}, binary.BigEndian.AppendUint32(nil, counter), message[:])
	inner, err := ssh.NewSignerFromSigner(k.key)
	if err != nil {
		return nil, err
	}
	sig, err := inner.Sign(rand.Reader, signed)
	if err != nil {
		return nil, err
	}
	sig.Format = k.public.Type()
	sig.Rest = binary.BigEndian.AppendUint32([]byte{k.flags}, counter)
	return sig, nil
}

// A recipe is how to make a signature. Zero fields are as ssh-keygen has them.
type recipe struct {
	key       ssh.Signer
	cert      *ssh.Certificate // in place of the key
	namespace string           // git
	hash      string           // sha512
	algorithm string           // of an RSA signature; rsa-sha2-512
	reserved  string           // in the blob and in what is signed
	version   uint32           // 1
	signed    string           // the namespace that is signed; the same

	blob func([]byte) []byte // changes the blob before it is armored
}

// make returns the armored signature over payload.
func (r recipe) make(t testing.TB, payload []byte) []byte {
	t.Helper()
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	def(&r.namespace, "git")
	def(&r.hash, "sha512")
	def(&r.algorithm, sigRSA512)
	def(&r.signed, r.namespace)
	if r.version == 0 {
		r.version = 1
	}
	digest := sum(crypto.SHA512, payload)
	if r.hash == "sha256" {
		digest = sum(crypto.SHA256, payload)
	}
	message := []byte("SSHSIG")
	for _, field := range []string{r.signed, r.reserved, r.hash, string(digest)} {
		message = appendString(message, field)
	}
	var sig *ssh.Signature
	var err error
	if signer, ok := r.key.(ssh.AlgorithmSigner); ok && r.key.PublicKey().Type() == algRSA {
		sig, err = signer.SignWithAlgorithm(rand.Reader, message, r.algorithm)
	} else {
		sig, err = r.key.Sign(rand.Reader, message)
	}
	if err != nil {
		t.Fatal(err)
	}
	public := r.key.PublicKey().Marshal()
	if r.cert != nil {
		public = r.cert.Marshal()
	}
	blob := binary.BigEndian.AppendUint32([]byte("SSHSIG"), r.version)
	for _, field := range [][]byte{public, []byte(r.namespace), []byte(r.reserved), []byte(r.hash), ssh.Marshal(sig)} {
		blob = appendString(blob, field)
	}
	if r.blob != nil {
		blob = r.blob(blob)
	}
	return enarmor(blob, 70)
}

// enarmor armors a blob in lines of some width.
func enarmor(blob []byte, width int) []byte {
	var b bytes.Buffer
	b.WriteString("-----BEGIN SSH SIGNATURE-----\n")
	for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(blob)), width) {
		b.Write(line)
		b.WriteByte('\n')
	}
	b.WriteString("-----END SSH SIGNATURE-----\n")
	return b.Bytes()
}

// line returns an allowed signers line.
func line(principals, options string, key ssh.PublicKey) string {
	return strings.Join(strings.Fields(principals+" "+options+" "+string(ssh.MarshalAuthorizedKey(key))), " ") + "\n"
}

// certify returns a user's certificate for key by ca that is valid at both
// times of the tests, after change has changed it.
func certify(t testing.TB, ca, key ssh.Signer, change func(*ssh.Certificate)) *ssh.Certificate {
	t.Helper()
	cert := &ssh.Certificate{
		Key: key.PublicKey(), Serial: 5, CertType: ssh.UserCert, KeyId: "alice's key",
		ValidPrincipals: []string{"alice@example.com"},
		ValidAfter:      uint64(signedAt.Add(-time.Hour).Unix()), ValidBefore: uint64(judgedAt.Add(time.Hour).Unix()),
		Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": ""}},
	}
	if change != nil {
		change(cert)
	}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	return cert
}

// readAllowed reads an allowed signers file in which every line is good.
func readAllowed(t testing.TB, text string) *AllowedSigners {
	t.Helper()
	a, err := ReadAllowedSigners("signers", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Skipped) > 0 {
		t.Fatalf("ReadAllowedSigners skipped %v", a.Skipped)
	}
	return a
}

// newVerifier returns a verifier for one allowed signers file, after change
// has changed its Config.
func newVerifier(t testing.TB, allowed string, change func(*Config)) *Verifier {
	t.Helper()
	cfg := Config{AllowedSigners: []*AllowedSigners{readAllowed(t, allowed)}, Rules: verifier.KeyRules{At: judgedAt}}
	if change != nil {
		change(&cfg)
	}
	v, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantClass checks that err says that a signature is of a class, with a cause
// that has a text in it, and returns it.
func wantClass(t testing.TB, err error, class verifier.Class, text string) *verifier.KeyError {
	t.Helper()
	kerr := (*verifier.KeyError)(nil)
	if !errors.As(err, &kerr) {
		t.Fatalf("Verify = %v, want a KeyError of class %s", err, class)
	}
	if kerr.Class != class {
		t.Errorf("Verify: class %s (%v), want %s", kerr.Class, err, class)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("Verify = %q, want %q in it", err, text)
	}
	return kerr
}

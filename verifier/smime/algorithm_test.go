package smime_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"

	"gitseal/internal/cms"
	"gitseal/verifier"
	"gitseal/verifier/smime"
)

// pssParameters returns RSASSA-PSS-params.
func pssParameters(hash, mask, maskHash cms.OID, rest ...byte) []byte {
	tlv := func(tag byte, parts ...[]byte) []byte {
		body := bytes.Join(parts, nil)
		return append([]byte{tag, byte(len(body))}, body...)
	}
	oid := func(o cms.OID) []byte { return tlv(6, []byte(o)) }
	return tlv(0x30, tlv(0xa0, tlv(0x30, oid(hash), []byte{5, 0})), tlv(0xa1, tlv(0x30, oid(mask), tlv(0x30, oid(maskHash)))), rest)
}

func TestAlgorithms(t *testing.T) {
	p := newPKI(t)
	v := p.verifier(t, nil)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	bare := func(o cms.OID) cms.AlgorithmIdentifier { return cms.AlgorithmIdentifier{Algorithm: o} }
	null := func(o cms.OID) cms.AlgorithmIdentifier {
		return cms.AlgorithmIdentifier{Algorithm: o, Parameters: []byte{5, 0}}
	}
	pss := func(params []byte) cms.AlgorithmIdentifier {
		return cms.AlgorithmIdentifier{Algorithm: cms.OIDRSAPSS, Parameters: params}
	}
	salt := func(n int) *rsa.PSSOptions { return &rsa.PSSOptions{SaltLength: n} }
	sha256, sha384, sha512 := cms.OIDSHA256, cms.OIDSHA384, cms.OIDSHA512
	const unsupported = "unsupported algorithm"
	for _, tt := range []struct {
		name string
		key  crypto.Signer
		form form
		want string // algorithm and hash; or an error
	}{
		{"P-256", newKey(t, elliptic.P256()), form{value: bare(cms.OIDECDSAWithSHA256)}, "ecdsa-p256 sha256"},
		{"P-384", newKey(t, elliptic.P384()), form{digest: sha384, value: bare(cms.OIDECDSAWithSHA384)}, "ecdsa-p384 sha384"},
		{"P-521", newKey(t, elliptic.P521()), form{digest: sha512, value: bare(cms.OIDECDSAWithSHA512)}, "ecdsa-p521 sha512"},
		{"bare key algorithm", newKey(t, elliptic.P256()), form{digest: sha512}, "ecdsa-p256 sha512"},
		{"RSA", rsa2048(), form{value: null(cms.OIDSHA256WithRSA)}, "rsa2048 sha256"},
		{"RSA SHA-384", rsa2048(), form{digest: sha384, value: bare(cms.OIDSHA384WithRSA)}, "rsa2048 sha384"},
		{"RSA SHA-512", rsa2048(), form{digest: sha512, value: bare(cms.OIDSHA512WithRSA)}, "rsa2048 sha512"},
		{"rsaEncryption", rsa2048(), form{value: null(cms.OIDRSAEncryption)}, "rsa2048 sha256"},
		{"PSS", rsa2048(), form{pss: salt(32), value: pss(pssParameters(sha256, cms.OIDMGF1, sha256, 0xa2, 3, 2, 1, 32))}, "rsa2048 sha256"},
		{"PSS with the default salt", rsa2048(), form{pss: salt(20), value: pss(pssParameters(sha256, cms.OIDMGF1, sha256))}, "rsa2048 sha256"},
		{"PSS SHA-512", rsa2048(), form{digest: sha512, pss: salt(64), value: pss(pssParameters(sha512, cms.OIDMGF1, sha512, 0xa2, 3, 2, 1, 64))}, "rsa2048 sha512"},
		{"Ed25519", ed, form{digest: sha512}, "ed25519 sha512"},

		{"P-224", newKey(t, elliptic.P224()), form{}, unsupported},
		{"another hash with ECDSA", newKey(t, elliptic.P256()), form{value: bare(cms.OIDECDSAWithSHA384)}, unsupported},
		{"another hash with RSA", rsa2048(), form{value: bare(cms.OIDSHA384WithRSA)}, unsupported},
		{"RSA's algorithm with ECDSA", newKey(t, elliptic.P256()), form{value: bare(cms.OIDSHA256WithRSA)}, unsupported},
		{"ECDSA's algorithm with RSA", rsa2048(), form{value: bare(cms.OIDECDSAWithSHA256)}, unsupported},
		{"parameters with ECDSA", newKey(t, elliptic.P256()), form{value: cms.AlgorithmIdentifier{Algorithm: cms.OIDECDSAWithSHA256, Parameters: []byte{4, 0}}}, unsupported},
		{"Ed25519 with SHA-256", ed, form{}, unsupported},
		{"Ed25519 with NULL", ed, form{digest: sha512, value: null(cms.OIDEd25519)}, unsupported},
		{"another algorithm with Ed25519", ed, form{digest: sha512, value: bare(cms.OIDECDSAWithSHA512)}, unsupported},
		{"PSS without parameters", rsa2048(), form{pss: salt(20), value: bare(cms.OIDRSAPSS)}, unsupported},
		{"PSS with another hash", rsa2048(), form{pss: salt(20), value: pss(pssParameters(sha384, cms.OIDMGF1, sha256))}, unsupported},
		{"PSS with another mask's hash", rsa2048(), form{pss: salt(20), value: pss(pssParameters(sha256, cms.OIDMGF1, sha384))}, unsupported},
		{"PSS with another mask", rsa2048(), form{pss: salt(20), value: pss(pssParameters(sha256, cms.OIDRSAPSS, sha256))}, unsupported},
		{"PSS with the default salt written", rsa2048(), form{pss: salt(20), value: pss(pssParameters(sha256, cms.OIDMGF1, sha256, 0xa2, 3, 2, 1, 20))}, unsupported},
		// crypto/rsa takes a length of zero for any length.
		{"PSS with no salt", rsa2048(), form{pss: salt(20), value: pss(pssParameters(sha256, cms.OIDMGF1, sha256, 0xa2, 3, 2, 1, 0))}, unsupported},
		{"PSS with a negative salt", rsa2048(), form{pss: salt(32), value: pss(pssParameters(sha256, cms.OIDMGF1, sha256, 0xa2, 3, 2, 1, 0xff))}, unsupported},
		{"PSS with another trailer", rsa2048(), form{pss: salt(20), value: pss(pssParameters(sha256, cms.OIDMGF1, sha256, 0xa3, 3, 2, 1, 2))}, unsupported},
		{"PSS with a salt of another length", rsa2048(), form{pss: salt(21), value: pss(pssParameters(sha256, cms.OIDMGF1, sha256))}, "RSA signature does not match"},
		{"PSS with a mask of no form", rsa2048(), form{pss: salt(20), value: pss([]byte{0x30, 15, 0xa0, 13, 0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1})}, unsupported},
		{"Ed25519 over other bytes", ed, form{digest: sha512, signed: func(der []byte) []byte { return flip(der, 30) }}, "Ed25519 signature does not match"},
		{"PKCS #1 called PSS", rsa2048(), form{value: pss(pssParameters(sha256, cms.OIDMGF1, sha256))}, "RSA signature does not match"},
		{"PSS called PKCS #1", rsa2048(), form{pss: salt(32)}, "RSA signature does not match"},
	} {
		s := issue(t, p.ca, "Alice", tt.key, isSigner)
		signature := p.sign(t, s, tt.form)
		result, err := v.Verify(payload, signature)
		if err != nil {
			class := verifier.BadSignature
			if tt.want == unsupported {
				class = verifier.UnsupportedSignature
			}
			wantBad(t, tt.name, v, signature, class, tt.want)
		} else if got := result.Algorithm + " " + result.Hash; got != tt.want {
			t.Errorf("%s: verified with %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestWeakAlgorithms(t *testing.T) {
	p := newPKI(t)
	small := issue(t, p.ca, "Alice", rsa1024(), isSigner)
	weakCA := *p
	weakCA.ca = issue(t, p.root, "Issuing", rsa1024(), isAuthority)
	weakCA.alice = issue(t, weakCA.ca, "Alice", nil, isSigner)
	weakRoot := pki{root: issue(t, nil, "Root", rsa1024(), isAuthority)}
	weakRoot.ca = weakRoot.root
	weakRoot.alice = issue(t, weakRoot.root, "Alice", nil, isSigner)
	for _, tt := range []struct {
		name   string
		pki    *pki
		signer *holder
		form   form
		accept string
		reason string
	}{
		{"SHA-1", p, p.alice, form{digest: cms.OIDSHA1}, "sha1", "SHA-1"},
		{"SHA-1 with ECDSA's name", p, p.alice, form{digest: cms.OIDSHA1, value: cms.AlgorithmIdentifier{Algorithm: cms.OIDECDSAWithSHA1}}, "sha1", "SHA-1"},
		{"SHA-1 with RSA's name", p, issue(t, p.ca, "Alice", rsa2048(), isSigner), form{digest: cms.OIDSHA1, value: cms.AlgorithmIdentifier{Algorithm: cms.OIDSHA1WithRSA}}, "sha1", "SHA-1"},
		{"a small key", p, small, form{}, "rsa1024", "RSA key of 1024 bits"},
		{"a small key of the authority", &weakCA, weakCA.alice, form{}, "rsa1024", `authority "CN=Issuing,O=Example": RSA key of 1024 bits`},
		{"a small key of the root", &weakRoot, weakRoot.alice, form{}, "rsa1024", `authority "CN=Root,O=Example": RSA key of 1024 bits`},
	} {
		signature := tt.pki.sign(t, tt.signer, tt.form)
		for _, weak := range [][]string{nil, {"md5", ""}, {"sha1"}, {"rsa1024"}} {
			v := tt.pki.verifier(t, func(cfg *smime.Config) { cfg.Rules.Weak = weak })
			if len(weak) == 1 && weak[0] == tt.accept {
				wantGood(t, tt.name, v, signature)
				continue
			}
			kerr := wantBad(t, tt.name, v, signature, verifier.WeakAlgorithm, tt.reason)
			if kerr.Valid != nil && kerr.Valid.Signer.Identity.Subject != "alice@example.com" {
				t.Errorf("%s: Valid = %+v, want Alice's", tt.name, kerr.Valid)
			}
		}
		// What is weak is not believed for being accepted.
		v := tt.pki.verifier(t, func(cfg *smime.Config) { cfg.Rules.Weak = []string{"sha1", "rsa1024"} })
		wantBadOver(t, tt.name, v, flip(payload, 0), signature, verifier.BadSignature, "does not match")
		tt.form.signed = func(der []byte) []byte { return flip(der, 30) }
		wantBad(t, tt.name, v, tt.pki.sign(t, tt.signer, tt.form), verifier.BadSignature, "signature does not match")
	}
}

// TestCertificateSignedWithSHA1CountsAsNotSigned has one that
// x509.CreateCertificate makes only for its caller's peril.
func TestCertificateSignedWithSHA1CountsAsNotSigned(t *testing.T) {
	p := newPKI(t)
	p.ca = issue(t, p.root, "Issuing", rsa2048(), isAuthority)
	alice := issue(t, p.ca, "Alice", nil, func(c *x509.Certificate) {
		isSigner(c)
		c.SignatureAlgorithm = x509.SHA1WithRSA
	})
	v := p.verifier(t, func(cfg *smime.Config) { cfg.Rules.Weak = []string{"sha1"} })
	wantBad(t, "", v, p.sign(t, alice, form{}), verifier.UntrustedCertificate, "SHA1-RSA")
}

// TestKeyTooSmallToCheckWith has one that crypto/rsa refuses, so that nobody
// can accept it.
func TestKeyTooSmallToCheckWith(t *testing.T) {
	p := newPKI(t)
	tiny := issue(t, p.ca, "Alice", unusedKey{rsaOf(512)}, isSigner)
	v := p.verifier(t, func(cfg *smime.Config) { cfg.Rules.Weak = []string{"rsa1024", ""} })
	_, err := v.Verify(payload, p.sign(t, tiny, form{value: cms.AlgorithmIdentifier{Algorithm: cms.OIDRSAEncryption}}))
	var kerr *verifier.KeyError
	if !errors.As(err, &kerr) || kerr.Class != verifier.WeakAlgorithm || kerr.Valid != nil || !strings.Contains(err.Error(), "RSA key of 512 bits") {
		t.Errorf("Verify = %v, want weak-algorithm, and that nothing was checked", err)
	}
}

// TestTinyKeyOfAnAuthorityIsNotAccepted has crypto/rsa use it all the same.
func TestTinyKeyOfAnAuthorityIsNotAccepted(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	p := newPKI(t)
	p.ca = issue(t, p.root, "Issuing", newRSA(768)(), isAuthority)
	p.alice = issue(t, p.ca, "Alice", nil, isSigner)
	v := p.verifier(t, func(cfg *smime.Config) { cfg.Rules.Weak = []string{"rsa1024", ""} })
	wantBad(t, "", v, p.sign(t, p.alice, form{}), verifier.WeakAlgorithm, "RSA key of 768 bits")
}

// unusedKey is a key with which nothing can be signed, for certificates whose
// key is refused before it is used.
type unusedKey struct{ public crypto.PublicKey }

func (k unusedKey) Public() crypto.PublicKey { return k.public }

func (unusedKey) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return digest, nil
}

func rsaOf(bits int) *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, bits/8)), E: 65537}
}

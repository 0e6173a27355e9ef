package sshsig

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gitseal/verifier"
)

func TestVerifyCertificateOfEveryKindOfKey(t *testing.T) {
	for caName, ca := range newKeys() {
		v := newVerifier(t, line("*@example.com", "cert-authority", ca.PublicKey()), func(cfg *Config) { cfg.Rules.Weak = []string{"rsa1024"} })
		for name, key := range newKeys() {
			cert := certify(t, ca, key, nil)
			result, err := v.Verify(payload, recipe{key: key, cert: cert}.make(t, payload))
			if err != nil {
				t.Errorf("%s by %s: %v", name, caName, err)
				continue
			}
			want := verifier.Signer{Kind: verifier.SSH, Identity: verifier.Identity{Subject: "alice@example.com"}, Key: ssh.FingerprintSHA256(key.PublicKey())}
			if result.Signer != want || result.Key != want.Key || result.Algorithm != cert.Type() {
				t.Errorf("%s by %s: %+v by a %s, want %+v by a %s", name, caName, result.Signer, result.Algorithm, want, cert.Type())
			}
			if want := judgedAt.Add(time.Hour); !result.Lapses.Equal(want) {
				t.Errorf("%s by %s: Lapses = %v, want %v", name, caName, result.Lapses, want)
			}
		}
	}
}

func TestVerifyCertificate(t *testing.T) {
	ca, key := newEd25519(t), newEd25519(t)
	tests := []struct {
		name    string
		allowed string // principals and options
		change  func(*ssh.Certificate)
		subject string // "" for none
		class   verifier.Class
		text    string
	}{
		{"pattern", "*@example.com cert-authority", nil, "alice@example.com", verifier.Verified, ""},
		{"no patterns in certificates", "alice@example.com cert-authority", func(c *ssh.Certificate) { c.ValidPrincipals = []string{"*", "al*"} },
			"", verifier.IdentityNotAllowed, "names nobody whom the line"},
		{"other principal", "bob@example.com cert-authority", nil, "", verifier.IdentityNotAllowed, "names nobody whom the line"},
		{"excluded principal", "*@example.com,!alice@* cert-authority", nil, "", verifier.IdentityNotAllowed, "names nobody whom the line"},
		{"first that matches", "*@b,*@c cert-authority", func(c *ssh.Certificate) { c.ValidPrincipals = []string{"x@a", "x@c", "x@b"} },
			"x@b", verifier.Verified, ""},
		{"excluded first", "*,!x@a cert-authority", func(c *ssh.Certificate) { c.ValidPrincipals = []string{"x@a", "x@b"} },
			"x@b", verifier.Verified, ""},
		{"principal of two lines", "*@example.com cert-authority", func(c *ssh.Certificate) { c.ValidPrincipals = []string{"x\nalice@example.com"} },
			"", verifier.IdentityNotAllowed, "names nobody whom the line"},
		{"no principals", "* cert-authority", func(c *ssh.Certificate) { c.ValidPrincipals = nil }, "", verifier.IdentityNotAllowed, "names nobody"},
		{"host", "* cert-authority", func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, "", verifier.IdentityNotAllowed, "a host's"},
		{"line without cert-authority", "*", nil, "", verifier.IdentityNotAllowed, "no line"},
		{"expired", "* cert-authority", func(c *ssh.Certificate) { c.ValidBefore = uint64(judgedAt.Unix()) },
			"alice@example.com", verifier.ExpiredKey, "its certificate was valid until 2026-07-01T12:00:00Z"},
		{"last second", "* cert-authority", func(c *ssh.Certificate) { c.ValidBefore = uint64(judgedAt.Unix()) + 1 }, "alice@example.com", verifier.Verified, ""},
		{"not yet valid", "* cert-authority", func(c *ssh.Certificate) { c.ValidAfter = uint64(judgedAt.Unix()) + 1 },
			"alice@example.com", verifier.ExpiredKey, "its certificate is valid from 2026-07-01T12:00:01Z"},
		{"first second", "* cert-authority", func(c *ssh.Certificate) { c.ValidAfter = uint64(judgedAt.Unix()) }, "alice@example.com", verifier.Verified, ""},
		{"for ever", "* cert-authority", func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = 0, math.MaxUint64 }, "alice@example.com", verifier.Verified, ""},
		{"never", "* cert-authority", func(c *ssh.Certificate) { c.ValidAfter = math.MaxUint64 }, "alice@example.com", verifier.ExpiredKey, "from the end of time"},
		{"expired line", `* cert-authority,valid-before="20260601"`, nil, "alice@example.com", verifier.ExpiredKey, "was allowed until"},
		{"namespace of line", `* cert-authority,namespaces="file"`, nil, "", verifier.IdentityNotAllowed, `of "alice@example.com" is not allowed in namespace "git"`},
		{"source-address", "* cert-authority", func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "10.0.0.0/8"} },
			"", verifier.IdentityNotAllowed, `restricted by "source-address"`},
		{"force-command", "* cert-authority", func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "true"} },
			"", verifier.IdentityNotAllowed, `restricted by "force-command"`},
		{"unknown option", "* cert-authority", func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"x@example.com": ""} },
			"", verifier.IdentityNotAllowed, `restricted by "x@example.com"`},
		{"verify-required", "* cert-authority", func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"verify-required": ""} },
			"", verifier.IdentityNotAllowed, "asks for a PIN"},
		{"unknown extension", "* cert-authority", func(c *ssh.Certificate) { c.Extensions = map[string]string{"x@example.com": "\x00\x01"} },
			"alice@example.com", verifier.Verified, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := newVerifier(t, line(test.allowed, "", ca.PublicKey()), nil)
			result, err := v.Verify(payload, recipe{key: key, cert: certify(t, ca, key, test.change)}.make(t, payload))
			if test.class != verifier.Verified {
				kerr := wantClass(t, err, test.class, test.text)
				if result = kerr.Valid; result == nil {
					t.Fatal("Valid is nil")
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if got := result.Signer.Identity.Subject; got != test.subject {
				t.Errorf("Subject = %q, want %q", got, test.subject)
			}
		})
	}
}

func TestVerifyCertificateWithVerifyRequired(t *testing.T) {
	ca := newEd25519(t)
	inner := newKey(t, algSKEd25519).(*securityKey)
	v := newVerifier(t, line("*", "cert-authority", ca.PublicKey()), nil)
	for flags, ok := range map[byte]bool{flagPresent: false, flagVerified: true, flagPresent | flagVerified: true} {
		key := newSecurityKey(inner.key, "ssh:", flags)
		cert := certify(t, ca, key, func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"verify-required": ""} })
		_, err := v.Verify(payload, recipe{key: key, cert: cert}.make(t, payload))
		if ok && err != nil {
			t.Errorf("flags %d: %v", flags, err)
		} else if !ok {
			wantClass(t, err, verifier.IdentityNotAllowed, "asks for a PIN")
		}
	}
}

// A certificate is not whom the line of its key means, nor the other way
// round.
func TestVerifyTellsKeysFromCertificates(t *testing.T) {
	ca, key := newEd25519(t), newEd25519(t)
	cert := certify(t, ca, key, nil)
	v := newVerifier(t, line("*", "", key.PublicKey()), nil)
	_, err := v.Verify(payload, recipe{key: key, cert: cert}.make(t, payload))
	kerr := wantClass(t, err, verifier.IdentityNotAllowed, `certificate "alice's key" (serial 5) by authority `+ssh.FingerprintSHA256(ca.PublicKey()))
	if kerr.Unlisted {
		t.Error("a certificate is taken for its key")
	}
	v = newVerifier(t, line("*", "cert-authority", key.PublicKey()), nil)
	_, err = v.Verify(payload, recipe{key: key}.make(t, payload))
	wantClass(t, err, verifier.IdentityNotAllowed, "no line")
	v = newVerifier(t, line("*", "cert-authority", ca.PublicKey()), nil)
	_, err = v.Verify(payload, recipe{key: ca}.make(t, payload))
	wantClass(t, err, verifier.IdentityNotAllowed, "no line")
}

func TestVerifyRefusesForgedCertificate(t *testing.T) {
	ca, key, thief := newEd25519(t), newEd25519(t), newEd25519(t)
	v := newVerifier(t, line("*", "cert-authority", ca.PublicKey()), nil)

	// Signed by someone else in the authority's name.
	forged := certify(t, thief, key, nil)
	forged.SignatureKey = ca.PublicKey()
	_, err := v.Verify(payload, recipe{key: key, cert: forged}.make(t, payload))
	wantClass(t, err, verifier.BadSignature, "certificate by authority "+ssh.FingerprintSHA256(ca.PublicKey()))

	// Changed afterwards.
	forged = certify(t, ca, key, nil)
	forged.ValidPrincipals = []string{"root@example.com"}
	_, err = v.Verify(payload, recipe{key: key, cert: forged}.make(t, payload))
	wantClass(t, err, verifier.BadSignature, "certificate by authority")

	// Someone else's.
	_, err = v.Verify(payload, recipe{key: thief, cert: certify(t, ca, key, nil)}.make(t, payload))
	wantClass(t, err, verifier.BadSignature, "signature with key "+ssh.FingerprintSHA256(key.PublicKey()))

	// By an authority that is not allowed.
	_, err = v.Verify(payload, recipe{key: key, cert: certify(t, thief, key, nil)}.make(t, payload))
	wantClass(t, err, verifier.IdentityNotAllowed, "no line")
}

func TestVerifyWeakCertificates(t *testing.T) {
	key, weak, strong := newEd25519(t), newKey(t, "rsa1024"), newKey(t, "rsa2048")
	sha1 := func(t *testing.T) *ssh.Certificate {
		signer, err := ssh.NewSignerWithAlgorithms(strong.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
		if err != nil {
			t.Fatal(err)
		}
		return certify(t, signer, key, nil)
	}
	tests := []struct {
		name   string
		ca     ssh.Signer
		cert   func(*testing.T) *ssh.Certificate
		accept string
		text   string
	}{
		{"short RSA", weak, func(t *testing.T) *ssh.Certificate { return certify(t, weak, key, nil) }, "rsa1024", "certificate authority: RSA key"},
		{"SHA-1", strong, sha1, "sha1", "signed with RSA and SHA-1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			armored := recipe{key: key, cert: test.cert(t)}.make(t, payload)
			allowed := line("*", "cert-authority", test.ca.PublicKey())
			_, err := newVerifier(t, allowed, nil).Verify(payload, armored)
			if kerr := wantClass(t, err, verifier.WeakAlgorithm, test.text); kerr.Valid == nil || kerr.Valid.Signer.Identity.Subject != "alice@example.com" {
				t.Errorf("Valid = %+v, want alice's", kerr.Valid)
			}
			v := newVerifier(t, allowed, func(cfg *Config) { cfg.Rules.Weak = []string{test.accept} })
			if _, err := v.Verify(payload, armored); err != nil {
				t.Errorf("with %s accepted: %v", test.accept, err)
			}
		})
	}
}

func TestVerifyRefusesMalformedCertificate(t *testing.T) {
	ca, key := newEd25519(t), newEd25519(t)
	good := certify(t, ca, key, nil)
	field := func(s string) []byte { return appendString(nil, s) }
	// options returns options in the order given.
	options := func(names ...string) []byte {
		var b []byte
		for _, name := range names {
			b = append(append(b, field(name)...), field("")...)
		}
		return appendString(nil, b)
	}
	was := options("permit-pty")
	// The serial, and the type after it.
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, good.Serial), ssh.UserCert)
	tests := []struct {
		name     string
		old, new []byte
		class    verifier.Class
		text     string
	}{
		{"type 3", head, slices.Concat(head[:11], []byte{3}), verifier.MalformedSignature, "type 3"},
		{"extensions out of order", was, options("b", "a"), verifier.MalformedSignature, "extensions: out of order"},
		{"extension twice", was, options("a", "a"), verifier.MalformedSignature, "extensions: out of order"},
		{"extension truncated", was, appendString(nil, field("permit-pty")), verifier.MalformedSignature, "extensions: truncated"},
		{"critical option twice", slices.Concat(field(""), was), slices.Concat(options("a", "a"), was), verifier.MalformedSignature, "critical options: out of order"},
		{"verify-required with a value", slices.Concat(field(""), was), slices.Concat(appendString(nil, slices.Concat(field("verify-required"), field("x"))), was),
			verifier.MalformedSignature, "with a value"},
		{"principals truncated", appendString(nil, field("alice@example.com")), appendString(nil, field("alice@example.com")[:20]), verifier.MalformedSignature, "principals: truncated"},
		{"NUL in a principal", []byte("alice@example.com"), []byte("alice@example\x00com"), verifier.MalformedSignature, "principals: truncated"},
		{"trailing bytes", nil, []byte{0}, verifier.MalformedSignature, "certificate: trailing bytes"},
		{"authority is a certificate", appendString(nil, ca.PublicKey().Marshal()), appendString(nil, good.Marshal()), verifier.UnsupportedSignature, "certificate's authority: unknown kind"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			blob := good.Marshal()
			changed := append(slices.Clone(blob), test.new...)
			if test.old != nil {
				if n := bytes.Count(blob, test.old); n != 1 {
					t.Fatalf("%d times in the certificate", n)
				}
				changed = bytes.Replace(blob, test.old, test.new, 1)
			}
			armored := recipe{key: key, cert: good, blob: func(b []byte) []byte {
				return bytes.Replace(b, appendString(nil, blob), appendString(nil, changed), 1)
			}}.make(t, payload)
			v := newVerifier(t, line("*", "cert-authority", ca.PublicKey()), nil)
			_, err := v.Verify(payload, armored)
			wantClass(t, err, test.class, test.text)
		})
	}
}

// TestCertificateIsReadAsElsewhere compares with golang.org/x/crypto/ssh.
func TestCertificateIsReadAsElsewhere(t *testing.T) {
	for _, ca := range newKeys() {
		for _, key := range newKeys() {
			cert := certify(t, ca, key, func(c *ssh.Certificate) {
				c.CriticalOptions = map[string]string{"verify-required": "", "a": "b"}
				c.Nonce = make([]byte, 32)
				if _, err := rand.Read(c.Nonce); err != nil {
					t.Fatal(err)
				}
			})
			name, ok := certified(cert.Type())
			if !ok || name != key.PublicKey().Type() {
				t.Fatalf("certified(%q) = %q, %v", cert.Type(), name, ok)
			}
			k, c, err := parseCertificate(name, cert.Marshal())
			if err != nil {
				t.Fatal(err)
			}
			if k.blob != string(key.PublicKey().Marshal()) || k.fingerprint() != ssh.FingerprintSHA256(key.PublicKey()) ||
				c.ca.blob != string(ca.PublicKey().Marshal()) || c.serial != cert.Serial || c.keyID != cert.KeyId || !c.user ||
				!slices.Equal(c.principals, cert.ValidPrincipals) || c.after != cert.ValidAfter || c.before != cert.ValidBefore ||
				!slices.Equal(c.critical, []string{"a", "verify-required"}) {
				t.Errorf("%s: read as %+v with %+v", cert.Type(), c, k)
			}
			if err := c.checkAuthority(); err != nil {
				t.Error(err)
			}
		}
	}
}

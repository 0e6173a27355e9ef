package sshsig

import (
	"bytes"
	"slices"
	"testing"

	"golang.org/x/crypto/ssh"

	"gitseal/verifier"
)

func TestVerifyEveryKindOfKey(t *testing.T) {
	for name, key := range newKeys() {
		for _, hash := range []string{"sha256", "sha512"} {
			t.Run(name+"/"+hash, func(t *testing.T) {
				v := newVerifier(t, line("alice@example.com", "", key.PublicKey()), func(cfg *Config) { cfg.Rules.Weak = []string{"rsa1024"} })
				result, err := v.Verify(payload, recipe{key: key, hash: hash}.make(t, payload))
				if err != nil {
					t.Fatal(err)
				}
				want := verifier.KeyResult{
					Signer: verifier.Signer{Kind: verifier.SSH, Identity: verifier.Identity{Subject: "alice@example.com"},
						Key: ssh.FingerprintSHA256(key.PublicKey())},
					Key:       ssh.FingerprintSHA256(key.PublicKey()),
					Algorithm: key.PublicKey().Type(),
					Hash:      hash,
					Claimed:   signedAt,
				}
				if result.Signer != want.Signer || result.Key != want.Key || result.Algorithm != want.Algorithm ||
					result.Hash != want.Hash || !result.Claimed.Equal(want.Claimed) || len(result.Notes) > 0 ||
					!result.Lapses.IsZero() || !result.Time.IsZero() {
					t.Errorf("Verify = %+v, want %+v", *result, want)
				}
			})
		}
	}
}

func TestVerifyRefusesOtherPayload(t *testing.T) {
	for name, key := range newKeys() {
		v := newVerifier(t, line("alice@example.com", "", key.PublicKey()), nil)
		_, err := v.Verify(slices.Concat(payload, []byte("\n")), recipe{key: key}.make(t, payload))
		kerr := wantClass(t, err, verifier.BadSignature, "not made by the key over these bytes")
		if kerr.Valid != nil {
			t.Errorf("%s: Valid = %+v, want nil", name, kerr.Valid)
		}
		if kerr.Unverified.Key != ssh.FingerprintSHA256(key.PublicKey()) || kerr.Unverified.Signer.Identity.Subject != "" {
			t.Errorf("%s: Unverified = %+v, want the fingerprint and no identity", name, kerr.Unverified)
		}
	}
}

// A signature carries its key: that it is wrong does not depend on who is
// known.
func TestVerifyRefusesStrangersBadSignature(t *testing.T) {
	v := newVerifier(t, line("a", "", newEd25519(t).PublicKey()), nil)
	_, err := v.Verify([]byte("x"), recipe{key: newEd25519(t)}.make(t, payload))
	wantClass(t, err, verifier.BadSignature, "")
}

func TestVerifyRefusesOtherNamespace(t *testing.T) {
	key := newEd25519(t)
	v := newVerifier(t, line("a", "", key.PublicKey()), nil)
	_, err := v.Verify(payload, recipe{key: key, namespace: "file"}.make(t, payload))
	wantClass(t, err, verifier.BadSignature, `made for namespace "file", want "git"`)
	// What is signed counts, not what is written beside it.
	_, err = v.Verify(payload, recipe{key: key, signed: "file"}.make(t, payload))
	wantClass(t, err, verifier.BadSignature, "not made by the key")

	v = newVerifier(t, line("a", "", key.PublicKey()), func(cfg *Config) { cfg.Namespace = "file" })
	if _, err := v.Verify(payload, recipe{key: key, namespace: "file"}.make(t, payload)); err != nil {
		t.Error(err)
	}
}

func TestVerifyRefusesBlob(t *testing.T) {
	key := newEd25519(t)
	v := newVerifier(t, line("a", "", key.PublicKey()), nil)
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte {
			if bytes.Count(b, []byte(old)) == 0 {
				t.Fatalf("no %q in the blob", old)
			}
			return bytes.Replace(b, []byte(old), []byte(new), 1)
		}
	}
	field := func(s string) string { return string(appendString(nil, s)) }
	tests := []struct {
		name   string
		recipe recipe
		class  verifier.Class
		text   string
	}{
		{"version 2", recipe{version: 2}, verifier.UnsupportedSignature, "version 2"},
		{"version 0", recipe{blob: replace("SSHSIG\x00\x00\x00\x01", "SSHSIG\x00\x00\x00\x00")}, verifier.MalformedSignature, "no version"},
		{"magic", recipe{blob: replace("SSHSIG", "SSHSIH")}, verifier.MalformedSignature, "SSHSIG"},
		{"reserved", recipe{reserved: "x"}, verifier.UnsupportedSignature, "reserved"},
		{"reserved afterwards", recipe{blob: replace(field("git")+field(""), field("git")+field("x"))}, verifier.UnsupportedSignature, "reserved"},
		{"sha1", recipe{hash: "sha1"}, verifier.UnsupportedSignature, `hash by "sha1"`},
		{"sha384", recipe{hash: "sha384"}, verifier.UnsupportedSignature, `hash by "sha384"`},
		{"no hash", recipe{blob: replace(field("sha512"), field(""))}, verifier.UnsupportedSignature, `hash by ""`},
		{"trailing byte", recipe{blob: func(b []byte) []byte { return append(b, 0) }}, verifier.MalformedSignature, "trailing bytes"},
		{"truncated", recipe{blob: func(b []byte) []byte { return b[:len(b)-1] }}, verifier.MalformedSignature, "truncated"},
		{"empty", recipe{blob: func([]byte) []byte { return nil }}, verifier.MalformedSignature, ""},
		{"NUL in namespace", recipe{namespace: "git\x00"}, verifier.MalformedSignature, "truncated or wrongly"},
		{"unknown kind of key", recipe{blob: replace(field(algEd25519), field("ssh-ed25518"))}, verifier.UnsupportedSignature, `kind of key "ssh-ed25518"`},
		{"dsa", recipe{blob: replace("\x00\x00\x00\x33"+field(algEd25519), "\x00\x00\x00\x2f"+field(algDSA))}, verifier.WeakAlgorithm, "DSA"},
		{"unknown certificate", recipe{blob: replace("\x00\x00\x00\x33"+field(algEd25519), "\x00\x00\x00\x4c"+field("ssh-ed25518-cert-v01@openssh.com")+"\x00\x00\x00\x00")},
			verifier.UnsupportedSignature, `kind of key "ssh-ed25518"`},
		{"other algorithm", recipe{blob: func(b []byte) []byte {
			i := bytes.LastIndex(b, []byte(algEd25519))
			return append(append(b[:i:i], "ssh-ed25518"...), b[i+len(algEd25519):]...)
		}}, verifier.MalformedSignature, `"ssh-ed25518" signature by a key`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.recipe.key = key
			_, err := v.Verify(payload, test.recipe.make(t, payload))
			if kerr := wantClass(t, err, test.class, test.text); kerr.Valid != nil {
				t.Errorf("Valid = %+v, want nil", kerr.Valid)
			}
		})
	}
}

func TestNewRequiresTime(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("New without a time succeeded")
	}
}

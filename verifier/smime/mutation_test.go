package smime_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"testing"

	"gitseal/internal/cms"
	"gitseal/verifier/smime"
)

// TestNoChangedBitVerifies flips each bit of the payload, of the armored
// signature and of the CMS in it, of which no part can be spared: every
// certificate in it is needed.
func TestNoChangedBitVerifies(t *testing.T) {
	p := newPKI(t)
	v := p.verifier(t, nil)
	small := p.signer(t, func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = 0, nil })
	signature := p.sign(t, small, form{})
	wantGood(t, "unchanged", v, signature)
	der, _, err := cms.Dearmor(signature)
	if err != nil {
		t.Fatal(err)
	}
	each := func(name string, data []byte, step int, verify func(changed []byte) error) {
		if testing.Short() {
			step *= 11
		}
		for i := 0; i < 8*len(data); i += step {
			changed := bytes.Clone(data)
			changed[i/8] ^= 1 << (i % 8)
			if verify(changed) == nil {
				t.Errorf("bit %d of byte %d of the %s may be changed", i%8, i/8, name)
			}
		}
	}
	each("payload", payload, 3, func(changed []byte) error { _, err := v.Verify(changed, signature); return err })
	each("armor", signature, 5, func(changed []byte) error { _, err := v.Verify(payload, changed); return err })
	each("CMS", der, 1, func(changed []byte) error { _, err := v.Verify(payload, cms.Armor(changed)); return err })
	for i := range der {
		if _, err := v.Verify(payload, cms.Armor(der[:i])); err == nil {
			t.Errorf("the CMS may be cut off after %d bytes", i)
		}
	}
}

// FuzzVerify has a signature verify only if it is the one it was made of,
// but for what nobody signs: certificates to spare, unsigned attributes, text.
func FuzzVerify(f *testing.F) {
	p := fixedPKI(f)
	v := p.verifier(f, withLists(revoke(f, p.ca, nil)))
	add := func(form form) { f.Add(p.sign(f, p.alice, form), payload) }
	add(form{})
	add(form{encode: indefinite})
	add(form{digest: cms.OIDSHA512})
	add(form{after: func(sd *cms.SignedData) { sd.Signer.AddTimeStamp([]byte{0x30, 0}) }})
	f.Add(p.sign(f, p.alice, form{carried: []*x509.Certificate{}}), []byte("another"))
	f.Fuzz(func(t *testing.T, signature, over []byte) {
		takes := smime.Takes(signature)
		result, err := v.Verify(over, signature)
		if (err == nil) != (result != nil) {
			t.Errorf("Verify = %v, %v", result, err)
		}
		if err == nil && (!takes || !bytes.Equal(over, payload) || result.Signer.Identity.Subject != "alice@example.com") {
			t.Errorf("Verify accepts a signature over %q by %v; Takes = %t", over, result.Signer, takes)
		}
	})
}

// fixedPKI is a pki of keys that are the same in each process: those that fuzz
// hand each other signatures.
func fixedPKI(t testing.TB) *pki {
	t.Helper()
	key := func(b byte) *ecdsa.PrivateKey {
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{b}, 32))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	p := new(pki)
	p.root = issue(t, nil, "Root", key(1), isAuthority)
	p.ca = issue(t, p.root, "Issuing", key(2), isAuthority)
	p.alice = issue(t, p.ca, "Alice", key(3), isSigner)
	return p
}

func BenchmarkVerify(b *testing.B) {
	p := newPKI(b)
	for _, bb := range []struct {
		name   string
		signer *holder
	}{{"ECDSA", p.alice}, {"RSA", issue(b, p.ca, "Alice", rsa2048(), isSigner)}} {
		b.Run(bb.name, func(b *testing.B) {
			v := p.verifier(b, nil)
			signature := p.sign(b, bb.signer, form{})
			for b.Loop() {
				if _, err := v.Verify(payload, signature); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

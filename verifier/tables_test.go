package verifier_test

import (
	"bytes"
	"crypto/elliptic"
	"fmt"
	"sync"
	"testing"

	"gitseal/fakeca"
	"gitseal/verifier"
)

// TestTablesChangeNoVerdict compares a verifier that has verified enough
// signatures for its keys to have tables with one that has seen none, on
// signatures with a bit changed in each place, and on ever new good ones.
func TestTablesChangeNoVerdict(t *testing.T) {
	const enough = 40
	for _, cfg := range []fakeca.Config{{Log: fakeca.RekorV2, Curve: elliptic.P256()}, {Log: fakeca.RekorV1, Curve: elliptic.P384()}} {
		t.Run(fmt.Sprint(cfg.Log), func(t *testing.T) {
			a := fixedAuthority(t, cfg.Log, cfg.Curve)
			root := rootOf(t, a, nil)
			old := verifierOf(t, root)
			var last []byte
			for i := range 2 * enough {
				message := fmt.Append(payload, i)
				last = a.Sign(message, fakeca.Fixture{Timestamp: true})
				if _, err := old.Verify(message, last, verifier.AnyIdentity{}); err != nil {
					t.Fatalf("signature %d: %v", i, err)
				}
			}
			message := fmt.Append(payload, 2*enough-1)
			good := mustTakeApart(t, last)
			for name, part := range map[string]func(*parts) *[]byte{
				"certificate": func(p *parts) *[]byte { return &p.certificate },
				"signature":   func(p *parts) *[]byte { return &p.signature },
				"entry":       func(p *parts) *[]byte { return &p.entry },
				"token":       func(p *parts) *[]byte { return &p.token },
			} {
				for i := 0; i < len(*part(good)); i += 7 {
					spoilt := *good
					changed := bytes.Clone(*part(good))
					changed[i] ^= 1 << (i % 8)
					*part(&spoilt) = changed
					signature, err := spoilt.armor()
					if err != nil {
						t.Fatal(err)
					}
					_, got := old.Verify(message, signature, verifier.AnyIdentity{})
					_, want := verifierOf(t, root).Verify(message, signature, verifier.AnyIdentity{})
					if fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("byte %d of the %s: %v with tables, %v without", i, name, got, want)
					}
				}
			}
		})
	}
}

// TestGoroutinesShareAVerifier has several verify while tables are made.
func TestGoroutinesShareAVerifier(t *testing.T) {
	const each = 20
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1, Curve: elliptic.P384()})
	signature := a.Sign(payload, fakeca.Fixture{})
	var messages, signatures [each][]byte
	for i := range each {
		messages[i] = fmt.Append(payload, i)
		signatures[i] = a.Sign(messages[i], fakeca.Fixture{})
	}
	v := verifierOf(t, rootOf(t, a, nil))
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for i := range each {
				if _, err := v.Verify(messages[i], signatures[i], verifier.AnyIdentity{}); err != nil {
					t.Errorf("signature %d: %v", i, err)
				}
				if _, err := v.Verify(messages[i], signature, verifier.AnyIdentity{}); err == nil {
					t.Errorf("signature %d verifies another message", i)
				}
			}
		})
	}
	running.Wait()
}

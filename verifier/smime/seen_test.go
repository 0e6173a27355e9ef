package smime_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"testing"

	"gitseal/verifier"
	"gitseal/verifier/smime"
)

// TestVerdictsDoNotDependOnEarlierOnes judges signatures that claim all kinds
// of days, one after another and each by a Verifier of its own.
func TestVerdictsDoNotDependOnEarlierOnes(t *testing.T) {
	p := newPKI(t)
	span := func(from, until int) func(c *x509.Certificate) {
		return func(c *x509.Certificate) { isAuthority(c); c.NotBefore, c.NotAfter = days(from), days(until) }
	}
	// The authority has two certificates that overlap, by two roots.
	second := issue(t, nil, "Second", nil, span(-200, -20))
	early := issue(t, second, "Issuing", p.ca.key, span(-90, -60))
	late := issue(t, p.root, "Issuing", p.ca.key, span(-70, -30))
	alice := p.signer(t, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = days(-80), days(-25) })
	config := func(cfg *smime.Config) {
		cfg.Roots = append(cfg.Roots, second.cert)
		cfg.Rules.AtSigning = true
	}
	shared := p.verifier(t, config)
	seen := make(map[string]int)
	for _, carried := range [][]*x509.Certificate{{early.cert, late.cert}, {late.cert}, {early.cert}, {late.cert, early.cert}} {
		for day := -100; day < 0; day += 5 {
			for _, over := range [][]byte{payload, flip(payload, 0)} {
				signature := p.sign(t, alice, form{claimed: days(day), carried: carried})
				verdict := func(v *smime.Verifier) string {
					result, err := v.Verify(over, signature)
					if kerr := (*verifier.KeyError)(nil); errors.As(err, &kerr) {
						return fmt.Sprint(kerr.Class, err)
					}
					return fmt.Sprint(*result)
				}
				got, want := verdict(shared), verdict(p.verifier(t, config))
				if got != want {
					t.Errorf("day %d: verdict %s, by a verifier of its own %s", day, got, want)
				}
				seen[got]++
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("%d verdicts differ, want more of a choice", len(seen))
	}
}

// TestManySignersAreVerified has more than are remembered.
func TestManySignersAreVerified(t *testing.T) {
	p := newPKI(t)
	v := p.verifier(t, nil)
	for i := range 300 {
		alice := issue(t, p.ca, "Alice", p.alice.key, isSigner)
		wantGood(t, fmt.Sprint(i), v, p.sign(t, alice, form{}))
	}
}

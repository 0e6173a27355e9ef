package openpgp_test

import (
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
	"gitseal/verifier/openpgp"
)

// A judgment is a case: a signature by alice, judged by keyrings.
type judgment struct {
	name  string
	rings [][]byte           // each a file; nil: alice's good key
	rules *verifier.KeyRules // nil: today
	sig   []byte             // packets; nil: a good signature by alice
	want  verifier.Class
	err   string // part of the error
	valid bool   // the signature is right: all that is wrong is the key
}

func (j judgment) run(t *testing.T, alice *testKey) {
	t.Run(j.name, func(t *testing.T) {
		if j.rings == nil {
			j.rings = [][]byte{keyOf(alice, "alice")}
		}
		if j.rules == nil {
			j.rules = &today
		}
		if j.sig == nil {
			j.sig = sig{by: alice, at: signed}.over(payload)
		}
		var rings []*openpgp.Keyring
		for _, r := range j.rings {
			rings = append(rings, ring(t, r))
		}
		v := newVerifier(t, *j.rules, rings...)
		class, valid, err := verify(t, v, payload, armor(j.sig))
		if class != j.want {
			t.Fatalf("Verify = %s (%v), want %s", class, err, j.want)
		}
		if j.want != verifier.Verified {
			if !strings.Contains(err.Error(), j.err) || strings.Contains(err.Error(), "\n") || j.err == "" {
				t.Errorf("Verify = %v, want an error about %q", err, j.err)
			}
			if (valid != nil) != j.valid {
				t.Errorf("Verify: Valid = %v, want one: %t", valid, j.valid)
			}
		}
		if _, _, kerr := verify(t, v, append([]byte("x"), payload...), armor(j.sig)); kerr == nil {
			t.Errorf("Verify of another payload = nil, want an error")
		}
		if !j.rules.AtSigning {
			compare(t, j.rules.At, j.rings, armor(j.sig), class, err)
		}
	})
}

func rulesAt(at time.Time) *verifier.KeyRules { return &verifier.KeyRules{At: at} }

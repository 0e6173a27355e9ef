package verifier_test

import (
	"crypto/sha256"
	"errors"
	"testing"

	"gitseal/fakeca"
	"gitseal/internal/tlog"
	"gitseal/verifier"
)

// TestForgedProofsMakeNothingBad: anybody can make an entry that speaks of a
// signature, and put it where proofs are. The signature is then as it was before.
func TestForgedProofsMakeNothingBad(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a, stranger := newAuthority(t, fakeca.Config{Log: generation}), newAuthority(t, fakeca.Config{Log: generation})
		v := verifierOf(t, rootOf(t, a, nil))
		p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Timestamp: true}))
		signature, proof := p.outside(t, true, true)
		real, err := tlog.ParseEntry(proof.Entry)
		if err != nil {
			t.Fatal(err)
		}
		entry := func(change func(*tlog.Entry)) []byte {
			e := *real
			inclusion := *real.Proof
			e.Proof = &inclusion
			change(&e)
			return e.Marshal()
		}
		strange, err := stranger.Add(t.Context(), sha256.Sum256(p.signed), p.signature, p.certificate)
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := stranger.Timestamp(t.Context(), sha256.Sum256(p.signature))
		if err != nil {
			t.Fatal(err)
		}
		for name, forged := range map[string]verifier.Proof{
			"of a tree of its own": {Entry: entry(func(e *tlog.Entry) {
				e.LogIndex, e.Proof.LogIndex, e.Proof.TreeSize, e.Proof.Hashes = 0, 0, 1, nil
				e.Proof.RootHash = tlog.LeafHash(p.body())
			})},
			"of another log":            {Entry: strange},
			"without anything":          {Entry: entry(func(e *tlog.Entry) { e.Proof, e.Promise = nil, nil })},
			"with another's time-stamp": {Entry: proof.Entry, Timestamps: [][]byte{foreign}},
		} {
			_, err := verifyBy(v, signature, forged)
			var verr *verifier.VerifyError
			if !errors.As(err, &verr) || verr.Class != verifier.NotLogged {
				t.Errorf("%v, a proof %s: %v, want the class %v", generation, name, err, verifier.NotLogged)
			}
			if _, err := verifyBy(v, signature, forged, proof); err != nil {
				t.Errorf("%v, a proof %s beside a good one: %v", generation, name, err)
			}
		}
		// What is wrong with the signature itself remains to be said.
		other := verifierOf(t, rootOf(t, stranger, nil))
		bare, _ := p.outside(t, false, true)
		_, err = verifyBy(other, bare, verifier.Proof{Entry: strange})
		wantClass(t, "of a stranger", err, verifier.UntrustedCertificate, verifier.CheckChain)
	}
}

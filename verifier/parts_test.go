package verifier_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"gitseal/fakeca"
	"gitseal/verifier"
)

// TestPartsAreOfOnePiece changes one part at a time.
func TestPartsAreOfOnePiece(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	v := verifierOf(t, rootOf(t, a, nil))
	signature, proof := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{})).outside(t, true, false)
	other := partsOf(t, a.Sign(payload, fakeca.Fixture{}))
	for name, tt := range map[string]struct {
		change func(*verifier.Parts)
		class  verifier.Class
		check  verifier.Check
	}{
		"signature of another":     {func(p *verifier.Parts) { p.Signature = other.Signature }, verifier.BadSignature, verifier.CheckSignature},
		"certificate of another":   {func(p *verifier.Parts) { p.Certificate = other.Certificate }, verifier.BadSignature, verifier.CheckSignature},
		"certificate cut off":      {func(p *verifier.Parts) { p.Certificate = p.Certificate[1:] }, verifier.MalformedSignature, verifier.CheckCMS},
		"attributes changed":       {func(p *verifier.Parts) { p.SignedAttributes[len(p.SignedAttributes)-1] ^= 1 }, verifier.BadSignature, verifier.CheckSignature},
		"attributes that are none": {func(p *verifier.Parts) { p.SignedAttributes = []byte("payload") }, verifier.MalformedSignature, verifier.CheckCMS},
		"time-stamp of another":    {func(p *verifier.Parts) { p.Timestamps = other.Timestamps }, verifier.BadTime, verifier.CheckTimestamp},
		"time-stamp twice":         {func(p *verifier.Parts) { p.Timestamps = append(p.Timestamps, p.Timestamps[0]) }, verifier.MalformedSignature, verifier.CheckTimestamp},
		"no time-stamp":            {func(p *verifier.Parts) { p.Timestamps = nil }, verifier.BadTime, verifier.CheckTime},
	} {
		p := partsOf(t, signature)
		if _, err := v.VerifyParts(p, proof, verifier.AnyIdentity{}); err != nil {
			t.Fatal(err)
		}
		tt.change(&p)
		_, err := v.VerifyParts(p, proof, verifier.AnyIdentity{})
		wantClass(t, name, err, tt.class, tt.check)
	}
}

// TestNoBitOfAProofIsSpare flips bits all over proofs.
func TestNoBitOfAProofIsSpare(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a := newAuthority(t, fakeca.Config{Log: generation})
		v := verifierOf(t, rootOf(t, a, nil))
		p := mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Timestamp: true}))
		for _, withBody := range []bool{true, false} {
			signature, proof := p.outside(t, false, withBody)
			if _, err := verifyBy(v, signature, proof); err != nil {
				t.Fatal(err)
			}
			step := 1
			if testing.Short() {
				step = 11
			}
			for i := 0; i < len(proof.Entry); i += step {
				changed := verifier.Proof{Entry: bytes.Clone(proof.Entry), Timestamps: proof.Timestamps}
				changed.Entry[i] ^= 1 << (i % 8)
				if _, err := verifyBy(v, signature, changed); err == nil {
					t.Errorf("%v: bit %d of byte %d of the entry (%s) changed, and still it verifies", generation, i%8, i, changedField(proof.Entry, changed.Entry))
				}
			}
			for i := 0; i < len(p.token); i += 3 * step {
				changed := verifier.Proof{Entry: proof.Entry, Timestamps: [][]byte{bytes.Clone(p.token)}}
				changed.Timestamps[0][i] ^= 1 << (i % 8)
				if _, err := verifyBy(v, signature, changed); err == nil {
					t.Errorf("%v: bit %d of byte %d of the time-stamp changed, and still it verifies", generation, i%8, i)
				}
			}
		}
	}
}

func TestProofKeyIsOfTheSignatureValue(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	signature := a.Sign(payload, fakeca.Fixture{})
	p := mustTakeApart(t, signature)
	bare, _ := p.outside(t, false, false)
	for _, armored := range [][]byte{signature, bare} {
		if got, err := verifier.ProofKey(armored); err != nil || got != sha256.Sum256(p.signature) {
			t.Errorf("ProofKey = %x, %v, want the SHA-256 of the signature value", got, err)
		}
	}
	for name, bad := range map[string][]byte{"nothing": nil, "cut off": signature[:len(signature)-40], "of OpenPGP": []byte("-----BEGIN PGP SIGNATURE-----\n\n=\n-----END PGP SIGNATURE-----\n")} {
		var verr *verifier.VerifyError
		if key, err := verifier.ProofKey(bad); !errors.As(err, &verr) || key != [32]byte{} {
			t.Errorf("ProofKey of %s = %x, %v, want a VerifyError", name, key, err)
		}
	}
}

package verifier_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"testing"

	"gitseal/internal/cms"
	"gitseal/verifier"
)

// TestSignedFileCanBeAGitSignature keeps true what docs/verification.md says
// is not proven: a file that somebody is led to sign may be the signed
// attributes of a commit that they have never seen. gitsign's format has
// nothing by which to tell. If this fails, the page is to be changed.
func TestSignedFileCanBeAGitSignature(t *testing.T) {
	p := newPacker(t)
	digest := sha256.Sum256(payload)
	attributes, err := cms.NewSignedAttributes(cms.OIDData, digest[:], p.at())
	if err != nil {
		t.Fatal(err)
	}
	message := cms.NewDetached(p.leaf, cms.OIDSHA256, cms.OIDECDSAWithSHA256, attributes)
	file, err := message.Signer.SignedBytes()
	if err != nil {
		t.Fatal(err)
	}

	// What any Sigstore client makes of a file.
	signature := p.sign(t, crypto.SHA256, file)
	b := p.wrap(t, "hashedrekord 0.0.1", p.body(t, "hashedrekord 0.0.1", crypto.SHA256, file, signature, ""), signature)
	v := verifierOf(t, p.root(t, nil))
	artifact, err := b.Artifact(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.VerifyBundle(b.Bundle, artifact, verifier.AnyIdentity{}); err != nil {
		t.Fatal(err)
	}

	// What an attacker makes of that.
	message.Signer.Signature = b.Signature
	b.entry.CanonicalizedBody = nil
	if err := message.Signer.AddLogEntry(b.entry.Marshal()); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(payload, armored(t, message), verifier.AnyIdentity{}); err != nil {
		t.Errorf("the signature of a file is none of a commit: %v", err)
	}
}

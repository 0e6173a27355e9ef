package verifier_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"encoding/hex"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	"gitseal/fakeca"
	"gitseal/internal/trust"
	"gitseal/verifier"
)

// theirs lets sigstore-go verify a bundle over the artifact, under the root
// and with the key, if that is not nil.
func theirs(t *testing.T, text []byte, tr *verifier.TrustedRoot, key crypto.PublicKey) error {
	t.Helper()
	rootText, err := tr.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := root.NewTrustedRootFromJSON(rootText)
	if err != nil {
		t.Fatal(err)
	}
	var material root.TrustedMaterial = trusted
	policies := []verify.PolicyOption{verify.WithoutIdentitiesUnsafe()}
	options := []verify.VerifierOption{verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1)}
	if key != nil {
		policies = []verify.PolicyOption{verify.WithKey()}
		v, err := signature.LoadDefaultVerifier(key)
		if err != nil {
			return err
		}
		always := root.NewExpiringKey(v, time.Time{}, time.Time{})
		material = root.TrustedMaterialCollection{trusted, root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
			return always, nil
		})}
	}
	v, err := verify.NewVerifier(material, options...)
	if err != nil {
		t.Fatal(err)
	}
	b := new(bundle.Bundle)
	if err := b.UnmarshalJSON(text); err != nil {
		return err
	}
	_, err = v.Verify(b, verify.NewPolicy(verify.WithArtifact(bytes.NewReader(artifact)), policies...))
	return err
}

// blobDifferences are by the name of the bundle.
var blobDifferences = map[string]difference{
	"entry with another label":               {they, "it goes by the body; we want them to agree"},
	"body not canonical":                     {they, "it parses JSON of any form"},
	"statement with two digests that differ": {they, "to it one digest that matches is enough"},
	"digest in capitals":                     {they, "it takes hexadecimal digits in either case"},
	"statement of an unknown type":           {they, "it passes on the type for its caller to judge"},
	"statement without a type":               {they, "as above"},

	"checkpoint of another origin":                           {they, "it takes an origin with the number of a tree for one of Rekor v1, whatever the entry"},
	"time-stamp twice":                                       {they, "it passes over the second"},
	"second time-stamp when its own certificate had expired": {they, "one good time-stamp is enough for it; all must hold for us"},
	"second entry bad":                                       {they, "it passes over entries whose promise does not verify; all must hold for us"},
}

// TestSigstoreAgreesOnBundles asks sigstore-go for a second opinion on each
// bundle with one thing wrong.
func TestSigstoreAgreesOnBundles(t *testing.T) {
	tried := 0
	for _, tt := range badBundles {
		p := newPacker(t)
		b := tt.make(t, p)
		text, err := b.Marshal()
		if err != nil {
			continue // it cannot be written
		}
		tried++
		their := theirs(t, text, p.root(t, nil), nil)
		known := blobDifferences[tt.name]
		if (their == nil) != (known.accept == they) {
			t.Errorf("%s: sigstore-go says %v, known is that %q accepts it", tt.name, their, known.accept)
		}
	}
	if tried < len(badBundles)-8 {
		t.Errorf("%d of %d bundles could be tried", tried, len(badBundles))
	}
}

// TestSigstoreAgreesOnGoodBundles has it verify what we do.
func TestSigstoreAgreesOnGoodBundles(t *testing.T) {
	const p256 = "PKIX_ECDSA_P256_SHA_256"
	for _, tt := range []struct {
		name string
		key  crypto.Signer
		make func(*packer) *packet
		why  string // they refuse it; "": they do not
	}{
		{"message", nil, func(p *packer) *packet { return p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "") }, ""},
		{"message, v2", nil, func(p *packer) *packet { return p.pack(t, "hashedrekord 0.0.2", crypto.SHA256, p256) }, ""},
		{"dsse", nil, func(p *packer) *packet { return p.packStatement(t, "dsse 0.0.1", crypto.SHA256, "", goodStatement) }, ""},
		{"intoto", nil, func(p *packer) *packet { return p.packStatement(t, "intoto 0.0.2", crypto.SHA256, "", goodStatement) }, ""},
		{"dsse, v2", nil, func(p *packer) *packet { return p.packStatement(t, "dsse 0.0.2", crypto.SHA256, p256, goodStatement) },
			"it knows no dsse entries of Rekor v2, which early Rekor v2 logs have"},
		{"envelope in hashedrekord", nil, func(p *packer) *packet {
			return p.packStatement(t, "hashedrekord 0.0.1", crypto.SHA256, "", goodStatement)
		}, "it knows them of Rekor v2 alone; Sigstore's client specification allows both"},
		{"envelope in hashedrekord, v2", nil, func(p *packer) *packet {
			return p.packStatement(t, "hashedrekord 0.0.2", crypto.SHA256, p256, goodStatement)
		}, ""},
		{"managed P-256", newKey(t), func(p *packer) *packet { return p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "") }, ""},
		{"managed P-256, v2", newKey(t), func(p *packer) *packet { return p.pack(t, "hashedrekord 0.0.2", crypto.SHA256, p256) }, ""},
		{"managed P-384", ecdsaKey(t, elliptic.P384()), func(p *packer) *packet { return p.pack(t, "hashedrekord 0.0.1", crypto.SHA384, "") }, ""},
		{"managed, dsse", newKey(t), func(p *packer) *packet { return p.packStatement(t, "dsse 0.0.1", crypto.SHA256, "", goodStatement) }, ""},
	} {
		p := newPacker(t)
		var public crypto.PublicKey
		if tt.key != nil {
			p.manage(tt.key)
			public = tt.key.Public()
		}
		b := tt.make(p)
		text, err := b.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.verify(t, b, nil); err != nil {
			t.Errorf("%s: we say %v", tt.name, err)
		}
		if err := theirs(t, text, p.root(t, nil), public); (err != nil) != (tt.why != "") {
			t.Errorf("%s: sigstore-go says %v, known is %q", tt.name, err, tt.why)
		}
	}
}

// TestGitSignatureAsBundle turns git signatures into bundles, which both
// verify, over the signed attributes.
func TestGitSignatureAsBundle(t *testing.T) {
	for _, tt := range []struct {
		generation fakeca.Generation
		fixture    fakeca.Fixture
	}{
		{fakeca.RekorV2, fakeca.Fixture{}}, {fakeca.RekorV2, fakeca.Fixture{Fault: fakeca.LabelledV1}},
		{fakeca.RekorV1, fakeca.Fixture{}}, {fakeca.RekorV1, fakeca.Fixture{Timestamp: true}},
	} {
		a := newAuthority(t, fakeca.Config{Log: tt.generation})
		v := newPair(t, a.TrustedRoot())
		b, signed, err := v.ours.Bundle(payload, a.Sign(payload, tt.fixture), verifier.AnyIdentity{})
		if err != nil {
			t.Errorf("%v %s: %v", tt.generation, tt.fixture.Fault, err)
			continue
		}
		text, err := b.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		read, err := verifier.ParseBundle(text)
		if err != nil {
			t.Fatal(err)
		}
		digests, err := read.Artifact(bytes.NewReader(signed))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.ours.VerifyBundle(read, digests, verifier.AnyIdentity{}); err != nil {
			t.Errorf("%v: we say %v", tt.generation, err)
		}
		their := new(bundle.Bundle)
		if err := their.UnmarshalJSON(text); err != nil {
			t.Fatal(err)
		}
		if _, err := v.theirs.Verify(their, verify.NewPolicy(verify.WithArtifact(bytes.NewReader(signed)), verify.WithoutIdentitiesUnsafe())); err != nil {
			t.Errorf("%v: sigstore-go says %v", tt.generation, err)
		}
	}
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	v := verifierOf(t, rootOf(t, a, nil))
	b, _, err := v.Bundle(payload, a.Sign(payload, fakeca.Fixture{Fault: fakeca.PromiseOnly}), verifier.AnyIdentity{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Marshal(); err == nil || !strings.Contains(err.Error(), "no inclusion proof") {
		t.Errorf("bundle of a promise alone: %v, want it refused", err)
	}
	if _, _, err := v.Bundle(payload, a.Sign(payload, fakeca.Fixture{Fault: fakeca.PromiseFlipped}), verifier.AnyIdentity{}); err == nil {
		t.Error("a bad signature became a bundle")
	}
}

// TestIssuerOfTheSCTIsTheRealOne puts an authority of the same name before the
// real one.
func TestIssuerOfTheSCTIsTheRealOne(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	signature := a.Sign(payload, fakeca.Fixture{})
	v := verifierOf(t, rootOf(t, a, func(r *trust.TrustedRoot) {
		real := r.CertificateAuthorities[0]
		decoy := real
		p := newPacker(t)
		p.ca.RawSubject = real.Chain[0].RawSubject
		_, _, decoy.Chain = p.certificates(t)
		decoy.ValidFor.Start = decoy.Chain[0].NotBefore
		r.CertificateAuthorities = []trust.Authority{decoy, real}
	}))
	if _, err := v.Verify(payload, signature, verifier.AnyIdentity{}); err != nil {
		t.Errorf("with an authority of the same name: %v", err)
	}
}

// TestRealBundles verifies bundles that others made, those that sigstore-go
// has for examples, under the public instance's root of that time.
func TestRealBundles(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/sigstore/sigstore-go").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Skipf("the module with the bundles is not at hand: %v", err)
	}
	tr, err := verifier.ParseTrustedRoot(readFile(t, filepath.Join(dir, "examples", "trusted-root-public-good.json")))
	if err != nil {
		t.Fatal(err)
	}
	v := verifierOf(t, tr)
	for name, subject := range map[string]string{
		"examples/bundle-provenance.json":                                     "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main",
		"pkg/testing/data/bundles/sigstore.js@2.0.0-provenance.sigstore.json": "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main",
		"pkg/testing/data/bundles/dsse.sigstore.json":                         "brian@dehamer.com",
	} {
		b, err := verifier.ParseBundle(readFile(t, filepath.Join(dir, filepath.FromSlash(name))))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var statement struct {
			Subject []struct{ Digest map[string]string }
		}
		if err := json.Unmarshal(b.Envelope.Payload, &statement); err != nil {
			t.Fatal(err)
		}
		digest, err := hex.DecodeString(statement.Subject[0].Digest["sha512"])
		if err != nil {
			t.Fatal(err)
		}
		a, err := verifier.ArtifactDigest(crypto.SHA512, digest)
		if err != nil {
			t.Fatal(err)
		}
		result, err := v.VerifyBundle(b, a, verifier.AnyIdentity{})
		if err != nil || result.Certificate.Identity.Subject != subject {
			t.Errorf("%s: %+v, %v", name, result, err)
		}
	}
	_, err = verifier.ParseBundle(readFile(t, filepath.Join(dir, "pkg", "testing", "data", "bundles", "dsse-2sigs.sigstore.json")))
	if err == nil || !strings.Contains(err.Error(), "2 signatures") {
		t.Errorf("envelope with two signatures: %v", err)
	}
}

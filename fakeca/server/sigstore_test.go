package server

import (
	"bytes"
	"context"
	"net/http/httptest"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"gitseal/fakeca"
)

// TestSigstoreSigns has Sigstore's own client sign through the servers that the
// signing config names, and verify with the authority's trusted root.
func TestSigstoreSigns(t *testing.T) {
	const payloadType = "application/vnd.in-toto+json"
	statement := []byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"x","digest":{"sha256":"00"}}],"predicateType":"t","predicate":{}}`)
	for _, generation := range generations() {
		for name, content := range map[string]sign.Content{
			"artifact": &sign.PlainData{Data: []byte("artifact")},
			"envelope": &sign.DSSEData{Data: statement, PayloadType: payloadType},
		} {
			t.Run(generation.String()+"/"+name, func(t *testing.T) {
				a := newAuthority(t, fakeca.Config{Log: generation})
				b := sigstoreSign(t, a, content)
				if got := len(b.VerificationMaterial.TlogEntries); got != 1 {
					t.Errorf("%d log entries, want 1", got)
				}
				if got := len(b.VerificationMaterial.TimestampVerificationData.Rfc3161Timestamps); got != 1 {
					t.Errorf("%d timestamps, want 1", got)
				}
				if err := sigstoreVerify(t, a, b, content); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// sigstoreSign signs as alice@example.com.
func sigstoreSign(t *testing.T, a *fakeca.Authority, content sign.Content) *protobundle.Bundle {
	t.Helper()
	ts := httptest.NewServer(New(a))
	defer ts.Close()
	text, err := SigningConfig(a, ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	config, err := root.NewSigningConfigFromJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := root.SelectService(config.FulcioCertificateAuthorityURLs(), sign.FulcioAPIVersions, testTime())
	if err != nil {
		t.Fatal(err)
	}
	logs, err := root.SelectServices(config.RekorLogURLs(), config.RekorLogURLsConfig(), sign.RekorAPIVersions, testTime())
	if err != nil {
		t.Fatal(err)
	}
	tsas, err := root.SelectServices(config.TimestampAuthorityURLs(), config.TimestampAuthorityURLsConfig(), sign.TimestampAuthorityAPIVersions, testTime())
	if err != nil {
		t.Fatal(err)
	}
	token, err := a.Token(context.Background(), "alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		t.Fatal(err)
	}
	options := sign.BundleOptions{
		CertificateProvider:        sign.NewFulcio(&sign.FulcioOptions{BaseURL: ca.URL}),
		CertificateProviderOptions: &sign.CertificateProviderOptions{IDToken: token},
	}
	for _, log := range logs {
		options.TransparencyLogs = append(options.TransparencyLogs, sign.NewRekor(&sign.RekorOptions{BaseURL: log.URL, Version: log.MajorAPIVersion}))
	}
	for _, tsa := range tsas {
		options.TimestampAuthorities = append(options.TimestampAuthorities, sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: tsa.URL}))
	}
	b, err := sign.Bundle(content, keys, options)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sigstoreVerify(t *testing.T, a *fakeca.Authority, b *protobundle.Bundle, content sign.Content) error {
	t.Helper()
	trusted, err := root.NewTrustedRootFromJSON(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := verify.NewVerifier(trusted,
		verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithSignedTimestamps(1))
	if err != nil {
		t.Fatal(err)
	}
	identity, err := verify.NewShortCertificateIdentity(a.Issuer(), "", "alice@example.com", "")
	if err != nil {
		t.Fatal(err)
	}
	artifact := verify.WithoutArtifactUnsafe()
	if data, ok := content.(*sign.PlainData); ok {
		artifact = verify.WithArtifact(bytes.NewReader(data.Data))
	}
	wrapped, err := bundle.NewBundle(b)
	if err != nil {
		return err
	}
	_, err = verifier.Verify(wrapped, verify.NewPolicy(artifact, verify.WithCertificateIdentity(identity)))
	return err
}

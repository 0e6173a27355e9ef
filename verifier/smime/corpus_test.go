package smime_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gitseal/gitutil"
	"gitseal/internal/cms"
	"gitseal/verifier"
	"gitseal/verifier/smime"
)

// corpus returns a path in the shared corpus of real signatures, and skips
// the test where that is not at hand.
func corpus(t testing.TB, path ...string) string {
	t.Helper()
	full := filepath.Join(append([]string{"..", "..", "..", "shared", "corpus"}, path...)...)
	if _, err := os.Stat(full); err != nil {
		t.Skip("the shared corpus is not here")
	}
	return full
}

// realSignature returns what a real object of the corpus is over, its
// signature, and the certificates that it carries.
func realSignature(t testing.TB, path string) (gitutil.Split, []*x509.Certificate) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	split := gitutil.SplitTag
	if bytes.HasPrefix(data, []byte("tree ")) {
		split = gitutil.SplitCommit
	}
	s, err := split(data, gitutil.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	der, _, err := cms.Dearmor(s.Signature)
	if err != nil {
		t.Fatal(err)
	}
	if cms.IsIndefinite(der) {
		if der, err = cms.FromBER(der); err != nil {
			t.Fatal(err)
		}
	}
	sd, err := cms.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	var certs []*x509.Certificate
	for _, raw := range sd.Certificates {
		certs = append(certs, parse(t, raw))
	}
	return s, certs
}

// top returns the certificate that stands highest among those carried: none of
// the others has the name of its issuer.
func top(certs []*x509.Certificate) *x509.Certificate {
	for _, cert := range certs {
		highest := cert.IsCA
		for _, other := range certs {
			highest = highest && (other == cert || !bytes.Equal(other.RawSubject, cert.RawIssuer))
		}
		if highest {
			return cert
		}
	}
	return nil
}

// TestRealSignatures verifies what smimesign and gpgsm made, under the highest
// authority that each carries. Nobody trusts it for that; it has to be named.
func TestRealSignatures(t *testing.T) {
	for _, tt := range []struct {
		path, subject, issuer, algorithm string
		claimed                          time.Time
		expired                          string // why it is not good in 2026; "": it carries no authority
	}{
		{"online/objects/541cfc5c33d104f92759730a30d29434edb7ddc3", "r.meier@siemens.com", "Siemens Issuing CA Medium Strength Authentication 2016", "rsa2048",
			time.Date(2020, 5, 1, 12, 13, 27, 0, time.UTC), "2022-01-06"},
		{"online/objects/c872390b6d9d804a3fe57ee07da5791c68d7ce0b", "r.meier@siemens.com", "Siemens Issuing CA Medium Strength Authentication 2016", "rsa2048",
			time.Date(2020, 5, 1, 12, 15, 30, 0, time.UTC), "2022-01-06"},
		{"online/objects/ace4dc16737c8c9fe2bcf5f77aeecc3b7bff5c5b", "Karthik.Sundari@thomsonreuters.com", "DigiCert Assured G2 mPKI SMIME RSA4096 SHA384 2023 CA1", "rsa2048",
			time.Date(2024, 12, 20, 8, 47, 15, 0, time.UTC), "2025-11-14"},
		{"online/objects/bc97980c37004965c0327047c6498371997d3146", "Karthik.Sundari@thomsonreuters.com", "DigiCert Assured G2 mPKI SMIME RSA4096 SHA384 2023 CA1", "rsa2048",
			time.Date(2024, 10, 23, 13, 17, 59, 0, time.UTC), "2025-09-12"},
		{"online/objects/c69105db56649b3bc3f86007d5b8bb0e2dcdcd9c", "git@lecris.me", "Sectigo RSA Client Authentication and Secure Email CA", "rsa2048",
			time.Date(2022, 1, 23, 13, 47, 55, 0, time.UTC), "2023-01-06"},
		{"odd/objects/85baf57513302f87ad6a9aaff883482c03f48caf", "jai@honestbank.com", "SSL.com Client Certificate Intermediate CA RSA R2", "rsa2048",
			time.Date(2020, 4, 21, 10, 13, 36, 0, time.UTC), "2020"},
	} {
		s, certs := realSignature(t, corpus(t, filepath.FromSlash(tt.path)))
		name := filepath.Base(tt.path)
		if !smime.Takes(s.Signature) {
			t.Errorf("%s: Takes = false, want true", name)
		}
		p := &pki{root: &holder{cert: top(certs)}}
		v := p.verifier(t, func(cfg *smime.Config) { cfg.Rules.AtSigning = true })
		result, err := v.Verify(s.Payload, s.Signature)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if result.Signer.Identity.Subject != tt.subject || !bytes.Contains([]byte(result.Signer.Identity.Issuer), []byte("CN="+tt.issuer)) ||
			result.Algorithm != tt.algorithm || result.Hash != "sha256" || !result.Claimed.Equal(tt.claimed) || !result.Lapses.IsZero() {
			t.Errorf("%s: verified as %+v", name, result)
		}
		wantBadOver(t, name+" now", p.verifier(t, nil), s.Payload, s.Signature, verifier.ExpiredKey, tt.expired)
		wantBadOver(t, name+" over another payload", v, flip(s.Payload, 10), s.Signature, verifier.BadSignature, "message digest does not match")
		wantBadOver(t, name+" under another root", newPKI(t).verifier(t, nil), s.Payload, s.Signature, verifier.UntrustedCertificate, tt.issuer)
	}
}

// TestRealBadSignatures has signatures that openssl finds wrong as well.
func TestRealBadSignatures(t *testing.T) {
	for oid, class := range map[string]verifier.Class{
		"ba7029474ac1bb2e04c733bbda7bf8668a6ed0da": verifier.BadSignature,         // with its authorities
		"1502d64d026b9cb1dacb7a3d90c4fa9d5abe7ab8": verifier.UntrustedCertificate, // signed in DER order, stands in another
	} {
		s, certs := realSignature(t, corpus(t, "online", "objects", oid))
		p := newPKI(t)
		if ca := top(certs); ca != nil {
			p.root.cert = ca
		}
		wantBadOver(t, oid, p.verifier(t, nil), s.Payload, s.Signature, class, "signature does not match")
	}
}

// TestTakesNoKeylessSignature holds Takes against which signatures of the
// corpus are by Sigstore's certificates.
func TestTakesNoKeylessSignature(t *testing.T) {
	taken := 0
	for _, dir := range []string{"offline", "online"} {
		lines, err := os.ReadFile(corpus(t, dir, "expected.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(lines) {
			var e struct {
				OID        string
				OIDCIssuer string `json:"oidc_issuer"`
			}
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			s, certs := realSignature(t, corpus(t, dir, "objects", e.OID))
			if got, want := smime.Takes(s.Signature), e.OIDCIssuer == ""; got != want {
				t.Errorf("%s: Takes = %t, want %t", e.OID, got, want)
			} else if got {
				taken++
				continue
			}
			// Not even whoever trusts its authority for mail gets it verified.
			p := newPKI(t)
			v := p.verifier(t, func(cfg *smime.Config) {
				cfg.Roots = append(cfg.Roots, certs...)
				cfg.Rules.AtSigning = true
			})
			var kerr *verifier.KeyError
			if _, err := v.Verify(s.Payload, s.Signature); !errors.As(err, &kerr) || kerr.Class != verifier.UntrustedCertificate {
				t.Errorf("%s: Verify = %v, want untrusted-certificate", e.OID, err)
			}
		}
	}
	if taken != 7 {
		t.Errorf("Takes claims %d signatures, want 7", taken)
	}
}

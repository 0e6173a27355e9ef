package monitor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// certificate returns one with the names and extensions of the template.
func certificate(t *testing.T, template *x509.Certificate) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func issuerExtensions(t *testing.T, raw, text string) []pkix.Extension {
	t.Helper()
	var all []pkix.Extension
	if raw != "" {
		all = append(all, pkix.Extension{Id: oidIssuerRaw, Value: []byte(raw)})
	}
	if text != "" {
		der, err := asn1.MarshalWithParams(text, "utf8")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pkix.Extension{Id: oidIssuer, Value: der})
	}
	return all
}

func TestEveryNameOfACertificateIsFound(t *testing.T) {
	workflow, err := url.Parse("https://github.com/a/b/.github/workflows/c.yml@refs/heads/main")
	if err != nil {
		t.Fatal(err)
	}
	// otherName 1.3.6.1.4.1.57264.1.7 with the UTF8String "user!x".
	userName := []byte("\x30\x18\xa0\x16\x06\x0a\x2b\x06\x01\x04\x01\x83\xbf\x30\x01\x07\xa0\x08\x0c\x06user!x")
	for name, test := range map[string]struct {
		template *x509.Certificate
		want     []Identity
	}{
		"nobody": {&x509.Certificate{ExtraExtensions: issuerExtensions(t, "i", "")}, nil},
		"e-mail": {&x509.Certificate{EmailAddresses: []string{"a@example.com"}, ExtraExtensions: issuerExtensions(t, "i", "i")}, []Identity{{"a@example.com", "i"}}},
		"several": {&x509.Certificate{EmailAddresses: []string{"a@example.com", "b@example.com"}, DNSNames: []string{"example.com"}, URIs: []*url.URL{workflow}},
			[]Identity{{"example.com", ""}, {"a@example.com", ""}, {"b@example.com", ""}, {workflow.String(), ""}}},
		"two issuers": {&x509.Certificate{EmailAddresses: []string{"a@example.com"}, ExtraExtensions: issuerExtensions(t, "i", "j")},
			[]Identity{{"a@example.com", "i"}, {"a@example.com", "j"}}},
		"user name": {&x509.Certificate{ExtraExtensions: append(issuerExtensions(t, "", "i"), pkix.Extension{Id: oidSubjectAltName, Value: userName})},
			[]Identity{{"user!x", "i"}}},
	} {
		got, err := identities(certificate(t, test.template))
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: identities are %v, %v, want %v", name, got, err, test.want)
		}
	}
}

func TestNamesThatCannotBeReadAreAnError(t *testing.T) {
	list := func(names ...string) []byte {
		der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: []byte(strings.Join(names, ""))})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	for name, der := range map[string][]byte{
		"nothing":               {},
		"no sequence":           []byte("\x31\x00"),
		"bytes behind":          []byte("\x30\x00\x00"),
		"cut name":              []byte("\x30\x03\x81\x05a"),
		"other name, no value":  []byte("\x30\x07\xa0\x05\x06\x03\x2b\x06\x01"),
		"other name, no string": []byte("\x30\x0c\xa0\x0a\x06\x03\x2b\x06\x01\xa0\x03\x02\x01\x05"),
		"other name, no id":     []byte("\x30\x07\xa0\x05\xa0\x03\x0c\x01a"),
		"too many":              list(slices.Repeat([]string{"\x81\x01a"}, maxNames+1)...),
	} {
		if names, err := altNames(der); err == nil {
			t.Errorf("%s: %q, want an error", name, names)
		}
	}
	if names, err := altNames(list(slices.Repeat([]string{"\x81\x01a"}, 40)...)); err != nil || len(names) != 40 {
		t.Errorf("forty names: %q, %v", names, err)
	}
	for name, template := range map[string]*x509.Certificate{
		"issuer no string": {EmailAddresses: []string{"a@example.com"}, ExtraExtensions: []pkix.Extension{{Id: oidIssuer, Value: []byte("\x04\x01i")}}},
		"issuer not UTF-8": {EmailAddresses: []string{"a@example.com"}, ExtraExtensions: []pkix.Extension{{Id: oidIssuerRaw, Value: []byte("\xff")}}},
	} {
		if ids, err := identities(certificate(t, template)); err == nil {
			t.Errorf("%s: %v, want an error", name, ids)
		}
	}
}

func TestRecordOfACertificateWithoutReadableNamesKeepsTheRest(t *testing.T) {
	cert := certificate(t, &x509.Certificate{ExtraExtensions: []pkix.Extension{{Id: oidIssuer, Value: []byte("\x04\x01i")}}})
	var r Record
	r.addCertificate(cert.Raw)
	r.addCertificate(cert.Raw)
	if len(r.Certificates) != 1 || len(r.Keys) != 1 || !strings.Contains(r.Problem, "malformed extension") {
		t.Errorf("record is %+v", r)
	}
}

func FuzzAltNames(f *testing.F) {
	f.Add([]byte("\x30\x03\x81\x01a"))
	f.Add([]byte("\x30\x18\xa0\x16\x06\x0a\x2b\x06\x01\x04\x01\x83\xbf\x30\x01\x07\xa0\x08\x0c\x06user!x"))
	f.Add([]byte("\x30\x80"))
	f.Fuzz(func(t *testing.T, der []byte) {
		names, err := altNames(der)
		if err != nil && names != nil || len(names) > maxNames {
			t.Errorf("altNames(%x) = %q, %v", der, names, err)
		}
		for _, name := range names {
			if utf8.ValidString(name) && len(name) > len(der) {
				t.Errorf("altNames(%x) = %q", der, names)
			}
		}
	})
}

package smime_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"gitseal/verifier/smime"
)

func pemBlock(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

func TestReadCertificates(t *testing.T) {
	p := newPKI(t)
	root, ca := pemBlock("CERTIFICATE", p.root.cert.Raw), pemBlock("CERTIFICATE", p.ca.cert.Raw)
	both := []*x509.Certificate{p.root.cert, p.ca.cert}
	for _, tt := range []struct {
		name string
		data []byte
		want []*x509.Certificate
	}{
		{"PEM", root, both[:1]},
		{"PEM with text", slices.Concat([]byte("subject=Root\n"), root, []byte("\n# the other\n"), ca), both},
		{"PEM with CR LF", bytes.ReplaceAll(slices.Concat(root, ca), []byte("\n"), []byte("\r\n")), both},
		{"DER", p.root.cert.Raw, both[:1]},
		{"DER, two", slices.Concat(p.root.cert.Raw, p.ca.cert.Raw), both},
	} {
		got, err := smime.ReadCertificates("roots.pem", tt.data)
		if err != nil || !slices.EqualFunc(got, tt.want, (*x509.Certificate).Equal) {
			t.Errorf("%s: ReadCertificates = %d certificates, %v, want %d", tt.name, len(got), err, len(tt.want))
		}
	}

	key, err := x509.MarshalPKCS8PrivateKey(p.root.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "empty"},
		{"text", []byte("# no roots yet\n"), "neither PEM nor DER"},
		{"a key", append(pemBlock("PRIVATE KEY", key), root...), `block 1 is a "PRIVATE KEY"`},
		{"a key after it", append(bytes.Clone(root), pemBlock("RSA PRIVATE KEY", key)...), `block 2 is a "RSA PRIVATE KEY"`},
		{"a key in DER", key, "number 1: "},
		{"a list", pemBlock("X509 CRL", revoke(t, p.ca, nil).Raw), `is a "X509 CRL"`},
		{"a block cut off", append(bytes.Clone(ca), root[:len(root)-10]...), "2 blocks begin, of which only 1 can be read"},
		{"a block of broken base64", slices.Concat(bytes.Replace(root, []byte("MII"), []byte("M!I"), 1), ca), "only 1 can be read"},
		{"trailing bytes", append(bytes.Clone(p.root.cert.Raw), 0), "neither PEM nor DER"},
		{"trailing bytes in PEM", pemBlock("CERTIFICATE", append(bytes.Clone(p.root.cert.Raw), 0)), "number 1: "},
		{"too large", make([]byte, 16<<20+1), "more than the limit"},
	} {
		got, err := smime.ReadCertificates("roots.pem", tt.data)
		if err == nil || got != nil || !strings.Contains(err.Error(), "reading roots.pem: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ReadCertificates = %v, %v, want an error with %q", tt.name, got, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), string(key)) {
			t.Errorf("%s: the error holds a key", tt.name)
		}
	}
}

func FuzzReadCertificates(f *testing.F) {
	p := newPKI(f)
	f.Add(p.root.cert.Raw)
	f.Add(pemBlock("CERTIFICATE", p.ca.cert.Raw))
	f.Add(pemBlock("X509 CRL", revoke(f, p.ca, nil, p.alice.cert).Raw))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if certs, err := smime.ReadCertificates("f", data); (err == nil) != (len(certs) > 0) {
			t.Errorf("ReadCertificates = %d certificates, %v", len(certs), err)
		}
		lists, err := smime.ReadLists("f", data)
		if (err == nil) != (len(lists) > 0) {
			t.Errorf("ReadLists = %d lists, %v", len(lists), err)
		}
		// Whatever a list says of itself, to make it ready costs no panic.
		if err == nil {
			cfg := p.config()
			cfg.Lists = lists
			if v, err := smime.New(cfg); (v == nil) != (err != nil) {
				t.Errorf("New = %v, %v", v, err)
			}
		}
	})
}

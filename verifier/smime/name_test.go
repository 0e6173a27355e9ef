package smime_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

// TestNamesAreWhole: nothing of a distinguished name is left out, so that no two
// signers, or authorities, have the same one. pkix.Name keeps one common name
// and one serial number only, and no order.
func TestNamesAreWhole(t *testing.T) {
	common, serialNumber, unit := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 5}, asn1.ObjectIdentifier{2, 5, 4, 11}
	p := newPKI(t)
	for _, tt := range []struct {
		name pkix.RDNSequence // from the top
		want string
	}{
		{pkix.RDNSequence{{{Type: common, Value: "mallory"}}, {{Type: common, Value: "Alice"}}}, "CN=Alice,CN=mallory"},
		{pkix.RDNSequence{{{Type: serialNumber, Value: "1"}}, {{Type: serialNumber, Value: "2"}}}, "SERIALNUMBER=2,SERIALNUMBER=1"},
		{pkix.RDNSequence{{{Type: common, Value: "Alice"}}, {{Type: unit, Value: "x"}}}, "OU=x,CN=Alice"},
		{pkix.RDNSequence{{{Type: unit, Value: "x"}}, {{Type: unit, Value: "y"}}}, "OU=y,OU=x"},
		{pkix.RDNSequence{{{Type: unit, Value: "x"}, {Type: unit, Value: "y"}}}, "OU=x+OU=y"},
	} {
		raw, err := asn1.Marshal(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		named := func(c *x509.Certificate) { c.EmailAddresses, c.RawSubject = nil, raw }
		got := wantGood(t, tt.want, p.verifier(t, nil), p.sign(t, p.signer(t, named), form{}))
		if got.Signer.Identity.Subject != tt.want {
			t.Errorf("subject %q, want %q", got.Signer.Identity.Subject, tt.want)
		}

		ca := issue(t, p.root, "", nil, func(c *x509.Certificate) {
			isAuthority(c)
			c.RawSubject = raw
		})
		s := issue(t, ca, "Alice", nil, isSigner)
		got = wantGood(t, tt.want, p.verifier(t, nil), p.sign(t, s, form{carried: []*x509.Certificate{ca.cert}}))
		if got.Signer.Identity.Issuer != tt.want {
			t.Errorf("issuer %q, want %q", got.Signer.Identity.Issuer, tt.want)
		}
	}
}

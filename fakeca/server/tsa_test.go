package server

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/sigstore/timestamp-authority/v2/pkg/verification"

	"gitseal/fakeca"
)

func (c *client) stamp(request []byte) *answer {
	c.t.Helper()
	c.header.Set("Content-Type", "application/timestamp-query")
	return c.ask("POST", "/api/v1/timestamp", request)
}

// openssl runs openssl in a directory of its own, or skips the test.
func openssl(t *testing.T, dir string, args ...string) error {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("openssl %v: %v\n%s", args, err, out)
	}
	return err
}

// TestOpenSSLGetsTimestamps has openssl write the request and verify the answer
// against it: imprint, nonce and the presence of the certificate.
func TestOpenSSLGetsTimestamps(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	digest := sha256.Sum256([]byte("signature"))
	for name, args := range map[string][]string{
		"with certificate": {"-cert"},
		"without":          {},
		"without nonce":    {"-cert", "-no_nonce"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := func(name string, data []byte) {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			query := append([]string{"ts", "-query", "-sha256", "-digest", hex.EncodeToString(digest[:]), "-out", "query"}, args...)
			if err := openssl(t, dir, query...); err != nil {
				t.Fatal(err)
			}
			request, err := os.ReadFile(filepath.Join(dir, "query"))
			if err != nil {
				t.Fatal(err)
			}
			r := newClient(t, a).stamp(request)
			if got := r.header.Get("Content-Type"); r.status != 200 || got != "application/timestamp-reply" {
				t.Fatalf("status %d, type %s", r.status, got)
			}
			chain := a.TSAChain()
			file("reply", r.body)
			file("leaf", toPEM("CERTIFICATE", chain[0]))
			file("root", toPEM("CERTIFICATE", chain[1]))
			verify := []string{"ts", "-verify", "-queryfile", "query", "-in", "reply", "-CAfile", "root", "-untrusted", "leaf",
				"-attime", strconv.FormatInt(testTime().Unix(), 10)}
			if err := openssl(t, dir, verify...); err != nil {
				t.Error(err)
			}
			if got, want := bytes.Contains(r.body, chain[0]), name != "without"; got != want {
				t.Errorf("the certificate is in the answer: %v, want %v", got, want)
			}
		})
	}
}

// TestSigstoreReadsTimestamps has Sigstore's own verifier look at an answer
// without a certificate, which is what its signer asks for.
func TestSigstoreReadsTimestamps(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	imprint := sha256.Sum256([]byte("signature"))
	request := sequenceOf(t, 1, messageImprint{algorithmID{Algorithm: oidSHA256}, imprint[:]})
	r := newClient(t, a).stamp(request)
	leaf, root := parse(t, a.TSAChain()[0]), parse(t, a.TSAChain()[1])
	token, err := verification.VerifyTimestampResponse(r.body, bytes.NewReader([]byte("signature")), verification.VerifyOpts{
		TSACertificate: leaf, Roots: []*x509.Certificate{root},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !token.Time.Equal(testTime()) {
		t.Errorf("time %v, want %v", token.Time, testTime())
	}
}

func parse(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

var (
	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA1   = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
)

type algorithmID struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

type messageImprint struct {
	Algorithm algorithmID
	Digest    []byte
}

// sequenceOf returns the SEQUENCE of the values, by encoding/asn1.
func sequenceOf(t *testing.T, values ...any) []byte {
	t.Helper()
	var content []byte
	for _, v := range values {
		b, ok := v.(asn1.RawValue)
		der := b.FullBytes
		if !ok {
			var err error
			if der, err = asn1.Marshal(v); err != nil {
				t.Fatal(err)
			}
		}
		content = append(content, der...)
	}
	der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: content})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestTimestampRejections has requests of which one thing each is wrong, and
// reads the reason with encoding/asn1.
func TestTimestampRejections(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	digest := sha256.Sum256(nil)
	imprint := messageImprint{algorithmID{Algorithm: oidSHA256}, digest[:]}
	raw := func(b ...byte) asn1.RawValue { return asn1.RawValue{FullBytes: b} }
	good := sequenceOf(t, 1, imprint, 5, true)
	const badAlg, badRequest, badDataFormat, unacceptedPolicy, unacceptedExtension = 0, 2, 5, 15, 16
	for name, test := range map[string]struct {
		request []byte
		bit     int
	}{
		"SHA-1 imprint":    {sequenceOf(t, 1, messageImprint{algorithmID{Algorithm: oidSHA1}, digest[:20]}), badAlg},
		"odd parameters":   {sequenceOf(t, 1, messageImprint{algorithmID{oidSHA256, raw(2, 1, 1)}, digest[:]}), badAlg},
		"short imprint":    {sequenceOf(t, 1, messageImprint{algorithmID{Algorithm: oidSHA256}, digest[:20]}), badDataFormat},
		"version 2":        {sequenceOf(t, 2, imprint), badRequest},
		"unknown policy":   {sequenceOf(t, 1, imprint, asn1.ObjectIdentifier{1, 2, 3}), unacceptedPolicy},
		"an extension":     {sequenceOf(t, 1, imprint, raw(0xa0, 2, 0x30, 0)), unacceptedExtension},
		"trailing bytes":   {append(bytes.Clone(good), 0), badDataFormat},
		"trailing field":   {sequenceOf(t, 1, imprint, 5, true, 7), badDataFormat},
		"cut short":        {good[:len(good)-1], badDataFormat},
		"certReq FALSE":    {sequenceOf(t, 1, imprint, raw(1, 1, 0)), badDataFormat},
		"nonce padded":     {sequenceOf(t, 1, imprint, raw(2, 2, 0, 5)), badDataFormat},
		"nonce empty":      {sequenceOf(t, 1, imprint, raw(2, 0)), badDataFormat},
		"nonce huge":       {sequenceOf(t, 1, imprint, raw(append([]byte{2, 65}, bytes.Repeat([]byte{1}, 65)...)...)), badDataFormat},
		"nothing":          {nil, badDataFormat},
		"text":             {[]byte("x"), badDataFormat},
		"more than enough": {bytes.Repeat([]byte{0x30}, 5000), badDataFormat},
	} {
		t.Run(name, func(t *testing.T) {
			r := newClient(t, a).stamp(test.request)
			var got struct {
				Status struct {
					Status  int
					Text    []string
					Failure asn1.BitString
				}
			}
			rest, err := asn1.Unmarshal(r.body, &got)
			if err != nil || len(rest) > 0 || r.status != 200 {
				t.Fatalf("status %d, %x: %v", r.status, r.body, err)
			}
			set := -1
			for i := range got.Status.Failure.BitLength {
				if got.Status.Failure.At(i) == 1 {
					set = i
				}
			}
			if got.Status.Status != 2 || len(got.Status.Text) != 1 || set != test.bit || got.Status.Failure.BitLength != test.bit+1 {
				t.Errorf("status %v, want a rejection with bit %d", got.Status, test.bit)
			}
		})
	}
	// What is right is granted, which shows that it was not the rest.
	for name, request := range map[string][]byte{
		"good":            good,
		"NULL parameters": sequenceOf(t, 1, messageImprint{algorithmID{oidSHA256, raw(5, 0)}, digest[:]}, true),
		"negative nonce":  sequenceOf(t, 1, imprint, -5),
		"own policy":      sequenceOf(t, 1, imprint, asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}, 5, true),
	} {
		r := newClient(t, a).stamp(request)
		if granted := []byte{0x30, 3, 2, 1, 0}; r.status != 200 || !bytes.Contains(r.body[:10], granted) {
			t.Errorf("%s: status %d, %x, want a token", name, r.status, r.body)
		}
	}
	c := newClient(t, a)
	c.ask("POST", "/api/v1/timestamp", good).want(t, 415, "only [application/timestamp-query] are allowed")
	c.ask("GET", "/api/v1/timestamp", nil).want(t, 405, "method GET is not allowed, but [POST] are")
	c.ask("GET", "/api/v1/timestamp/certchain", nil).want(t, 200, string(toPEM("CERTIFICATE", a.TSAChain()[0])))
}

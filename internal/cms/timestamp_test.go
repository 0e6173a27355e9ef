package cms

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

// tstInfo is TSTInfo as encoding/asn1 writes it, so that what the parser
// reads is not made by the package under test.
type tstInfo struct {
	Version    int
	Policy     asn1.ObjectIdentifier
	Imprint    imprint
	Serial     *big.Int
	GenTime    asn1.RawValue
	Accuracy   asn1.RawValue `asn1:"optional"`
	Ordering   asn1.RawValue `asn1:"optional"`
	Nonce      *big.Int      `asn1:"optional"`
	TSA        asn1.RawValue `asn1:"optional"`
	Extensions asn1.RawValue `asn1:"optional"`
}

type imprint struct {
	Algorithm struct{ OID asn1.ObjectIdentifier }
	Hash      []byte
}

func raw(tag int, body string) asn1.RawValue {
	return asn1.RawValue{Tag: tag, Bytes: []byte(body)}
}

func goodInfo() tstInfo {
	info := tstInfo{Version: 1, Policy: asn1.ObjectIdentifier{1, 2, 3}, Serial: big.NewInt(42), GenTime: raw(24, "20260102030405Z")}
	info.Imprint.Algorithm.OID = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	info.Imprint.Hash = make([]byte, 32)
	return info
}

// token returns a TimeStampToken by f over info.
func (f fixture) token(t testing.TB, info tstInfo, change func(*SignedData)) []byte {
	t.Helper()
	content, err := asn1.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(content)
	attrs, err := NewSignedAttributes(OIDTSTInfo, digest[:], time.Unix(1_750_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	type essCertID struct{ Hash []byte }
	hash := sha256.Sum256(f.cert.Raw)
	ess, err := asn1.Marshal(struct{ Certs []essCertID }{[]essCertID{{hash[:]}}})
	if err != nil {
		t.Fatal(err)
	}
	attrs = append(attrs, Attribute{OIDSigningCertificateV2, [][]byte{ess}})
	if err := SortAttributes(attrs); err != nil {
		t.Fatal(err)
	}
	sd := f.sign(t, nil)
	sd.Version, sd.ContentType, sd.Content, sd.Signer.SignedAttributes = 3, OIDTSTInfo, content, attrs
	if change != nil {
		change(sd)
	}
	f.resign(t, sd)
	return marshal(t, sd)
}

func TestTokenFields(t *testing.T) {
	f := newECDSA(t)
	info := goodInfo()
	info.GenTime = raw(24, "20260102030405.25Z")
	info.Accuracy = asn1.RawValue{Tag: 16, IsCompound: true, Bytes: []byte{2, 1, 1, 0x80, 2, 1, 0xf4, 0x81, 1, 5}}
	info.Ordering = raw(1, "\xff")
	info.Nonce = big.NewInt(-5)
	info.TSA = asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: []byte{0x82, 1, 'x'}}
	token, err := ParseToken(f.token(t, info, nil))
	if err != nil {
		t.Fatal(err)
	}
	got := token.Info
	if want := time.Date(2026, 1, 2, 3, 4, 5, 250e6, time.UTC); !got.GenTime.Equal(want) {
		t.Errorf("GenTime = %v, want %v", got.GenTime, want)
	}
	if want := time.Second + 500*time.Millisecond + 5*time.Microsecond; got.Accuracy != want {
		t.Errorf("Accuracy = %v, want %v", got.Accuracy, want)
	}
	if got.Policy.String() != "1.2.3" || got.Nonce.Int64() != -5 || !bytes.Equal(got.SerialNumber, []byte{42}) || got.ImprintAlgorithm.Algorithm != OIDSHA256 {
		t.Errorf("ParseToken = %+v", got)
	}
	if err := token.SignedData.Signer.CheckSigningCertificate(f.cert); err != nil {
		t.Error(err)
	}
}

func TestParseTokenRefuses(t *testing.T) {
	f := newECDSA(t)
	for _, tt := range []struct {
		name   string
		change func(*tstInfo)
		want   string
	}{
		{"version 2", func(i *tstInfo) { i.Version = 2 }, "malformed TSTInfo"},
		{"time without Z", func(i *tstInfo) { i.GenTime = raw(24, "20260102030405") }, "genTime"},
		{"time with an offset", func(i *tstInfo) { i.GenTime = raw(24, "20260102030405+0100") }, "genTime"},
		{"fraction with a trailing zero", func(i *tstInfo) { i.GenTime = raw(24, "20260102030405.50Z") }, "genTime"},
		{"fraction with a comma", func(i *tstInfo) { i.GenTime = raw(24, "20260102030405,5Z") }, "genTime"},
		{"point without a fraction", func(i *tstInfo) { i.GenTime = raw(24, "20260102030405.Z") }, "genTime"},
		{"thirteenth month", func(i *tstInfo) { i.GenTime = raw(24, "20261302030405Z") }, "genTime"},
		{"UTCTime", func(i *tstInfo) { i.GenTime = raw(23, "260102030405Z") }, "genTime"},
		{"accuracy of no millisecond", func(i *tstInfo) {
			i.Accuracy = asn1.RawValue{Tag: 16, IsCompound: true, Bytes: []byte{0x80, 1, 0}}
		}, "accuracy"},
		{"accuracy of a thousand milliseconds", func(i *tstInfo) {
			i.Accuracy = asn1.RawValue{Tag: 16, IsCompound: true, Bytes: []byte{0x80, 2, 3, 0xe8}}
		}, "accuracy"},
		{"ordering false, the default", func(i *tstInfo) { i.Ordering = raw(1, "\x00") }, "ordering"},
		{"extensions", func(i *tstInfo) { i.Extensions = asn1.RawValue{Class: 2, Tag: 1, IsCompound: true} }, "extensions"},
	} {
		info := goodInfo()
		tt.change(&info)
		if _, err := ParseToken(f.token(t, info, nil)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
	for name, change := range map[string]func(*SignedData){
		"detached":   func(sd *SignedData) { sd.Content = nil },
		"other type": func(sd *SignedData) { sd.ContentType = OIDData },
		"version 1":  func(sd *SignedData) { sd.Version = 1 },
	} {
		if _, err := ParseToken(f.token(t, goodInfo(), change)); err == nil || !strings.Contains(err.Error(), "not a TSTInfo") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestSigningCertificateMustNameTheSigner(t *testing.T) {
	f := newECDSA(t)
	parse := func(change func(*SignedData)) *SignerInfo {
		token, err := ParseToken(f.token(t, goodInfo(), change))
		if err != nil {
			t.Fatal(err)
		}
		return &token.SignedData.Signer
	}
	without := func(sd *SignedData) {
		var kept []Attribute
		for _, attr := range sd.Signer.SignedAttributes {
			if attr.Type != OIDSigningCertificateV2 {
				kept = append(kept, attr)
			}
		}
		sd.Signer.SignedAttributes = kept
	}
	check := func(name string, si *SignerInfo, cert *x509.Certificate, want string) {
		if err := si.CheckSigningCertificate(cert); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
	}
	check("another certificate", parse(nil), newECDSA(t).cert, "names another certificate")
	check("no attribute", parse(without), f.cert, "no signingCertificateV2")
	old := parse(func(sd *SignedData) {
		find(sd.Signer.SignedAttributes, OIDSigningCertificateV2).Type = OIDSigningCertificate
		if err := SortAttributes(sd.Signer.SignedAttributes); err != nil {
			t.Fatal(err)
		}
	})
	check("version 1", old, f.cert, "SHA-1")
	if !errors.Is(old.CheckSigningCertificate(f.cert), ErrWeakAlgorithm) {
		t.Error("version 1 of the attribute is not called weak")
	}
	check("malformed", parse(func(sd *SignedData) {
		find(sd.Signer.SignedAttributes, OIDSigningCertificateV2).Values[0] = []byte{5, 0}
		if err := SortAttributes(sd.Signer.SignedAttributes); err != nil {
			t.Fatal(err)
		}
	}), f.cert, "malformed")
}

func FuzzParseToken(f *testing.F) {
	fix := newECDSA(f)
	f.Add(fix.token(f, goodInfo(), nil))
	f.Fuzz(func(t *testing.T, der []byte) {
		token, err := ParseToken(der)
		if err != nil {
			return
		}
		if out, err := token.SignedData.Marshal(); err != nil || !bytes.Equal(out, der) {
			t.Errorf("Marshal(ParseToken(%x)) = %x, %v", der, out, err)
		}
	})
}

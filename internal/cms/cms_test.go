package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/internal/fixedkey"
)

// A fixture is a signer with a certificate of its own.
type fixture struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func newFixture(t testing.TB, key crypto.Signer) fixture {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes([]byte{0xff, 1, 2, 3}), // high bit set: needs a leading zero
		Subject:      pkix.Name{CommonName: "cms test"},
		NotBefore:    time.Unix(1_700_000_000, 0), NotAfter: time.Unix(2_000_000_000, 0),
		SubjectKeyId: []byte{1, 2, 3, 4},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{key, cert}
}

func newECDSA(t testing.TB) fixture {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newFixture(t, key)
}

// sign returns a detached SignedData over payload.
func (f fixture) sign(t testing.TB, payload []byte) *SignedData {
	t.Helper()
	digest := sha256.Sum256(payload)
	attrs, err := NewSignedAttributes(OIDData, digest[:], time.Unix(1_750_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	sd := NewDetached(f.cert, OIDSHA256, OIDECDSAWithSHA256, attrs)
	f.resign(t, sd)
	return sd
}

// resign signs the attributes as they now are.
func (f fixture) resign(t testing.TB, sd *SignedData) {
	t.Helper()
	signed, err := sd.Signer.SignedBytes()
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(signed)
	if sd.Signer.Signature, err = f.key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
		t.Fatal(err)
	}
	sd.Signer.SignatureAlgorithm.Algorithm = OIDECDSAWithSHA256
	if _, ok := f.key.(*rsa.PrivateKey); ok {
		sd.Signer.SignatureAlgorithm.Algorithm = OIDSHA256WithRSA
	}
}

func marshal(t testing.TB, sd *SignedData) []byte {
	t.Helper()
	der, err := sd.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// check runs the two checks that a verifier makes, with the key as it is and
// made ready for many signatures, which makes no difference.
func check(sd *SignedData, cert *x509.Certificate, payload []byte) error {
	if err := sd.Signer.CheckContent(OIDData, payload); err != nil {
		return err
	}
	signed, err := sd.Signer.SignedBytes()
	if err != nil {
		return err
	}
	err = sd.Signer.CheckSignature(cert.PublicKey, signed)
	ready := sd.Signer.CheckSignature(new(fixedkey.Set).Key(cert.PublicKey), signed)
	if fmt.Sprint(err) != fmt.Sprint(ready) {
		panic(fmt.Sprintf("CheckSignature: %v, but with the key made ready: %v", err, ready))
	}
	return err
}

func TestSignedDataVerifiesAfterRoundTrip(t *testing.T) {
	payload := []byte("tree 1234\n\nno final newline")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]fixture{"ecdsa": newECDSA(t), "rsa": newFixture(t, rsaKey)} {
		der := marshal(t, f.sign(t, payload))
		sd, err := Parse(der)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !sd.Signer.Identifies(f.cert) {
			t.Errorf("%s: the signer identifier does not name its certificate", name)
		}
		if err := check(sd, f.cert, payload); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := marshal(t, sd); !bytes.Equal(got, der) {
			t.Errorf("%s: Marshal(Parse(der)) differs from der", name)
		}
		if at, ok := sd.Signer.SigningTime(); !ok || at.Unix() != 1_750_000_000 {
			t.Errorf("%s: SigningTime() = %v, %v", name, at, ok)
		}
	}
}

func TestSignedAttributesAreKnown(t *testing.T) {
	sd := newECDSA(t).sign(t, nil)
	signed, err := sd.Signer.SignedBytes()
	if err != nil {
		t.Fatal(err)
	}
	if !IsSignedAttributes(signed) {
		t.Error("signed attributes are not known as such")
	}
	sequence := bytes.Clone(signed)
	sequence[0] = 0x30
	for name, data := range map[string][]byte{
		"nothing": nil, "text": []byte("1 text"), "more behind": append(bytes.Clone(signed), 0), "not a set": sequence, "cut": signed[:len(signed)-1],
		"an empty set": {0x31, 0}, "a whole message": marshal(t, sd),
	} {
		if IsSignedAttributes(data) {
			t.Errorf("%s is taken for signed attributes", name)
		}
	}
}

// TestSetOfNoCertificates is about what time-stamp authorities send who were
// asked for no certificate, those of Sigstore's public instance among them.
func TestSetOfNoCertificates(t *testing.T) {
	for _, certs := range [][][]byte{nil, {}} {
		sd := newECDSA(t).sign(t, nil)
		sd.Certificates = certs
		der := marshal(t, sd)
		got, err := Parse(der)
		if err != nil {
			t.Fatal(err)
		}
		if (got.Certificates == nil) != (certs == nil) || len(got.Certificates) != 0 {
			t.Errorf("certificates %v, want %v", got.Certificates, certs)
		}
		if !bytes.Equal(marshal(t, got), der) {
			t.Error("is marshalled otherwise")
		}
	}
}

func TestSubjectKeyIdentifierNamesTheSigner(t *testing.T) {
	f := newECDSA(t)
	sd := f.sign(t, nil)
	sd.Version, sd.Signer.Version = 3, 3
	sd.Signer.Issuer, sd.Signer.Serial, sd.Signer.SubjectKeyID = nil, nil, f.cert.SubjectKeyId
	parsed, err := Parse(marshal(t, sd))
	if err != nil {
		t.Fatal(err)
	}
	if !parsed.Signer.Identifies(f.cert) || parsed.Signer.Identifies(&x509.Certificate{SubjectKeyId: []byte{9}}) {
		t.Error("SubjectKeyID does not decide which certificate the signer has")
	}
}

// TestChecksFailAlone changes one thing at a time, and signs again where the
// change would break the signature too, so that only the named check fails.
func TestChecksFailAlone(t *testing.T) {
	f, other := newECDSA(t), newECDSA(t)
	payload := []byte("payload")
	octets := func(b []byte) []byte { der, _ := asn1.Marshal(b); return der }
	for _, tt := range []struct {
		name   string
		change func(sd *SignedData)
		want   string
		is     error
	}{
		{"digest of another payload", func(sd *SignedData) {
			d := sha256.Sum256([]byte("other"))
			find(sd.Signer.SignedAttributes, OIDMessageDigest).Values[0] = octets(d[:])
			f.resign(t, sd)
		}, "message digest", ErrMismatch},
		{"truncated digest", func(sd *SignedData) {
			d := sha256.Sum256(payload)
			find(sd.Signer.SignedAttributes, OIDMessageDigest).Values[0] = octets(d[:31])
			f.resign(t, sd)
		}, "message digest", ErrMismatch},
		{"no messageDigest", func(sd *SignedData) {
			sd.Signer.SignedAttributes = sd.Signer.SignedAttributes[:2]
			f.resign(t, sd)
		}, "messageDigest attribute missing", nil},
		{"no contentType", func(sd *SignedData) {
			sd.Signer.SignedAttributes = sd.Signer.SignedAttributes[1:]
			f.resign(t, sd)
		}, "contentType attribute missing", nil},
		{"other contentType", func(sd *SignedData) {
			find(sd.Signer.SignedAttributes, OIDContentType).Values[0], _ = asn1.Marshal(asn1.ObjectIdentifier{1, 2, 3})
			f.resign(t, sd)
		}, "contentType attribute is 1.2.3", nil},
		{"two values", func(sd *SignedData) {
			attr := find(sd.Signer.SignedAttributes, OIDMessageDigest)
			attr.Values = append(attr.Values, attr.Values[0])
			f.resign(t, sd)
		}, "has 2 values", nil},
		{"another key", func(sd *SignedData) { other.resign(t, sd) }, "ECDSA signature", ErrMismatch},
		{"signature value", func(sd *SignedData) { sd.Signer.Signature[9] ^= 1 }, "ECDSA signature", ErrMismatch},
		{"SHA-1", func(sd *SignedData) { sd.Signer.DigestAlgorithm.Algorithm = OIDSHA1 }, "SHA-1", ErrWeakAlgorithm},
		{"unknown digest", func(sd *SignedData) { sd.Signer.DigestAlgorithm.Algorithm = OIDData }, "digest algorithm", ErrUnsupportedAlgorithm},
		{"digest parameters", func(sd *SignedData) { sd.Signer.DigestAlgorithm.Parameters = octets(nil) }, "with parameters", ErrUnsupportedAlgorithm},
		{"signature parameters", func(sd *SignedData) { sd.Signer.SignatureAlgorithm.Parameters = octets(nil) }, "with parameters", ErrUnsupportedAlgorithm},
		{"RSA algorithm, ECDSA key", func(sd *SignedData) { sd.Signer.SignatureAlgorithm.Algorithm = OIDSHA256WithRSA }, "with an ECDSA key", ErrUnsupportedAlgorithm},
		{"other hash", func(sd *SignedData) { sd.Signer.SignatureAlgorithm.Algorithm = OIDECDSAWithSHA384 }, "with an ECDSA key", ErrUnsupportedAlgorithm},
	} {
		sd := f.sign(t, payload)
		tt.change(sd)
		err := check(sd, f.cert, payload)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: error %v is not %v", tt.name, err, tt.is)
		}
	}
}

func TestSmallRSAKeyIsWeak(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, key)
	if err := check(f.sign(t, nil), f.cert, nil); !errors.Is(err, ErrWeakAlgorithm) {
		t.Errorf("signature with an RSA key of 1024 bits: %v, want that it is weak", err)
	}
}

// TestParseRefuses changes the encoding in one place. Each line names the
// rule it breaks.
func TestParseRefuses(t *testing.T) {
	f := newECDSA(t)
	good := marshal(t, f.sign(t, nil))
	build := func(change func(sd *SignedData)) []byte {
		sd := f.sign(t, nil)
		change(sd)
		return marshal(t, sd)
	}
	replace := func(old, new []byte) []byte {
		if bytes.Count(good, old) != 1 {
			t.Fatalf("%x occurs %d times", old, bytes.Count(good, old))
		}
		return bytes.Replace(good, old, new, 1)
	}
	for _, tt := range []struct {
		name string
		der  []byte
		want string
	}{
		{"empty", nil, "not a DER sequence"},
		{"trailing byte", append(bytes.Clone(good), 0), "1 bytes after"},
		{"truncated", good[:len(good)-1], "not a DER sequence"},
		{"indefinite length", append([]byte{0x30, 0x80}, good[4:]...), "not a DER sequence"},
		{"length with a leading zero", append([]byte{0x30, 0x83, 0}, good[2:]...), "not a DER sequence"},
		{"not SignedData", replace([]byte(OIDSignedData), []byte(OIDSignedData[:len(OIDSignedData)-1]+"\x03")), "does not hold"},
		{"no signed attributes", build(func(sd *SignedData) { sd.Signer.SignedAttributes = nil }), "empty set"},
		{"signed attribute twice", build(func(sd *SignedData) {
			a := sd.Signer.SignedAttributes
			sd.Signer.SignedAttributes = append(a, Attribute{a[2].Type, [][]byte{append(bytes.Clone(a[2].Values[0][:33]), 0xff)}})
		}), "occurs twice"},
		{"unsigned attribute twice", build(func(sd *SignedData) {
			sd.Signer.UnsignedAttributes = []Attribute{{OIDLogEntry, [][]byte{{5, 0}}}, {OIDLogEntry, [][]byte{{5, 0}}}}
		}), "occurs twice"},
		{"attribute without a value", build(func(sd *SignedData) {
			sd.Signer.UnsignedAttributes = []Attribute{{OIDLogEntry, nil}}
		}), "malformed attribute"},
		{"empty unsigned attributes", build(func(sd *SignedData) { sd.Signer.UnsignedAttributes = []Attribute{} }), "empty set"},
		{"certificate of another kind", build(func(sd *SignedData) { sd.Certificates = [][]byte{{0xa2, 0}} }), "malformed certificates"},
		{"signer version 3 with a serial number", build(func(sd *SignedData) { sd.Signer.Version = 3 }), "issuerAndSerialNumber"},
		{"signer version 1 with a key id", build(func(sd *SignedData) { sd.Signer.SubjectKeyID = []byte{1} }), "subjectKeyIdentifier"},
		{"serial number not minimal", build(func(sd *SignedData) { sd.Signer.Serial = []byte{0, 1} }), "issuerAndSerialNumber"},
		{"no digest algorithm", build(func(sd *SignedData) { sd.DigestAlgorithms = nil }), "digestAlgorithms"},
		{"digest algorithm not listed", build(func(sd *SignedData) { sd.DigestAlgorithms[0].Algorithm = OIDSHA384 }), "does not list"},
		{"OID not minimal", build(func(sd *SignedData) { sd.ContentType = "\x2a\x80\x01" }), "eContentType"},
		{"OID cut short", build(func(sd *SignedData) { sd.ContentType = "\x2a\x81" }), "eContentType"},
		{"too large", make([]byte, MaxSize+1), "more than the limit"},
	} {
		if _, err := Parse(tt.der); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Parse error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestParseRefusesTwoSignersAndRevocationLists(t *testing.T) {
	f := newECDSA(t)
	sd := f.sign(t, nil)
	good := marshal(t, sd)
	signer, err := asn1.Marshal(asn1.RawValue{Class: 0, Tag: 17, IsCompound: true, Bytes: nil})
	if err != nil || len(signer) != 2 {
		t.Fatal(err)
	}
	// The signerInfos SET is the last element; rebuild the three enclosing
	// lengths around a longer tail.
	var info struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	if _, err := asn1.Unmarshal(good, &info); err != nil {
		t.Fatal(err)
	}
	var body asn1.RawValue
	if _, err := asn1.Unmarshal(info.Content.Bytes, &body); err != nil {
		t.Fatal(err)
	}
	var fields []asn1.RawValue
	for rest := body.Bytes; len(rest) > 0; {
		var field asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &field); err != nil {
			t.Fatal(err)
		}
		fields = append(fields, field)
	}
	rebuild := func(fields ...asn1.RawValue) []byte {
		var body []byte
		for _, field := range fields {
			body = append(body, field.FullBytes...)
		}
		inner, _ := asn1.Marshal(asn1.RawValue{Tag: 16, IsCompound: true, Bytes: body})
		oid, _ := asn1.Marshal(info.Type)
		explicit, _ := asn1.Marshal(asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: inner})
		der, _ := asn1.Marshal(asn1.RawValue{Tag: 16, IsCompound: true, Bytes: append(oid, explicit...)})
		return der
	}
	if _, err := Parse(rebuild(fields...)); err != nil {
		t.Fatalf("rebuilding changed the message: %v", err)
	}
	last := fields[len(fields)-1]
	twice, _ := asn1.Marshal(asn1.RawValue{Tag: 17, IsCompound: true, Bytes: append(bytes.Clone(last.Bytes), last.Bytes...)})
	both := append(fields[:len(fields)-1:len(fields)-1], asn1.RawValue{FullBytes: twice})
	if _, err := Parse(rebuild(both...)); err == nil || !strings.Contains(err.Error(), "more than one SignerInfo") {
		t.Errorf("two SignerInfos: %v", err)
	}
	crls := append(fields[:len(fields)-1:len(fields)-1], asn1.RawValue{FullBytes: []byte{0xa1, 0}}, last)
	if _, err := Parse(rebuild(crls...)); err == nil || !strings.Contains(err.Error(), "revocation lists") {
		t.Errorf("revocation lists: %v", err)
	}
	if _, err := Parse(rebuild(fields[:len(fields)-1]...)); err == nil {
		t.Error("no signerInfos: accepted")
	}
	none := append(fields[:len(fields)-1:len(fields)-1], asn1.RawValue{FullBytes: signer})
	if _, err := Parse(rebuild(none...)); err == nil || !strings.Contains(err.Error(), "malformed SignerInfo") {
		t.Errorf("empty signerInfos: %v", err)
	}
}

func TestSignedBytesRefusesAnyOtherOrder(t *testing.T) {
	sd := newECDSA(t).sign(t, nil)
	a := sd.Signer.SignedAttributes
	a[0], a[1] = a[1], a[0]
	parsed, err := Parse(marshal(t, sd))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parsed.Signer.SignedBytes(); err == nil || !strings.Contains(err.Error(), "not in DER order") {
		t.Errorf("SignedBytes error = %v", err)
	}
}

func TestOIDNames(t *testing.T) {
	for oid, want := range map[OID]string{
		OIDData: "1.2.840.113549.1.7.1", OIDSignedData: "1.2.840.113549.1.7.2", OIDTSTInfo: "1.2.840.113549.1.9.16.1.4",
		OIDContentType: "1.2.840.113549.1.9.3", OIDMessageDigest: "1.2.840.113549.1.9.4", OIDSigningTime: "1.2.840.113549.1.9.5",
		OIDSigningCertificate: "1.2.840.113549.1.9.16.2.12", OIDSigningCertificateV2: "1.2.840.113549.1.9.16.2.47",
		OIDTimeStampToken: "1.2.840.113549.1.9.16.2.14", OIDLogEntry: "1.3.6.1.4.1.57264.3.1",
		OIDSHA1: "1.3.14.3.2.26", OIDSHA256: "2.16.840.1.101.3.4.2.1", OIDSHA384: "2.16.840.1.101.3.4.2.2", OIDSHA512: "2.16.840.1.101.3.4.2.3",
		OIDECPublicKey: "1.2.840.10045.2.1", OIDECDSAWithSHA256: "1.2.840.10045.4.3.2", OIDECDSAWithSHA384: "1.2.840.10045.4.3.3",
		OIDECDSAWithSHA512: "1.2.840.10045.4.3.4", OIDRSAEncryption: "1.2.840.113549.1.1.1",
		OIDSHA256WithRSA: "1.2.840.113549.1.1.11", OIDSHA384WithRSA: "1.2.840.113549.1.1.12", OIDSHA512WithRSA: "1.2.840.113549.1.1.13",
		OIDRSAPSS: "1.2.840.113549.1.1.10", OIDMGF1: "1.2.840.113549.1.1.8", OIDEd25519: "1.3.101.112",
		OIDSHA1WithRSA: "1.2.840.113549.1.1.5", OIDECDSAWithSHA1: "1.2.840.10045.4.1",
	} {
		var std asn1.ObjectIdentifier
		if _, err := asn1.Unmarshal(append([]byte{6, byte(len(oid))}, oid...), &std); err != nil || std.String() != want {
			t.Errorf("OID %x is %v, want %s (%v)", string(oid), std, want, err)
		}
		if oid.String() != want || !oid.valid() {
			t.Errorf("OID(%x).String() = %s, want %s", string(oid), oid, want)
		}
	}
	if OIDLogEntry.LegacyLogEntry() || OIDData.LegacyLogEntry() || !OID(sigstoreLegacy+"\x04").LegacyLogEntry() || OID(sigstoreLegacy+"\x09").LegacyLogEntry() {
		t.Error("LegacyLogEntry draws the line elsewhere than 57264.3.0 to 3.8 without 3.1")
	}
}

// decoded returns the real signatures of the shared corpus with their
// payloads.
func decoded(t testing.TB) map[string][2][]byte {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "corpus", "keyless", "decoded")
	files, _ := filepath.Glob(filepath.Join(dir, "*.der"))
	if len(files) == 0 {
		t.Skip("the shared corpus is not here")
	}
	out := make(map[string][2][]byte)
	for _, file := range files {
		der, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := os.ReadFile(strings.TrimSuffix(file, ".der") + ".payload")
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = [2][]byte{der, payload}
	}
	return out
}

func TestRealSignaturesVerifyAndRoundTrip(t *testing.T) {
	for name, pair := range decoded(t) {
		sd, err := Parse(pair[0])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(marshal(t, sd), pair[0]) {
			t.Errorf("%s: Marshal(Parse(der)) differs from der", name)
		}
		cert, err := x509.ParseCertificate(sd.Certificates[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := check(sd, cert, pair[1]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		value, err := sd.Signer.UnsignedAttribute(OIDTimeStampToken)
		if err != nil {
			t.Fatal(err)
		}
		if (value != nil) != strings.Contains(name, "-tsa-") {
			t.Errorf("%s: time-stamp token present = %v", name, value != nil)
		}
		if value == nil {
			continue
		}
		token, err := ParseToken(value)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		stamper, err := x509.ParseCertificate(token.SignedData.Certificates[0])
		if err != nil {
			t.Fatal(err)
		}
		signed, _ := token.SignedData.Signer.SignedBytes()
		if err := errors.Join(token.SignedData.Signer.CheckContent(OIDTSTInfo, token.SignedData.Content),
			token.SignedData.Signer.CheckSignature(stamper.PublicKey, signed),
			token.SignedData.Signer.CheckSigningCertificate(stamper)); err != nil {
			t.Errorf("%s: time-stamp: %v", name, err)
		}
		if token.SignedData.Signer.CheckSigningCertificate(cert) == nil {
			t.Errorf("%s: signingCertificateV2 is said to name another certificate", name)
		}
		if imprint := sha256.Sum256(sd.Signer.Signature); !bytes.Equal(imprint[:], token.Info.Imprint) {
			t.Errorf("%s: imprint is not of the signature", name)
		}
	}
}

// TestOpenSSLAgrees has openssl cms verify what Marshal writes, and a changed
// payload refused.
func TestOpenSSLAgrees(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	f := newECDSA(t)
	dir := t.TempDir()
	sigFile, payloadFile := filepath.Join(dir, "sig.der"), filepath.Join(dir, "payload")
	payload := []byte("payload without a final newline\r\nand CR LF")
	verify := func(content []byte) error {
		if err := os.WriteFile(payloadFile, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command(openssl, "cms", "-verify", "-noverify", "-binary", "-inform", "DER",
			"-in", sigFile, "-content", payloadFile, "-out", filepath.Join(dir, "out")).Run()
	}
	if err := os.WriteFile(sigFile, marshal(t, f.sign(t, payload)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := verify(payload); err != nil {
		t.Errorf("openssl refuses our signature: %v", err)
	}
	if verify(append(payload, '\n')) == nil {
		t.Error("openssl accepts another payload: the test proves nothing")
	}
}

// TestReadsWhatOpenSSLWrites parses a signature that openssl cms made.
func TestReadsWhatOpenSSLWrites(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	payload := []byte("signed by openssl")
	if err := os.WriteFile(path("payload"), payload, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		if out, err := exec.Command(openssl, args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", args[0], err, out)
		}
	}
	run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
		"-keyout", path("key.pem"), "-out", path("cert.pem"))
	for _, flags := range [][]string{nil, {"-keyid"}} {
		args := append([]string{"cms", "-sign", "-binary", "-nosmimecap", "-md", "sha256", "-outform", "DER", "-in", path("payload"),
			"-signer", path("cert.pem"), "-inkey", path("key.pem"), "-out", path("sig.der")}, flags...)
		run(args...)
		der, err := os.ReadFile(path("sig.der"))
		if err != nil {
			t.Fatal(err)
		}
		sd, err := Parse(der)
		if err != nil {
			t.Fatalf("%v: %v", flags, err)
		}
		cert, err := x509.ParseCertificate(sd.Certificates[0])
		if err != nil {
			t.Fatal(err)
		}
		if !sd.Signer.Identifies(cert) {
			t.Errorf("%v: the signer identifier does not name its certificate", flags)
		}
		if err := check(sd, cert, payload); err != nil {
			t.Errorf("%v: %v", flags, err)
		}
		if !bytes.Equal(marshal(t, sd), der) {
			t.Errorf("%v: Marshal(Parse(der)) differs from der", flags)
		}
	}
}

func FuzzParse(f *testing.F) {
	fix := newECDSA(f)
	sd := fix.sign(f, []byte("x"))
	f.Add(marshal(f, sd))
	sd.Signer.UnsignedAttributes = []Attribute{{OIDLogEntry, [][]byte{{4, 1, 0}}}}
	f.Add(marshal(f, sd))
	f.Fuzz(func(t *testing.T, der []byte) {
		sd, err := Parse(der)
		if err != nil {
			return
		}
		out, err := sd.Marshal()
		if err != nil || !bytes.Equal(out, der) {
			t.Errorf("Marshal(Parse(%x)) = %x, %v", der, out, err)
		}
	})
}

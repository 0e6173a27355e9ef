package cms

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// timeStampReq is TimeStampReq as encoding/asn1 knows it, a second opinion.
type timeStampReq struct {
	Version int
	Imprint imprint
	Nonce   *big.Int `asn1:"optional"`
	CertReq bool     `asn1:"optional"`
}

func TestTimeStampRequestHasItsForm(t *testing.T) {
	for _, nonce := range []uint64{0, 1, 0x7f, 0x80, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		want := TimeStampRequest{[32]byte{1, 2, 3}, nonce}
		der, err := want.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var got timeStampReq
		rest, err := asn1.Unmarshal(der, &got)
		if err != nil || len(rest) != 0 {
			t.Fatalf("nonce %d: %v, %d bytes left", nonce, err, len(rest))
		}
		if got.Version != 1 || got.Imprint.Algorithm.OID.String() != OIDSHA256.String() || !bytes.Equal(got.Imprint.Hash, want.Imprint[:]) ||
			got.Nonce.Cmp(new(big.Int).SetUint64(nonce)) != 0 || !got.CertReq {
			t.Errorf("nonce %d: the request says %+v", nonce, got)
		}
	}
}

func TestTimeStampRequestChecksTheToken(t *testing.T) {
	f := newECDSA(t)
	req := TimeStampRequest{[32]byte{31: 7}, 1 << 63}
	for _, tt := range []struct {
		name   string
		change func(*tstInfo)
		want   string
	}{
		{"good", func(*tstInfo) {}, ""},
		{"another imprint", func(i *tstInfo) { i.Imprint.Hash = make([]byte, 32) }, "imprint"},
		{"another hash", func(i *tstInfo) { i.Imprint.Algorithm.OID = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2} }, "imprint"},
		{"another nonce", func(i *tstInfo) { i.Nonce = big.NewInt(5) }, "nonce"},
		{"the nonce as a negative number", func(i *tstInfo) { i.Nonce = big.NewInt(-1 << 63) }, "nonce"},
		{"no nonce", func(i *tstInfo) { i.Nonce = nil }, "nonce"},
	} {
		info := goodInfo()
		info.Imprint.Hash = req.Imprint[:]
		info.Nonce = new(big.Int).SetUint64(req.Nonce)
		tt.change(&info)
		token, err := ParseToken(f.token(t, info, nil))
		if err != nil {
			t.Fatal(err)
		}
		err = req.Check(token)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

// response returns a TimeStampResp of the contents given.
func response(t testing.TB, status []byte, token ...byte) []byte {
	t.Helper()
	info, err := asn1.Marshal(asn1.RawValue{Tag: 16, IsCompound: true, Bytes: status})
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(asn1.RawValue{Tag: 16, IsCompound: true, Bytes: append(info, token...)})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestTimeStampResponse(t *testing.T) {
	token := []byte{0x30, 2, 5, 0}
	text := func(s string) []byte { return append([]byte{0x0c, byte(len(s))}, s...) }
	said := append([]byte{0x30, byte(len(text("no\x1b[2J")))}, text("no\x1b[2J")...)
	for _, tt := range []struct {
		name string
		der  []byte
		want string // "": the token
	}{
		{"granted", response(t, []byte{2, 1, 0}, token...), ""},
		{"granted with modifications", response(t, []byte{2, 1, 1}, token...), ""},
		{"granted with text", response(t, append([]byte{2, 1, 0}, said...), token...), ""},
		{"rejected", response(t, []byte{2, 1, 2}), "refused: rejected"},
		{"rejected with text", response(t, append([]byte{2, 1, 2}, said...)), `refused: rejected: "no\x1b[2J"`},
		{"rejected for a reason", response(t, []byte{2, 1, 2, 3, 2, 5, 0x20}), "refused: rejected (badRequest)"},
		{"rejected for two reasons", response(t, []byte{2, 1, 2, 3, 5, 6, 0x80, 0, 0, 0x40}), "(badAlg, systemFailure)"},
		{"rejected for an unknown reason", response(t, []byte{2, 1, 2, 3, 2, 6, 0x40}), "(no reason given)"},
		{"waiting", response(t, []byte{2, 1, 3}), "refused: waiting"},
		{"empty", nil, "not a TimeStampResp"},
		{"trailing byte", append(response(t, []byte{2, 1, 0}, token...), 0), "not a TimeStampResp"},
		{"indefinite length", []byte{0x30, 0x80, 0x30, 3, 2, 1, 0, 0x30, 2, 5, 0, 0, 0}, "not a TimeStampResp"},
		{"two tokens", response(t, []byte{2, 1, 0}, append(token, token...)...), "without one token"},
		{"granted without a token", response(t, []byte{2, 1, 0}), "without one token"},
		{"token of another type", response(t, []byte{2, 1, 0}, 0x31, 0), "without one token"},
		{"rejected with a token", response(t, []byte{2, 1, 2}, token...), "token in a refusal"},
		{"unknown status", response(t, []byte{2, 1, 6}, token...), "malformed PKIStatus"},
		{"negative status", response(t, []byte{2, 1, 0xff}, token...), "malformed PKIStatus"},
		{"long status", response(t, []byte{2, 2, 0, 0}, token...), "malformed PKIStatus"},
		{"no status", response(t, nil, token...), "malformed PKIStatus"},
		{"empty text", response(t, []byte{2, 1, 0, 0x30, 0}, token...), "malformed statusString"},
		{"text of another type", response(t, []byte{2, 1, 0, 0x30, 2, 4, 0}, token...), "malformed statusString"},
		{"granted for a reason", response(t, []byte{2, 1, 0, 3, 2, 5, 0x20}, token...), "malformed failInfo"},
		{"reason without bits", response(t, []byte{2, 1, 2, 3, 0}), "malformed failInfo"},
		{"reason with 8 spare bits", response(t, []byte{2, 1, 2, 3, 2, 8, 0x20}), "malformed failInfo"},
		{"something after", response(t, []byte{2, 1, 0, 5, 0}, token...), "malformed PKIStatusInfo"},
		{"too large", make([]byte, MaxSize+1), "more than the limit"},
	} {
		got, err := ParseTimeStampResponse(tt.der)
		if tt.want == "" && (err != nil || !bytes.Equal(got, token)) {
			t.Errorf("%s: %x, %v", tt.name, got, err)
		}
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || got != nil) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestTimeStampsAreValuesOfOneAttribute(t *testing.T) {
	var si SignerInfo
	for _, token := range [][]byte{{0x30, 1, 2}, {0x30, 1, 3}, {0x30, 1, 1}} {
		si.AddTimeStamp(token)
	}
	if len(si.UnsignedAttributes) != 1 {
		t.Fatalf("%d attributes, want 1", len(si.UnsignedAttributes))
	}
	for i, value := range si.UnsignedAttributes[0].Values {
		if value[2] != byte(i+1) {
			t.Errorf("value %d is %x: not in DER order", i, value)
		}
	}
}

// TestOpenSSLAnswersTheRequest has openssl be the authority, and the judge of
// the request.
func TestOpenSSLAnswersTheRequest(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not here")
	}
	dir := t.TempDir()
	writeStamper(t, dir)
	run := func(args ...string) string {
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	req := TimeStampRequest{[32]byte{9, 8, 7}, 1<<63 + 5}
	der, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "req"), der, 0o600); err != nil {
		t.Fatal(err)
	}
	text := run("ts", "-query", "-in", "req", "-text")
	for _, want := range []string{"Version: 1", "Hash Algorithm: sha256", "Nonce: 0x8000000000000005", "Certificate required: yes"} {
		if !strings.Contains(text, want) {
			t.Errorf("openssl does not see %q in\n%s", want, text)
		}
	}
	run("ts", "-reply", "-config", "conf", "-section", "tsa", "-queryfile", "req", "-out", "resp")
	resp, err := os.ReadFile(filepath.Join(dir, "resp"))
	if err != nil {
		t.Fatal(err)
	}
	tokenDER, err := ParseTimeStampResponse(resp)
	if err != nil {
		t.Fatal(err)
	}
	token, err := ParseToken(tokenDER)
	if err != nil {
		t.Fatal(err)
	}
	if err := req.Check(token); err != nil {
		t.Error(err)
	}
	// A request for a hash that the authority does not take is refused.
	run("ts", "-query", "-digest", strings.Repeat("00", 20), "-sha1", "-out", "req")
	run("ts", "-reply", "-config", "conf", "-section", "tsa", "-queryfile", "req", "-out", "resp")
	if resp, err = os.ReadFile(filepath.Join(dir, "resp")); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseTimeStampResponse(resp); err == nil || !strings.Contains(err.Error(), "refused: rejected (badAlg)") {
		t.Errorf("refusal by openssl: %v", err)
	}
}

// writeStamper writes the key, certificate and configuration of a time-stamp
// authority of openssl's.
func writeStamper(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stamper"},
		NotBefore: time.Unix(1_750_000_000, 0), NotAfter: time.Unix(4_000_000_000, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	const conf = "[tsa]\nserial=serial\nsigner_cert=cert\nsigner_key=key\nsigner_digest=sha256\ndefault_policy=1.2.3\ndigests=sha256\ncrypto_device=builtin\ness_cert_id_alg=sha256\n"
	for name, data := range map[string][]byte{
		"conf": []byte(conf), "serial": []byte("01\n"),
		"cert": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		"key":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzParseTimeStampResponse(f *testing.F) {
	f.Add(response(f, []byte{2, 1, 0}, 0x30, 2, 5, 0))
	f.Add(response(f, []byte{2, 1, 2, 0x30, 3, 0x0c, 1, 'x', 3, 2, 5, 0x20}))
	f.Fuzz(func(t *testing.T, der []byte) {
		token, err := ParseTimeStampResponse(der)
		if err == nil && !bytes.HasSuffix(der, token) {
			t.Errorf("ParseTimeStampResponse(%x) = %x, which is not its end", der, token)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("error %q is not one line", err)
		}
	})
}

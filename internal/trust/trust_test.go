package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"

	"gitseal/internal/tlog"
)

var testStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// testKeys is one key for each algorithm that a log may have, under the name
// of that algorithm.
var testKeys = sync.OnceValues(func() (map[string]crypto.Signer, error) {
	keys := map[string]crypto.Signer{}
	for name, curve := range map[string]elliptic.Curve{
		"PKIX_ECDSA_P256_SHA_256": elliptic.P256(),
		"PKIX_ECDSA_P384_SHA_384": elliptic.P384(),
		"PKIX_ECDSA_P521_SHA_512": elliptic.P521(),
	} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			return nil, err
		}
		keys[name] = key
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	keys["PKIX_ED25519"] = key
	for name, bits := range map[string]int{
		"PKIX_RSA_PKCS1V15_2048_SHA256": 2048,
		"PKIX_RSA_PKCS1V15_3072_SHA256": 3072,
	} {
		if keys[name], err = rsa.GenerateKey(rand.Reader, bits); err != nil {
			return nil, err
		}
	}
	keys["PKCS1_RSA_PKCS1V5"] = keys["PKIX_RSA_PKCS1V15_2048_SHA256"]
	return keys, nil
})

func testKey(t testing.TB, details string) crypto.Signer {
	t.Helper()
	keys, err := testKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys[details]
}

// testLog returns a log with a key of that algorithm, known by the SHA-256 of
// the key, or if asked by its note key id.
func testLog(t testing.TB, details string, byNote bool) Log {
	t.Helper()
	key := testKey(t, details).Public()
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	l := Log{
		BaseURL: "https://log.example:8443/2026", KeyID: tlog.LogIDv1(spki), PublicKey: key, SPKI: spki,
		KeyDetails: details, ValidFor: Window{Start: testStart},
	}
	if byNote {
		if l.KeyID, err = tlog.KeyID("log.example", key); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// testAuthority returns an authority whose chain has a certificate for each
// name, the last of them self-signed.
func testAuthority(t testing.TB, names ...string) Authority {
	t.Helper()
	key := testKey(t, "PKIX_ECDSA_P256_SHA_256")
	a := Authority{
		URI: "https://ca.example", Organization: "Example", CommonName: names[len(names)-1],
		ValidFor: Window{testStart, testStart.AddDate(1, 0, 0)},
	}
	for i, name := range names {
		issuer := names[min(i+1, len(names)-1)]
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: name},
			NotBefore: testStart, NotAfter: testStart.AddDate(2, 0, 0), IsCA: true, BasicConstraintsValid: true,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: pkix.Name{CommonName: issuer}}, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		a.Chain = append(a.Chain, cert)
	}
	return a
}

// testTrustedRoot returns a root with every kind of log and of chain.
func testTrustedRoot(t testing.TB) *TrustedRoot {
	t.Helper()
	retired := testAuthority(t, "issuing", "root")
	retired.Operator = "example.org"
	return &TrustedRoot{
		TLogs: []Log{
			testLog(t, "PKIX_ED25519", true),
			testLog(t, "PKIX_RSA_PKCS1V15_2048_SHA256", true),
			testLog(t, "PKIX_ECDSA_P256_SHA_256", false),
		},
		CTLogs: []Log{
			testLog(t, "PKIX_ECDSA_P384_SHA_384", false),
			testLog(t, "PKIX_ECDSA_P521_SHA_512", false),
			testLog(t, "PKCS1_RSA_PKCS1V5", false),
			testLog(t, "PKIX_RSA_PKCS1V15_3072_SHA256", false),
			testLog(t, "PKIX_ED25519", false),
		},
		CertificateAuthorities: []Authority{retired, testAuthority(t, "root"), testAuthority(t, "issuing", "middle", "root")},
		TimestampAuthorities:   []Authority{testAuthority(t, "leaf", "root")},
	}
}

func marshal(t testing.TB, r *TrustedRoot) []byte {
	t.Helper()
	text, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTrustedRootRoundTrip(t *testing.T) {
	want := testTrustedRoot(t)
	got, err := Parse(marshal(t, want))
	if err != nil {
		t.Fatal(err)
	}
	want.digest = got.digest
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Parse(Marshal(r)) = %+v, want %+v", got, want)
	}
}

func TestSigstoreReadsWhatMarshalWrites(t *testing.T) {
	r := testTrustedRoot(t)
	theirs, err := root.NewTrustedRootFromJSON(marshal(t, r))
	if err != nil {
		t.Fatal(err)
	}
	compareLogs(t, r.TLogs, theirs.RekorLogs())
	compareLogs(t, r.CTLogs, theirs.CTLogs())
	if got, want := len(theirs.FulcioCertificateAuthorities()), len(r.CertificateAuthorities); got != want {
		t.Fatalf("%d certificate authorities, want %d", got, want)
	}
	for i, a := range r.CertificateAuthorities {
		want := &root.FulcioCertificateAuthority{
			Root: a.Chain[len(a.Chain)-1], Intermediates: a.Chain[:len(a.Chain)-1], URI: a.URI,
			ValidityPeriodStart: a.ValidFor.Start, ValidityPeriodEnd: a.ValidFor.End,
		}
		if len(a.Chain) == 1 {
			want.Intermediates = nil
		}
		if got := theirs.FulcioCertificateAuthorities()[i]; !reflect.DeepEqual(got, want) {
			t.Errorf("certificate authority %d: %+v, want %+v", i, got, want)
		}
	}
	if got, want := len(theirs.TimestampingAuthorities()), len(r.TimestampAuthorities); got != want {
		t.Errorf("%d timestamp authorities, want %d", got, want)
	}
}

// compareLogs checks that sigstore-go sees the logs that we see.
func compareLogs(t *testing.T, ours []Log, theirs map[string]*root.TransparencyLog) {
	t.Helper()
	if len(theirs) != len(ours) {
		t.Errorf("%d logs, want %d", len(theirs), len(ours))
	}
	for _, l := range ours {
		got := theirs[hex.EncodeToString(l.KeyID)]
		if got == nil {
			t.Errorf("no log %x", l.KeyID)
			continue
		}
		if got.BaseURL != l.BaseURL || !reflect.DeepEqual(got.PublicKey, l.PublicKey) ||
			!got.ValidityPeriodStart.Equal(l.ValidFor.Start) || !got.ValidityPeriodEnd.Equal(l.ValidFor.End) {
			t.Errorf("log %x: %+v, want %+v", l.KeyID, got, l)
		}
	}
}

func TestDigestIsOfTheTextParsed(t *testing.T) {
	r := testTrustedRoot(t)
	text := marshal(t, r)
	if got, want := r.Digest(), sha256.Sum256(text); got != want {
		t.Errorf("Digest of a root built in memory = %x, want %x", got, want)
	}
	spaced := append(bytes.Clone(text), '\n')
	parsed, err := Parse(spaced)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := parsed.Digest(), sha256.Sum256(spaced); got != want {
		t.Errorf("Digest of a parsed root = %x, want %x", got, want)
	}
	if got := (&TrustedRoot{TLogs: make([]Log, 1)}).Digest(); got != [32]byte{} {
		t.Errorf("Digest of an impossible root = %x, want zero", got)
	}
}

func TestWindowContainsBothEnds(t *testing.T) {
	end := testStart.Add(time.Hour)
	tests := []struct {
		window Window
		t      time.Time
		want   bool
	}{
		{Window{testStart, end}, testStart, true},
		{Window{testStart, end}, testStart.Add(-1), false},
		{Window{testStart, end}, end, true},
		{Window{testStart, end}, end.Add(1), false},
		{Window{testStart, testStart}, testStart, true},
		{Window{Start: testStart}, end.AddDate(1000, 0, 0), true},
		{Window{Start: testStart}, testStart.Add(-1), false},
	}
	for _, tt := range tests {
		if got := tt.window.Contains(tt.t); got != tt.want {
			t.Errorf("%v.Contains(%v) = %v, want %v", tt.window, tt.t, got, tt.want)
		}
	}
}

func TestOriginIsTheHost(t *testing.T) {
	for in, want := range map[string]string{
		"https://log.example":             "log.example",
		"http://127.0.0.1:15503":          "127.0.0.1",
		"https://log.example:8443/a/path": "log.example",
		"https://[::1]:8443":              "::1",
		"":                                "",
		"log.example":                     "",
	} {
		if got := (&Log{BaseURL: in}).Origin(); got != want {
			t.Errorf("Origin of %q = %q, want %q", in, got, want)
		}
	}
}

func TestMarshalRejectsWhatParseWould(t *testing.T) {
	tests := []struct {
		name   string
		change func(r *TrustedRoot)
		want   string
	}{
		{"no start", func(r *TrustedRoot) { r.TLogs[0].ValidFor = Window{} }, "tlogs[0].publicKey.validFor.start"},
		{"year 10000", func(r *TrustedRoot) { r.TLogs[0].ValidFor.End = testStart.AddDate(8000, 0, 0) }, "tlogs[0].publicKey.validFor.end"},
		{"no key", func(r *TrustedRoot) { r.TLogs[0].SPKI = nil }, "tlogs[0].publicKey.rawBytes"},
		{"PKCS #1 without key", func(r *TrustedRoot) { r.CTLogs[2].SPKI = nil }, "ctlogs[2]: asn1"},
		{"PKCS #1 of another kind", func(r *TrustedRoot) { r.CTLogs[2].SPKI = r.TLogs[0].SPKI }, "ctlogs[2]: " + pkcs1},
		{"PKCS #1 of another kind, first list", func(r *TrustedRoot) { r.TLogs[0].KeyDetails = pkcs1 }, "tlogs[0]: " + pkcs1},
		{"text that is not UTF-8", func(r *TrustedRoot) { r.TimestampAuthorities[0].Operator = "\xff" }, "not UTF-8"},
	}
	for _, tt := range tests {
		r := testTrustedRoot(t)
		tt.change(r)
		if text, err := r.Marshal(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Marshal = %s, %v; want error with %q", tt.name, text, err, tt.want)
		}
	}
}

// The two places that compute note key ids, for want of a common package,
// agree.
func TestLogIDAgreesWithTlog(t *testing.T) {
	for _, details := range []string{"PKIX_ED25519", "PKIX_RSA_PKCS1V15_2048_SHA256", "PKIX_ECDSA_P256_SHA_256"} {
		l := testLog(t, details, true)
		if err := checkLogID(l.KeyID, "log.example", l.PublicKey, l.SPKI); err != nil {
			t.Errorf("%s: %v", details, err)
		}
	}
}

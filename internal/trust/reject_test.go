package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// An edit changes the value at a path ("tlogs.0.logId") of a JSON document.
type edit func(old any) any

// set replaces a value.
func set(v any) edit { return func(any) any { return v } }

// remove takes the value out of its object.
func remove(any) any { return removed{} }

type removed struct{}

// with adds a member to an object.
func with(name string, v any) edit {
	return func(old any) any {
		old.(map[string]any)[name] = v
		return old
	}
}

// apply returns text with the value at path edited.
func apply(t *testing.T, text []byte, path string, e edit) []byte {
	t.Helper()
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	steps := strings.Split(path, ".")
	if path == "" {
		steps = nil
	}
	doc = applyAt(t, doc, steps, e)
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func applyAt(t *testing.T, v any, steps []string, e edit) any {
	t.Helper()
	if len(steps) == 0 {
		return e(v)
	}
	switch v := v.(type) {
	case map[string]any:
		v[steps[0]] = applyAt(t, v[steps[0]], steps[1:], e)
		if v[steps[0]] == (any)(removed{}) {
			delete(v, steps[0])
		}
		return v
	case []any:
		var i int
		if _, err := fmt.Sscan(steps[0], &i); err != nil {
			t.Fatal(err)
		}
		v[i] = applyAt(t, v[i], steps[1:], e)
		return v
	}
	t.Fatalf("no member %q in %v", steps[0], v)
	return nil
}

// A rejection is an edit that makes a good file bad, and a part of the error.
type rejection struct {
	path string
	edit edit
	want string
}

// rejectableRoot returns a root in which one log is listed twice, as the first
// and the last, in windows that only just do not overlap.
func rejectableRoot(t *testing.T) *TrustedRoot {
	r := testTrustedRoot(t)
	r.TLogs = append(r.TLogs, r.TLogs[0])
	r.TLogs[0].ValidFor.End = testStart.AddDate(0, 1, 0)
	r.TLogs[3].ValidFor.Start = testStart.AddDate(0, 1, 0).Add(1)
	return r
}

func checkRejections(t *testing.T, r *TrustedRoot, tests []rejection) {
	t.Helper()
	good := marshal(t, r)
	if _, err := Parse(good); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		_, err := Parse(apply(t, good, tt.path, tt.edit))
		if err == nil || !strings.HasPrefix(err.Error(), "parsing trusted root: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.path, err, tt.want)
		}
	}
}

var b64 = base64.StdEncoding.EncodeToString

func TestParseRejectsDocuments(t *testing.T) {
	checkRejections(t, rejectableRoot(t), []rejection{
		{"mediaType", remove, "mediaType: missing"},
		{"mediaType", set(""), "mediaType: unsupported"},
		{"mediaType", set("application/vnd.dev.sigstore.trustedroot.v0.2+json"), "mediaType: unsupported"},
		{"mediaType", set(strings.ToUpper(RootMediaType)), "mediaType: unsupported"},
		{"mediaType", set(1), "mediaType: byte"},
		{"mediaType", set(nil), "mediaType: byte"},
		{"", with("Tlogs", []any{}), `"Tlogs": unknown field`},
		{"", with("media_type", RootMediaType), `"media_type": unknown field`},
		{"", with("comment", "x"), `"comment": unknown field`},
		{"", set([]any{}), "an object is expected"},
		{"tlogs", set(nil), "tlogs: byte"},
		{"tlogs", set(map[string]any{}), "tlogs: byte"},
		{"certificateAuthorities", set(nil), "certificateAuthorities: byte"},
	})
}

func TestParseRejectsLogs(t *testing.T) {
	checkRejections(t, rejectableRoot(t), []rejection{
		{"tlogs.0", with("operator", "x"), `tlogs[0]."operator": unknown field`},
		{"tlogs.0", with("checkpointKeyId", map[string]any{}), `tlogs[0]."checkpointKeyId": unknown field`},
		{"tlogs.1.baseUrl", set("log.example"), "tlogs[1].baseUrl: "},
		{"tlogs.1.baseUrl", set("ftp://log.example"), "tlogs[1].baseUrl: "},
		{"tlogs.1.baseUrl", set("https:///path"), "tlogs[1].baseUrl: "},
		{"tlogs.1.baseUrl", set("https://user@log.example"), "tlogs[1].baseUrl: "},
		{"tlogs.1.baseUrl", set("https://log.example?q"), "tlogs[1].baseUrl: "},
		{"tlogs.1.baseUrl", set("https://log.example#f"), "tlogs[1].baseUrl: "},
		{"tlogs.1.baseUrl", set("https://log.example/%zz"), "tlogs[1].baseUrl: not a URL"},
		{"tlogs.1.hashAlgorithm", remove, "tlogs[1].hashAlgorithm: missing"},
		{"tlogs.1.hashAlgorithm", set("SHA2_512"), "tlogs[1].hashAlgorithm: unsupported"},
		{"tlogs.1.hashAlgorithm", set(1), "tlogs[1].hashAlgorithm: byte"},
	})
}

func TestParseRejectsKeys(t *testing.T) {
	r := rejectableRoot(t)
	p224Key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := x509.MarshalPKIXPublicKey(p224Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	spki, rsaSPKI := r.TLogs[2].SPKI, r.TLogs[1].SPKI
	rsaKey := r.TLogs[1].PublicKey.(*rsa.PublicKey)
	checkRejections(t, r, []rejection{
		{"tlogs.1.publicKey", remove, "tlogs[1].publicKey: missing"},
		{"tlogs.1.publicKey.rawBytes", remove, "tlogs[1].publicKey.rawBytes: missing"},
		{"tlogs.1.publicKey.rawBytes", set("AAAA"), "tlogs[1].publicKey.rawBytes: "},
		{"tlogs.2.publicKey.rawBytes", set(b64(append(bytes.Clone(spki), 0))), "tlogs[2].publicKey.rawBytes: "},
		{"tlogs.2.publicKey.rawBytes", set(b64(p224)), "tlogs[2].publicKey.keyDetails: "},
		{"ctlogs.2.publicKey.rawBytes", set(b64(r.CTLogs[2].SPKI)), "ctlogs[2].publicKey.rawBytes: "},
		{"tlogs.2.publicKey.keyDetails", remove, "tlogs[2].publicKey.keyDetails: missing"},
		{"tlogs.2.publicKey.keyDetails", set("PKIX_ED25519"), "tlogs[2].publicKey.keyDetails: "},
		{"tlogs.2.publicKey.keyDetails", set("PKIX_ECDSA_P384_SHA_384"), "tlogs[2].publicKey.keyDetails: "},
		{"tlogs.2.publicKey.keyDetails", set("PKIX_ECDSA_P521_SHA_512"), "tlogs[2].publicKey.keyDetails: "},
		{"tlogs.2.publicKey.keyDetails", set("PKIX_RSA_PKCS1V15_2048_SHA256"), "tlogs[2].publicKey.keyDetails: "},
		{"tlogs.1.publicKey.keyDetails", set("PKIX_RSA_PKCS1V15_3072_SHA256"), "tlogs[1].publicKey.keyDetails: "},
		{"tlogs.1.publicKey.keyDetails", set("PKIX_RSA_PKCS1V15_4096_SHA256"), "tlogs[1].publicKey.keyDetails: "},
		{"tlogs.1.publicKey.keyDetails", set("PKIX_RSA_PSS_2048_SHA256"), "tlogs[1].publicKey.keyDetails: unsupported"},
		{"tlogs.1.publicKey.keyDetails", set("PKCS1_RSA_PKCS1V5"), "tlogs[1].publicKey.rawBytes: "},
		{"tlogs.0.publicKey.keyDetails", set("PKIX_ECDSA_P256_SHA_256"), "tlogs[0].publicKey.keyDetails: "},
		{"tlogs.0.publicKey.keyDetails", set("PKIX_ED25519_PH"), "tlogs[0].publicKey.keyDetails: unsupported"},
		{"tlogs.0.publicKey.keyDetails", set(7), "tlogs[0].publicKey.keyDetails: byte"},
		{"tlogs.1.publicKey.rawBytes", set(b64(withExtraInteger(t, rsaSPKI))), "tlogs[1].publicKey.rawBytes: not the canonical"},
		{"ctlogs.2.publicKey.rawBytes", set(b64(extraInteger(t, x509.MarshalPKCS1PublicKey(rsaKey)))), "ctlogs[2].publicKey.rawBytes: not the canonical"},
	})
}

func TestRSAKeysHaveTheirSize(t *testing.T) {
	for _, tt := range []struct {
		details string
		bits    int
		want    bool
	}{
		{"PKIX_RSA_PKCS1V15_2048_SHA256", 2048, true},
		{"PKIX_RSA_PKCS1V15_3072_SHA256", 3072, true},
		{"PKIX_RSA_PKCS1V15_4096_SHA256", 4096, true},
		{"PKIX_RSA_PKCS1V15_4096_SHA256", 4095, false},
		{pkcs1, 2047, false},
		{pkcs1, 2048, true},
		{pkcs1, 8192, true},
		{pkcs1, 8193, false},
	} {
		key := &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int), tt.bits-1, 1), E: 65537}
		if err := checkKeyDetails(tt.details, key); (err == nil) != tt.want {
			t.Errorf("%s, %d bits: %v, want accepted = %v", tt.details, tt.bits, err, tt.want)
		}
	}
}

// extraInteger returns a SEQUENCE with an INTEGER added at its end.
func extraInteger(t *testing.T, der []byte) []byte {
	t.Helper()
	var sequence asn1.RawValue
	if _, err := asn1.Unmarshal(der, &sequence); err != nil {
		t.Fatal(err)
	}
	sequence.FullBytes, sequence.Bytes = nil, append(bytes.Clone(sequence.Bytes), 2, 1, 1)
	out, err := asn1.Marshal(sequence)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// withExtraInteger returns a SubjectPublicKeyInfo whose RSA key has a member
// too many.
func withExtraInteger(t *testing.T, spki []byte) []byte {
	t.Helper()
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		t.Fatal(err)
	}
	info.Key.Bytes = extraInteger(t, info.Key.Bytes)
	info.Key.BitLength = 8 * len(info.Key.Bytes)
	out, err := asn1.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestParseRejectsLogIDs(t *testing.T) {
	r := rejectableRoot(t)
	checkRejections(t, r, []rejection{
		{"tlogs.0.logId", remove, "tlogs[0].logId: missing"},
		{"tlogs.0.logId.keyId", remove, "tlogs[0].logId.keyId: missing"},
		{"tlogs.0.logId.keyId", set(""), "tlogs[0].logId.keyId: neither"},
		{"tlogs.0.logId.keyId", set(b64(r.TLogs[0].KeyID[:4])), "tlogs[0].logId.keyId: neither"},
		{"tlogs.0.logId.keyId", set(b64(r.TLogs[1].KeyID)), "tlogs[0].logId.keyId: neither"},
		{"tlogs.2.logId.keyId", set(b64(r.TLogs[1].KeyID)), "tlogs[2].logId.keyId: not the SHA-256"},
		{"tlogs.0.baseUrl", set("https://other.example"), "tlogs[0].logId.keyId: neither"},
		{"tlogs.0.baseUrl", remove, "tlogs[0].logId.keyId: neither"},
		{"tlogs.1.baseUrl", set("https://other.example"), "tlogs[1].logId.keyId: neither"},
		{"tlogs.3.publicKey.validFor.start", set("2026-02-02T03:04:05Z"), "tlogs[3]: same log id as [0]"},
		{"tlogs.0.publicKey.validFor.end", remove, "tlogs[3]: same log id as [0]"},
	})
}

func TestParseRejectsWindows(t *testing.T) {
	checkRejections(t, rejectableRoot(t), []rejection{
		{"tlogs.0.publicKey.validFor", remove, "tlogs[0].publicKey.validFor: missing"},
		{"tlogs.0.publicKey.validFor.start", remove, "tlogs[0].publicKey.validFor.start: missing"},
		{"tlogs.0.publicKey.validFor.end", set("2026-01-02T03:04:04Z"), "tlogs[0].publicKey.validFor: ends before"},
		{"certificateAuthorities.0.validFor", remove, "certificateAuthorities[0].validFor: missing"},
		{"certificateAuthorities.0.validFor.end", set("2000-01-01T00:00:00Z"), "certificateAuthorities[0].validFor: ends before"},
		{"tlogs.0.publicKey.validFor.start", set(""), "not an RFC 3339 time"},
		{"tlogs.0.publicKey.validFor.start", set("2026-01-02"), "not an RFC 3339 time"},
		{"tlogs.0.publicKey.validFor.start", set("2026-01-02T03:04:05"), "not an RFC 3339 time"},
		{"tlogs.0.publicKey.validFor.start", set("2026-01-02T03:04:05+00:00"), "not an RFC 3339 time"},
		{"tlogs.0.publicKey.validFor.start", set("2026-01-02t03:04:05z"), "not an RFC 3339 time"},
		{"tlogs.0.publicKey.validFor.start", set("2026-01-02T3:04:05Z"), "not an RFC 3339 time"},
		{"tlogs.0.publicKey.validFor.start", set("2026-01-02T03:04:05,5Z"), "not an RFC 3339 time"},
		{"tlogs.0.publicKey.validFor.start", set("2026-01-02T24:04:05Z"), "not an RFC 3339 time"},
		{"tlogs.0.publicKey.validFor.start", set("2026-01-02T03:04:05.Z"), "not an RFC 3339 time"},
		{"tlogs.0.publicKey.validFor.start", set("2026-02-30T03:04:05Z"), "not an RFC 3339 time"},
		{"tlogs.0.publicKey.validFor.start", set("2026-01-02T03:04:05.0123456789Z"), "not an RFC 3339 time"},
		{"tlogs.0.publicKey.validFor.start", set("0001-01-01T00:00:00Z"), "not an RFC 3339 time"},
		{"tlogs.0.publicKey.validFor.start", set(1767323045), "validFor.start: byte"},
	})
}

func TestParseRejectsAuthorities(t *testing.T) {
	r := rejectableRoot(t)
	der := r.CertificateAuthorities[1].Chain[0].Raw
	checkRejections(t, r, []rejection{
		{"certificateAuthorities.1", with("name", "x"), `certificateAuthorities[1]."name": unknown field`},
		{"certificateAuthorities.1.subject", with("country", "x"), `certificateAuthorities[1].subject."country": unknown field`},
		{"certificateAuthorities.1.uri", set("ca.example"), "certificateAuthorities[1].uri: "},
		{"certificateAuthorities.1.certChain", remove, "certificateAuthorities[1].certChain: missing"},
		{"certificateAuthorities.1.certChain.certificates", remove, "certificateAuthorities[1].certChain.certificates: missing"},
		{"certificateAuthorities.1.certChain.certificates", set([]any{}), "certificateAuthorities[1].certChain.certificates: no certificate"},
		{"certificateAuthorities.1.certChain.certificates.0.rawBytes", remove, "certificateAuthorities[1].certChain.certificates[0].rawBytes: missing"},
		{"certificateAuthorities.1.certChain.certificates.0.rawBytes", set("AAAA"), "certificateAuthorities[1].certChain.certificates[0]: "},
		{"certificateAuthorities.1.certChain.certificates.0.rawBytes", set(b64(append(bytes.Clone(der), 0))), "certificateAuthorities[1].certChain.certificates[0]: "},
		{"certificateAuthorities.2.certChain.certificates.1.rawBytes", set(b64(der)), "certificateAuthorities[2].certChain.certificates[0]: issuer is not the subject of [1]"},
		{"timestampAuthorities.0.certChain.certificates.1.rawBytes", set(b64(r.TimestampAuthorities[0].Chain[0].Raw)), "timestampAuthorities[0].certChain.certificates[0]: issuer is not the subject of [1]"},
		{"timestampAuthorities.0.certChain.certificates", set([]any{}), "timestampAuthorities[0].certChain.certificates: no certificate"},
	})
}

// Faults that a JSON library would not write.
func TestParseRejectsTexts(t *testing.T) {
	good := string(marshal(t, testTrustedRoot(t)))
	one := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	id := `"keyId": "`
	tests := []struct{ name, in, want string }{
		{"empty", "", "file ends"},
		{"white space", " \n", "file ends"},
		{"null", "null", "an object is expected"},
		{"byte order mark", "\ufeff" + good, "an object is expected"},
		{"truncated", strings.TrimSuffix(good, "}\n"), "file ends"},
		{"second document", good + good, "the end of the file"},
		{"trailing comma in object", one("\n  ]\n}", "\n  ],\n}"), "a string is expected"},
		{"trailing comma in array", one("\n  ],", ",\n  ],"), "an object is expected"},
		{"no comma in object", one(",\n  \"tlogs\"", "\n  \"tlogs\""), "a comma or } is expected"},
		{"no comma in array", one("    },\n    {", "    }\n    {"), "a comma or ] is expected"},
		{"no colon", one(`"tlogs": `, `"tlogs" `), "tlogs: byte"},
		{"comment", one("{", "{ // comment\n"), "a string is expected"},
		{"single quotes", one(`"tlogs"`, `'tlogs'`), "a string is expected"},
		{"duplicate mediaType", one("{", `{"mediaType": "x",`), "mediaType: duplicate field"},
		{"duplicate list", one(`"tlogs": [`, `"tlogs": [], "tlogs": [`), "tlogs: duplicate field"},
		{"duplicate by escape", one(`"tlogs": [`, `"tlogs": [], "\u0074logs": [`), "tlogs: duplicate field"},
		{"duplicate nested", one(id, `"keyId": "AAAA", `+id), "tlogs[0].logId.keyId: duplicate field"},
		{"name in other case", one(`"tlogs"`, `"tLogs"`), `"tLogs": unknown field`},
		{"base64 with line break", one(id, id+`\n`), "canonical base64"},
		{"base64 with space", one(id, id+" "), "canonical base64"},
		{"base64 of the URL alphabet", one(id, id+"-_-_"), "canonical base64"},
		{"base64 without padding", one(`="`, `"`), "canonical base64"},
		{"control character", one(`"Example"`, "\"Exam\tple\""), "a character of a string"},
		{"control character after escape", one(`"Example"`, "\"Exam\\t\tple\""), "a character of a string"},
		{"not UTF-8", one(`"Example"`, "\"\xff\""), "not UTF-8"},
		{"not UTF-8 after escape", one(`"Example"`, "\"\\t\xff\""), "not UTF-8"},
		{"half a surrogate pair", one(`"Example"`, `"\ud83d"`), "surrogate"},
		{"wrong second half", one(`"Example"`, `"\ud83d\u0020"`), "surrogate"},
		{"second half alone", one(`"Example"`, `"\udc4d."`), "surrogate"},
		{"unknown escape", one(`"Example"`, `"\x41"`), "escape sequence"},
		{"escape of three digits", one(`"Example"`, `"\u004"`), "four hexadecimal digits"},
		{"longer than a file", good + strings.Repeat(" ", maxFile), "longer than"},
		{"ends in escape", "{\"a\\", "string without end"},
		{"ends after escape", "{\"a\\t", "string without end"},
		{"escape with a letter too far", one(`"Example"`, `"\u00g0"`), "four hexadecimal digits"},
		{"deep nesting", strings.Repeat("[", 1<<18), "an object is expected"},
	}
	for _, tt := range tests {
		if _, err := Parse([]byte(tt.in)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
	for n := range len(strings.TrimSpace(good)) {
		if _, err := Parse([]byte(good[:n])); err == nil {
			t.Errorf("first %d bytes accepted", n)
		}
	}
}

func TestParseBoundsLists(t *testing.T) {
	good := marshal(t, testTrustedRoot(t))
	repeat := func(n int) edit {
		return func(old any) any {
			list := make([]any, n)
			for i := range list {
				list[i] = old.([]any)[0]
			}
			return list
		}
	}
	for _, tt := range []struct {
		path string
		n    int
		want string
	}{
		{"certificateAuthorities.1.certChain.certificates", maxChain, ""},
		{"certificateAuthorities.1.certChain.certificates", maxChain + 1, "more than 16 elements"},
		{"timestampAuthorities", maxList, ""},
		{"timestampAuthorities", maxList + 1, "more than 256 elements"},
	} {
		_, err := Parse(apply(t, good, tt.path, repeat(tt.n)))
		if got := fmt.Sprint(err); (tt.want == "") != (err == nil) || !strings.Contains(got, tt.want) {
			t.Errorf("%s of %d: %v, want %q", tt.path, tt.n, err, tt.want)
		}
	}
}

func TestParseTakesOptionalPartsAway(t *testing.T) {
	good := marshal(t, testTrustedRoot(t))
	for _, path := range []string{
		"tlogs", "ctlogs", "timestampAuthorities", "certificateAuthorities", "tlogs.2.baseUrl", "certificateAuthorities.0.subject",
		"certificateAuthorities.0.subject.organization", "certificateAuthorities.0.uri",
		"certificateAuthorities.0.operator", "certificateAuthorities.0.validFor.end",
	} {
		if _, err := Parse(apply(t, good, path, remove)); err != nil {
			t.Errorf("without %s: %v", path, err)
		}
	}
}

// A trusted root without certificate authorities serves for managed keys: under
// it, no certificate is anybody's. The conformance suite of Sigstore has such
// roots, down to one with nothing in it.
func TestParseTakesRootsWithoutCertificateAuthorities(t *testing.T) {
	good := marshal(t, testTrustedRoot(t))
	for name, e := range map[string]edit{"no": remove, "an empty list of": set([]any{})} {
		r, err := Parse(apply(t, good, "certificateAuthorities", e))
		if err != nil {
			t.Errorf("%s authorities: %v", name, err)
			continue
		}
		again, err := Parse(marshal(t, r))
		if err != nil || len(again.CertificateAuthorities) != 0 || len(again.TLogs) != len(r.TLogs) || len(r.TLogs) == 0 {
			t.Errorf("%s authorities, written and read again: %+v, %v", name, again, err)
		}
	}
	r, err := Parse([]byte(`{"mediaType": "` + RootMediaType + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Parse(marshal(t, r)); err != nil || len(again.TLogs)+len(again.CertificateAuthorities)+len(again.CTLogs)+len(again.TimestampAuthorities) != 0 {
		t.Errorf("a trusted root of nothing, written and read again: %+v, %v", again, err)
	}
}

// FuzzParse checks that what Parse accepts is JSON to others, is read by
// sigstore-go, and comes back from Marshal the same.
func FuzzParse(f *testing.F) {
	good := marshal(f, testTrustedRoot(f))
	f.Add(good)
	keysOnly := testTrustedRoot(f)
	keysOnly.CertificateAuthorities = nil
	f.Add(marshal(f, keysOnly))
	f.Add(bytes.ReplaceAll(good, []byte("Example"), []byte(`\u0045x\ud83d\udc4d\/`)))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := Parse(in)
		if err != nil {
			return
		}
		if !json.Valid(in) {
			t.Errorf("not JSON: %q", in)
		}
		if _, err := root.NewTrustedRootFromJSON(in); err != nil {
			t.Errorf("sigstore-go: %v", err)
		}
		text, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		back.digest = r.digest
		if !reflect.DeepEqual(back, r) {
			t.Errorf("Parse(Marshal(r)) = %+v, want %+v", back, r)
		}
	})
}

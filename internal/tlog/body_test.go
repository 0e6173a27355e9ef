package tlog

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// What the bodies below are about.
var (
	bodyDigest      = sha256.Sum256([]byte("payload"))
	bodyEnvelope    = sha256.Sum256([]byte("envelope"))
	bodyCertificate = testBytes(100)
	bodyKey         = testBytes(50)
	bodySignature   = testBytes(70)
)

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func pem64(typ string, der ...[]byte) string {
	var text []byte
	for _, b := range der {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: b})...)
	}
	return b64(text)
}

// hash64 is a hash as Rekor v1 writes it.
func hash64(h [32]byte) string {
	return `{"algorithm":"sha256","value":"` + hex.EncodeToString(h[:]) + `"}`
}

// A testBody is a body as a log writes it and what it says.
type testBody struct {
	text string
	want Body
}

// testBodies returns a body of every kind.
func testBodies() map[string]testBody {
	digest, envelope := bodyDigest[:], bodyEnvelope[:]
	signature := b64(bodySignature)
	certificate := pem64("CERTIFICATE", bodyCertificate)
	signed := []BodySignature{{Signature: bodySignature, Certificate: bodyCertificate}}
	signedV2 := []BodySignature{{Signature: bodySignature, Certificate: bodyCertificate, KeyDetails: "PKIX_ECDSA_P256_SHA_256"}}
	v2Digest := `{"algorithm":"SHA2_256","digest":"` + b64(digest) + `"}`
	v2Signature := `{"content":"` + signature + `","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","x509Certificate":{"rawBytes":"` + b64(bodyCertificate) + `"}}}`
	v2KeySignature := `{"content":"` + signature + `","verifier":{"keyDetails":"PKIX_ED25519","publicKey":{"rawBytes":"` + b64(bodyKey) + `"}}}`
	sha512 := testBytes(64)
	return map[string]testBody{
		"hashedrekord 0.0.1": {string(HashedRekordV1(bodyDigest, bodySignature, bodyCertificate)),
			Body{"hashedrekord", "0.0.1", crypto.SHA256, digest, nil, signed}},
		"hashedrekord 0.0.1 of a key": {`{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha512","value":"` +
			hex.EncodeToString(sha512) + `"}},"signature":{"content":"` + signature + `","publicKey":{"content":"` + pem64("PUBLIC KEY", bodyKey) + `"}}}}`,
			Body{"hashedrekord", "0.0.1", crypto.SHA512, sha512, nil, []BodySignature{{Signature: bodySignature, PublicKey: bodyKey}}}},
		"hashedrekord 0.0.1 of a chain": {`{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":` + hash64(bodyDigest) +
			`},"signature":{"content":"` + signature + `","publicKey":{"content":"` + pem64("CERTIFICATE", bodyCertificate, bodyKey) + `"}}}}`,
			Body{"hashedrekord", "0.0.1", crypto.SHA256, digest, nil, signed}},
		"hashedrekord 0.0.2": {string(HashedRekordV2(bodyDigest, bodySignature, bodyCertificate)),
			Body{"hashedrekord", "0.0.2", crypto.SHA256, digest, nil, signedV2}},
		"hashedrekord 0.0.2 of a key": {`{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_512","digest":"` +
			b64(sha512) + `"},"signature":` + v2KeySignature + `}}}`,
			Body{"hashedrekord", "0.0.2", crypto.SHA512, sha512, nil, []BodySignature{{Signature: bodySignature, PublicKey: bodyKey, KeyDetails: "PKIX_ED25519"}}}},
		"dsse 0.0.1": {`{"apiVersion":"0.0.1","kind":"dsse","spec":{"envelopeHash":` + hash64(bodyEnvelope) + `,"payloadHash":` + hash64(bodyDigest) +
			`,"signatures":[{"signature":"` + signature + `","verifier":"` + certificate + `"}]}}`,
			Body{"dsse", "0.0.1", crypto.SHA256, digest, envelope, signed}},
		"dsse 0.0.2": {`{"apiVersion":"0.0.2","kind":"dsse","spec":{"dsseV002":{"payloadHash":` + v2Digest + `,"signatures":[` + v2Signature + `,` + v2KeySignature + `]}}}`,
			Body{"dsse", "0.0.2", crypto.SHA256, digest, nil, append(signedV2[:1:1], BodySignature{Signature: bodySignature, PublicKey: bodyKey, KeyDetails: "PKIX_ED25519"})}},
		"intoto 0.0.1": {`{"apiVersion":"0.0.1","kind":"intoto","spec":{"content":{"hash":` + hash64(bodyEnvelope) + `,"payloadHash":` + hash64(bodyDigest) +
			`},"publicKey":"` + certificate + `"}}`,
			Body{"intoto", "0.0.1", crypto.SHA256, digest, envelope, []BodySignature{{Certificate: bodyCertificate}}}},
		"old intoto 0.0.1": {`{"apiVersion":"0.0.1","kind":"intoto","spec":{"content":{"hash":` + hash64(bodyEnvelope) + `},"publicKey":"` + certificate + `"}}`,
			Body{"intoto", "0.0.1", 0, nil, envelope, []BodySignature{{Certificate: bodyCertificate}}}},
		"intoto 0.0.2": {`{"apiVersion":"0.0.2","kind":"intoto","spec":{"content":{"envelope":{"payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"\"k\\\n\u0001","publicKey":"` +
			certificate + `","sig":"` + b64([]byte(signature)) + `"}]},"hash":` + hash64(bodyEnvelope) + `,"payloadHash":` + hash64(bodyDigest) + `}}}`,
			Body{"intoto", "0.0.2", crypto.SHA256, digest, envelope, signed}},
	}
}

func TestParseBodyReadsEachKind(t *testing.T) {
	for name, tt := range testBodies() {
		text := []byte(tt.text)
		got, err := ParseBody(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		clear(text)
		if !reflect.DeepEqual(got, &tt.want) {
			t.Errorf("%s: ParseBody = %+v, want %+v", name, got, tt.want)
		}
		if kind, version, err := bodyKind([]byte(tt.text)); err != nil || kind != tt.want.Kind || version != tt.want.Version {
			t.Errorf("%s: bodyKind = %q, %q, %v", name, kind, version, err)
		}
	}
}

// Rekor keeps the keys of intoto 0.0.2 as clients sent them; some leave out the
// last newline.
func TestParseBodyTakesWhiteSpaceAroundKeysOfIntoto(t *testing.T) {
	tt := testBodies()["intoto 0.0.2"]
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: bodyCertificate})
	for _, written := range [][]byte{bytes.TrimSpace(text), append([]byte("\n"), text...), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))} {
		body := strings.Replace(tt.text, b64(text), b64(written), 1)
		if got, err := ParseBody([]byte(body)); err != nil || !reflect.DeepEqual(got, &tt.want) {
			t.Errorf("certificate %q: ParseBody = %+v, %v; want %+v", written, got, err, tt.want)
		}
	}
	for _, written := range []string{"x" + string(text), string(text) + "x", "  "} {
		body := strings.Replace(tt.text, b64(text), b64([]byte(written)), 1)
		if got, err := ParseBody([]byte(body)); err == nil {
			t.Errorf("certificate %q: ParseBody = %+v, want an error", written, got)
		}
	}
}

func TestParseBodyNamesUnknownKind(t *testing.T) {
	for _, kind := range [][2]string{{"rekord", "0.0.1"}, {"hashedrekord", "0.0.3"}, {"dsse", "1"}, {"", ""}} {
		body := []byte(`{"apiVersion":"` + kind[1] + `","kind":"` + kind[0] + `","spec":{"what":"ever"}}`)
		_, err := ParseBody(body)
		var unsupported *UnsupportedBodyError
		if !errors.As(err, &unsupported) || *unsupported != (UnsupportedBodyError{kind[0], kind[1]}) {
			t.Errorf("ParseBody of kind %q = %v, want an *UnsupportedBodyError", kind, err)
		}
	}
}

func TestParseBodyRejects(t *testing.T) {
	bodies := testBodies()
	for _, tt := range []struct{ name, body, old, new, want string }{
		{"white space", "dsse 0.0.1", `{"apiVersion"`, `{ "apiVersion"`, "a string is expected"},
		{"trailing newline", "dsse 0.0.1", `]}}`, "]}}\n", "the end is expected"},
		{"members out of order", "dsse 0.0.1", `{"apiVersion":"0.0.1","kind":"dsse",`, `{"kind":"dsse","apiVersion":"0.0.1",`, `no member "apiVersion"`},
		{"duplicate member", "dsse 0.0.1", `"kind":"dsse"`, `"kind":"dsse","kind":"dsse"`, "duplicate member"},
		{"unknown member", "dsse 0.0.1", `"kind":"dsse"`, `"kind":"dsse","mind":"dsse"`, "unknown member"},
		{"no kind", "dsse 0.0.1", `"kind":"dsse",`, ``, `no member "kind"`},
		{"needless escape", "dsse 0.0.1", `"dsse"`, `"ds\u0073e"`, "an escape that need not be"},
		{"long escape", "intoto 0.0.2", `\n`, `\u000a`, "an escape that need not be"},
		{"upper-case escape", "intoto 0.0.2", `\u0001`, `\u001F`, "an escape that need not be"},
		{"long kind", "dsse 0.0.1", `"dsse"`, `"` + strings.Repeat("d", 65) + `"`, "longer than"},
		{"value before algorithm", "dsse 0.0.1", hash64(bodyDigest), `{"value":"00","algorithm":"sha256"}`, `no member "algorithm"`},
		{"unknown hash function", "hashedrekord 0.0.1", `"sha256"`, `"sha1"`, "unknown hash function"},
		{"hash function of the other generation", "hashedrekord 0.0.1", `"sha256"`, `"SHA2_256"`, "unknown hash function"},
		{"short hash", "hashedrekord 0.0.1", `"algorithm":"sha256"`, `"algorithm":"sha384"`, "not 48 bytes"},
		{"upper-case hash", "hashedrekord 0.0.1", hex.EncodeToString(bodyDigest[:]), strings.ToUpper(hex.EncodeToString(bodyDigest[:])), "lower-case"},
		{"not a hash", "hashedrekord 0.0.1", hex.EncodeToString(bodyDigest[:]), strings.Repeat("g", 64), "hexadecimal"},
		{"short hash", "hashedrekord 0.0.2", `SHA2_256`, `SHA2_384`, "digest of 32 bytes"},
		{"unknown hash function", "hashedrekord 0.0.2", `SHA2_256`, `HASH_ALGORITHM_UNSPECIFIED`, "unknown hash function"},
		{"envelope hash of another function", "intoto 0.0.1", `"algorithm":"sha256","value":"` + hex.EncodeToString(bodyEnvelope[:]), `"algorithm":"sha512","value":"` + strings.Repeat("00", 64), "not a SHA-256"},
		{"no signature", "hashedrekord 0.0.1", b64(bodySignature), "", "empty"},
		{"no signatures", "dsse 0.0.1", `[{"signature":"` + b64(bodySignature) + `","verifier":"` + pem64("CERTIFICATE", bodyCertificate) + `"}]`, `[]`, `"signatures": none`},
		{"signature not base64", "dsse 0.0.1", `"signature":"`, `"signature":"_`, "not canonical base64"},
		{"signature encoded once", "intoto 0.0.2", b64([]byte(b64(bodySignature))), b64(bodySignature), "not canonical base64"},
		{"no key", "hashedrekord 0.0.1", pem64("CERTIFICATE", bodyCertificate), "", "not a key or certificates"},
		{"empty certificate", "hashedrekord 0.0.1", pem64("CERTIFICATE", bodyCertificate), pem64("CERTIFICATE", nil), "without content"},
		{"text before the certificate", "hashedrekord 0.0.1", pem64("CERTIFICATE", bodyCertificate),
			b64(append([]byte("x\n"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: bodyCertificate})...)), "canonical PEM"},
		{"text after the certificate", "hashedrekord 0.0.1", pem64("CERTIFICATE", bodyCertificate),
			b64(append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: bodyCertificate}), '\n')), "canonical PEM"},
		{"PEM with a header", "hashedrekord 0.0.1", pem64("CERTIFICATE", bodyCertificate),
			b64(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Headers: map[string]string{"a": "b"}, Bytes: bodyCertificate})), "headers"},
		{"a private key", "hashedrekord 0.0.1", pem64("CERTIFICATE", bodyCertificate), pem64("PRIVATE KEY", bodyKey), "unexpected PEM block"},
		{"two keys", "hashedrekord 0.0.1", pem64("CERTIFICATE", bodyCertificate), pem64("PUBLIC KEY", bodyKey, bodyKey), "unexpected PEM block"},
		{"certificate and key", "hashedrekord 0.0.2", `"x509Certificate":`, `"publicKey":{"rawBytes":"AAAA"},"x509Certificate":`, "not one of"},
		{"neither certificate nor key", "hashedrekord 0.0.2", `,"x509Certificate":{"rawBytes":"` + b64(bodyCertificate) + `"}`, ``, "not one of"},
		{"empty certificate", "hashedrekord 0.0.2", b64(bodyCertificate), ``, "not one of"},
		{"no key details", "hashedrekord 0.0.2", `"keyDetails":"PKIX_ECDSA_P256_SHA_256",`, ``, `no member "keyDetails"`},
		{"spec of the other generation", "hashedrekord 0.0.2", `"apiVersion":"0.0.2"`, `"apiVersion":"0.0.1"`, "unknown member"},
		{"many signatures", "dsse 0.0.2", `"signatures":[`, `"signatures":[` + strings.Repeat(`{"content":"AAAA","verifier":{"keyDetails":"K","publicKey":{"rawBytes":"AAAA"}}},`, 64), "more than 64"},
	} {
		good := bodies[tt.body].text
		in := strings.Replace(good, tt.old, tt.new, 1)
		if in == good {
			t.Fatalf("%s: nothing changed in %s", tt.name, tt.body)
		}
		b, err := ParseBody([]byte(in))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ParseBody = %+v, %v; want error with %q", tt.name, b, err, tt.want)
		}
	}
	for name, tt := range bodies {
		for n := range tt.text {
			if _, err := ParseBody([]byte(tt.text[:n])); err == nil {
				t.Errorf("%s: first %d bytes accepted", name, n)
			}
		}
	}
	if _, err := ParseBody(make([]byte, maxEntry+1)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("long body: %v, want error about its length", err)
	}
}

func TestParseBodyReadsRealLogs(t *testing.T) {
	for name, logBodies := range map[string]func(*testing.T) [][]byte{
		"Rekor v1": func(t *testing.T) (bodies [][]byte) {
			for line := range bytes.Lines(readFile(t, corpus(t, "keyless", "rekor1-entries.jsonl"))) {
				entries, err := ParseRekorV1(line)
				if err != nil {
					t.Fatal(err)
				}
				bodies = append(bodies, entries[0].CanonicalizedBody)
			}
			return bodies
		},
		"Rekor v2": func(t *testing.T) [][]byte {
			return tileEntries(readFile(t, filepath.Join(corpus(t, "keyless", "rekor2-tiles"), "entries", "000.p", "75")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i, body := range logBodies(t) {
				b, err := ParseBody(body)
				if err != nil {
					t.Errorf("entry %d: %v", i, err)
					continue
				}
				again := HashedRekordV1
				if b.Version == "0.0.2" {
					again = HashedRekordV2
				}
				if got := again([32]byte(b.Digest), b.Signatures[0].Signature, b.Signatures[0].Certificate); !bytes.Equal(got, body) {
					t.Errorf("entry %d: made again it is %s, want %s", i, got, body)
				}
			}
		})
	}
}

// FuzzParseBody checks that what parses is canonical JSON, as far as
// encoding/json can tell, and that a hashedrekord can be made again of its
// parts.
func FuzzParseBody(f *testing.F) {
	for _, tt := range testBodies() {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := ParseBody(body)
		if err != nil {
			return
		}
		// Apart from what encoding/json escapes for the sake of HTML, and
		// writes as \u where a letter would do, it has the same form.
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		var again bytes.Buffer
		enc := json.NewEncoder(&again)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		want := strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029", `\u007f`, "\u007f").Replace(strings.TrimSuffix(again.String(), "\n"))
		if !bytes.ContainsAny(body, `\`) && want != string(body) {
			t.Errorf("%s is not canonical, %s is", body, want)
		}
		s := b.Signatures[0]
		if b.Kind != "hashedrekord" || b.Hash != crypto.SHA256 || s.Certificate == nil {
			return
		}
		// A body with a chain is longer: only the signer's certificate is
		// read, and is the whole PEM but for its last, incomplete group.
		if got := HashedRekordV1([32]byte(b.Digest), s.Signature, s.Certificate); b.Version == "0.0.1" &&
			!bytes.HasPrefix(body, got[:len(got)-len(rekordV1End)-4]) {
			t.Errorf("made again: %s, want %s", got, body)
		}
		if b.Version == "0.0.2" && s.KeyDetails == "PKIX_ECDSA_P256_SHA_256" {
			if got := HashedRekordV2([32]byte(b.Digest), s.Signature, s.Certificate); !bytes.Equal(got, body) {
				t.Errorf("made again: %s, want %s", got, body)
			}
		}
	})
}

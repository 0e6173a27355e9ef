package verifier_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/verifier"
)

// goodBundle returns the JSON of a bundle, of the given media type, with a
// chain before version 0.3.
func goodBundle(t testing.TB, mediaType string) string {
	t.Helper()
	a, err := fakeca.New(fakeca.Config{Log: fakeca.RekorV1})
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := verifierOf(t, rootOf(t, a, nil)).Bundle(payload, a.Sign(payload, fakeca.Fixture{Timestamp: true}), verifier.AnyIdentity{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s := strings.Replace(string(text), verifier.BundleMediaType, mediaType, 1)
	if strings.HasSuffix(mediaType, "=0.1") || strings.HasSuffix(mediaType, "=0.2") {
		raw := fmt.Sprintf(`{"rawBytes":%q}`, base64.StdEncoding.EncodeToString(b.Certificates[0]))
		s = strings.Replace(s, `"certificate":`+raw, `"x509CertificateChain":{"certificates":[`+raw+`]}`, 1)
	}
	return s
}

const oldMediaType = "application/vnd.dev.sigstore.bundle+json;version="

func TestParseBundleReadsEachVersion(t *testing.T) {
	for _, mediaType := range []string{oldMediaType + "0.1", oldMediaType + "0.2", oldMediaType + "0.3", verifier.BundleMediaType} {
		b, err := verifier.ParseBundle([]byte(goodBundle(t, mediaType)))
		if err != nil || len(b.Certificates) != 1 || len(b.Entries) != 1 || len(b.Stamps) != 1 || b.Hash != crypto.SHA256 {
			t.Errorf("%s: %+v, %v", mediaType, b, err)
		}
	}
}

// TestParseBundleIsStrict changes one thing about the JSON of a good bundle.
func TestParseBundleIsStrict(t *testing.T) {
	good := goodBundle(t, verifier.BundleMediaType)
	for _, tt := range []struct{ name, old, new, words string }{
		{"nothing", "", "", ""},
		{"white space", `"messageSignature":`, " \"messageSignature\"\t:\n", ""},
		{"null for what is absent", `{"mediaType"`, `{"dsseEnvelope":null,"mediaType"`, ""},

		{"unknown media type", "bundle.v0.3+json", "bundle.v0.4+json", "media type"},
		{"media type of a trusted root", verifier.BundleMediaType, "application/vnd.dev.sigstore.trustedroot+json;version=0.1", "media type"},
		{"no media type", `"mediaType":"` + verifier.BundleMediaType + `",`, "", "mediaType"},
		{"member twice", `{"mediaType"`, `{"mediaType":"x","mediaType"`, "occurs twice"},
		{"unknown member", `{"mediaType"`, `{"media":"x","mediaType"`, "unknown member"},
		{"name in other case", `"mediaType"`, `"mediatype"`, "unknown member"},
		{"name of the proto file", `"mediaType"`, `"media_type"`, "unknown member"},
		{"something after it", "}\n", "} {}\n", "after the JSON object"},
		{"not UTF-8", `"mediaType"`, "\"\xff\"", "UTF-8"},
		{"number for a string", `"mediaType":"` + verifier.BundleMediaType + `"`, `"mediaType":3`, "not a string"},
		{"array for an object", `"certificate":{`, `"certificate":[{`, ""},
		{"null for what is required", `"verificationMaterial":`, `"verificationMaterial":null,"x":`, "null"},
		{"no certificate", `"certificate":`, `"cert":`, "unknown member"},
		{"key beside the certificate", `"certificate":`, `"publicKey":{"hint":"h"},"certificate":`, "more than one"},
		{"both contents", `"messageSignature":`, `"dsseEnvelope":{"payload":"eA==","payloadType":"t","signatures":[{"sig":"eA=="}]},"messageSignature":`, "not one of"},
		{"neither content", `"messageSignature":`, `"messageSignature":null,"x":`, ""},
		{"unknown hash algorithm", `"SHA2_256"`, `"SHA3_256"`, "hash algorithm"},
		{"digest too short for it", `"SHA2_256"`, `"SHA2_512"`, "digest of 32 bytes"},
		{"base64 without padding", `"algorithm":"SHA2_256","digest":"`, `"algorithm":"SHA2_256","digest":"A`, "base64"},
		{"time-stamp that is none", `"signedTimestamp":"`, `"signedTimestamp":"eA==","x":"`, ""},
		{"no certificate bytes", `"rawBytes":"`, `"rawBytes":"","x":"`, ""},
		{"no inclusion proof", `"inclusionProof":`, `"inclusionProof":null,"x":`, ""},
	} {
		if !strings.Contains(good, tt.old) {
			t.Fatalf("%s: no %s in %s", tt.name, tt.old, good)
		}
		_, err := verifier.ParseBundle([]byte(strings.Replace(good, tt.old, tt.new, 1)))
		harmless := slices.Contains([]string{"nothing", "white space", "null for what is absent"}, tt.name)
		if harmless != (err == nil) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: %q, want %q in it", tt.name, err, tt.words)
		}
	}
}

// TestParseBundleAsksForTheProofOfItsVersion takes the promise or the proof
// from an entry, and keeps a chain beyond its time.
func TestParseBundleAsksForTheProofOfItsVersion(t *testing.T) {
	for _, tt := range []struct{ version, without, words string }{
		{"0.1", "inclusionProof", ""}, {"0.1", "inclusionPromise", "no inclusion promise"},
		{"0.2", "inclusionProof", "no inclusion proof"}, {"0.2", "inclusionPromise", ""},
		{"0.3", "inclusionProof", "no inclusion proof"}, {"0.3", "inclusionPromise", ""},
	} {
		var doc map[string]any
		if err := json.Unmarshal([]byte(goodBundle(t, oldMediaType+tt.version)), &doc); err != nil {
			t.Fatal(err)
		}
		entry := doc["verificationMaterial"].(map[string]any)["tlogEntries"].([]any)[0].(map[string]any)
		if _, ok := entry[tt.without]; !ok {
			t.Fatalf("%s: no %s", tt.version, tt.without)
		}
		delete(entry, tt.without)
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		_, err = verifier.ParseBundle(text)
		if (err == nil) != (tt.words == "") || err != nil && !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s without %s: %v, want %q", tt.version, tt.without, err, tt.words)
		}
	}
	chain := strings.Replace(goodBundle(t, oldMediaType+"0.2"), "=0.2", "=0.3", 1)
	if _, err := verifier.ParseBundle([]byte(chain)); err == nil || !strings.Contains(err.Error(), "not a chain") {
		t.Errorf("chain in a bundle of version 0.3: %v", err)
	}
}

// TestChainInAnOldBundleIsNotTrusted has certificates above the signer's, the
// real ones and a stranger's.
func TestChainInAnOldBundleIsNotTrusted(t *testing.T) {
	p := newPacker(t)
	b := p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "")
	stranger := newPacker(t)
	b.Certificates = [][]byte{b.Certificates[0], p.chain[0].Raw, p.chain[1].Raw, stranger.chain[1].Raw}
	a, err := b.Artifact(bytes.NewReader(artifact))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifierOf(t, p.root(t, nil)).VerifyBundle(b.Bundle, a, verifier.AnyIdentity{}); err != nil {
		t.Errorf("with its authority's chain: %v", err)
	}
	_, err = verifierOf(t, stranger.root(t, nil)).VerifyBundle(b.Bundle, a, verifier.AnyIdentity{})
	wantClass(t, "under another root", err, verifier.UntrustedLog, verifier.CheckLogEntry)
}

// FuzzParseBundle has what is read written and read again as the same.
func FuzzParseBundle(f *testing.F) {
	f.Add([]byte(goodBundle(f, verifier.BundleMediaType)))
	f.Add([]byte(goodBundle(f, oldMediaType+"0.1")))
	f.Add([]byte(`{"mediaType":"` + verifier.BundleMediaType + `","verificationMaterial":{"publicKey":{"hint":"h"}},` +
		`"dsseEnvelope":{"payload":"e30=","payloadType":"` + verifier.StatementPayloadType + `","signatures":[{"sig":"eA==","keyid":""}]}}`))
	f.Add([]byte(`{"mediaType":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := verifier.ParseBundle(text)
		if err != nil {
			return
		}
		written, err := b.Marshal()
		if err != nil {
			return // a bundle of version 0.1 may hold less
		}
		again, err := verifier.ParseBundle(written)
		if err != nil {
			t.Fatalf("what Marshal wrote: %v", err)
		}
		rewritten, err := again.Marshal()
		if err != nil || !bytes.Equal(written, rewritten) {
			t.Fatalf("written again it is another text (%v)\n%s\n%s", err, written, rewritten)
		}
	})
}

// FuzzStatement has statements of any form name the digests that are needed.
func FuzzStatement(f *testing.F) {
	f.Add([]byte(goodStatement))
	f.Add([]byte(statementOf("https://in-toto.io/Statement/v0.1", `"sha512":"00"`)))
	f.Add([]byte(`{"_type":1}`))
	f.Fuzz(func(t *testing.T, statement []byte) {
		b := &verifier.Bundle{Signature: []byte{1}, Envelope: &verifier.Envelope{PayloadType: verifier.StatementPayloadType, Payload: statement}}
		if _, err := b.Artifact(bytes.NewReader(artifact)); err != nil {
			t.Fatal(err)
		}
	})
}

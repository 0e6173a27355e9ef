package sigstore

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
)

func certificate(body string) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(body)}))
}

func TestParseSigningCert(t *testing.T) {
	quote := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	leaf, issuer := quote(certificate("leaf")), quote(certificate("issuer"))
	answer := func(certificates string) string {
		return `{"signedCertificateEmbeddedSct":{"chain":{"certificates":[` + certificates + `]}}}`
	}
	got, err := parseSigningCert([]byte(answer(leaf + "," + issuer)))
	if err != nil || len(got) != 2 || string(got[0]) != "leaf" || string(got[1]) != "issuer" {
		t.Errorf("chain %q, %v", got, err)
	}
	if _, err := parseSigningCert([]byte(` {"new":1,` + answer(leaf)[1:] + "\n")); err != nil {
		t.Errorf("a member that a later version has: %v", err)
	}
	for _, tt := range []struct{ name, answer, want string }{
		{"empty", "", "not a JSON object"},
		{"array", "[]", "not a JSON object"},
		{"cut", answer(leaf)[:40], "malformed JSON"},
		{"trailing", answer(leaf) + "{}", "something after"},
		{"no certificate", answer(""), "not an array of 1 to 8"},
		{"too many", answer(strings.Repeat(leaf+",", 8) + leaf), "not an array of 1 to 8"},
		{"null", answer("null"), "not certificates in PEM"},
		{"number", answer("1"), "not an array"},
		{"detached", strings.Replace(answer(leaf), "Embedded", "Detached", 1), "beside it, not in it"},
		{"both", answer(leaf)[:len(answer(leaf))-1] + `,"signedCertificateDetachedSct":{}}`, "beside it, not in it"},
		{"twice", answer(leaf)[:len(answer(leaf))-1] + "," + answer(leaf)[1:], "duplicate member"},
		{"twice within", `{"signedCertificateEmbeddedSct":{"chain":{},"chain":{"certificates":[` + leaf + `]}}}`, "duplicate member"},
		{"another case", strings.Replace(answer(leaf), "chain", "Chain", 1), "chain: not a JSON object"},
		{"two in a string", answer(quote(certificate("leaf") + certificate("issuer"))), "two certificates in one string"},
		{"text before", answer(quote("x" + certificate("leaf"))), "not certificates in PEM"},
	} {
		if got, err := parseSigningCert([]byte(tt.answer)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q, %v, want an error with %q", tt.name, got, err, tt.want)
		}
	}
}

func TestParseChain(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		n          int // 0: refused
	}{
		{"one", certificate("leaf"), 1},
		{"two", certificate("leaf") + "\n" + certificate("issuer"), 2},
		{"line ends", strings.ReplaceAll(certificate("leaf"), "\n", "\r\n"), 1},
		{"eight", strings.Repeat(certificate("leaf"), 8), 8},
		{"nine", strings.Repeat(certificate("leaf"), 9), 0},
		{"empty", " \n", 0},
		{"key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})), 0},
		{"headers", strings.Replace(certificate("leaf"), "\n", "\nProc-Type: 4\n\n", 1), 0},
		{"text after", certificate("leaf") + "x", 0},
		{"no end", strings.TrimSuffix(certificate("leaf"), "-----END CERTIFICATE-----\n"), 0},
		{"empty certificate", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", 0},
		{"spare bits", "-----BEGIN CERTIFICATE-----\nYWF=\n-----END CERTIFICATE-----\n", 0},
		{"space", "-----BEGIN CERTIFICATE-----\nYW Fh\n-----END CERTIFICATE-----\n", 0},
	} {
		chain, err := parseChain([]byte(tt.text))
		if len(chain) != tt.n || (err == nil) != (tt.n > 0) {
			t.Errorf("%s: %d certificates, %v, want %d", tt.name, len(chain), err, tt.n)
		}
	}
}

func FuzzParseSigningCert(f *testing.F) {
	f.Add([]byte(`{"signedCertificateEmbeddedSct":{"chain":{"certificates":["-----BEGIN CERTIFICATE-----\nYWFh\n-----END CERTIFICATE-----\n"]}}}`))
	f.Add([]byte(`{"signedCertificateDetachedSct":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		chain, err := parseSigningCert(data)
		if err == nil && (len(chain) == 0 || len(chain) > maxChain || !json.Valid(data)) {
			t.Errorf("%q: %d certificates", data, len(chain))
		}
	})
}

func FuzzParseChain(f *testing.F) {
	f.Add([]byte(certificate("leaf") + certificate("issuer")))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\r\nYWFh-----END CERTIFICATE-----"))
	f.Fuzz(func(t *testing.T, text []byte) {
		chain, err := parseChain(text)
		if err != nil {
			return
		}
		var again []byte
		for _, der := range chain {
			again = append(again, certificate(string(der))...)
		}
		got, err := parseChain(again)
		if err != nil || !bytes.Equal(bytes.Join(got, nil), bytes.Join(chain, nil)) {
			t.Errorf("%q: written again it is %q, %v", text, got, err)
		}
	})
}

func TestWhereTheExistingEntryIs(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 5)
	for _, tt := range []struct{ location, message, want string }{
		{"/api/v1/log/entries/" + id, "", id},
		{"https://elsewhere.example/api/v1/log/entries/" + id[:64], "", id[:64]},
		{"", "an equivalent entry already exists in the transparency log with UUID " + id, id},
		{"/api/v1/log/entries/x", "exists as " + id[:64] + ".", id[:64]},
		{"", "exists as " + id[:66], ""},
		{"/api/v1/log/entries/" + id[:66], "", ""},
		{"", "", ""},
	} {
		if got := existing(tt.location, tt.message); got != tt.want {
			t.Errorf("existing(%q, %q) = %q, want %q", tt.location, tt.message, got, tt.want)
		}
	}
	for _, tt := range []struct {
		name, value, message string
		want                 uint64
		ok                   bool
	}{
		{"X-Log-Index", "7", "", 7, true},
		{"Grpc-Metadata-X-Log-Index", "8", "", 8, true},
		{"X-Log-Index", "-1", "", 0, false},
		{"X-Other", "7", "an equivalent entry already exists in the transparency log with index 9", 9, true},
		{"X-Other", "7", "duplicate", 0, false},
		{"X-Other", "", "index 99999999999999999999", 0, false},
	} {
		index, ok := duplicate(map[string][]string{tt.name: {tt.value}}, tt.message)
		if index != tt.want || ok != tt.ok {
			t.Errorf("%s: %s, %q: %d, %v, want %d, %v", tt.name, tt.value, tt.message, index, ok, tt.want, tt.ok)
		}
	}
}

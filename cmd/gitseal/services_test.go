package main

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sigstore "gitseal/internal/trust"
	"gitseal/verifier"
)

func TestServicesOfSettings(t *testing.T) {
	spki := []byte("a key")
	v1id := sha256.Sum256(spki)
	root := &verifier.TrustedRoot{TLogs: []sigstore.Log{
		{BaseURL: "https://one.example", SPKI: spki, KeyID: v1id[:]},
		{BaseURL: "https://two.example", SPKI: spki, KeyID: make([]byte, 32)},
	}}
	one := func(url string, version uint32) []sigstore.Service {
		return []sigstore.Service{{URL: url, MajorAPIVersion: version, ValidFor: always}}
	}
	any, all := sigstore.Selection{Selector: "ANY"}, sigstore.Selection{Selector: "ALL"}
	own := &sigstore.SigningConfig{CAs: one("https://ca.example", 1), TLogs: one("https://two.example", 2), TLogConfig: all,
		TSAs: one("https://tsa.example", 1), TSAConfig: all}
	for _, test := range []struct {
		name   string
		env    map[string]string
		config *sigstore.SigningConfig
		want   *sigstore.SigningConfig
	}{
		{"none", nil, own, own},
		{"none, and no signing config", nil, nil, &sigstore.SigningConfig{}},
		{"each replaces its kind", map[string]string{"GITSEAL_FULCIO": "https://mine.example"}, own,
			&sigstore.SigningConfig{CAs: one("https://mine.example", 1), TLogs: own.TLogs, TLogConfig: all, TSAs: own.TSAs, TSAConfig: all}},
		{"the trusted root knows the version", map[string]string{"GITSEAL_REKOR": "https://two.example"}, nil,
			&sigstore.SigningConfig{TLogs: one("https://two.example", 2), TLogConfig: any}},
		{"a slash at the end is no other log", map[string]string{"GITSEAL_REKOR": "https://two.example/"}, nil,
			&sigstore.SigningConfig{TLogs: one("https://two.example/", 2), TLogConfig: any}},
		{"a log with the plain key id speaks version 1", map[string]string{"GITSEAL_REKOR": "https://one.example"}, nil,
			&sigstore.SigningConfig{TLogs: one("https://one.example", 1), TLogConfig: any}},
		{"an unknown log speaks version 1", map[string]string{"GITSEAL_REKOR": "https://other.example"}, nil,
			&sigstore.SigningConfig{TLogs: one("https://other.example", 1), TLogConfig: any}},
		{"unless told otherwise", map[string]string{"GITSEAL_REKOR": "https://other.example", "GITSEAL_REKOR_VERSION": "2"}, nil,
			&sigstore.SigningConfig{TLogs: one("https://other.example", 2), TLogConfig: any}},
		{"gitsign's count where ours are unset", map[string]string{"GITSIGN_FULCIO_URL": "https://theirs.example",
			"GITSIGN_REKOR_URL": "https://theirs.example/rekor", "GITSIGN_REKOR_VERSION": "2", "GITSIGN_TIMESTAMP_SERVER_URL": "https://theirs.example/tsa"}, own,
			&sigstore.SigningConfig{CAs: one("https://theirs.example", 1), TLogs: one("https://theirs.example/rekor", 2), TLogConfig: any,
				TSAs: one("https://theirs.example/tsa", 1), TSAConfig: any}},
		{"ours come first", map[string]string{"GITSIGN_FULCIO_URL": "https://theirs.example", "GITSEAL_FULCIO": "https://mine.example"}, nil,
			&sigstore.SigningConfig{CAs: one("https://mine.example", 1)}},
	} {
		s := &settings{getenv: func(name string) string { return test.env[name] }}
		got, err := s.services(test.config, root)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", test.name, diff)
		}
	}
}

func TestServicesRefuseBadSettings(t *testing.T) {
	for _, test := range []struct{ variable, value, want string }{
		{"GITSEAL_FULCIO", "fulcio.example", `"fulcio.example" is not an http or https URL`},
		{"GITSEAL_REKOR", "ftp://rekor.example", "not an http or https URL"},
		{"GITSIGN_TIMESTAMP_SERVER_URL", "https://", "environment GITSIGN_TIMESTAMP_SERVER_URL"},
		{"GITSEAL_REKOR_VERSION", "3", `"3" is neither 1 nor 2`},
	} {
		env := map[string]string{"GITSEAL_REKOR": "https://rekor.example"}
		env[test.variable] = test.value
		s := &settings{getenv: func(name string) string { return env[name] }}
		_, err := s.services(nil, new(verifier.TrustedRoot))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s=%s: error %v, want one with %q", test.variable, test.value, err, test.want)
		}
		if code, _, _ := exitCode(err); code != exitUsage {
			t.Errorf("%s=%s: exit code %d, want %d", test.variable, test.value, code, exitUsage)
		}
	}
}

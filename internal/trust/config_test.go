package trust

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"
)

func testConfig() *SigningConfig {
	window := Window{Start: testStart}
	retired := Window{testStart.AddDate(-1, 0, 0), testStart}
	return &SigningConfig{
		CAs:           []Service{{"https://ca.example/path", 1, window, "example.org"}},
		OIDCProviders: []Service{{"https://issuer.example", 1, window, ""}},
		TLogs: []Service{
			{"https://log2.example", 2, window, "example.org"},
			{"http://127.0.0.1:3000", 1, retired, "example.net"},
			{"https://log3.example", 0, window, "example.org"},
		},
		TSAs:       []Service{{"https://tsa.example/api/v1/timestamp", 1, window, "example.org"}},
		TLogConfig: Selection{"EXACT", 2},
		TSAConfig:  Selection{Selector: "ANY"},
	}
}

func marshalConfig(t testing.TB, c *SigningConfig) []byte {
	t.Helper()
	text, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestSigningConfigRoundTrip(t *testing.T) {
	withoutTSA := testConfig()
	withoutTSA.TSAs, withoutTSA.TSAConfig = nil, Selection{}
	all := testConfig()
	all.TLogConfig = Selection{Selector: "ALL"}
	for _, want := range []*SigningConfig{testConfig(), withoutTSA, all, {}} {
		got, err := ParseSigningConfig(marshalConfig(t, want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseSigningConfig(Marshal(c)) = %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestSigstoreReadsConfigThatMarshalWrites(t *testing.T) {
	c := testConfig()
	theirs, err := root.NewSigningConfigFromJSON(marshalConfig(t, c))
	if err != nil {
		t.Fatal(err)
	}
	compare := func(name string, theirs []root.Service, ours []Service) {
		t.Helper()
		var got []Service
		for _, s := range theirs {
			window := Window{s.ValidityPeriodStart.UTC(), s.ValidityPeriodEnd}
			if !window.End.IsZero() {
				window.End = window.End.UTC()
			}
			got = append(got, Service{s.URL, s.MajorAPIVersion, window, s.Operator})
		}
		if !reflect.DeepEqual(got, ours) {
			t.Errorf("%s: sigstore-go reads %v, want %v", name, got, ours)
		}
	}
	compare("CAs", theirs.FulcioCertificateAuthorityURLs(), c.CAs)
	compare("OIDC providers", theirs.OIDCProviderURLs(), c.OIDCProviders)
	compare("logs", theirs.RekorLogURLs(), c.TLogs)
	compare("TSAs", theirs.TimestampAuthorityURLs(), c.TSAs)
	if got := theirs.RekorLogURLsConfig(); got.Selector.String() != "EXACT" || got.Count != 2 {
		t.Errorf("log selection: sigstore-go reads %v", got)
	}
	if got := theirs.TimestampAuthorityURLsConfig(); got.Selector.String() != "ANY" || got.Count != 0 {
		t.Errorf("TSA selection: sigstore-go reads %v", got)
	}
}

func TestParseSigningConfigRejects(t *testing.T) {
	good := marshalConfig(t, testConfig())
	tests := []struct {
		path string
		edit edit
		want string
	}{
		{"", set("x"), "an object is expected"},
		{"mediaType", remove, "mediaType: missing"},
		{"mediaType", set("application/vnd.dev.sigstore.signingconfig.v0.1+json"), "mediaType: unsupported"},
		{"", with("caURLs", []any{}), `"caURLs": unknown field`},
		{"", with("ca_urls", []any{}), `"ca_urls": unknown field`},
		{"caUrls", set(nil), "caUrls: byte"},
		{"caUrls.0", set("https://ca.example"), "caUrls[0]: byte"},
		{"caUrls.0", with("name", "x"), `caUrls[0]."name": unknown field`},
		{"caUrls.0.url", remove, "caUrls[0].url: missing"},
		{"caUrls.0.url", set(""), "caUrls[0].url: empty"},
		{"caUrls.0.url", set("ca.example"), "caUrls[0].url: "},
		{"oidcUrls.0.url", set("ftp://issuer.example"), "oidcUrls[0].url: "},
		{"caUrls.0.majorApiVersion", set(-1), "caUrls[0].majorApiVersion: byte"},
		{"caUrls.0.majorApiVersion", set("1"), "caUrls[0].majorApiVersion: byte"},
		{"caUrls.0.majorApiVersion", set(nil), "caUrls[0].majorApiVersion: byte"},
		{"caUrls.0.majorApiVersion", set(1.5), "a comma or } is expected"},
		{"caUrls.0.majorApiVersion", set(json.RawMessage("1e1")), "a comma or } is expected"},
		{"caUrls.0.majorApiVersion", set(1 << 32), "not an integer below"},
		{"caUrls.0.validFor", remove, "caUrls[0].validFor: missing"},
		{"tsaUrls.0.validFor.start", remove, "tsaUrls[0].validFor.start: missing"},
		{"rekorTlogUrls.1.validFor.end", set("2000-01-01T00:00:00Z"), "rekorTlogUrls[1].validFor: ends before"},
		{"rekorTlogConfig", remove, "rekorTlogConfig.selector: missing"},
		{"rekorTlogConfig.selector", remove, "rekorTlogConfig.selector: missing"},
		{"rekorTlogConfig.selector", set(""), "rekorTlogConfig.selector: missing"},
		{"rekorTlogConfig.selector", set("exact"), "rekorTlogConfig.selector: unknown"},
		{"rekorTlogConfig.selector", set("SERVICE_SELECTOR_UNDEFINED"), "rekorTlogConfig.selector: unknown"},
		{"rekorTlogConfig.selector", set("ALL"), "rekorTlogConfig.count: only for EXACT"},
		{"rekorTlogConfig.count", remove, "rekorTlogConfig.count: 0 of 3"},
		{"rekorTlogConfig.count", set(4), "rekorTlogConfig.count: 4 of 3"},
		{"tsaConfig", remove, "tsaConfig.selector: missing"},
		{"tsaConfig", with("count", 1), "tsaConfig.count: only for EXACT"},
		{"tsaConfig", with("operator", "x"), `tsaConfig."operator": unknown field`},
	}
	for _, tt := range tests {
		_, err := ParseSigningConfig(apply(t, good, tt.path, tt.edit))
		if err == nil || !strings.Contains(err.Error(), "parsing signing config: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.path, err, tt.want)
		}
	}
}

func TestParseSigningConfigRejectsTexts(t *testing.T) {
	good := string(marshalConfig(t, testConfig()))
	one := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	tests := []struct{ name, in, want string }{
		{"empty", "", "file ends"},
		{"second document", good + "{}", "the end of the file"},
		{"leading zero", one(`"majorApiVersion": 1`, `"majorApiVersion": 01`), "not an integer below"},
		{"plus sign", one(`"majorApiVersion": 1`, `"majorApiVersion": +1`), "a non-negative integer is expected"},
		{"duplicate list", one(`"caUrls": [`, `"caUrls": [], "caUrls": [`), "caUrls: duplicate field"},
		{"longer than a file", good + strings.Repeat(" ", maxFile), "longer than"},
	}
	for _, tt := range tests {
		if _, err := ParseSigningConfig([]byte(tt.in)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestMarshalConfigRejectsWhatParseWould(t *testing.T) {
	for want, change := range map[string]func(c *SigningConfig){
		"caUrls[0].url":            func(c *SigningConfig) { c.CAs[0].URL = "" },
		"caUrls[0].validFor.start": func(c *SigningConfig) { c.CAs[0].ValidFor = Window{} },
		"rekorTlogConfig.selector": func(c *SigningConfig) { c.TLogConfig = Selection{} },
		"not UTF-8":                func(c *SigningConfig) { c.CAs[0].Operator = "\xff" },
	} {
		c := testConfig()
		change(c)
		if text, err := c.Marshal(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Marshal = %s, %v; want error with %q", text, err, want)
		}
	}
}

// FuzzParseSigningConfig checks that what parses is JSON to others, is read by
// sigstore-go, and comes back from Marshal the same.
func FuzzParseSigningConfig(f *testing.F) {
	f.Add(marshalConfig(f, testConfig()))
	f.Add(marshalConfig(f, &SigningConfig{}))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := ParseSigningConfig(in)
		if err != nil {
			return
		}
		if !json.Valid(in) {
			t.Errorf("not JSON: %q", in)
		}
		if _, err := root.NewSigningConfigFromJSON(in); err != nil {
			t.Errorf("sigstore-go: %v", err)
		}
		text, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseSigningConfig(text); err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("ParseSigningConfig(Marshal(c)) = %+v, %v; want %+v", back, err, c)
		}
	})
}

package trust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// corpus returns the path of a file among the real Sigstore files that are
// kept beside the repository, and skips the test where they are absent.
func corpus(t testing.TB, name ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{"..", "..", "..", "shared", "corpus"}, name...)...)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no real Sigstore files: %v", err)
	}
	return path
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var realRoots = [][]string{
	{"trust", "prod", "trusted_root.json"},
	{"trust", "staging", "trusted_root.json"},
	{"keyless", "trust", "trusted_root.json"},
}

var realConfigs = [][]string{
	{"trust", "prod", "signing_config.v0.2.json"},
	{"trust", "prod", "signing_config_rekor_v2.v0.2.json"},
	{"trust", "staging", "signing_config.v0.2.json"},
	{"trust", "staging", "signing_config_rekor_v2.v0.2.json"},
	{"keyless", "trust", "signing_config.json"},
	{"keyless", "trust", "signing_config_rekor_v1.json"},
	{"keyless", "trust", "signing_config_rekor_v2.json"},
}

func TestRealRootsRoundTrip(t *testing.T) {
	for _, name := range realRoots {
		data := readFile(t, corpus(t, name...))
		r, err := Parse(data)
		if err != nil {
			t.Errorf("Parse(%v): %v", name, err)
			continue
		}
		text, err := r.Marshal()
		if err != nil {
			t.Errorf("Marshal of %v: %v", name, err)
			continue
		}
		back, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(Marshal) of %v: %v", name, err)
			continue
		}
		back.digest = r.digest
		if !reflect.DeepEqual(back, r) {
			t.Errorf("%v: Parse(Marshal(r)) is not r", name)
		}
	}
}

func TestRealConfigsRoundTrip(t *testing.T) {
	for _, name := range realConfigs {
		c, err := ParseSigningConfig(readFile(t, corpus(t, name...)))
		if err != nil {
			t.Errorf("ParseSigningConfig(%v): %v", name, err)
			continue
		}
		text, err := c.Marshal()
		if err != nil {
			t.Errorf("Marshal of %v: %v", name, err)
			continue
		}
		back, err := ParseSigningConfig(text)
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("%v: ParseSigningConfig(Marshal(c)) = %v, %v; want %v", name, back, err, c)
		}
	}
}

func TestSigstoreReadsRealRootsAsWeDo(t *testing.T) {
	for _, name := range realRoots {
		data := readFile(t, corpus(t, name...))
		r, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		text, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		original, err := root.NewTrustedRootFromJSON(data)
		if err != nil {
			t.Fatal(err)
		}
		written, err := root.NewTrustedRootFromJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(original.FulcioCertificateAuthorities(), written.FulcioCertificateAuthorities()) ||
			!reflect.DeepEqual(original.TimestampingAuthorities(), written.TimestampingAuthorities()) ||
			!reflect.DeepEqual(original.RekorLogs(), written.RekorLogs()) ||
			!reflect.DeepEqual(original.CTLogs(), written.CTLogs()) {
			t.Errorf("%v: sigstore-go sees a difference after Parse and Marshal", name)
		}
	}
}

func BenchmarkParsePublicRoot(b *testing.B) {
	data := readFile(b, corpus(b, "trust", "prod", "trusted_root.json"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}

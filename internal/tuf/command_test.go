package tuf_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"

	"gitseal/internal/trust"
	"gitseal/internal/tuf"
)

// run runs the program and returns what its answer says.
func run(t *testing.T, args ...string) (code int, u *trust.Update, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = tuf.Command(args, &stdout, &stderr)
	if n := bytes.Count(stdout.Bytes(), []byte("\n")); n != 1 {
		t.Fatalf("%v: %d lines on stdout, want 1: %s", args, n, stdout.Bytes())
	}
	u, err = trust.ParseAnswer(stdout.Bytes())
	return code, u, err
}

func TestCommandAnswersInOneLine(t *testing.T) {
	s := newSetting(t)
	s.Targets.Expires = s.Targets.Expires.AddDate(50, 0, 0) // the program looks at the clock
	s.Snapshot.Expires, s.Timestamp.Expires, s.Root.Expires = s.Targets.Expires, s.Targets.Expires, s.Targets.Expires
	s.Publish()
	rootFile := filepath.Join(t.TempDir(), "root.json")
	if err := os.WriteFile(rootFile, s.RootJSON(), 0o600); err != nil {
		t.Fatal(err)
	}
	good := []string{"-url", s.url, "-root", rootFile, "-instance", s.dir, "-cache", s.cache}
	code, u, err := run(t, good...)
	if code != 0 || err != nil || u.URL != s.url {
		t.Errorf("a good run = %d, %+v, %v", code, u, err)
	}
	if _, ok := s.instance()["trusted_root.json"]; !ok {
		t.Error("a good run installed nothing")
	}

	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(args ...string) []string { return append(good[:len(good):len(good)], args...) }
	for _, test := range []struct {
		args   []string
		code   int
		reason trust.Reason
		words  string
	}{
		{nil, 2, trust.Unusable, "want -url, -instance and -cache"},
		{good[2:], 2, trust.Unusable, "want -url, -instance and -cache"},
		{with("more"), 2, trust.Unusable, "nothing else"},
		{with("-nonsense"), 2, trust.Unusable, "nonsense"},
		{with("-root", filepath.Join(s.cache, "nothing")), 2, trust.Unusable, "reading root metadata"},
		{with("-ca-file", filepath.Join(s.cache, "nothing")), 2, trust.Unusable, "reading certificate authorities"},
		{with("-ca-file", noPEM), 2, trust.Unusable, "no PEM certificate"},
		{with("-root", noPEM), 2, trust.Unusable, "the root metadata to begin with is not valid"},
		{with("-url", s.url+"/nothing"), 3, trust.Unreachable, "404"},
		// Without -root it begins with the public good instance's, which has expired since.
		{append([]string{"-url", s.url}, good[4:]...), 1, trust.Expired, "final root.json is expired"},
	} {
		code, _, err := run(t, test.args...)
		var refusal *trust.Refusal
		if code != test.code || !errors.As(err, &refusal) || refusal.Reason != test.reason || !strings.Contains(err.Error(), test.words) {
			t.Errorf("%v = %d, %v; want %d, %s: %q", test.args, code, err, test.code, test.reason, test.words)
		}
	}
}

func TestCommandThatCannotAnswer(t *testing.T) {
	var stderr bytes.Buffer
	if code := tuf.Command(nil, brokenWriter{}, &stderr); code != 2 || !strings.HasPrefix(stderr.String(), "gitseal-tuf: ") {
		t.Errorf("exit code %d, stderr %q; want 2 and why", code, stderr.String())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

// stack returns a variable of the real Sigstore on loopback.
func stack(t *testing.T, name string) string {
	t.Helper()
	if os.Getenv("GITSEAL_STACK") == "" || os.Getenv(name) == "" {
		t.Skip("no real Sigstore: see make test-stack")
	}
	return os.Getenv(name)
}

func TestStackUpdate(t *testing.T) {
	url, rootFile := stack(t, "STACK_TUF_URL"), stack(t, "STACK_TUF_ROOT")
	dir := t.TempDir()
	args := []string{"-url", url, "-root", rootFile, "-instance", dir, "-cache", t.TempDir()}
	for range 2 {
		if code, _, err := run(t, args...); code != 0 || err != nil {
			t.Fatalf("update = %d, %v", code, err)
		}
	}
	if _, err := root.NewTrustedRootFromPath(filepath.Join(dir, "trusted_root.json")); err != nil {
		t.Errorf("sigstore-go does not read the trusted root: %v", err)
	}
	if _, err := root.NewSigningConfigFromPath(filepath.Join(dir, "signing_config.json")); err != nil {
		t.Errorf("sigstore-go does not read the signing config: %v", err)
	}
}

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	sigstore "gitseal/internal/trust"
	"gitseal/internal/tuf/tuftest"
	"gitseal/verifier"
)

// A tufInstance is an instance that comes from a repository on a disk.
type tufInstance struct {
	*tuftest.Repo
	t        *testing.T
	dir      string // of the instance
	disk     string // of the repository
	env      *env
	settings *settings
}

// newTUFInstance sets up an instance whose trust expires in a day.
func newTUFInstance(t *testing.T) *tufInstance {
	t.Helper()
	now := time.Now()
	a, err := fakeca.New(fakeca.Config{Clock: func() time.Time { return now.Add(-time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	in := &tufInstance{t: t, dir: t.TempDir(), disk: t.TempDir()}
	in.Repo = tuftest.New(now, map[string][]byte{trustedRootFile: a.TrustedRoot(), "signing_config.v0.2.json": a.SigningConfig()})
	in.Timestamp.Expires = now.Add(24 * time.Hour)
	in.publish()
	vars := map[string]string{"GITSEAL_INSTANCE": in.dir, "XDG_CACHE_HOME": t.TempDir(), "XDG_DATA_HOME": t.TempDir()}
	getenv := func(name string) string { return vars[name] }
	in.env = &env{getenv: getenv, now: func() time.Time { return now }, program: "/nowhere/gitseal"}
	in.settings = &settings{getenv: getenv}
	if err := in.settings.beginRepository(context.Background(), in.env, in.dir, "file://"+filepath.ToSlash(in.disk), in.RootJSON()); err != nil {
		t.Fatal(err)
	}
	return in
}

// publish publishes the next version of the repository.
func (in *tufInstance) publish() {
	in.t.Helper()
	in.Next()
	if err := in.Write(in.disk); err != nil {
		in.t.Fatal(err)
	}
}

// at lets time pass.
func (in *tufInstance) at(d time.Duration) {
	now := in.env.now().Add(d)
	in.env.now = func() time.Time { return now }
}

func (in *tufInstance) sign() (*remoteInstance, error) {
	return in.settings.signingInstance(context.Background(), in.env)
}

func (in *tufInstance) last() *sigstore.Update {
	in.t.Helper()
	i, err := in.settings.instance()
	if err != nil {
		in.t.Fatal(err)
	}
	update, err := i.lastUpdate()
	if err != nil {
		in.t.Fatal(err)
	}
	return update
}

func TestSigningAsksNobodyWhileTrustIsFresh(t *testing.T) {
	in := newTUFInstance(t)
	if err := os.RemoveAll(in.disk); err != nil {
		t.Fatal(err)
	}
	remote, err := in.sign()
	if err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256(in.Files[trustedRootFile]); remote.TrustedRoot.Digest() != want || remote.Dir != in.dir || len(remote.SigningConfig.CAs) != 1 {
		t.Errorf("signingInstance = %+v, want the repository's trust in %s", remote, in.dir)
	}
}

func TestSigningUpdatesTrustThatHasExpired(t *testing.T) {
	in := newTUFInstance(t)
	before := in.last()
	in.at(25 * time.Hour) // by our clock; the repository's says otherwise, and it has something new
	in.publish()
	if _, err := in.sign(); err != nil {
		t.Fatal(err)
	}
	if after := in.last(); after.Timestamp != before.Timestamp+1 {
		t.Errorf("timestamp version %d after %d, want the next one", after.Timestamp, before.Timestamp)
	}
}

func TestSigningIsRefusedWithTrustThatHasExpired(t *testing.T) {
	in := newTUFInstance(t)
	in.at(25 * time.Hour)
	if err := os.RemoveAll(in.disk); err != nil {
		t.Fatal(err)
	}
	_, err := in.sign()
	code, message, hints := exitCode(err)
	if err == nil || code != exitUnknown || !strings.Contains(message, "trust expired on") || len(hints) == 0 {
		t.Errorf("signingInstance = %v, exit code %d, hints %q; want a refusal for expired trust", err, code, hints)
	}
}

// TestSigningNoticesFilesThatAreNotThoseOfTheUpdate is what an update that was
// cut short leaves, or somebody who put another file there.
func TestSigningNoticesFilesThatAreNotThoseOfTheUpdate(t *testing.T) {
	for _, name := range []string{trustedRootFile, signingConfigFile} {
		for _, change := range []func(string) error{
			os.Remove,
			func(file string) error { return os.WriteFile(file, []byte("{}"), 0o600) },
		} {
			in := newTUFInstance(t)
			file := filepath.Join(in.dir, name)
			if err := change(file); err != nil {
				t.Fatal(err)
			}
			if _, err := in.sign(); err != nil {
				t.Fatalf("signingInstance with another %s: %v", name, err)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s was not put back: %v", name, err)
			}
			if err := change(file); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(in.disk); err != nil {
				t.Fatal(err)
			}
			if _, err := in.sign(); err == nil || !strings.Contains(err.Error(), name+" is not the one that the last update brought") {
				t.Errorf("signingInstance with another %s, and no repository = %v, want a refusal", name, err)
			}
		}
	}
}

// TestSigningNoticesAClockThatWasSetBack: what has expired looks fresh to it.
func TestSigningNoticesAClockThatWasSetBack(t *testing.T) {
	in := newTUFInstance(t)
	before := in.last()
	in.at(-4 * time.Minute) // as time servers do
	if _, err := in.sign(); err != nil || in.last().UpdatedAt != before.UpdatedAt {
		t.Fatalf("signingInstance = %v, updated at %v; want no update", err, in.last().UpdatedAt)
	}
	in.at(-2 * time.Minute)
	if _, err := in.sign(); err != nil || in.last().UpdatedAt == before.UpdatedAt {
		t.Fatalf("signingInstance = %v, updated at %v; want an update", err, in.last().UpdatedAt)
	}
	in.at(-time.Hour)
	if err := os.RemoveAll(in.disk); err != nil {
		t.Fatal(err)
	}
	_, err := in.sign()
	if code, message, _ := exitCode(err); code != exitUnknown || !strings.Contains(message, "which this machine's clock has not reached") {
		t.Errorf("signingInstance = %v, exit code %d; want a refusal", err, code)
	}
}

// TestSigningNoticesThatTheRecordIsGone: without it nothing says when the trust
// expires, and that must not mean never.
func TestSigningNoticesThatTheRecordIsGone(t *testing.T) {
	in := newTUFInstance(t)
	if err := os.Remove(filepath.Join(in.dir, tufFile)); err != nil {
		t.Fatal(err)
	}
	_, err := in.sign()
	code, message, hints := exitCode(err)
	if code != exitUsage || !strings.Contains(message, "is from a TUF repository, but "+tufFile) || len(hints) != 1 {
		t.Errorf("signingInstance = %v, exit code %d, hints %q; want a refusal", err, code, hints)
	}
}

func TestSigningWithSigstoreNeedsMoreThanWhatIsBuiltIn(t *testing.T) {
	vars := map[string]string{"GITSEAL_INSTANCE": sigstoreName, "XDG_DATA_HOME": t.TempDir(), "PATH": ""}
	getenv := func(name string) string { return vars[name] }
	t.Setenv("PATH", t.TempDir()) // no gitseal-tuf, so that nothing is asked
	e := &env{getenv: getenv, now: time.Now, program: filepath.Join(t.TempDir(), "gitseal")}
	_, err := (&settings{getenv: getenv}).signingInstance(context.Background(), e)
	code, message, hints := exitCode(err)
	if code != exitUsage || !strings.Contains(message, "trust is only the copy of "+builtInDate) || !strings.Contains(message, "no program "+tufProgram) || len(hints) != 1 {
		t.Errorf("signingInstance = %v, exit code %d, hints %q; want a refusal", err, code, hints)
	}
}

func TestSigningConfigIsWanted(t *testing.T) {
	a, err := fakeca.New(fakeca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, trustedRootFile), a.TrustedRoot(), 0o600); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"GITSEAL_INSTANCE": dir}
	getenv := func(name string) string { return vars[name] }
	s, e := &settings{getenv: getenv}, &env{getenv: getenv, now: time.Now}
	if _, err := s.signingInstance(context.Background(), e); !errors.Is(err, errNoAuthority) {
		t.Errorf("signingInstance without servers = %v, want %v", err, errNoAuthority)
	}
	vars[envName("gitseal.fulcio")] = "https://ca.example"
	if remote, err := s.signingInstance(context.Background(), e); err != nil || remote.SigningConfig != nil {
		t.Errorf("signingInstance with a server by setting = %+v, %v; want no signing config", remote, err)
	}
	vars[envName("gitseal.fulcio")] = ""
	if err := os.WriteFile(filepath.Join(dir, signingConfigFile), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.signingInstance(context.Background(), e); err == nil || !strings.Contains(err.Error(), "parsing signing config") {
		t.Errorf("signingInstance with a broken signing config = %v, want an error", err)
	}
}

func TestTrustSaysItsAge(t *testing.T) {
	in := newTUFInstance(t)
	t0 := in.env.now()
	i, err := in.settings.instance()
	if err != nil {
		t.Fatal(err)
	}
	tr := &trust{instance: i}
	for _, test := range []struct {
		after time.Duration
		want  string
	}{
		{time.Hour, ""},
		{25 * time.Hour, "its trusted root was updated 1 day ago"},
		{241 * time.Hour, "its trusted root was updated 10 days ago"},
	} {
		if got := tr.age(t0.Add(test.after)); got != test.want {
			t.Errorf("age after %v = %q, want %q", test.after, got, test.want)
		}
		hint := tr.hint(verifier.UntrustedLog, t0.Add(test.after))
		if got := strings.HasPrefix(hint, updateTrust); got != (test.want != "") {
			t.Errorf("hint after %v = %q", test.after, hint)
		}
	}
	if hint := tr.hint(verifier.BadSignature, t0.Add(240*time.Hour)); strings.Contains(hint, updateTrust) {
		t.Errorf("hint for a bad signature = %q: an update does not help", hint)
	}
	if got := (&trust{}).age(t0); got != "" {
		t.Errorf("age of a file = %q, want none", got)
	}
	if err := os.WriteFile(filepath.Join(in.dir, tufFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := tr.age(t0); got == "" {
		t.Error("age without a record that parses is not said")
	}
	if _, err := in.sign(); err == nil || !strings.Contains(err.Error(), tufFile) {
		t.Errorf("signingInstance with a broken record = %v, want an error", err)
	}
}

func TestBuiltInFilesAreThoseDescribed(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("sigstore", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := verifier.ParseTrustedRoot([]byte(builtInTrustedRoot))
	if err != nil {
		t.Fatal(err)
	}
	if len(root.CertificateAuthorities) != 2 || len(root.TLogs) != 2 {
		t.Errorf("the trusted root that is built in has %d authorities and %d logs, want 2 and 2", len(root.CertificateAuthorities), len(root.TLogs))
	}
	config, err := sigstore.ParseSigningConfig([]byte(builtInSigningConfig))
	if err != nil {
		t.Fatal(err)
	}
	if len(config.CAs) != 1 || config.CAs[0].URL != "https://fulcio.sigstore.dev" {
		t.Errorf("the signing config that is built in has the authorities %v", config.CAs)
	}
	for name, text := range map[string]string{trustedRootFile: builtInTrustedRoot, signingConfigFile: builtInSigningConfig} {
		if line := fmt.Sprintf("%x  %s", sha256.Sum256([]byte(text)), name); !strings.Contains(string(page), line) {
			t.Errorf("sigstore/README.md does not say %q", line)
		}
	}
	if !strings.Contains(string(page), "on "+builtInDate) {
		t.Errorf("sigstore/README.md does not say %s", builtInDate)
	}
	date, err := time.Parse(time.DateOnly, builtInDate)
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range root.TLogs {
		if log.ValidFor.Start.After(date) {
			t.Errorf("log %s is newer than the date of the file", log.BaseURL)
		}
	}
}

func TestBuiltInSigningConfigGoesOnlyWithItsTrustedRoot(t *testing.T) {
	in := &instance{setting{Value: sigstoreName}, t.TempDir()}
	if _, err := in.signingConfig(); err != nil {
		t.Errorf("signing config of an instance with no files: %v", err)
	}
	if err := os.WriteFile(filepath.Join(in.dir, trustedRootFile), []byte(builtInTrustedRoot), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := in.signingConfig(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("signing config of an instance whose repository has none = %v, want none", err)
	}
}

func TestLimitedBuffer(t *testing.T) {
	b := limitedBuffer{limit: 3}
	for _, test := range []struct {
		text string
		ok   bool
	}{{"ab", true}, {"cd", false}, {"c", true}, {"d", false}} {
		if _, err := b.Write([]byte(test.text)); (err == nil) != test.ok {
			t.Errorf("Write(%q) = %v", test.text, err)
		}
	}
	if b.String() != "abc" {
		t.Errorf("buffer = %q, want abc", b.String())
	}
}

// TestServersAreNotAskedOnAnAssumption: what git's configuration says of them is
// not known while it is read.
func TestServersAreNotAskedOnAnAssumption(t *testing.T) {
	in := newTUFInstance(t)
	in.at(25 * time.Hour) // its trust has expired, and would be updated
	if err := os.RemoveAll(in.disk); err != nil {
		t.Fatal(err)
	}
	in.settings.assumed = true
	if sig, err := in.settings.openSigning(context.Background(), in.env); !errors.Is(err, errAssumed) {
		t.Errorf("openSigning = %v, %v, want %v", sig, err, errAssumed)
	}
	var calls []bool
	_, got, err := withSettings(context.Background(), in.env, func(s *settings) (int, error) {
		if calls = append(calls, s.assumed); s.assumed {
			return 1, fmt.Errorf("doing it: %w", errAssumed)
		}
		return 2, nil
	})
	if err != nil || got != 2 || fmt.Sprint(calls) != "[true false]" {
		t.Errorf("withSettings = %d, %v after calls with assumed %v; want 2 of the second", got, err, calls)
	}
}

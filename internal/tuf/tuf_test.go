package tuf_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"gitseal/fakeca"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
	"gitseal/internal/tuf"
	"gitseal/internal/tuf/tuftest"
)

var testNow = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// A setting is a repository, the server it is served by, and a client of it.
type setting struct {
	*tuftest.Repo
	t      *testing.T
	now    time.Time
	url    string
	dir    string // of the instance
	cache  string
	root   []byte
	serve  http.HandlerFunc // nil: what the repository has published
	mu     sync.Mutex
	served []string // paths that were asked for; guarded by mu
}

// files returns the two targets of an authority.
func files(t *testing.T) map[string][]byte {
	t.Helper()
	a, err := fakeca.New(fakeca.Config{Clock: func() time.Time { return testNow }})
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"trusted_root.json": a.TrustedRoot(), "signing_config.v0.2.json": a.SigningConfig()}
}

func newSetting(t *testing.T) *setting {
	t.Helper()
	s := &setting{Repo: tuftest.New(testNow, files(t)), t: t, now: testNow, dir: filepath.Join(t.TempDir(), "instance"), cache: t.TempDir()}
	s.root = s.RootJSON()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.served = append(s.served, strings.TrimPrefix(r.URL.Path, "/"))
		s.mu.Unlock()
		if s.serve != nil {
			s.serve(w, r)
			return
		}
		s.publish(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// publish serves what the repository has published.
func (s *setting) publish(w http.ResponseWriter, r *http.Request) {
	data, ok := s.Published()[strings.TrimPrefix(r.URL.Path, "/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(data) // a client that went away is no fault of the server
}

func (s *setting) update() (*trust.Update, error) {
	client := transport.New(transport.Config{UserAgent: "test", Sleep: func(context.Context, time.Duration) error { return nil }})
	return tuf.Update(context.Background(), tuf.Config{
		URL: s.url, Root: s.root, Dir: s.dir, Cache: s.cache, Client: client, Now: func() time.Time { return s.now },
	})
}

// mustUpdate updates and returns the record.
func (s *setting) mustUpdate() *trust.Update {
	s.t.Helper()
	u, err := s.update()
	if err != nil {
		s.t.Fatalf("Update: %v", err)
	}
	return u
}

// refuses checks that an update is refused for a reason, in words, and leaves
// the instance as it is.
func (s *setting) refuses(reason trust.Reason, words ...string) {
	s.t.Helper()
	before := s.instance()
	u, err := s.update()
	var refusal *trust.Refusal
	if !errors.As(err, &refusal) {
		s.t.Fatalf("Update = %v, %v, want a refusal", u, err)
	}
	if refusal.Reason != reason {
		s.t.Errorf("reason of %q = %s, want %s", err, refusal.Reason, reason)
	}
	for _, w := range append(words, s.url) {
		if !strings.Contains(err.Error(), w) {
			s.t.Errorf("error %q does not say %q", err, w)
		}
	}
	if after := s.instance(); fmt.Sprint(after) != fmt.Sprint(before) {
		s.t.Errorf("a refused update changed the instance from %v to %v", before, after)
	}
}

// instance returns the digests of the files in the instance directory.
func (s *setting) instance() map[string][32]byte {
	s.t.Helper()
	all := make(map[string][32]byte)
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(s.dir, entry.Name()))
		if err != nil {
			s.t.Fatal(err)
		}
		all[entry.Name()] = sha256.Sum256(data)
	}
	return all
}

func TestUpdateInstallsBothFilesAndTheRecord(t *testing.T) {
	s := newSetting(t)
	s.Snapshot.Expires = testNow.AddDate(0, 0, 7)
	s.Next()
	u := s.mustUpdate()
	got := s.instance()
	if len(got) != 3 {
		t.Errorf("the instance has the files %v, want three", got)
	}
	for name, file := range map[string]string{"trusted_root.json": "trusted_root.json", "signing_config.v0.2.json": "signing_config.json"} {
		if want := sha256.Sum256(s.Files[name]); got[file] != want {
			t.Errorf("%s is not target %s", file, name)
		}
	}
	data, err := os.ReadFile(filepath.Join(s.dir, "tuf.json"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := trust.ParseUpdate(data)
	if err != nil {
		t.Fatal(err)
	}
	want := trust.Update{
		URL: s.url, UpdatedAt: testNow, Expires: s.Snapshot.Expires, Root: 1, Timestamp: 2, Snapshot: 2, Targets: 2, FirstRoot: sha256.Sum256(s.root),
		TrustedRoot: got["trusted_root.json"], SigningConfig: got["signing_config.json"],
	}
	if *record != want || *u != want {
		t.Errorf("Update = %+v, and recorded %+v; want %+v", *u, *record, want)
	}
}

func TestUpdateFetchesOnlyWhatIsNew(t *testing.T) {
	s := newSetting(t)
	s.mustUpdate()
	s.served = nil
	s.mustUpdate()
	if got, want := fmt.Sprint(s.served), "[2.root.json timestamp.json]"; got != want {
		t.Errorf("the second update asked for %s, want %s", got, want)
	}
	s.Files["trusted_root.json"] = files(t)["trusted_root.json"]
	s.Next()
	s.served = nil
	s.mustUpdate()
	if got := s.instance()["trusted_root.json"]; got != sha256.Sum256(s.Files["trusted_root.json"]) {
		t.Error("the new trusted root was not installed")
	}
	if len(s.served) != 5 {
		t.Errorf("the third update asked for %v, want the root, timestamp, snapshot, targets and one target", s.served)
	}
}

func TestUpdateFromAStick(t *testing.T) {
	s := newSetting(t)
	stick := t.TempDir()
	if err := s.Write(stick); err != nil {
		t.Fatal(err)
	}
	s.url = "file://" + filepath.ToSlash(stick)
	if runtime.GOOS == "windows" {
		s.url = "file:///" + filepath.ToSlash(stick)
	}
	if u := s.mustUpdate(); u.URL != s.url {
		t.Errorf("URL = %q, want %q", u.URL, s.url)
	}
	if err := os.WriteFile(filepath.Join(stick, "timestamp.json"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s.refuses(trust.TooLarge, "timestamp.json", "longer than")
	if err := os.Remove(filepath.Join(stick, "timestamp.json")); err != nil {
		t.Fatal(err)
	}
	s.refuses(trust.Unreachable, "timestamp.json", "no such file")
}

func TestSigningConfigNames(t *testing.T) {
	s := newSetting(t)
	config := s.Files["signing_config.v0.2.json"]

	// Under its plain name, where there is no other.
	delete(s.Files, "signing_config.v0.2.json")
	s.Files["signing_config.json"] = config
	s.Next()
	if u := s.mustUpdate(); u.SigningConfig != sha256.Sum256(config) {
		t.Error("signing_config.json was not installed")
	}

	// The plain name may stay behind with an older format.
	s.Files["signing_config.v0.2.json"] = config
	s.Files["signing_config.json"] = []byte("{}")
	s.Next()
	if u := s.mustUpdate(); u.SigningConfig != sha256.Sum256(config) {
		t.Error("signing_config.v0.2.json does not come first")
	}

	// None: the one from before must not be signed with any longer.
	delete(s.Files, "signing_config.v0.2.json")
	delete(s.Files, "signing_config.json")
	s.Next()
	u := s.mustUpdate()
	if _, ok := s.instance()["signing_config.json"]; ok || u.SigningConfig != [32]byte{} {
		t.Error("a signing config that the repository dropped is still there")
	}
}

// TestForbiddenRootIsNone has a storage service that tells nobody what it does
// not have.
func TestForbiddenRootIsNone(t *testing.T) {
	s := newSetting(t)
	s.serve = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/2.root.json" {
			http.Error(w, "access denied", http.StatusForbidden)
			return
		}
		s.publish(w, r)
	}
	s.mustUpdate()
}

func TestUpdateRefusesURLs(t *testing.T) {
	s := newSetting(t)
	for _, url := range []string{"", "example.com", "ftp://example.com", "https://", "https://user:pass@example.com", "https://example.com?x", "file://host/share", "file:"} {
		s.url = url
		s.refuses(trust.Unusable)
	}
}

func TestUpdateOfADirectoryThatCannotBeWritten(t *testing.T) {
	s := newSetting(t)
	if err := os.WriteFile(s.dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.update(); err == nil || !strings.Contains(err.Error(), s.dir) {
		t.Errorf("Update = %v, want an error that names %s", err, s.dir)
	}
}

func TestUpdatesAtOnce(t *testing.T) {
	s := newSetting(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.update(); err != nil {
				t.Errorf("Update: %v", err)
			}
		})
	}
	wg.Wait()
	want := sha256.Sum256(s.Files["trusted_root.json"])
	if got := s.instance(); got["trusted_root.json"] != want || len(got) != 3 {
		t.Errorf("eight updates left %v", got)
	}
	// One after another: only the first found anything new.
	if n := strings.Count(strings.Join(s.served, "\n"), "1.snapshot.json"); n != 1 {
		t.Errorf("eight updates fetched the snapshot %d times, want once", n)
	}
}

// TestMirrorsAreApart has a mirror that lags behind: that is no replay of what
// the other has shown.
func TestMirrorsAreApart(t *testing.T) {
	s, mirror := newSetting(t), newSetting(t)
	mirror.cache = s.cache
	s.Next()
	s.mustUpdate()
	mirror.mustUpdate()
}

func TestSigstoreRoot(t *testing.T) {
	const want = "a0dfcc5d51c1ce4a66b541a3fff0afa97225ccc40456b21140bb2e2f113122e2" // see sigstore/README.md
	if got := fmt.Sprintf("%x", sha256.Sum256(tuf.SigstoreRoot)); got != want {
		t.Errorf("SHA-256 of the public good instance's root = %s, want %s", got, want)
	}
	page, err := os.ReadFile(filepath.Join("sigstore", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), want) {
		t.Error("sigstore/README.md does not have the digest of the root")
	}
	root, err := metadata.Root().FromBytes(tuf.SigstoreRoot)
	if err != nil {
		t.Fatal(err)
	}
	if err := root.VerifyDelegate(metadata.ROOT, root); err != nil {
		t.Errorf("the root does not vouch for itself: %v", err)
	}
	role := root.Signed.Roles[metadata.ROOT]
	if root.Signed.Version != 14 || role.Threshold != 3 || len(role.KeyIDs) != 5 {
		t.Errorf("root version %d with threshold %d of %d, want 14 with 3 of 5", root.Signed.Version, role.Threshold, len(role.KeyIDs))
	}
}

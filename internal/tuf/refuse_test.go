package tuf_test

import (
	"bytes"
	"crypto/ed25519"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/internal/trust"
	"gitseal/internal/tuf/tuftest"
)

func TestUpdateRefusesExpiredMetadata(t *testing.T) {
	for _, test := range []struct {
		role  func(*setting) *tuftest.Role
		words string
	}{
		{func(s *setting) *tuftest.Role { return &s.Root }, "final root.json is expired"},
		{func(s *setting) *tuftest.Role { return &s.Timestamp }, "timestamp.json is expired"},
		{func(s *setting) *tuftest.Role { return &s.Snapshot }, "snapshot.json is expired"},
		{func(s *setting) *tuftest.Role { return &s.Targets }, "targets is expired"},
	} {
		s := newSetting(t)
		test.role(s).Expires = testNow.Add(time.Hour)
		s.Publish()
		s.root = s.RootJSON()
		s.mustUpdate()
		s.now = testNow.Add(2 * time.Hour)
		s.refuses(trust.Expired, "out of date", test.words)
	}
}

// TestUpdateRefusesAFreeze has a repository that stands still: somebody who
// sits between replays the last state that was seen.
func TestUpdateRefusesAFreeze(t *testing.T) {
	s := newSetting(t)
	s.Timestamp.Expires = testNow.AddDate(0, 0, 7)
	s.Next()
	s.mustUpdate()
	s.now = testNow.AddDate(0, 0, 6)
	s.mustUpdate()
	s.now = testNow.AddDate(0, 0, 8)
	s.refuses(trust.Expired, "timestamp.json is expired")
}

func TestUpdateRefusesToGoBack(t *testing.T) {
	s := newSetting(t)
	s.Timestamp.Version, s.Snapshot.Version, s.Targets.Version = 5, 5, 5
	s.Publish()
	s.mustUpdate()

	s.Timestamp.Version = 4
	s.Publish()
	s.refuses(trust.RolledBack, "timestamp.json", "new timestamp version 4 must be >= 5")

	s.Timestamp.Version, s.Snapshot.Version = 6, 4
	s.Publish()
	s.refuses(trust.RolledBack, "new snapshot version 4 must be >= 5")

	s.Timestamp.Version, s.Snapshot.Version, s.Targets.Version = 7, 6, 4
	s.Publish()
	s.refuses(trust.RolledBack, "6.snapshot.json", "targets.json")
}

// TestUpdateRefusesToGoBackWithoutCache has a network replay an old state, which
// has not expired, after the cache was deleted: the record in the instance
// remembers what it was.
func TestUpdateRefusesToGoBackWithoutCache(t *testing.T) {
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		s := newSetting(t)
		s.Root.Version, s.Timestamp.Version, s.Snapshot.Version, s.Targets.Version = 2, 5, 5, 5
		s.Publish()
		s.mustUpdate()
		s.cache = t.TempDir()
		s.mustUpdate() // the same again is none

		switch role {
		case "root":
			delete(s.Published(), "2.root.json")
			s.Root.Version = 1
		case "timestamp":
			s.Timestamp.Version = 4
		case "snapshot":
			s.Snapshot.Version = 4
		case "targets":
			s.Targets.Version = 4
		}
		s.Publish()
		s.cache = t.TempDir()
		s.refuses(trust.RolledBack, "of "+role+" is older than version")
	}
}

// TestDamagedCacheIsNoRefusal has a machine lose power, and still refuses to go
// back.
func TestDamagedCacheIsNoRefusal(t *testing.T) {
	for _, name := range []string{"timestamp.json", "snapshot.json", "targets.json"} {
		for _, text := range []string{"", `{"signed":{`, "{}", "\x00\x00"} {
			s := newSetting(t)
			s.Timestamp.Version, s.Snapshot.Version, s.Targets.Version = 5, 5, 5
			s.Publish()
			s.mustUpdate()
			files, err := filepath.Glob(filepath.Join(s.cache, "*", name))
			if err != nil || len(files) != 1 {
				t.Fatalf("cached %s: %v, %v; want one", name, files, err)
			}
			damage := func() {
				if err := os.WriteFile(files[0], []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			damage()
			s.mustUpdate()
			damage()
			s.Timestamp.Version, s.Snapshot.Version, s.Targets.Version = 4, 4, 4
			s.Publish()
			s.refuses(trust.RolledBack)
		}
	}
}

// TestNewRootMayCountAnew has a repository recover from a version number that
// somebody who had the key made too large.
func TestNewRootMayCountAnew(t *testing.T) {
	s := newSetting(t)
	s.Timestamp.Version, s.Snapshot.Version, s.Targets.Version = 900, 900, 900
	s.Publish()
	s.mustUpdate()
	s.Root.Version, s.Timestamp.Keys, s.Snapshot.Keys = 2, []ed25519.PrivateKey{s.Key()}, []ed25519.PrivateKey{s.Key()}
	s.Timestamp.Version, s.Snapshot.Version, s.Targets.Version = 3, 3, 3
	s.Publish()
	s.cache = t.TempDir()
	if u := s.mustUpdate(); u.Root != 2 || u.Timestamp != 3 {
		t.Errorf("root %d, timestamp %d, want 2 and 3", u.Root, u.Timestamp)
	}
}

// TestUpdateReplacesARecordThatIsNone: there is nothing to compare with.
func TestUpdateReplacesARecordThatIsNone(t *testing.T) {
	s := newSetting(t)
	s.mustUpdate()
	if err := os.WriteFile(filepath.Join(s.dir, "tuf.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.mustUpdate()
}

// TestUpdateRemembersRoots has a repository that hides a root it has shown.
func TestUpdateRemembersRoots(t *testing.T) {
	s := newSetting(t)
	lost := s.Timestamp.Keys
	s.Root.Version, s.Timestamp.Keys = 2, []ed25519.PrivateKey{s.Key()}
	s.Timestamp.Version = 2
	s.Publish()
	if u := s.mustUpdate(); u.Root != 2 {
		t.Fatalf("root version = %d, want 2", u.Root)
	}
	delete(s.Published(), "2.root.json")
	s.mustUpdate()
	s.Timestamp.Keys, s.Timestamp.Version, s.Root.Version = lost, 3, 1
	s.Publish()
	s.refuses(trust.NotSigned, "timestamp.json")
}

// TestCacheIsNoAnchor has somebody put a root of their own into the cache.
func TestCacheIsNoAnchor(t *testing.T) {
	s := newSetting(t)
	s.Root.Version = 2
	s.Publish()
	s.mustUpdate()
	kept, err := filepath.Glob(filepath.Join(s.cache, "*", "roots", "2.root.json"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept roots: %v, %v; want one", kept, err)
	}
	other := tuftest.New(testNow, nil)
	other.Root.Keys = []ed25519.PrivateKey{s.Key()}
	other.Root.Version = 2
	other.Publish()
	if err := os.WriteFile(kept[0], other.Published()["2.root.json"], 0o600); err != nil {
		t.Fatal(err)
	}
	s.refuses(trust.NotSigned, kept[0])
}

// TestRefusedRootIsForgotten has a repository that comes to its senses, or a
// network that was left.
func TestRefusedRootIsForgotten(t *testing.T) {
	s := newSetting(t)
	good := s.Root.Keys
	s.Root.Version, s.Root.Keys = 2, []ed25519.PrivateKey{s.Key()}
	s.Publish()
	s.refuses(trust.NotSigned, "2.root.json")
	s.Root.Keys = good
	s.Publish()
	if u := s.mustUpdate(); u.Root != 2 {
		t.Errorf("root version = %d, want 2", u.Root)
	}
}

// TestCacheBelongsToTheRoot has a repository that was made anew, with another
// root, at the same address.
func TestCacheBelongsToTheRoot(t *testing.T) {
	s := newSetting(t)
	s.Root.Version = 2
	s.Next()
	s.mustUpdate()
	anew := tuftest.New(testNow, s.Files)
	anew.Root.Keys, anew.Timestamp.Keys = []ed25519.PrivateKey{s.Key()}, []ed25519.PrivateKey{s.Key()}
	anew.Publish()
	s.Repo, s.root = anew, anew.RootJSON()
	if u := s.mustUpdate(); u.Root != 1 || u.Timestamp != 1 {
		t.Errorf("root version %d, timestamp version %d, want those of the new repository", u.Root, u.Timestamp)
	}
}

func TestUpdateFollowsRoots(t *testing.T) {
	s := newSetting(t)
	s.Root.Threshold = 2
	s.Root.Keys = append(s.Root.Keys, s.Key(), s.Key())
	s.Root.Signers = s.Root.Keys[:2]
	s.Root.Version = 2
	s.Root.Expires = testNow.Add(-time.Hour) // only the last must be in date
	s.Publish()
	s.Root.Signers = append(s.Root.Signers[:2:2], s.Key())
	s.Root.Keys = s.Root.Signers[1:]
	s.Root.Version = 3
	s.Root.Expires = testNow.AddDate(1, 0, 0)
	s.Publish()
	if u := s.mustUpdate(); u.Root != 3 {
		t.Errorf("root version = %d, want 3", u.Root)
	}
}

func TestUpdateRefusesRoots(t *testing.T) {
	next := func(t *testing.T) *setting {
		s := newSetting(t)
		s.Root.Version = 2
		return s
	}
	t.Run("new root without the old keys", func(t *testing.T) {
		s := next(t)
		s.Root.Keys = []ed25519.PrivateKey{s.Key()}
		s.Publish()
		s.refuses(trust.NotSigned, "2.root.json", "not signed by those who may")
	})
	t.Run("new root without its own keys", func(t *testing.T) {
		s := next(t)
		s.Root.Signers = s.Root.Keys
		s.Root.Keys = []ed25519.PrivateKey{s.Key()}
		s.Publish()
		s.refuses(trust.NotSigned, "2.root.json")
	})
	t.Run("version left out", func(t *testing.T) {
		s := next(t)
		s.Root.Version = 3
		s.Publish()
		s.Published()["2.root.json"] = s.Published()["3.root.json"]
		s.refuses(trust.RolledBack, "2.root.json", "expected 2, got 3")
	})
	t.Run("the same root again", func(t *testing.T) {
		s := next(t)
		s.Published()["2.root.json"] = s.RootJSON()
		s.refuses(trust.RolledBack, "2.root.json", "expected 2, got 1")
	})
	t.Run("not a root", func(t *testing.T) {
		s := next(t)
		s.Published()["2.root.json"] = s.Published()["timestamp.json"]
		s.refuses(trust.Malformed, "2.root.json")
	})
	t.Run("to begin with", func(t *testing.T) {
		s := next(t)
		s.root = []byte("{}")
		s.refuses(trust.Unusable, "the root metadata to begin with")
	})
}

func TestUpdateRefusesSignatures(t *testing.T) {
	for _, test := range []struct {
		name  string
		role  func(*setting) *tuftest.Role
		words string
	}{
		{"timestamp", func(s *setting) *tuftest.Role { return &s.Timestamp }, "timestamp.json"},
		{"snapshot", func(s *setting) *tuftest.Role { return &s.Snapshot }, "2.snapshot.json"},
		{"targets", func(s *setting) *tuftest.Role { return &s.Targets }, "2.targets.json"},
	} {
		t.Run(test.name+" by another key", func(t *testing.T) {
			s := newSetting(t)
			test.role(s).Signers = []ed25519.PrivateKey{s.Key()}
			s.Next()
			s.refuses(trust.NotSigned, test.words)
		})
		t.Run(test.name+" by no key", func(t *testing.T) {
			s := newSetting(t)
			test.role(s).Signers = []ed25519.PrivateKey{}
			s.Next()
			s.refuses(trust.NotSigned, test.words)
		})
		t.Run(test.name+" below the threshold", func(t *testing.T) {
			s := newSetting(t)
			role := test.role(s)
			role.Keys, role.Threshold = append(role.Keys, s.Key()), 2
			s.Root.Version = 2
			s.Next()
			s.mustUpdate()
			role.Signers = role.Keys[:1]
			s.Next()
			s.refuses(trust.NotSigned, strings.Replace(test.words, "2.", "3.", 1), "got 1, want 2")
		})
	}
}

func TestUpdateRefusesFilesThatAreNotThoseSigned(t *testing.T) {
	target := func(s *setting) string {
		for name := range s.Published() {
			if strings.HasSuffix(name, ".trusted_root.json") {
				return name
			}
		}
		panic("no target")
	}
	t.Run("another target", func(t *testing.T) {
		s := newSetting(t)
		s.Published()[target(s)] = bytes.Replace(s.Files["trusted_root.json"], []byte(`"`), []byte(`'`), 1)
		s.refuses(trust.Mismatch, "trusted_root.json", "hash")
	})
	t.Run("shorter target", func(t *testing.T) {
		s := newSetting(t)
		s.Published()[target(s)] = s.Files["trusted_root.json"][1:]
		s.refuses(trust.Mismatch, "trusted_root.json")
	})
	t.Run("longer target", func(t *testing.T) {
		s := newSetting(t)
		s.Published()[target(s)] = append(s.Files["trusted_root.json"][:len(s.Files["trusted_root.json"]):len(s.Files["trusted_root.json"])], ' ')
		s.refuses(trust.TooLarge, "trusted_root.json")
	})
	t.Run("another snapshot", func(t *testing.T) {
		s := newSetting(t)
		s.Published()["1.snapshot.json"] = bytes.Replace(s.Published()["1.snapshot.json"], []byte(`"1.0`), []byte(`"1.1`), 1)
		s.refuses(trust.Mismatch, "1.snapshot.json")
	})
	t.Run("snapshot of another version", func(t *testing.T) {
		s := newSetting(t)
		s.Bare = true
		s.Next()
		s.Published()["2.snapshot.json"] = s.Published()["1.snapshot.json"]
		s.refuses(trust.RolledBack, "2.snapshot.json", "expected 2, got 1")
	})
	t.Run("targets of another version", func(t *testing.T) {
		s := newSetting(t)
		s.Bare = true
		s.Next()
		s.Published()["2.targets.json"] = s.Published()["1.targets.json"]
		s.refuses(trust.RolledBack, "2.targets.json", "expected targets version 2, got 1")
	})
}

func TestUpdateRefusesTargets(t *testing.T) {
	t.Run("no trusted root", func(t *testing.T) {
		s := newSetting(t)
		delete(s.Files, "trusted_root.json")
		s.Next()
		s.refuses(trust.MissingTarget, "no target trusted_root.json")
	})
	t.Run("trusted root that does not parse", func(t *testing.T) {
		s := newSetting(t)
		s.Files["trusted_root.json"] = append(s.Files["trusted_root.json"], '{')
		s.Next()
		s.refuses(trust.Malformed, "trusted_root.json", "parsing trusted root")
	})
	t.Run("signing config that does not parse", func(t *testing.T) {
		s := newSetting(t)
		s.Files["signing_config.v0.2.json"] = []byte(`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.1+json"}`)
		s.Next()
		s.refuses(trust.Malformed, "signing_config.v0.2.json", "unsupported media type")
	})
	t.Run("huge trusted root", func(t *testing.T) {
		s := newSetting(t)
		s.Files["trusted_root.json"] = bytes.Repeat([]byte(" "), 1<<20+1)
		s.Next()
		s.refuses(trust.TooLarge, "trusted_root.json", "1048577 bytes")
	})
}

func TestUpdateRefusesAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		reason trust.Reason
		words  string
		serve  http.HandlerFunc
	}{
		{"endless", trust.TooLarge, "longer than", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}},
		{"broken server", trust.Unreachable, "500", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "out of order", 500) }},
		{"web page", trust.Unreachable, "captive portal", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>log in first</html>"))
		}},
		{"redirect", trust.Unreachable, "captive portal", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }},
		{"no timestamp", trust.Unreachable, "timestamp.json", http.NotFound},
		{"text", trust.Malformed, "2.root.json", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("hello")) }},
		{"empty", trust.Malformed, "2.root.json", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSetting(t)
			s.serve = test.serve
			s.refuses(test.reason, test.words)
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		s := newSetting(t)
		s.url = "http://127.0.0.1:1" // the port is none that a system gives to who asks for any
		s.refuses(trust.Unreachable, "connection refused")
	})
}

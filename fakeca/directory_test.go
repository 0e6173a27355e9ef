package fakeca

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gitseal/internal/trust"
)

func testConfig() Config {
	return Config{Clock: testTime, Rand: mathrand.NewChaCha8([32]byte{2})}
}

// newDir returns a directory of the test's own with an authority in it.
func newDir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "authority")
	a, err := Create(dir, testConfig())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCreateThenOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	created, err := Create(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	first := created.draft([]byte("payload"), Fixture{})
	if err := created.Close(); err != nil {
		t.Error(err)
	}
	opened, err := Open(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	second := opened.draft([]byte("payload"), Fixture{})
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
	for _, d := range []*draft{first, second} {
		if err := sigstoreVerify(opened, d, "alice@example.com"); err != nil {
			t.Error(err)
		}
	}
	if got, want := second.entry.index, first.entry.index+1; got != want {
		t.Errorf("index of second entry = %d, want %d", got, want)
	}
	if created.Issuer() != opened.Issuer() || !strings.HasPrefix(opened.Issuer(), "gitseal:local:") {
		t.Errorf("issuers %q and %q", created.Issuer(), opened.Issuer())
	}
	for name, want := range map[string][]byte{"trusted_root.json": opened.TrustedRoot(), "signing_config.json": opened.SigningConfig()} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the method returns (%v)", name, err)
		}
	}
	if _, err := trust.Parse(opened.TrustedRoot()); err != nil {
		t.Error(err)
	}
	if _, err := trust.ParseSigningConfig(opened.SigningConfig()); err != nil {
		t.Error(err)
	}
}

func TestCreateKeepsKeysPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no such modes")
	}
	dir := t.TempDir() // exists, and is open to others
	if _, err := Create(dir, testConfig()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{".": 0o700, "keys.json": 0o600, "log": 0o700, "log/entries": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %s = %o, want %o", name, got, want)
		}
	}
	for _, name := range []string{".", "keys.json"} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, info.Mode().Perm()|0o040); err != nil {
			t.Fatal(err)
		}
		_, err = Open(dir, testConfig())
		var perm *PermissionsError
		if !errors.As(err, &perm) || perm.Path != path {
			t.Errorf("Open with readable %s = %v, want PermissionsError", name, err)
		}
		if err := os.Chmod(path, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCreateFollowsNoPlantedLink has a directory that others could write to,
// with a link in it under a name that an unfinished Create may leave.
func TestCreateFollowsNoPlantedLink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	for _, name := range []string{keysName + ".new", trustedRootName + ".new", lockName} {
		dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
		if err := os.WriteFile(elsewhere, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(elsewhere, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first try does not make it look innocent
			var perm *PermissionsError
			if _, err := Create(dir, testConfig()); !errors.As(err, &perm) {
				t.Errorf("%s: Create = %v, want a *PermissionsError", name, err)
			}
		}
		if data, err := os.ReadFile(elsewhere); err != nil || string(data) != "precious" {
			t.Errorf("%s: what the link leads to is now %q, %v", name, data, err)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := newDir(t)
	before, err := os.ReadFile(filepath.Join(dir, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, testConfig()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over an authority = %v, want ErrExist", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "keys.json"))
	if err != nil || !bytes.Equal(before, after) {
		t.Error("Create over an authority changed its keys")
	}

	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(home, testConfig()); err == nil {
		t.Error("Create succeeds in a directory with other files")
	}

	a := newTestAuthority(t, Config{})
	a.Sign(nil, Fixture{})
	d := a.disk.(*memDisk)
	delete(d.files, filepath.Join(a.dir, "keys.json"))
	if _, err := create(d, a.dir, testConfig()); err == nil {
		t.Error("Create succeeds over a log that has entries but no keys")
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none"), Config{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of no directory = %v, want ErrNotExist", err)
	}
	if _, err := Open(t.TempDir(), Config{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of an empty directory = %v, want ErrNotExist", err)
	}
	for name, damage := range map[string]func(keys []byte) []byte{
		"empty":         func([]byte) []byte { return nil },
		"cut":           func(keys []byte) []byte { return keys[:len(keys)/2] },
		"longer":        func(keys []byte) []byte { return append(keys, '\n') },
		"unknown field": func(keys []byte) []byte { return bytes.Replace(keys, []byte("{"), []byte(`{"more":1,`), 1) },
		"other version": func(keys []byte) []byte {
			return bytes.Replace(keys, []byte(`"version": 1`), []byte(`"version": 2`), 1)
		},
		"other id":   func(keys []byte) []byte { return bytes.Replace(keys, []byte(`"id": "`), []byte(`"id": "../`), 1) },
		"other keys": swapKeys,
	} {
		t.Run(name, func(t *testing.T) {
			dir := newDir(t)
			path := filepath.Join(dir, "keys.json")
			keys, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(keys), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir, Config{}); err == nil {
				t.Error("Open succeeds")
			}
		})
	}
	t.Run("no trusted root", func(t *testing.T) {
		dir := newDir(t)
		if err := os.Remove(filepath.Join(dir, "trusted_root.json")); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Config{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open = %v, want ErrNotExist", err)
		}
	})
	t.Run("no entries", func(t *testing.T) {
		dir := newDir(t)
		if err := os.Remove(filepath.Join(dir, "log", "entries")); err != nil {
			t.Fatal(err)
		}
		a, err := Open(dir, Config{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Checkpoint(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Checkpoint = %v, want ErrNotExist", err)
		}
	})
}

// swapKeys gives the certificate authority the issuer's key.
func swapKeys(keys []byte) []byte {
	f, err := parseKeyFile(keys)
	if err != nil {
		return nil
	}
	f.CAKey = f.IssuerKey
	keys, err = f.marshal()
	if err != nil {
		return nil
	}
	return keys
}

// TestCrashInCreate stops at every step of Create. Then either there is an
// authority that works, or one can be created.
func TestCrashInCreate(t *testing.T) {
	for k := 1; ; k++ {
		finished := false
		for _, way := range []when{before, torn, after, failing} {
			d := newCrashDisk()
			d.stopAt, d.when = k, way
			_, err := create(d, "authority", testConfig())
			finished = d.steps < k
			if finished && err != nil {
				t.Fatal(err)
			}
			for _, keep := range []func(o op) (op, bool){keepAll, keepNone, keepSome(1), keepSome(2)} {
				if err := openOrCreate(d.crash(keep), err == nil); err != nil {
					t.Fatalf("after a stop at step %d, way %d: %v", k, way, err)
				}
			}
		}
		if finished {
			return
		}
	}
}

func openOrCreate(d *crashDisk, finished bool) error {
	a, err := open(d, "authority", testConfig())
	if !finished && (errors.Is(err, ErrIncomplete) || errors.Is(err, fs.ErrNotExist)) {
		a, err = create(d, "authority", testConfig())
	}
	if err != nil {
		return err
	}
	draft := a.draft([]byte("payload"), Fixture{})
	if err := sigstoreVerify(a, draft, "alice@example.com"); err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	return a.Close()
}

func TestUnfinishedIsIncomplete(t *testing.T) {
	dir := newDir(t)
	if err := os.Remove(filepath.Join(dir, "keys.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, testConfig()); !errors.Is(err, ErrIncomplete) {
		t.Errorf("Open = %v, want ErrIncomplete", err)
	}
	if _, err := Create(dir, testConfig()); err != nil {
		t.Errorf("Create over it: %v", err)
	}
}

func TestSameRandomnessSameAuthority(t *testing.T) {
	for _, shape := range shapes() {
		one, two := newTestAuthority(t, shape), newTestAuthority(t, shape)
		if !bytes.Equal(one.TrustedRoot(), two.TrustedRoot()) {
			t.Errorf("%s: two trusted roots from equal random bytes", shapeName(shape))
		}
		if !bytes.Equal(one.Sign(nil, Fixture{}), two.Sign(nil, Fixture{})) {
			t.Errorf("%s: two signatures from equal random bytes", shapeName(shape))
		}
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Config{Log: 7}); err == nil {
		t.Error("New succeeds with an unknown generation")
	}
	if _, err := New(Config{Rand: bytes.NewReader(make([]byte, 40))}); err == nil {
		t.Error("New succeeds with too little randomness")
	}
}

package cache_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gitseal/verifier/audit/cache"
)

func TestFilesOfAnotherKind(t *testing.T) {
	change := map[string]func(testFile){
		"version": func(f testFile) { f[16]++; f.sumHeader() },
		"width":   func(f testFile) { f[20] = 32; f.sumHeader() },
		"key":     func(f testFile) { f[40] ^= 1; f.sumHeader() },
		"sum":     func(f testFile) { f[72] ^= 1 },
	}
	for name, change := range change {
		t.Run(name, func(t *testing.T) {
			cfg := config(newFile(t))
			f := newTestFile(testKey, 20)
			change(f)
			f.block('e', 1, entryRecord(0))
			f.write(t, cfg.File)
			c := open(t, cfg)
			want(t, c, oidOf(0), nil)
			goesOn(t, name, c, cfg, nil)
		})
	}
}

// TestWhatIsNoCacheIsLeftAlone checks that nothing is read, or lost, where
// something else is in the place of the file.
func TestWhatIsNoCacheIsLeftAlone(t *testing.T) {
	refused := func(t *testing.T, cfg cache.Config, reason string) {
		t.Helper()
		c, err := cache.Open(cfg)
		if err == nil || !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), cfg.File) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Open: %v, want one line with %s and %q", err, cfg.File, reason)
		}
		want(t, c, oidOf(0), nil)
		c.Add(oidOf(1), []byte("value"))
		if err := c.Save(); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("Save: %v, want %q", err, reason)
		}
		closeCache(t, c)
	}
	good := newTestFile(testKey, 20)
	good.block('e', 1, entryRecord(0))

	for name, text := range map[string]string{"text": "thesis, the only copy", "short text": "x", "another magic": "gitseal verdictS" + strings.Repeat("\x00", 100)} {
		t.Run(name, func(t *testing.T) {
			cfg := config(newFile(t))
			testFile(text).write(t, cfg.File)
			refused(t, cfg, "not a verdict cache")
			if got := readFile(t, cfg.File); string(got) != text {
				t.Errorf("the file is %q now", got)
			}
		})
	}
	t.Run("directory", func(t *testing.T) {
		cfg := config(newFile(t))
		if err := os.MkdirAll(cfg.File, 0o700); err != nil {
			t.Fatal(err)
		}
		refused(t, cfg, "not a regular file")
	})
	t.Run("link", func(t *testing.T) {
		cfg := config(newFile(t))
		elsewhere := filepath.Join(t.TempDir(), "elsewhere")
		good.write(t, elsewhere)
		if err := os.MkdirAll(filepath.Dir(cfg.File), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(elsewhere, cfg.File); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
		refused(t, cfg, "not a regular file")
		if !bytes.Equal(readFile(t, elsewhere), good) {
			t.Error("the file it leads to has changed")
		}
	})
	t.Run("file that others may write", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("no such bits")
		}
		for _, mode := range []os.FileMode{0o620, 0o602} {
			cfg := config(newFile(t))
			good.write(t, cfg.File)
			if err := os.Chmod(cfg.File, mode); err != nil {
				t.Fatal(err)
			}
			refused(t, cfg, "may be written by others")
		}
	})
	t.Run("directory that others may write", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("no such bits")
		}
		for _, mode := range []os.FileMode{0o720, 0o702} {
			cfg := config(newFile(t))
			good.write(t, cfg.File)
			if err := os.Chmod(filepath.Dir(cfg.File), mode); err != nil {
				t.Fatal(err)
			}
			refused(t, cfg, "its directory may be written by others")
			if names, err := os.ReadDir(filepath.Dir(cfg.File)); err != nil || len(names) != 1 {
				t.Errorf("the directory has %v, %v, want the file only", names, err)
			}
		}
	})
	t.Run("file of another user", func(t *testing.T) {
		cfg := config(newFile(t))
		good.write(t, cfg.File)
		if err := os.Chown(cfg.File, os.Getuid()+1, -1); err != nil {
			t.Skipf("only root can give files away: %v", err)
		}
		refused(t, cfg, "belongs to another user")
	})
	t.Run("unreadable file", func(t *testing.T) {
		cfg := config(newFile(t))
		good.write(t, cfg.File)
		if err := os.Chmod(cfg.File, 0); err != nil {
			t.Fatal(err)
		}
		if f, err := os.Open(cfg.File); err == nil {
			t.Skip("everything is readable for this user", f.Close())
		}
		refused(t, cfg, "permission denied")
	})
}

// TestReadableByOthersIsFine has a file as an archive would restore it.
func TestReadableByOthersIsFine(t *testing.T) {
	cfg := config(newFile(t))
	f := newTestFile(testKey, 20)
	f.block('e', 1, entryRecord(0))
	f.write(t, cfg.File)
	if err := os.Chmod(cfg.File, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(cfg.File), 0o755); err != nil {
		t.Fatal(err)
	}
	want(t, open(t, cfg), oidOf(0), []byte("value of 0"))
}

// TestWhatACrashLeftBesideTheFile has the new file of a process that died
// before it was in its place, and a link there that leads elsewhere.
func TestWhatACrashLeftBesideTheFile(t *testing.T) {
	leave := map[string]func(t *testing.T, name string){
		"file": func(t *testing.T, name string) { testFile("half a file").write(t, name) },
		"link": func(t *testing.T, name string) {
			elsewhere := filepath.Join(t.TempDir(), "elsewhere")
			testFile("thesis").write(t, elsewhere)
			if err := os.Symlink(elsewhere, name); err != nil {
				t.Skipf("no symbolic links here: %v", err)
			}
			t.Cleanup(func() {
				if got := readFile(t, elsewhere); string(got) != "thesis" {
					t.Errorf("the file it leads to is %q now", got)
				}
			})
		},
	}
	for name, leave := range leave {
		t.Run(name, func(t *testing.T) {
			cfg := config(newFile(t))
			other := newTestFile([32]byte{9}, 20)
			other.write(t, cfg.File)
			leave(t, cfg.File+".new")
			goesOn(t, name, open(t, cfg), cfg, nil)
		})
	}
}

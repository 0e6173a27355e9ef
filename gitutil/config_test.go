package gitutil

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeConfig makes a user configuration and returns the environment in which
// git reads it.
func writeConfig(t *testing.T, text string) (env []string, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return append(testEnv(t), "GIT_CONFIG_GLOBAL="+file), file
}

func TestReadConfig(t *testing.T) {
	env, file := writeConfig(t, `
[user]
	name = A U Thor
	useConfigOnly
[gitseal]
	trustedRoot = one
	instance = local
	empty =
[gpg "x509"]
	Program = /opt/gitseal
[other]
	key = not asked for
[gitseal "Sub.Section"]
	Key = "two\nlines"
`)
	r := newRepo(t, SHA1)
	r.env = env
	r.git("config", "--add", "gitseal.trustedRoot", "two")
	config, err := ReadConfig(t.Context(), Config{Dir: r.dir, Env: append(env,
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=gitseal.instance", "GIT_CONFIG_VALUE_0=other")})
	if err != nil {
		t.Fatal(err)
	}

	all := config.GetAll("gitseal.trustedroot")
	if len(all) != 2 || all[0].Value != "one" || all[1].Value != "two" {
		t.Fatalf("GetAll = %v, want one, two", all)
	}
	if all[0].Scope != "global" || all[0].Origin != "file:"+file {
		t.Errorf("entry = %+v, want scope global and origin %s", all[0], file)
	}
	if all[1].Scope != "local" || !strings.HasPrefix(all[1].Origin, "file:") {
		t.Errorf("entry = %+v, want scope local and its file", all[1])
	}
	for _, tt := range []struct{ key, want, scope string }{
		{"gitseal.trustedRoot", "two", "local"},
		{"gitseal.instance", "other", "command"},
		{"GPG.x509.PROGRAM", "/opt/gitseal", "global"},
		{"gitseal.Sub.Section.key", "two\nlines", "global"},
		{"gitseal.empty", "", "global"},
		{"user.name", "A U Thor", "global"},
	} {
		e, ok := config.Get(tt.key)
		if !ok || e.Value != tt.want || e.Scope != tt.scope || e.NoValue {
			t.Errorf("Get(%s) = %+v, %v, want %q in %s", tt.key, e, ok, tt.want, tt.scope)
		}
		if got, err := config.String(tt.key, "unset"); err != nil || got != tt.want {
			t.Errorf("String(%s) = %q, %v, want %q", tt.key, got, err, tt.want)
		}
	}
	for _, key := range []string{"other.key", "gitseal.none", "gitseal.sub.section.key", "gpg.X509.program", "user"} {
		if e, ok := config.Get(key); ok {
			t.Errorf("Get(%s) = %+v, want none", key, e)
		}
		if got, err := config.String(key, "unset"); err != nil || got != "unset" {
			t.Errorf("String(%s) = %q, %v, want unset", key, got, err)
		}
	}

	_, err = config.String("user.useConfigOnly", "")
	var bad *ConfigError
	if !errors.As(err, &bad) || bad.Entry.Key != "user.useConfigOnly" || !strings.Contains(err.Error(), file) {
		t.Errorf("String(key without a value) = %v, want an error with key and file", err)
	}
}

func TestReadConfigOutsideARepository(t *testing.T) {
	env, _ := writeConfig(t, "[gitseal]\n\tinstance = local\n")
	dir := t.TempDir()
	config, err := ReadConfig(t.Context(), Config{Dir: dir, Env: append(env, "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := config.String("gitseal.instance", ""); err != nil || got != "local" {
		t.Errorf("String = %q, %v, want local", got, err)
	}
}

// TestReadConfigNamesTheCommandLine: an origin is shown in brackets and before
// colons, and git's own for -c ends with one.
func TestReadConfigNamesTheCommandLine(t *testing.T) {
	env, _ := writeConfig(t, "[gitseal]\n\tinstance = local\n")
	env = append(env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=gitseal.instance", "GIT_CONFIG_VALUE_0=sigstore")
	config, err := ReadConfig(t.Context(), Config{Dir: t.TempDir(), Env: env})
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := config.Get("gitseal.instance"); e.Value != "sigstore" || e.Origin != "command line" {
		t.Errorf("got %q, set in %q, want sigstore, set in the command line", e.Value, e.Origin)
	}
}

func TestReadConfigOfNothing(t *testing.T) {
	config, err := ReadConfig(t.Context(), Config{Dir: t.TempDir(), Env: testEnv(t)})
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := config.Get("user.name"); ok {
		t.Errorf("Get(user.name) = %v, want none", e)
	}
}

func TestReadConfigKeepsGitsReason(t *testing.T) {
	env, file := writeConfig(t, "[gitseal\n")
	_, err := ReadConfig(t.Context(), Config{Dir: t.TempDir(), Env: env})
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("ReadConfig = %v, want git's word on %s", err, file)
	}
	if _, err := ReadConfig(t.Context(), Config{Git: "git-that-is-not-there"}); !errors.Is(err, ErrNoGit) {
		t.Errorf("ReadConfig = %v, want %v", err, ErrNoGit)
	}
}

// TestConfigBoolAsGit asks git for each boolean, too.
func TestConfigBoolAsGit(t *testing.T) {
	for _, text := range []string{
		"k", "k =", "k = true", "k = TRUE", "k = yes", "k = On", "k = false", "k = No", "k = off",
		"k = 0", "k = 1", "k = -1", "k = 2", "k = 010", "k = 08", "k = 0x10", "k = 0X1B", "k = 1k", "k = 0k", "k = 2G", "k = 1g", "k = 1M",
		"k = k", "k = 1kk", "k = +1", "k = 2147483647", "k = 2147483648", "k = 4g", "k = 0b1", "k = 0o7", "k = 1_0",
		"k = maybe", "k = truee", `k = " true"`, `k = " 1"`, `k = "1 "`, "k = 1.0", "k = t",
	} {
		env, file := writeConfig(t, "[gitseal]\n\t"+text+"\n")
		r := testRepo{t, t.TempDir(), env}
		want, err := r.try("", "config", "--bool", "--get", "gitseal.k")
		if err != nil {
			want = "error"
		}
		config, err := ReadConfig(t.Context(), r.config())
		if err != nil {
			t.Fatal(err)
		}
		got := "error"
		if b, err := config.Bool("gitseal.k", false); err == nil {
			got = map[bool]string{true: "true", false: "false"}[b]
		} else if !strings.Contains(err.Error(), "gitseal.k") || !strings.Contains(err.Error(), file) {
			t.Errorf("Bool of %q = %v, want an error with key and file", text, err)
		}
		if got != want {
			t.Errorf("Bool of %q = %s, git says %s", text, got, want)
		}
	}
	for _, unset := range []bool{true, false} {
		if got, err := (GitConfig{}).Bool("gitseal.k", unset); err != nil || got != unset {
			t.Errorf("Bool of nothing = %v, %v, want %v", got, err, unset)
		}
	}
}

func TestParseConfigRejectsOutputCutShort(t *testing.T) {
	whole := "local\x00file:x\x00gitseal.a\nb\x00"
	if got, err := parseConfig([]byte(whole)); err != nil || len(got) != 1 {
		t.Fatalf("parseConfig(%q) = %v, %v", whole, got, err)
	}
	for i := 1; i < len(whole); i++ {
		if got, err := parseConfig([]byte(whole[:i])); err == nil {
			t.Errorf("parseConfig(%q) = %v, want an error", whole[:i], got)
		}
	}
}

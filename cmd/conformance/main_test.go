package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTranslate(t *testing.T) {
	staging := map[string]string{"GITSEAL_STAGING": "/staging", "GITSEAL": "/bin/gitseal"}
	for _, tt := range []struct {
		env  map[string]string
		line string
		want string // program, arguments, environment; "": an error
	}{
		{nil, "sign-bundle --identity-token T --bundle b f", "gitseal sign-blob --bundle b -- f | SIGSTORE_ID_TOKEN=T GITSEAL_INSTANCE=sigstore"},
		{staging, "sign-bundle --staging --in-toto --identity-token T --bundle b --trusted-root r --signing-config c f",
			"/bin/gitseal sign-blob --in-toto --bundle b --trusted-root r --signing-config c -- f | SIGSTORE_ID_TOKEN=T GITSEAL_INSTANCE=/staging"},
		{nil, "verify-bundle --bundle b --certificate-identity i --certificate-oidc-issuer o --trusted-root r sha256:00",
			"gitseal verify-blob --bundle b --certificate-identity i --certificate-oidc-issuer o --trusted-root r -- sha256:00 | GITSEAL_INSTANCE=sigstore"},
		{nil, "verify-bundle --bundle b --key k sha256:file", "gitseal verify-blob --bundle b --key k -- ./sha256:file | GITSEAL_INSTANCE=sigstore"},
		{nil, "verify-bundle --bundle b --key k file", "gitseal verify-blob --bundle b --key k -- file | GITSEAL_INSTANCE=sigstore"},
		{nil, "verify-bundle --bundle b --key k --certificate-identity i f",
			"gitseal verify-blob --bundle b --key k --certificate-identity i -- f | GITSEAL_INSTANCE=sigstore"}, // gitseal refuses it

		{nil, "verify-bundle --staging --bundle b f", "gitseal verify-blob --bundle b -- f | staging"},

		{nil, "", ""},
		{nil, "sign f", ""},
		{nil, "verify-bundle --bundle b", ""},
		{nil, "verify-bundle --bundle", ""},
		{nil, "verify-bundle --bundle b f g", ""},
		{nil, "verify-bundle --identity-token T f", ""},
		{nil, "verify-bundle --in-toto f", ""},
	} {
		isFile := func(name string) bool { return strings.HasSuffix(name, "file") }
		c, err := translate(strings.Fields(tt.line), func(name string) string { return tt.env[name] }, isFile)
		if tt.want == "" {
			if err == nil {
				t.Errorf("%q is taken as %v", tt.line, c)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tt.line, err)
			continue
		}
		if c.staging {
			c.env = append(c.env, "staging")
		}
		if got := strings.Join(slices.Concat([]string{c.program}, c.args, []string{"|"}, c.env), " "); got != tt.want {
			t.Errorf("%q: got\n%s, want\n%s", tt.line, got, tt.want)
		}
	}
}

// TestVerifyBundle runs gitseal, over a bundle that it made with a local
// authority.
func TestVerifyBundle(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "gitseal")
	if out, err := exec.Command("go", "build", "-o", program, "gitseal/cmd/gitseal").CombinedOutput(); err != nil {
		t.Fatalf("building gitseal: %v\n%s", err, out)
	}
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "GIT") || strings.HasPrefix(name, "XDG_") {
			t.Setenv(name, "") // which puts it back at the end
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, value := range map[string]string{
		"HOME": dir, "USERPROFILE": dir, "XDG_DATA_HOME": filepath.Join(dir, "data"), "XDG_CONFIG_HOME": filepath.Join(dir, "config"),
		"GIT_CONFIG_GLOBAL": filepath.Join(dir, "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1", "GITSEAL_IDENTITY": "alice@example.com",
	} {
		t.Setenv(name, value)
	}
	t.Chdir(dir)
	for _, args := range [][]string{{"init", "--local", "--global"}, {"sign-blob", "--bundle", "b.json", "gitconfig"}} {
		cmd := exec.Command(program, args...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("gitseal %v: %v\n%s", args, err, out)
		}
	}
	issuer, err := exec.Command(program, "verify-blob", "--bundle", "b.json", "--any-identity", "gitconfig").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(issuer), "(")
	name, _, _ := strings.Cut(after, ",")
	getenv := func(variable string) string { return map[string]string{"GITSEAL": program}[variable] }
	for _, tt := range []struct {
		identity string
		code     int
	}{{"alice@example.com", 0}, {"bob@example.com", 1}} {
		code, err := run([]string{"verify-bundle", "--bundle", "b.json", "--certificate-identity", tt.identity, "--certificate-oidc-issuer", name,
			"--trusted-root", filepath.Join(dir, "data", "gitseal", "authority", "trusted_root.json"), "gitconfig"}, getenv)
		if err != nil || code != tt.code {
			t.Errorf("as %s: exit code %d, %v, want %d", tt.identity, code, err, tt.code)
		}
	}
	// The staging instance is none that this authority is of. Nothing of it
	// stays behind.
	t.Setenv("TMPDIR", filepath.Join(dir, "tmp"))
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	code, err := run([]string{"verify-bundle", "--staging", "--bundle", "b.json", "--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", name, "gitconfig"}, getenv)
	if err != nil || code != 1 {
		t.Errorf("by the staging instance: exit code %d, %v, want 1", code, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "tmp", "sigstore-*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if code, err := run([]string{"verify-bundle", "--bundle", "b.json", "x"}, func(string) string { return os.DevNull }); err == nil {
		t.Errorf("a program that cannot be run: exit code %d", code)
	}
}

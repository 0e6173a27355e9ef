package gitseal

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rules is the import graph that docs/ARCHITECTURE.md draws: what each
// package may import of this module, and of the standard library's packages
// that reach outside the process, in code that is not a test. A package that
// is not here fails the test, so that a new one is placed on purpose.
var rules = map[string]struct{ own, outside []string }{
	"internal/cms":         {[]string{"internal/fixedkey"}, nil},
	"internal/strictjson":  {nil, nil},
	"internal/tlog":        {[]string{"internal/fixedkey", "internal/strictjson"}, nil},
	"internal/trust":       {[]string{"internal/strictjson"}, nil},
	"internal/transport":   {nil, []string{"net", "net/http", "syscall"}},
	"internal/entries":     {[]string{"internal/tlog"}, []string{"os"}},
	"internal/rekor":       {[]string{"internal/entries", "internal/tlog", "internal/transport", "internal/trust"}, []string{"net/http"}},
	"monitor":              {[]string{"internal/rekor", "internal/tlog", "internal/transport", "internal/trust", "verifier"}, []string{"net/http", "os"}},
	"internal/tuf":         {[]string{"internal/transport", "internal/trust"}, []string{"net/http", "os"}},
	"internal/tuf/tuftest": {nil, []string{"os"}},
	"cmd/gitseal-tuf":      {[]string{"internal/tuf"}, []string{"os"}},
	"gitutil":              {nil, []string{"os", "os/exec"}},
	"internal/fixedkey":    {nil, nil},
	"verifier":             {[]string{"internal/cms", "internal/fixedkey", "internal/strictjson", "internal/tlog", "internal/trust"}, nil},
	"verifier/openpgp":     {[]string{"verifier"}, nil},
	"verifier/sshsig":      {[]string{"verifier"}, nil},
	"verifier/smime":       {[]string{"internal/cms", "verifier"}, nil},
	"verifier/policy":      {[]string{"verifier"}, nil},
	"verifier/report":      {[]string{"internal/strictjson", "verifier"}, nil},
	"verifier/audit/cache": {nil, []string{"os", "syscall"}},
	"verifier/audit":       {[]string{"gitutil", "internal/strictjson", "verifier", "verifier/audit/cache", "verifier/policy", "verifier/report", "verifier/smime"}, nil},
	"fakeca/server":        {[]string{"fakeca", "internal/trust"}, []string{"net/http"}},
	"fakeca":               {[]string{"internal/trust"}, []string{"os"}},
	"signer":               {[]string{"internal/cms", "internal/strictjson", "internal/tlog", "verifier"}, nil},
	"signer/sigstore":      {[]string{"internal/cms", "internal/rekor", "internal/strictjson", "internal/tlog", "internal/transport", "internal/trust", "signer"}, []string{"net/http"}},
	"signer/oidc":          {[]string{"internal/strictjson", "internal/transport", "signer"}, []string{"net", "net/http", "os", "os/exec"}},
	"signer/oidc/oidctest": {nil, []string{"net/http"}},
	"signer/agent":         {[]string{"gitutil", "signer", "signer/oidc", "verifier"}, []string{"net", "os", "os/exec", "syscall"}},
	"signer/pending":       {[]string{"internal/filelock", "internal/strictjson", "internal/tlog", "signer", "verifier"}, []string{"os", "syscall"}},
	"internal/filelock":    {nil, nil},
	"internal/proofs":      {[]string{"gitutil", "internal/filelock", "internal/cms", "internal/strictjson", "internal/tlog", "verifier"}, []string{"os", "os/exec"}},
	"docs":                 {nil, nil},
	"cmd/conformance":      {nil, []string{"os", "os/exec"}},
	"cmd/gitseal": {[]string{"docs", "fakeca", "fakeca/server", "gitutil", "internal/cms", "internal/entries", "internal/proofs", "internal/rekor", "internal/tlog",
		"internal/transport", "internal/trust", "monitor", "signer", "signer/agent", "signer/oidc", "signer/pending", "signer/sigstore",
		"verifier", "verifier/audit", "verifier/audit/cache", "verifier/openpgp", "verifier/policy", "verifier/report",
		"verifier/smime", "verifier/sshsig"},
		[]string{"net/http", "os", "os/exec", "syscall"}},
}

// outside are the packages that open files, sockets or processes, or tell the
// time of day to whoever did not pass it in.
var outside = []string{"net", "net/http", "os", "os/exec", "syscall", "plugin"}

// tooling are folders with programs for building and measuring, which ship
// with no one.
var tooling = []string{"bench", "tools"}

func TestImports(t *testing.T) {
	seen := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || slices.Contains(tooling, path)) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		rule, ok := rules[pkg]
		if !ok {
			t.Errorf("%s: package %s has no rule", path, pkg)
		}
		seen[pkg] = true
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if own, ok := strings.CutPrefix(name, "gitseal/"); ok && !slices.Contains(rule.own, own) {
				t.Errorf("%s imports %s, which %s may not", path, name, pkg)
			}
			if slices.Contains(outside, name) && !slices.Contains(rule.outside, name) {
				t.Errorf("%s imports %s, which %s may not", path, name, pkg)
			}
			if strings.HasPrefix(name, "github.com/sigstore/") || strings.HasPrefix(name, "github.com/go-git/") {
				t.Errorf("%s imports %s, which only tests may", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range rules {
		if !seen[pkg] {
			t.Errorf("rule for %s, which does not exist", pkg)
		}
	}
}

// TestVerifyingSideTellsNoTime holds the verifying packages to times that
// were passed in.
func TestVerifyingSideTellsNoTime(t *testing.T) {
	for pkg := range rules {
		if !strings.HasPrefix(pkg, "verifier") && !strings.HasPrefix(pkg, "internal/") || pkg == "verifier/audit" {
			continue
		}
		files, err := filepath.Glob(filepath.Join(pkg, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(src, []byte("time.Now(")) || bytes.Contains(src, []byte("time.Since(")) {
				t.Errorf("%s looks at the clock", path)
			}
		}
	}
}

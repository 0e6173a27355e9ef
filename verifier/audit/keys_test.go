package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
	"gitseal/verifier/openpgp"
	"gitseal/verifier/report"
)

// webFlow returns the verifier of OpenPGP signatures by GitHub's keys.
func webFlow(t *testing.T, rules verifier.KeyRules) *openpgp.Verifier {
	t.Helper()
	files, err := filepath.Glob(corpus(t, "keys", "webflow") + "/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no keys: %v", err)
	}
	cfg := openpgp.Config{Rules: rules}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ring, err := openpgp.ReadKeyring(file, data)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Keyrings = append(cfg.Keyrings, ring)
	}
	v, err := openpgp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRealHistoryWithKeys judges every OpenPGP commit of a real history by the
// keys of the forge that made nearly all of them.
func TestRealHistoryWithKeys(t *testing.T) {
	cfg := publicGood(t)
	r := openHistory(t)
	var branches strings.Builder
	for line := range strings.Lines(r.git("for-each-ref", "--format=%(objecttype) %(objectname) %(refname)", "refs/pull", "refs/tags") + "\n") {
		if f := strings.Fields(line); f[0] == "commit" {
			branches.WriteString("create refs/heads/" + f[2] + " " + f[1] + "\n")
		}
	}
	r.run(r.dir, []byte(branches.String()), "update-ref", "--stdin")
	cfg.Repo, cfg.All = r.open(), true
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		rules             verifier.KeyRules
		verified, expired int
	}{
		{verifier.KeyRules{At: at}, 1717, 79},
		{verifier.KeyRules{At: at, AtSigning: true}, 1796, 0},
	} {
		cfg.Keys.OpenPGP = webFlow(t, test.rules)
		got := run(t, cfg)
		byKind := make(map[verifier.Kind]int)
		for _, s := range got.Signers {
			byKind[s.Kind] += s.Objects
		}
		classes := got.Totals.Classes
		// One OpenPGP commit is by somebody else's key, and the one SSH commit by
		// one that nobody gave.
		if byKind[verifier.OpenPGP] != 1796 || classes[verifier.ExpiredKey] != test.expired || classes[verifier.UnknownKey] != 2 {
			t.Errorf("%+v: signers %v, classes %v", test.rules, byKind, classes)
		}
		if want := test.verified + 187; classes[verifier.Verified] != want {
			t.Errorf("%+v: %d verified, want %d", test.rules, classes[verifier.Verified], want)
		}
		if got.Totals.Commits != 5358 || classes[report.Unsigned] != 2075 {
			t.Errorf("%d commits, %d unsigned", got.Totals.Commits, classes[report.Unsigned])
		}
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitseal/verifier/report"
)

// notByHand are the findings that no script makes, and which test does: they
// take certificates that no command of ours makes.
var notByHand = map[string]string{
	"certificate-reused": "verifier/audit: TestCertificatesOverTwoRepositories",
}

// TestEveryFindingHasAScript finds each class and finding in a script.
func TestEveryFindingHasAScript(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var scripts strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		scripts.Write(text)
	}
	for _, id := range report.IDs() {
		if !strings.Contains(scripts.String(), id) && notByHand[id] == "" {
			t.Errorf("no script leads to %s", id)
		}
	}
}

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestKnownSettings holds the list of settings to the code that reads them, and
// the README to the list.
func TestKnownSettings(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`"(gitseal\.[a-zA-Z0-9]+)"`)
	var used []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "doctor_misspelt.go" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range key.FindAllStringSubmatch(string(text), -1) {
			used = append(used, match[1])
		}
	}
	slices.Sort(used)
	used = slices.Compact(used)
	known := slices.Sorted(slices.Values(knownSettings))
	if !slices.Equal(known, used) {
		t.Errorf("known settings\n%q, read are\n%q", known, used)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range known {
		if _, name, _ := strings.Cut(key, "."); key != undoKey && !strings.Contains(string(readme), "."+name+"`") {
			t.Errorf("README.md does not have %s", key)
		}
	}
}

package report

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFindingsAreDocumented holds docs/findings.md and the findings together:
// the same ones, in the same order, with the same severity and exit code.
func TestFindingsAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "findings.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(page), "\n## `")[1:]
	var documented []string
	for _, section := range sections {
		name, text, ok := strings.Cut(section, "`\n")
		if !ok {
			t.Fatalf("heading of %.40q does not end in its class", section)
		}
		documented = append(documented, name)
		for _, part := range []string{"**Leads to it:**", "**What to do:**"} {
			if strings.Count(text, part) != 1 {
				t.Errorf("%s: want %s once", name, part)
			}
		}
	}
	for _, id := range IDs() {
		d, _ := Describe(id)
		exit := map[Severity]string{Note: "0", Error: "1", Warning: "3"}[d.Severity]
		if id == LogFork {
			exit = "4" // the one with a result of its own
		}
		if line := "## `" + id + "`\n\nSeverity: `" + string(d.Severity) + "`. Exit code: " + exit + ".\n"; !strings.Contains(string(page), line) {
			t.Errorf("the page lacks %q", line)
		}
	}
	want := IDs()
	if !slices.Equal(documented, want) {
		t.Errorf("documented %v, want %v", documented, want)
	}
}

package report

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestMarkdownBeginsWithItsMarker(t *testing.T) {
	for _, reports := range [][]*Report{{sample()}, set(), {}} {
		if out := written(t, WriteMarkdown, reports...); !strings.HasPrefix(out, "<!-- gitseal audit -->\n") || strings.Count(out, MarkdownMarker) != 1 {
			t.Errorf("the marker is not the first line:\n%s", out)
		}
	}
}

// TestMarkdownStaysTheSame audits the same objects again at another time.
func TestMarkdownStaysTheSame(t *testing.T) {
	later := sample()
	later.StartedAt, later.FinishedAt = later.StartedAt.Add(time.Hour), later.FinishedAt.Add(2*time.Hour)
	if got, want := written(t, WriteMarkdown, later), written(t, WriteMarkdown, sample()); got != want {
		t.Errorf("another text at another time:\n%s\nwant\n%s", got, want)
	}
}

// ours is what the text is made of outside of code spans.
var ours = regexp.MustCompile(`^(?:<!-- gitseal audit -->|## .*|<details(?: open)?><summary>[0-9A-Za-z, ]*</summary>|</details>|(?:[-A-Za-z0-9 .,;:()–…*|✅❌⚠️ℹ️]|<br>)*)\n$`)

// backticks is what a span begins and ends with.
var backticks = regexp.MustCompile("`+")

// checkMarkdown takes the code spans away, as CommonMark finds them, and checks
// that nothing is left but what the page is made of, and that rows have the
// cells that their tables have.
func checkMarkdown(t *testing.T, out string) {
	t.Helper()
	columns := 0
	for line := range strings.Lines(out) {
		if rest := withoutSpans(t, line); !ours.MatchString(rest) {
			t.Errorf("markdown: %q stands outside of spans", rest)
		}
		n := strings.Count(line, "|")
		if columns > 0 && n > 0 && n != columns {
			t.Errorf("markdown: %d cells instead of %d in %q", n-1, columns-1, line)
		}
		columns = n
	}
}

// withoutSpans returns a line without its code spans: a run of backticks, what
// comes up to the next run of the same length, and that.
func withoutSpans(t *testing.T, line string) string {
	t.Helper()
	runs := backticks.FindAllStringIndex(line, -1)
	var rest strings.Builder
	at := 0
	for i := 0; i < len(runs); i++ {
		if runs[i][0] < at {
			continue
		}
		for _, end := range runs[i+1:] {
			if end[1]-end[0] == runs[i][1]-runs[i][0] {
				rest.WriteString(line[at:runs[i][0]])
				at = end[1]
				break
			}
		}
		if at <= runs[i][0] {
			t.Errorf("a span without end in %q", line)
		}
	}
	return rest.String() + line[at:]
}

func TestMarkdownCode(t *testing.T) {
	for in, want := range map[string]string{
		"":         "–",
		"a":        "`a`",
		"a`b":      "``a`b``",
		"``":       "``` `` ```",
		"`a":       "`` `a ``",
		"a\nb":     "`a\\nb`",
		"@user #1": "`@user #1`",
	} {
		if got := markdownCode(in); got != want {
			t.Errorf("markdownCode(%q) = %s, want %s", in, got, want)
		}
	}
}

// TestMarkdownFitsAComment has as much of everything as is shown, and more.
func TestMarkdownFitsAComment(t *testing.T) {
	r := sample()
	long := strings.Repeat("x", 10_000)
	for i := range 1000 {
		r.Signers = append(r.Signers, Signer{Kind: "ssh", Identity: long, Key: long})
		r.Continuity = append(r.Continuity, Continuity{Ref: long})
		r.NotExamined = append(r.NotExamined, Omission{long, fmt.Sprint(i, long)})
		r.Findings.Add(Finding{"unsigned", Error, Object{"commit", sha256OID}, nil, long, long})
	}
	out := written(t, WriteMarkdown, r)
	if n := len([]rune(out)); n > 65_536 {
		t.Errorf("%d characters, want 65536 at most", n)
	}
	for _, want := range []string{"| 1,002, of which the first 47 |", "… and 984 more.", "… and 983 more.", "983 more.\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("what is not shown is not said: no %q", want)
		}
	}
}

package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"gitseal/verifier"
)

// reportOf returns a report with s in every string that git objects,
// certificates or other files can have a say in.
func reportOf(s string) *Report {
	r := sample()
	signer := signerOf(s)
	r.Tool, r.Repository.Location, r.Repository.ObjectFormat = s, s, s
	r.Scope.Refs = append(r.Scope.Refs, Ref{s, s})
	r.Scope.Revisions = append(r.Scope.Revisions, Revision{s, []string{s}})
	r.Policy.Source, r.Trust.Sources = s, []string{s}
	r.NotExamined = append(r.NotExamined, Omission{s, s})
	r.Signers = append(r.Signers, Signer{Kind: verifier.Kind(s), Identity: s, Issuer: s, Key: s, Role: s, Objects: 1, Times: TimeKind(s)})
	r.UnknownKeys = append(r.UnknownKeys, UnknownKey{verifier.Kind(s), s, 1})
	r.Logs = append(r.Logs, Log{Origin: s, Consistency: Consistency(s)})
	r.Months = append(r.Months, Month{Month: s, None: 1})
	r.Continuity = append(r.Continuity, Continuity{Ref: s, OID: s, Since: &Point{OID: s}, Gaps: []Gap{{Newest: Point{OID: s}}}, GapCount: 1})
	for _, severity := range severities {
		r.Findings.Add(Finding{s, severity, Object{s, s}, &signer, s, s})
		r.Findings.Add(Finding{s, severity, Object{s, sha1OID}, &signer, s, "EXPLAIN; OID " + s})
		r.Findings.Add(Finding{s, severity, Object{s, otherOID}, &signer, s, "EXPLAIN; OID " + s})
	}
	r.Explain = s + " OID"
	r.Result = Result(s)
	return r
}

func signerOf(s string) verifier.Signer {
	return verifier.Signer{Kind: verifier.Kind(s), Identity: verifier.Identity{Issuer: s, Subject: s}, Key: s}
}

// outputOf returns what a format makes of it, by itself and in a set.
func outputOf(t *testing.T, format, s string) []string {
	t.Helper()
	signer := signerOf(s)
	row := Row{s, Object{s, s}, verifier.Class(s), 1, &signer, s, time.Date(-7, 1, 1, 0, 0, 0, 0, time.UTC), verifier.TimeSource(s), s, []string{s}}
	var out []string
	for _, reports := range [][]*Report{{reportOf(s)}, {sample(), reportOf(s)}} {
		if format == "vsa" {
			reports = reports[len(reports)-1:]
		}
		var b bytes.Buffer
		w, err := NewWriter(format, &b, Config{VSA: VSAConfig{ResourceURI: "git+https://git.example.com/acme/app"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Row(row); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(reports...); err != nil {
			t.Fatal(err)
		}
		out = append(out, b.String())
	}
	return out
}

func hostileOutput(t *testing.T, format string) []string {
	t.Helper()
	return outputOf(t, format, hostile)
}

// checkOutput checks what holds of each format whatever the strings are.
func checkOutput(t *testing.T, format, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Errorf("%s: not UTF-8", format)
	}
	for i, c := range out {
		if c != '\n' && !(format == "csv" && c == '\r') && !unicode.IsPrint(c) {
			t.Errorf("%s: %U after %q", format, c, out[max(0, i-40):i])
			break
		}
	}
	switch format {
	case "json", "sarif", "vsa":
		if !json.Valid([]byte(out)) {
			t.Errorf("%s: not JSON:\n%s", format, out)
		}
	case "jsonl":
		for line := range strings.Lines(out) {
			if !json.Valid([]byte(line)) {
				t.Errorf("jsonl: not JSON: %s", line)
			}
		}
	case "junit":
		for d := xml.NewDecoder(strings.NewReader(out)); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("junit: %v", err)
			}
		}
	case "csv":
		checkCSV(t, out)
	case "github":
		checkGitHub(t, out)
	case "markdown":
		checkMarkdown(t, out)
	case "html":
		checkHTML(t, out)
	}
}

func TestFormatsStayWhatTheyAre(t *testing.T) {
	for _, format := range Formats() {
		for _, out := range hostileOutput(t, format) {
			checkOutput(t, format, out)
		}
	}
}

// FuzzFormats has one string everywhere, in every format.
func FuzzFormats(f *testing.F) {
	for _, s := range []string{hostile, "", "`", "``` `", "|", `\`, "@a", "=1", "<b", "]]>", "::", "%0A", "\u202e", "\ufffd", "https://a:b@c/?d#e", "gitseal:local:x", "git+x://", "--", "{0}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1<<10 {
			return // it is all over every report: long ones take long, and show no more
		}
		for _, format := range Formats() {
			for _, out := range outputOf(t, format, s) {
				checkOutput(t, format, out)
			}
		}
	})
}

func TestJSONLinesSayWhatTheyAreAbout(t *testing.T) {
	for _, tt := range []struct {
		reports []*Report
		want    string
	}{
		{[]*Report{sample()}, "object finding finding finding finding finding summary"},
		{set(), "object finding finding finding finding finding summary summary set"},
	} {
		var b bytes.Buffer
		w := NewJSONL(&b)
		if err := w.Row(rows()[0]); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(tt.reports...); err != nil {
			t.Fatal(err)
		}
		var types []string
		for line := range strings.Lines(b.String()) {
			var doc struct{ Type string }
			if err := json.Unmarshal([]byte(line), &doc); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			types = append(types, doc.Type)
		}
		if got := strings.Join(types, " "); got != tt.want {
			t.Errorf("lines %q, want %q", got, tt.want)
		}
	}
}

func TestCSVHoldsNoFormula(t *testing.T) {
	for in, want := range map[string]string{
		"":              "",
		"plain":         "plain",
		"=1+1":          "'=1+1",
		"+1":            "'+1",
		"-1":            "'-1",
		"@SUM(A1)":      "'@SUM(A1)",
		"＝1":            "'＝1",
		" =1":           "' =1",
		"'=1":           "''=1",
		"\t=1":          `\t=1`,
		"a,b":           "a,b",
		`say "hi"`:      `say "hi"`,
		"a\r\nb":        `a\r\nb`,
		"a=b":           "a=b",
		"2026-01-02":    "2026-01-02",
		"alice; =cmd()": "alice; =cmd()",
	} {
		records, err := csv.NewReader(strings.NewReader(csvCell(in) + ",end\r\n")).ReadAll()
		if err != nil || len(records) != 1 || len(records[0]) != 2 || records[0][0] != want {
			t.Errorf("cell %q is read as %q (%v), want %q", in, records, err, want)
		}
	}
}

// checkCSV checks that a table is one, and no cell of it a formula.
func checkCSV(t *testing.T, out string) {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatalf("csv: %v", err)
	}
	for _, record := range records {
		for _, cell := range record {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("csv: cell %q", cell)
			}
		}
	}
}

func TestCSVListsFindingsWhereThereAreNoRows(t *testing.T) {
	var b bytes.Buffer
	if err := NewCSV(&b).Close(sample()); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, record := range records {
		got = append(got, record[0]+" "+record[2]+" "+record[11])
	}
	const want = "type class findings; commit not-logged ; commit unsigned ; tag unsigned ; mergetag  verified;   ref-deleted"
	if strings.Join(got, "; ") != want {
		t.Errorf("rows %q, want %q", strings.Join(got, "; "), want)
	}
	b.Reset()
	w := NewCSV(&b)
	if err := w.Row(rows()[0]); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(sample()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\r\n"); n != 2 {
		t.Errorf("%d lines, want the header and one row", n)
	}
}

// checkGitHub checks that every line is a command that we made, or the last
// line.
func checkGitHub(t *testing.T, out string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	for i, line := range lines {
		if i == len(lines)-1 {
			if !strings.HasPrefix(line, "gitseal audit: ") {
				t.Errorf("github: last line %q", line)
			}
			continue
		}
		command, _, ok := strings.Cut(line, " title=gitseal%3A ")
		if !ok || command != "::error" && command != "::warning" && command != "::notice" {
			t.Fatalf("github: line %q", line)
		}
		title, message, _ := strings.Cut(line[len(command)+1:], "::")
		if strings.ContainsAny(title, ":,") || strings.Contains(strings.NewReplacer("%25", "", "%0A", "", "%0D", "", "%3A", "", "%2C", "").Replace(title+" "+message), "%") {
			t.Errorf("github: not escaped: %q", line)
		}
	}
}

func TestGitHubShowsTenOfAKind(t *testing.T) {
	r := new(Report)
	r.Complete = true
	for range 25 {
		r.Findings.Add(Finding{"unsigned", Error, Object{"commit", sha1OID}, nil, "no signature", ""})
	}
	for range 10 {
		r.Findings.Add(Finding{"not-logged", Warning, Object{"commit", sha1OID}, nil, "no proof", ""})
	}
	for _, complete := range []bool{true, false} {
		r.Complete = complete
		out := written(t, WriteGitHub, r)
		if strings.Count(out, "::error ") != 10 || strings.Count(out, "::warning ") != 10 {
			t.Errorf("not ten of each:\n%s", out)
		}
		if !strings.Contains(out, "::error title=gitseal%3A more findings::16 more findings of this severity, see --format json%0Aunsigned: 25, of which the first 9\n") {
			t.Errorf("what is not shown is not said:\n%s", out)
		}
		if said := strings.Contains(out, "::warning title=gitseal%3A audit is incomplete::INCOMPLETE"); said == complete {
			t.Errorf("complete %v: said otherwise:\n%s", complete, out)
		}
		if more := strings.Contains(out, "::warning title=gitseal%3A more findings::2 more findings"); more == complete {
			t.Errorf("complete %v: the number of warnings left is wrong:\n%s", complete, out)
		}
	}
}

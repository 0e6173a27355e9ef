package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// sarifSchema returns the schema of OASIS, formats asserted.
func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "sarif-schema-2.1.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	document, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sarif.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(schema *jsonschema.Schema, document string) error {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func TestSARIFValidates(t *testing.T) {
	schema := sarifSchema(t)
	documents := hostileOutput(t, "sarif")
	for _, reports := range [][]*Report{{sample()}, set(), {}, {new(Report)}} {
		documents = append(documents, written(t, WriteSARIF, reports...))
		var b bytes.Buffer
		if err := sarifWriter("https://docs.example.com/findings")(&b, reports...); err != nil {
			t.Fatal(err)
		}
		documents = append(documents, b.String())
	}
	for _, document := range documents {
		if err := validate(schema, document); err != nil {
			t.Errorf("%v\n%s", err, document)
		}
	}
	// The schema tells good from bad, and so do its formats.
	for _, broken := range []string{`"level": "error"`, `"startTimeUtc": "2026-01-02T02:04:05.000Z"`} {
		name, _, _ := strings.Cut(broken, ": ")
		if err := validate(schema, strings.Replace(written(t, WriteSARIF, sample()), broken, name+`: "x"`, 1)); err == nil {
			t.Errorf("valid with another %s", name)
		}
	}
}

// sarifLog is what readers look at.
type sarifLog struct {
	Runs []struct {
		Tool struct {
			Driver struct {
				Rules []struct{ ID string }
			}
		}
		AutomationDetails sarifID
		Invocations       []struct {
			ExecutionSuccessful        bool
			ToolExecutionNotifications []struct {
				Level   string
				Message sarifText
			}
		}
		VersionControlProvenance []sarifVersion
		Results                  []sarifResult
	}
}

func sarifOf(t *testing.T, reports ...*Report) sarifLog {
	t.Helper()
	var log sarifLog
	if err := json.Unmarshal([]byte(written(t, WriteSARIF, reports...)), &log); err != nil {
		t.Fatal(err)
	}
	return log
}

func TestSARIFHasARuleForEachFinding(t *testing.T) {
	r := sample()
	for i, id := range IDs() {
		r.Findings.Add(Finding{ID: id, Severity: Error, Object: Object{"commit", fmt.Sprintf("%040x", i)}})
	}
	run := sarifOf(t, r).Runs[0]
	if len(run.Tool.Driver.Rules) != len(IDs()) || len(run.Results) != 5+len(IDs()) {
		t.Fatalf("%d rules and %d results", len(run.Tool.Driver.Rules), len(run.Results))
	}
	for _, result := range run.Results {
		if result.RuleIndex == nil || run.Tool.Driver.Rules[*result.RuleIndex].ID != result.RuleID {
			t.Errorf("result of rule %s has the index of another", result.RuleID)
		}
	}
}

// TestSARIFSuitsCodeScanning checks what GitHub demands beyond the schema: a
// physical location with a path and a line, one fingerprint for one finding,
// no more results than it takes, and runs that can be told apart.
func TestSARIFSuitsCodeScanning(t *testing.T) {
	r := sample()
	for i := range maxSARIF + 3 {
		r.Findings.Add(Finding{"unsigned", Error, Object{"commit", fmt.Sprintf("%040x", i)}, nil, "no signature", ""})
	}
	other := new(Report)
	other.Complete = true
	log := sarifOf(t, r, other)
	if a, b := log.Runs[0].AutomationDetails.ID, log.Runs[1].AutomationDetails.ID; a == b || !strings.HasSuffix(a, "/") || !strings.HasSuffix(b, "/") {
		t.Errorf("runs %q and %q", a, b)
	}
	run := log.Runs[0]
	if len(run.Results) != maxSARIF {
		t.Errorf("%d results, want %d", len(run.Results), maxSARIF)
	}
	fingerprints := make(map[string]bool)
	for _, result := range run.Results {
		location := result.Locations[0].PhysicalLocation
		if len(result.Locations) != 1 || !strings.HasPrefix(location.ArtifactLocation.URI, ".git/objects/") || location.Region["startLine"] != 1 {
			t.Fatalf("locations %+v", result.Locations)
		}
		fingerprint := result.PartialFingerprints["primaryLocationLineHash"]
		if fingerprint == "" || fingerprints[fingerprint] {
			t.Fatalf("fingerprint %q, seen before %v", fingerprint, fingerprints[fingerprint])
		}
		fingerprints[fingerprint] = true
	}
	notes := run.Invocations[0].ToolExecutionNotifications
	if len(notes) != 2 || notes[1].Message.Text != "unsigned: 25,005 findings, 24,997 of them among the results" {
		t.Errorf("notifications %+v", notes)
	}
}

func TestSARIFSaysThatTheAuditIsIncomplete(t *testing.T) {
	r := sample()
	for _, complete := range []bool{true, false} {
		r.Complete = complete
		x := sarifOf(t, r).Runs[0].Invocations[0]
		want := map[bool]string{true: "note", false: "warning"}[complete]
		if x.ExecutionSuccessful != complete || x.ToolExecutionNotifications[0].Level != want {
			t.Errorf("complete %v: %+v", complete, x)
		}
	}
}

func TestSARIFNamesTheRepositoryByURIOnly(t *testing.T) {
	for location, want := range map[string]string{
		"https://git.example.com/acme/app":             "https://git.example.com/acme/app",
		"https://user:secret@git.example.com/acme/app": "https://git.example.com/acme/app",
		"../app":                     "",
		"/home/alice/app":            "",
		`C:\app`:                     "",
		"":                           "",
		"https://git.example.com/\n": "",
	} {
		r := sample()
		r.Repository.Location = location
		var got string
		for _, v := range sarifOf(t, r).Runs[0].VersionControlProvenance {
			got = v.RepositoryURI
			if v.Branch != "main" || v.RevisionID != sha1OID {
				t.Errorf("%q: %+v", location, v)
			}
		}
		if got != want {
			t.Errorf("location %q: %q, want %q", location, got, want)
		}
	}
}

func TestSARIFMessagesHoldNoLinks(t *testing.T) {
	if got, want := sarifMessage("[a](https://b) {0}\n"), `\[a\](https://b) {{0}}\n`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

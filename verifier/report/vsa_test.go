package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	vsapb "github.com/in-toto/attestation/go/predicates/vsa/v1"
	statementpb "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"gitseal/verifier"
)

const repositoryURI = "git+https://git.example.com/acme/app"

// passed returns a report of an audit of a whole history in which all is good.
func passed() *Report {
	r := sample()
	r.Repository.Shallow = false
	r.Totals.Classes = map[verifier.Class]int{verifier.Verified: 1205}
	r.Findings = Findings{}
	r.Signers = r.Signers[:1]
	r.Result = Pass
	return r
}

// vsaOf returns the summary as in-toto's own package reads it.
func vsaOf(t *testing.T, r *Report, cfg VSAConfig) (*statementpb.Statement, *vsapb.VerificationSummary) {
	t.Helper()
	b, err := VSA(r, cfg)
	if err != nil {
		t.Fatal(err)
	}
	statement := new(statementpb.Statement)
	if err := protojson.Unmarshal(b, statement); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if err := statement.Validate(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if _, err := verifier.ParseStatement(b); err != nil {
		t.Fatal(err)
	}
	predicate, err := json.Marshal(statement.Predicate.AsMap())
	if err != nil {
		t.Fatal(err)
	}
	summary := new(vsapb.VerificationSummary)
	// Its messages lack verifier.version, which the specification has.
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(predicate, summary); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return statement, summary
}

func TestVSALevels(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Report)
		result string
		levels string
	}{
		{"all good and keyless", func(*Report) {}, "PASSED", "SLSA_SOURCE_LEVEL_1 ORG_SOURCE_SIGNED ORG_SOURCE_SIGNED_KEYLESS"},
		{"all good", func(r *Report) { r.Signers = sample().Signers }, "PASSED", "SLSA_SOURCE_LEVEL_1 ORG_SOURCE_SIGNED"},
		{"no policy", func(r *Report) { r.Policy = nil }, "PASSED", "SLSA_SOURCE_LEVEL_1"},
		{"some exempt", func(r *Report) { r.Totals.Classes[verifier.Verified]--; r.Totals.Classes[Exempt]++ }, "PASSED", "SLSA_SOURCE_LEVEL_1"},
		{"shallow", func(r *Report) { r.Repository.Shallow = true }, "PASSED", "SLSA_SOURCE_LEVEL_1"},
		{"a range", func(r *Report) {
			r.NotExamined = append(r.NotExamined, Omission{"history on the far side of the range", "it was asked to be left out"})
		}, "PASSED", "SLSA_SOURCE_LEVEL_1"},
		{"not complete", func(r *Report) { r.Complete = false }, "PASSED", "SLSA_SOURCE_LEVEL_1"},
		{"violation", func(r *Report) { r.Result = Violation }, "FAILED", "SLSA_SOURCE_LEVEL_0"},
		{"indeterminate", func(r *Report) { r.Result = Indeterminate }, "FAILED", "SLSA_SOURCE_LEVEL_0"},
		{"equivocation", func(r *Report) { r.Result = Equivocation }, "FAILED", "SLSA_SOURCE_LEVEL_0"},
		{"a result that is not known", func(r *Report) { r.Result = "" }, "FAILED", "SLSA_SOURCE_LEVEL_0"},
	} {
		r := passed()
		tt.change(r)
		_, summary := vsaOf(t, r, VSAConfig{ResourceURI: repositoryURI})
		if got := strings.Join(summary.VerifiedLevels, " "); summary.VerificationResult != tt.result || got != tt.levels {
			t.Errorf("%s: %s, %s, want %s, %s", tt.name, summary.VerificationResult, got, tt.result, tt.levels)
		}
	}
}

func TestVSASaysByWhatAndWhoseRules(t *testing.T) {
	r := passed()
	_, summary := vsaOf(t, r, VSAConfig{ResourceURI: repositoryURI})
	if summary.Verifier.Id != "gitseal:audit" || summary.ResourceUri != repositoryURI || summary.Policy.Uri != "policy.toml" ||
		summary.Policy.Digest["sha256"] != strings.TrimPrefix(r.Policy.Digest.String(), "sha256:") || !summary.TimeVerified.AsTime().Equal(r.FinishedAt) {
		t.Errorf("summary %v", summary)
	}
	_, summary = vsaOf(t, r, VSAConfig{ResourceURI: repositoryURI, VerifierID: "https://ci.example.com/audit", PolicyURI: "https://example.com/policy"})
	if summary.Verifier.Id != "https://ci.example.com/audit" || summary.Policy.Uri != "https://example.com/policy" {
		t.Errorf("summary %v", summary)
	}
	r.Policy.Source = "main:a policy.toml"
	if _, summary = vsaOf(t, r, VSAConfig{ResourceURI: repositoryURI}); summary.Policy.Uri != "./main:a%20policy.toml" {
		t.Errorf("policy %q", summary.Policy.Uri)
	}
	r.Policy = nil
	if _, summary = vsaOf(t, r, VSAConfig{ResourceURI: repositoryURI}); summary.Policy.Uri != "gitseal:no-policy" || len(summary.Policy.Digest) != 0 {
		t.Errorf("policy %v", summary.Policy)
	}
}

func TestVSASubjects(t *testing.T) {
	const tagOID = "aaaabbbbccccddddeeeeffff0000111122223333"
	r := passed()
	r.Scope.Refs = []Ref{{"refs/heads/main", sha1OID}, {"refs/remotes/origin/main", sha1OID}, {"refs/heads/other", otherOID}, {"refs/tags/v1", tagOID}, {"refs/heads/x", "no id"}}
	r.Continuity = []Continuity{{Ref: "main~1", OID: otherOID}, {Ref: "refs/heads/main", OID: sha1OID}}
	statement, _ := vsaOf(t, r, VSAConfig{ResourceURI: repositoryURI})
	var got []string
	for _, s := range statement.Subject {
		for algorithm, oid := range s.Digest {
			refs := []string{}
			for _, ref := range s.Annotations.GetFields()["sourceRefs"].GetListValue().GetValues() {
				refs = append(refs, ref.GetStringValue())
			}
			got = append(got, fmt.Sprint(algorithm, " ", short(oid), " ", refs))
		}
	}
	want := []string{
		"gitCommit 89abcdef0123 [refs/heads/other]",
		"gitCommit 0123456789ab [refs/heads/main refs/remotes/origin/main]",
		"gitTag aaaabbbbcccc [refs/tags/v1]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("subjects %q, want %q", got, want)
	}
}

// TestVSAOfSHA256 has ids that the specification of digest sets allows, and
// in-toto's package refuses: 32 bytes of gitCommit.
func TestVSAOfSHA256(t *testing.T) {
	r := passed()
	r.Continuity = []Continuity{{Ref: "refs/heads/main", OID: sha256OID}}
	r.Scope = Scope{}
	b, err := VSA(r, VSAConfig{ResourceURI: repositoryURI})
	if err != nil {
		t.Fatal(err)
	}
	if want := `"subject":[{"digest":{"gitCommit":"` + sha256OID + `"},"annotations":{"sourceRefs":["refs/heads/main"]}}]`; !bytes.Contains(b, []byte(want)) {
		t.Errorf("got %s, want %s in it", b, want)
	}
}

func TestVSAOfManyRefs(t *testing.T) {
	r := passed()
	r.Continuity, r.Scope.Refs = nil, nil
	for i := range 3000 {
		r.Scope.Refs = append(r.Scope.Refs, Ref{fmt.Sprintf("refs/heads/%d", i), fmt.Sprintf("%040x", i%2000)})
	}
	if statement, _ := vsaOf(t, r, VSAConfig{ResourceURI: repositoryURI}); len(statement.Subject) != maxVSASubjects {
		t.Errorf("%d subjects, want %d", len(statement.Subject), maxVSASubjects)
	}
}

func TestVSANeedsARepositoryAndSubjects(t *testing.T) {
	for location, want := range map[string]string{
		"https://user:secret@git.example.com/acme/app": repositoryURI,
		"git+ssh://git.example.com/acme/app":           "git+ssh://git.example.com/acme/app",
		"../app":                                       "",
		"":                                             "",
	} {
		r := passed()
		r.Repository.Location = location
		b, err := VSA(r, VSAConfig{})
		if (err == nil) != (want != "") || err == nil && !bytes.Contains(b, []byte(`"resourceUri":"`+want+`"`)) {
			t.Errorf("location %q: %v, %s, want %q", location, err, b, want)
		}
		if err != nil && !strings.Contains(err.Error(), "URI of repository") {
			t.Errorf("location %q: %v", location, err)
		}
	}
	for _, uri := range []string{"acme/app", "git+https://x/\n", "://"} {
		if _, err := VSA(passed(), VSAConfig{ResourceURI: uri}); err == nil || !strings.Contains(err.Error(), "is no URI") {
			t.Errorf("URI %q: %v", uri, err)
		}
	}
	if _, err := VSA(&Report{Result: Pass}, VSAConfig{ResourceURI: repositoryURI}); err == nil || !strings.Contains(err.Error(), "names no commit or tag") {
		t.Errorf("of nothing: %v", err)
	}
	w, err := NewWriter("vsa", new(bytes.Buffer), Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("without a report: %v", err)
	}
}

// TestVSAOfSeveralHasALineForEach gives each its own URI, whatever that of one
// is said to be.
func TestVSAOfSeveralHasALineForEach(t *testing.T) {
	a, b := passed(), passed()
	a.Repository.Location, b.Repository.Location = "https://git.example.com/a", "https://git.example.com/b"
	var out bytes.Buffer
	w, err := NewWriter("vsa", &out, Config{VSA: VSAConfig{ResourceURI: repositoryURI}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(a, b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], `"git+https://git.example.com/a"`) || !strings.Contains(lines[1], `"git+https://git.example.com/b"`) {
		t.Errorf("got\n%s", out.String())
	}
}

package report

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
)

func TestParseReadsWhatIsWritten(t *testing.T) {
	wild := sample()
	wild.Repository = Repository{hostile, "sha256", true, true, true, true}
	wild.Policy = nil
	wild.Signers[0].Identity = hostile
	wild.Signers[0].First = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	wild.Findings.Add(Finding{hostile, Note, Object{hostile, hostile}, &verifier.Signer{Kind: verifier.X509, Key: hostile}, hostile, hostile})
	wild.Result = Equivocation // worse than what it holds says
	for name, reports := range map[string][]*Report{
		"sample": {sample()}, "wild": {wild}, "set": set(), "empty": {{Result: Indeterminate}}, "empty set": {},
	} {
		document := writeJSON(t, reports...)
		parsed, err := ParseSet([]byte(document))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if again := writeJSON(t, parsed...); again != document {
			t.Errorf("%s: got\n%s\nwant\n%s", name, again, document)
		}
		one, err := Parse([]byte(document))
		if (err == nil) != (len(reports) == 1) {
			t.Errorf("%s: parsed as one report: %v", name, err)
		}
		if err == nil && writeJSON(t, one) != document {
			t.Errorf("%s: Parse reads something else than ParseSet", name)
		}
	}
}

// TestParseReadsWhatWasWrittenBefore has a document from before there were
// other kinds of signatures than keyless.
func TestParseReadsWhatWasWrittenBefore(t *testing.T) {
	document := `{"schema":"gitseal.audit/1","tool":"gitseal","repository":{"objectFormat":"sha1","shallow":false,"grafted":false,"replaced":false,"partialClone":false},
"scope":{"refs":[],"revisions":[]},"policy":null,"trust":{"sources":[],"digest":""},"startedAt":"2026-01-02T02:04:05Z","finishedAt":"2026-01-02T02:04:05.5Z",
"complete":true,"notExamined":[],"totals":{"examined":1,"commits":1,"tags":0,"verified":1},
"signers":[{"kind":"keyless","identity":"a","issuer":"b","objects":1,"first":"2026-01-02T02:04:05Z","last":"2026-01-02T02:04:05Z"}],"logs":[],
"findings":[{"id":"verified","severity":"note","object":{"type":"mergetag","oid":"x"},"identity":{"issuer":"b","subject":"a"},"message":"","hint":""}],"result":"pass"}`
	r, err := Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for x := range r.Findings.All() {
		if want := (verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: "b", Subject: "a"}}); x.Signer == nil || *x.Signer != want {
			t.Errorf("signer %v, want %v", x.Signer, want)
		}
	}
	if s := r.Signers[0]; s.Times != ProvenTimes || s.Good != 1 || r.UnknownKeys != nil {
		t.Errorf("times %q, %d good, keys %v, want %q, 1, none", s.Times, s.Good, r.UnknownKeys, ProvenTimes)
	}
}

func TestParseRefuses(t *testing.T) {
	good := writeJSON(t, sample())
	for _, tt := range []struct{ name, old, new, want string }{
		{"another schema", `"gitseal.audit/1"`, `"gitseal.audit/2"`, `"gitseal.audit/2", not "gitseal.audit/1"`},
		{"unknown member", `"tool"`, `"instrument"`, "unknown member"},
		{"duplicate member", `"tool": "gitseal test",`, `"tool": "x", "tool": "x",`, "duplicate member"},
		{"missing member", `"tool": "gitseal test",`, ``, `no member "tool"`},
		{"unknown class", `"verified": 1200`, `"very-verified": 1200`, "unknown member"},
		{"classes that do not add up", `"verified": 1200`, `"verified": 1199`, "its totals do not add up"},
		{"objects that do not add up", `"commits": 1203`, `"commits": 1202`, "its totals do not add up"},
		{"unknown result", `"result": "violation"`, `"result": "fine"`, `unknown value "fine"`},
		{"result that is too good", `"result": "violation"`, `"result": "pass"`, `its result is "pass", and what it holds makes it "violation"`},
		{"unknown severity", `"severity": "error"`, `"severity": "fatal"`, `unknown value "fatal"`},
		{"unknown kind", `"kind": "openpgp"`, `"kind": "pgp"`, `unknown value "pgp"`},
		{"unknown kind in a month", `"openpgp": 30`, `"pgp": 30`, "unknown member"},
		{"more good than there are", `"good": 17`, `"good": 20`, "more of its objects are good than there are"},
		{"unknown kind of a key", `"kind": "ssh",
      "key": "SHA256:uNi`, `"kind": "pgp",
      "key": "SHA256:uNi`, `unknown value "pgp"`},
		{"unknown times", `"times": "proven"`, `"times": "guessed"`, `unknown value "guessed"`},
		{"time in another zone", `"2026-01-02T02:04:06Z"`, `"2026-01-02T03:04:06+01:00"`, "is no time in RFC 3339 and UTC"},
		{"time in another form", `"2026-01-02T02:04:06Z"`, `"2026-01-02T02:04:06.0Z"`, "is no time in RFC 3339 and UTC"},
		{"digest of another kind", `"sha256:0100`, `"sha512:0100`, "not sha256: and 64 hexadecimal digits"},
		{"digest in capitals", `"sha256:0200`, `"sha256:02AA`, "not sha256: and 64 hexadecimal digits"},
		{"short digest", `"sha256:0200`, `"sha256:02`, "not sha256: and 64 hexadecimal digits"},
		{"word for a boolean", `"complete": true`, `"complete": "true"`, "neither true nor false"},
		{"negative number", `"gapCount": 2`, `"gapCount": -2`, "a non-negative integer is expected"},
		{"large number", `"gapCount": 2`, `"gapCount": 562949953421312`, "is not an integer below"},
		{"null for a list", `"resolved": [`, `"resolved": null, "x": [`, "an array is expected"},
		{"something after it", "\n}\n", "\n}\n{}", "the end of the report is expected"},
		{"its end is missing", "\n}\n", "\n", "the report ends"},
	} {
		changed := strings.Replace(good, tt.old, tt.new, 1)
		if changed == good {
			t.Fatalf("%s: nothing changed", tt.name)
		}
		if _, err := Parse([]byte(changed)); err == nil || !strings.HasPrefix(err.Error(), "parsing report: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

func TestParseSetRefuses(t *testing.T) {
	good := writeJSON(t, set()...)
	tail := strings.LastIndex(good, "\n  \"complete\"")
	for _, tt := range []struct{ name, old, new, want string }{
		{"better result", `"result": "violation"`, `"result": "pass"`, "something else than its reports"},
		{"worse result", `"result": "violation"`, `"result": "equivocation"`, "something else than its reports"},
		{"other totals", `"examined": 1207`, `"examined": 1208`, "something else than its reports"},
		{"other classes", `"unsigned": 3`, `"unsigned": 2`, "something else than its reports"},
		{"not complete", `"complete": true`, `"complete": false`, "something else than its reports"},
		{"unknown member", `"totals"`, `"sums"`, "unknown member"},
	} {
		changed := good[:tail] + strings.Replace(good[tail:], tt.old, tt.new, 1)
		if changed == good {
			t.Fatalf("%s: nothing changed", tt.name)
		}
		if _, err := ParseSet([]byte(changed)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
	for in, want := range map[string]string{
		``:                            "an object is expected",
		`[]`:                          "an object is expected",
		`{}`:                          "no member",
		`{"tool":"x"}`:                "its first member is not its schema",
		`{"schema":1}`:                "a string is expected",
		`{"schema":"gitseal.show/1"}`: `"gitseal.show/1", not "gitseal.audit/1"`,
	} {
		if _, err := ParseSet([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", in, err, want)
		}
	}
}

// FuzzParse checks that what is read is written so that it is read again, and
// the same.
func FuzzParse(f *testing.F) {
	var b bytes.Buffer
	for _, reports := range [][]*Report{{sample()}, set(), {}, {new(Report)}} {
		b.Reset()
		if err := WriteJSON(&b, reports...); err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(b.Bytes()))
	}
	hinted := new(Report)
	for i, hint := range []string{"gitseal show OID", "EXPLAIN, EXPLAIN", "git log " + sha1OID + "..OID", "OID"} {
		hinted.Findings.Add(Finding{"time-skew", Note, Object{"commit", []string{sha1OID, ""}[i%2]}, nil, "m", hint})
	}
	hinted.Result = Indeterminate
	document := writeJSON(f, hinted)
	f.Add([]byte(document))
	f.Add([]byte(strings.Replace(document, "show "+sha1OID, "show OID", 1))) // as it was written before
	f.Add([]byte(`{"schema":"gitseal.audit/1"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		reports, err := ParseSet(in)
		if err != nil {
			return
		}
		document := writeJSON(t, reports...)
		again, err := ParseSet([]byte(document))
		if err != nil {
			t.Fatalf("%q is written as what is refused: %v\n%s", in, err, document)
		}
		if !reflect.DeepEqual(reports, again) || writeJSON(t, again...) != document {
			t.Errorf("%q is read as something else the second time:\n%s", in, document)
		}
	})
}

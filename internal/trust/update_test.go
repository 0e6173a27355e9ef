package trust

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func testUpdate() *Update {
	return &Update{
		URL: "https://tuf.example/repository", UpdatedAt: testStart, Expires: testStart.AddDate(0, 0, 7),
		Root: 14, Timestamp: 300, Snapshot: 200, Targets: 13,
		FirstRoot: [32]byte{3}, TrustedRoot: [32]byte{1}, SigningConfig: [32]byte{31: 2},
	}
}

func TestUpdateRoundTrip(t *testing.T) {
	verifyOnly := testUpdate()
	verifyOnly.SigningConfig = [32]byte{}
	unknownBeginning := testUpdate()
	unknownBeginning.FirstRoot = [32]byte{}
	stick := testUpdate()
	stick.URL = "file:///media/stick/tuf"
	for _, want := range []*Update{testUpdate(), verifyOnly, unknownBeginning, stick} {
		text, err := want.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseUpdate(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseUpdate(Marshal(u)) = %+v, %v; want %+v", got, err, want)
		}
		line, err := MarshalAnswer(want, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseAnswer(line); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseAnswer(MarshalAnswer(u)) = %+v, %v; want %+v", got, err, want)
		}
		if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
			t.Errorf("answer %q is not one line", line)
		}
	}
}

func TestRefusalRoundTrip(t *testing.T) {
	for _, reason := range reasons {
		err := fmt.Errorf("TUF repository x: %w", &Refusal{reason, errors.New("timestamp.json\nis old")})
		line, merr := MarshalAnswer(nil, err)
		if merr != nil {
			t.Fatal(merr)
		}
		var refusal *Refusal
		if _, got := ParseAnswer(line); !errors.As(got, &refusal) || refusal.Reason != reason || refusal.Error() != err.Error() {
			t.Errorf("ParseAnswer(MarshalAnswer(%v)) = %v", err, got)
		}
	}
	line, err := MarshalAnswer(nil, errors.New("no such file"))
	if err != nil {
		t.Fatal(err)
	}
	var refusal *Refusal
	if _, err := ParseAnswer(line); !errors.As(err, &refusal) || refusal.Reason != Unusable {
		t.Errorf("another error comes back as %v, want %s", err, Unusable)
	}
}

func TestParseUpdateRejects(t *testing.T) {
	text, err := testUpdate().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	digest := strings.Repeat("0", 62) + "02"
	for _, test := range []struct{ old, new, want string }{
		{`"url"`, `"Url"`, "unknown field"},
		{`https://tuf.example`, `ftp://tuf.example`, "url: "},
		{`https://tuf.example`, `https://me:secret@tuf.example`, "url: "},
		{`https://tuf.example/repository`, `file://host/repository`, "url: "},
		{`https://tuf.example/repository`, `file://`, "url: "},
		{`https://tuf.example/repository`, `/repository`, "url: "},
		{`https://tuf.example/repository`, ``, "url: "},
		{`"root": 14`, `"root": -1`, "root: "},
		{`"root": 14`, `"root": 4294967296`, "root: "},
		{`"root": 14`, `"root": 14, "root": 14`, "duplicate field"},
		{`"root": 14,`, ``, "root: missing"},
		{`"timestamp": 300,`, ``, "timestamp: missing"},
		{`"snapshot": 200,`, ``, "snapshot: missing"},
		{`"targets": 13,`, ``, "targets: missing"},
		{`"01` + strings.Repeat("0", 62), `"` + strings.Repeat("0", 64), "trustedRoot: no digest"},
		{digest, digest[1:], "signingConfig: "},
		{digest, "g" + digest[1:], "signingConfig: "},
		{digest, strings.Replace(digest, "02", "0A", 1), "signingConfig: "},
		{digest, digest + "00", "signingConfig: "},
		{"}\n", "}\n{", "end of the file"},
	} {
		changed := strings.Replace(string(text), test.old, test.new, 1)
		if changed == string(text) {
			t.Fatalf("%s has no %s", text, test.old)
		}
		if _, err := ParseUpdate([]byte(changed)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ParseUpdate with %s for %s = %v, want an error that says %q", test.new, test.old, err, test.want)
		}
	}
}

func TestMarshalUpdateRejectsWhatParseWould(t *testing.T) {
	for _, change := range []func(*Update){
		func(u *Update) { u.TrustedRoot = [32]byte{} },
		func(u *Update) { u.URL = "gopher://tuf.example" },
		func(u *Update) { u.UpdatedAt = time.Time{} },
		func(u *Update) { u.Expires = time.Time{} },
	} {
		u := testUpdate()
		change(u)
		if text, err := u.Marshal(); err == nil {
			t.Errorf("Marshal(%+v) = %s, want an error", u, text)
		}
		if line, err := MarshalAnswer(u, nil); err == nil {
			t.Errorf("MarshalAnswer(%+v) = %s, want an error", u, line)
		}
	}
}

func TestParseAnswerRejects(t *testing.T) {
	update, err := MarshalAnswer(testUpdate(), nil)
	if err != nil {
		t.Fatal(err)
	}
	const refusal = `{"reason":"expired","message":"m"}`
	for _, test := range []struct{ line, want string }{
		{``, "an object"},
		{`{}`, "want either"},
		{`{"update":null}`, "update: "},
		{strings.TrimSuffix(string(update), "}\n") + `,"refusal":` + refusal + `}`, "want either"},
		{string(update) + string(update), "end of the file"},
		{`{"refusal":{"reason":"weather","message":"m"}}`, `unknown reason "weather"`},
		{`{"refusal":{"reason":"expired"}}`, "message: missing"},
		{`{"refusal":{"message":"m"}}`, "reason: missing"},
		{`{"refusal":` + refusal + `,"hint":"x"}`, "unknown field"},
	} {
		var got *Refusal
		if _, err := ParseAnswer([]byte(test.line)); err == nil || errors.As(err, &got) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ParseAnswer(%s) = %v, want an error that says %q", test.line, err, test.want)
		}
	}
}

func FuzzParseUpdate(f *testing.F) {
	text, err := testUpdate().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := ParseUpdate(data)
		if err != nil {
			return
		}
		text, err := u.Marshal()
		if err != nil {
			t.Fatalf("Marshal of what was parsed: %v", err)
		}
		if again, err := ParseUpdate(text); err != nil || !reflect.DeepEqual(again, u) {
			t.Errorf("ParseUpdate(Marshal(u)) = %+v, %v; want %+v", again, err, u)
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	line, err := MarshalAnswer(testUpdate(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(`{"refusal":{"reason":"expired","message":"timestamp.json has expired"}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		u, refusal, err := parseAnswer(line)
		if err != nil {
			return
		}
		var why error
		if refusal != nil {
			why = refusal
		}
		text, err := MarshalAnswer(u, why)
		if err != nil {
			t.Fatalf("MarshalAnswer of what was parsed: %v", err)
		}
		u2, refusal2, err := parseAnswer(text)
		if err != nil || !reflect.DeepEqual(u2, u) || (refusal == nil) != (refusal2 == nil) || refusal != nil && refusal.Error() != refusal2.Error() {
			t.Errorf("parseAnswer(MarshalAnswer(…)) = %+v, %v, %v; want %+v, %v", u2, refusal2, err, u, refusal)
		}
	})
}

func TestUpdateFollowsWhatWasBefore(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(u *Update)
		want   string // "": follows
	}{
		{"the same", func(*Update) {}, ""},
		{"newer", func(u *Update) { u.Timestamp, u.Snapshot, u.Targets = 301, 201, 14 }, ""},
		{"older root", func(u *Update) { u.Root-- }, "version 13 of root is older than version 14"},
		{"older timestamp", func(u *Update) { u.Timestamp-- }, "of timestamp is older"},
		{"older snapshot", func(u *Update) { u.Snapshot-- }, "of snapshot is older"},
		{"older targets", func(u *Update) { u.Targets-- }, "of targets is older"},
		{"older root, newer rest", func(u *Update) { u.Root--; u.Timestamp, u.Snapshot, u.Targets = 301, 201, 14 }, "of root is older"},
		{"newer root that counts anew", func(u *Update) { u.Root++; u.Timestamp, u.Snapshot, u.Targets = 1, 1, 1 }, ""},
		{"another repository", func(u *Update) { u.URL += "2"; u.Root = 1 }, ""},
		{"another beginning", func(u *Update) { u.FirstRoot[0]++; u.Root = 1 }, ""},
	} {
		u := testUpdate()
		tt.change(u)
		if err := u.Follows(testUpdate()); tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

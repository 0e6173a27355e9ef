package pending

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
)

// newRecord returns one that has everything.
// readable returns the file of a record, if parseRecord reads it.
func (r *Record) readable() ([]byte, error) {
	text, err := r.marshal()
	if err == nil {
		_, err = parseRecord(text)
	}
	return text, err
}

func newRecord(t testing.TB) *Record {
	t.Helper()
	records, _ := newRig(t, fakeca.RekorV2).sign(t, true, "x")
	records[0].Stamped = [][]byte{{1, 2, 3}}
	return records[0]
}

func TestRecordIsReadAsWritten(t *testing.T) {
	full := newRecord(t)
	bare := *full
	bare.Repository, bare.Object, bare.Timestamps, bare.Stamped = "", "", nil, nil
	here := *full
	here.Made = full.Made.In(time.FixedZone("somewhere", 3600))
	for name, r := range map[string]*Record{"full": full, "bare": &bare, "of another zone": &here} {
		text, err := r.readable()
		if err != nil {
			t.Fatal(err)
		}
		want := *r
		want.Made = want.Made.UTC()
		if got, err := parseRecord(text); err != nil || !reflect.DeepEqual(got, &want) {
			t.Errorf("%s: parseRecord(%s) = %+v, %v, want %+v", name, text, got, err, want)
		}
		// encoding/json, which is no judge of strictness, reads the same.
		var other file
		if err := json.Unmarshal(text, &other); err != nil || string(other.Instance) != r.Instance || string(other.Repository) != r.Repository || other.Object != r.Object {
			t.Errorf("%s: encoding/json reads %+v, %v", name, other, err)
		}
	}
}

// TestRecordIsOfOnePiece changes one part at a time.
func TestRecordIsOfOnePiece(t *testing.T) {
	good, other := newRecord(t), newRecord(t)
	for _, tt := range []struct {
		name   string
		change func(*Record)
		want   string
	}{
		{"no instance", func(r *Record) { r.Instance = "" }, "no instance"},
		{"instance of no name", func(r *Record) { r.Instance = "a\x00b" }, "no instance"},
		{"instance too long", func(r *Record) { r.Instance = strings.Repeat("x", maxPath+1) }, "longer than"},
		{"relative repository", func(r *Record) { r.Repository = "a" }, "not an absolute path"},
		{"repository of no name", func(r *Record) { r.Repository = "/a\x00b" }, "not an absolute path"},
		{"repository too long", func(r *Record) { r.Repository = "/" + strings.Repeat("x", maxPath) }, "longer than"},
		{"object of no kind", func(r *Record) { r.Object = "blob " + strings.Repeat("0", 40) }, "is no object"},
		{"object of no id", func(r *Record) { r.Object = "commit 12" }, "is no object"},
		{"object of another alphabet", func(r *Record) { r.Object = "tag " + strings.Repeat("A", 40) }, "is no object"},
		{"object too long", func(r *Record) { r.Object = "commit " + strings.Repeat("0", 65) }, "longer than"},
		{"signature of another", func(r *Record) { r.Signature = other.Signature }, "not over the attributes"},
		{"certificate of another", func(r *Record) { r.Certificate = other.Certificate }, "not over the attributes"},
		{"attributes of another", func(r *Record) { r.SignedAttributes = bytes.Clone(other.SignedAttributes[:9]) }, "attributes"},
		{"empty time-stamp", func(r *Record) { r.Stamped = [][]byte{{}} }, "time-stamp 0 is empty"},
		{"nine time-stamps", func(r *Record) { r.Stamped = make([][]byte, 9) }, "stamped"},
		{"year of five digits", func(r *Record) { r.Made = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC) }, "made"},
	} {
		r := *good
		tt.change(&r)
		if text, err := r.readable(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: marshal = %.20q, %v, want an error with %q", tt.name, text, err, tt.want)
		}
	}
}

func TestParseRecordIsStrict(t *testing.T) {
	text, err := newRecord(t).readable()
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	for name, bad := range map[string]string{
		"empty":              "",
		"cut off":            good[:len(good)-2],
		"without its end":    good[:len(good)-1],
		"something after":    good + "{}\n",
		"another end":        good[:len(good)-1] + "\r\n",
		"space":              strings.Replace(good, ":", ": ", 1),
		"unknown member":     strings.Replace(good, `{`, `{"x":1,`, 1),
		"member twice":       strings.Replace(good, `"instance"`, `"made":"2026-01-01T00:00:00Z","instance"`, 1),
		"another case":       strings.Replace(good, `"made"`, `"Made"`, 1),
		"no instance":        strings.Replace(good, `"instance"`, `"x"`, 1),
		"signed is no one":   strings.Replace(good, `"signed":{`, `"signed":{"x":{},`, 1),
		"null":               strings.Replace(good, `"stamped":[`, `"stamped":null,"x":[`, 1),
		"made in another zo": strings.Replace(good, `Z",`, `+00:00",`, 1),
		"spare fraction":     strings.Replace(good, `Z",`, `000000000Z",`, 1),
		"two million spaces": strings.Repeat(" ", 2<<20) + good,
		"empty repository":   strings.Replace(good, `"signed"`, `"repository":"","signed"`, 1),
	} {
		if bad == good {
			t.Fatalf("%s: nothing is changed", name)
		}
		if got, err := parseRecord([]byte(bad)); err == nil || got != nil {
			t.Errorf("%s: parseRecord = %v, %v, want an error", name, got, err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	r := newRecord(f)
	text, err := r.readable()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	r.Repository, r.Object, r.Stamped, r.Timestamps = "", "", nil, nil
	if text, err = r.readable(); err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"made":"2026-01-01T00:00:00Z","instance":"","signed":{}}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRecord(text)
		if err != nil {
			return
		}
		if again, err := r.readable(); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q is written as %q, %v", text, again, err)
		}
	})
}

package signer_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/signer"
)

// newPending returns a signature that waits for its entry, with a time-stamp.
func newPending(t testing.TB) *signer.Pending {
	t.Helper()
	a := newAuthority(t, fakeca.Config{})
	sig, err := sign(t, deferring(t, a, signer.DeferAlways, nil, nil), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	return sig.Pending
}

func TestPendingIsReadAsWritten(t *testing.T) {
	p := newPending(t)
	for _, stamps := range [][][]byte{p.Timestamps, nil} {
		p.Timestamps = stamps
		text, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := signer.ParsePending(text)
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("ParsePending(%s) = %v, %v, want what was written", text, got, err)
		}
		// encoding/json, which is no judge of strictness, reads the same.
		var other signer.Pending
		if err := json.Unmarshal(text, &other); err != nil || !reflect.DeepEqual(&other, p) {
			t.Errorf("encoding/json reads %v, %v", other, err)
		}
	}
}

// TestPendingIsOfOnePiece changes one part at a time.
func TestPendingIsOfOnePiece(t *testing.T) {
	good, other := newPending(t), newPending(t)
	flipped := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)-1] ^= 1; return b }
	for _, tt := range []struct {
		name   string
		change func(*signer.Pending)
		want   string
	}{
		{"attributes of another", func(p *signer.Pending) { p.SignedAttributes = flipped(p.SignedAttributes) }, "not over the attributes"},
		{"attributes that are none", func(p *signer.Pending) { p.SignedAttributes = []byte("x") }, "not the attributes"},
		{"no attributes", func(p *signer.Pending) { p.SignedAttributes = nil }, "not the attributes"},
		{"signature of another", func(p *signer.Pending) { p.Signature = other.Signature }, "not over the attributes"},
		{"signature flipped", func(p *signer.Pending) { p.Signature = flipped(p.Signature) }, "not over the attributes"},
		{"certificate of another", func(p *signer.Pending) { p.Certificate = other.Certificate }, "not over the attributes"},
		{"certificate that is none", func(p *signer.Pending) { p.Certificate = []byte{1} }, "reading the certificate"},
		{"certificate too long", func(p *signer.Pending) { p.Certificate = make([]byte, 1<<15+1) }, "too long"},
		{"signature too long", func(p *signer.Pending) { p.Signature = make([]byte, 1<<10+1) }, "too long"},
		{"attributes too long", func(p *signer.Pending) { p.SignedAttributes = make([]byte, 1<<12+1) }, "too long"},
		{"empty time-stamp", func(p *signer.Pending) { p.Timestamps = [][]byte{{}} }, "time-stamp 0"},
		{"time-stamp too long", func(p *signer.Pending) { p.Timestamps = [][]byte{make([]byte, 1<<16+1)} }, "time-stamp 0"},
		{"time-stamp twice", func(p *signer.Pending) { p.Timestamps = [][]byte{{1}, {1}} }, "time-stamp 1"},
		{"nine time-stamps", func(p *signer.Pending) { p.Timestamps = make([][]byte, 9) }, "more than 8"},
	} {
		p := *good
		tt.change(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Check = %v, want an error with %q", tt.name, err, tt.want)
		}
		if text, err := p.Marshal(); err == nil {
			t.Errorf("%s: Marshal = %s", tt.name, text)
		}
		text, err := json.Marshal(struct {
			A []byte   `json:"signedAttributes"`
			S []byte   `json:"signature"`
			C []byte   `json:"certificate"`
			T [][]byte `json:"timestamps,omitempty"`
		}{p.SignedAttributes, p.Signature, p.Certificate, p.Timestamps})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := signer.ParsePending(text); err == nil || got != nil {
			t.Errorf("%s: ParsePending = %v, %v, want an error", tt.name, got, err)
		}
	}
}

func TestParsePendingIsStrict(t *testing.T) {
	p := newPending(t)
	text, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	for name, bad := range map[string]string{
		"empty":            "",
		"cut off":          good[:len(good)-1],
		"something after":  good + "{}",
		"space":            good + "\n",
		"unknown member":   strings.Replace(good, `{`, `{"x":1,`, 1),
		"member twice":     strings.Replace(good, `{`, `{"signature":"AA==",`, 1),
		"no certificate":   strings.Replace(good, `"certificate"`, `"Certificate"`, 1),
		"null":             strings.Replace(good, `"timestamps":[`, `"timestamps":null,"x":[`, 1),
		"another order":    `{"signature":` + strings.Split(strings.SplitAfter(good, `"signature":`)[1], ",")[0] + "," + strings.Replace(good[1:], `"signature":`+strings.Split(strings.SplitAfter(good, `"signature":`)[1], ",")[0]+",", "", 1),
		"no list of them":  strings.Replace(good, `"timestamps":[`, `"timestamps":{`, 1),
		"an array":         "[" + good + "]",
		"a million spaces": good + strings.Repeat(" ", 1<<20),
	} {
		if bad == good {
			t.Fatalf("%s: nothing is changed", name)
		}
		if got, err := signer.ParsePending([]byte(bad)); err == nil || got != nil {
			t.Errorf("%s: ParsePending = %v, %v, want an error", name, got, err)
		}
	}
}

func FuzzPending(f *testing.F) {
	p := newPending(f)
	text, err := p.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	p.Timestamps = nil
	if text, err = p.Marshal(); err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"signedAttributes":"","signature":"","certificate":""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := signer.ParsePending(text)
		if err != nil {
			return
		}
		if err := p.Check(); err != nil {
			t.Errorf("what was read is not of one piece: %v", err)
		}
		if again, err := p.Marshal(); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q is written as %q, %v", text, again, err)
		}
	})
}

// TestPendingOfIsWhatSignSaid: what is read from the signature is what was said
// of it when it was made.
func TestPendingOfIsWhatSignSaid(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	signed := func(cfg signer.Config) *signer.Signature {
		t.Helper()
		sig, err := sign(t, cfg, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	for name, stamp := range map[string]error{"stamped": nil, "not stamped": errGone{}} {
		sig := signed(deferring(t, a, signer.DeferAlways, nil, stamp))
		if got, err := signer.PendingOf(sig.Armored); err != nil || got.Check() != nil || !samePending(got, sig.Pending) {
			t.Errorf("%s: PendingOf = %v, %v, want %v", name, got, err, sig.Pending)
		}
	}
	deferred := signed(deferring(t, a, signer.DeferAlways, nil, nil)).Armored
	for name, armored := range map[string][]byte{
		"one with its entry":  signed(config(t, a)).Armored,
		"text before it":      append([]byte("x\n"), deferred...),
		"no signature":        []byte("x"),
		"half of a signature": deferred[:len(deferred)/2],
	} {
		if p, err := signer.PendingOf(armored); err == nil {
			t.Errorf("PendingOf(%s) = %v, want an error", name, p)
		}
	}
}

func samePending(p, q *signer.Pending) bool {
	a, aerr := p.Marshal()
	b, berr := q.Marshal()
	return aerr == nil && berr == nil && bytes.Equal(a, b)
}

package strictjson

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// readAll reads all of a text with read.
func readAll(r *Reader, read func() error) error {
	if err := read(); err != nil {
		return err
	}
	return r.End()
}

// example reads an object with a required member of each kind, and an optional
// one.
func example(r *Reader) func() error {
	var s string
	var b []byte
	var n int64
	return func() error {
		return r.Object(
			Required("b64", r.Base64(&b, 3)),
			Required("hex", r.Hex(&b, 2)),
			Required("list", func() error { return r.Array(2, func(int) error { return r.Number(&n, 8)() }) }),
			Optional("maybe", r.OrNull(r.QuotedNumber(&n, 63))),
			Required("text", r.String(&s, 4)),
		)
	}
}

const good = `{"b64":"AAEC","hex":"00ff","list":[0,255],"maybe":"7","text":"a\"b\n"}`

func TestObject(t *testing.T) {
	for _, in := range []string{
		good,
		strings.Replace(good, `"maybe":"7",`, ``, 1),
		strings.Replace(good, `"7"`, `null`, 1),
		strings.Replace(good, `"AAEC"`, `""`, 1),
		strings.Replace(good, `[0,255]`, `[]`, 1),
	} {
		for _, canonical := range []bool{false, true} {
			r := &Reader{Text: []byte(in), Canonical: canonical}
			if err := readAll(r, example(r)); err != nil {
				t.Errorf("%s, canonical %v: %v", in, canonical, err)
			}
		}
	}
}

// TestCanonicalIsStricter has what is refused in a canonical text only.
func TestCanonicalIsStricter(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"space before", `{"b64"`, ` {"b64"`, "an object is expected"},
		{"space within", `"b64":`, "\"b64\":\t", "a string is expected"},
		{"space after", `}`, "}\r\n", "the end is expected"},
		{"order", `"b64":"AAEC","hex":"00ff"`, `"hex":"00ff","b64":"AAEC"`, `no member "b64"`},
		{"order of one that is optional", `"maybe":"7","text":"a\"b\n"`, `"text":"a\"b\n","maybe":"7"`, "member out of order"},
		{"escape of a letter", `"a\"`, `"\u0061\"`, "an escape that need not be"},
		{"long escape", `\n`, `\u000a`, "an escape that need not be"},
		{"escaped slash", `a\"b`, `a\/b`, "an escape that need not be"},
		{"escape in a name", `"b64"`, `"b\u00364"`, "an escape that need not be"},
	} {
		in := []byte(strings.Replace(good, tt.old, tt.new, 1))
		r := &Reader{Text: in}
		if err := readAll(r, example(r)); err != nil {
			t.Errorf("%s: %v in any form", tt.name, err)
		}
		r = &Reader{Text: in, Canonical: true}
		if err := readAll(r, example(r)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: canonical: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

func TestObjectRefuses(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"unknown member", `{`, `{"x":1,`, `"x": unknown member`},
		{"name in another case", `"hex"`, `"Hex"`, `"Hex": unknown member`},
		{"long unknown name", `{`, `{"` + strings.Repeat("x", 1<<10) + `":1,`, `"` + strings.Repeat("x", 100) + `": unknown member`},
		{"duplicate member", `{`, `{"hex":"00ff",`, `"hex": duplicate member`},
		{"duplicate by escape", `{`, `{"\u0068ex":"00ff",`, `"hex": duplicate member`},
		{"missing member", `"hex":"00ff",`, ``, `no member "hex"`},
		{"null", `"00ff"`, `null`, `byte 20: 'n' where a string is expected`},
		{"no colon", `"hex":`, `"hex"`, `"hex": byte 19: '"' where a colon is expected`},
		{"no comma", `,"hex"`, `"hex"`, "a comma or } is expected"},
		{"comma at the end", `\n"}`, `\n",}`, "a string is expected"},
		{"no comma in a list", `0,255`, `0 255`, "a comma or ] is expected"},
		{"comma at the end of a list", `255]`, `255,]`, `"list": more than 2 elements`},
		{"comma at the end of a short list", `0,255]`, `0,]`, "element 1: byte 37: ']' where a non-negative integer is expected"},
		{"long list", `0,255`, `0,0,0`, "more than 2 elements"},
		{"object for a list", `[0,255]`, `{}`, "an array is expected"},
		{"list for an object", good, `[]`, "an object is expected"},
		{"number too large", `255`, `256`, `"256" is not an integer below 2^8`},
		{"leading zero", `255`, `05`, "is not an integer"},
		{"negative", `255`, `-5`, "a non-negative integer is expected"},
		{"fraction", `255`, `5.0`, "a comma or ] is expected"},
		{"exponent", `255`, `5e0`, "a comma or ] is expected"},
		{"quoted number of 64 bits", `"7"`, `"9223372036854775808"`, "is not an integer below 2^63"},
		{"quoted negative number", `"7"`, `"-7"`, "is not an integer"},
		{"number for one that is quoted", `"7"`, `7`, "a string is expected"},
		{"long string", `"a\"b\n"`, `"abcde"`, "longer than 4 bytes"},
		{"long base64", `AAEC`, `AAECAAEC`, "longer than 3 bytes"},
		{"base64 without padding", `AAEC`, `AAE`, "not canonical base64"},
		{"base64 with spare bits", `AAEC`, `AAF=`, "not canonical base64"},
		{"base64 of the URL alphabet", `AAEC`, `-_-_`, "not canonical base64"},
		{"base64 with a line break", `AAEC`, `AA\n=`, "not canonical base64"},
		{"short hexadecimal", `00ff`, `00`, "not 2 bytes in lower-case hexadecimal"},
		{"hexadecimal in capitals", `00ff`, `00FF`, "not 2 bytes in lower-case hexadecimal"},
		{"no hexadecimal", `00ff`, `00fg`, "not 2 bytes in lower-case hexadecimal"},
		{"not UTF-8", `a\"b\n`, "\xff", "not UTF-8"},
		{"not UTF-8 beside an escape", `a\"b\n`, "\\n\xff", "not UTF-8"},
		{"control character", `a\"b\n`, "\n", "a character of a string is expected"},
		{"unknown escape", `\n`, `\x`, "unknown escape sequence"},
		{"short escape", `\n`, `\u00`, "four hexadecimal digits"},
		{"half a surrogate pair", `a\"b\n`, `\ud83d`, "half a surrogate pair"},
		{"second half alone", `a\"b\n`, `\udc4d`, "half a surrogate pair"},
		{"two first halves", `a\"b\n`, `\ud83d\ud83d`, "half a surrogate pair"},
		{"byte order mark", `{`, "\ufeff{", "an object is expected"},
		{"zero byte", `"}`, "\"\x00}", "a comma or } is expected"},
		{"zero byte after it", `"}`, "\"}\x00", "the end is expected"},
		{"something after it", `"}`, `"}{}`, "the end is expected"},
		{"end in an escape", `\n"}`, `\`, "string without end"},
		{"end in a string", `"}`, ``, "string without end"},
		{"end", `}`, ``, "the text ends where a comma or } is expected"},
	} {
		in := strings.Replace(good, tt.old, tt.new, 1)
		if in == good {
			t.Fatalf("%s: nothing changed", tt.name)
		}
		r := &Reader{Text: []byte(in)}
		if err := readAll(r, example(r)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
	for n := range len(good) {
		r := &Reader{Text: []byte(good[:n])}
		if err := readAll(r, example(r)); err == nil {
			t.Errorf("first %d bytes accepted", n)
		}
	}
}

func TestOpenReadsWhatIsNotKnown(t *testing.T) {
	const in = `{"n":1,"other":{"n":[2.5e3,null]},"n2":"\ud83d"}`
	for _, tt := range []struct {
		in    string
		limit int
		want  string // "": good
	}{
		{in, 3, ""},
		{in, 2, `"n2": more than 2 members`},
		{strings.Replace(in, `"n2"`, `"other"`, 1), 3, `"other": duplicate member`},
		{strings.Replace(in, `"n2"`, `"n"`, 1), 3, `"n": duplicate member`},
		{strings.Replace(in, `"n2"`, `"\u006e"`, 1), 3, `"n": duplicate member`},
		{strings.Replace(in, `"n"`, `"m"`, 1), 3, `no member "n"`},
		{strings.Replace(in, `]}`, `}]`, 1), 3, "not a JSON value"},
		{strings.Replace(in, `:{`, `{`, 1), 3, `"other": byte 14: '{' where a colon is expected`},
	} {
		var n int64
		values := make(map[string]string)
		r := &Reader{Text: []byte(tt.in)}
		err := readAll(r, func() error {
			return r.Open(tt.limit, func(name string) error {
				value, err := r.Value()
				values[name] = string(value)
				return err
			}, Required("n", r.Number(&n, 63)))
		})
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want an error with %q", tt.in, err, tt.want)
			}
			continue
		}
		want := map[string]string{"other": `{"n":[2.5e3,null]}`, "n2": `"\ud83d"`}
		if err != nil || n != 1 || !maps.Equal(values, want) {
			t.Errorf("%s: %d, %q, %v; want 1, %q", tt.in, n, values, err, want)
		}
	}
}

func TestErrorsAreInTheWordsOfTheCaller(t *testing.T) {
	new := func(text string) *Reader {
		return &Reader{
			Text: []byte(text), Name: "file",
			AtMember:  func(name string, err error) error { return fmt.Errorf("<%s> %w", name, err) },
			AtElement: func(i int, err error) error { return fmt.Errorf("<%d> %w", i, err) },
		}
	}
	read := func(r *Reader) error {
		return readAll(r, func() error {
			return r.Object(Required("a", func() error { return r.Array(1, func(int) error { return r.Object() }) }))
		})
	}
	for _, tt := range []struct {
		in, words string
		is        error // nil: none of the three
	}{
		{`{"a":[{"b":1}]}`, "<a> <0> <b> unknown member", ErrUnknown},
		{`{"a":[],"a":[]}`, "<a> duplicate member", ErrDuplicate},
		{`{}`, "<a> no member", ErrMissing},
		{`{"a"`, "<a> the file ends where a colon is expected", nil},
		{`{"a":[]}]`, "byte 8: ']' where the end of the file is expected", nil},
	} {
		err := read(new(tt.in))
		if err == nil || err.Error() != tt.words || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: error %v, want %s", tt.in, err, tt.words)
		}
	}
}

func TestValueOfACanonicalTextPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic, though nothing says that the value is canonical")
		}
	}()
	_, _ = (&Reader{Text: []byte(`{ }`), Canonical: true}).Value()
}

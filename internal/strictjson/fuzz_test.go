package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzString checks strings against encoding/json.
func FuzzString(f *testing.F) {
	for _, s := range []string{`""`, `"a"`, `"\u00e9\ud83d\udc4d\"\\\/\b\f\n\r\t"`, `"\ud83d"`, "\"\u00e9\"", `"\u12"`, `"\uABcd\u00E9"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var got string
		r := &Reader{Text: in}
		if err := readAll(r, r.String(&got, len(in))); err != nil {
			return
		}
		var want string
		if err := json.Unmarshal(in, &want); err != nil || got != want {
			t.Errorf("%q read as %q, encoding/json reads %q, %v", in, got, want, err)
		}
	})
}

// FuzzValue checks that a value is what encoding/json takes for one, in UTF-8,
// to its last byte.
func FuzzValue(f *testing.F) {
	for _, s := range []string{good, `[1,{"a":"]}\""},-0.5e-7]`, `true`, ` null `, `{}x`, `{}"`, `"a" 1`, `]`, `[}`, `"\`, `""`, "\"\xff\"", strings.Repeat("[", 20000)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := &Reader{Text: in}
		value, err := r.Value()
		if got, want := err == nil && r.AtEnd(), json.Valid(in) && utf8.Valid(in); got != want {
			t.Errorf("%q: taken %v (%v), want %v", in, got, err, want)
		}
		if err == nil && (!json.Valid(value) || len(bytes.TrimSpace(value)) != len(value)) {
			t.Errorf("%q: value %q", in, value)
		}
	})
}

// any reads a value as encoding/json would decode it.
func (r *Reader) any() (any, error) {
	switch r.Next() {
	case '{':
		object := make(map[string]any)
		err := r.Open(100, func(name string) (err error) {
			object[name], err = r.any()
			return err
		})
		return object, err
	case '[':
		list := []any{}
		err := r.Array(100, func(int) error {
			element, err := r.any()
			list = append(list, element)
			return err
		})
		return list, err
	case '"':
		var s string
		err := r.String(&s, 1000)()
		return s, err
	}
	if r.Null() {
		return nil, nil
	}
	var n int64
	err := r.Number(&n, 63)()
	return json.Number(fmt.Sprint(n)), err
}

// tokens returns how many tokens encoding/json finds in the text of v: more,
// if a member of it occurred twice.
func tokens(v any) int {
	n := 2
	switch v := v.(type) {
	case map[string]any:
		for _, value := range v {
			n += 1 + tokens(value)
		}
	case []any:
		for _, element := range v {
			n += tokens(element)
		}
	default:
		n = 1
	}
	return n
}

// FuzzReader checks what is read, as objects, lists, strings and numbers,
// against encoding/json; and that no name occurs twice.
func FuzzReader(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(` [ {} , { "a" : [ null , 12 , "\u00e9\ud83d\udc4d" ] } ] `))
	f.Add([]byte(`{"a":1,"\u0061":2}`))
	f.Add([]byte(`[01]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := &Reader{Text: in}
		got, err := r.any()
		if err != nil || r.End() != nil {
			return
		}
		var want any
		dec := json.NewDecoder(bytes.NewReader(in))
		dec.UseNumber()
		if err := dec.Decode(&want); err != nil || !json.Valid(in) || !reflect.DeepEqual(got, want) {
			t.Errorf("%q read as %v, encoding/json reads %v, %v", in, got, want, err)
		}
		n := 0
		for dec = json.NewDecoder(bytes.NewReader(in)); ; n++ {
			if _, err := dec.Token(); err != nil {
				break
			}
		}
		if n != tokens(got) {
			t.Errorf("%q read as %v, of %d tokens, want %d", in, got, tokens(got), n)
		}
	})
}

// FuzzCanonical reads the objects that encoding/json reads, and checks that
// what is taken for canonical is what it is when it is written again.
func FuzzCanonical(f *testing.F) {
	f.Add([]byte(`{"a":"\n\u0001\"\\/é","b":[1,{}],"c":null}`))
	f.Add([]byte(`{"a":1, "b":2}`))
	f.Add([]byte(`{"b":1,"a":2}`))
	f.Add([]byte(`{"a":"\u00e9"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var v any
		dec := json.NewDecoder(bytes.NewReader(in))
		dec.UseNumber()
		if dec.Decode(&v) != nil {
			return
		}
		r := &Reader{Text: in, Canonical: true}
		written, err := r.as(v)
		if err == nil && r.End() == nil && !bytes.Equal(written, in) {
			t.Errorf("%q is taken for canonical, which is %q", in, written)
		}
	})
}

// as reads a canonical value whose objects have the members of v, and returns
// v in that form.
func (r *Reader) as(v any) (b []byte, err error) {
	switch v := v.(type) {
	case map[string]any:
		var list []Member
		parts := make([][]byte, len(v))
		names := slices.Sorted(maps.Keys(v))
		if len(names) > 32 {
			return nil, errors.New("more members than an object has")
		}
		for i, name := range names {
			list = append(list, Required(name, func() error {
				value, err := r.as(v[name])
				parts[i] = append(append(AppendString(nil, name), ':'), value...)
				return err
			}))
		}
		err = r.Object(list...)
		return fmt.Appendf(nil, "{%s}", bytes.Join(parts, []byte(","))), err
	case []any:
		var parts [][]byte
		err = r.Array(len(v), func(i int) error {
			value, err := r.as(v[i])
			parts = append(parts, value)
			return err
		})
		return fmt.Appendf(nil, "[%s]", bytes.Join(parts, []byte(","))), err
	case string:
		err = r.String(&v, len(v))()
		return AppendString(nil, v), err
	case nil:
		if !r.Null() {
			err = r.expected("null")
		}
		return []byte("null"), err
	}
	var n int64
	err = r.Number(&n, 63)()
	return fmt.Append(nil, n), err
}

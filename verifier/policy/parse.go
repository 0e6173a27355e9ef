package policy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxSize bounds the file that Parse reads: several thousand identities.
const maxSize = 1 << 20

// Parse parses a policy file. An error is of the form "reading policy NAME:
// line N: cause"; name is used for nothing else. For errors that concern a
// whole table, such as a missing issuer, the line is that of its header.
//
// The file is read with TOML's own parser, an expression at a time, and not
// decoded into structs: each identity has to know where its text is, and a
// short-lived process should not pay for reflection.
func Parse(name string, data []byte) (*Policy, error) {
	p, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading policy %s: %w", name, err)
	}
	return p, nil
}

// A table is what the lines between one [table] and the next are read into.
type table interface {
	// set takes a key and its value.
	set(key string, value *unstable.Node) error
	// finish takes the whole into the policy, after the last key.
	finish(ps *parser) error
}

// A parser builds a policy, one TOML expression after the other.
type parser struct {
	toml   unstable.Parser
	data   []byte
	policy *Policy

	entries  map[string]*entry // by name
	grants   map[grant]*entry
	rules    map[string]*rule // by name
	baseline int              // its line; 0: there is none yet
	current  table            // whose keys are being read
	seen     []string         // the keys of the current table
	end      int              // where the text of the last key and value ended

	line, lineAt int // the line of the current table, and its offset
}

// A placedError is an error that knows its place better than its caller.
type placedError struct {
	offset int
	err    error
}

func (e *placedError) Error() string { return e.err.Error() }
func (e *placedError) Unwrap() error { return e.err }

// parse is Parse without the prefix of its errors.
func parse(data []byte) (*Policy, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("line 1: more than %d bytes", maxSize)
	}
	ps := &parser{
		data:    data[:len(data):len(data)],
		policy:  &Policy{digest: sha256.Sum256(data)},
		entries: make(map[string]*entry),
		grants:  make(map[grant]*entry),
		rules:   make(map[string]*rule),
		line:    1,
	}
	ps.current = &top{ps: ps}
	ps.toml.Reset(ps.data)
	for ps.toml.NextExpression() {
		if err := ps.expression(ps.toml.Expression()); err != nil {
			return nil, err
		}
	}
	if err := ps.toml.Error(); err != nil {
		offset := ps.end
		var perr *unstable.ParserError
		if errors.As(err, &perr) {
			offset = int(ps.toml.Range(perr.Highlight).Offset)
		}
		if ps.unquoted(offset) {
			err = fmt.Errorf("text without quotes: %w", err)
		}
		return nil, ps.errorAt(offset, "%w", err)
	}
	if err := ps.finish(); err != nil {
		return nil, err
	}
	if err := ps.resolve(); err != nil {
		return nil, err
	}
	return ps.policy, nil
}

// unquoted reports whether a letter begins the value at an offset, which TOML
// has for true and false alone: a mistake that its parser does not explain.
func (ps *parser) unquoted(offset int) bool {
	before, at := bytes.TrimRight(ps.data[:offset], " \t"), ps.data[offset:]
	return bytes.HasSuffix(before, []byte("=")) && len(at) > 0 && (at[0]|0x20) >= 'a' && (at[0]|0x20) <= 'z'
}

// errorAt returns an error with the line of an offset.
func (ps *parser) errorAt(offset int, format string, args ...any) error {
	line := 1 + bytes.Count(ps.data[:offset], []byte("\n"))
	return fmt.Errorf("line %d: %w", line, fmt.Errorf(format, args...))
}

// expression takes a [table] or a key and its value.
func (ps *parser) expression(n *unstable.Node) error {
	path, offset := keyOf(n)
	if n.Kind != unstable.KeyValue {
		if err := ps.finish(); err != nil {
			return err
		}
		ps.seen = ps.seen[:0]
		return ps.table(n.Kind, path, offset)
	}

	ps.end = int(n.Raw.Offset + n.Raw.Length)
	k := quoteKey(path...)
	if slices.Contains(ps.seen, k) {
		return ps.errorAt(offset, "second %s", k)
	}
	ps.seen = append(ps.seen, k)
	if err := ps.current.set(k, n.Value()); err != nil {
		if placed := (*placedError)(nil); errors.As(err, &placed) {
			offset = placed.offset
		}
		return ps.errorAt(offset, "%w", err)
	}
	return nil
}

// table begins a table.
func (ps *parser) table(kind unstable.Kind, path []string, offset int) error {
	header := "[" + quoteKey(path...) + "]"
	if kind == unstable.ArrayTable {
		header = "[" + header + "]"
	}
	ps.line += bytes.Count(ps.data[ps.lineAt:offset], []byte("\n"))
	ps.lineAt = offset
	switch {
	case kind == unstable.Table && len(path) == 2 && path[0] == "identity":
		return ps.identity(path[1], offset)
	case header == "[[rule]]":
		ps.current = &rule{Rule: Rule{Line: ps.line}, number: len(ps.policy.rules)}
	case header == "[[exempt]]":
		ps.current = &exempt{Exempt: Exempt{Line: ps.line}}
	case header == "[baseline]":
		if ps.baseline > 0 {
			return ps.errorAt(offset, "second [baseline], after line %d", ps.baseline)
		}
		ps.baseline = ps.line
		ps.current = &ps.policy.baseline
	default:
		return ps.errorAt(offset, "unknown table %s: this version of gitseal knows [identity.NAME], [[rule]], [baseline] and [[exempt]]%s",
			header, didYouMean(nearestTable(path)))
	}
	return nil
}

// identity begins an identity.
func (ps *parser) identity(name string, offset int) error {
	if err := checkName(name); err != nil {
		return ps.errorAt(offset, "%w", err)
	}
	if first := ps.entries[name]; first != nil {
		return ps.errorAt(offset, "second [%s], after line %d", first.header(), first.Line)
	}
	e := &entry{
		Entry: Entry{Name: name, Line: ps.line},
		start: blockStart(ps.data, ps.end, offset),
	}
	ps.current, ps.entries[name] = e, e
	return nil
}

// finish ends the table that was being read.
func (ps *parser) finish() error {
	if err := ps.current.finish(ps); err != nil {
		return fmt.Errorf("line %d: %w", ps.line, err)
	}
	return nil
}

// resolve makes of the tables what only all of them together tell.
func (ps *parser) resolve() error {
	p := ps.policy
	p.byName = ps.entries
	p.signers = newSignerIndex(p.entries)
	if slices.ContainsFunc(p.rules, func(r *rule) bool { return r.Threshold > 0 }) {
		setPersons(p.entries)
	}
	for _, r := range p.rules {
		if err := r.resolve(ps); err != nil {
			return err
		}
		p.refs.add(r)
	}
	return nil
}

// nearestName returns the name of the identity that another name is most
// likely meant to be, in quotes, or "".
func (ps *parser) nearestName(name string) string {
	var known []string
	for _, e := range ps.policy.entries {
		known = append(known, e.Name)
	}
	if near := nearest(name, known); near != "" {
		return quote(near)
	}
	return ""
}

// A top is what stands before the first table.
type top struct {
	ps      *parser
	version bool
}

func (t *top) set(key string, value *unstable.Node) error {
	p := t.ps.policy
	switch key {
	case "version":
		if value.Kind != unstable.Integer || string(value.Data) != "1" {
			return errors.New("version is not 1, the only one that this version of gitseal knows")
		}
		t.version = true
	case "key-time":
		s, err := readString(key, value)
		if err != nil {
			return err
		}
		if s != "claimed" && s != "now" {
			return fmt.Errorf("key-time %q is neither now nor claimed", s)
		}
		p.claimed = s == "claimed"
	case "accept-weak":
		weak, err := readStrings(key, value, oneOrMore, weakName)
		if err != nil {
			return err
		}
		p.weak = weak
	default:
		return unknownKey(key, "outside its tables ", "version", "key-time", "accept-weak")
	}
	return nil
}

func (t *top) finish(*parser) error {
	if !t.version {
		return errors.New("missing version = 1")
	}
	return nil
}

// weakName takes the name of an algorithm. Formats choose their names; see
// Lint for those that are known.
func weakName(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return notBare(r) || r >= 'A' && r <= 'Z' }) {
		return "", fmt.Errorf("accept-weak %q is not the name of an algorithm, such as sha1", s)
	}
	return s, nil
}

package policy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"

	"gitseal/verifier"
)

// maxSize bounds the file that Parse reads: several thousand identities.
const maxSize = 1 << 20

// Parse parses a policy file. An error is of the form "reading policy NAME:
// line N: cause"; name is used for nothing else. For errors that concern a
// whole identity, such as a missing issuer, the line is that of its
// [identity.NAME].
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

// An entry is an Entry with what is known of it beyond the words.
type entry struct {
	Entry
	pattern verifier.Pattern // of SubjectPattern
	// The entry's lines are data[start:end], with the comments that touch them.
	start, end int
}

// matches reports whether the entry is for a subject, if the issuer agrees.
func (e *entry) matches(subject string) bool {
	if e.SubjectPattern != "" {
		return e.pattern.Match(subject)
	}
	return e.Subject == subject
}

// A grant is what an entry allows. No two entries of a policy have the same.
type grant struct {
	subject, subjectPattern, issuer string
	window                          Window
}

// header returns what stands between the brackets of the entry's first line.
func (e *entry) header() string { return quoteKey("identity", e.Name) }

func (e *entry) grant() grant {
	return grant{e.Subject, e.SubjectPattern, e.Issuer, e.Window}
}

// check reports what is wrong with an entry, and makes its pattern.
func (e *entry) check() (err error) {
	switch {
	case e.Subject == "" && e.SubjectPattern == "":
		return errors.New("missing subject or subject-pattern")
	case e.Subject != "" && e.SubjectPattern != "":
		return errors.New("both subject and subject-pattern")
	case e.Issuer == "":
		return errors.New("missing issuer")
	}
	if err := e.Window.check(); err != nil {
		return err
	}
	for _, w := range e.Compromised {
		if w == (Window{}) {
			return errors.New("compromised has neither from nor until")
		}
		if err := w.check(); err != nil {
			return fmt.Errorf("compromised: %w", err)
		}
	}
	if e.SubjectPattern != "" {
		if e.pattern, err = verifier.ParsePattern(e.SubjectPattern); err != nil {
			return fmt.Errorf("subject-pattern: %w", err)
		}
	}
	return nil
}

// check reports whether no time is in the window, or a bound cannot be written.
func (w Window) check() error {
	for _, t := range []time.Time{w.From, w.Until} {
		if year := t.UTC().Year(); year < 0 || year > 9999 {
			return fmt.Errorf("the year %d is not of four digits", year)
		}
	}
	if !w.From.IsZero() && !w.Until.IsZero() && !w.Until.After(w.From) {
		return fmt.Errorf("until %s is not after from %s", formatTime(w.Until), formatTime(w.From))
	}
	return nil
}

// checkName reports whether an entry cannot be called name. Names are shown
// to people, on terminals too.
func checkName(name string) error {
	if name == "" {
		return errors.New("the name of an identity is empty")
	}
	unprintable := func(r rune) bool { return !strconv.IsPrint(r) }
	if strings.ContainsFunc(name, unprintable) || !utf8.ValidString(name) {
		return fmt.Errorf("the name %q has a character that cannot be shown", name)
	}
	return nil
}

// A parser builds a policy, one TOML expression after the other.
type parser struct {
	toml   unstable.Parser
	data   []byte
	policy *Policy

	names   map[string]*entry
	grants  map[grant]*entry
	current *entry   // the identity whose keys are being read; nil before the first
	seen    []string // the keys of the current table
	end     int      // where the text of the last key and value ended

	line, lineAt int // the line of the current identity, and its offset
}

// parse is Parse without the prefix of its errors.
func parse(data []byte) (*Policy, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("line 1: more than %d bytes", maxSize)
	}
	ps := &parser{
		data: data[:len(data):len(data)],
		policy: &Policy{
			digest:   sha256.Sum256(data),
			exact:    make(map[verifier.Identity][]*entry),
			patterns: make(map[string][]*entry),
		},
		names:  make(map[string]*entry),
		grants: make(map[grant]*entry),
		line:   1,
	}
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
	set := setTop
	if ps.current != nil {
		set = ps.current.set
	}
	if err := set(k, n.Value()); err != nil {
		return ps.errorAt(offset, "%w", err)
	}
	return nil
}

// setTop takes a key that stands before the first table.
func setTop(key string, value *unstable.Node) error {
	if key != "version" {
		return fmt.Errorf("unknown key %s: outside the identities this version of gitseal knows only version", key)
	}
	if value.Kind != unstable.Integer || string(value.Data) != "1" {
		return errors.New("version is not 1, the only one that this version of gitseal knows")
	}
	return nil
}

// table begins an identity.
func (ps *parser) table(kind unstable.Kind, path []string, offset int) error {
	if kind != unstable.Table || len(path) != 2 || path[0] != "identity" {
		header := "[" + quoteKey(path...) + "]"
		if kind == unstable.ArrayTable {
			header = "[" + header + "]"
		}
		return ps.errorAt(offset, "unknown table %s: this version of gitseal knows only [identity.NAME]", header)
	}
	name := path[1]
	if err := checkName(name); err != nil {
		return ps.errorAt(offset, "%w", err)
	}
	if first := ps.names[name]; first != nil {
		return ps.errorAt(offset, "second [%s], after line %d", first.header(), first.Line)
	}
	ps.line += bytes.Count(ps.data[ps.lineAt:offset], []byte("\n"))
	ps.lineAt = offset
	ps.current = &entry{
		Entry: Entry{Name: name, Line: ps.line},
		start: blockStart(ps.data, ps.end, offset),
	}
	ps.names[name] = ps.current
	return nil
}

// finish ends the table that was being read.
func (ps *parser) finish() error {
	e := ps.current
	if e == nil {
		if len(ps.seen) == 0 {
			return errors.New("line 1: missing version = 1")
		}
		return nil
	}
	if err := e.check(); err != nil {
		return fmt.Errorf("line %d: %w", e.Line, err)
	}
	if first := ps.grants[e.grant()]; first != nil {
		return fmt.Errorf("line %d: the same subject, issuer and window as [%s] in line %d", e.Line, first.header(), first.Line)
	}
	ps.grants[e.grant()] = e
	e.end = blockEnd(ps.data, ps.end)

	p := ps.policy
	p.entries = append(p.entries, e)
	if e.SubjectPattern != "" {
		p.patterns[e.Issuer] = append(p.patterns[e.Issuer], e)
	} else {
		id := verifier.Identity{Issuer: e.Issuer, Subject: e.Subject}
		p.exact[id] = append(p.exact[id], e)
	}
	return nil
}

// set takes a key of an identity.
func (e *entry) set(key string, value *unstable.Node) (err error) {
	switch key {
	case "subject":
		e.Subject, err = readString(key, value)
	case "subject-pattern":
		e.SubjectPattern, err = readString(key, value)
	case "issuer":
		e.Issuer, err = readString(key, value)
	case "from":
		e.Window.From, err = readTime(key, value)
	case "until":
		e.Window.Until, err = readTime(key, value)
	case "compromised":
		e.Compromised, err = readWindows(key, value)
	default:
		err = fmt.Errorf("unknown key %s: of an identity this version of gitseal knows "+
			"subject, subject-pattern, issuer, from, until and compromised", key)
	}
	return err
}

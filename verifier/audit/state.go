package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gitseal/gitutil"
	"gitseal/internal/strictjson"
	"gitseal/verifier/report"
)

// A State is what the refs of a repository held at an audit. Held against the
// next one it shows what a history by itself cannot: that tags were moved or
// deleted, and branches rewound.
//
// Git keeps no such record that others could not rewrite, so whoever wants it
// keeps the state where only the audit writes.
type State struct {
	refs    map[string]string // by full name; nil: nothing is recorded yet
	now     []gitutil.Ref
	changed bool // something was found that should not be, or could not be told
}

// stateSchema names the form of the state's JSON.
const stateSchema = "gitseal.audit-state/1"

type stateJSON struct {
	Schema string            `json:"schema"`
	Refs   map[string]string `json:"refs"`
}

// maxState bounds the state that is read: that of a million refs.
const maxState = 256 << 20

// ParseState reads what Marshal returned. No data is the state before the
// first audit.
func ParseState(data []byte) (*State, error) {
	s := new(State)
	if len(data) == 0 {
		return s, nil
	}
	fail := func(err error) (*State, error) {
		return nil, fmt.Errorf("reading the state of the last audit: %w", err)
	}
	if len(data) > maxState {
		return fail(fmt.Errorf("it is larger than %d bytes", maxState))
	}
	var schema string
	r := &strictjson.Reader{Text: data, Name: "state"}
	err := r.Object(
		strictjson.Required("schema", func() error {
			err := r.String(&schema, len(stateSchema))()
			if err == nil && schema != stateSchema {
				err = fmt.Errorf("it is %q, not %s", schema, stateSchema)
			}
			return err
		}),
		strictjson.Required("refs", func() error {
			s.refs = make(map[string]string)
			return r.Members(func(name string) error { return s.readRef(r, name) })
		}))
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return fail(err)
	}
	return s, nil
}

// readRef reads what a ref held.
func (s *State) readRef(r *strictjson.Reader, name string) error {
	var oid string
	if err := r.String(&oid, 64)(); err != nil {
		return err
	}
	ref, ok := unescapeRef(name)
	if !ok || !strings.HasPrefix(ref, "refs/") || !isOID(oid) {
		return fmt.Errorf("%.100q is no ref, or its value no object id", name)
	}
	if _, ok := s.refs[ref]; ok {
		return strictjson.ErrDuplicate
	}
	s.refs[ref] = oid
	return nil
}

// escapeRef returns the name of a ref as text: bytes that are none are written
// as \xNN. No ref has a backslash in its name.
func escapeRef(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		r, size := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, name[0])
		} else {
			b.WriteString(name[:size])
		}
		name = name[size:]
	}
	return b.String()
}

// unescapeRef returns the name that escapeRef wrote, if it did.
func unescapeRef(text string) (name string, ok bool) {
	parts := strings.Split(text, `\x`)
	for i, part := range parts[1:] {
		if len(part) < 2 {
			return "", false
		}
		c, err := strconv.ParseUint(part[:2], 16, 8)
		if err != nil {
			return "", false
		}
		parts[i+1] = string([]byte{byte(c)}) + part[2:]
	}
	name = strings.Join(parts, "")
	return name, escapeRef(name) == text
}

func isOID(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// Marshal returns what the refs held at the beginning of the audit that s was
// given to, as JSON.
func (s *State) Marshal() ([]byte, error) {
	doc := stateJSON{stateSchema, make(map[string]string)}
	for _, ref := range s.now {
		if ref.OID != "" {
			doc.Refs[escapeRef(ref.Name)] = ref.OID
		}
	}
	out, err := json.MarshalIndent(doc, "", "  ")
	return append(out, '\n'), err
}

// Changed reports whether the audit found that refs were changed that should
// not be, or could not tell. Then what was recorded before is evidence, and to
// be kept until somebody has looked at it.
func (s *State) Changed() bool { return s.changed }

// isRecorded reports whether a ref is among those that a state is of. Notes,
// the stash and the like are changed as a matter of course.
func isRecorded(name string) bool {
	return strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/") || strings.HasPrefix(name, "refs/remotes/")
}

// record takes the refs as they are.
func (s *State) record(refs []gitutil.Ref) {
	s.now = nil
	for _, ref := range refs {
		if isRecorded(ref.Name) {
			s.now = append(s.now, ref)
		}
	}
}

// compareState adds findings about refs that changed since the last audit.
func (c *collector) compareState(ctx context.Context) error {
	s := c.cfg.State
	if s == nil {
		return nil
	}
	now := make(map[string]string, len(s.now))
	for _, ref := range s.now {
		now[ref.Name] = ref.OID
	}
	names := make([]string, 0, len(s.refs))
	for name := range s.refs {
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(name string) bool { return now[name] == s.refs[name] })

	// Is what they held here still? Of another repository, it never was.
	var held []gitutil.Ref
	for _, name := range names {
		if before := s.refs[name]; len(before) == len(now[name]) {
			held = append(held, gitutil.Ref{Name: name, OID: before})
		}
	}
	if err := c.cfg.Repo.Types(ctx, held); err != nil {
		return err
	}
	here := make(map[string]bool, len(held))
	for _, ref := range held {
		here[ref.Name] = ref.Type != ""
	}
	for _, name := range names {
		if err := c.compareRef(ctx, name, s.refs[name], now[name], here[name]); err != nil {
			return err
		}
	}
	return nil
}

// compareRef judges a ref that holds another object than before, or none; here
// says that the one before can still be found.
func (c *collector) compareRef(ctx context.Context, name, before, now string, here bool) error {
	isTag := strings.HasPrefix(name, "refs/tags/")
	switch {
	case isTag && now == "":
		c.changed("tag-deleted", "tag", name, before, "it held %s at the last audit, and is gone", before)
		return nil
	case isTag:
		c.changed("tag-moved", "tag", name, now, "it held %s at the last audit, and holds %s", before, now)
		return nil
	case now == "":
		c.changed("ref-deleted", "commit", name, before, "it held %s at the last audit, and is gone", before)
		return nil
	case c.cfg.Policy != nil && c.cfg.Policy.Immutable(name):
		c.changed("ref-rewound", "commit", name, now, "it held %s at the last audit and holds %s, and the policy says that it stays", before, now)
		return nil
	case !here:
		c.changed("ref-rewound", "commit", name, now, "it held %s at the last audit, which is not here any more, and holds %s", before, now)
		return nil
	}
	ok, err := c.cfg.Repo.IsAncestor(ctx, before, now)
	switch {
	case ctx.Err() != nil || errors.Is(err, gitutil.ErrNoGit):
		return err
	case err != nil:
		c.cfg.State.changed = true // until it can be told
		c.incomplete("what became of "+name+" since the last audit", clip(err.Error()))
	case !ok:
		c.changed("ref-rewound", "commit", name, now, "it held %s at the last audit, which %s does not reach", before, now)
	}
	return nil
}

// changed adds the finding that a ref was changed. Where there are rules,
// branches that none is for come and go.
func (c *collector) changed(id, typ, name, oid, format string, args ...any) {
	severity := report.Error
	if p := c.cfg.Policy; typ != "tag" && p != nil && len(p.AllRules()) > 0 && c.rulesOf(name) == "" {
		severity = report.Note
	} else {
		c.cfg.State.changed = true
	}
	c.find(id, severity, report.Object{Type: typ, OID: oid}, nil, name+": "+fmt.Sprintf(format, args...))
}

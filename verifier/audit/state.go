package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitseal/gitutil"
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
	changed bool // something was found that should not be
}

// stateSchema names the form of the state's JSON.
const stateSchema = "gitseal.audit-state/1"

type stateJSON struct {
	Schema string            `json:"schema"`
	Refs   map[string]string `json:"refs"`
}

// ParseState reads what Marshal returned. No data is the state before the
// first audit.
func ParseState(data []byte) (*State, error) {
	s := new(State)
	if len(data) == 0 {
		return s, nil
	}
	var doc stateJSON
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("reading the state of the last audit: %w", err)
	}
	if d.More() || doc.Schema != stateSchema || doc.Refs == nil {
		return nil, fmt.Errorf("reading the state of the last audit: it is not a whole document of %s", stateSchema)
	}
	for name, oid := range doc.Refs {
		if !strings.HasPrefix(name, "refs/") || !isOID(oid) {
			return nil, fmt.Errorf("reading the state of the last audit: %q holding %q is no ref", name, oid)
		}
	}
	s.refs = doc.Refs
	return s, nil
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
			doc.Refs[ref.Name] = ref.OID
		}
	}
	out, err := json.MarshalIndent(doc, "", "  ")
	return append(out, '\n'), err
}

// Changed reports whether the audit found that refs were changed that should
// not be. Then what was recorded before is evidence, and to be kept until
// somebody has looked at it.
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
	for _, name := range names {
		if before := s.refs[name]; now[name] != before {
			if err := c.compareRef(ctx, name, before, now[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareRef judges a ref that holds another object than before, or none.
func (c *collector) compareRef(ctx context.Context, name, before, now string) error {
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
	}
	ok, err := c.cfg.Repo.IsAncestor(ctx, before, now)
	if err != nil && !errors.Is(err, gitutil.ErrMissing) {
		return err
	}
	if !ok {
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

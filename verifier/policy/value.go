package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// keyOf returns the parts of the key of a table or a value, and its offset.
func keyOf(n *unstable.Node) (path []string, offset int) {
	it := n.Key()
	for it.Next() {
		if path == nil {
			offset = int(it.Node().Raw.Offset)
		}
		path = append(path, string(it.Node().Data))
	}
	return path, offset
}

// readString reads a string that is not empty.
func readString(key string, n *unstable.Node) (string, error) {
	if n.Kind != unstable.String {
		return "", fmt.Errorf("%s is not a string", key)
	}
	if len(n.Data) == 0 {
		return "", fmt.Errorf("%s is empty", key)
	}
	return string(n.Data), nil
}

// readTime reads an RFC 3339 time, which TOML calls an offset date-time. A
// time without a zone would mean another instant on each machine.
func readTime(key string, n *unstable.Node) (time.Time, error) {
	t, ok := parseTime(string(n.Data))
	if n.Kind != unstable.DateTime || !ok {
		return time.Time{}, fmt.Errorf("%s is not a time with a zone, such as 2026-06-30T00:00:00Z", key)
	}
	if t.IsZero() {
		return time.Time{}, fmt.Errorf("%s is the zero time", key) // it would be as good as absent
	}
	return t, nil
}

// parseTime parses an RFC 3339 time as it is meant to be written. time.Parse
// also takes hours of one digit, and zones of a day or an hour of 60 minutes.
func parseTime(s string) (t time.Time, ok bool) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || !strings.HasPrefix(s, t.Format("2006-01-02T15:04:05")) || !strings.HasSuffix(s, t.Format("Z07:00")) {
		return time.Time{}, false
	}
	_, offset := t.Zone()
	return t.UTC(), (time.Duration(offset) * time.Second).Abs() < 24*time.Hour
}

// readWindows reads {from = TIME, until = TIME}, or an array of those.
func readWindows(key string, n *unstable.Node) ([]Window, error) {
	tables := []*unstable.Node{n}
	if n.Kind == unstable.Array {
		tables = nil
		for it := n.Children(); it.Next(); {
			tables = append(tables, it.Node())
		}
		if len(tables) == 0 {
			return nil, fmt.Errorf("%s is empty", key)
		}
	}
	var windows []Window
	for _, table := range tables {
		if table.Kind != unstable.InlineTable {
			return nil, fmt.Errorf("%s is not {from = TIME, until = TIME}, or an array of those", key)
		}
		w, err := readWindow(table)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		windows = append(windows, w)
	}
	return windows, nil
}

// readWindow reads {from = TIME, until = TIME}, of which one may be absent.
func readWindow(table *unstable.Node) (w Window, err error) {
	for it := table.Children(); it.Next(); {
		path, _ := keyOf(it.Node())
		var field *time.Time
		switch k := quoteKey(path...); k {
		case "from":
			field = &w.From
		case "until":
			field = &w.Until
		default:
			return Window{}, fmt.Errorf("unknown key %s: this version of gitseal knows from and until", k)
		}
		if !field.IsZero() {
			return Window{}, fmt.Errorf("second %s", path[0])
		}
		if *field, err = readTime(path[0], it.Node().Value()); err != nil {
			return Window{}, err
		}
	}
	return w, nil
}

// appendEntry appends the text of an entry that passed its checks. Its lines
// but the last end in eol.
func appendEntry(b []byte, e *entry, eol string) []byte {
	b = fmt.Appendf(b, "[%s]%s", e.header(), eol)
	if e.SubjectPattern != "" {
		b = fmt.Appendf(b, "subject-pattern = %s%s", quote(e.SubjectPattern), eol)
	} else {
		b = fmt.Appendf(b, "subject = %s%s", quote(e.Subject), eol)
	}
	b = fmt.Appendf(b, "issuer = %s", quote(e.Issuer))
	for _, field := range e.Window.fields() {
		b = append(b, eol+field...)
	}
	var compromised []string
	for _, w := range e.Compromised {
		compromised = append(compromised, "{"+strings.Join(w.fields(), ", ")+"}")
	}
	switch len(compromised) {
	case 0:
	case 1:
		b = append(b, eol+"compromised = "+compromised[0]...)
	default:
		b = append(b, eol+"compromised = ["+strings.Join(compromised, ", ")+"]"...)
	}
	return b
}

// fields returns the sides of the window that are not open, as TOML.
func (w Window) fields() []string {
	var fields []string
	if !w.From.IsZero() {
		fields = append(fields, "from = "+formatTime(w.From))
	}
	if !w.Until.IsZero() {
		fields = append(fields, "until = "+formatTime(w.Until))
	}
	return fields
}

// quoteKey returns a dotted key, each part bare if it can be.
func quoteKey(path ...string) string {
	quoted := make([]string, len(path))
	for i, part := range path {
		quoted[i] = part
		if part == "" || strings.ContainsFunc(part, notBare) {
			quoted[i] = quote(part)
		}
	}
	return strings.Join(quoted, ".")
}

// notBare reports whether TOML takes r in a key only within quotes.
func notBare(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// quote returns s, which must be UTF-8, as a TOML basic string. What cannot
// be shown is escaped, so that a file cannot look other than it is.
func quote(s string) string {
	b := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case strconv.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			b = fmt.Appendf(b, `\U%08X`, r)
		default:
			b = fmt.Appendf(b, `\u%04X`, r)
		}
	}
	return string(append(b, '"'))
}

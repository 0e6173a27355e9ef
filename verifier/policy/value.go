package policy

import (
	"fmt"
	"slices"
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
		tables = children(n)
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
			return Window{}, unknownKey(k, "", "from", "until")
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

// A shape is how many strings a key takes.
type shape bool

const (
	oneOrMore shape = false // a string, or an array of at least one
	array     shape = true  // an array of at least one
)

// readStrings reads strings, none of them empty and none there twice, each as
// take returns it.
func readStrings(key string, n *unstable.Node, s shape, take func(string) (string, error)) ([]string, error) {
	nodes := []*unstable.Node{n}
	switch {
	case n.Kind == unstable.Array:
		nodes = children(n)
		if len(nodes) == 0 {
			return nil, fmt.Errorf("%s is empty", key)
		}
	case s == array:
		return nil, fmt.Errorf("%s is not an array of strings", key)
	}
	var list []string
	for _, node := range nodes {
		text, err := readString(key, node)
		if err == nil {
			text, err = take(text)
		}
		if err == nil && slices.Contains(list, text) {
			err = fmt.Errorf("%s: %s is there twice", key, quote(text))
		}
		if err != nil {
			return nil, &placedError{int(node.Raw.Offset), err}
		}
		list = append(list, text)
	}
	return list, nil
}

// children returns the elements of an array.
func children(n *unstable.Node) []*unstable.Node {
	var list []*unstable.Node
	for it := n.Children(); it.Next(); {
		list = append(list, it.Node())
	}
	return list
}

// asIs is for strings that need no check of their own.
func asIs(s string) (string, error) { return s, nil }

// checked is for strings that stay as they are if check takes them.
func checked(check func(string) (string, error)) func(string) (string, error) {
	return func(s string) (string, error) {
		_, err := check(s)
		return s, err
	}
}

// readBool reads true or false.
func readBool(key string, n *unstable.Node) (bool, error) {
	if n.Kind != unstable.Bool {
		return false, fmt.Errorf("%s is neither true nor false", key)
	}
	return string(n.Data) == "true", nil
}

// readCount reads a number from 1 on, as people write it.
func readCount(key string, n *unstable.Node) (int, error) {
	count, err := strconv.Atoi(string(n.Data))
	if n.Kind != unstable.Integer || err != nil || count < 1 || strconv.Itoa(count) != string(n.Data) {
		return 0, fmt.Errorf("%s is not a number from 1 on", key)
	}
	return count, nil
}

// appendEntry appends the text of an entry that passed its checks. Its lines
// but the last end in eol.
func appendEntry(b []byte, e *entry, eol string) []byte {
	fields := []string{"[" + e.header() + "]"}
	for _, field := range []struct{ key, value string }{
		{"subject-pattern", e.SubjectPattern}, {"subject", e.Subject}, {"issuer", e.Issuer},
		{"ssh-principal", e.SSHPrincipal}, {"x509-issuer", e.X509Issuer},
	} {
		if field.value != "" {
			fields = append(fields, field.key+" = "+quote(field.value))
		}
	}
	for _, field := range []struct {
		key    string
		values []string
	}{{"openpgp", e.OpenPGP}, {"ssh", e.SSH}, {"email", e.Emails}} {
		if len(field.values) > 0 {
			fields = append(fields, field.key+" = "+quoteAll(field.values))
		}
	}
	if e.Role != Human {
		fields = append(fields, "kind = "+quote(e.Role))
	}
	fields = append(fields, e.Window.fields()...)
	var compromised []string
	for _, w := range e.Compromised {
		compromised = append(compromised, "{"+strings.Join(w.fields(), ", ")+"}")
	}
	switch len(compromised) {
	case 0:
	case 1:
		fields = append(fields, "compromised = "+compromised[0])
	default:
		fields = append(fields, "compromised = ["+strings.Join(compromised, ", ")+"]")
	}
	return append(b, strings.Join(fields, eol)...)
}

// quoteAll returns strings as TOML: one by itself, several as an array.
func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	if len(list) == 1 {
		return quoted[0]
	}
	return "[" + strings.Join(quoted, ", ") + "]"
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

package audit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// parseState parses a state.
func parseState(t testing.TB, data []byte) *audit.State {
	t.Helper()
	s, err := audit.ParseState(data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// auditWith audits with the state of the last audit. It returns the findings
// about refs, those that are notes with "note " before them, and the new state.
func auditWith(t testing.TB, cfg audit.Config, state []byte) (found []string, changed bool, next []byte) {
	t.Helper()
	cfg.State = parseState(t, state)
	r := run(t, cfg)
	for f := range r.Findings.All() {
		switch f.ID {
		case "tag-moved", "tag-deleted", "ref-rewound", "ref-deleted":
			name, _, _ := strings.Cut(f.Message, ":")
			text := f.ID + " " + name
			if f.Severity == report.Note {
				text = "note " + text
			}
			found = append(found, text)
		}
	}
	next, err := cfg.State.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return found, cfg.State.Changed(), next
}

func TestStateShowsWhatBecameOfRefs(t *testing.T) {
	t.Parallel()
	const immutable = "[[rule]]\nrefs=[\"refs/heads/main\"]\nallow=[\"alice\"]\nimmutable=true\n"
	for name, test := range map[string]struct {
		change func(h *history, two string)
		rules  string // "-": no policy
		want   []string
		note   bool // what is found is a note
	}{
		"nothing":          {func(h *history, two string) {}, "", nil, false},
		"fast-forward":     {func(h *history, two string) { h.branch("main", h.by("alice", "three", two)) }, "", nil, false},
		"merged":           {func(h *history, two string) { h.branch("main", h.by("alice", "m", h.by("alice", "x"), two)) }, "", nil, false},
		"rewound":          {func(h *history, two string) { h.git("update-ref", "refs/heads/main", two+"^") }, rule("refs/heads/main", "alice"), []string{"ref-rewound refs/heads/main"}, false},
		"rewound, no rule": {func(h *history, two string) { h.git("update-ref", "refs/heads/main", two+"^") }, rule("refs/heads/x", "alice"), []string{"note ref-rewound refs/heads/main"}, true},
		"rewound, no policy": {func(h *history, two string) { h.git("update-ref", "refs/heads/main", two+"^") }, "-",
			[]string{"ref-rewound refs/heads/main"}, false},
		"rewritten": {func(h *history, two string) {
			h.branch("main", h.by("alice", "other two", h.git("rev-parse", two+"^")))
		}, rule("refs/heads/*", "alice"),
			[]string{"ref-rewound refs/heads/main"}, false},
		"deleted":              {func(h *history, two string) { h.git("update-ref", "-d", "refs/heads/topic") }, rule("refs/heads/x", "alice"), []string{"note ref-deleted refs/heads/topic"}, true},
		"deleted, with a rule": {func(h *history, two string) { h.git("update-ref", "-d", "refs/heads/topic") }, rule("refs/heads/*", "alice"), []string{"ref-deleted refs/heads/topic"}, false},
		"deleted remotely":     {func(h *history, two string) { h.git("update-ref", "-d", "refs/remotes/o/topic") }, rule("refs/heads/*", "alice"), []string{"ref-deleted refs/remotes/o/topic"}, false},
		"tag moved": {func(h *history, two string) { h.ref("refs/tags/v1", h.tagged("alice", "v1", two, "commit")) }, "",
			[]string{"tag-moved refs/tags/v1"}, false},
		"tag moved to a lightweight one": {func(h *history, two string) { h.ref("refs/tags/v1", two) }, "", []string{"tag-moved refs/tags/v1"}, false},
		"tag deleted":                    {func(h *history, two string) { h.git("update-ref", "-d", "refs/tags/v1") }, "", []string{"tag-deleted refs/tags/v1"}, false},
		"lightweight tag moved":          {func(h *history, two string) { h.git("update-ref", "refs/tags/light", two+"^") }, "", []string{"tag-moved refs/tags/light"}, false},
		"new refs": {func(h *history, two string) {
			h.branch("new", h.by("alice", "three", two))
			h.ref("refs/tags/v2", h.tagged("alice", "v2", two, "commit"))
		}, "", nil, false},
		"fast-forward of what must stay": {func(h *history, two string) { h.branch("main", h.by("alice", "three", two)) }, immutable,
			[]string{"ref-rewound refs/heads/main"}, false},
		"notes and stash": {func(h *history, two string) { h.ref("refs/notes/commits", two); h.ref("refs/stash", two) }, "", nil, false},
		"several": {func(h *history, two string) {
			h.git("update-ref", "-d", "refs/tags/v1")
			h.git("update-ref", "refs/heads/main", two+"^")
			h.git("update-ref", "-d", "refs/heads/topic")
		}, rule("refs/heads/main", "alice"), []string{"ref-rewound refs/heads/main", "note ref-deleted refs/heads/topic", "tag-deleted refs/tags/v1"}, false},
		"what it held is gone": {func(h *history, two string) {
			h.git("update-ref", "refs/heads/main", two+"^")
			h.git("update-ref", "refs/heads/topic", two+"^")
			h.git("update-ref", "-d", "refs/remotes/o/topic")
			h.git("update-ref", "-d", "refs/tags/light")
			h.remove(two)
		}, rule("refs/heads/main", "alice"), []string{"ref-rewound refs/heads/main", "note ref-rewound refs/heads/topic", "note ref-deleted refs/remotes/o/topic", "tag-deleted refs/tags/light"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			one := h.by("alice", "one")
			two := h.by("alice", "two", one)
			for _, ref := range []string{"refs/heads/main", "refs/heads/topic", "refs/remotes/o/topic", "refs/tags/light"} {
				h.ref(ref, two)
			}
			h.ref("refs/tags/v1", h.tagged("alice", "v1", one, "commit"))
			config := func() audit.Config {
				if test.rules == "-" {
					cfg := h.under("")
					cfg.Policy = nil
					return cfg
				}
				return h.under(test.rules)
			}
			found, changed, state := auditWith(t, config(), nil)
			if len(found) != 0 || changed {
				t.Errorf("at first: %v, changed %v, want nothing", found, changed)
			}
			test.change(h, two)
			found, changed, next := auditWith(t, config(), state)
			if !slices.Equal(found, test.want) || changed != (len(test.want) > 0 && !test.note) {
				t.Errorf("found %v, changed %v, want %v", found, changed, test.want)
			}
			// Whatever the scope, all refs are looked at.
			cfg := config()
			cfg.All, cfg.Revisions, cfg.Ref = false, []string{one}, "refs/heads/main"
			if again, _, _ := auditWith(t, cfg, state); !slices.Equal(again, test.want) {
				t.Errorf("of one revision: found %v, want %v", again, test.want)
			}
			if found, _, same := auditWith(t, config(), next); len(found) != 0 || string(same) != string(next) {
				t.Errorf("and then: %v, want nothing", found)
			}
		})
	}
}

// TestBrokenRefIsNoDeletion has a ref that cannot be read, for a while.
func TestBrokenRefIsGoneForTheState(t *testing.T) {
	h := newHistory(t)
	one := h.by("alice", "one")
	h.branch("main", one)
	h.branch("topic", one)
	_, _, state := auditWith(t, h.under(rule("refs/heads/*", "alice")), nil)
	if err := os.WriteFile(filepath.Join(h.dir, ".git", "refs", "heads", "topic"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	found, changed, _ := auditWith(t, h.under(rule("refs/heads/*", "alice")), state)
	if !slices.Equal(found, []string{"ref-deleted refs/heads/topic"}) || !changed {
		t.Errorf("found %v, changed %v, want that it is gone", found, changed)
	}
}

func TestStatesThatNoAuditWrote(t *testing.T) {
	oid := strings.Repeat("a", 40)
	good := fmt.Sprintf(`{"schema": "gitseal.audit-state/1", "refs": {"refs/heads/main": %q}}`, oid)
	parseState(t, []byte(good+"\n"))
	for name, text := range map[string]string{
		"truncated":         good[:len(good)-2],
		"two":               good + good,
		"trailing bracket":  good + "}",
		"trailing list end": good + "]",
		"trailing text":     good + "x",
		"other schema":      strings.Replace(good, "state/1", "state/2", 1),
		"no schema":         strings.Replace(good, "schema", "scheme", 1),
		"no refs":           `{"schema": "gitseal.audit-state/1"}`,
		"null refs":         `{"schema": "gitseal.audit-state/1", "refs": null}`,
		"unknown field":     strings.Replace(good, `"refs":`, `"more": 1, "refs":`, 1),
		"not an id":         strings.Replace(good, oid, oid[1:], 1),
		"upper case id":     strings.Replace(good, oid, strings.ToUpper(oid), 1),
		"not a ref":         strings.Replace(good, "refs/heads/main", "HEAD", 1),
		"list":              "[" + good + "]",
		"white space":       "\n",
		"refs twice":        strings.Replace(good, `"refs":`, `"refs": {}, "refs":`, 1),
		"REFS":              strings.Replace(good, `"refs"`, `"REFS"`, 1),
		"escape of text":    strings.Replace(good, "/main", `/m\\x61in`, 1),
		"half an escape":    strings.Replace(good, "/main", `/main\\xf`, 1),
		"upper escape":      strings.Replace(good, "/main", `/main\\xFF`, 1),
		"a ref twice":       strings.Replace(good, `"refs/heads/main":`, fmt.Sprintf(`"refs/heads/main": %q, "refs/heads/main":`, strings.Repeat("b", 40)), 1),
		"binary":            "\x00\xff",
	} {
		if s, err := audit.ParseState([]byte(text)); err == nil {
			t.Errorf("%s: parsed as %+v", name, s)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %q, want one line", name, err)
		}
	}
}

// TestStateOfRefsThatAreNoText keeps names of refs that are not UTF-8, which
// git allows, apart.
func TestStateOfRefsThatAreNoText(t *testing.T) {
	h := newHistory(t)
	one := h.by("alice", "one")
	two := h.by("alice", "two", one)
	h.branch("main", two)
	packed := fmt.Sprintf("# pack-refs with: peeled fully-peeled sorted \n%s refs/heads/a\xff\n%s refs/heads/\xfe\n%[2]s refs/heads/\ufffd\n%[2]s refs/heads/<&>\n", one, two)
	name := filepath.Join(h.dir, ".git", "packed-refs")
	if err := os.WriteFile(name, []byte(packed), 0o666); err != nil {
		t.Fatal(err)
	}
	rules := rule("refs/heads/**", "alice")
	_, _, state := auditWith(t, h.under(rules), nil)
	if found, _, _ := auditWith(t, h.under(rules), state); len(found) != 0 {
		t.Errorf("found %q, though nothing has changed", found)
	}
	packed = strings.Replace(packed, two+" refs/heads/\xfe", one+" refs/heads/\xfe", 1)
	if err := os.WriteFile(name, []byte(packed), 0o666); err != nil {
		t.Fatal(err)
	}
	if found, changed, _ := auditWith(t, h.under(rules), state); len(found) != 1 || !changed {
		t.Errorf("found %q, want the one that was rewound", found)
	}
}

// TestStateOfAnotherRepository has the refs of one with other ids.
func TestStateOfAnotherRepository(t *testing.T) {
	h := newHistory(t)
	one := h.by("alice", "one")
	h.branch("main", one)
	for _, oid := range []string{strings.Repeat("a", 40), strings.Repeat("a", 64)} {
		state := fmt.Appendf(nil, `{"schema": "gitseal.audit-state/1", "refs": {"refs/heads/main": %q, "refs/heads/other": %q}}`, oid, oid)
		found, changed, _ := auditWith(t, h.under(rule("refs/heads/*", "alice")), state)
		if !slices.Equal(found, []string{"ref-rewound refs/heads/main", "ref-deleted refs/heads/other"}) || !changed {
			t.Errorf("found %v, changed %v", found, changed)
		}
	}
}

func TestStateOfAMillionRefs(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"schema":"gitseal.audit-state/1","refs":{`)
	for i := range 1_000_000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"refs/heads/%d":"%040x"`, i, i)
	}
	b.WriteString("}}")
	parseState(t, []byte(b.String()))
}

// TestStateWithoutThePast could not tell, in a clone that is shallow or that
// lacks what is between.
func TestStateWithoutThePast(t *testing.T) {
	h := newHistory(t)
	one := h.by("alice", "one")
	two := h.by("alice", "two", one)
	three := h.by("alice", "three", two)
	h.branch("main", three)
	state := fmt.Appendf(nil, `{"schema": "gitseal.audit-state/1", "refs": {"refs/heads/main": %q}}`, one)
	if found, _, _ := auditWith(t, h.under(rule("refs/heads/*", "alice")), state); len(found) != 0 {
		t.Errorf("found %v, want nothing", found)
	}
	h.remove(two)
	cfg := h.under(rule("refs/heads/*", "alice"))
	cfg.State = parseState(t, state)
	if r := run(t, cfg); r.Result == report.Pass || r.Complete || !cfg.State.Changed() {
		t.Errorf("result %q, complete %v, changed %v, want what is missing to be so, and the state kept", r.Result, r.Complete, cfg.State.Changed())
	}
}

package report

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"gitseal/verifier"
)

const (
	sha1OID   = "0123456789abcdef0123456789abcdef01234567"
	sha256OID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// hostile is what git objects and certificates may hold.
const hostile = "\x1b[2Jred \x00\xff\u202e\u009b <script>&amp;\u2028\r\n\"\\"

// sample returns a report with something in every field.
func sample() *Report {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	r := &Report{
		Tool:       "gitseal test",
		Repository: Repository{ObjectFormat: "sha1", Shallow: true},
		Scope: Scope{
			Refs:      []Ref{{"refs/heads/main", sha1OID}},
			Revisions: []Revision{{"main..topic", []string{sha1OID, "^" + sha1OID}}},
		},
		Policy:     &Policy{Source: "policy.toml", Digest: Digest{1}},
		Trust:      Trust{Sources: []string{"trusted_root.json"}, Digest: Digest{2}},
		StartedAt:  at,
		FinishedAt: at.Add(time.Second),
		Complete:   true,
		NotExamined: []Omission{
			{"refs/notes/commits", "notes are not history"},
			{"refs/notes/review", "notes are not history"},
			{"refs/stash", "the stash is not history"},
		},
		Totals: Totals{Examined: 1205, Commits: 1203, Tags: 2, Classes: map[verifier.Class]int{
			verifier.Verified: 1200, Unsigned: 3, verifier.NotLogged: 2,
		}},
		Signers: []Signer{
			{"keyless", "alice@example.com", "https://accounts.example.com", 1199, at, at.Add(time.Hour)},
			{"keyless", "bob@example.com", "gitseal:local:abcd1234", 1, at, at},
		},
		Logs: []Log{
			{"log.abcd1234.gitseal.internal", 1, 7, ""},
			{"rekor.example.com - 1", 1199, 123456, Proven},
			{"https://rekor.example.com", 1, 0, ""},
		},
		Result: Violation,
	}
	id := verifier.Identity{Issuer: "gitseal:local:abcd1234", Subject: "mallory@example.com"}
	r.Findings.Add(Finding{"not-logged", Warning, Object{"commit", sha1OID}, nil, "no proof", "a hint"})
	r.Findings.Add(Finding{"unsigned", Error, Object{"commit", sha1OID}, nil, "no signature", "sign"})
	r.Findings.Add(Finding{"unsigned", Error, Object{"tag", sha256OID}, nil, "no signature", "sign"})
	r.Findings.Add(Finding{"verified", Note, Object{"mergetag", sha1OID}, &id, "merged", ""})
	return r
}

func writeJSON(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteJSON(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func writeText(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteText(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestJudge(t *testing.T) {
	for _, class := range Classes() {
		totals := Totals{Classes: map[verifier.Class]int{verifier.Verified: 1, class: 1, "other": 0}}
		want := map[Severity]Result{Note: Pass, Warning: Indeterminate, Error: Violation}[SeverityOf(class)]
		if got := totals.Judge(true); got != want {
			t.Errorf("one %s: %q, want %q", class, got, want)
		}
		if want == Pass {
			want = Indeterminate
		}
		if got := totals.Judge(false); got != want {
			t.Errorf("one %s, incomplete: %q, want %q", class, got, want)
		}
	}
	both := Totals{Classes: map[verifier.Class]int{Unsigned: 1, verifier.NotLogged: 1}}
	if got := both.Judge(true); got != Violation {
		t.Errorf("one bad and one in doubt: %q, want %q", got, Violation)
	}
	if got := (Totals{Classes: map[verifier.Class]int{"unheard-of": 1}}).Judge(true); got != Violation {
		t.Errorf("an unknown class: %q, want %q", got, Violation)
	}
}

func TestHints(t *testing.T) {
	for _, class := range append(Classes(), "unheard-of") {
		if bad := SeverityOf(class) != Note && class != "unheard-of"; (Hint(class) != "") != bad {
			t.Errorf("hint for %s: %q", class, Hint(class))
		}
	}
}

// fullDisk is a writer that fails after n bytes.
type fullDisk struct{ n int }

var errFull = errors.New("no space left")

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.n {
		return 0, errFull
	}
	d.n -= len(p)
	return len(p), nil
}

func TestWriteErrorsAreReported(t *testing.T) {
	r := sample()
	for range 1000 {
		r.Findings.Add(Finding{"unsigned", Error, Object{"commit", sha1OID}, nil, "no signature", "sign"})
	}
	for _, write := range []func(io.Writer, *Report) error{WriteJSON, WriteText} {
		for _, n := range []int{0, 100} {
			if err := write(&fullDisk{n}, r); !errors.Is(err, errFull) {
				t.Errorf("writing to a full disk: %v, want %v", err, errFull)
			}
		}
	}
}

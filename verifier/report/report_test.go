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
	otherOID  = "89abcdef0123456789abcdef0123456789abcdef"
	sha256OID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

const fingerprint = "968479A1AFF927E37D1A566BB5690EEEBB952194"

// hostile is what git objects and certificates may hold.
const hostile = "=\x1b[2Jred \x00\xff\u202e\u009b <script>&amp;\u2028\r\n::error::%0A@user `|\\| [a](b) \"\\"

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
			{"keyless", "alice@example.com", "https://accounts.example.com", "", "human", 1150, 1150, at, at.Add(time.Hour), ProvenTimes},
			{"openpgp", "Carol <carol@example.com>", "", fingerprint, "human", 30, 30, at, at.Add(time.Hour), ClaimedTimes},
			{"ssh", "dave@example.com", "", "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "", 19, 17, at, at, ClaimedTimes},
			{"keyless", "bob@example.com", "gitseal:local:abcd1234", "", "bot", 1, 0, at, at, ProvenTimes},
		},
		UnknownKeys: []UnknownKey{
			{"openpgp", "4AEE18F83AFDEB23", 2},
			{"ssh", "SHA256:uNiVztksCsDhcc0u9e8BrsFwJb9uDvYc2EVvQJRTgZU", 1},
		},
		Logs: []Log{
			{"log.abcd1234.gitseal.internal", 1, 7, ""},
			{"rekor.example.com - 1", 1199, 123456, Proven},
			{"https://rekor.example.com", 1, 0, ""},
		},
		Months: []Month{
			{"2025-11", map[verifier.Kind]int{}, 3, 0, 1},
			{"2025-12", map[verifier.Kind]int{"openpgp": 30, "ssh": 19}, 0, 2, 2},
			{"2026-01", map[verifier.Kind]int{"keyless": 1145}, 0, 0, 0},
			{"unknown", map[verifier.Kind]int{"keyless": 1}, 0, 0, 0},
		},
		Continuity: []Continuity{
			{"refs/heads/main", sha1OID, 1000, &Point{otherOID, at}, 900, []Gap{{Point{sha1OID, at}, Point{otherOID, at.Add(-time.Hour)}, 3}}, 2, 203, 1},
			{"refs/heads/topic", otherOID, 10, nil, 0, []Gap{{Point{otherOID, at}, Point{otherOID, at}, 1}}, 1, 0, 0},
			{"refs/heads/whole", otherOID, 5, &Point{sha1OID, at}, 5, nil, 0, 7, 0},
		},
		Result: Violation,
	}
	id := verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: "gitseal:local:abcd1234", Subject: "mallory@example.com"}}
	r.Findings.Add(Finding{"not-logged", Warning, Object{"commit", sha1OID}, nil, "no proof", "a hint"})
	r.Findings.Add(Finding{"unsigned", Error, Object{"commit", sha1OID}, nil, "no signature", "sign"})
	r.Findings.Add(Finding{"unsigned", Error, Object{"tag", sha256OID}, nil, "no signature", "sign"})
	r.Findings.Add(Finding{"verified", Note, Object{"mergetag", sha1OID}, &id, "merged", ""})
	r.Findings.Add(Finding{"ref-deleted", Error, Object{}, nil, "refs/heads/old is gone", ""})
	return r
}

// set returns two reports that differ.
func set() []*Report {
	good := &Report{
		Tool:       "gitseal test",
		Repository: Repository{Location: "https://git.example.com/acme/good", ObjectFormat: "sha256"},
		Complete:   true,
		Totals:     Totals{Examined: 2, Commits: 2, Classes: map[verifier.Class]int{verifier.Verified: 2}},
		Months:     []Month{{"2026-02", map[verifier.Kind]int{"keyless": 2}, 0, 0, 0}},
		Result:     Pass,
	}
	bad := sample()
	bad.Repository.Location = "../bad"
	return []*Report{good, bad}
}

func writeJSON(t testing.TB, reports ...*Report) string {
	t.Helper()
	return written(t, WriteJSON, reports...)
}

func writeText(t *testing.T, reports ...*Report) string {
	t.Helper()
	return written(t, WriteText, reports...)
}

func written(t testing.TB, write func(io.Writer, ...*Report) error, reports ...*Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, reports...); err != nil {
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
	for _, format := range Formats() {
		for _, n := range []int{0, 100} {
			w, err := NewWriter(format, &fullDisk{n}, Config{VSA: VSAConfig{ResourceURI: "git+https://git.example.com/acme/app"}})
			if err != nil {
				t.Fatal(err)
			}
			for range 1000 {
				if err = w.Row(rows()[0]); err != nil {
					break
				}
			}
			if err == nil {
				err = w.Close(r)
			}
			if !errors.Is(err, errFull) {
				t.Errorf("writing %s to a full disk: %v, want %v", format, err, errFull)
			}
		}
	}
}

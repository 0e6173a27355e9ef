package report

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gitseal/internal/strictjson"
	"gitseal/verifier"
)

// Bounds of a document that is read.
const (
	maxDocument = 4 << 30 // bytes
	maxList     = 1 << 28 // elements, which the bytes bound as well
	maxString   = 1 << 20
	maxReports  = 1 << 20
)

// Parse reads a document that WriteJSON wrote of one report. It is strict:
// what is unknown is refused, and so is a document that is at odds with
// itself, such as one whose result is better than its findings allow. What it
// says is as true as whoever kept the document is honest.
func Parse(data []byte) (*Report, error) {
	var report *Report
	err := parse(data, func(r *strictjson.Reader) (err error) {
		report, err = readReport(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return report, nil
}

// ParseSet reads a document that WriteJSON wrote, of one report or of several,
// and returns the reports in their order.
func ParseSet(data []byte) ([]*Report, error) {
	var reports []*Report
	err := parse(data, func(r *strictjson.Reader) (err error) {
		schema, err := schemaOf(data)
		if err != nil {
			return err
		}
		if schema == SetSchema {
			reports, err = readSet(r)
			return err
		}
		report, err := readReport(r)
		reports = []*Report{report}
		return err
	})
	if err != nil {
		return nil, err
	}
	return reports, nil
}

func parse(data []byte, read func(*strictjson.Reader) error) error {
	r := &strictjson.Reader{Text: data, Name: "report"}
	if len(data) > maxDocument {
		return fmt.Errorf("parsing report: longer than %d bytes", maxDocument)
	}
	err := read(r)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return fmt.Errorf("parsing report: %w", err)
	}
	return nil
}

// errSchemaFound ends the reading of a document at its first member.
var errSchemaFound = errors.New("found")

// schemaOf returns the first member of a document, if it is its schema. What
// comes after it is not looked at.
func schemaOf(data []byte) (string, error) {
	var schema string
	r := &strictjson.Reader{Text: data, Name: "report", AtMember: func(_ string, err error) error { return err }}
	err := r.Members(func(name string) error {
		if name != "schema" {
			return errors.New("its first member is not its schema")
		}
		if err := r.String(&schema, maxString)(); err != nil {
			return err
		}
		return errSchemaFound
	})
	if err != errSchemaFound {
		return "", err
	}
	return schema, nil
}

// readSet reads a set and checks that its totals are those of its reports.
func readSet(r *strictjson.Reader) ([]*Report, error) {
	var reports []*Report
	var said Set
	err := r.Object(
		strictjson.Required("schema", constant(r, SetSchema)),
		strictjson.Required("tool", r.String(&said.Tool, maxString)),
		strictjson.Required("reports", elements(r, &reports, maxReports, func(report **Report) (err error) {
			*report, err = readReport(r)
			return err
		})),
		strictjson.Required("complete", boolean(r, &said.Complete)),
		strictjson.Required("totals", totals(r, &said.Totals)),
		strictjson.Required("result", word(r, &said.Result, results...)),
	)
	if err != nil {
		return nil, err
	}
	is := Merge(reports)
	if said.Tool != is.Tool || said.Complete != is.Complete || said.Result != is.Result || !said.Totals.equal(is.Totals) {
		return nil, errors.New("the set says something else than its reports")
	}
	return reports, nil
}

// equal reports whether totals are the same.
func (t Totals) equal(u Totals) bool {
	for _, class := range Classes() {
		if t.Classes[class] != u.Classes[class] {
			return false
		}
	}
	return t.Examined == u.Examined && t.Commits == u.Commits && t.Tags == u.Tags
}

// readReport reads a report and checks that it is at one with itself.
func readReport(r *strictjson.Reader) (*Report, error) {
	x := new(Report)
	err := r.Object(
		strictjson.Required("schema", constant(r, Schema)),
		strictjson.Required("tool", r.String(&x.Tool, maxString)),
		strictjson.Required("repository", repository(r, &x.Repository)),
		strictjson.Required("scope", scope(r, &x.Scope)),
		strictjson.Required("policy", r.OrNull(func() error { return policy(r, &x.Policy) })),
		strictjson.Required("trust", trust(r, &x.Trust)),
		strictjson.Required("startedAt", instant(r, &x.StartedAt)),
		strictjson.Required("finishedAt", instant(r, &x.FinishedAt)),
		strictjson.Required("complete", boolean(r, &x.Complete)),
		strictjson.Required("notExamined", elements(r, &x.NotExamined, maxList, func(o *Omission) error { return omission(r, o) })),
		strictjson.Required("totals", totals(r, &x.Totals)),
		strictjson.Required("signers", elements(r, &x.Signers, maxList, func(s *Signer) error { return signer(r, s) })),
		strictjson.Optional("unknownKeys", elements(r, &x.UnknownKeys, maxList, func(k *UnknownKey) error { return unknownKey(r, k) })),
		strictjson.Required("logs", elements(r, &x.Logs, maxList, func(l *Log) error { return log(r, l) })),
		strictjson.Optional("months", elements(r, &x.Months, maxList, func(m *Month) error { return month(r, m) })),
		strictjson.Optional("continuity", elements(r, &x.Continuity, maxList, func(c *Continuity) error { return continuity(r, c) })),
		strictjson.Required("findings", func() error {
			return r.Array(maxList, func(int) error { return finding(r, &x.Findings) })
		}),
		strictjson.Required("result", word(r, &x.Result, results...)),
	)
	if err == nil {
		err = x.check()
	}
	if err != nil {
		return nil, err
	}
	return x, nil
}

// check checks that a report does not contradict itself.
func (r *Report) check() error {
	sum := 0
	for _, n := range r.Totals.Classes {
		sum += n
	}
	if sum != r.Totals.Examined || r.Totals.Commits+r.Totals.Tags != r.Totals.Examined {
		return errors.New("its totals do not add up")
	}
	if least := Judge(r.Totals, &r.Findings, r.Complete); worse(r.Result, least) != r.Result {
		return fmt.Errorf("its result is %q, and what it holds makes it %q", r.Result, least)
	}
	return nil
}

// constant reads a string that is always the same.
func constant(r *strictjson.Reader, want string) func() error {
	return func() error {
		var s string
		if err := r.String(&s, maxString)(); err != nil {
			return err
		}
		if s != want {
			return fmt.Errorf("%.100q, not %q", s, want)
		}
		return nil
	}
}

// word reads a string that is one of a few.
func word[T ~string](r *strictjson.Reader, dst *T, words ...T) func() error {
	return func() error {
		var s string
		if err := r.String(&s, maxString)(); err != nil {
			return err
		}
		for _, word := range words {
			if s == string(word) {
				*dst = word
				return nil
			}
		}
		return fmt.Errorf("unknown value %.100q", s)
	}
}

func boolean(r *strictjson.Reader, dst *bool) func() error {
	return func() error {
		value, err := r.Value()
		if err != nil {
			return err
		}
		*dst = string(value) == "true"
		if !*dst && string(value) != "false" {
			return errors.New("neither true nor false")
		}
		return nil
	}
}

// number reads what counts something.
func number(r *strictjson.Reader, dst *int) func() error {
	return func() error {
		var n int64
		err := r.Number(&n, 48)() // so that sums of them stay below 2^63
		*dst = int(n)
		return err
	}
}

// instant reads a time in the one form in which it is written.
func instant(r *strictjson.Reader, dst *time.Time) func() error {
	return func() error {
		var s string
		if err := r.String(&s, 64)(); err != nil {
			return err
		}
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || t.UTC().Format(time.RFC3339Nano) != s || !strings.HasSuffix(s, "Z") {
			return fmt.Errorf("%q is no time in RFC 3339 and UTC", s)
		}
		*dst = t.UTC()
		return nil
	}
}

// elements reads a list, each element with read.
func elements[T any](r *strictjson.Reader, dst *[]T, limit int, read func(*T) error) func() error {
	return func() error {
		return r.Array(limit, func(int) error {
			var element T
			if err := read(&element); err != nil {
				return err
			}
			*dst = append(*dst, element)
			return nil
		})
	}
}

// totals reads totals. A class that is not there has none.
func totals(r *strictjson.Reader, t *Totals) func() error {
	return func() error {
		t.Classes = make(map[verifier.Class]int)
		members := []strictjson.Member{
			strictjson.Required("examined", number(r, &t.Examined)),
			strictjson.Required("commits", number(r, &t.Commits)),
			strictjson.Required("tags", number(r, &t.Tags)),
		}
		for _, class := range Classes() {
			members = append(members, strictjson.Optional(string(class), func() error {
				n := 0
				err := number(r, &n)()
				if n > 0 {
					t.Classes[class] = n
				}
				return err
			}))
		}
		return r.Object(members...)
	}
}

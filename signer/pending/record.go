package pending

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"gitseal/internal/strictjson"
	"gitseal/signer"
)

// Bounds of a record, in bytes. Paths are what Linux allows; tokens have 1 to
// 6 kB.
const (
	maxPath   = 1 << 12
	maxObject = len("commit ") + 64
	maxToken  = 1 << 16
	maxStamps = 8 // as many as the verifier reads
	maxRecord = 2 << 20
)

// A file is how a record is written: JSON, in this order, on one line with its
// end. Paths are in base64, for they need not be UTF-8.
type file struct {
	Made       string          `json:"made"` // RFC 3339, UTC
	Instance   []byte          `json:"instance"`
	Repository []byte          `json:"repository,omitempty"`
	Object     string          `json:"object,omitempty"`
	Signed     json.RawMessage `json:"signed"` // signer.Pending
	Stamped    [][]byte        `json:"stamped,omitempty"`
}

// pending returns what the signer knows of a record.
func (r *Record) pending() *signer.Pending {
	return &signer.Pending{
		SignedAttributes: r.SignedAttributes, Signature: r.Signature, Certificate: r.Certificate, Timestamps: r.Timestamps,
	}
}

// marshal returns the file of a record. That parseRecord reads it is for write
// to see to.
func (r *Record) marshal() ([]byte, error) {
	signed, err := r.pending().Marshal()
	if err != nil {
		return nil, err
	}
	return r.text(signed)
}

// text returns the file of a record, whatever it says, with the text of its
// signature.
func (r *Record) text(signed []byte) ([]byte, error) {
	text, err := json.Marshal(file{
		Made: r.Made.UTC().Format(time.RFC3339Nano), Instance: []byte(r.Instance),
		Repository: []byte(r.Repository), Object: r.Object, Signed: signed, Stamped: r.Stamped,
	})
	return append(text, '\n'), err
}

// parseRecord reads what marshal writes, in that form only, and checks that the
// record is of one piece: the signature is over the attributes, by the key of
// the certificate.
func parseRecord(text []byte) (*Record, error) {
	if len(text) > maxRecord {
		return nil, fmt.Errorf("longer than %d bytes", maxRecord)
	}
	rec := new(Record)
	var made string
	var instance, repository, signed []byte
	r := &strictjson.Reader{Text: text, Name: "record"}
	err := r.Object(
		strictjson.Required("made", r.String(&made, len(time.RFC3339Nano))),
		strictjson.Required("instance", r.Base64(&instance, maxPath)),
		strictjson.Optional("repository", r.Base64(&repository, maxPath)),
		strictjson.Optional("object", r.String(&rec.Object, maxObject)),
		strictjson.Required("signed", func() (err error) { signed, err = r.Value(); return err }),
		strictjson.Optional("stamped", func() error {
			return r.Array(maxStamps, func(int) error {
				rec.Stamped = append(rec.Stamped, nil)
				return r.Base64(&rec.Stamped[len(rec.Stamped)-1], maxToken)()
			})
		}),
	)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, err
	}
	if rec.Made, err = time.Parse(time.RFC3339Nano, made); err != nil {
		return nil, fmt.Errorf("made at %q, which is no time", made)
	}
	rec.Instance, rec.Repository = string(instance), string(repository)
	if err := rec.check(); err != nil {
		return nil, err
	}
	p, err := signer.ParsePending(signed)
	if err != nil {
		return nil, err
	}
	rec.SignedAttributes, rec.Signature, rec.Certificate, rec.Timestamps = p.SignedAttributes, p.Signature, p.Certificate, p.Timestamps
	// Order and white space are free to the reader, and not here.
	if again, err := rec.text(signed); err != nil || !bytes.Equal(again, text) {
		return nil, errors.New("not in the form in which it is written")
	}
	return rec, nil
}

// check checks what surrounds the signature.
func (r *Record) check() error {
	switch {
	case len(r.Instance) > maxPath || len(r.Repository) > maxPath:
		return fmt.Errorf("a path is longer than %d bytes", maxPath)
	case r.Instance == "" || strings.Contains(r.Instance, "\x00"):
		return errors.New("no instance")
	case r.Repository != "" && !filepath.IsAbs(r.Repository) || strings.Contains(r.Repository, "\x00"):
		return fmt.Errorf("repository %q is not an absolute path", r.Repository)
	case !isObject(r.Object):
		return fmt.Errorf("%q is no object", r.Object)
	}
	for i, token := range r.Stamped {
		if len(token) == 0 {
			return fmt.Errorf("time-stamp %d is empty", i)
		}
	}
	return nil
}

// isObject reports whether s is "" or names a signed object of git by its id.
func isObject(s string) bool {
	if s == "" {
		return true
	}
	kind, id, _ := strings.Cut(s, " ")
	return (kind == "commit" || kind == "tag") && (len(id) == 40 || len(id) == 64) && strings.Trim(id, "0123456789abcdef") == ""
}

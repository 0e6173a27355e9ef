package monitor

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gitseal/internal/tlog"
)

// A Record is what an index keeps of an entry: enough to find it by.
type Record struct {
	Index        uint64     `json:"index"`
	Kind         string     `json:"kind,omitempty"`         // "hashedrekord 0.0.2"
	Digest       string     `json:"digest,omitempty"`       // of the artifact or the payload: "sha256:<hex>"
	Identities   []Identity `json:"identities,omitempty"`   // of the certificates in it
	Certificates []string   `json:"certificates,omitempty"` // SHA-256 of the DER, hex
	Keys         []string   `json:"keys,omitempty"`         // SHA-256 of the SubjectPublicKeyInfo, hex

	// Problem says what of the entry could not be read; "": nothing. What
	// could be read is there all the same.
	Problem string `json:"problem,omitempty"`
}

// maxProblem bounds what is kept of an error.
const maxProblem = 300

// NewRecord returns the record of the entry with that index and body. There is
// one of each, whatever it holds.
func NewRecord(index uint64, body []byte) Record {
	r := Record{Index: index}
	b, err := tlog.ParseBody(body)
	if err != nil {
		r.problem(err)
		return r
	}
	r.Kind = b.Kind + " " + b.Version
	if b.Digest != nil {
		r.Digest = DigestName(b.Hash, b.Digest)
	}
	for _, s := range b.Signatures {
		switch {
		case s.Certificate != nil:
			r.addCertificate(s.Certificate)
		case s.PublicKey != nil:
			r.addKey(s.PublicKey)
		}
	}
	return r
}

func (r *Record) addCertificate(der []byte) {
	sum := sha256.Sum256(der)
	if name := hex.EncodeToString(sum[:]); !slices.Contains(r.Certificates, name) {
		r.Certificates = append(r.Certificates, name)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		r.problem(err)
		return
	}
	r.addKey(cert.RawSubjectPublicKeyInfo)
	ids, err := identities(cert)
	if err != nil {
		r.problem(fmt.Errorf("certificate: %w", err))
	}
	for _, id := range ids {
		if !slices.Contains(r.Identities, id) {
			r.Identities = append(r.Identities, id)
		}
	}
}

func (r *Record) addKey(spki []byte) {
	sum := sha256.Sum256(spki)
	if name := hex.EncodeToString(sum[:]); !slices.Contains(r.Keys, name) {
		r.Keys = append(r.Keys, name)
	}
}

func (r *Record) problem(err error) {
	if r.Problem != "" {
		return // one says enough
	}
	message := strings.ToValidUTF8(err.Error(), "?")
	if len(message) > maxProblem {
		message = strings.ToValidUTF8(message[:maxProblem], "") + "…"
	}
	r.Problem = message
}

// DigestName returns how a Record names a digest: "sha256:<hex>".
func DigestName(hash crypto.Hash, digest []byte) string {
	name := strings.ToLower(strings.ReplaceAll(hash.String(), "-", ""))
	return name + ":" + hex.EncodeToString(digest)
}

// maxRecord bounds a line of an index. An entry has at most 64 signatures.
const maxRecord = 1 << 20

// line returns the record as a line of an index.
func (r *Record) line() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, err
	}
	if b.Len() > maxRecord {
		short := Record{Index: r.Index, Kind: r.Kind, Digest: r.Digest, Problem: "its identities and keys are too many to be kept"}
		return short.line()
	}
	return b.Bytes(), nil
}

// parseRecord reads a line of an index, without its end.
func parseRecord(line []byte) (Record, error) {
	var r Record
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return Record{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Record{}, errors.New("more than one record in a line")
	}
	// The one form that line writes.
	again, err := r.line()
	if err != nil || !bytes.Equal(bytes.TrimSuffix(again, []byte("\n")), line) {
		return Record{}, errors.New("not in the form in which it was written")
	}
	return r, nil
}

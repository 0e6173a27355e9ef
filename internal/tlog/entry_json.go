package tlog

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"

	"gitseal/internal/strictjson"
)

// maxEntryJSON bounds an entry in JSON: base64 makes a body a third longer.
const maxEntryJSON = 2 << 20

// ParseEntryJSON reads an entry in the JSON form of its protocol buffers
// (ProtoJSON), as Rekor v2 answers and as Sigstore bundles carry it. Names are
// in lower camel case, bytes in padded standard base64, and integers either
// decimal strings, which is how they are written, or numbers; a message that
// is absent may be null. Apart from order and white space nothing that could
// be written in two ways is taken. Bounds are those of ParseEntry.
func ParseEntryJSON(data []byte) (*Entry, error) {
	e, err := parseEntryJSON(data)
	if err != nil {
		return nil, fmt.Errorf("parsing log entry: %w", err)
	}
	return e, nil
}

func parseEntryJSON(data []byte) (*Entry, error) {
	if len(data) > maxEntryJSON {
		return nil, fmt.Errorf("longer than %d bytes", maxEntryJSON)
	}
	r := &reader{strictjson.Reader{Text: data}}
	e := new(Entry)
	if err := r.entry(e); err != nil {
		return nil, err
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	if len(e.LogID) != sha256.Size {
		return nil, fmt.Errorf("log id of %d bytes", len(e.LogID))
	}
	return e, nil
}

func (r *reader) entry(e *Entry) error {
	return r.Object(
		optional("canonicalizedBody", r.Base64(&e.CanonicalizedBody, maxEntry)),
		optional("inclusionPromise", r.OrNull(func() error {
			e.Promise = new(InclusionPromise)
			return r.Object(optional("signedEntryTimestamp", r.Base64(&e.Promise.SET, maxSET)))
		})),
		optional("inclusionProof", r.OrNull(func() error {
			e.Proof = new(EntryProof)
			return r.entryProof(e.Proof)
		})),
		optional("integratedTime", r.int64(&e.IntegratedTime)),
		optional("kindVersion", r.OrNull(func() error {
			return r.Object(
				optional("kind", r.String(&e.Kind, maxString)),
				optional("version", r.String(&e.KindVersion, maxString)),
			)
		})),
		required("logId", func() error {
			return r.Object(required("keyId", r.Base64(&e.LogID, sha256.Size)))
		}),
		optional("logIndex", r.int64(&e.LogIndex)),
	)
}

func (r *reader) entryProof(p *EntryProof) error {
	var note string
	err := r.Object(
		optional("checkpoint", r.OrNull(func() error {
			return r.Object(optional("envelope", r.String(&note, maxNote)))
		})),
		optional("hashes", func() error {
			return r.Array(maxHashes, func(int) error {
				h, err := r.hash()
				p.Hashes = append(p.Hashes, h)
				return err
			})
		}),
		optional("logIndex", r.int64(&p.LogIndex)),
		required("rootHash", func() (err error) {
			p.RootHash, err = r.hash()
			return err
		}),
		optional("treeSize", r.int64(&p.TreeSize)),
	)
	if note != "" {
		p.Checkpoint = []byte(note)
	}
	return err
}

// hash reads a hash in base64.
func (r *reader) hash() (Hash, error) {
	var h []byte
	if err := r.Base64(&h, len(Hash{}))(); err != nil {
		return Hash{}, err
	}
	if len(h) != len(Hash{}) {
		return Hash{}, fmt.Errorf("hash of %d bytes", len(h))
	}
	return Hash(h), nil
}

// int64 returns a function that reads an integer that must not be negative.
func (r *reader) int64(dst *int64) func() error {
	return func() error {
		if r.Next() == '"' {
			return r.QuotedNumber(dst, 63)()
		}
		return r.Number(dst, 63)()
	}
}

// MarshalJSON returns the entry as Sigstore bundles carry it: ProtoJSON, in
// one line, in the order of the field numbers, without what is absent or
// zero. It fails where a string is not UTF-8.
func (e *Entry) MarshalJSON() ([]byte, error) {
	// What ParseEntry returns always is; an entry made by hand may not be.
	if _, err := parseEntry(e.Marshal()); err != nil {
		return nil, fmt.Errorf("writing log entry: %w", err)
	}
	b := appendInt64(append(make([]byte, 0, 1024), '{'), "logIndex", e.LogIndex)
	b = append(appendBase64(append(appendName(b, "logId"), '{'), "keyId", e.LogID), '}')
	if e.Kind != "" || e.KindVersion != "" {
		b = appendString(append(appendName(b, "kindVersion"), '{'), "kind", e.Kind)
		b = append(appendString(b, "version", e.KindVersion), '}')
	}
	b = appendInt64(b, "integratedTime", e.IntegratedTime)
	if e.Promise != nil {
		b = append(appendBase64(append(appendName(b, "inclusionPromise"), '{'), "signedEntryTimestamp", e.Promise.SET), '}')
	}
	if e.Proof != nil {
		b = e.Proof.appendJSON(appendName(b, "inclusionProof"))
	}
	return append(appendBase64(b, "canonicalizedBody", e.CanonicalizedBody), '}'), nil
}

func (p *EntryProof) appendJSON(b []byte) []byte {
	b = appendInt64(append(b, '{'), "logIndex", p.LogIndex)
	b = appendBase64(b, "rootHash", p.RootHash[:])
	b = appendInt64(b, "treeSize", p.TreeSize)
	if len(p.Hashes) > 0 {
		b = append(appendName(b, "hashes"), '[')
		for i := range p.Hashes {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(base64.StdEncoding.AppendEncode(append(b, '"'), p.Hashes[i][:]), '"')
		}
		b = append(b, ']')
	}
	if len(p.Checkpoint) > 0 {
		b = append(appendString(append(appendName(b, "checkpoint"), '{'), "envelope", string(p.Checkpoint)), '}')
	}
	return append(b, '}')
}

// appendName begins a member, after a comma if it is not its object's first.
func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(strictjson.AppendString(b, name), ':')
}

// The functions below leave out zero values.

func appendInt64(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	return append(strconv.AppendInt(append(appendName(b, name), '"'), n, 10), '"')
}

func appendBase64(b []byte, name string, value []byte) []byte {
	if len(value) == 0 {
		return b
	}
	return append(base64.StdEncoding.AppendEncode(append(appendName(b, name), '"'), value), '"')
}

func appendString(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return strictjson.AppendString(appendName(b, name), value)
}

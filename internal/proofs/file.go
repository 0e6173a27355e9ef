package proofs

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"gitseal/internal/cms"
	"gitseal/internal/strictjson"
	"gitseal/internal/tlog"
	"gitseal/verifier"
)

// Bounds of a file. A proof takes some 3 kB, and a signature needs one.
const (
	maxFile   = 1 << 20
	maxProofs = 16 // each costs its verifier some public-key operations
	maxStamps = 8  // as many as the verifier reads
)

// parseFile reads the proofs of one signature: lines in ascending order, each
// once, of
//
//	{"tlogEntries":[ENTRY],"timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":"BASE64"}]}}
//
// with the second member left out where there are no time-stamps. A line is a
// dev.sigstore.bundle.v1.VerificationMaterial in ProtoJSON with the content left
// out, which the signature has. ENTRY is what tlog.Entry.MarshalJSON writes, and
// BASE64 a TimeStampResp (RFC 3161) that says no more than that it was granted.
// There is one way to write a proof: what could be written in another is
// refused, so that two files merge by their lines.
func parseFile(data []byte) ([]verifier.Proof, error) {
	switch {
	case len(data) > maxFile:
		return nil, fmt.Errorf("more than %d bytes", maxFile)
	case len(data) == 0:
		return nil, errors.New("empty")
	case data[len(data)-1] != '\n':
		return nil, errors.New("ends within a line")
	}
	var all []verifier.Proof
	var last []byte
	for line := range bytes.Lines(data) {
		line = line[:len(line)-1]
		if len(all) == maxProofs {
			return nil, fmt.Errorf("more than %d proofs", maxProofs)
		}
		if last != nil && bytes.Compare(last, line) >= 0 {
			return nil, fmt.Errorf("line %d: out of order", len(all)+1)
		}
		p, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(all)+1, err)
		}
		all, last = append(all, p), line
	}
	return all, nil
}

// parseLine reads one proof.
func parseLine(line []byte) (verifier.Proof, error) {
	var p verifier.Proof
	r := &strictjson.Reader{Text: line, Name: "line"}
	err := r.Object(
		strictjson.Required("tlogEntries", func() error {
			return r.Array(1, func(int) error {
				value, err := r.Value()
				if err != nil {
					return err
				}
				e, err := tlog.ParseEntryJSON(value)
				if err != nil {
					return err
				}
				p.Entry = e.Marshal()
				return nil
			})
		}),
		strictjson.Optional("timestampVerificationData", func() error {
			return r.Object(strictjson.Required("rfc3161Timestamps", func() error {
				return r.Array(maxStamps, func(int) error { return readStamp(r, &p) })
			}))
		}),
	)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return verifier.Proof{}, err
	}
	if p.Entry == nil {
		return verifier.Proof{}, errors.New("no log entry")
	}
	again, err := formatLine(p)
	if err != nil {
		return verifier.Proof{}, err
	}
	if !bytes.Equal(again, line) {
		return verifier.Proof{}, errors.New("not as a proof is written")
	}
	return p, nil
}

// readStamp reads an RFC3161SignedTimestamp.
func readStamp(r *strictjson.Reader, p *verifier.Proof) error {
	var response []byte
	if err := r.Object(strictjson.Required("signedTimestamp", r.Base64(&response, maxFile))); err != nil {
		return err
	}
	token, err := cms.ParseTimeStampResponse(response)
	if err == nil {
		_, err = cms.ParseToken(token)
	}
	p.Timestamps = append(p.Timestamps, token)
	return err
}

// formatLine returns the line of a proof, without its end.
func formatLine(p verifier.Proof) ([]byte, error) {
	e, err := tlog.ParseEntry(p.Entry)
	if err != nil {
		return nil, err
	}
	entry, err := e.MarshalJSON()
	if err != nil {
		return nil, err
	}
	b := append([]byte(`{"tlogEntries":[`), entry...)
	b = append(b, ']')
	for i, token := range p.Timestamps {
		response, err := cms.MarshalTimeStampResponse(token)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			b = append(b, `,"timestampVerificationData":{"rfc3161Timestamps":[`...)
		} else {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"signedTimestamp":"%s"}`, base64.StdEncoding.EncodeToString(response))
	}
	if len(p.Timestamps) > 0 {
		b = append(b, `]}`...)
	}
	return append(b, '}'), nil
}

// formatFile returns the file of the proofs, each once: those that come first
// where there are more than a file holds.
func formatFile(all []verifier.Proof) ([]byte, error) {
	var lines [][]byte
	size := 0
	for _, p := range all {
		line, err := formatLine(p)
		if err == nil {
			_, err = parseLine(line) // what is written has to be what is read
		}
		if err != nil {
			return nil, fmt.Errorf("writing a proof: %w", err)
		}
		if slices.ContainsFunc(lines, func(l []byte) bool { return bytes.Equal(l, line) }) {
			continue
		}
		if size += len(line) + 1; len(lines) == maxProofs || size > maxFile {
			break
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil, errors.New("writing proofs: there are none, or one is too large")
	}
	slices.SortFunc(lines, bytes.Compare)
	return append(bytes.Join(lines, []byte("\n")), '\n'), nil
}

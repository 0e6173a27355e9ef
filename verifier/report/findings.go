package report

import (
	"encoding/binary"
	"encoding/hex"
	"iter"

	"gitseal/verifier"
)

// Findings is a list of findings. The zero value is an empty list.
//
// A history may have millions of objects with the same finding, so a finding
// is kept as its object's id, in binary, and a number that stands for all the
// rest, which is kept once: some 23 bytes for a SHA-1 object. Only findings
// that are each worded differently take more.
type Findings struct {
	details []detail
	counts  []int // of findings, by detail
	numbers map[detail]int
	chunks  [][]byte // records: uvarint detail number, length of id, id
	n       int
}

// A detail is a finding without its object's id, comparable.
type detail struct {
	id, severity, objectType string
	identified               bool
	signer                   verifier.Signer
	message, hint            string
	oid                      string // set if the id is not hexadecimal
}

const chunkSize = 64 << 10

// maxID is the length in bytes of the longest id that is kept in binary.
const maxID = 32

// Add appends a finding.
func (f *Findings) Add(x Finding) {
	d := detail{id: x.ID, severity: string(x.Severity), objectType: x.Object.Type, message: x.Message, hint: x.Hint}
	if x.Signer != nil {
		d.identified, d.signer = true, *x.Signer
	}
	oid, err := hex.DecodeString(x.Object.OID)
	if err != nil || len(oid) > maxID || hex.EncodeToString(oid) != x.Object.OID {
		d.oid, oid = x.Object.OID, nil
	}
	number, ok := f.numbers[d]
	if !ok {
		if f.numbers == nil {
			f.numbers = make(map[detail]int)
		}
		number = len(f.details)
		f.details = append(f.details, d)
		f.counts = append(f.counts, 0)
		f.numbers[d] = number
	}
	last := len(f.chunks) - 1
	if last < 0 || cap(f.chunks[last])-len(f.chunks[last]) < binary.MaxVarintLen64+1+maxID {
		f.chunks = append(f.chunks, make([]byte, 0, chunkSize))
		last++
	}
	chunk := binary.AppendUvarint(f.chunks[last], uint64(number))
	f.chunks[last] = append(append(chunk, byte(len(oid))), oid...)
	f.counts[number]++
	f.n++
}

// Len returns the number of findings.
func (f *Findings) Len() int { return f.n }

// Count returns the number of findings of a severity.
func (f *Findings) Count(severity Severity) int {
	n := 0
	for i := range f.details {
		if f.details[i].severity == string(severity) {
			n += f.counts[i]
		}
	}
	return n
}

// ids returns how many findings there are of each id and severity.
func (f *Findings) ids() map[string]map[Severity]int {
	ids := make(map[string]map[Severity]int)
	for i := range f.details {
		d := &f.details[i]
		if ids[d.id] == nil {
			ids[d.id] = make(map[Severity]int)
		}
		ids[d.id][Severity(d.severity)] += f.counts[i]
	}
	return ids
}

// All yields the findings in the order in which they were added.
func (f *Findings) All() iter.Seq[Finding] {
	return func(yield func(Finding) bool) {
		for number, oid := range f.records() {
			if !yield(f.details[number].finding(oid)) {
				return
			}
		}
	}
}

// records yields the number of each finding's detail and its object's id, in
// binary if it is hexadecimal.
func (f *Findings) records() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for _, chunk := range f.chunks {
			for len(chunk) > 0 {
				number, n := binary.Uvarint(chunk)
				end := n + 1 + int(chunk[n])
				if !yield(int(number), chunk[n+1:end]) {
					return
				}
				chunk = chunk[end:]
			}
		}
	}
}

// finding returns the finding of the object with the given binary id.
func (d *detail) finding(oid []byte) Finding {
	x := Finding{
		ID:       d.id,
		Severity: Severity(d.severity),
		Object:   Object{Type: d.objectType, OID: d.oid},
		Message:  d.message,
		Hint:     d.hint,
	}
	if len(oid) > 0 {
		x.Object.OID = hex.EncodeToString(oid)
	}
	if d.identified {
		signer := d.signer
		x.Signer = &signer
	}
	return x
}

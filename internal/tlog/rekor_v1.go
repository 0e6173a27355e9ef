package tlog

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

// Bounds of what a Rekor v1 server answers. It hands out at most ten entries
// at once, some with an attestation of up to 100 kB.
const (
	maxRekorV1     = 32 << 20
	maxAttestation = 1 << 20
)

// A RekorV1Entry is an entry as Rekor v1 hands it out, with its body. Nothing
// in it is verified but that the id belongs to the body.
type RekorV1Entry struct {
	// ID is the leaf hash in hexadecimal, 64 digits. Rekor puts the id of
	// the tree before it, 16 more.
	ID string
	*Entry
}

// ParseRekorV1 reads what a Rekor v1 server answers: one object of entries by
// their ids (GET and POST /api/v1/log/entries),
//
//	{"<id>":{"body":"<base64>","integratedTime":n,"logID":"<hex>","logIndex":n,
//	 "verification":{"inclusionProof":{…},"signedEntryTimestamp":"<base64>"}}}
//
// or an array of such objects (POST /api/v1/log/entries/retrieve). An
// attestation that is there is left out. The result is sorted by the index in
// the log. An id that is not that of its body is an error, and so is one that
// occurs twice.
func ParseRekorV1(data []byte) ([]RekorV1Entry, error) {
	entries, err := parseRekorV1(data)
	if err != nil {
		return nil, fmt.Errorf("parsing Rekor entries: %w", err)
	}
	return entries, nil
}

func parseRekorV1(data []byte) ([]RekorV1Entry, error) {
	if len(data) > maxRekorV1 {
		return nil, fmt.Errorf("longer than %d bytes", maxRekorV1)
	}
	r := &reader{src: data}
	var entries []RekorV1Entry
	seen := make(map[string]bool)
	object := func() error {
		return r.members(func(id string) error {
			if seen[id] {
				return errors.New("duplicate entry")
			}
			seen[id] = true
			e, err := r.rekorV1(id)
			entries = append(entries, RekorV1Entry{id, e})
			return err
		})
	}
	var err error
	if r.skipSpace() == '[' {
		// Each entry takes far more than a byte: the text is the bound.
		err = r.array(len(data), object)
	} else {
		err = object()
	}
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b RekorV1Entry) int {
		return cmp.Or(cmp.Compare(a.LogIndex, b.LogIndex), cmp.Compare(a.ID, b.ID))
	})
	return entries, nil
}

// rekorV1 reads the entry of that id.
func (r *reader) rekorV1(id string) (*Entry, error) {
	e := new(Entry)
	err := r.object(
		member{"attestation", false, func() error {
			var data []byte
			return r.object(member{"data", false, r.base64(&data, maxAttestation)})
		}},
		member{"body", true, r.base64(&e.CanonicalizedBody, maxEntry)},
		member{"integratedTime", true, r.number(&e.IntegratedTime)},
		member{"logID", true, r.hex(&e.LogID, sha256.Size)},
		member{"logIndex", true, r.number(&e.LogIndex)},
		member{"verification", false, func() error {
			return r.object(
				member{"inclusionProof", false, func() error {
					e.Proof = new(EntryProof)
					return r.rekorV1Proof(e.Proof)
				}},
				member{"signedEntryTimestamp", false, func() error {
					e.Promise = new(InclusionPromise)
					return r.base64(&e.Promise.SET, maxSET)()
				}},
			)
		}},
	)
	if err != nil {
		return nil, err
	}
	if err := checkID(id, e.CanonicalizedBody); err != nil {
		return nil, err
	}
	if e.Kind, e.KindVersion, err = bodyKind(e.CanonicalizedBody); err != nil {
		return nil, fmt.Errorf("%q: %w", "body", err)
	}
	return e, nil
}

func (r *reader) rekorV1Proof(p *EntryProof) error {
	var note string
	err := r.object(
		member{"checkpoint", false, r.string(&note, maxNote)},
		member{"hashes", true, r.hexHashes(&p.Hashes)},
		member{"logIndex", true, r.number(&p.LogIndex)},
		member{"rootHash", true, func() error { return r.hexHash(&p.RootHash) }},
		member{"treeSize", true, r.number(&p.TreeSize)},
	)
	if note != "" {
		p.Checkpoint = []byte(note)
	}
	return err
}

// hexHash reads a hash in hexadecimal.
func (r *reader) hexHash(dst *Hash) error {
	var h []byte
	if err := r.hex(&h, len(dst))(); err != nil {
		return err
	}
	*dst = Hash(h)
	return nil
}

// hexHashes returns a function that reads the hashes of a proof.
func (r *reader) hexHashes(dst *[]Hash) func() error {
	return func() error {
		return r.array(maxHashes, func() error {
			var h Hash
			err := r.hexHash(&h)
			*dst = append(*dst, h)
			return err
		})
	}
}

// checkID checks that id is that of an entry with this body.
func checkID(id string, body []byte) error {
	leaf, err := parseID(id)
	if err != nil {
		return err
	}
	if got := LeafHash(body); got != leaf {
		return fmt.Errorf("the body is that of entry %x", got)
	}
	return nil
}

// parseID returns the leaf hash of an entry id.
func parseID(id string) (Hash, error) {
	const uuid, full = 2 * sha256.Size, 16 + 2*sha256.Size
	if len(id) != uuid && len(id) != full {
		return Hash{}, fmt.Errorf("entry id of %d digits", len(id))
	}
	raw, err := decodeHex([]byte(id), len(id)/2)
	if err != nil {
		return Hash{}, fmt.Errorf("entry id: %w", err)
	}
	return Hash(raw[len(raw)-len(Hash{}):]), nil
}

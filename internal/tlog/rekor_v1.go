package tlog

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"gitseal/internal/strictjson"
)

// Bounds of what a Rekor v1 server answers. It hands out at most ten entries
// at once, some with an attestation of up to 100 kB.
const (
	maxRekorV1     = 32 << 20
	maxAttestation = 1 << 20

	maxID = 16 + 2*sha256.Size // digits of an entry id
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
	r := &reader{strictjson.Reader{Text: data}}
	var entries []RekorV1Entry
	seen := make(map[string]bool)
	object := func(int) error {
		return r.Members(func(id string) error {
			if len(id) > maxID {
				return fmt.Errorf("name longer than %d bytes", maxID)
			}
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
	if r.Next() == '[' {
		// Each entry takes far more than a byte: the text is the bound.
		err = r.Array(len(data), object)
	} else {
		err = object(0)
	}
	if err == nil {
		err = r.End()
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
	err := r.Object(
		optional("attestation", func() error {
			var data []byte
			return r.Object(optional("data", r.Base64(&data, maxAttestation)))
		}),
		required("body", r.Base64(&e.CanonicalizedBody, maxEntry)),
		required("integratedTime", r.Number(&e.IntegratedTime, 63)),
		required("logID", r.Hex(&e.LogID, sha256.Size)),
		required("logIndex", r.Number(&e.LogIndex, 63)),
		optional("verification", func() error {
			return r.Object(
				optional("inclusionProof", func() error {
					e.Proof = new(EntryProof)
					return r.rekorV1Proof(e.Proof)
				}),
				optional("signedEntryTimestamp", func() error {
					e.Promise = new(InclusionPromise)
					return r.Base64(&e.Promise.SET, maxSET)()
				}),
			)
		}),
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
	err := r.Object(
		optional("checkpoint", r.String(&note, maxNote)),
		required("hashes", r.hexHashes(&p.Hashes)),
		required("logIndex", r.Number(&p.LogIndex, 63)),
		required("rootHash", func() error { return r.hexHash(&p.RootHash) }),
		required("treeSize", r.Number(&p.TreeSize, 63)),
	)
	if note != "" {
		p.Checkpoint = []byte(note)
	}
	return err
}

// hexHash reads a hash in hexadecimal.
func (r *reader) hexHash(dst *Hash) error {
	var h []byte
	if err := r.Hex(&h, len(dst))(); err != nil {
		return err
	}
	*dst = Hash(h)
	return nil
}

// hexHashes returns a function that reads the hashes of a proof.
func (r *reader) hexHashes(dst *[]Hash) func() error {
	return func() error {
		return r.Array(maxHashes, func(int) error {
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
	const uuid, full = 2 * sha256.Size, maxID
	if len(id) != uuid && len(id) != full {
		return Hash{}, fmt.Errorf("entry id of %d digits", len(id))
	}
	raw, err := strictjson.DecodeHex([]byte(id), len(id)/2)
	if err != nil {
		return Hash{}, fmt.Errorf("entry id: %w", err)
	}
	return Hash(raw[len(raw)-len(Hash{}):]), nil
}

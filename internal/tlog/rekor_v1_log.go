package tlog

import (
	"errors"
	"fmt"

	"gitseal/internal/strictjson"
)

// Bounds of what a Rekor v1 server says of itself and of its index. The public
// log has had three trees in five years; an address that signs all day has
// many thousands of entries.
const (
	maxTrees   = 256
	maxLogInfo = 1 << 20
	maxIDs     = 16 << 20 // bytes, of some 83 each
)

// A RekorV1Tree is one of the trees that a Rekor v1 log is made of. It is what
// the server says; Checkpoint alone is signed.
type RekorV1Tree struct {
	ID         string // decimal
	Size       uint64
	Root       Hash
	Checkpoint []byte // a signed note, see ParseCheckpoint; of this size and root
}

// ParseRekorV1Log reads what GET /api/v1/log answers: the tree that grows, and
// those that came before it, the oldest first.
func ParseRekorV1Log(data []byte) (current RekorV1Tree, inactive []RekorV1Tree, err error) {
	r := &reader{strictjson.Reader{Text: data}}
	if len(data) > maxLogInfo {
		err = fmt.Errorf("longer than %d bytes", maxLogInfo)
	} else if err = r.rekorV1Log(&current, &inactive); err == nil {
		err = r.End()
	}
	if err != nil {
		return RekorV1Tree{}, nil, fmt.Errorf("parsing Rekor log: %w", err)
	}
	return current, inactive, nil
}

func (r *reader) rekorV1Log(current *RekorV1Tree, inactive *[]RekorV1Tree) error {
	return r.rekorV1Tree(current, optional("inactiveShards", r.OrNull(func() error {
		return r.Array(maxTrees, func(int) error {
			var t RekorV1Tree
			err := r.rekorV1Tree(&t)
			*inactive = append(*inactive, t)
			return err
		})
	})))
}

// rekorV1Tree reads a tree, an object with more members besides.
func (r *reader) rekorV1Tree(t *RekorV1Tree, more ...strictjson.Member) error {
	var size int64
	var note string
	err := r.Object(append(more,
		required("rootHash", func() error { return r.hexHash(&t.Root) }),
		required("signedTreeHead", r.String(&note, maxNote)),
		required("treeID", func() error {
			var id int64
			err := r.QuotedNumber(&id, 63)()
			t.ID = fmt.Sprint(id)
			return err
		}),
		required("treeSize", r.Number(&size, 63)),
	)...)
	if err != nil {
		return err
	}
	t.Size, t.Checkpoint = uint64(size), []byte(note)
	signed, err := ParseCheckpoint(t.Checkpoint)
	if err != nil {
		return err
	}
	if signed.Checkpoint.Size != t.Size || signed.Checkpoint.Root != t.Root {
		return errors.New("the signed tree head is of another size or root")
	}
	return nil
}

// ParseRekorV1Proof reads what GET /api/v1/log/proof answers: the hashes of a
// consistency proof.
func ParseRekorV1Proof(data []byte) ([]Hash, error) {
	var hashes []Hash
	var root Hash // of the tree as it is now: nothing to the proof
	r := &reader{strictjson.Reader{Text: data}}
	err := r.Object(
		required("hashes", r.hexHashes(&hashes)),
		required("rootHash", func() error { return r.hexHash(&root) }),
	)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, fmt.Errorf("parsing Rekor consistency proof: %w", err)
	}
	return hashes, nil
}

// ParseRekorV1IDs reads what POST /api/v1/index/retrieve answers: entry ids, in
// the form of RekorV1Entry.ID. Ids that come twice are given once.
func ParseRekorV1IDs(data []byte) ([]string, error) {
	var ids []string
	seen := make(map[string]bool)
	if len(data) > maxIDs {
		return nil, fmt.Errorf("parsing Rekor entry ids: longer than %d bytes", maxIDs)
	}
	r := &reader{strictjson.Reader{Text: data}}
	err := r.Array(len(data), func(int) error {
		var id string
		if err := r.String(&id, maxID)(); err != nil {
			return err
		}
		if _, err := parseID(id); err != nil {
			return err
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
		return nil
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, fmt.Errorf("parsing Rekor entry ids: %w", err)
	}
	return ids, nil
}

package tlog

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds of an entry. Real ones without a body take less than 2 kB.
const (
	maxEntry  = 1 << 20
	maxString = 64   // kind, version
	maxSET    = 1024 // an RSA-4096 signature has 512 bytes
	maxHashes = 64   // an audit path in the largest tree
)

// An Entry is what a log says about one of its entries, as signatures carry it:
// dev.sigstore.rekor.v1.TransparencyLogEntry. Nothing in it is verified.
type Entry struct {
	LogIndex          int64             // over all the log's trees; not negative
	LogID             []byte            // 32 bytes
	Kind, KindVersion string            // what the log calls the entry; a claim, wrong in some real entries
	IntegratedTime    int64             // Unix seconds; 0: the log vouches for no time
	Promise           *InclusionPromise // nil: absent
	Proof             *EntryProof       // nil: absent
	CanonicalizedBody []byte            // nil: absent, to be rebuilt from the signature
}

// An InclusionPromise holds a signed entry timestamp.
type InclusionPromise struct {
	SET []byte // may be empty: signers have written empty promises for Rekor v2 entries
}

// An EntryProof is an inclusion proof with the checkpoint it leads to.
type EntryProof struct {
	LogIndex   int64 // within the tree; not negative
	RootHash   Hash
	TreeSize   int64 // not negative
	Hashes     []Hash
	Checkpoint []byte // a signed note, see ParseCheckpoint; nil: absent
}

// Field numbers of sigstore_rekor.proto and, for the key id, of
// sigstore_common.proto.
const (
	entryLogIndex, entryLogID, entryKindVersion, entryTime = 1, 2, 3, 4
	entryPromise, entryProof, entryBody                    = 5, 6, 7
	logIDKeyID                                             = 1
	kindVersionKind, kindVersionVersion                    = 1, 2
	promiseSET                                             = 1
	proofLogIndex, proofRootHash, proofTreeSize            = 1, 2, 3
	proofHashes, proofCheckpoint                           = 4, 5
	checkpointEnvelope                                     = 1
)

// ParseEntry reads an entry in protocol buffers. It takes the one encoding that
// Marshal writes: known fields in ascending order, at most once, none that only
// repeats a default, shortest varints. The result shares no memory with pb.
func ParseEntry(pb []byte) (*Entry, error) {
	e, err := parseEntry(pb)
	if err != nil {
		return nil, fmt.Errorf("parsing log entry: %w", err)
	}
	return e, nil
}

// Marshal returns the entry in protocol buffers.
func (e *Entry) Marshal() []byte {
	logID := sizeBytes(logIDKeyID, len(e.LogID))
	kindVersion := sizeBytes(kindVersionKind, len(e.Kind)) + sizeBytes(kindVersionVersion, len(e.KindVersion))
	// The rest is tags, lengths and numbers.
	size := 64 + logID + kindVersion + len(e.CanonicalizedBody)
	if e.Promise != nil {
		size += len(e.Promise.SET)
	}
	if e.Proof != nil {
		size += e.Proof.size()
	}

	b := make([]byte, 0, size)
	b = appendInt(b, entryLogIndex, e.LogIndex)
	if logID > 0 {
		b = appendBytes(appendHeader(b, entryLogID, logID), logIDKeyID, e.LogID)
	}
	if kindVersion > 0 {
		b = appendHeader(b, entryKindVersion, kindVersion)
		b = appendBytes(b, kindVersionKind, e.Kind)
		b = appendBytes(b, kindVersionVersion, e.KindVersion)
	}
	b = appendInt(b, entryTime, e.IntegratedTime)
	if e.Promise != nil {
		b = appendHeader(b, entryPromise, sizeBytes(promiseSET, len(e.Promise.SET)))
		b = appendBytes(b, promiseSET, e.Promise.SET)
	}
	if e.Proof != nil {
		b = e.Proof.append(appendHeader(b, entryProof, e.Proof.size()))
	}
	return appendBytes(b, entryBody, e.CanonicalizedBody)
}

// size returns the length of what append appends.
func (p *EntryProof) size() int {
	size := sizeInt(proofLogIndex, p.LogIndex) + sizeBytes(proofRootHash, len(p.RootHash)) +
		sizeInt(proofTreeSize, p.TreeSize) + len(p.Hashes)*sizeBytes(proofHashes, len(Hash{}))
	if len(p.Checkpoint) > 0 {
		size += protowire.SizeTag(proofCheckpoint) +
			protowire.SizeBytes(sizeBytes(checkpointEnvelope, len(p.Checkpoint)))
	}
	return size
}

func (p *EntryProof) append(b []byte) []byte {
	b = appendInt(b, proofLogIndex, p.LogIndex)
	b = appendBytes(b, proofRootHash, p.RootHash[:])
	b = appendInt(b, proofTreeSize, p.TreeSize)
	for i := range p.Hashes {
		b = appendBytes(b, proofHashes, p.Hashes[i][:])
	}
	if len(p.Checkpoint) > 0 {
		b = appendHeader(b, proofCheckpoint, sizeBytes(checkpointEnvelope, len(p.Checkpoint)))
		b = appendBytes(b, checkpointEnvelope, p.Checkpoint)
	}
	return b
}

func parseEntry(pb []byte) (*Entry, error) {
	if len(pb) > maxEntry {
		return nil, fmt.Errorf("longer than %d bytes", maxEntry)
	}
	e := new(Entry)
	err := eachField(pb, func(f field) (err error) {
		switch f.num {
		case entryLogIndex:
			e.LogIndex, err = f.int()
		case entryLogID:
			e.LogID, err = f.logID()
		case entryKindVersion:
			err = f.kindVersion(e)
		case entryTime:
			e.IntegratedTime, err = f.int()
		case entryPromise:
			e.Promise, err = f.promise()
		case entryProof:
			e.Proof, err = f.proof()
		case entryBody:
			e.CanonicalizedBody, err = f.bytes(maxEntry)
		default:
			err = errUnknown
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if e.LogID == nil {
		return nil, errors.New("no log id")
	}
	// Whatever is left that could be written in two ways: order, repetition,
	// defaults, long varints.
	if !bytes.Equal(e.Marshal(), pb) {
		return nil, errors.New("not in canonical encoding")
	}
	return e, nil
}

func (f field) logID() (id []byte, err error) {
	err = f.message(func(f field) error {
		if f.num != logIDKeyID {
			return errUnknown
		}
		if id, err = f.bytes(sha256.Size); err == nil && len(id) != sha256.Size {
			err = fmt.Errorf("log id of %d bytes", len(id))
		}
		return err
	})
	return id, err
}

func (f field) kindVersion(e *Entry) error {
	return f.message(func(f field) (err error) {
		switch f.num {
		case kindVersionKind:
			e.Kind, err = f.string()
		case kindVersionVersion:
			e.KindVersion, err = f.string()
		default:
			err = errUnknown
		}
		return err
	})
}

func (f field) promise() (*InclusionPromise, error) {
	p := new(InclusionPromise)
	err := f.message(func(f field) (err error) {
		if f.num != promiseSET {
			return errUnknown
		}
		p.SET, err = f.bytes(maxSET)
		return err
	})
	return p, err
}

func (f field) proof() (*EntryProof, error) {
	p := new(EntryProof)
	message, hasRoot := f.value, false
	err := f.message(func(f field) (err error) {
		switch f.num {
		case proofLogIndex:
			p.LogIndex, err = f.int()
		case proofRootHash:
			hasRoot = true
			p.RootHash, err = f.hash()
		case proofTreeSize:
			p.TreeSize, err = f.int()
		case proofHashes:
			if len(p.Hashes) == maxHashes {
				return fmt.Errorf("more than %d hashes", maxHashes)
			}
			if p.Hashes == nil {
				// A little more than is needed: the note counts as hashes too.
				p.Hashes = make([]Hash, 0, min(maxHashes, 1+len(message)/len(Hash{})))
			}
			var h Hash
			h, err = f.hash()
			p.Hashes = append(p.Hashes, h)
		case proofCheckpoint:
			p.Checkpoint, err = f.envelope()
		default:
			err = errUnknown
		}
		return err
	})
	if err == nil && !hasRoot {
		err = errors.New("no root hash")
	}
	return p, err
}

func (f field) envelope() (note []byte, err error) {
	err = f.message(func(f field) error {
		if f.num != checkpointEnvelope {
			return errUnknown
		}
		if note, err = f.bytes(maxNote); err == nil && !utf8.Valid(note) {
			err = errors.New("not UTF-8")
		}
		return err
	})
	return note, err
}

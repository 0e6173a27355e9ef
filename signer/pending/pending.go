// Package pending keeps signatures whose log entry has not been made yet: a
// directory with one file for each, durable before the signature is given away,
// until a log has recorded it and the proof is kept.
//
// A process may be killed at any point, and a machine stop, without a signature
// being lost: what was not added was not given away, and what is not kept is
// still there to be flushed again. A file that is not whole, or that somebody
// else may have written, is named and left alone.
package pending

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"gitseal/signer"
	"gitseal/verifier"
)

// A Record is a signature that waits for its log entry. Nothing in it is
// secret but what it tells of its owner's work.
type Record struct {
	Made             time.Time
	Instance         string   // value of gitseal.instance it was signed under, absolute if a directory
	Repository       string   // absolute path of the git directory that the object is in; "": not known
	Object           string   // "commit 12ab…" with the id that git will give it; "": not known
	SignedAttributes []byte   // DER, as they are signed (RFC 5652, section 5.4)
	Signature        []byte   // over them
	Certificate      []byte   // DER
	Timestamps       [][]byte // RFC 3161 tokens over Signature, DER, that travel in the signature
	Stamped          [][]byte // such tokens that a flush had, and that go with the proof; nil: none
}

// Key returns the key of the record's proofs: verifier.ProofKey of the
// signature.
func (r *Record) Key() [32]byte { return sha256.Sum256(r.Signature) }

// A Queue is a directory of records. It may be used by several processes at
// once.
type Queue struct {
	Dir string // absolute; made when it is first needed
}

// ErrShared means that others than the user may write to a queue, or to a file in
// it, which is not used then.
var ErrShared = errors.New("others may write to it")

// A BadFile is a file in a queue that is no record. It is neither used nor
// removed.
type BadFile struct {
	Name string
	Err  error
}

// Services are what a record is recorded with.
type Services struct {
	Log          signer.Log
	Timestampers []signer.Timestamper // nil: none
	Verifier     *verifier.Verifier
}

// A FlushConfig says how records are recorded. Services and Keep are required.
type FlushConfig struct {
	// Services returns those of the instance that the record was signed
	// under. It is called from one goroutine, once for each record. Of those
	// that it returns for several, a server that cannot be reached is not
	// asked for each.
	Services func(*Record) (*Services, error)

	// Keep makes proofs durable, by their key, for a repository: that of
	// records, "" for those that name none. It returns when no crash can lose
	// them. It is called from one goroutine, as often as there is something to
	// keep: proofs that are had meanwhile are kept together.
	Keep func(ctx context.Context, repository string, more map[[32]byte][]verifier.Proof) error

	Select   func([]*Record) ([]*Record, error) // which of all records; nil: all
	Parallel int                                // how many at once; 0: 16
	Now      func() time.Time                   // to tell whose certificate has expired; nil: time.Now
}

// Flushed is what became of records, each list in the order in which they were
// made.
type Flushed struct {
	Recorded []*Record // kept, and out of the queue
	Failed   []Failure // to be tried again
	Lost     []Failure // whose certificate expired before anything proved a time: no later try helps. They stay in the queue
	Bad      []BadFile
}

// A Failure says why a record is not recorded.
type Failure struct {
	Record *Record
	Err    error
}

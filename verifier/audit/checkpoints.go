package audit

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"

	"gitseal/verifier"
	"gitseal/verifier/report"
)

// maxCheckpoints bounds the checkpoints that are kept: some 25 MB. The 70,000
// signatures that the public log is known to have of git have nearly as many.
const maxCheckpoints = 1 << 18

// maxForks bounds the pairs that are kept as evidence; there is a finding of
// each.
const maxForks = 100

// Checkpoints collects the checkpoints to which the proofs in verified
// signatures lead, so that they can be held against one another and against
// their logs: a log that shows different histories to different people has
// signed checkpoints that do not fit together. Each is kept once, with the
// first object that held it.
//
// The zero value collects up to 262,144 of them, which take some 25 MB; that
// more were seen makes the audit incomplete. It is for one audit, and not to
// be used before that has ended.
type Checkpoints struct {
	trees   map[treeKey]*tree
	kept    int
	limit   int // 0: maxCheckpoints
	dropped int
	forks   [][2]Checkpoint
}

// A Checkpoint is one that a log signed, and the first object that holds it.
type Checkpoint struct {
	LogID  [32]byte
	Origin string // names the tree, too, of a Rekor v1 log
	Size   uint64
	Root   [32]byte
	Object report.Object
}

// A treeKey tells the trees of all logs apart.
type treeKey struct {
	logID  [32]byte
	origin string
}

// A tree is the checkpoints of one tree: by size, and in the order in which
// they were seen.
type tree struct {
	bySize map[uint64]int32
	seen   []sighting
}

// A sighting is a Checkpoint without what it shares with others.
type sighting struct {
	size   uint64
	root   [32]byte
	object [32]byte // its id
	length uint8    // bytes of the id
	kind   uint8    // of the object, in kinds
}

// kinds are the types of objects that hold checkpoints.
var kinds = []string{"commit", "tag", "mergetag"}

// All yields what was collected, by log and tree, and there by size.
func (c *Checkpoints) All() iter.Seq[Checkpoint] {
	return func(yield func(Checkpoint) bool) {
		keys := make([]treeKey, 0, len(c.trees))
		for key := range c.trees {
			keys = append(keys, key)
		}
		slices.SortFunc(keys, func(a, b treeKey) int {
			return cmp.Or(slices.Compare(a.logID[:], b.logID[:]), strings.Compare(a.origin, b.origin))
		})
		for _, key := range keys {
			seen := slices.Clone(c.trees[key].seen)
			slices.SortFunc(seen, func(a, b sighting) int { return cmp.Compare(a.size, b.size) })
			for _, s := range seen {
				if !yield(s.checkpoint(key)) {
					return
				}
			}
		}
	}
}

// Forks returns pairs of one size and different roots, up to 100: each shows
// that a log contradicts itself.
func (c *Checkpoints) Forks() [][2]Checkpoint { return slices.Clone(c.forks) }

func (s *sighting) checkpoint(key treeKey) Checkpoint {
	return Checkpoint{
		LogID: key.logID, Origin: key.origin, Size: s.size, Root: s.root,
		Object: report.Object{Type: kinds[s.kind], OID: hex.EncodeToString(s.object[:s.length])},
	}
}

// add adds the checkpoint of a verified entry. It returns the one of the same
// size and another root, if there is such a one: the log contradicts itself.
func (c *Checkpoints) add(l *verifier.LogEntry, o report.Object) (other *Checkpoint) {
	if l.Origin == "" {
		return nil // a promise alone: it leads to no checkpoint
	}
	key := treeKey{l.LogID, l.Origin}
	t := c.trees[key]
	if t == nil {
		if c.trees == nil {
			c.trees = make(map[treeKey]*tree)
		}
		t = &tree{bySize: make(map[uint64]int32)}
		c.trees[key] = t
	}
	if i, ok := t.bySize[l.TreeSize]; ok {
		if t.seen[i].root == l.RootHash {
			return nil
		}
		before := t.seen[i].checkpoint(key)
		if len(c.forks) < maxForks {
			c.forks = append(c.forks, [2]Checkpoint{before, {l.LogID, l.Origin, l.TreeSize, l.RootHash, o}})
		}
		return &before
	}
	limit := c.limit
	if limit == 0 {
		limit = maxCheckpoints
	}
	if c.kept == limit {
		c.dropped++
		return nil
	}
	s := sighting{size: l.TreeSize, root: l.RootHash, kind: uint8(max(slices.Index(kinds, o.Type), 0))}
	// An object without an id is a mergetag that has none.
	if id, err := hex.DecodeString(o.OID); err == nil && len(id) <= len(s.object) {
		s.length = uint8(copy(s.object[:], id))
	}
	t.bySize[l.TreeSize] = int32(len(t.seen))
	t.seen = append(t.seen, s)
	c.kept++
	return nil
}

// addCheckpoint holds the checkpoint of a valid signature against those seen
// before.
func (c *collector) addCheckpoint(l *verifier.LogEntry, o report.Object) {
	if c.cfg.Checkpoints == nil {
		return
	}
	if other := c.cfg.Checkpoints.add(l, o); other != nil {
		c.findings.Add(forkFinding(l.Origin, o, fmt.Sprintf("a tree of %d has root %x here and root %x in %s %s",
			l.TreeSize, l.RootHash[:], other.Root[:], other.Object.Type, other.Object.OID)))
	}
}

// finish notes what the checkpoints say of the audit as a whole.
func (c *Checkpoints) finish(r *report.Report) {
	if c == nil {
		return
	}
	if c.dropped > 0 {
		Untold(r, fmt.Sprintf("consistency of checkpoints beyond the first %d (%d objects)", c.kept, c.dropped), "they are too many to be kept")
	}
	if len(c.forks) > 0 {
		r.Result = report.Equivocation
	}
}

// Fork adds to a report that a log contradicts itself, as the object shows:
// whatever else it says, the result is equivocation. why says what does not
// fit.
func Fork(r *report.Report, log string, o report.Object, why string) {
	r.Findings.Add(forkFinding(log, o, why))
	r.Result = report.Equivocation
}

func forkFinding(log string, o report.Object, why string) report.Finding {
	return report.Finding{
		ID: report.LogFork, Severity: report.Error, Object: o,
		Message: fmt.Sprintf("log %s contradicts itself: %s", log, why), Hint: report.LogForkHint,
	}
}

// Consistent adds to a report that a log proved that all its checkpoints with
// that origin lie in the history that it shows.
func Consistent(r *report.Report, origin string) {
	for i := range r.Logs {
		if r.Logs[i].Origin == origin && r.Logs[i].LargestSize > 0 {
			r.Logs[i].Consistency = report.Proven
		}
	}
}

// Untold adds to a report that it could not be told whether checkpoints
// are consistent.
func Untold(r *report.Report, what, reason string) {
	r.Complete = false
	r.NotExamined = append(r.NotExamined, report.Omission{What: what, Reason: clip(reason)})
	if r.Result == report.Pass {
		r.Result = report.Indeterminate
	}
}

// Package audit examines the history of a repository: it walks, verifies,
// judges and collects.
//
// Every object examined, commit or annotated tag, is read as raw bytes, its
// id computed again from them, its signature verified under the trusted roots
// in force, and whoever made it judged by the policy. Each gets exactly one
// class, and nothing is passed over in silence: what was not examined is in
// the report, with the reason.
//
// Git says which objects there are, but it is not believed: the parents that
// verified commits name must all have been examined, or be excluded, before
// an audit calls itself complete.
//
// An audit writes nothing, opens no socket and fetches nothing; only the
// Entries of its Config may, for log entries that are not in the signatures.
// What it reports depends on the objects, the refs at its start, the trusted
// roots, the policy and those entries, never on how many goroutines worked, or
// in which order.
//
// Memory does not grow with the history but for the list of signers and of
// findings, which takes some 23 bytes per object with the same finding.
package audit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/audit/cache"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// A Config says what to audit, and by which rules. Repo and Verifier are
// required.
type Config struct {
	Repo     *gitutil.Repo
	Verifier *verifier.Verifier

	// TrustedRoots are those that Verifier was made with. They are asked for
	// nothing but their digest, which goes into the report.
	TrustedRoots []*verifier.TrustedRoot
	// TrustSources say where the trusted roots came from, for the report.
	TrustSources []string

	// Keys verify the signatures that are not keyless.
	Keys Keys

	// Policy says who may sign, and what else is asked of refs and paths. Nil
	// judges validity only, and lists who signed.
	Policy *policy.Policy
	// PolicySource says where the policy came from, for the report.
	PolicySource string

	// PolicyFile is where in the repository the policy was read from, so that
	// each change of it is judged by the policy before. Nil: it is from
	// elsewhere.
	PolicyFile *PolicyFile

	// State is what the refs held at the last audit. Nil holds them against
	// nothing.
	State *State

	// Revisions are what to examine: a revision, or a range such as A..B or
	// ^A, as the user wrote it; "" is HEAD. With none that asks for
	// something, and without All, it is HEAD. A revision that is an
	// annotated tag stands for the tag and the history of its commit.
	Revisions []string
	// Ref is the full name of the ref that the revisions are judged for, by
	// its rules. Empty: each for the ref that it names.
	Ref string
	// All adds every branch, remote-tracking ref and annotated tag, and HEAD
	// where it is detached.
	All bool
	// Since is a revision whose whole history is left out, as by "^Since" in
	// Revisions. Empty leaves out nothing.
	Since string
	// FirstParent follows the first parent of a merge only.
	FirstParent bool
	// AllowShallow audits what is there of a history that was cut off when
	// it was fetched, or that grafts or replace refs would show otherwise,
	// and says so. Without it that is an *AlteredHistoryError.
	AllowShallow bool

	// Checkpoints collects the checkpoints of valid signatures, and makes it
	// a finding that a log signed two of one size that differ. Nil holds none
	// against another.
	Checkpoints *Checkpoints

	// Proofs finds what the repository keeps of signatures that nothing is
	// embedded in. Nil: it keeps nothing.
	Proofs Proofs
	// Entries finds log entries of signatures that are not proven by either. What
	// it asks is its own affair. Nil leaves them not-logged.
	Entries Entries

	// Vouchers are the names of the policy's identities that stand for commits
	// in other ways than by a signature in the repository, such as attestations,
	// by the commits' ids. They count for thresholds.
	Vouchers map[string][]string
	// Certificates has seen those of other repositories. Nil: there are none.
	Certificates *Certificates
	// Location is where the repository is, for the report and in notes.
	Location string

	// Cache keeps what was found of objects, for the next audit. Its key has to
	// be what CacheKey returns. The caller saves it. Nil keeps nothing.
	Cache *cache.Cache
	// Row, if it is not nil, is called with what was found of each object, in
	// the order of the history, by one goroutine.
	Row func(report.Row)

	// Explain is filled in with how the object that it names was judged. Nil:
	// nothing is explained.
	Explain *Explanation

	// Jobs is how many goroutines verify, up to 1024. Zero or less is one
	// for each processor.
	Jobs int
	// Progress, if it is not nil, is called after each object with the
	// number of objects examined and of those there are, which is 0 until it
	// is known. It is called by one goroutine at a time and should be quick.
	Progress func(done, total int)
	// Now is asked when the audit starts and ends, for the report, and
	// nothing else. Nil is time.Now.
	Now func() time.Time
	// Tool is the name and version of the program, for the report.
	Tool string
	// Hint says what to do about an object of a class that is not good, for
	// its finding. It is called by one goroutine at a time. Nil is report.Hint.
	Hint func(verifier.Class) string

	// pushed is what to examine in place of Revisions and All; nil: those.
	pushed *pushed
}

// ErrNoRef means that a policy has rules for refs, and a revision names none.
var ErrNoRef = errors.New("the policy has rules for refs, and the revision names none")

// ErrEmpty means that there is nothing to examine yet: a repository without
// commits, or with All one without any ref that All takes.
var ErrEmpty = errors.New("no commits yet")

// A RevisionError is a revision that cannot be examined, because the
// repository does not know it or because it is neither commit nor tag.
type RevisionError struct {
	Revision string // as the user wrote it
	Err      error
}

// Error returns the cause, which names the revision.
func (e *RevisionError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RevisionError) Unwrap() error { return e.Err }

// An AlteredHistoryError is a repository that shows less, or another history
// than the one its commits name.
type AlteredHistoryError struct {
	Shallow  bool // cut off when it was fetched
	Grafted  bool // there is a grafts file
	Replaced bool // there are replace refs
}

// Error says in which way the history is altered.
func (e *AlteredHistoryError) Error() string {
	switch {
	case e.Shallow:
		return "the history is shallow: it was cut off when it was fetched"
	case e.Grafted:
		return "the repository has grafts, which show another history than its commits name"
	}
	return "the repository has replace refs, which show other objects than the ones they name"
}

// Run audits. The error is nil if there is a report, however bad: it is
// ErrEmpty, a *RevisionError, an *AlteredHistoryError, or what package gitutil
// says of git. If the context ends while objects are examined there is a
// report on those that were, which says that it is not complete.
func Run(ctx context.Context, cfg Config) (*report.Report, error) {
	r, err := run(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("auditing: %w", err)
	}
	return r, nil
}

func run(ctx context.Context, cfg Config) (*report.Report, error) {
	if cfg.Repo == nil || cfg.Verifier == nil {
		return nil, errors.New("no repository or no verifier")
	}
	now := cfg.Now
	if now == nil {
		now = time.Now
	}
	if cfg.Hint == nil {
		cfg.Hint = report.Hint
	}
	started := now()

	// Whatever the user named is resolved once, here: refs that move while
	// the audit runs change nothing.
	scope, err := resolve(ctx, cfg)
	if err != nil {
		return nil, err
	}
	c := newCollector(cfg, scope, started)
	defer c.close() // only read from
	c.addLightweight()
	err = c.examine(ctx)
	if err == nil {
		// Every object that git listed has been examined. Were those all?
		err = c.checkConnected(ctx)
	}
	if err == nil {
		err = c.followPolicy(ctx)
	}
	if err == nil {
		err = c.compareState(ctx)
	}
	if err == nil {
		err = c.comparePushed(ctx)
	}
	if ctx.Err() != nil {
		c.incomplete("the rest of the history", "the audit was interrupted")
	} else if err != nil {
		return nil, err
	}
	r := c.report()
	cfg.Checkpoints.finish(r)
	r.StartedAt, r.FinishedAt = started.UTC().Truncate(time.Second), now().UTC().Truncate(time.Second)
	return r, nil
}

// maxJobs bounds the goroutines that verify: more would only take memory.
const maxJobs = 1024

// jobs returns how many goroutines verify.
func (cfg *Config) jobs() int {
	if cfg.Jobs > 0 {
		return min(cfg.Jobs, maxJobs)
	}
	return runtime.GOMAXPROCS(0)
}

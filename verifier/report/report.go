// Package report is what an audit found, as a value, and its renderings: a
// JSON document, gitseal.audit/1, which it also reads; a text, a page and a
// comment for people; and the formats of other programs, from SARIF to SLSA's
// verification summary. Each of them renders one audit, or several together.
//
// A report says first how complete it is, for what was not examined is not
// good. Everything in it comes in a fixed order, so that two audits of the
// same objects under the same trust and policy differ in their times only.
//
// The package judges nothing and reads neither clock nor file. Strings of a
// Report may hold whatever bytes were found in git objects: each rendering
// makes them safe for where it goes.
package report

import (
	"encoding/hex"
	"strings"
	"time"

	"gitseal/verifier"
)

// A Report is what an audit examined, left out and found. Its fields but
// Explain are those of the JSON document, in that order.
type Report struct {
	Tool        string // name and version of the program
	Repository  Repository
	Scope       Scope
	Policy      *Policy // nil: none, validity only was judged
	Trust       Trust
	StartedAt   time.Time
	FinishedAt  time.Time
	Complete    bool       // everything in scope was examined
	NotExamined []Omission // what was not, in scope or out of it
	Totals      Totals
	Signers     []Signer     // those with most objects first, then by issuer, identity and key
	UnknownKeys []UnknownKey // that the audit lacked, those with most objects first
	Logs        []Log        // by origin
	Months      []Month      // when it was committed, oldest first
	Continuity  []Continuity // of branches in scope, by name
	Findings    Findings     // in the order in which objects were examined
	Result      Result

	// Explain is the command that explains how an object was judged, by the
	// policy by which it was, with OID as a word for the object's id. Empty:
	// "gitseal policy explain OID". It is about where the audit ran, so it is
	// in no document.
	Explain string
}

// A Repository is what there is to know of the repository itself.
type Repository struct {
	// Location is where the repository is, as the caller names it. It may be
	// empty.
	Location     string `json:"location,omitempty"`
	ObjectFormat string `json:"objectFormat"` // "sha1" or "sha256"
	Shallow      bool   `json:"shallow"`      // history was cut off when it was fetched
	Grafted      bool   `json:"grafted"`      // a grafts file is present; it was ignored
	Replaced     bool   `json:"replaced"`     // replace refs are present; they were ignored
	PartialClone bool   `json:"partialClone"` // objects may be missing by agreement
}

// A Scope is what was to be examined, with every name resolved once, at the
// start.
type Scope struct {
	Refs      []Ref      `json:"refs"`
	Revisions []Revision `json:"revisions"`
}

// A Ref is a reference in scope and what it held.
type Ref struct {
	Name string `json:"name"`
	OID  string `json:"oid"`
}

// A Revision is a revision or range as it was asked for and the object ids it
// stood for, those to leave out with "^" before them.
type Revision struct {
	Revision string   `json:"revision"`
	Resolved []string `json:"resolved"`
}

// A Policy is the policy that was in force.
type Policy struct {
	Source string `json:"source"`
	Digest Digest `json:"digest"`
}

// A Trust is the trusted roots that were in force.
type Trust struct {
	Sources []string `json:"sources"`
	Digest  Digest   `json:"digest"`
}

// A Digest is a SHA-256. Its text is "sha256:" and 64 hexadecimal digits; that
// of the zero Digest, which stands for one that is not known, is empty.
type Digest [32]byte

// String returns the text of the digest.
func (d Digest) String() string {
	if d == (Digest{}) {
		return ""
	}
	return "sha256:" + hex.EncodeToString(d[:])
}

// MarshalText returns the text of the digest.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// An Omission is something that was not examined, and why.
type Omission struct {
	What   string `json:"what"` // a ref, or words
	Reason string `json:"reason"`
}

// Totals are how many objects were examined, and how many of them are of each
// class. Commits and Tags add up to Examined, and so do the classes.
type Totals struct {
	Examined int
	Commits  int
	Tags     int
	Classes  map[verifier.Class]int // a class that is not there has none
}

// A Signer is who signed objects, as far as their signatures are right: with a
// key that is known or not, allowed by the policy or not. Identity, Issuer and
// Key are those of a verifier.Signer.
type Signer struct {
	Kind     verifier.Kind `json:"kind"`
	Identity string        `json:"identity"`
	Issuer   string        `json:"issuer"`
	Key      string        `json:"key,omitempty"`
	Role     string        `json:"role,omitempty"` // of the policy's entry: "human", "bot" or "forge"
	Objects  int           `json:"objects"`
	Good     int           `json:"good"` // of these, those of a good class
	First    time.Time     `json:"first"`
	Last     time.Time     `json:"last"`
	// Times says what First and Last are: ProvenTimes if all of them are.
	Times TimeKind `json:"times"`
}

// An UnknownKey is a key that signatures name and that is not among the known
// ones, so that they could not be checked.
type UnknownKey struct {
	Kind    verifier.Kind `json:"kind"`
	Key     string        `json:"key"` // as the signatures name it: a fingerprint or a shorter id
	Objects int           `json:"objects"`
}

// A TimeKind tells times that are proven from those that are only claimed.
type TimeKind string

// The kinds of times.
const (
	ProvenTimes  TimeKind = "proven"  // by a log or a time-stamp authority
	ClaimedTimes TimeKind = "claimed" // by the signature, or the object itself
)

// A Month is how many of the commits whose committer's clock showed that
// month are of which kind. Clocks can show anything, so this is for an
// overview.
type Month struct {
	Month  string                `json:"month"`  // "2026-01"; "unknown" for dates that are none
	Good   map[verifier.Kind]int `json:"good"`   // that are of a good class, signed, by kind
	Exempt int                   `json:"exempt"` // that need not be good
	Other  int                   `json:"other"`  // signed, and not good, or not known to be
	None   int                   `json:"none"`   // unsigned
}

// A Continuity is since when all commits of a branch are compliant: of a good
// class and without a finding that is an error.
type Continuity struct {
	Ref string `json:"ref"` // a ref's full name, or the revision that was asked for
	OID string `json:"oid"` // its commit
	// Commits are the examined commits along first parents. Those are what the
	// branch itself was, one after the other.
	Commits int `json:"commits"`
	// Since is the oldest of these from which on all are compliant, and Streak
	// how many those are. Since is nil if the newest is not compliant.
	Since  *Point `json:"since"`
	Streak int    `json:"streak"`
	// Gaps are the runs of commits that are not compliant, newest first, no
	// more than MaxGaps; GapCount is how many there are.
	Gaps     []Gap `json:"gaps"`
	GapCount int   `json:"gapCount"`
	// Merged are the other examined commits that the branch reaches, and
	// MergedBad those of them that are not compliant.
	Merged    int `json:"merged"`
	MergedBad int `json:"mergedBad"`
}

// MaxGaps bounds the gaps that a Continuity lists.
const MaxGaps = 100

// A Point is a commit and its committer's date, which is a claim.
type Point struct {
	OID  string    `json:"oid"`
	Date time.Time `json:"date"`
}

// A Gap is a run of commits, one after the other, none of them compliant.
type Gap struct {
	Newest  Point `json:"newest"`
	Oldest  Point `json:"oldest"`
	Commits int   `json:"commits"`
}

// A Row is what an audit found of one object. Reports do not hold the rows,
// which may be millions: they are handed out as they come.
type Row struct {
	// Repository is Location of the repository, where several are audited.
	Repository string
	Object     Object
	Class      verifier.Class
	Parents    int              // of a commit
	Signer     *verifier.Signer // who signed; nil if that is not known for sure
	Entry      string           // the name of the policy's entry that allows the signer; may be empty
	Time       time.Time        // when it was signed, or for a commit without a valid signature committed; zero: nobody says
	Source     verifier.TimeSource
	// Message says why the object is not of a good class.
	Message string
	// Findings are the ids of what else was found of it.
	Findings []string
}

// A Log is a transparency log in which valid signatures are recorded.
type Log struct {
	Origin      string `json:"origin"`      // of its checkpoints; its base URL if promises are all that was seen
	Entries     int    `json:"entries"`     // examined objects it recorded
	LargestSize uint64 `json:"largestSize"` // the largest tree size that a proof was for; 0: promises only

	// Consistency is Proven if the log proved that every checkpoint seen of
	// it lies in the history that it shows now. Empty: it did not, or was not
	// asked to.
	Consistency Consistency `json:"consistency,omitempty"`
}

// A Consistency is what a log has proven of its checkpoints.
type Consistency string

// Proven is the one thing that it can prove: that they lie in one history.
const Proven Consistency = "proven"

// A Finding is something to say of one object.
type Finding struct {
	ID       string
	Severity Severity
	Object   Object
	Signer   *verifier.Signer // who signed; nil if that is not proven
	Message  string
	// Hint is what to do next; it may be empty. The words OID and EXPLAIN in it
	// stand for the object's id and for the report's Explain: renderings put
	// these in their places, and Findings keeps the hint once for all objects.
	Hint string
}

// An Object is a git object. A mergetag is a tag inside a merge commit.
type Object struct {
	Type string `json:"type"` // "commit", "tag" or "mergetag"; "object" if it is not known which
	OID  string `json:"oid"`
}

// String returns the type and the id.
func (o Object) String() string { return strings.TrimSpace(o.Type + " " + o.OID) }

// A Result is the verdict over everything that was examined.
type Result string

// The results. Each is an exit code of the command: 0, 1, 3 and 4.
const (
	Pass          Result = "pass"
	Violation     Result = "violation"     // an object is bad
	Indeterminate Result = "indeterminate" // nothing is bad, but not everything could be told
	Equivocation  Result = "equivocation"  // a log contradicts itself
)

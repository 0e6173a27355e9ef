package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/report"
)

// A collector makes a report of verdicts. One goroutine adds them, in the
// order of the history.
type collector struct {
	cfg   Config
	scope *scope
	judge *Judge

	totals    report.Totals
	omissions []report.Omission
	complete  bool
	missing   int
	unasked   map[string]bool // reasons that are among omissions
	signers   map[signer]*report.Signer
	logs      map[string]*report.Log
	findings  report.Findings

	// open are the commits that are named, by the user or by an examined
	// commit, and have not been examined. As a parent comes after all its
	// children, it holds no more than the history is wide.
	open map[string]bool
}

// A signer is what makes two signatures the same signer's.
type signer struct {
	kind     string
	identity verifier.Identity
}

func newCollector(cfg Config, s *scope) *collector {
	c := &collector{
		cfg:       cfg,
		scope:     s,
		judge:     &Judge{Format: cfg.Repo.ObjectFormat(), Verifier: cfg.Verifier, Allowed: verifier.AnyIdentity{}, Entries: cfg.Entries},
		totals:    report.Totals{Classes: make(map[verifier.Class]int)},
		omissions: slices.Clone(s.omissions),
		complete:  !s.broken,
		unasked:   make(map[string]bool),
		signers:   make(map[signer]*report.Signer),
		logs:      make(map[string]*report.Log),
		open:      make(map[string]bool),
	}
	if cfg.Policy != nil {
		c.judge.Allowed = cfg.Policy
	}
	for _, oid := range s.commits {
		c.open[oid] = true
	}
	return c
}

// incomplete notes that something in scope was not examined.
func (c *collector) incomplete(what, reason string) {
	c.complete = false
	c.omissions = append(c.omissions, report.Omission{What: what, Reason: reason})
}

// add adds the verdict on one object.
func (c *collector) add(j *job) {
	v := &j.verdict
	kind := j.kind
	if j.object.Type == "commit" || j.object.Type == "tag" {
		kind = j.object.Type
	}
	c.totals.Examined++
	if kind == "tag" {
		c.totals.Tags++
	} else {
		c.totals.Commits++
	}
	c.totals.Classes[v.Class]++
	if v.Class == report.MissingObject {
		c.missing++
	}
	if v.Result != nil {
		c.addSigner(v.Result)
		c.addLog(&v.Result.Log)
		c.addCheckpoint(v.Result, report.Object{Type: kind, OID: j.oid})
	}
	if severity := report.SeverityOf(v.Class); severity != report.Note {
		c.findings.Add(report.Finding{
			ID:       string(v.Class),
			Severity: severity,
			Object:   report.Object{Type: kind, OID: j.oid},
			Identity: v.identity(),
			Message:  v.Message,
			Hint:     c.cfg.Hint(v.Class),
		})
	}
	c.addUnasked(v)
	for i := range v.mergetags {
		c.addMergetag(j.oid, &v.mergetags[i])
	}
	c.connect(j)
}

// identity returns who signed, if that is proven.
func (v *Verdict) identity() *verifier.Identity {
	if v.Result == nil {
		return nil
	}
	return &v.Result.Certificate.Identity
}

// addMergetag lists a tag inside a merge commit. Whatever it is worth, the
// merge commit is what is judged, so it is a note and not counted.
func (c *collector) addMergetag(commit string, m *mergetag) {
	message := "merged in commit " + commit
	if m.Message != "" {
		message += ": " + m.Message
	}
	c.findings.Add(report.Finding{
		ID:       string(m.Class),
		Severity: report.Note,
		Object:   report.Object{Type: "mergetag", OID: m.oid},
		Identity: m.identity(),
		Message:  message,
	})
	c.addCheckpoint(m.Result, report.Object{Type: "mergetag", OID: m.oid})
}

func (c *collector) addSigner(r *verifier.Result) {
	key := signer{"keyless", r.Certificate.Identity}
	s := c.signers[key]
	if s == nil {
		s = &report.Signer{Kind: key.kind, Identity: key.identity.Subject, Issuer: key.identity.Issuer, First: r.Time, Last: r.Time}
		c.signers[key] = s
	}
	s.Objects++
	if r.Time.Before(s.First) {
		s.First = r.Time
	}
	if r.Time.After(s.Last) {
		s.Last = r.Time
	}
}

func (c *collector) addLog(l *verifier.LogEntry) {
	origin := l.Origin
	if origin == "" {
		origin = l.URL
	}
	log := c.logs[origin]
	if log == nil {
		log = &report.Log{Origin: origin}
		c.logs[origin] = log
	}
	log.Entries++
	log.LargestSize = max(log.LargestSize, l.TreeSize)
}

// connect takes an examined object from the open ones and adds its parents.
func (c *collector) connect(j *job) {
	delete(c.open, j.oid)
	parents := j.verdict.parents
	if c.cfg.FirstParent && len(parents) > 1 {
		parents = parents[:1]
	}
	for _, parent := range parents {
		c.open[parent] = true
	}
}

// checkConnected checks that git's list of commits was whole: that every
// commit that was asked for or that an examined one has as a parent was
// examined, or is in the history that was to be left out. A repository whose
// objects are not what their ids say can make git pass over commits without
// a word.
func (c *collector) checkConnected(ctx context.Context) error {
	if c.missing > 0 {
		c.incomplete(fmt.Sprintf("history behind missing objects (%d)", c.missing), "the repository does not hold them")
	}
	if len(c.open) == 0 || !c.complete || c.cfg.Repo.Shallow() {
		return nil
	}
	if err := c.reach(ctx, c.scope.excluded, c.open); err != nil {
		return c.brokeOff(err)
	}
	if len(c.open) > 0 {
		c.incomplete(fmt.Sprintf("history that git did not list (%d commits at least)", len(c.open)), "examined commits name them as parents")
	}
	return nil
}

// reach deletes from wanted the commits that are among those given or behind
// them. That is so if commits whose bytes are what their ids say name one
// another as parents all the way. It reads no further than it has to.
func (c *collector) reach(ctx context.Context, from []string, wanted map[string]bool) error {
	reached := make(map[string]bool)
	add := func(oids []string) {
		for _, oid := range oids {
			reached[oid] = true
			delete(wanted, oid)
		}
	}
	add(from)
	if len(from) == 0 || len(wanted) == 0 {
		return nil
	}
	for o, err := range c.cfg.Repo.Walk(ctx, gitutil.Walk{Revs: from, AnyOrder: true}) {
		if err != nil {
			return err
		}
		if !reached[o.OID] || o.Verify(c.judge.Format) != nil {
			continue
		}
		delete(reached, o.OID)
		if commit, err := gitutil.ParseCommit(o.Data, c.judge.Format); err == nil {
			add(commit.Parents)
		}
		if len(wanted) == 0 {
			return nil
		}
	}
	return nil
}

// report returns the report, without its times.
func (c *collector) report() *report.Report {
	repo := c.cfg.Repo
	r := &report.Report{
		Tool: c.cfg.Tool,
		Repository: report.Repository{
			ObjectFormat: string(repo.ObjectFormat()),
			Shallow:      repo.Shallow(),
			Grafted:      repo.Grafted(),
			Replaced:     repo.Replaced(),
			PartialClone: repo.PartialClone(),
		},
		Scope:       report.Scope{Refs: c.scope.refs, Revisions: c.scope.revisions},
		Trust:       report.Trust{Sources: slices.Clone(c.cfg.TrustSources), Digest: trustDigest(c.cfg.TrustedRoots)},
		Complete:    c.complete,
		NotExamined: c.omissions,
		Totals:      c.totals,
		Findings:    c.findings,
		Result:      c.totals.Judge(c.complete),
	}
	if p := c.cfg.Policy; p != nil {
		r.Policy = &report.Policy{Source: c.cfg.PolicySource, Digest: p.Digest()}
	}
	for _, s := range c.signers {
		s.First, s.Last = s.First.UTC(), s.Last.UTC()
		r.Signers = append(r.Signers, *s)
	}
	slices.SortFunc(r.Signers, func(a, b report.Signer) int {
		return cmp.Or(cmp.Compare(b.Objects, a.Objects), strings.Compare(a.Issuer, b.Issuer), strings.Compare(a.Identity, b.Identity))
	})
	for _, l := range c.logs {
		r.Logs = append(r.Logs, *l)
	}
	slices.SortFunc(r.Logs, func(a, b report.Log) int { return strings.Compare(a.Origin, b.Origin) })
	return r
}

// trustDigest returns the digest of the trusted roots in force: that of the
// one, or the SHA-256 over those of several, in their order.
func trustDigest(roots []*verifier.TrustedRoot) report.Digest {
	switch len(roots) {
	case 0:
		return report.Digest{}
	case 1:
		return roots[0].Digest()
	}
	h := sha256.New()
	for _, root := range roots {
		digest := root.Digest()
		h.Write(digest[:])
	}
	return report.Digest(h.Sum(nil))
}

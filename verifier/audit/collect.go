package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// A collector makes a report of verdicts. One goroutine adds them, in the
// order of the history.
type collector struct {
	cfg     Config
	scope   *scope
	judge   *Judge
	memory  *memory // nil: nothing is kept between audits
	started time.Time

	totals     report.Totals
	omissions  []report.Omission
	complete   bool
	missing    int
	unasked    map[string]bool // reasons that are among omissions
	signers    map[verifier.Signer]*report.Signer
	lacking    map[report.UnknownKey]int // by key, the objects
	logs       map[string]*report.Log
	months     map[string]*report.Month
	lines      []*line
	findings   report.Findings
	noted      map[oddity]bool
	late       map[verifier.Signer]int
	policySeen bool     // the commit that the policy is from was examined
	extra      []string // ids of further findings of the object that is being added

	graph       graph
	tagVouchers map[string][]string  // who signed the tags of a commit
	baseline    map[string]bool      // commits that end what the policy asks for
	expired     map[string]time.Time // exemptions that are over
	trees       *gitutil.Trees       // nil: no rule has asked for paths yet
	merger      *gitutil.Merger      // nil: no rule has asked for a merge yet
}

func newCollector(cfg Config, s *scope, started time.Time) *collector {
	c := &collector{
		cfg:         cfg,
		scope:       s,
		judge:       &Judge{Format: cfg.Repo.ObjectFormat(), Verifier: cfg.Verifier, Keys: cfg.Keys, Allowed: Anyone{}, Proofs: cfg.Proofs, Entries: cfg.Entries},
		started:     started,
		totals:      report.Totals{Classes: make(map[verifier.Class]int)},
		omissions:   slices.Clone(s.omissions),
		complete:    !s.broken,
		unasked:     make(map[string]bool),
		signers:     make(map[verifier.Signer]*report.Signer),
		lacking:     make(map[report.UnknownKey]int),
		logs:        make(map[string]*report.Log),
		months:      make(map[string]*report.Month),
		noted:       make(map[oddity]bool),
		late:        make(map[verifier.Signer]int),
		graph:       graph{open: make(map[string]node)},
		tagVouchers: make(map[string][]string),
	}
	if cfg.Cache != nil {
		c.memory = &memory{cache: cfg.Cache, now: started, proofs: cfg.Proofs, entries: cfg.Entries != nil}
	}
	c.addLines()
	if cfg.Policy != nil {
		c.baseline = make(map[string]bool)
		for _, oid := range cfg.Policy.Baseline() {
			c.baseline[oid] = true
		}
		c.expired = make(map[string]time.Time)
		for _, x := range cfg.Policy.Exemptions() {
			if _, ok := cfg.Policy.Exemption(x.Object, started); !ok {
				c.expired[x.Object] = x.Until
			}
		}
	}
	return c
}

// incomplete notes that something in scope was not examined.
func (c *collector) incomplete(what, reason string) {
	c.complete = false
	c.omissions = append(c.omissions, report.Omission{What: what, Reason: reason})
}

// maxUnasked bounds the reasons that a report lists.
const maxUnasked = 8

// addUnasked notes once for each reason that a log could not be asked: the
// object was examined, but not everything that could be known of it.
func (c *collector) addUnasked(err error) {
	c.complete = false
	if reason := clip(err.Error()); !c.unasked[reason] && len(c.unasked) < maxUnasked {
		c.unasked[reason] = true
		c.incomplete("log entries that are not in the signatures", reason)
	}
}

// add adds one object: what is known of it, and what the policy makes of that.
func (c *collector) add(ctx context.Context, j *job) {
	f := j.facts
	if j.kind == approval {
		c.addVoucher(f)
		return
	}
	kind := j.kind
	if j.object.Type == "commit" || j.object.Type == "tag" {
		kind = j.object.Type
	} else if f.tree != "" {
		kind = "commit"
	}
	o := report.Object{Type: kind, OID: j.oid}
	if c.cfg.PolicyFile != nil && j.oid == c.cfg.PolicyFile.Commit {
		c.policySeen = true
	}
	n := c.graph.take(j.oid)
	n.exempt = n.exempt || c.baseline[j.oid]
	if kind == "tag" {
		n.rules = c.tagRules(j.oid)
	}
	r := c.rule(ctx, kind, j.oid, f, n)

	c.extra = c.extra[:0]
	c.totals.Examined++
	if kind == "tag" {
		c.totals.Tags++
	} else {
		c.totals.Commits++
	}
	c.totals.Classes[r.class]++
	if r.class == report.MissingObject {
		c.missing++
	}
	if f.signed {
		c.addSigner(f, &r)
	}
	if f.lacks != "" && r.class == verifier.UnknownKey {
		c.addLacking(f)
	}
	if f.log.LogID != [32]byte{} {
		c.addLog(&f.log)
		c.addCheckpoint(&f.log, o)
	}
	if severity := report.SeverityOf(r.class); severity != report.Note {
		c.findings.Add(report.Finding{
			ID: string(r.class), Severity: severity, Object: o, Signer: f.who(), Message: r.message, Hint: c.cfg.Hint(r.class),
		})
	}
	for _, x := range r.findings {
		c.find(x.ID, report.Error, o, f.who(), x.Message)
	}
	if r.untold != nil {
		c.find(ruleNotApplied, report.Warning, o, f.who(), r.untold.Error())
	}
	wrong := len(r.findings) > 0
	if kind == "tag" && r.class != report.Exempt {
		wrong = c.addTag(o, f) || wrong
	}
	if until, ok := c.expired[j.oid]; ok && report.SeverityOf(r.class) != report.Note {
		c.find(exemptionExpired, report.Note, o, f.who(), "the policy exempted it until "+until.Format(time.RFC3339))
	}
	c.addAnomalies(o, f, &r)
	for _, err := range f.unasked {
		c.addUnasked(err)
	}
	for i := range f.mergetags {
		c.addMergetag(j.oid, &f.mergetags[i])
	}
	if kind == "commit" {
		c.addMonth(f, r.class)
		c.addToLines(n, report.Point{OID: j.oid, Date: f.date}, r.worth(wrong))
	}
	c.addRow(o, f, &r)
	c.explain(o, f, &r)
	c.connect(f, &r, n)
}

// worth returns what an object is worth for continuity; wrong says that there
// is a finding of it beside its class.
func (r *ruling) worth(wrong bool) compliance {
	switch {
	case r.before:
		return before
	case wrong || r.untold != nil || report.SeverityOf(r.class) != report.Note:
		return wanting
	}
	return compliant
}

// find adds a finding beside the class of an object.
func (c *collector) find(id string, severity report.Severity, o report.Object, signer *verifier.Signer, message string) {
	x := report.Finding{ID: id, Severity: severity, Object: o, Signer: signer, Message: clip(message)}
	if d, ok := report.Describe(id); ok {
		x.Hint = d.Hint
	}
	c.findings.Add(x)
	c.extra = append(c.extra, id)
}

// addLightweight adds that tags are lightweight where the policy wants them
// signed.
func (c *collector) addLightweight() {
	for _, ref := range c.scope.lightweight {
		if _, exempt := c.exemption(ref.OID); exempt || c.baseline[ref.OID] {
			continue
		}
		c.find(lightweightTag, report.Error, report.Object{Type: ref.Type, OID: ref.OID}, nil,
			ref.Name+" is a lightweight tag, which cannot be signed, and a rule of the policy is for it")
	}
}

// tagRules returns the rules of the refs that hold a tag.
func (c *collector) tagRules(oid string) policy.Rules {
	var rules policy.Rules
	for _, ref := range c.scope.tags[oid] {
		rules = rules.Union(c.rulesOf(ref))
	}
	return rules
}

// addTag adds what there is to say of a tag beside its signature, and reports
// whether that is something wrong. A signed tag is a statement about a name:
// put under another one, it says what nobody said.
func (c *collector) addTag(o report.Object, f *facts) (wrong bool) {
	for _, ref := range c.scope.tags[o.OID] {
		if name, ok := strings.CutPrefix(ref, "refs/tags/"); ok && f.name != "" && name != f.name {
			c.find(tagNameMismatch, report.Error, o, f.who(), fmt.Sprintf("%s holds a tag that calls itself %q", ref, f.name))
			wrong = true
		}
	}
	c.addVoucher(f)
	return wrong
}

// addVoucher has who signed a tag stand for the commit that it is of.
func (c *collector) addVoucher(f *facts) {
	if c.cfg.Policy == nil || !f.signed || f.class != verifier.Verified && !f.unlisted {
		return
	}
	if name, err := c.cfg.Policy.Identify(*f.signature()); err == nil {
		c.tagVouchers[f.target] = append(c.tagVouchers[f.target], name)
	}
}

// addRow hands out what was found of an object.
func (c *collector) addRow(o report.Object, f *facts, r *ruling) {
	if c.cfg.Row == nil {
		return
	}
	row := report.Row{Repository: c.cfg.Location, Object: o, Parents: len(f.parents), Class: r.class, Signer: f.who(), Entry: r.entry, Time: f.time, Source: f.source,
		Message: r.message, Findings: slices.Clone(c.extra)}
	if row.Time.IsZero() && !f.date.IsZero() {
		row.Time, row.Source = f.date, verifier.ClaimedTime
	}
	c.cfg.Row(row)
}

// addMergetag lists a tag inside a merge commit. Whatever it is worth, the
// merge commit is what is judged, so it is a note and not counted.
func (c *collector) addMergetag(commit string, m *mergetagFacts) {
	message := "merged in commit " + commit
	if m.message != "" {
		message += ": " + m.message
	}
	o := report.Object{Type: "mergetag", OID: m.oid}
	c.findings.Add(report.Finding{ID: string(m.class), Severity: report.Note, Object: o, Signer: m.who(), Message: message})
	if m.log.LogID != [32]byte{} {
		c.addCheckpoint(&m.log, o)
	}
}

// maxLacking bounds the keys that a report lists as lacking.
const maxLacking = 1 << 16

// addLacking counts an object whose signature a key would decide that nobody
// gave.
func (c *collector) addLacking(f *facts) {
	key := report.UnknownKey{Kind: f.lacksKind, Key: f.lacks}
	if _, ok := c.lacking[key]; ok || len(c.lacking) < maxLacking {
		c.lacking[key]++
	}
}

func (c *collector) addSigner(f *facts, r *ruling) {
	s := c.signers[f.signer]
	if s == nil {
		s = &report.Signer{
			Kind: f.signer.Kind, Identity: f.signer.Identity.Subject, Issuer: f.signer.Identity.Issuer, Key: f.signer.Key,
			First: f.time, Last: f.time, Times: report.ProvenTimes,
		}
		c.signers[f.signer] = s
	}
	s.Objects++
	if r.class == verifier.Verified {
		s.Good++
	}
	s.Role = cmp.Or(s.Role, r.role)
	if f.source == verifier.ClaimedTime || f.time.IsZero() {
		s.Times = report.ClaimedTimes
	}
	if f.time.IsZero() {
		return
	}
	if s.First.IsZero() || f.time.Before(s.First) {
		s.First = f.time
	}
	if f.time.After(s.Last) {
		s.Last = f.time
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

// connect passes on to a commit's parents what they are to know of it.
func (c *collector) connect(f *facts, r *ruling, n node) {
	parents := f.parents
	if c.cfg.FirstParent && len(parents) > 1 {
		parents = parents[:1]
	}
	for i, parent := range parents {
		var vouchers []string
		if i > 0 && n.asked {
			vouchers = c.vouchersOf(f, r, parent)
		}
		c.graph.pass(parent, n, i == 0, vouchers)
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
	if len(c.graph.open) == 0 || !c.complete || c.cfg.Repo.Shallow() {
		return nil
	}
	wanted := make(map[string]bool, len(c.graph.open))
	for oid := range c.graph.open {
		wanted[oid] = true
	}
	if err := c.reach(ctx, c.scope.excluded, wanted); err != nil {
		return c.brokeOff(err)
	}
	if len(wanted) > 0 {
		c.incomplete(fmt.Sprintf("history that git did not list (%d commits at least)", len(wanted)), "examined commits name them as parents")
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
			Location:     c.cfg.Location,
		},
		Scope:       report.Scope{Refs: c.scope.refs, Revisions: c.scope.revisions},
		Trust:       report.Trust{Sources: slices.Clone(c.cfg.TrustSources), Digest: trustDigest(c.cfg.TrustedRoots)},
		Complete:    c.complete,
		NotExamined: c.omissions,
		Totals:      c.totals,
		Months:      c.monthly(),
		Continuity:  c.continuity(),
		Findings:    c.findings,
	}
	if p := c.cfg.Policy; p != nil {
		r.Policy = &report.Policy{Source: c.cfg.PolicySource, Digest: p.Digest()}
	}
	for _, s := range c.signers {
		s.First, s.Last = s.First.UTC(), s.Last.UTC()
		r.Signers = append(r.Signers, *s)
	}
	slices.SortFunc(r.Signers, func(a, b report.Signer) int {
		return cmp.Or(cmp.Compare(b.Objects, a.Objects), strings.Compare(a.Issuer, b.Issuer), strings.Compare(a.Identity, b.Identity),
			strings.Compare(a.Key, b.Key), cmp.Compare(a.Kind, b.Kind))
	})
	for key, n := range c.lacking {
		key.Objects = n
		r.UnknownKeys = append(r.UnknownKeys, key)
	}
	slices.SortFunc(r.UnknownKeys, func(a, b report.UnknownKey) int {
		return cmp.Or(cmp.Compare(b.Objects, a.Objects), cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Key, b.Key))
	})
	for _, l := range c.logs {
		r.Logs = append(r.Logs, *l)
	}
	slices.SortFunc(r.Logs, func(a, b report.Log) int { return strings.Compare(a.Origin, b.Origin) })
	r.Result = report.Judge(r.Totals, &r.Findings, r.Complete)
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

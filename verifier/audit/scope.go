package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitseal/gitutil"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// A scope is what an audit examines, as object ids.
type scope struct {
	refs      []report.Ref
	revisions []report.Revision
	omissions []report.Omission
	broken    bool // a ref in scope holds no id

	commits  []string // whose history to examine
	excluded []string // whose history to leave out

	tips []tip               // commits, and what named them
	tags map[string][]string // the refs in scope that hold a tag, by its id

	lightweight []gitutil.Ref // tags that are no objects, though the policy wants them to be
	approvals   []string      // tags out of scope that may vouch for commits

	// The goroutine that reads has these to itself once it runs.
	objects []target        // to read one by one: tags, and what the repository lacks
	named   map[target]bool // those that are or were in commits or objects
}

// A target is an object and what it should be, "commit" or "tag".
type target struct{ oid, kind string }

// A tip is a commit that a ref or a revision names.
type tip struct {
	oid  string
	ref  string // the ref's full name, by which rules apply; empty if it is none
	name string // of the ref, or the revision as it was asked for
}

// resolve resolves what the user asked for.
func resolve(ctx context.Context, cfg Config) (*scope, error) {
	s := &scope{named: make(map[target]bool), tags: make(map[string][]string)}
	if err := s.checkHistory(cfg); err != nil {
		return nil, err
	}
	if cfg.pushed != nil {
		s.addPushed(cfg)
		return s, nil
	}
	revisions := cfg.Revisions
	if cfg.Since != "" {
		revisions = append(revisions[:len(revisions):len(revisions)], "^"+cfg.Since)
	}
	for _, revision := range revisions {
		if err := s.addRevision(ctx, cfg, revision); err != nil {
			return nil, err
		}
	}
	var refs []gitutil.Ref
	thresholds := cfg.Policy != nil && slices.ContainsFunc(cfg.Policy.AllRules(), func(r policy.Rule) bool { return r.Threshold > 0 })
	if cfg.All || cfg.State != nil || thresholds {
		var err error
		if refs, err = cfg.Repo.Refs(ctx); err != nil {
			return nil, err
		}
	}
	if cfg.State != nil {
		cfg.State.record(refs)
	}
	if thresholds {
		defer s.addApprovals(refs)
	}
	if cfg.All {
		for _, ref := range refs {
			s.addRef(cfg, ref)
		}
		// A HEAD that is detached is on no branch, and what work is done on.
		oid, typ, err := cfg.Repo.Resolve(ctx, "HEAD")
		if err != nil && !errors.Is(err, gitutil.ErrMissing) {
			return nil, err
		}
		if typ == "commit" && !s.named[target{oid, "commit"}] {
			s.refs = append(s.refs, report.Ref{Name: "HEAD", OID: oid})
			s.addTip(tip{oid: oid, name: "HEAD"})
		}
		if len(s.commits) == 0 && len(s.objects) == 0 && !s.broken {
			return nil, ErrEmpty
		}
	} else if len(s.commits) == 0 && len(s.objects) == 0 {
		// As for git log, leaving something out means: of HEAD.
		if err := s.addRevision(ctx, cfg, ""); err != nil {
			return nil, err
		}
	}
	if len(s.excluded) > 0 {
		s.omit("history on the far side of the range", "it was asked to be left out")
	}
	if cfg.FirstParent {
		s.omit("commits that only further parents of merges reach", "first parents only were asked for")
	}
	return s, nil
}

// checkHistory refuses a repository whose history is altered, unless that is
// allowed; then it is said.
func (s *scope) checkHistory(cfg Config) error {
	altered := &AlteredHistoryError{Shallow: cfg.Repo.Shallow(), Grafted: cfg.Repo.Grafted(), Replaced: cfg.Repo.Replaced()}
	if *altered == (AlteredHistoryError{}) {
		return nil
	}
	if !cfg.AllowShallow {
		return altered
	}
	if altered.Shallow {
		s.omit("history beyond where it was cut off", "the clone is shallow")
	}
	if altered.Grafted {
		s.omit("history as grafts show it", "grafts are ignored: the parents that commits name were followed")
	}
	if altered.Replaced {
		s.omit("objects as replace refs show them", "replace refs are ignored: the objects they replace were examined")
	}
	return nil
}

func (s *scope) omit(what, reason string) {
	s.omissions = append(s.omissions, report.Omission{What: what, Reason: reason})
}

// addRevision adds a revision or range as the user wrote it.
func (s *scope) addRevision(ctx context.Context, cfg Config, revision string) error {
	if revision == "" {
		revision = "HEAD"
	}
	repo := cfg.Repo
	resolved, err := repo.Revisions(ctx, revision)
	if errors.Is(err, gitutil.ErrMissing) && revision == "HEAD" {
		if refs, err := repo.Refs(ctx); err == nil && len(refs) == 0 {
			return ErrEmpty
		}
	}
	if err != nil {
		return revisionError(revision, err)
	}
	s.revisions = append(s.revisions, report.Revision{Revision: revision, Resolved: resolved})
	names := sides(revision)
	if len(resolved) == 1 && !strings.HasPrefix(resolved[0], "^") {
		return s.addNamed(ctx, cfg, revision, resolved[0])
	}
	for _, rev := range resolved {
		oid, exclude := strings.CutPrefix(rev, "^")
		commit, _, err := repo.Resolve(ctx, oid+"^{commit}")
		if err != nil {
			return revisionError(revision, fmt.Errorf("resolving %q: %s is no commit", revision, oid))
		}
		if exclude {
			s.excluded = append(s.excluded, commit)
			continue
		}
		ref, err := cfg.refOf(ctx, names[0])
		if err != nil {
			return err
		}
		s.addTip(tip{commit, ref, revision})
		names = names[1:]
	}
	return nil
}

// sides returns the revisions of a range that are to be examined, in the order
// in which gitutil.Repo.Revisions gives them; of a revision, itself.
func sides(revision string) []string {
	left, right, symmetric := strings.Cut(revision, "...")
	if !symmetric {
		_, right, isRange := strings.Cut(revision, "..")
		if !isRange {
			return []string{revision}
		}
		return []string{cmp.Or(right, "HEAD")}
	}
	return []string{cmp.Or(left, "HEAD"), cmp.Or(right, "HEAD")}
}

// refOf returns the ref whose rules a revision is judged by; "" if it names
// none and there are no rules.
func (cfg *Config) refOf(ctx context.Context, revision string) (string, error) {
	if cfg.Ref != "" {
		return cfg.Ref, nil
	}
	name, err := cfg.Repo.FullName(ctx, revision)
	if err != nil {
		return "", revisionError(revision, err)
	}
	if name == "" && cfg.Policy != nil && len(cfg.Policy.AllRules()) > 0 {
		return "", &RevisionError{revision, ErrNoRef}
	}
	return name, nil
}

// addNamed adds the object that one revision names: a commit's history, or a
// tag with the history behind it.
func (s *scope) addNamed(ctx context.Context, cfg Config, revision, oid string) error {
	_, typ, err := cfg.Repo.Resolve(ctx, oid)
	if err != nil {
		return revisionError(revision, err)
	}
	ref := gitutil.Ref{OID: oid, Type: typ}
	switch typ {
	case "commit":
	case "tag":
		ref.Peeled, ref.PeeledType, err = cfg.Repo.Resolve(ctx, oid+"^{}")
		if err != nil && !errors.Is(err, gitutil.ErrMissing) {
			return err
		}
	default:
		return revisionError(revision, fmt.Errorf("resolving %q: it is a %s, neither commit nor tag", revision, typ))
	}
	if ref.Name, err = cfg.refOf(ctx, revision); err != nil {
		return err
	}
	if s.isLightweight(cfg, ref) {
		s.lightweight = append(s.lightweight, ref)
	}
	s.addObject(ref, typ, revision)
	return nil
}

// addApprovals adds the tags of commits that are not in scope themselves: who
// signs one stands for its commit, whatever range it is examined in.
func (s *scope) addApprovals(refs []gitutil.Ref) {
	for _, ref := range refs {
		if strings.HasPrefix(ref.Name, "refs/tags/") && ref.Type == "tag" && ref.PeeledType == "commit" && !s.named[target{ref.OID, "tag"}] {
			s.approvals = append(s.approvals, ref.OID)
		}
	}
	slices.Sort(s.approvals)
	s.approvals = slices.Compact(s.approvals)
}

// isLightweight reports whether a ref is a tag without an object, though the
// policy has rules for it that somebody has to sign one for.
func (s *scope) isLightweight(cfg Config, ref gitutil.Ref) bool {
	return strings.HasPrefix(ref.Name, "refs/tags/") && ref.OID != "" && ref.Type != "" && ref.Type != "tag" &&
		cfg.rulesOf(ref.Name) != "" && !cfg.Policy.AllowsLightweight(ref.Name)
}

// revisionError makes a *RevisionError of an error about what a revision
// names, and leaves one about running git as it is.
func revisionError(revision string, err error) error {
	var failed *gitutil.GitError
	if errors.As(err, &failed) || errors.Is(err, gitutil.ErrNoGit) || errors.Is(err, gitutil.ErrNotRepository) {
		return err
	}
	return &RevisionError{Revision: revision, Err: err}
}

// addRef adds a ref if All takes it, and otherwise says why not.
func (s *scope) addRef(cfg Config, ref gitutil.Ref) {
	kind := "commit"
	switch {
	case strings.HasPrefix(ref.Name, "refs/heads/"), strings.HasPrefix(ref.Name, "refs/remotes/"):
	case strings.HasPrefix(ref.Name, "refs/tags/"):
		if ref.OID != "" && ref.Type != "" && ref.Type != "tag" {
			if s.isLightweight(cfg, ref) {
				s.lightweight = append(s.lightweight, ref)
			}
			s.omit(ref.Name, "a lightweight tag is no object; its commit is examined if a branch or annotated tag reaches it")
			return
		}
		kind = "tag"
	case strings.HasPrefix(ref.Name, "refs/notes/"):
		s.omit(ref.Name, "notes are not history")
		return
	case ref.Name == "refs/stash":
		s.omit(ref.Name, "the stash is not history")
		return
	case isProofs(ref.Name):
		s.omit(ref.Name, proofsReason)
		return
	case strings.HasPrefix(ref.Name, "refs/replace/"):
		s.omit(ref.Name, "replace refs are ignored")
		return
	default:
		s.omit(ref.Name, "neither branch nor remote-tracking ref nor tag")
		return
	}
	switch ref.Type {
	case "commit", "tag", "":
	default:
		s.omit(ref.Name, "it holds a "+ref.Type+", not a commit")
		return
	}
	if ref.OID == "" {
		s.omit(ref.Name, "the ref is broken: it holds no object id")
		s.broken = true
		return
	}
	s.refs = append(s.refs, report.Ref{Name: ref.Name, OID: ref.OID})
	s.addObject(ref, kind, ref.Name)
}

// proofsReason says why a ref that holds proofs is not examined.
const proofsReason = "proofs are not history: each is verified with the signature that it is of"

// addObject adds what a ref or revision holds: kind is what it should be if
// the repository does not hold it, name what it was asked for by. The rules of
// refs/tags/ are about tags and not about the history behind them.
func (s *scope) addObject(ref gitutil.Ref, kind, name string) {
	branch := ref.Name
	if strings.HasPrefix(branch, "refs/tags/") {
		branch = ""
	}
	switch ref.Type {
	case "commit":
		s.addTip(tip{ref.OID, branch, name})
	case "tag":
		s.addTarget(target{ref.OID, "tag"})
		s.tags[ref.OID] = append(s.tags[ref.OID], ref.Name)
		if ref.PeeledType == "commit" {
			if branch != "" {
				s.addTip(tip{ref.Peeled, branch, name})
			} else {
				s.addCommit(ref.Peeled)
			}
		}
	default:
		s.addTarget(target{ref.OID, kind})
	}
}

// addTip adds the history of a commit that a ref or revision names.
func (s *scope) addTip(t tip) {
	s.tips = append(s.tips, t)
	s.addCommit(t.oid)
}

// addCommit adds a commit's history, once.
func (s *scope) addCommit(oid string) {
	if t := (target{oid, "commit"}); !s.named[t] {
		s.named[t] = true
		s.commits = append(s.commits, oid)
	}
}

// addTarget adds an object to read by itself, once, and reports whether it
// was new.
func (s *scope) addTarget(t target) bool {
	if s.named[t] {
		return false
	}
	s.named[t] = true
	s.objects = append(s.objects, t)
	return true
}

// revs returns what gitutil's walk takes.
func (s *scope) revs() []string {
	revs := append([]string(nil), s.commits...)
	for _, oid := range s.excluded {
		revs = append(revs, "^"+oid)
	}
	return revs
}

package gitutil

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Ref is a reference as it stood when Refs read it.
type Ref struct {
	Name string // full, such as "refs/heads/main"
	// OID is the id the ref holds; empty if the ref is broken and holds none.
	OID string
	// Type is the object's type; empty if the repository does not hold it.
	Type string
	// Peeled and PeeledType are the object behind an annotated tag, through
	// any number of tags, by git's word. They equal OID and Type if the ref
	// holds no tag, and are empty if the repository lacks an object on the
	// way.
	Peeled     string
	PeeledType string
}

// Refs returns every reference, sorted by name: branches and tags, but also
// notes, the stash and whatever else there is, broken ones included, so that
// the caller can say what it leaves out.
func (r *Repo) Refs(ctx context.Context) ([]Ref, error) {
	refs, err := r.listRefs(ctx)
	if err == nil {
		err = r.typeRefs(ctx, refs)
	}
	if err != nil {
		return nil, fmt.Errorf("reading refs: %w", err)
	}
	return refs, nil
}

// listRefs returns the references without types. It does not let git look at
// the objects, because git gives up at the first one that is missing.
func (r *Repo) listRefs(ctx context.Context) ([]Ref, error) {
	out, stderr, err := r.config.run(ctx, nil, "for-each-ref", "--format=%(objectname) %(refname)")
	if err != nil {
		return nil, err
	}
	var refs []Ref
	for line := range strings.Lines(string(out)) {
		oid, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok || !r.format.validOID(oid) {
			return nil, fmt.Errorf("git for-each-ref answered %q", line)
		}
		refs = append(refs, Ref{Name: name, OID: oid})
	}
	broken, err := brokenRefs(stderr)
	if err != nil {
		return nil, err
	}
	refs = append(refs, broken...)
	slices.SortFunc(refs, func(a, b Ref) int { return strings.Compare(a.Name, b.Name) })
	return refs, nil
}

// brokenRefs returns the references that git for-each-ref mentions only in a
// warning, to leave them out.
func brokenRefs(stderr string) ([]Ref, error) {
	if len(stderr) >= maxStderr {
		return nil, errors.New("git for-each-ref left out more refs than can be listed")
	}
	var refs []Ref
	for line := range strings.Lines(stderr) {
		text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "warning: ignoring ")
		if !ok {
			continue
		}
		name := text[strings.LastIndexByte(text, ' ')+1:]
		if !strings.HasPrefix(name, "refs/") {
			return nil, fmt.Errorf("git for-each-ref left out a ref: %s", text)
		}
		refs = append(refs, Ref{Name: name})
	}
	return refs, nil
}

// typeRefs fills in the types and peeled objects.
func (r *Repo) typeRefs(ctx context.Context, refs []Ref) error {
	var ask []string
	for _, ref := range refs {
		if ref.OID != "" {
			ask = append(ask, ref.OID, ref.OID+"^{}")
		}
	}
	out, _, err := r.config.run(ctx, joinLines(ask), "cat-file", "--batch-check", "--buffer")
	if err != nil {
		return err
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	for i := range refs {
		ref := &refs[i]
		if ref.OID == "" {
			continue
		}
		if len(answers) < 2 {
			return errors.New("git cat-file answered for too few refs")
		}
		o, err := parseAnswer(answers[0], r.format)
		if err != nil {
			return err
		}
		ref.Type = o.Type
		if answers[1] != ref.OID+"^{} missing" {
			if o, err = parseAnswer(answers[1], r.format); err != nil {
				return err
			}
			ref.Peeled, ref.PeeledType = o.OID, o.Type
		}
		answers = answers[2:]
	}
	return nil
}

// FullName returns the full name of the ref that a revision is, such as
// "refs/heads/main" for "main": for HEAD the branch that is checked out, even
// if it has no commit yet, and for any symbolic ref the one it stands for. It
// is empty if the revision is none, as "main~1", an id, a detached HEAD and
// FETCH_HEAD are. The error wraps [ErrMissing] if the revision names nothing.
func (r *Repo) FullName(ctx context.Context, rev string) (string, error) {
	name, err := r.fullName(ctx, rev)
	if err != nil {
		return "", fmt.Errorf("naming the ref of %q: %w", rev, err)
	}
	return name, nil
}

func (r *Repo) fullName(ctx context.Context, rev string) (string, error) {
	if err := checkRevision(rev); err != nil {
		return "", err
	}
	var out []byte
	var found bool
	var err error
	switch {
	case r.format.validOID(rev): // whatever refs are called like it
		return "", nil
	case rev == "HEAD" || rev == "@": // likewise
		out, found, err = r.config.ask(ctx, "symbolic-ref", "--quiet", "HEAD")
		if err == nil && !found {
			return "", nil
		}
	default:
		// That several refs have the name is an error message.
		out, found, err = r.config.ask(ctx, "-c", "core.warnAmbiguousRefs=true", "rev-parse", "--verify", "--quiet", "--symbolic-full-name", rev)
		if err == nil && !found {
			err = ErrMissing
		}
	}
	if err != nil {
		return "", err
	}
	name := strings.TrimSuffix(string(out), "\n")
	if strings.Contains(name, "\n") || strings.HasPrefix(name, "^") {
		return "", errors.New("not a single revision")
	}
	if !strings.HasPrefix(name, "refs/") {
		return "", nil // FETCH_HEAD and the like, which are refs of nothing
	}
	return name, nil
}

// SymbolicRefs returns the references that stand for others, by their full
// names, and the full names of those: whoever writes to one writes to the
// other. One whose target is not there is not in it.
func (r *Repo) SymbolicRefs(ctx context.Context) (map[string]string, error) {
	out, _, err := r.config.run(ctx, nil, "for-each-ref", "--format=%(if)%(symref)%(then)%(refname) %(symref)%(end)")
	if err != nil {
		return nil, fmt.Errorf("reading symbolic refs: %w", err)
	}
	targets := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if line == "\n" {
			continue
		}
		name, target, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok || !strings.HasPrefix(target, "refs/") {
			return nil, fmt.Errorf("reading symbolic refs: git for-each-ref answered %q", line)
		}
		targets[name] = target
	}
	return targets, nil
}

// Types fills in Type, Peeled and PeeledType of references whose Name and OID
// are known: those that are to be.
func (r *Repo) Types(ctx context.Context, refs []Ref) error {
	for _, ref := range refs {
		if ref.OID != "" && !r.format.validOID(ref.OID) {
			return fmt.Errorf("reading types: %q is not a %s object id", ref.OID, r.format)
		}
	}
	if err := r.typeRefs(ctx, refs); err != nil {
		return fmt.Errorf("reading types: %w", err)
	}
	return nil
}

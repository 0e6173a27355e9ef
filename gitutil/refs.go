package gitutil

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
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
	refs, err := r.config.listRefs(ctx)
	if err == nil {
		err = r.typeRefs(ctx, refs)
	}
	if err != nil {
		return nil, fmt.Errorf("reading refs: %w", err)
	}
	return refs, nil
}

// RefsBelow returns the references whose names are one of those, or are below
// one of them where it ends in a slash, sorted by name and without types: of the
// repository that git finds from the configuration. It takes one git process,
// where opening the repository takes more.
func RefsBelow(ctx context.Context, c Config, names ...string) ([]Ref, error) {
	for _, name := range names {
		if !strings.HasPrefix(name, "refs/") || strings.ContainsAny(name, "*?[\\") {
			return nil, fmt.Errorf("reading refs: %q is no name of refs", name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	refs, err := c.listRefs(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("reading refs: %w", err)
	}
	// Git takes a name without a slash for those below it, too, and tells of
	// every ref that is broken.
	return slices.DeleteFunc(refs, func(ref Ref) bool {
		return !slices.ContainsFunc(names, func(name string) bool {
			return ref.Name == name || strings.HasSuffix(name, "/") && strings.HasPrefix(ref.Name, name)
		})
	}), nil
}

// listRefs returns the references without types, all or those that patterns of
// git for-each-ref take. It does not let git look at the objects, because git
// gives up at the first one that is missing.
func (c Config) listRefs(ctx context.Context, patterns ...string) ([]Ref, error) {
	out, stderr, err := c.run(ctx, nil, append([]string{"for-each-ref", "--format=%(objectname) %(refname)"}, patterns...)...)
	if err != nil {
		return nil, err
	}
	var refs []Ref
	for line := range strings.Lines(string(out)) {
		oid, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok || FormatOf(oid) == "" {
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

// typeRefs fills in the types and peeled objects. Each object is asked for once,
// however many refs hold it, and the answers are read as they come.
func (r *Repo) typeRefs(ctx context.Context, refs []Ref) error {
	order := make([]int32, 0, len(refs)) // those with an id, by that
	for i := range refs {
		if refs[i].OID != "" {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(a, b int32) int { return strings.Compare(refs[a].OID, refs[b].OID) })

	running, stop := context.WithCancel(ctx)
	defer stop()
	git, answers, err := r.config.start(running, &refLines{refs: refs, order: order}, "cat-file", "--batch-check", "--buffer")
	if err != nil {
		return err
	}
	if err = readTypes(bufio.NewReader(answers), r.format, refs, order); err != nil {
		stop() // git may be writing what will not be read
	}
	return git.end(ctx, err)
}

// readTypes reads the answers about refs in the order in which refLines asks.
func readTypes(answers *bufio.Reader, f Format, refs []Ref, order []int32) error {
	var last *Ref
	for _, i := range order {
		ref := &refs[i]
		if last != nil && last.OID == ref.OID {
			ref.Type, ref.Peeled, ref.PeeledType = last.Type, last.Peeled, last.PeeledType
			continue
		}
		if err := ref.readType(answers, f); err != nil {
			return err
		}
		last = ref
	}
	if _, err := answers.ReadByte(); err != io.EOF {
		return errors.New("git cat-file answered for too many refs")
	}
	return nil
}

// readType reads the two answers about a ref.
func (r *Ref) readType(answers *bufio.Reader, f Format) error {
	line, err := answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("git cat-file answered for too few refs: %w", noEOF(err))
	}
	o, err := parseAnswer(strings.TrimSuffix(line, "\n"), f)
	if err != nil {
		return err
	}
	r.Type = objectType(o.Type)
	if line, err = answers.ReadString('\n'); err != nil {
		return fmt.Errorf("git cat-file answered for too few refs: %w", noEOF(err))
	}
	if line == r.OID+"^{}"+" missing\n" {
		return nil
	}
	if o, err = parseAnswer(strings.TrimSuffix(line, "\n"), f); err != nil {
		return err
	}
	r.Peeled, r.PeeledType = o.OID, objectType(o.Type)
	if r.Peeled == r.OID {
		r.Peeled = r.OID // one string, where there are a million
	}
	return nil
}

// objectType returns the name of a type of objects, not as a part of the line
// that it was read from.
func objectType(name string) string {
	for _, known := range []string{"commit", "tag", "tree", "blob"} {
		if name == known {
			return known
		}
	}
	return strings.Clone(name)
}

// refLines reads as the questions about refs: the id, and what is behind it.
type refLines struct {
	refs  []Ref
	order []int32
	last  string
	line  []byte // what is left of the one being read
}

func (l *refLines) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(l.line) == 0 {
			if len(l.order) == 0 {
				if n == 0 {
					err = io.EOF
				}
				return n, err
			}
			oid := l.refs[l.order[0]].OID
			l.order = l.order[1:]
			if oid == l.last {
				continue
			}
			l.last = oid
			l.line = fmt.Appendf(l.line[:0], "%s\n%s^{}\n", oid, oid)
		}
		copied := copy(p[n:], l.line)
		n, l.line = n+copied, l.line[copied:]
	}
	return n, nil
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

// SymbolicTarget returns the full name of the ref that a ref stands for,
// whether or not that is there; "" if the ref is no symbolic one.
func (r *Repo) SymbolicTarget(ctx context.Context, ref string) (string, error) {
	if !strings.HasPrefix(ref, "refs/") {
		return "", fmt.Errorf("reading what %q stands for: not the full name of a ref", ref)
	}
	out, found, err := r.config.ask(ctx, "symbolic-ref", "--quiet", ref)
	if err != nil {
		return "", fmt.Errorf("reading what %s stands for: %w", ref, err)
	}
	if !found {
		return "", nil
	}
	return strings.TrimSuffix(string(out), "\n"), nil
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

package proofs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"

	"gitseal/gitutil"
	"gitseal/verifier"
)

// Bounds of what is read for a verdict. Whoever may write to the ref of a remote
// chooses how much is there.
const (
	maxSources = 64      // refs
	maxCommit  = 1 << 20 // bytes of the commit of a ref
	maxDir     = 1 << 14 // files in a directory; of a repository with four million proofs
	maxFiles   = 1 << 20 // files of a ref, where all of them are looked at
	maxFound   = 64      // proofs of one signature
	maxNamed   = 20      // things that are ignored
)

// A Reader finds proofs in a repository: in its own ref and those fetched from
// remotes, as they were when it was opened. It may be used by several
// goroutines at once.
type Reader struct {
	trees   *gitutil.Trees
	format  gitutil.Format
	sources []*source

	mu      sync.Mutex // guards what follows, and the sources
	ignored []string
	named   map[string]bool
	more    int // that are ignored beside
}

// Open finds the proofs of the repository that git finds from the configuration,
// and those in commits that it holds and no ref does yet, such as one that is
// being pushed to it. It reads none yet. The caller closes the Reader.
//
// That takes one git process, and reading another one: git's own verification
// starts them for each signature. So the repository is not opened for it.
func Open(ctx context.Context, c gitutil.Config, commits ...string) (*Reader, error) {
	refs, err := gitutil.RefsBelow(ctx, c, Ref, Remotes)
	if err != nil {
		return nil, fmt.Errorf("finding proofs: %w", err)
	}
	for _, commit := range commits {
		refs = append(refs, gitutil.Ref{Name: commit, OID: commit})
	}
	r := &Reader{named: make(map[string]bool)}
	for _, ref := range refs { // Ref is before Remotes
		switch {
		case ref.OID == "":
			r.ignore(ref.Name, errors.New("the ref is broken"))
		case len(r.sources) == maxSources:
			r.ignore(ref.Name, fmt.Errorf("more than %d refs", maxSources))
		default:
			r.sources = append(r.sources, &source{name: ref.Name, commit: ref.OID})
		}
	}
	if len(r.sources) > 0 {
		r.format = gitutil.FormatOf(r.sources[0].commit)
		r.trees = gitutil.NewTrees(c, r.format)
	}
	return r, nil
}

// Close ends reading.
func (r *Reader) Close() error {
	if r.trees == nil {
		return nil
	}
	return r.trees.Close()
}

// Empty reports whether there are no proofs, of whatever signature.
func (r *Reader) Empty() bool { return len(r.sources) == 0 }

// Ignored says what was found so far that is no proof, and where: a few lines,
// however much there is.
func (r *Reader) Ignored() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.ignored)
	if r.more > 0 {
		all = append(all, fmt.Sprintf("%d more", r.more))
	}
	return all
}

// name is ignore for who does not hold mu.
func (r *Reader) name(where string, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ignore(where, why)
}

// ignore names something that is no proof, or not looked at. The caller holds mu,
// or has the Reader alone.
func (r *Reader) ignore(where string, why error) {
	text := where + ": " + why.Error()
	switch {
	case r.named[text]:
	case len(r.ignored) == maxNamed:
		r.more++
	default:
		r.named[text] = true
		r.ignored = append(r.ignored, text)
	}
}

// Find returns the proofs that are there of a signature, by its key
// (verifier.ProofKey): none of them is verified. An error says that it could not
// be told whether there are more, because the repository lacks an object or git
// could not read it.
func (r *Reader) Find(ctx context.Context, key [32]byte) ([]verifier.Proof, error) {
	files, untold := r.files(ctx, key)
	var all []verifier.Proof
	for _, f := range files {
		found, err := r.read(ctx, f)
		if err != nil {
			untold = errors.Join(untold, err)
		}
		for _, p := range found {
			switch {
			case slices.ContainsFunc(all, func(q verifier.Proof) bool { return equal(p, q) }):
			case len(all) == maxFound:
				r.name(f.name, fmt.Errorf("more than %d proofs of one signature", maxFound))
			default:
				all = append(all, p)
			}
		}
	}
	if untold != nil {
		untold = fmt.Errorf("looking for a proof: %w", untold)
	}
	return all, untold
}

// equal reports whether two proofs are the same.
func equal(p, q verifier.Proof) bool {
	return string(p.Entry) == string(q.Entry) &&
		slices.EqualFunc(p.Timestamps, q.Timestamps, func(a, b []byte) bool { return string(a) == string(b) })
}

// Version returns a digest over all that Find would read for a key: as long as
// it is the same, so is what Find returns. It is zero if there is nothing. An
// error is that of Find.
func (r *Reader) Version(ctx context.Context, key [32]byte) ([32]byte, error) {
	files, err := r.files(ctx, key)
	if err != nil || len(files) == 0 {
		return [32]byte{}, err
	}
	h := sha256.New()
	for _, f := range files {
		h.Write([]byte(f.oid + "\n"))
	}
	return [32]byte(h.Sum(nil)), nil
}

// A file is one with the proofs of a signature.
type file struct {
	name string // the ref and the path, for people
	oid  string
}

// files returns where proofs of a signature are said to be, each content once.
func (r *Reader) files(ctx context.Context, key [32]byte) ([]file, error) {
	if r.Empty() {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var files []file
	var untold error
	for _, s := range r.sources {
		e, err := r.entry(ctx, s, path(key))
		switch {
		case err != nil:
			untold = errors.Join(untold, err)
		case e.OID != "" && !slices.ContainsFunc(files, func(f file) bool { return f.oid == e.OID }):
			files = append(files, file{s.name + ":" + path(key), e.OID})
		}
	}
	return files, untold
}

// read returns the proofs in a file; none if it is not a file of proofs, which
// is named.
func (r *Reader) read(ctx context.Context, f file) ([]verifier.Proof, error) {
	data, err := r.trees.Blob(ctx, f.oid, maxFile)
	var content *gitutil.ContentError
	if err != nil && !errors.As(err, &content) {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	var all []verifier.Proof
	if err == nil {
		all, err = parseFile(data)
	}
	if err != nil {
		r.name(f.name, err)
		return nil, nil
	}
	return all, nil
}

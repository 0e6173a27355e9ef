package gitutil

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// MaxObjectSize is the size above which an object is not read: 128 MiB. It is
// far above any commit or tag that people or tools make, and low enough that
// an object made to exhaust memory does not.
const MaxObjectSize = 128 << 20

// An Object is what git says is stored under an id. It is a claim until
// Verify has returned nil.
type Object struct {
	OID  string
	Type string // "commit", "tag", "tree" or "blob"; empty if Missing
	Size int64  // length of the content, also when it was not read
	Data []byte // content; nil if Missing or larger than MaxObjectSize
	// Missing is set if the repository does not hold the object.
	Missing bool
	// Known is set if [Walk.Known] said that the object need not be read:
	// there is an id, and nothing else.
	Known bool
}

// Verify recomputes the object's id from its type and content. It returns nil
// if they belong together, an error that wraps [ErrMissing] if there is no
// content, and another error if the object is too large, was not read or is
// not what its id says. It is the expensive part of reading, and may run on
// any goroutine.
func (o Object) Verify(f Format) error {
	if o.Missing {
		return fmt.Errorf("object %s: %w", o.OID, ErrMissing)
	}
	if o.Known {
		return fmt.Errorf("object %s: was not read", o.OID)
	}
	if o.Size > MaxObjectSize {
		return fmt.Errorf("object %s: %d bytes are more than the %d that are read", o.OID, o.Size, MaxObjectSize)
	}
	oid, err := HashObject(f, o.Type, o.Data)
	if err != nil {
		return fmt.Errorf("object %s: %w", o.OID, err)
	}
	if oid != o.OID {
		return fmt.Errorf("object %s: content has the id %s", o.OID, oid)
	}
	return nil
}

// Object returns one object, verified. The error wraps [ErrMissing] if the
// repository does not hold it.
func (r *Repo) Object(ctx context.Context, oid string) (Object, error) {
	o, err := r.object(ctx, oid)
	if err == nil {
		err = o.Verify(r.format)
	}
	if err != nil {
		return Object{}, fmt.Errorf("reading object: %w", err)
	}
	return o, nil
}

func (r *Repo) object(ctx context.Context, oid string) (Object, error) {
	if !r.format.validOID(oid) {
		return Object{}, fmt.Errorf("%q is not a %s object id", oid, r.format)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	git, answer, err := r.config.start(running, strings.NewReader(oid+"\n"), "cat-file", "--batch")
	if err != nil {
		return Object{}, err
	}
	o, err := readObject(bufio.NewReader(answer), r.format)
	if err == nil && o.OID != oid {
		err = fmt.Errorf("git cat-file answered for %s, not %s", o.OID, oid)
	}
	if err != nil {
		stop() // git may be writing what will not be read
	}
	return o, git.end(ctx, noEOF(err))
}

// readObject reads one answer of git cat-file --batch:
//
//	oid SP type SP size LF content LF
//	oid SP "missing" LF
//
// At the end of the answers it returns io.EOF.
func readObject(r *bufio.Reader, f Format) (Object, error) {
	o, err := readHeader(r, f)
	if err == nil && !o.Missing {
		err = o.readContent(r)
	}
	return o, err
}

// readHeader reads the first line of an answer, which is all of it if the object
// is missing.
func readHeader(r *bufio.Reader, f Format) (Object, error) {
	line, err := r.ReadSlice('\n')
	if err == io.EOF && len(line) == 0 {
		return Object{}, io.EOF
	}
	if err != nil {
		return Object{}, fmt.Errorf("reading answer of git cat-file: %w", noEOF(err))
	}
	return parseAnswer(string(line[:len(line)-1]), f)
}

// readContent reads the rest of the answer.
func (o *Object) readContent(r *bufio.Reader) (err error) {
	if o.Size > MaxObjectSize {
		_, err = io.CopyN(io.Discard, r, o.Size)
	} else {
		o.Data = make([]byte, o.Size)
		_, err = io.ReadFull(r, o.Data)
	}
	if err != nil {
		return fmt.Errorf("reading object %s: %w", o.OID, noEOF(err))
	}
	if end, err := r.ReadByte(); err != nil || end != '\n' {
		return fmt.Errorf("reading object %s: content does not end where its size says", o.OID)
	}
	return nil
}

// parseAnswer parses the first line of an answer, without its newline.
func parseAnswer(line string, f Format) (Object, error) {
	fields := strings.Split(line, " ")
	// Since 2.44 git rev-list --missing=print marks a missing commit so.
	oid := strings.TrimPrefix(fields[0], "?")
	if !f.validOID(oid) {
		return Object{}, fmt.Errorf("git cat-file answered %q", line)
	}
	if len(fields) == 2 && fields[1] == "missing" {
		return Object{OID: oid, Missing: true}, nil
	}
	if len(fields) != 3 || oid != fields[0] {
		return Object{}, fmt.Errorf("git cat-file answered %q", line)
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != fields[2] {
		return Object{}, fmt.Errorf("git cat-file answered %q", line)
	}
	return Object{OID: oid, Type: fields[1], Size: size}, nil
}

// noEOF turns an end of input in the middle of something into the error it is.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Resolve returns the id and type of the object that a revision names, in
// git's syntax (gitrevisions(7), one revision, no range). A tag is not peeled.
// The error wraps [ErrMissing] if the revision names nothing in the
// repository.
func (r *Repo) Resolve(ctx context.Context, rev string) (oid, typ string, err error) {
	o, err := r.resolve(ctx, rev)
	if err != nil {
		return "", "", fmt.Errorf("resolving %q: %w", rev, err)
	}
	return o.OID, o.Type, nil
}

func (r *Repo) resolve(ctx context.Context, rev string) (Object, error) {
	if err := checkRevision(rev); err != nil {
		return Object{}, err
	}
	// The revision goes in by standard input, where nothing is an option.
	out, stderr, err := r.config.run(ctx, strings.NewReader(rev+"\n"), "-c", "core.warnAmbiguousRefs=true", "cat-file", "--batch-check")
	if err != nil {
		return Object{}, err
	}
	if name := ambiguousName(stderr); name != "" {
		return Object{}, fmt.Errorf("ambiguous: there are several refs called %q; want refs/heads/… or refs/tags/…", name)
	}
	line := string(bytes.TrimSuffix(out, []byte("\n")))
	switch line {
	case rev + " missing":
		return Object{}, ErrMissing
	case rev + " ambiguous":
		return Object{}, errors.New("ambiguous: names several objects")
	}
	return parseAnswer(line, r.format)
}

// checkRevision refuses what can be taken for an option, or for several
// revisions.
func checkRevision(rev string) error {
	if rev == "" || rev[0] == '-' || strings.ContainsAny(rev, "\n\x00") {
		return errors.New("not a revision")
	}
	return nil
}

// ambiguousName returns the name of which git warns that several refs have it,
// such as a branch and a tag: git takes the tag, which anyone may have pushed,
// where a person means the branch. HEAD is always HEAD.
func ambiguousName(stderr string) string {
	for line := range strings.Lines(stderr) {
		name, isWarning := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "warning: refname '")
		if name, ambiguous := strings.CutSuffix(name, "' is ambiguous."); isWarning && ambiguous && name != "HEAD" {
			return name
		}
	}
	return ""
}

// Revisions resolves a revision or a range, "A", "^A", "A..B" or "A...B", to
// the ids that [Walk.Revs] takes. An empty side of a range is HEAD.
func (r *Repo) Revisions(ctx context.Context, arg string) ([]string, error) {
	left, right, dots := cutRange(arg)
	if dots == "" {
		rev, exclude := strings.CutPrefix(arg, "^")
		oid, _, err := r.Resolve(ctx, rev)
		if err != nil {
			return nil, err
		}
		if exclude {
			oid = "^" + oid
		}
		return []string{oid}, nil
	}
	a, _, err := r.Resolve(ctx, left)
	if err != nil {
		return nil, err
	}
	b, _, err := r.Resolve(ctx, right)
	if err != nil {
		return nil, err
	}
	if dots == ".." {
		return []string{b, "^" + a}, nil
	}
	bases, err := r.MergeBase(ctx, a, b)
	if err != nil {
		return nil, fmt.Errorf("resolving %q: %w", arg, err)
	}
	revs := []string{a, b}
	for _, base := range bases {
		revs = append(revs, "^"+base)
	}
	return revs, nil
}

// cutRange cuts a range at its dots; dots is empty if arg is not a range.
func cutRange(arg string) (left, right, dots string) {
	left, right, ok := strings.Cut(arg, "..")
	if !ok {
		return arg, "", ""
	}
	dots = ".."
	if rest, three := strings.CutPrefix(right, "."); three {
		right, dots = rest, "..."
	}
	if left == "" {
		left = "HEAD"
	}
	if right == "" {
		right = "HEAD"
	}
	return left, right, dots
}

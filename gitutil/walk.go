package gitutil

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
)

// A Walk says which objects to read. Everything in it is an object id, so
// that what is walked cannot change under the walk: see [Repo.Revisions] and
// [Repo.Refs].
type Walk struct {
	// Revs are commits, or tags of commits, whose history to read: the
	// commit and all its ancestors. With "^" before the id, those to leave
	// out. Anything else than a commit is an error. Empty means no commits.
	Revs []string
	// FirstParent follows the first parent of a merge only.
	FirstParent bool
	// Tags are objects to read before the commits, in the order given.
	Tags []string
	// AnyOrder reads commits as git comes upon them: a commit may come before
	// some of its children, but not before all of them. It lets a walk begin,
	// and be broken off, before git has seen the whole history.
	AnyOrder bool
	// Known, if it is not nil, is asked for each commit that git lists and
	// the repository holds. Where it returns true, the commit is not read: it
	// is yielded, in its place, as [Object.Known]. What git walked through it
	// to is then git's word, which nothing recomputes. Known is called on a
	// goroutine of the walk's, one call at a time, at most some thousand
	// commits ahead of what is yielded, and never after the walk has ended.
	Known func(oid string) bool
}

// Walk reads the objects of a walk: first the tags, then the commits, newest
// first and none before its children (git rev-list --topo-order), the same on
// each run. Objects are not verified: the caller does that, on as many
// goroutines as it likes, with [Object.Verify].
//
// An object that the repository does not hold, or that git cannot open, is
// yielded as Missing if git can walk on without it, which it can for tags, and
// since git 2.44 for commits. An error ends the walk and is the last thing
// yielded. A walk that ends without one is complete, as far as the repository
// is (see [Repo.Shallow]): both git processes ended well and each object asked
// for was answered.
//
// Memory does not grow with the number of objects. Breaking off the iteration
// ends the processes.
func (r *Repo) Walk(ctx context.Context, w Walk) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := r.walk(ctx, w, func(o Object) bool { return yield(o, nil) }); err != nil {
			yield(Object{}, fmt.Errorf("walking history: %w", err))
		}
	}
}

// walk runs git rev-list | git cat-file --batch and yields the answers. It
// returns nil, too, when yield asks it to stop.
func (r *Repo) walk(ctx context.Context, w Walk, yield func(Object) bool) error {
	if err := w.check(r.format); err != nil {
		return err
	}
	if w.Known != nil && len(w.Revs) > 0 {
		return r.walkKnown(ctx, w, yield)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()

	asked := &lineCounter{r: joinLines(w.Tags)}
	var list *process
	if len(w.Revs) > 0 {
		var oids io.Reader
		var err error
		list, oids, err = r.list(running, w)
		if err != nil {
			return err
		}
		asked.r = io.MultiReader(asked.r, oids)
	}
	read, answers, err := r.config.start(running, asked, "cat-file", "--batch", "--buffer")
	if err != nil {
		stop()
		if list != nil {
			list.end(ctx, nil) // the error of cat-file is the one to report
		}
		return err
	}

	answered, stopped, err := yieldAll(bufio.NewReaderSize(answers, 64<<10), r.format, yield)
	if stopped || err != nil {
		stop()
	}
	// The reading process first: it ends when its input does, and if it
	// failed, git rev-list would wait for ever to write to it.
	if err = read.end(ctx, err); err != nil {
		stop()
	}
	if list != nil {
		listErr := list.end(ctx, nil)
		if err == nil {
			err = listErr
		}
	}
	switch {
	case stopped:
		return nil
	case err == nil && answered != asked.lines:
		return fmt.Errorf("git cat-file answered for %d objects of %d", answered, asked.lines)
	}
	return err
}

// list starts git rev-list for the commits of a walk: a line each, with "?"
// before the id of one that is missing.
func (r *Repo) list(ctx context.Context, w Walk) (*process, io.Reader, error) {
	options := []string{"--missing=print"}
	if !w.AnyOrder {
		options = append(options, "--topo-order")
	}
	// A line at a time is a write, and a wake-up, a line.
	return r.config.with("GIT_FLUSH=0").start(ctx, w.commits(), w.revList(options...)...)
}

// yieldAll yields answers until there are no more or yield returns false.
func yieldAll(answers *bufio.Reader, f Format, yield func(Object) bool) (n int, stopped bool, err error) {
	for {
		o, err := readObject(answers, f)
		if err == io.EOF {
			return n, false, nil
		}
		if err != nil {
			return n, false, err
		}
		n++
		if !yield(o) {
			return n, true, nil
		}
	}
}

// Count returns how many objects a walk has, for a display of progress. It is
// quicker than the walk, since it believes git's commit-graph where there is
// one, and says nothing about completeness.
func (r *Repo) Count(ctx context.Context, w Walk) (int, error) {
	if err := w.check(r.format); err != nil {
		return 0, fmt.Errorf("counting history: %w", err)
	}
	if len(w.Revs) == 0 {
		return len(w.Tags), nil
	}
	args := append([]string{"-c", "core.commitGraph=true"}, w.revList("--count")...)
	out, _, err := r.config.run(ctx, w.commits(), args...)
	if err != nil {
		return 0, fmt.Errorf("counting history: %w", err)
	}
	n, err := strconv.Atoi(string(bytes.TrimSuffix(out, []byte("\n"))))
	if err != nil {
		return 0, fmt.Errorf("counting history: git rev-list answered %q", out)
	}
	return len(w.Tags) + n, nil
}

// check refuses anything but object ids, so that nothing in a walk can be
// taken for an option or a name.
func (w Walk) check(f Format) error {
	for _, rev := range w.Revs {
		if err := f.checkOIDs(strings.TrimPrefix(rev, "^")); err != nil {
			return err
		}
	}
	return f.checkOIDs(w.Tags...)
}

// commits returns the standard input that tells git where to start. A tag of
// something else than a commit is an error that way; git would pass over it.
func (w Walk) commits() io.Reader {
	revs := make([]string, len(w.Revs))
	for i, rev := range w.Revs {
		revs[i] = rev + "^{commit}"
	}
	return joinLines(revs)
}

// revList returns the arguments that make git list the walk's commits.
func (w Walk) revList(options ...string) []string {
	args := append([]string{"rev-list", "--stdin"}, options...)
	if w.FirstParent {
		args = append(args, "--first-parent")
	}
	return args
}

// joinLines returns a reader of the strings, each with a newline.
func joinLines(lines []string) io.Reader {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return strings.NewReader(b.String())
}

// lineCounter counts the lines that are read through it.
type lineCounter struct {
	r     io.Reader
	lines int
}

func (c *lineCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.lines += bytes.Count(p[:n], []byte("\n"))
	return n, err
}

package gitutil

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// A listed object is one that a walk has to yield.
type listed struct {
	oid     string
	known   bool // nothing needs to be read
	missing bool // by the word of git rev-list
}

// maxBatch is how many listed objects travel together at most, and
// batchesAhead how many batches may wait to be yielded.
const (
	maxBatch     = 1024
	batchesAhead = 4
)

// walkKnown is walk for a walk with Known: it reads the list itself, asks git
// cat-file for what is not known, and puts the answers in their places.
//
// Nothing waits in a circle. The sorter announces a batch to the yielder before
// it asks for its objects, so whatever git answers has a reader; and it asks
// before it announces the next, so whatever is waited for has been asked for.
// Git must answer at once for that: without --buffer.
func (r *Repo) walkKnown(ctx context.Context, w Walk, yield func(Object) bool) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	list, oids, err := r.list(running, w)
	if err != nil {
		return err
	}
	read, ask, answers, err := r.config.converse(running, "cat-file", "--batch")
	if err != nil {
		stop()
		list.end(ctx, nil) // the error of cat-file is the one to report
		return err
	}

	s := &sorter{format: r.format, known: w.Known, ask: ask, batches: make(chan []listed, batchesAhead)}
	sorted := make(chan error, 1)
	go func() { sorted <- s.sort(running, w.Tags, oids) }()

	stopped, err := yieldListed(s.batches, bufio.NewReaderSize(answers, 64<<10), r.format, yield)
	if stopped || err != nil {
		stop()
		ask.Close() // the sorter may be writing to it; the process is beyond hearing
	}
	sortErr := <-sorted
	if err = read.end(ctx, err); err != nil || sortErr != nil {
		stop() // or git rev-list would wait for ever to write
	}
	// A reading process that failed is why the sorter and the list did, so
	// its error comes first.
	if listErr := list.end(ctx, sortErr); err == nil {
		err = listErr
	}
	if stopped {
		return nil
	}
	return err
}

// A sorter tells the commits of a list that are known from those to read.
type sorter struct {
	format  Format
	known   func(oid string) bool
	ask     io.WriteCloser // standard input of git cat-file
	batches chan []listed
}

// sort sends the tags and then the listed commits to batches, in order, and
// asks for those to read. At the end, or when it cannot go on, it closes both.
func (s *sorter) sort(ctx context.Context, tags []string, oids io.Reader) (err error) {
	defer func() {
		if closeErr := s.ask.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("asking git cat-file: %w", closeErr)
		}
		close(s.batches)
	}()

	var batch []listed
	for _, tag := range tags {
		batch = append(batch, listed{oid: tag})
	}
	lines := bufio.NewReaderSize(oids, 64<<10)
	for {
		// What has come goes on before more is waited for.
		if len(batch) >= maxBatch || !holdsLine(lines) {
			if err := s.send(ctx, batch); err != nil {
				return err
			}
			batch = nil
		}
		line, err := lines.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return s.send(ctx, batch)
		}
		if err != nil {
			return fmt.Errorf("reading answer of git rev-list: %w", noEOF(err))
		}
		oid, missing := bytes.CutPrefix(line[:len(line)-1], []byte("?"))
		l := listed{oid: string(oid), missing: missing}
		if !s.format.validOID(l.oid) {
			return fmt.Errorf("git rev-list answered %q", line)
		}
		l.known = !missing && s.known(l.oid)
		batch = append(batch, l)
	}
}

// holdsLine reports whether a line can be read without waiting.
func holdsLine(r *bufio.Reader) bool {
	buffered, _ := r.Peek(r.Buffered()) // never more than there is, so no error
	return bytes.IndexByte(buffered, '\n') >= 0
}

// send announces a batch and asks for those of its objects that are to be
// read.
func (s *sorter) send(ctx context.Context, batch []listed) error {
	if len(batch) == 0 {
		return nil
	}
	select {
	case s.batches <- batch:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	var questions []byte
	for _, l := range batch {
		if !l.known && !l.missing {
			questions = append(append(questions, l.oid...), '\n')
		}
	}
	if len(questions) == 0 {
		return nil
	}
	if _, err := s.ask.Write(questions); err != nil {
		return fmt.Errorf("asking git cat-file: %w", err)
	}
	return nil
}

// yieldListed yields the objects of the batches, with the answers for those
// that are to be read, until there are no more or yield returns false.
func yieldListed(batches <-chan []listed, answers *bufio.Reader, f Format, yield func(Object) bool) (stopped bool, err error) {
	for batch := range batches {
		for _, l := range batch {
			o := Object{OID: l.oid, Known: l.known, Missing: l.missing}
			if !l.known && !l.missing {
				if o, err = readObject(answers, f); err != nil {
					return false, noEOF(err)
				}
				if o.OID != l.oid {
					return false, fmt.Errorf("git cat-file answered for %s, not %s", o.OID, l.oid)
				}
			}
			if !yield(o) {
				return true, nil
			}
		}
	}
	if _, err := answers.ReadByte(); err != io.EOF {
		return false, errors.New("git cat-file answered for more objects than it was asked for")
	}
	return false, nil
}

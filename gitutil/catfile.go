package gitutil

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A catFile is a git cat-file that is asked for one object after the other.
type catFile struct {
	config Config
	format Format
	sizes  bool // it is asked for types and sizes alone; objects come without Data

	mu      sync.Mutex // guards what follows
	closed  bool
	git     *process // nil if none is running
	ask     io.WriteCloser
	answers *bufio.Reader
	stop    context.CancelFunc // ends git
}

// object returns an object, not verified.
func (c *catFile) object(ctx context.Context, oid string) (Object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return Object{}, errors.New("reader is closed")
	}
	if err := ctx.Err(); err != nil {
		return Object{}, context.Cause(ctx)
	}
	if c.git == nil {
		if err := c.start(ctx); err != nil {
			return Object{}, err
		}
	}
	unhook := context.AfterFunc(ctx, c.stop)
	o, err := c.exchange(oid)
	if unhook() && err == nil {
		return o, nil
	}
	// A process that failed, or was stopped, gives no further answer; the
	// next question is another's.
	c.stop()
	err = c.git.end(ctx, noEOF(err))
	c.git = nil
	return Object{}, cmp.Or(err, context.Cause(ctx))
}

// start starts git, which is to outlive the context that it is started under.
func (c *catFile) start(ctx context.Context) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	batch := "--batch"
	if c.sizes {
		batch = "--batch-check"
	}
	git, ask, answers, err := c.config.converse(running, "cat-file", batch)
	if err != nil {
		stop()
		return err
	}
	c.git, c.ask, c.answers, c.stop = git, ask, bufio.NewReaderSize(answers, 64<<10), stop
	return nil
}

// exchange asks git for an object and reads the answer.
func (c *catFile) exchange(oid string) (Object, error) {
	if _, err := io.WriteString(c.ask, oid+"\n"); err != nil {
		return Object{}, fmt.Errorf("asking git cat-file: %w", err)
	}
	read := readObject
	if c.sizes {
		read = readSize
	}
	o, err := read(c.answers, c.format)
	if err == nil && o.OID != oid {
		err = fmt.Errorf("git cat-file answered for %s, not %s", o.OID, oid)
	}
	return o, err
}

// readSize reads one answer of git cat-file --batch-check.
func readSize(r *bufio.Reader, f Format) (Object, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return Object{}, fmt.Errorf("reading answer of git cat-file: %w", noEOF(err))
	}
	return parseAnswer(string(line[:len(line)-1]), f)
}

// close ends git after its last answer.
func (c *catFile) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.git == nil {
		return nil
	}
	git := c.git
	c.git = nil
	defer c.stop()
	closeErr := c.ask.Close()
	return git.end(context.Background(), closeErr)
}

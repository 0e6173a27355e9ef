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

	mu      sync.Mutex // guards what follows
	closed  bool
	git     *process // nil if none is running
	ask     io.WriteCloser
	answers *bufio.Reader
	stop    context.CancelFunc // ends git
}

// object returns an object, not verified; one of more than limit bytes without
// Data.
func (c *catFile) object(ctx context.Context, oid string, limit int64) (Object, error) {
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
	o, err := c.exchange(oid, limit)
	answered := unhook() && err == nil
	if answered && o.Size <= limit {
		return o, nil
	}
	// A process that failed, or was stopped, gives no further answer, nor does
	// one that is writing what nobody reads; the next question is another's.
	c.stop()
	err = c.git.end(ctx, noEOF(err))
	c.git = nil
	if answered {
		return o, nil
	}
	return Object{}, cmp.Or(err, context.Cause(ctx))
}

// start starts git, which is to outlive the context that it is started under.
func (c *catFile) start(ctx context.Context) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	git, ask, answers, err := c.config.converse(running, "cat-file", "--batch")
	if err != nil {
		stop()
		return err
	}
	c.git, c.ask, c.answers, c.stop = git, ask, bufio.NewReaderSize(answers, 64<<10), stop
	return nil
}

// exchange asks git for an object and reads the answer, up to where content
// begins that is more than limit bytes.
func (c *catFile) exchange(oid string, limit int64) (Object, error) {
	if _, err := io.WriteString(c.ask, oid+"\n"); err != nil {
		return Object{}, fmt.Errorf("asking git cat-file: %w", err)
	}
	o, err := readHeader(c.answers, c.format)
	if err == nil && o.OID != oid {
		err = fmt.Errorf("git cat-file answered for %s, not %s", o.OID, oid)
	}
	if err == nil && !o.Missing && o.Size <= limit {
		err = o.readContent(c.answers)
	}
	return o, err
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

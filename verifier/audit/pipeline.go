package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"gitseal/gitutil"
)

// maxInFlight bounds the bytes of objects that have been read and not yet
// judged. An object that is larger waits until it is alone.
const maxInFlight = 32 << 20

// A job is one object on its way from the reader, through a worker, to the
// collector.
type job struct {
	target
	object  gitutil.Object
	verdict Verdict
	facts   *facts
	done    chan struct{} // closed when facts are there
}

// done is that of jobs whose facts are there from the beginning.
var done = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// A pipeline is what jobs go through.
type pipeline struct {
	*collector
	work     chan *job // read, to be judged
	lookups  chan *job // judged, and log entries have to be looked for
	order    chan *job // all of them, in the order of reading
	inFlight *budget
}

// examine reads, judges and collects every object in scope: one goroutine
// reads, some judge, and this one collects, in the order of reading. An error
// ends the audit; that git could not go on does not.
func (c *collector) examine(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()

	workers := c.cfg.jobs()
	p := &pipeline{collector: c, work: make(chan *job, workers), order: make(chan *job, c.window(workers)), inFlight: newBudget(ctx, maxInFlight)}
	// Room for every job that there can be, so that no worker waits for a log:
	// one is being read and one collected, besides those in order.
	p.lookups = make(chan *job, cap(p.order)+2)
	progress := c.progress(ctx, &running)
	var readErr error // written before order is closed
	running.Go(func() {
		defer close(p.order)
		defer close(p.work)
		readErr = p.feed(ctx)
	})
	p.start(ctx, workers, &running)

	for j := range p.order {
		select {
		case <-j.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if c.memory != nil && j.done != done {
			c.memory.keep(j.oid, j.facts)
		}
		c.add(ctx, j)
		progress(c.totals.Examined)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return c.brokeOff(readErr)
}

// feed reads the objects and hands them on. Those of which facts are kept need
// no judging.
func (p *pipeline) feed(ctx context.Context) error {
	var unread error
	err := p.read(ctx, func(o gitutil.Object, kind string) bool {
		j := &job{target: target{o.OID, kind}, object: o}
		if o.Known {
			if j.facts = p.memory.recall(o.OID); j.facts != nil {
				j.done = done
				return send(ctx, p.order, j)
			}
			// The cache knew it a moment ago, and holds what nobody wrote.
			if j.object, unread = p.cfg.Repo.Object(ctx, o.OID); unread != nil {
				return false
			}
		}
		j.done = make(chan struct{})
		return p.inFlight.take(ctx, len(j.object.Data)) && send(ctx, p.order, j) && send(ctx, p.work, j)
	})
	return cmp.Or(err, unread)
}

// start starts the goroutines that judge, and those that look for log entries.
func (p *pipeline) start(ctx context.Context, workers int, running *sync.WaitGroup) {
	if p.judge.looks() {
		p.judge.slots = make(chan struct{}, workers)
	}
	var judging sync.WaitGroup
	for range workers {
		judging.Go(func() {
			for j := range p.work {
				p.judge.slot(func() { j.verdict = p.judge.object(j.object) })
				if j.verdict.wants() {
					p.lookups <- j
				} else {
					p.finish(j)
				}
			}
		})
	}
	running.Go(func() {
		judging.Wait()
		close(p.lookups)
	})
	if !p.judge.looks() {
		return
	}
	for range maxLookups {
		running.Go(func() {
			for j := range p.lookups {
				p.judge.lookUp(ctx, &j.verdict)
				p.finish(j)
			}
		})
	}
}

// finish makes facts of a verdict, and frees the object.
func (p *pipeline) finish(j *job) {
	p.inFlight.give(len(j.object.Data))
	j.object.Data = nil
	j.facts, j.verdict = factsOf(&j.verdict), Verdict{}
	close(j.done)
}

// window returns how many jobs there may be between the reader and the
// collector. While one waits for a log, enough others have to go on.
func (c *collector) window(workers int) int {
	if c.judge.looks() {
		return max(16*workers, 16*maxLookups)
	}
	return 16 * workers
}

// send sends j unless the context ends.
func send(ctx context.Context, to chan<- *job, j *job) bool {
	select {
	case to <- j:
		return true
	case <-ctx.Done():
		return false
	}
}

// brokeOff notes that git could not go on. That there is no git is an error.
func (c *collector) brokeOff(err error) error {
	if err == nil || errors.Is(err, gitutil.ErrNoGit) {
		return err
	}
	c.incomplete("what git could not read", clip(err.Error()))
	return nil
}

// maxTagDepth bounds how many tags of tags are followed: each level is a run
// of git.
const maxTagDepth = 100

// read yields the objects in scope: the tags, tags of tags, and then the
// history. It returns nil, too, if yield asks it to stop.
func (c *collector) read(ctx context.Context, yield func(o gitutil.Object, kind string) bool) error {
	s := c.scope
	walk := func(w gitutil.Walk, each func(gitutil.Object) bool) error {
		for o, err := range c.cfg.Repo.Walk(ctx, w) {
			if err != nil {
				return err
			}
			if !each(o) {
				return nil
			}
		}
		return nil
	}

	if len(s.approvals) > 0 {
		err := walk(gitutil.Walk{Tags: s.approvals}, func(o gitutil.Object) bool { return yield(o, approval) })
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
	var tooDeep error
	for depth := 0; len(s.objects) > 0; depth++ {
		if depth == maxTagDepth {
			tooDeep = fmt.Errorf("tags of tags more than %d deep", maxTagDepth)
			break
		}
		round, kinds := s.takeRound()
		err := walk(gitutil.Walk{Tags: round}, func(o gitutil.Object) bool {
			c.follow(o)
			return yield(o, kinds[o.OID])
		})
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
	err := walk(c.history(ctx, s.revs()), func(o gitutil.Object) bool { return yield(o, "commit") })
	if err != nil {
		return err
	}
	return tooDeep
}

// approval is the kind of a tag that is not in scope, and read only for who
// signed it.
const approval = "approval"

// takeRound takes the objects to read one by one: their ids, and what each
// should be.
func (s *scope) takeRound() (oids []string, kinds map[string]string) {
	kinds = make(map[string]string)
	for _, t := range s.objects {
		oids = append(oids, t.oid)
		kinds[t.oid] = t.kind
	}
	s.objects = nil
	return oids, kinds
}

// follow adds the tag that a tag is of. What is behind the last one was
// resolved at the start, unless the repository lacks it.
func (c *collector) follow(o gitutil.Object) {
	if o.Type != "tag" {
		return
	}
	t, err := gitutil.ParseTag(o.Data, c.judge.Format)
	if err != nil || t.Type != "tag" && t.Type != "commit" {
		return
	}
	// Bytes that are not what their id says lead nowhere.
	if next := (target{t.Object, t.Type}); !c.scope.named[next] && o.Verify(c.judge.Format) == nil {
		c.scope.addTarget(next)
	}
}

// history returns the walk over revs.
func (c *collector) history(ctx context.Context, revs []string) gitutil.Walk {
	w := gitutil.Walk{Revs: revs, FirstParent: c.cfg.FirstParent}
	if c.memory != nil && c.memory.cache.Len() > 0 {
		w.Known = func(oid string) bool { return c.memory.knows(ctx, oid) }
	}
	return w
}

// progress returns the function to call after each object. How many there are
// is counted meanwhile.
func (c *collector) progress(ctx context.Context, running *sync.WaitGroup) func(done int) {
	if c.cfg.Progress == nil {
		return func(int) {}
	}
	walk := c.history(ctx, c.scope.revs())
	for _, t := range c.scope.objects {
		walk.Tags = append(walk.Tags, t.oid)
	}
	var total atomic.Int64
	running.Go(func() {
		if n, err := c.cfg.Repo.Count(ctx, walk); err == nil {
			total.Store(int64(n))
		}
	})
	return func(done int) { c.cfg.Progress(done, int(total.Load())) }
}

// A budget is an amount of bytes to be shared.
type budget struct {
	mu    sync.Mutex
	freed sync.Cond // used has shrunk, or the context has ended
	used  int       // guarded by mu
	limit int
}

func newBudget(ctx context.Context, limit int) *budget {
	b := &budget{limit: limit}
	b.freed.L = &b.mu
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.freed.Broadcast()
	})
	return b
}

// take waits until there are n bytes, or until nothing else is taken. It
// reports false if the context ended before.
func (b *budget) take(ctx context.Context, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.used > 0 && b.used+n > b.limit {
		if ctx.Err() != nil {
			return false
		}
		b.freed.Wait()
	}
	b.used += n
	return true
}

// give gives back n bytes.
func (b *budget) give(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	b.freed.Signal()
}

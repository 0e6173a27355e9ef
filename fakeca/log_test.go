package fakeca

import (
	"context"
	"crypto/sha256"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// A promise is what a log has let out: checkpoints, and entries with proofs.
type promises struct {
	mu          sync.Mutex
	checkpoints []string // texts of all that were signed
	released    []*logged

	timed bool  // the log notes times
	clock int64 // what the time is, and never was before
}

func (p *promises) tick() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock++
	return p.clock
}

// testLog returns the log in the directory "log" of a disk. Whatever it signs
// is noted in p, whether or not it gets out.
func testLog(t testing.TB, d disk, p *promises) *merkleLog {
	t.Helper()
	key, err := newEd25519Key(mathrand.NewChaCha8([32]byte{7}))
	if err != nil {
		t.Fatal(err)
	}
	k, err := newNoteKey("log.test", key)
	if err != nil {
		t.Fatal(err)
	}
	sign := k.sign
	k.sign = func(message []byte) ([]byte, error) {
		p.mu.Lock()
		p.checkpoints = append(p.checkpoints, string(message))
		p.mu.Unlock()
		return sign(message)
	}
	l := &merkleLog{disk: d, dir: "log", origin: "log.test", key: k}
	if p.timed {
		l.stamp = p.tick
	}
	return l
}

// appendTo appends an entry, and notes it when it is released.
func (p *promises) appendTo(l *merkleLog, entry string) error {
	r, err := l.append(context.Background(), func(index int64) []byte { return fmt.Appendf(nil, "%s at %d", entry, index) })
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.released = append(p.released, r)
	return nil
}

// check opens the log on the disk, appends to it, and checks that nothing that
// was promised is lost or contradicted.
func (p *promises) check(t *testing.T, d disk) {
	t.Helper()
	l := testLog(t, d, p)
	if err := p.appendTo(l, "after the crash"); err != nil {
		t.Errorf("appending after the crash: %v", err)
		return
	}
	entries := readEntries(t, d)
	for _, text := range p.checkpoints {
		_, size, root, err := splitCheckpoint(text)
		if err != nil {
			t.Fatal(err)
		}
		if size > int64(len(entries)) {
			t.Errorf("%d entries are left of %d that a checkpoint covers", len(entries), size)
		} else if got := treeHash(entries[:size]).String(); got != root {
			t.Errorf("the first %d entries have root %s, want that of the checkpoint, %s", size, got, root)
		}
	}
	root := treeHash(entries)
	for _, r := range p.released {
		again := new(logged)
		err := l.look(context.Background(), func(s *store) error { return l.readEntry(s, r.index, again) })
		if err != nil || string(again.entry) != string(r.entry) || again.time != r.time {
			t.Errorf("entry %d is %q of %d, %v, want %q of %d", r.index, again.entry, again.time, err, r.entry, r.time)
		}
		if err := tlog.CheckRecord(r.proof, r.size, r.root, r.index, tlog.RecordHash(r.entry)); err != nil {
			t.Errorf("proof of entry %d as released: %v", r.index, err)
		}
		if r.index >= int64(len(entries)) || entries[r.index] != string(r.entry) {
			t.Errorf("entry %d is not the one that was released", r.index)
			continue
		}
		if again.root != root {
			t.Errorf("proof of entry %d is for root %v, want %v", r.index, again.root, root)
		}
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
}

// treeHash computes the root of the entries' tree as RFC 6962 defines it.
func treeHash(entries []string) tlog.Hash {
	if len(entries) == 0 {
		return sha256.Sum256(nil)
	}
	if len(entries) == 1 {
		return tlog.RecordHash([]byte(entries[0]))
	}
	k := 1
	for 2*k < len(entries) {
		k *= 2
	}
	return tlog.NodeHash(treeHash(entries[:k]), treeHash(entries[k:]))
}

// readEntries reads all entries of the log on the disk.
func readEntries(t *testing.T, d disk) []string {
	t.Helper()
	f, err := d.Open(filepath.Join("log", "entries"))
	if err != nil {
		t.Fatal(err)
	}
	return allEntries(t, f)
}

func allEntries(t *testing.T, f file) []string {
	t.Helper()
	end, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	var entries []string
	r := newFrameReader(f, 0, end)
	for off := int64(0); off < end; {
		frame, err := r.next()
		if err != nil {
			t.Fatalf("entry %d: %v", len(entries), err)
		}
		entries = append(entries, string(frame.entry))
		off += frame.size()
	}
	return entries
}

// work is what goes on until the machine stops: two processes append, in turn
// and in groups, and come and go.
func work(t *testing.T, d disk, p *promises) {
	one, two := testLog(t, d, p), testLog(t, d, p)
	// Checkpoints come from the same place, and need to be as durable.
	_, _ = one.append(context.Background(), nil)
	for i := range 3 {
		_ = p.appendTo(one, fmt.Sprintf("one %d", i)) // an error releases nothing, which is all it should do
		group(two, p, 3)
		_ = p.appendTo(one, fmt.Sprintf("one again %d", i))
		_ = two.close()
		two = testLog(t, d, p)
	}
	_ = one.close()
}

// group appends several entries in one group.
func group(l *merkleLog, p *promises, n int) {
	// Behind a lock that somebody else holds they gather.
	unlock, err := l.disk.Lock(filepath.Join(l.dir, "lock"))
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { _ = p.appendTo(l, fmt.Sprintf("group %d", i)) })
	}
	for waiting := 0; waiting < n; {
		l.mu.Lock()
		waiting = len(l.queue)
		l.mu.Unlock()
		runtime.Gosched()
	}
	_ = unlock() // a mutex
	wg.Wait()
}

// stops calls f for every step at which a run of work can stop, and each way
// in which it can.
func stops(t *testing.T, timed bool, ways []when, f func(d *crashDisk, p *promises, name string)) {
	t.Helper()
	whole := newCrashDisk()
	if err := createStore(whole, "log"); err != nil {
		t.Fatal(err)
	}
	first := whole.steps + 1
	work(t, whole, &promises{timed: timed})
	for k := first; k <= whole.steps; k++ {
		for _, way := range ways {
			d, p := newCrashDisk(), &promises{timed: timed}
			if err := createStore(d, "log"); err != nil {
				t.Fatal(err)
			}
			d.stopAt, d.when = k, way
			work(t, d, p)
			f(d, p, fmt.Sprintf("step %d, way %d", k, way))
		}
	}
}

func TestCrashLosesNothingReleased(t *testing.T) {
	keeps := map[string]func(o op) (op, bool){
		"all": keepAll, "none": keepNone, "some": keepSome(1), "others": keepSome(2), "more": keepSome(3),
	}
	stops(t, false, []when{before, torn, after}, func(d *crashDisk, p *promises, name string) {
		for kept, keep := range keeps {
			q := &promises{checkpoints: p.checkpoints, released: p.released}
			q.check(t, d.crash(keep))
			if t.Failed() {
				t.Fatalf("with %s, %s kept", name, kept)
			}
		}
	})
}

// TestFailureReleasesNothing lets single operations fail and the processes go
// on, and then the power.
func TestFailureReleasesNothing(t *testing.T) {
	stops(t, false, []when{failing}, func(d *crashDisk, p *promises, name string) {
		for _, keep := range []func(o op) (op, bool){keepAll, keepNone} {
			q := &promises{checkpoints: p.checkpoints, released: p.released}
			q.check(t, d.crash(keep))
			if t.Failed() {
				t.Fatalf("with %s", name)
			}
		}
	})
}

// TestCrashLosesNoTimes does both with a log that notes times.
func TestCrashLosesNoTimes(t *testing.T) {
	stops(t, true, []when{before, torn, after, failing}, func(d *crashDisk, p *promises, name string) {
		q := &promises{checkpoints: p.checkpoints, released: p.released, timed: true, clock: p.clock}
		q.check(t, d.crash(keepNone))
		if t.Failed() {
			t.Fatalf("with %s", name)
		}
	})
}

// TestCrashAfterCrash stops processes and machine at random, again and again.
func TestCrashAfterCrash(t *testing.T) {
	random := mathrand.New(mathrand.NewPCG(1, 1))
	for seed := range 60 {
		d, p := newCrashDisk(), new(promises)
		if err := createStore(d, "log"); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			d.stopAt, d.when = d.steps+1+random.IntN(40), when(random.IntN(4))
			work(t, d, p)
			if random.IntN(2) == 0 {
				d = d.restart()
			} else {
				d = d.crash(keepSome(random.Uint64()))
			}
		}
		p.check(t, d)
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

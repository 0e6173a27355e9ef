//go:build unix

package agent

import (
	"context"
	"testing"
	"time"

	"gitseal/signer"
)

// deferred asks for a signature that will wait in a directory, and returns how
// many time-stamps it has.
func (w *world) deferred(t *testing.T, queue string, when signer.Defer) int {
	t.Helper()
	r := w.request("deferred", "")
	r.Defer, r.Queue = string(when), queue
	answer, err := w.client.Sign(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !answer.Pending {
		return 1 // it was recorded, and has one
	}
	p, err := signer.PendingOf(answer.Armored)
	if err != nil {
		t.Fatal(err)
	}
	return len(p.Timestamps)
}

// TestTimeStampIsLeftToTheFlush only where there will be one soon enough, of
// that very queue.
func TestTimeStampIsLeftToTheFlush(t *testing.T) {
	const queue = "/state/pending"
	for name, tt := range map[string]struct {
		queue string
		when  signer.Defer
		pass  time.Duration
		want  int
	}{
		"the agent's queue":       {queue, signer.DeferAlways, 0, 0},
		"long enough":             {queue, signer.DeferAlways, 8 * time.Minute, 0},
		"near the end":            {queue, signer.DeferAlways, 8*time.Minute + time.Second, 1},
		"a queue that is not its": {"/elsewhere", signer.DeferAlways, 0, 1},
		"no queue is named":       {"", signer.DeferAlways, 0, 1},
		"the log can be reached":  {queue, signer.DeferUnreachable, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(_ *world, cfg *Config) {
				cfg.Flush, cfg.Queue = func(context.Context) error { return nil }, queue
			})
			w.login(t, alice, "")
			w.pass(tt.pass)
			if got := w.deferred(t, tt.queue, tt.when); got != tt.want {
				t.Errorf("%d time-stamps, want %d", got, tt.want)
			}
		})
	}
	w := newWorld(t, func(_ *world, cfg *Config) { cfg.Queue = queue })
	w.login(t, alice, "")
	if got := w.deferred(t, queue, signer.DeferAlways); got != 1 {
		t.Errorf("where nothing is flushed: %d time-stamps, want 1", got)
	}
}

// TestSigningBeginsAFlush without being told to, of what the agent can flush.
func TestSigningBeginsAFlush(t *testing.T) {
	flushed := make(chan struct{}, 10)
	w := newWorld(t, func(_ *world, cfg *Config) {
		cfg.Flush, cfg.Queue = func(context.Context) error { flushed <- struct{}{}; return nil }, "/queue"
	})
	w.server.lull = lull{}
	w.login(t, alice, "")
	w.deferred(t, "/elsewhere", signer.DeferAlways)
	w.signs(t, "", alice) // is recorded
	w.server.mu.Lock()
	begun := w.server.flusher != nil
	w.server.mu.Unlock()
	if begun || len(flushed) > 0 {
		t.Error("a flush begins where nothing was put into the queue")
	}
	w.deferred(t, "/queue", signer.DeferAlways)
	<-flushed
}

// TestFlushAwaitsALull begins when nothing is signed for a while, and at the
// latest after another.
func TestFlushAwaitsALull(t *testing.T) {
	const never = time.Hour
	for name, l := range map[string]lull{"quiet": {time.Millisecond, never}, "at the latest": {never, time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			flushed := make(chan struct{}, 10)
			w := newWorld(t, func(_ *world, cfg *Config) {
				cfg.Flush, cfg.Queue = func(context.Context) error { flushed <- struct{}{}; return nil }, "/queue"
			})
			w.server.lull = l
			w.login(t, alice, "")
			w.deferred(t, "/queue", signer.DeferAlways)
			<-flushed
		})
	}
	w := newWorld(t, func(_ *world, cfg *Config) {
		cfg.Flush, cfg.Queue = func(context.Context) error { t.Error("flushed without a lull"); return nil }, "/queue"
	})
	w.server.lull = lull{never, never}
	w.login(t, alice, "")
	for range 3 {
		w.deferred(t, "/queue", signer.DeferAlways)
	}
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	if w.server.flusher == nil || !w.server.flushing {
		t.Error("no flush waits")
	}
}

// TestEverySignaturePutsTheFlushOff: a lull begins again with each.
func TestEverySignaturePutsTheFlushOff(t *testing.T) {
	w := newWorld(t, nil)
	w.login(t, alice, "")
	select {
	case <-w.server.stirred:
		t.Error("a login is taken for a signature")
	default:
	}
	w.signs(t, "", alice)
	select {
	case <-w.server.stirred:
	default:
		t.Error("a signature does not put the flush off")
	}
}

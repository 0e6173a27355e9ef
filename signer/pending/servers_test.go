package pending

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitseal/fakeca/server"
	"gitseal/internal/tlog"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
	"gitseal/signer"
	"gitseal/signer/sigstore"
	"gitseal/verifier"
)

// served is a rig behind servers, whose log may be told what to answer.
type served struct {
	*rig
	instance *sigstore.Instance
	logSays  atomic.Int32 // status; 0: what the log says
}

func newServed(t *testing.T, r *rig) *served {
	t.Helper()
	s := &served{rig: r}
	honest := server.New(r.Authority)
	between := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if status := s.logSays.Load(); status != 0 && strings.Contains(req.URL.Path, "/log/entries") {
			w.WriteHeader(int(status))
			io.WriteString(w, "not now")
			return
		}
		honest.ServeHTTP(w, req)
	})
	text, err := server.SigningConfig(r.Authority, "http://127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	signing, err := trust.ParseSigningConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	root, err := trust.Parse(r.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	client := transport.New(transport.Config{
		UserAgent: "gitseal/test", RoundTripper: server.RoundTripper(between),
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	if s.instance, err = sigstore.New(sigstore.Config{Client: client, Signing: signing, TrustedRoot: root}); err != nil {
		t.Fatal(err)
	}
	return s
}

// sign signs where the log may be out of reach.
func (s *served) sign(t *testing.T) (*signer.Signature, error) {
	t.Helper()
	sg, err := signer.New(signer.Config{
		Tokens: tokens{s.Authority}, CA: s.instance.CA(), Logs: s.instance.Logs(), Timestampers: s.instance.Timestampers(), Verifier: s.v,
		Defer: signer.DeferUnreachable,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sg.Sign(t.Context(), []byte("payload"))
}

// TestThroughServers has a log that is out of order while somebody signs, and
// again when its answer is on its way. Repeated, the flush gets the entry that
// the log has by then, and makes no other.
func TestThroughServers(t *testing.T) {
	for _, generation := range generations {
		s := newServed(t, newRig(t, generation))
		s.logSays.Store(http.StatusBadRequest)
		if sig, err := s.sign(t); err == nil {
			t.Fatalf("%v: signed without the log, which refused: %+v", generation, sig)
		}
		s.logSays.Store(http.StatusServiceUnavailable)
		sig, err := s.sign(t)
		if err != nil || sig.Pending == nil {
			t.Fatalf("%v: %+v, %v, want a signature that waits for its log", generation, sig, err)
		}
		p := sig.Pending
		rec := &Record{Made: s.time().UTC(), Instance: "x", SignedAttributes: p.SignedAttributes, Signature: p.Signature, Certificate: p.Certificate, Timestamps: p.Timestamps}
		if err := s.queue.Add(rec); err != nil {
			t.Fatal(err)
		}
		cfg := s.config()
		cfg.Services = func(*Record) (*Services, error) {
			return &Services{s.instance.Logs()[0], s.instance.Timestampers(), s.v}, nil
		}
		flush := func() *Flushed {
			f, err := s.queue.Flush(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		if err := wantFailures(t, "out of order", flush(), 1, 0); !strings.Contains(err.Error(), "503") {
			t.Errorf("%v: failed for %v, want the log's status", generation, err)
		}
		s.logSays.Store(0)
		var first verifier.Proof
		s.keep = func(_ string, more map[[32]byte][]verifier.Proof) error {
			first = more[rec.Key()][0]
			return errors.New("killed")
		}
		wantFailures(t, "not kept", flush(), 1, 0)
		s.keep = nil
		if f := flush(); len(f.Recorded) != 1 {
			t.Fatalf("%v: flushed again: %+v", generation, f)
		}
		s.wantProof(t, generation.String(), "payload", sig.Armored, 0)
		was, err := tlog.ParseEntry(first.Entry)
		if err != nil {
			t.Fatal(err)
		}
		is, err := tlog.ParseEntry(s.kept[rec.Key()][0].Entry)
		if err != nil || is.LogIndex != was.LogIndex {
			t.Errorf("%v: entry %+v, %v, want that at index %d", generation, is, err, was.LogIndex)
		}
		if _, err := s.Entry(t.Context(), was.LogIndex+1); err == nil {
			t.Errorf("%v: the log has another entry", generation)
		}
	}
}

package rekor

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitseal/internal/transport"
)

// newV2 returns a reader of a server that answers with the function.
func newV2(t *testing.T, answer http.HandlerFunc) *V2 {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	noPause := func(context.Context, time.Duration) error { return nil }
	return &V2{transport.New(transport.Config{UserAgent: "test", Sleep: noPause}), s.URL + "/"}
}

func TestV2ReadsByPath(t *testing.T) {
	v := newV2(t, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.Method + " " + r.URL.Path)) })
	for path, want := range map[string]string{
		"checkpoint":               "GET /api/v2/checkpoint",
		"tile/0/x001/234.p/5":      "GET /api/v2/tile/0/x001/234.p/5",
		"tile/entries/x001/234":    "GET /api/v2/tile/entries/x001/234",
		"tile/entries/x001/x2/234": "GET /api/v2/tile/entries/x001/x2/234",
	} {
		if got, err := v.Fetch(t.Context(), path); err != nil || string(got) != want {
			t.Errorf("Fetch(%s) = %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestV2TellsMissingFromFailing(t *testing.T) {
	status := http.StatusNotFound
	v := newV2(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such thing", status) })
	if _, err := v.Fetch(t.Context(), "checkpoint"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("status 404: %v, want fs.ErrNotExist and the server's words", err)
	}
	for _, status = range []int{400, 403, 500, 503} {
		if _, err := v.Fetch(t.Context(), "checkpoint"); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("status %d: %v, want an error that is not fs.ErrNotExist", status, err)
		}
	}
}

func TestV2AsksAgainWhereTheServerFails(t *testing.T) {
	asked := 0
	v := newV2(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	if _, err := v.Fetch(t.Context(), "checkpoint"); err != nil || asked != 3 {
		t.Errorf("asked %d times, then %v, want 3", asked, err)
	}
}

func TestV2BoundsAnswers(t *testing.T) {
	length := 0
	v := newV2(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, length)) })
	for path, bound := range map[string]int{"checkpoint": maxCheckpoint, "tile/0/000": 8192, "tile/0/000.p/1": 8192} {
		length = bound
		if got, err := v.Fetch(t.Context(), path); err != nil || len(got) != bound {
			t.Errorf("Fetch(%s) of %d bytes: %d, %v", path, bound, len(got), err)
		}
		length = bound + 1
		if _, err := v.Fetch(t.Context(), path); err == nil {
			t.Errorf("Fetch(%s) of %d bytes: no error", path, bound+1)
		}
	}
	if got := bound("tile/entries/000"); got != 256*(2+65535) {
		t.Errorf("bound of an entry bundle is %d", got)
	}
}

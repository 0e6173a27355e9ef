package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// TestRoundTripperIsLikeASocket has a handler tell what it was asked, over a
// socket and without one.
func TestRoundTripperIsLikeASocket(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		w.Header().Set("X-Asked", strings.Join([]string{r.Method, r.RequestURI, r.URL.Path, r.URL.RawQuery, r.Header.Get("X-A")}, " "))
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK) // comes too late
		w.Header().Set("X-Late", "yes")
		_, _ = w.Write(append(body, " read"...))
		if err != nil {
			t.Error(err)
		}
	})
	ts := httptest.NewUnstartedServer(h)
	ts.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the second status
	ts.Start()
	defer ts.Close()
	get := func(client *http.Client) (int, string, string, http.Header) {
		r, err := http.NewRequest("PUT", ts.URL+"/a%2Fb/c?d=e", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-A", "b")
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Date", "Content-Length", "Content-Type"} { // the server's own
			resp.Header.Del(name)
		}
		return resp.StatusCode, resp.Status, string(body), resp.Header
	}
	status, text, body, header := get(&http.Client{Transport: RoundTripper(h)})
	wantStatus, wantText, wantBody, wantHeader := get(ts.Client())
	if status != wantStatus || text != wantText || body != wantBody || !reflect.DeepEqual(header, wantHeader) {
		t.Errorf("answer %q %q %v, want %q %q %v", text, body, header, wantText, wantBody, wantHeader)
	}
}

func TestRoundTripperAborts(t *testing.T) {
	rt := RoundTripper(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	body := &closing{Reader: bytes.NewReader(nil)}
	r, err := http.NewRequest("POST", "http://authority.test/x", body)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := rt.RoundTrip(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("RoundTrip = %v, %v, want io.ErrUnexpectedEOF", resp, err)
	}
	if !body.closed {
		t.Error("the body was not closed")
	}
}

// A closing body tells whether it was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestRoundTripperEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	asked := 0
	rt := RoundTripper(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked++
		cancel()
		<-r.Context().Done()
	}))
	r, err := http.NewRequestWithContext(ctx, "GET", "http://authority.test/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // while it runs, and before it
		if resp, err := rt.RoundTrip(r); !errors.Is(err, context.Canceled) {
			t.Errorf("RoundTrip = %v, %v, want context.Canceled", resp, err)
		}
	}
	if asked != 1 {
		t.Errorf("the handler was asked %d times, want once", asked)
	}
}

// TestRoundTripperPanicsAsTheHandlerDoes checks that a mistake of the handler is
// not taken for a broken connection.
func TestRoundTripperPanicsAsTheHandlerDoes(t *testing.T) {
	defer func() {
		if p := recover(); p != "mistake" {
			t.Errorf("recovered %v, want the handler's panic", p)
		}
	}()
	r, err := http.NewRequest("GET", "http://authority.test/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := RoundTripper(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("mistake") })).RoundTrip(r)
	t.Errorf("RoundTrip = %v, %v, want a panic", resp, err)
}

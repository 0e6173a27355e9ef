package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/fakeca/server"
	"gitseal/internal/rekor"
	"gitseal/internal/transport"
	sigstore "gitseal/internal/trust"
	"gitseal/monitor"
)

// TestEntryIsTheOneOfItsIndex has a log hand out one entry for another, with
// the index that was asked for written on it: as it is, and without the
// promise that says otherwise.
func TestEntryIsTheOneOfItsIndex(t *testing.T) {
	a, err := fakeca.New(fakeca.Config{Log: fakeca.RekorV1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() }) // in memory
	for i := range 3 {
		a.Sign(fmt.Appendf(nil, "payload %d", i), fakeca.Fixture{})
	}
	root, err := sigstore.Parse(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	const first = 1 << 20 // those before are of earlier trees
	change := func(answer []byte) []byte { return answer }
	handler := server.New(a)
	lying := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = fmt.Sprintf("logIndex=%d", first)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		w.WriteHeader(rec.Code)
		w.Write(change(rec.Body.Bytes())) // the client says what it lacks
	})
	log := &root.TLogs[0]
	v1 := &rekor.V1{Client: transport.New(transport.Config{UserAgent: "test", RoundTripper: server.RoundTripper(lying)}), URL: log.BaseURL}
	k := &knownLog{Log: monitor.NewRekorV1(log, v1), trusted: log, v1: v1}

	if entry, err := k.byIndex(t.Context(), first); err != nil || entry.Index != first {
		t.Fatalf("byIndex = %+v, %v", entry, err)
	}
	relabel := func(answer []byte) []byte {
		return bytes.Replace(answer, fmt.Appendf(nil, `"logIndex":%d`, first), fmt.Appendf(nil, `"logIndex":%d`, first+1), 1)
	}
	change = relabel
	if entry, err := k.byIndex(t.Context(), first+1); !errors.Is(err, rekor.ErrContradiction) {
		t.Errorf("byIndex = %+v, %v; want that the promise is of another index", entry, err)
	} else if code, _, _ := exitCode(explainLog(err)); code != exitUnknown {
		t.Errorf("exit code %d for an answer that the log did not sign, want %d", code, exitUnknown)
	}
	promise := regexp.MustCompile(`,"signedEntryTimestamp":"[^"]*"`)
	change = func(answer []byte) []byte { return promise.ReplaceAll(relabel(answer), nil) }
	entry, err := k.byIndex(t.Context(), first+1)
	if err == nil || errors.Is(err, rekor.ErrContradiction) || !strings.Contains(err.Error(), "promise") {
		t.Errorf("byIndex = %+v, %v; want that there is no promise", entry, err)
	}
}

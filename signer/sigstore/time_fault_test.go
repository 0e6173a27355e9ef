package sigstore_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitseal/fakeca"
	"gitseal/fakeca/server"
)

// TestSlowServers has each service take for ever, in time that passes when
// everybody waits.
func TestSlowServers(t *testing.T) {
	for _, generation := range generations {
		for i, service := range services {
			for name, test := range map[string]struct {
				patience time.Duration // of the caller
				words    string
			}{
				"an impatient caller": {5 * time.Second, "context deadline exceeded"},
				"a patient one":       {time.Hour, "no answer within"},
			} {
				t.Run(fmt.Sprintf("%v/%s/%s", generation, service.name, name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { slowService(t, generation, i, test.patience, test.words) })
				})
			}
		}
	}
}

func slowService(t *testing.T, generation fakeca.Generation, i int, patience time.Duration, words string) {
	g := newRig(t, generation)
	honest, service := server.New(g.authority), services[i]
	at := g.inProcess(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, service.path) {
			<-r.Context().Done()
			return
		}
		honest.ServeHTTP(w, r)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	start := time.Now()
	sig, err := g.sign(t, ctx, at)
	g.refused(t, sig, err, service.step, words)
	if err != nil && !strings.Contains(err.Error(), service.name) {
		t.Errorf("error %v does not name %s", err, service.name)
	}
	// Three attempts of at most 30 seconds, or one that may have used a token up.
	if took := time.Since(start); took > min(patience, 90*time.Second) {
		t.Errorf("signing failed after %v", took)
	}
}

// TestClockOfTheSigner sets the signer's clock wrong.
func TestClockOfTheSigner(t *testing.T) {
	for _, test := range []struct {
		skew        time.Duration
		step, words string // "": it signs
	}{
		{skew: -30 * time.Minute, step: certifying, words: "the certificate is valid only in 30 minutes: this machine's clock is slow, or the authority's is fast"},
		{skew: -10 * time.Second, step: certifying, words: "this machine's clock is slow"},
		{skew: -3 * time.Second},
		{skew: 4 * time.Minute},
		{skew: 30 * time.Minute, step: "getting a token", words: "the identity token expired 25 minutes ago, on "},
	} {
		for _, generation := range generations {
			t.Run(fmt.Sprintf("%v/%v", generation, test.skew), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { // no second passes meanwhile
					g := newRig(t, generation)
					g.now = func() time.Time { return time.Now().Add(test.skew) }
					sig, err := g.sign(t, t.Context(), g.inProcess(server.New(g.authority)))
					if test.step == "" {
						if err != nil {
							t.Errorf("Sign: %v, want a signature", err)
						}
						return
					}
					g.refused(t, sig, err, test.step, test.words)
				})
			})
		}
	}
}

// TestPromiseIsTheTimeWithoutTimestamps has a Rekor v1 log tell the time, where
// nothing else does.
func TestPromiseIsTheTimeWithoutTimestamps(t *testing.T) {
	g := newRig(t, fakeca.RekorV1)
	at := g.inProcess(server.New(g.authority))
	at.tsa = ""
	if _, err := g.sign(t, t.Context(), at); err != nil {
		t.Errorf("with the promise: %v", err)
	}
	at = g.inProcess(server.New(g.authority.Spoiled(fakeca.IntegratedTimeChanged)))
	at.tsa = ""
	sig, err := g.sign(t, t.Context(), at)
	g.refused(t, sig, err, checking, "verifying signed entry timestamp: signature is wrong")
}

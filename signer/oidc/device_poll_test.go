package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gitseal/signer/oidc/oidctest"
)

// TestDeviceAsksAsOftenAsItMay has the pauses before each question.
func TestDeviceAsksAsOftenAsItMay(t *testing.T) {
	code := func(name string, value any) func(map[string]any) {
		return func(answer map[string]any) {
			if answer[name] = value; value == nil {
				delete(answer, name)
			}
		}
	}
	second := func(refusal string) func(int) string {
		return func(n int) string {
			if n == 2 {
				return refusal
			}
			return ""
		}
	}
	const s = time.Second
	for name, tt := range map[string]struct {
		cfg  oidctest.Config
		want []time.Duration
	}{
		"as the issuer says":        {oidctest.Config{Code: code("interval", 2)}, []time.Duration{2 * s, 2 * s, 2 * s, 2 * s}},
		"where it does not say":     {oidctest.Config{Code: code("interval", nil)}, []time.Duration{5 * s, 5 * s, 5 * s, 5 * s}},
		"where it says nothing":     {oidctest.Config{Code: code("interval", 0)}, []time.Duration{5 * s, 5 * s, 5 * s, 5 * s}},
		"not once in a day":         {oidctest.Config{Code: code("interval", 86400)}, []time.Duration{60 * s, 60 * s, 60 * s, 60 * s}},
		"slower when it is told to": {oidctest.Config{Poll: second("slow_down")}, []time.Duration{5 * s, 5 * s, 10 * s, 10 * s}},
		"slower when nobody answers": {oidctest.Config{Before: nthToken(2, func(http.ResponseWriter) { panic(http.ErrAbortHandler) })},
			[]time.Duration{5 * s, 5 * s, 10 * s, 10 * s}},
		"slower when a gateway answers": {oidctest.Config{Before: nthToken(2, func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) })},
			[]time.Duration{5 * s, 5 * s, 10 * s, 10 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, _ := newIssuer(t, tt.cfg)
			d := newDesk(t)
			n := &nap{at: map[int]func(){4: d.enter}}
			cfg := loginAt(issuer, d)
			cfg.Sleep = n.sleep
			granted(t, NewDevice(cfg), oidctest.DefaultEmail)
			if !slices.Equal(n.took, tt.want) {
				t.Errorf("asked after %v, want %v", n.took, tt.want)
			}
		})
	}
}

// TestDeviceAsksAgainSoonEnough: an issuer that is away now and then does not
// slow a login down without end.
func TestDeviceAsksAgainSoonEnough(t *testing.T) {
	asked := 0
	issuer, _ := newIssuer(t, oidctest.Config{
		Code: func(answer map[string]any) { answer["expires_in"] = 1800 },
		Before: func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/token" {
				return false
			}
			if asked++; asked%2 == 0 || asked > 9 {
				return false
			}
			w.WriteHeader(http.StatusBadGateway)
			return true
		},
	})
	d := newDesk(t)
	n := &nap{at: map[int]func(){11: d.enter}}
	cfg := loginAt(issuer, d)
	cfg.Sleep = n.sleep
	granted(t, NewDevice(cfg), oidctest.DefaultEmail)
	const s = time.Second
	if want := []time.Duration{5 * s, 10 * s, 10 * s, 20 * s, 20 * s, 40 * s, 40 * s, 60 * s, 60 * s, 60 * s, 60 * s}; !slices.Equal(n.took, want) {
		t.Errorf("asked after %v, want %v", n.took, want)
	}
}

// nthToken answers the n-th request for tokens.
func nthToken(n int, answer func(http.ResponseWriter)) func(http.ResponseWriter, *http.Request) bool {
	var asked atomic.Int64 // by connections that may have been aborted, which orders nothing
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/token" || asked.Add(1) != int64(n) {
			return false
		}
		answer(w)
		return true
	}
}

func TestDeviceEndsWithItsCode(t *testing.T) {
	for name, tt := range map[string]struct {
		lasts int // seconds
		want  int // questions
	}{
		"that lasts for a minute": {60, 12},
		"that lasts for a day":    {86400, 360}, // half an hour
	} {
		t.Run(name, func(t *testing.T) {
			issuer, k := newIssuer(t, oidctest.Config{Code: func(answer map[string]any) { answer["expires_in"] = tt.lasts }})
			n := new(nap)
			cfg := loginAt(issuer, newDesk(t))
			cfg.Sleep = n.sleep
			refusal(t, NewDevice(cfg), k, "nobody logged in in time: the code was not entered")
			if got := issuer.Requests("/token"); got != tt.want {
				t.Errorf("asked %d times, want %d", got, tt.want)
			}
		})
	}
}

// TestDeviceEndsWithItsCodeByTheClock: the time that the questions take counts
// too, and not the pauses alone.
func TestDeviceEndsWithItsCodeByTheClock(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{Code: func(answer map[string]any) { answer["expires_in"], answer["interval"] = 1, 1 }})
	cfg := loginAt(issuer, newDesk(t))
	cfg.Sleep = func(ctx context.Context, _ time.Duration) error {
		if _, ok := ctx.Deadline(); !ok {
			return errors.New("the login has no end")
		}
		<-ctx.Done()
		return ctx.Err()
	}
	refusal(t, NewDevice(cfg), k, "nobody logged in in time: the code was not entered")
}

// TestDeviceEndsWithItsCaller: who waits may have less patience than the code.
func TestDeviceEndsWithItsCaller(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{})
	ctx := newEnding(t.Context())
	n := &nap{at: map[int]func(){2: ctx.end}}
	cfg := loginAt(issuer, newDesk(t))
	cfg.Sleep = n.sleep
	_, err := NewDevice(cfg).Grant(ctx)
	if !errors.Is(err, ErrNobody) {
		t.Fatalf("got error %v, want one that nobody logged in", err)
	}
	checkError(t, err, "nobody logged in in time: the code was not entered")
	k.check(t, err.Error())
}

//go:build unix

package agent

import (
	"errors"
	"testing"
	"time"

	"gitseal/signer"
)

// TestClockJumps sets the clock, either way, and lets the machine sleep.
func TestClockJumps(t *testing.T) {
	for name, tt := range map[string]struct {
		jump func(*world)
		good bool
	}{
		"a minute passes":           {func(w *world) { w.pass(time.Minute) }, true},
		"eleven minutes pass":       {func(w *world) { w.pass(11 * time.Minute) }, false},
		"the machine sleeps":        {func(w *world) { w.jump(time.Hour) }, false},
		"set forward a little":      {func(w *world) { w.jump(5 * time.Minute) }, true},
		"set back while it expires": {func(w *world) { w.jump(-11 * time.Minute); w.pass(11 * time.Minute) }, false},
		"set forward and back": {func(w *world) {
			w.jump(time.Hour)
			w.server.sweep()
			w.jump(-time.Hour)
		}, false},
		"expired, and then set back": {func(w *world) {
			w.pass(20 * time.Minute)
			w.jump(-20 * time.Minute)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.login(t, alice, "")
			tt.jump(w)
			if tt.good {
				w.signs(t, "", alice)
			} else {
				w.needsLogin(t, "")
			}
		})
	}
}

// TestSlowClockAtLogin makes a certificate's life no longer.
func TestSlowClockAtLogin(t *testing.T) {
	w := newWorld(t, nil)
	ahead := newClocks()
	ahead.jump(4 * time.Second)
	authority, v, in := newAuthority(t, ahead.now)
	w.authority, w.verifier, w.instance = authority, v, in
	w.login(t, alice, "")
	for _, sl := range w.server.slots {
		if got := sl.deadline - w.uptime(); got != 10*time.Minute {
			t.Errorf("the deadline is in %v, want 10m", got)
		}
	}
}

// ends checks whether the agent would end now.
func (w *world) ends(t testing.TB, what string, want bool) {
	t.Helper()
	w.client.Close()
	w.nobodyIsThere(t)
	if _, end := w.server.sweep(); end != want {
		t.Errorf("%s: ends = %v, want %v", what, end, want)
	}
}

// nobodyIsThere waits until no connection is open, and nothing is done for any.
func (w *world) nobodyIsThere(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		w.server.mu.Lock()
		n := len(w.server.conns) + w.server.atWork
		w.server.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d connections are open, or at work", n)
		}
	}
}

func TestEndsAfterItsLastCertificate(t *testing.T) {
	w := newWorld(t, nil)
	w.pass(59 * time.Second)
	w.ends(t, "just begun", false)
	w.login(t, alice, "")
	var cred *signer.Credential
	for _, sl := range w.server.slots {
		cred = sl.cred
	}
	w.pass(10*time.Minute - time.Second)
	w.ends(t, "with a certificate", false)
	w.pass(time.Second)
	w.ends(t, "just expired", false)
	one, err := w.open(w.instance, givenToken(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.SignWith(t.Context(), cred, commit("x")); !errors.Is(err, signer.ErrForgotten) {
		t.Errorf("signing with an expired key: %v, want %v", err, signer.ErrForgotten)
	}
	w.pass(59 * time.Second)
	w.ends(t, "in its grace", false)
	w.pass(time.Second)
	// The agent itself may have been as quick.
	w.server.poke()
	if err := w.wait(); err != nil {
		t.Errorf("Serve = %v", err)
	}
}

func TestLivesAsLongAsItIsUsed(t *testing.T) {
	w, i := renewing(t)
	w.pass(7 * time.Hour)
	w.ends(t, "with a session", false)
	w.signs(t, "", alice)
	w.pass(7*time.Hour + 59*time.Minute)
	w.ends(t, "8 hours after the login", false)
	w.pass(2 * time.Minute)
	w.ends(t, "idle for 8 hours", false)
	w.needsLogin(t, "")
	i.given(t, "r")
	w.nobodyIsThere(t) // until then there was something to do
	w.pass(time.Minute)
	w.server.poke()
	if err := w.wait(); err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// TestMachineThatSlept ends the session: by its clock it was idle.
func TestMachineThatSlept(t *testing.T) {
	w, i := renewing(t)
	w.jump(9 * time.Hour)
	w.needsLogin(t, "")
	i.given(t, "")
}

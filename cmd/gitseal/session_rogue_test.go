package main

import (
	"context"
	"strings"
	"testing"

	"gitseal/signer"
)

// TestAnAgentAddsNothingToTheSignature: what stands before it would become part
// of a tag, which then is not what was signed.
func TestAnAgentAddsNothingToTheSignature(t *testing.T) {
	a := newAgentTest(t)
	for _, d := range []signer.Defer{signer.DeferNever, signer.DeferAlways} {
		answer := a.answer("alice@example.com", testCommit, d)
		answer.Armored = append([]byte("and more\n"), answer.Armored...)
		s := a.session()
		s.defers = d
		if _, err := s.check(context.Background(), []byte(testCommit), answer, ""); err == nil || !strings.Contains(err.Error(), "not as git stores it") {
			t.Errorf("defer %q: check = %v, want that it is not as git stores it", d, err)
		}
	}
}

// TestWhoLoggedInSigns: the agent that was shown a token signs as whom that is
// for, whatever it says.
func TestWhoLoggedInSigns(t *testing.T) {
	a := newAgentTest(t)
	s := a.session()
	s.remote.source = fakeSource{name: "browser", token: a.token("alice@example.com")}
	if _, err := s.grant(context.Background(), []byte(testCommit)); err != nil {
		t.Fatal(err)
	}
	for subject, want := range map[string]string{"alice@example.com": "", "mallory@example.com": "the token for"} {
		_, err := s.check(context.Background(), []byte(testCommit), a.answer(subject, testCommit, signer.DeferNever), subject)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("signed by %s: check = %v, want %q", subject, err, want)
		}
	}
}

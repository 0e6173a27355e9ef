//go:build unix

package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitseal/signer"
	"gitseal/signer/oidc"
)

func TestSignsAfterLogin(t *testing.T) {
	w := newWorld(t, nil)
	w.needsLogin(t, "")
	cred := w.login(t, alice, "")
	if cred.Identity.Subject != alice || cred.Identity.Issuer != w.authority.Issuer() || cred.Renewable || cred.Source != source ||
		cred.Digest != w.instance.Digest() || cred.Instance != "test" || !cred.NotAfter.Equal(w.now().Add(10*time.Minute)) {
		t.Errorf("credential %+v", cred)
	}
	w.signs(t, "", alice)
	w.signs(t, alice, alice)

	var steps []string
	if _, err := w.client.Sign(t.Context(), w.request("told", ""), func(step string) { steps = append(steps, step) }); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(steps, ", "), "signing, getting a time-stamp, recording the signature in the log, checking the finished signature"; got != want {
		t.Errorf("steps %s, want %s", got, want)
	}

	status, err := w.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.Version != "test" || !status.Started.Equal(w.now()) || status.Confirms || status.Locked || !status.Ends.Equal(cred.NotAfter.Add(time.Minute)) {
		t.Errorf("status %+v", status)
	}
	if len(status.Credentials) != 1 || status.Credentials[0].Signatures != 3 || string(status.Credentials[0].Certificate) != string(cred.Certificate) {
		t.Errorf("status of credentials %+v", status.Credentials)
	}
}

func TestDeferredSignatureComesWithWhatIsToBeRecorded(t *testing.T) {
	w := newWorld(t, nil)
	w.login(t, alice, "")
	r := w.request("deferred", "")
	r.Defer = string(signer.DeferAlways)
	answer, err := w.client.Sign(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := signer.PendingOf(answer.Armored); !answer.Pending || err != nil || len(p.Timestamps) != 1 {
		t.Errorf("pending %v, %v", p, err)
	}
	r.Defer = "sometimes"
	if _, err := w.client.Sign(t.Context(), r, nil); err == nil || !strings.Contains(err.Error(), `"sometimes"`) {
		t.Errorf("unknown deferral: %v", err)
	}
}

// TestCredentialsAreKeptByInstanceSourceAndIdentity has two people and two
// sources. A token for another person than the certificate at hand makes
// another certificate.
func TestCredentialsAreKeptByInstanceSourceAndIdentity(t *testing.T) {
	w := newWorld(t, nil)
	w.login(t, alice, "")
	w.login(t, bob, "")
	w.signs(t, "", bob) // the last login
	w.signs(t, alice, alice)
	w.signs(t, bob, bob)
	w.needsLogin(t, "carol@example.com")

	other := w.request("x", "")
	other.Source = "another"
	if _, err := w.client.Sign(t.Context(), other, nil); !errors.Is(err, ErrNoCredential) {
		t.Errorf("another source: %v", err)
	}
	other = w.request("x", "")
	other.Instance[0] ^= 1
	if _, err := w.client.Sign(t.Context(), other, nil); !errors.Is(err, ErrNoCredential) {
		t.Errorf("another instance: %v", err)
	}
	if cred, err := w.client.Login(t.Context(), w.instance, source, alice, noLogin); err != nil || cred.Identity.Subject != alice {
		t.Errorf("login of who is logged in = %v, %v", cred, err)
	}
	w.signs(t, "", bob)
	w.login(t, alice, "")
	w.signs(t, "", alice)

	if n, err := w.client.Forget(t.Context(), nil, alice); n != 1 || err != nil {
		t.Errorf("Forget(%s) = %d, %v, want 1", alice, n, err)
	}
	w.needsLogin(t, alice)
	w.needsLogin(t, "") // not by whoever is left
	w.signs(t, bob, bob)
	wrong := [32]byte{1}
	if n, err := w.client.Forget(t.Context(), &wrong, ""); n != 0 || err != nil {
		t.Errorf("forgetting another instance = %d, %v, want 0", n, err)
	}
	right := w.instance.Digest()
	if n, err := w.client.Forget(t.Context(), &right, ""); n != 1 || err != nil {
		t.Errorf("forgetting the instance = %d, %v, want 1", n, err)
	}
	w.needsLogin(t, bob)
}

// TestTokenForAnotherPersonThanExpected is refused before the authority sees it:
// a certificate would be public.
func TestTokenForAnotherPersonThanExpected(t *testing.T) {
	w := newWorld(t, nil)
	w.login(t, alice, "")
	_, err := w.client.Relogin(t.Context(), w.instance, source, alice, w.grant(bob, ""))
	if err == nil || !strings.Contains(err.Error(), `the login is by "bob@example.com", and "alice@example.com" is to sign`) {
		t.Errorf("error %v", err)
	}
	var step *signer.StepError
	if !errors.As(err, &step) || step.Step != "getting a token" {
		t.Errorf("error %v, want one before the certificate", err)
	}
	w.needsLogin(t, bob)
	w.signs(t, alice, alice)
	// Of one without an e-mail address that is seen in the certificate alone.
	_, err = w.client.Relogin(t.Context(), w.instance, source, alice, w.grant("https://example.com/robot", ""))
	if err == nil || !strings.Contains(err.Error(), `the login is by "https://example.com/robot"`) {
		t.Errorf("error %v", err)
	}
	w.signs(t, alice, alice)
}

func TestLoginWithTokenThatIsNone(t *testing.T) {
	w := newWorld(t, nil)
	for _, token := range []string{"", "secret-but-no-token", "e30.e30.e30"} {
		_, err := w.client.Login(t.Context(), w.instance, source, "", func(context.Context) (*oidc.Grant, error) {
			return &oidc.Grant{IDToken: token}, nil
		})
		var step *signer.StepError
		if !errors.As(err, &step) || step.Step != "getting a token" || strings.Contains(err.Error(), "secret") {
			t.Errorf("token %q: %v", token, err)
		}
	}
	w.login(t, alice, "")
}

func TestOpensSignerOncePerInstance(t *testing.T) {
	var opened atomic.Int32
	w := newWorld(t, func(w *world, cfg *Config) {
		cfg.Open = func(in *Instance, tokens signer.TokenSource) (*signer.Signer, error) {
			opened.Add(1)
			if string(in.TrustedRoot) != string(w.instance.TrustedRoot) {
				return nil, errors.New("another instance")
			}
			return w.open(in, tokens)
		}
	})
	w.login(t, alice, "")
	w.login(t, bob, "")
	w.signs(t, alice, alice)
	if n := opened.Load(); n != 1 {
		t.Errorf("opened %d times, want 1", n)
	}
	other := *w.instance
	other.TrustedRoot = []byte("{}")
	if _, err := w.client.Login(t.Context(), &other, source, "", noLogin); err == nil || !strings.Contains(err.Error(), "preparing to sign: another instance") {
		t.Errorf("what cannot be opened: %v, want that before a login", err)
	}
}

// TestConfirms has a person say no, and yes.
func TestConfirms(t *testing.T) {
	var question string
	answer := errors.New("the answer is no")
	w := newWorld(t, func(_ *world, cfg *Config) {
		cfg.Confirm = func(_ context.Context, q string) error {
			question = q
			return answer
		}
	})
	w.login(t, alice, "")
	before := w.entries(t)
	_, err := w.client.Sign(t.Context(), w.request("first line\nsecond", ""), nil)
	var step *signer.StepError
	if !errors.As(err, &step) || step.Step != StepConfirm || step.Err.Error() != answer.Error() {
		t.Errorf("refused: %v", err)
	}
	if want := "Sign a git commit as " + alice; !strings.HasPrefix(question, want) || !strings.HasSuffix(question, "\n\nfirst line") {
		t.Errorf("question %q", question)
	}
	if after := w.entries(t); after != before {
		t.Error("what was refused is in the log")
	}
	answer = nil
	w.signs(t, "", alice)
	if s, err := w.client.Status(t.Context()); err != nil || !s.Confirms {
		t.Errorf("status %+v, %v", s, err)
	}
}

// entries returns the checkpoint of the authority's log.
func (w *world) entries(t testing.TB) string {
	t.Helper()
	checkpoint, err := w.authority.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.SplitN(string(checkpoint), "\n", 4)[:3], " ")
}

// TestSignsNothingButGitObjects asks for what somebody could put to another use.
func TestSignsNothingButGitObjects(t *testing.T) {
	w := newWorld(t, nil)
	w.login(t, alice, "")
	before := w.entries(t)
	for name, payload := range map[string]string{
		"nothing":           "",
		"text":              "I owe you 1,000 dollars\n",
		"DSSE":              "DSSEv1 28 application/vnd.in-toto+json 2 {}",
		"signed attributes": "1\x5d0\x18\x06\x09*\x86H",
		"digest":            strings.Repeat("\x7f", 32),
		"tree and no more":  fmt.Sprintf("tree %040d\n\nmessage\n", 1),
		"object header":     fmt.Sprintf("commit 10\x00%s", commit("x")),
	} {
		r := w.request("", "")
		r.Payload = []byte(payload)
		if answer, err := w.client.Sign(t.Context(), r, nil); err == nil || !strings.Contains(err.Error(), "what is to be signed") {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
	}
	if w.entries(t) != before {
		t.Error("something was recorded")
	}
}

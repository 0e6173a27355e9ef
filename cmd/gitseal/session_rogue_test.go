package main

import (
	"context"
	"strings"
	"testing"

	"gitseal/signer"
	"gitseal/signer/agent"
)

// A twiceCertifier has each key certified twice, and keeps the second
// certificate.
type twiceCertifier struct {
	signer.CertificateAuthority
	second []byte
}

func (c *twiceCertifier) Certify(ctx context.Context, token string, key, proof []byte) ([][]byte, error) {
	second, err := c.CertificateAuthority.Certify(ctx, token, key, proof)
	if err != nil {
		return nil, err
	}
	c.second = second[0]
	return c.CertificateAuthority.Certify(ctx, token, key, proof)
}

// TestAnAgentDoesNotSayWhatIsRecorded: what is queued is of the very signature
// that git gets, or no log entry would ever be of it.
func TestAnAgentDoesNotSayWhatIsRecorded(t *testing.T) {
	a := newAgentTest(t)
	ca := &twiceCertifier{CertificateAuthority: a.authority}
	one, err := signer.New(signer.Config{
		CA: ca, Logs: []signer.Log{a.authority}, Timestampers: []signer.Timestamper{a.authority}, Verifier: a.verifier,
		Tokens: localTokens{a.authority, "alice@example.com"}, Defer: signer.DeferAlways,
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := one.Sign(context.Background(), []byte(testCommit))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*signer.Pending){
		"another certificate of the key": func(p *signer.Pending) { p.Certificate = ca.second },
		"a time-stamp more": func(p *signer.Pending) {
			p.Timestamps = append(p.Timestamps[:len(p.Timestamps):len(p.Timestamps)], []byte("x"))
		},
		"no time-stamp": func(p *signer.Pending) { p.Timestamps = nil },
	} {
		pending := *made.Pending
		change(&pending)
		text, err := pending.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		s := a.session()
		s.defers = signer.DeferAlways
		if _, err := s.check(context.Background(), []byte(testCommit), &agent.SignAnswer{Armored: made.Armored, Pending: text}, ""); err == nil || !strings.Contains(err.Error(), "another signature") {
			t.Errorf("%s: check = %v, want another signature", name, err)
		}
	}
}

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

package signer_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/internal/cms"
	"gitseal/signer"
	"gitseal/verifier"
)

const alice = "alice@example.com"

// tokens is the token source of an authority that vouches for one subject.
type tokens struct {
	authority *fakeca.Authority
	subject   string
}

func (t tokens) Token(ctx context.Context) (string, error) { return t.authority.Token(ctx, t.subject) }

func newAuthority(t testing.TB, cfg fakeca.Config) *fakeca.Authority {
	t.Helper()
	a, err := fakeca.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func newVerifier(t testing.TB, a *fakeca.Authority) *verifier.Verifier {
	t.Helper()
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// config returns a whole Config on one authority.
func config(t testing.TB, a *fakeca.Authority) signer.Config {
	t.Helper()
	return signer.Config{
		Tokens: tokens{a, alice}, CA: a, Logs: []signer.Log{a}, Timestampers: []signer.Timestamper{a}, Verifier: newVerifier(t, a),
	}
}

func sign(t testing.TB, cfg signer.Config, payload []byte) (*signer.Signature, error) {
	t.Helper()
	s, err := signer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s.Sign(context.Background(), payload)
}

func TestSignedIsVerified(t *testing.T) {
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a := newAuthority(t, fakeca.Config{Log: generation})
		payload := []byte("a payload\r\nwithout a final newline")
		sig, err := sign(t, config(t, a), payload)
		if err != nil {
			t.Fatalf("%v: %v", generation, err)
		}
		want := verifier.Identity{Issuer: a.Issuer(), Subject: alice}
		if sig.Result.Certificate.Identity != want {
			t.Errorf("%v: signed as %v, want %v", generation, sig.Result.Certificate.Identity, want)
		}
		if _, err := newVerifier(t, a).Verify(payload, sig.Armored, verifier.AnyIdentity{}); err != nil {
			t.Errorf("%v: %v", generation, err)
		}
		if _, err := newVerifier(t, a).Verify(append(payload, '\n'), sig.Armored, verifier.AnyIdentity{}); err == nil {
			t.Errorf("%v: verifies over another payload", generation)
		}
	}
}

// TestSignatureHasTheFormOfSigstores looks at the bytes: one certificate, the
// entry without its body, the attributes of FORMATS in DER order.
func TestSignatureHasTheFormOfSigstores(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	sig, err := sign(t, config(t, a), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	der, leading, err := cms.Dearmor(sig.Armored)
	if err != nil || len(leading) > 0 {
		t.Fatalf("leading text %q, %v", leading, err)
	}
	sd, err := cms.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	if len(sd.Certificates) != 1 || sd.Version != 1 || sd.Content != nil {
		t.Errorf("%d certificates, version %d, content %x", len(sd.Certificates), sd.Version, sd.Content)
	}
	attrs := sd.Signer.UnsignedAttributes
	if len(attrs) != 2 || attrs[0].Type != cms.OIDLogEntry || attrs[1].Type != cms.OIDTimeStampToken {
		t.Errorf("unsigned attributes %v", attrs)
	}
	if n := len(sig.Armored); n > 4096 {
		t.Errorf("the signature has %d bytes", n)
	}
}

func TestEachSignatureHasItsOwnKey(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	s, err := signer.New(config(t, a))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := make(map[[32]byte]bool)
	for range 20 {
		wg.Go(func() {
			sig, err := s.Sign(context.Background(), []byte("x"))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if fpr := sig.Result.Certificate.Fingerprint; seen[fpr] {
				t.Errorf("certificate %x is used twice", fpr)
			} else {
				seen[fpr] = true
			}
		})
	}
	wg.Wait()
}

// fakes give the answers of an authority, but one: the one that is set.
type fakes struct {
	*fakeca.Authority
	certify   func(chain [][]byte) ([][]byte, error)
	add       func(entry []byte) ([]byte, error)
	timestamp func(token []byte) ([]byte, error)
}

func (f fakes) Certify(ctx context.Context, token string, key, proof []byte) ([][]byte, error) {
	chain, err := f.Authority.Certify(ctx, token, key, proof)
	if err != nil || f.certify == nil {
		return chain, err
	}
	return f.certify(chain)
}

func (f fakes) Add(ctx context.Context, digest [32]byte, sig, cert []byte) ([]byte, error) {
	entry, err := f.Authority.Add(ctx, digest, sig, cert)
	if err != nil || f.add == nil {
		return entry, err
	}
	return f.add(entry)
}

func (f fakes) Timestamp(ctx context.Context, imprint [32]byte) ([]byte, error) {
	token, err := f.Authority.Timestamp(ctx, imprint)
	if err != nil || f.timestamp == nil {
		return token, err
	}
	return f.timestamp(token)
}

var errServer = errors.New("server says no")

// TestNothingWrongIsEmitted has each server fail or answer with something
// wrong: the step is named and there is no signature.
func TestNothingWrongIsEmitted(t *testing.T) {
	a, other := newAuthority(t, fakeca.Config{}), newAuthority(t, fakeca.Config{})
	anotherEntry := func([]byte) ([]byte, error) {
		var last []byte
		_, err := sign(t, func() signer.Config {
			cfg := config(t, a)
			cfg.Logs = []signer.Log{fakes{Authority: a, add: func(e []byte) ([]byte, error) { last = e; return e, nil }}}
			return cfg
		}(), []byte("another payload"))
		return last, err
	}
	for _, tt := range []struct {
		name   string
		change func(cfg *signer.Config)
		step   string
		want   string
	}{
		{"no token", func(c *signer.Config) { c.Tokens = failing{} }, "getting a token", errServer.Error()},
		{"token that is none", func(c *signer.Config) { c.Tokens = fixed("none") }, "getting a token", "not a JSON web token"},
		{"token without a subject", func(c *signer.Config) { c.Tokens = fixed("e30.e30.AA") }, "getting a token", "names no issuer"},
		{"token of another issuer", func(c *signer.Config) { c.Tokens = tokens{other, alice} }, "certifying the key", ""},
		{"no certificate", func(c *signer.Config) {
			c.CA = fakes{Authority: a, certify: func([][]byte) ([][]byte, error) { return nil, errServer }}
		}, "certifying the key", errServer.Error()},
		{"empty chain", func(c *signer.Config) {
			c.CA = fakes{Authority: a, certify: func([][]byte) ([][]byte, error) { return nil, nil }}
		}, "certifying the key", "no certificate"},
		{"certificate that is none", func(c *signer.Config) {
			c.CA = fakes{Authority: a, certify: func([][]byte) ([][]byte, error) { return [][]byte{{1}}, nil }}
		}, "certifying the key", "reading the certificate"},
		{"certificate for another key", func(c *signer.Config) {
			c.CA = fakes{Authority: a, certify: func(chain [][]byte) ([][]byte, error) { return chain[1:], nil }}
		}, "certifying the key", "for another key"},
		{"certificate by another authority", func(c *signer.Config) { c.CA, c.Tokens = other, tokens{other, alice} },
			"certifying the key", "not by an authority of the trusted root"},
		{"no log entry", func(c *signer.Config) {
			c.Logs = []signer.Log{fakes{Authority: a, add: func([]byte) ([]byte, error) { return nil, errServer }}}
		}, "recording the signature in the log", errServer.Error()},
		{"entry that is none", func(c *signer.Config) {
			c.Logs = []signer.Log{fakes{Authority: a, add: func([]byte) ([]byte, error) { return []byte{0xff}, nil }}}
		}, "reading the log's answer", ""},
		{"entry of another log", func(c *signer.Config) { c.Logs = []signer.Log{other} }, "checking the finished signature", "not in the trusted root"},
		{"entry for another signature", func(c *signer.Config) { c.Logs = []signer.Log{fakes{Authority: a, add: anotherEntry}} },
			"checking the finished signature", "not in the log as it claims"},
		{"no time-stamp", func(c *signer.Config) {
			c.Timestampers = []signer.Timestamper{fakes{Authority: a, timestamp: func([]byte) ([]byte, error) { return nil, errServer }}}
		}, "getting a time-stamp", errServer.Error()},
		{"time-stamp by another authority", func(c *signer.Config) { c.Timestampers = []signer.Timestamper{other} }, "checking the finished signature", "time-stamp"},
		{"time-stamp that is none", func(c *signer.Config) {
			c.Timestampers = []signer.Timestamper{fakes{Authority: a, timestamp: func([]byte) ([]byte, error) { return []byte{0x30, 0}, nil }}}
		}, "checking the finished signature", "time-stamp"},
		{"no time-stamp authority for a log without time", func(c *signer.Config) { c.Timestampers = nil }, "checking the finished signature", "nothing proves a time"},
	} {
		cfg := config(t, a)
		tt.change(&cfg)
		sig, err := sign(t, cfg, []byte("x"))
		var step *signer.StepError
		if !errors.As(err, &step) || step.Step != tt.step || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one at %q with %q", tt.name, err, tt.step, tt.want)
		}
		if sig != nil {
			t.Errorf("%s: a signature came with the error", tt.name)
		}
	}
}

type failing struct{}

func (failing) Token(context.Context) (string, error) { return "", errServer }

type fixed string

func (f fixed) Token(context.Context) (string, error) { return string(f), nil }

// blocking is a log and a time-stamper each of which answers only when the
// other has been asked too.
type blocking struct {
	*fakeca.Authority
	logAsked, stampAsked chan struct{}
}

func (b blocking) Add(ctx context.Context, digest [32]byte, sig, cert []byte) ([]byte, error) {
	close(b.logAsked)
	<-b.stampAsked
	return b.Authority.Add(ctx, digest, sig, cert)
}

func (b blocking) Timestamp(ctx context.Context, imprint [32]byte) ([]byte, error) {
	close(b.stampAsked)
	<-b.logAsked
	return b.Authority.Timestamp(ctx, imprint)
}

func TestLogAndTimestampAreAskedAtOnce(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	b := blocking{a, make(chan struct{}), make(chan struct{})}
	cfg := config(t, a)
	cfg.Logs, cfg.Timestampers = []signer.Log{b}, []signer.Timestamper{b}
	if _, err := sign(t, cfg, []byte("x")); err != nil {
		t.Error(err)
	}
}

func TestCancelledContext(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	s, err := signer.New(config(t, a))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if sig, err := s.Sign(ctx, []byte("x")); !errors.Is(err, context.Canceled) || sig != nil {
		t.Errorf("Sign with a cancelled context: %v, %v", sig, err)
	}
}

func TestSigningTimeIsTheClocks(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	cfg := config(t, a)
	claimed := time.Now().Add(4 * time.Minute).UTC().Truncate(time.Second) // while the certificate is valid
	cfg.Now = func() time.Time { return claimed }
	sig, err := sign(t, cfg, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if !sig.Result.SigningTime.Equal(claimed) || sig.Result.Time.Equal(claimed) {
		t.Errorf("signing time %v, proven time %v: the claim must be kept apart", sig.Result.SigningTime, sig.Result.Time)
	}
}

func TestNewWantsEverything(t *testing.T) {
	a := newAuthority(t, fakeca.Config{})
	for name, change := range map[string]func(*signer.Config){
		"tokens":   func(c *signer.Config) { c.Tokens = nil },
		"CA":       func(c *signer.Config) { c.CA = nil },
		"log":      func(c *signer.Config) { c.Logs = nil },
		"verifier": func(c *signer.Config) { c.Verifier = nil },
	} {
		cfg := config(t, a)
		change(&cfg)
		if _, err := signer.New(cfg); err == nil {
			t.Errorf("New without %s succeeds", name)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	a := newAuthority(b, fakeca.Config{})
	s, err := signer.New(config(b, a))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Sign(context.Background(), []byte("payload")); err != nil {
			b.Fatal(err)
		}
	}
}

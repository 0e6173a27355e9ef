package oidc

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gitseal/internal/transport"
	"gitseal/internal/trust"
	"gitseal/signer"
	"gitseal/signer/sigstore"
	"gitseal/verifier"
)

// stackEnv returns the variables of the real Sigstore on loopback that
// make test-stack starts.
func stackEnv(t *testing.T) map[string]string {
	t.Helper()
	file := os.Getenv("GITSEAL_STACK")
	if file == "" {
		t.Skip("GITSEAL_STACK does not name the environment of a real Sigstore: run make test-stack")
	}
	out, err := exec.Command("sh", "-c", `. "$0" && env`, file).Output()
	if err != nil {
		t.Fatalf("reading %s: %v", file, err)
	}
	env := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok && strings.HasPrefix(name, "STACK_") {
			env[name] = value
		}
	}
	return env
}

// stackLogin returns how to log in at the stack's issuer.
func stackLogin(t *testing.T, d *desk) (Config, map[string]string) {
	env := stackEnv(t)
	return Config{
		Issuer: env["STACK_OIDC_ISSUER"], ClientID: "sigstore", Display: true, OpenURL: d.open, Terminal: d.terminal,
		Client: transport.New(transport.Config{UserAgent: "gitseal/test"}),
	}, env
}

// TestStackLogins logs in with a browser, and renews the login twice.
func TestStackLogins(t *testing.T) {
	d := newDesk(t)
	d.Email = "browser@example.test"
	cfg, _ := stackLogin(t, d)
	g := granted(t, NewBrowser(cfg), d.Email)
	if page := d.page(); !strings.Contains(page.Text, "Signed in as "+d.Email) {
		t.Errorf("the person sees %s", page.Text)
	}
	for range 2 {
		if g.Session == nil {
			t.Fatal("there is no session")
		}
		var err error
		if g, err = Renew(t.Context(), cfg.Client, g.Session, time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := identityOf(t, g); got != d.Email {
			t.Errorf("renewed for %q, want %q", got, d.Email)
		}
	}
}

// TestStackDeviceLoginSigns logs in on another device, and signs by Fulcio,
// Rekor and the time-stamp authority.
func TestStackDeviceLoginSigns(t *testing.T) {
	d := newDesk(t)
	d.Email = "device@example.test"
	cfg, env := stackLogin(t, d)
	cfg.Sleep = (&nap{at: map[int]func(){1: d.enter}}).sleep
	read := func(name string) []byte {
		data, err := os.ReadFile(env[name])
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	root, err := trust.Parse(read("STACK_TRUSTED_ROOT"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := trust.ParseSigningConfig(read("STACK_SIGNING_CONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*trust.TrustedRoot{root}})
	if err != nil {
		t.Fatal(err)
	}
	in, err := sigstore.New(sigstore.Config{Client: cfg.Client, Signing: config, TrustedRoot: root})
	if err != nil {
		t.Fatal(err)
	}
	s, err := signer.New(signer.Config{
		Tokens: loggingIn{NewDevice(cfg)}, CA: in.CA(), Logs: in.Logs(), Timestampers: in.Timestampers(), Verifier: v, Audience: "sigstore",
	})
	if err != nil {
		t.Fatal(err)
	}
	signature, err := s.Sign(t.Context(), []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	if got := signature.Result.Certificate.Identity; got.Subject != d.Email || got.Issuer != cfg.Issuer {
		t.Errorf("signed by %+v, want %s of %s", got, d.Email, cfg.Issuer)
	}
}

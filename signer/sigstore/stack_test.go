package sigstore_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"gitseal/internal/tlog"
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

// A stack is the servers of a real Sigstore and who trusts them.
type stack struct {
	env      map[string]string
	root     *trust.TrustedRoot
	rootJSON []byte
	config   *trust.SigningConfig
	verifier *verifier.Verifier
	client   *transport.Client

	mu     sync.Mutex
	events []transport.Event // guarded by mu
}

func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{env: stackEnv(t)}
	read := func(name string) []byte {
		data, err := os.ReadFile(s.env[name])
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var err error
	s.rootJSON = read("STACK_TRUSTED_ROOT")
	if s.root, err = trust.Parse(s.rootJSON); err != nil {
		t.Fatal(err)
	}
	if s.config, err = trust.ParseSigningConfig(read("STACK_SIGNING_CONFIG")); err != nil {
		t.Fatal(err)
	}
	if s.verifier, err = verifier.New(verifier.Config{TrustedRoots: []*trust.TrustedRoot{s.root}}); err != nil {
		t.Fatal(err)
	}
	s.client = transport.New(transport.Config{UserAgent: "gitseal/test", Trace: func(e transport.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	}})
	return s
}

// get asks the stack's token issuer.
func (s *stack) get(ctx context.Context, query string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.env["STACK_OIDC_ISSUER"]+query, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("token issuer: %s, %v", resp.Status, err)
	}
	return strings.TrimSpace(string(data)), nil
}

// mint is a token source: the stack's issuer vouches for any e-mail address.
type mint struct {
	stack *stack
	email string
	more  string // other parameters
}

func (m mint) Token(ctx context.Context) (string, error) {
	return m.stack.get(ctx, "/mint?aud=sigstore&email="+url.QueryEscape(m.email)+m.more)
}

// only returns the signing config with one generation of log.
func (s *stack) only(version uint32) *trust.SigningConfig {
	config := *s.config
	config.TLogs = nil
	for _, log := range s.config.TLogs {
		if log.MajorAPIVersion == version {
			config.TLogs = append(config.TLogs, log)
		}
	}
	return &config
}

// signer returns a signer on the services of config.
func (s *stack) signer(t *testing.T, config *trust.SigningConfig, tokens signer.TokenSource) *signer.Signer {
	t.Helper()
	in, err := sigstore.New(sigstore.Config{Client: s.client, Signing: config, TrustedRoot: s.root})
	if err != nil {
		t.Fatal(err)
	}
	sg, err := signer.New(signer.Config{
		Tokens: tokens, CA: in.CA(), Logs: in.Logs(), Timestampers: in.Timestampers(), Verifier: s.verifier, Audience: "sigstore",
	})
	if err != nil {
		t.Fatal(err)
	}
	return sg
}

const alice = "alice@example.test"

func TestStackSigns(t *testing.T) {
	s := newStack(t)
	oracle := newOracle(t, s.rootJSON)
	for _, version := range []uint32{1, 2} {
		payload := fmt.Appendf(nil, "tree %d\n\nno final newline", version)
		sig, err := s.signer(t, s.only(version), mint{s, alice, ""}).Sign(t.Context(), payload)
		if err != nil {
			t.Fatalf("Rekor v%d: %v", version, err)
		}
		if got := sig.Result.Certificate.Identity; got.Subject != alice || got.Issuer != s.env["STACK_OIDC_ISSUER"] {
			t.Errorf("Rekor v%d: signed as %v", version, got)
		}
		if want := int(3 - version); len(sig.Result.Times) != want {
			t.Errorf("Rekor v%d: times %v, want %d", version, sig.Result.Times, want)
		}
		blob, artifact := asBlob(t, sig.Armored)
		oracle.check(t, blob, artifact, s.env["STACK_OIDC_ISSUER"], alice)
	}
}

func TestStackSignsBlobs(t *testing.T) {
	s := newStack(t)
	oracle := newOracle(t, s.rootJSON)
	issuer := s.env["STACK_OIDC_ISSUER"]
	for _, version := range []uint32{1, 2} {
		sg := s.signer(t, s.only(version), mint{s, alice, ""})
		cred, err := sg.NewCredential(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		artifact := []byte("an artifact")
		blob, err := sg.SignDigest(t.Context(), cred, sha256.Sum256(artifact))
		if err != nil {
			t.Fatalf("Rekor v%d: %v", version, err)
		}
		oracle.check(t, blob, artifact, issuer, alice)

		blob, err = sg.SignDSSE(t.Context(), cred, "application/vnd.in-toto+json", statement)
		if err != nil {
			t.Fatalf("Rekor v%d: %v", version, err)
		}
		oracle.check(t, blob, nil, issuer, alice)
		entry, err := tlog.ParseEntry(blob.Entries[0])
		if want := map[uint32]string{1: "dsse", 2: "hashedrekord"}[version]; err != nil || entry.Kind != want {
			t.Errorf("Rekor v%d: envelope recorded as %q, %v, want %q", version, entry.Kind, err, want)
		}
	}
}

func TestStackSignsWithEveryLog(t *testing.T) {
	s := newStack(t)
	// Services of one version only are selected together, so that two logs
	// must be of the same.
	config := s.only(1)
	config.TLogs = append(config.TLogs, config.TLogs[0])
	config.TLogs[1].Operator = "another.test"
	config.TLogConfig = trust.Selection{Selector: "ALL"}
	sg := s.signer(t, config, mint{s, alice, ""})
	if _, err := sg.Sign(t.Context(), []byte("x")); err == nil || !strings.Contains(err.Error(), "asks for 2 logs") {
		t.Errorf("a git signature in two logs: %v", err)
	}
	cred, err := sg.NewCredential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	artifact := []byte("in two logs")
	blob, err := sg.SignDigest(t.Context(), cred, sha256.Sum256(artifact))
	if err != nil || len(blob.Entries) != 2 {
		t.Fatalf("a blob in two logs: %v", err)
	}
	// Both are the same log here: the second upload is a duplicate, and the
	// entry is fetched.
	blob.Entries = blob.Entries[:1]
	newOracle(t, s.rootJSON).check(t, blob, artifact, s.env["STACK_OIDC_ISSUER"], alice)
}

// TestStackLogsTakeAnEntryTwice uploads the same entry again, as after an
// answer that got lost.
func TestStackLogsTakeAnEntryTwice(t *testing.T) {
	s := newStack(t)
	for _, version := range []uint32{1, 2} {
		in, err := sigstore.New(sigstore.Config{Client: s.client, Signing: s.only(version), TrustedRoot: s.root})
		if err != nil {
			t.Fatal(err)
		}
		twice := &repeating{Log: in.Logs()[0]}
		sg, err := signer.New(signer.Config{
			Tokens: mint{s, alice, ""}, CA: in.CA(), Logs: []signer.Log{twice}, Timestampers: in.Timestampers(), Verifier: s.verifier,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sg.Sign(t.Context(), []byte("x")); err != nil {
			t.Errorf("Rekor v%d: %v", version, err)
		}
		if version == 1 || twice.err != nil {
			continue
		}
		if in, err = sigstore.New(sigstore.Config{Client: s.client, Signing: s.only(version)}); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Logs()[0].Add(t.Context(), twice.digest, twice.signature, twice.certificate); err == nil || !strings.Contains(err.Error(), "has the entry already") {
			t.Errorf("Rekor v2 without a trusted root: %v", err)
		}
	}
}

// A repeating log adds each entry twice and returns what comes of the second.
type repeating struct {
	signer.Log
	digest                 [32]byte
	signature, certificate []byte
	err                    error
}

func (r *repeating) Add(ctx context.Context, digest [32]byte, signature, certificate []byte) ([]byte, error) {
	r.digest, r.signature, r.certificate = digest, signature, certificate
	if _, r.err = r.Log.Add(ctx, digest, signature, certificate); r.err != nil {
		return nil, r.err
	}
	return r.Log.Add(ctx, digest, signature, certificate)
}

func TestStackCIToken(t *testing.T) {
	s := newStack(t)
	sig, err := s.signer(t, s.config, ciToken{s}).Sign(t.Context(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "https://github.com/octo/demo/.github/workflows/release.yml@refs/heads/main"
	if got := sig.Result.Certificate.Identity; !strings.HasSuffix(got.Subject, "octo/demo/.github/workflows/release.yml@refs/heads/main") ||
		got.Issuer != s.env["STACK_OIDC_ISSUER"]+"/ci" {
		t.Errorf("signed as %v, want %s", got, want)
	}
}

type ciToken struct{ stack *stack }

func (c ciToken) Token(ctx context.Context) (string, error) {
	answer, err := c.stack.get(ctx, "/ci/token?audience=sigstore&repo=octo/demo")
	_, token, _ := strings.Cut(answer, `"value":"`)
	token, _, _ = strings.Cut(strings.ReplaceAll(token, " ", ""), `"`)
	return token, err
}

func TestStackRefusesBadTokens(t *testing.T) {
	s := newStack(t)
	good, err := mint{s, alice, ""}.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The token says the same, and its signature is wrong.
	forged := good[:strings.LastIndex(good, ".")] + "." + strings.Repeat("A", 86)
	_, err = s.signer(t, s.config, fixed(forged)).Sign(t.Context(), []byte("x"))
	var status *transport.StatusError
	if !errors.As(err, &status) || status.Status != 400 || status.Service != "Fulcio" || !strings.Contains(status.Message, "identity token") {
		t.Errorf("forged token: %v", err)
	}
	for _, part := range strings.Split(forged, ".") {
		if strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
}

type fixed string

func (f fixed) Token(context.Context) (string, error) { return string(f), nil }

func TestStackConnectionsAreOpenedAhead(t *testing.T) {
	s := newStack(t)
	in, err := sigstore.New(sigstore.Config{Client: s.client, Signing: s.config, TrustedRoot: s.root})
	if err != nil {
		t.Fatal(err)
	}
	in.Connect(t.Context())
	sg, err := signer.New(signer.Config{
		Tokens: mint{s, alice, ""}, CA: in.CA(), Logs: in.Logs(), Timestampers: in.Timestampers(), Verifier: s.verifier,
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := sg.Sign(t.Context(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	t.Logf("signed in %v", time.Since(began).Round(time.Millisecond))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Service != "connection" && e.Connect > 0 {
			t.Errorf("%s %s%s opened a connection of its own", e.Service, e.Host, e.Path)
		}
	}
}

package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/signer"
	"gitseal/signer/agent"
	"gitseal/signer/oidc"
	"gitseal/verifier"
)

// testCommit is a commit as git has it signed.
const testCommit = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n" +
	"author Alice <alice@example.com> 1700000000 +0000\ncommitter Alice <alice@example.com> 1700000000 +0000\n\nmessage\n"

// An agentTest is an authority whose signatures an agent may give back.
type agentTest struct {
	t         *testing.T
	authority *fakeca.Authority
	verifier  *verifier.Verifier
	variables map[string]string
}

func newAgentTest(t *testing.T) *agentTest {
	t.Helper()
	a, err := fakeca.New(fakeca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		t.Fatal(err)
	}
	return &agentTest{t, a, v, make(map[string]string)}
}

// session returns a session that has an agent.
func (a *agentTest) session() *session {
	e := &env{getenv: func(name string) string { return a.variables[name] }, now: time.Now, began: time.Now()}
	s := &settings{getenv: e.getenv}
	sig := &signing{env: e, settings: s, trace: newTracer(e), config: signer.Config{Verifier: a.verifier, Progress: func(string) {}}}
	return &session{signing: sig, remote: new(remoteSession)}
}

// answer returns what an agent gives back that signs as subject.
func (a *agentTest) answer(subject, payload string, d signer.Defer) *agent.SignAnswer {
	a.t.Helper()
	s, err := signer.New(signer.Config{
		CA: a.authority, Logs: []signer.Log{a.authority}, Timestampers: []signer.Timestamper{a.authority}, Verifier: a.verifier,
		Tokens: localTokens{a.authority, subject}, Defer: d,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := s.Sign(context.Background(), []byte(payload))
	if err != nil {
		a.t.Fatal(err)
	}
	return &agent.SignAnswer{Armored: made.Armored, Pending: made.Pending != nil}
}

// token returns a token for subject.
func (a *agentTest) token(subject string) string {
	a.t.Helper()
	token, err := a.authority.Token(context.Background(), subject)
	if err != nil {
		a.t.Fatal(err)
	}
	return token
}

// TestWhatAnAgentGivesBackIsChecked: it may be anything.
func TestWhatAnAgentGivesBackIsChecked(t *testing.T) {
	a, stranger := newAgentTest(t), newAgentTest(t)
	const alice, bob = "alice@example.com", "bob@example.com"
	recorded := a.answer(alice, testCommit, signer.DeferNever)
	deferred := a.answer(alice, testCommit, signer.DeferAlways)
	for _, test := range []struct {
		name   string
		answer *agent.SignAnswer
		defers signer.Defer
		who    string // asked for
		token  string // at hand, for whom
		want   string // "": it is good
	}{
		{"a signature", recorded, signer.DeferNever, "", "", ""},
		{"one by whom was asked for", recorded, signer.DeferNever, alice, "", ""},
		{"one by whom the token is for", recorded, signer.DeferNever, "", alice, ""},
		{"one that waits for its entry", deferred, signer.DeferAlways, alice, "", ""},
		{"one that was recorded nevertheless", recorded, signer.DeferUnreachable, "", "", ""},
		{"one by somebody else", recorded, signer.DeferNever, bob, "", "was asked for"},
		{"one by somebody else than the token is for", recorded, signer.DeferNever, "", bob, bob},
		{"a waiting one by somebody else", deferred, signer.DeferAlways, bob, "", "was asked for"},
		{"one over something else", a.answer(alice, strings.Replace(testCommit, "message", "another", 1), signer.DeferNever), signer.DeferNever, "", "", "digest"},
		{"one of another instance", stranger.answer(alice, testCommit, signer.DeferNever), signer.DeferNever, "", "", "trusted root"},
		{"a waiting one of another instance", stranger.answer(alice, testCommit, signer.DeferAlways), signer.DeferAlways, "", "", "trusted root"},
		{"one that waits and should not", deferred, signer.DeferNever, "", "", "was not to go without"},
		{"one that waits and does not say so", &agent.SignAnswer{Armored: deferred.Armored}, signer.DeferAlways, "", "", "log"},
		{"one that is said to wait and has its entry", &agent.SignAnswer{Armored: recorded.Armored, Pending: true}, signer.DeferAlways, "", "", "no time-stamp"},
		{"nothing", new(agent.SignAnswer), signer.DeferNever, "", "", "armor"},
	} {
		t.Run(test.name, func(t *testing.T) {
			clear(a.variables)
			s := a.session()
			s.defers = test.defers
			if test.token != "" {
				a.variables[tokenVariable] = a.token(test.token)
				s.remote.source = sourceNamed(t, oidc.Config{Getenv: s.env.getenv}, "envvar")
			}
			made, err := s.check(context.Background(), []byte(testCommit), test.answer, test.who)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("check = %v, want none", err)
			case test.want == "" && made.Result.Certificate.Identity.Subject != alice:
				t.Errorf("signed by %q, want %q", made.Result.Certificate.Identity.Subject, alice)
			case test.want == "" && (made.Pending != nil) != test.answer.Pending:
				t.Errorf("pending %v, of an answer with pending %v", made.Pending, test.answer.Pending)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("check = %v, want %q", err, test.want)
			}
		})
	}
}

// sourceNamed returns a token source.
func sourceNamed(t *testing.T, cfg oidc.Config, name string) oidc.Source {
	t.Helper()
	for _, source := range oidc.Sources(cfg) {
		if source.Name() == name {
			return source
		}
	}
	t.Fatalf("there is no source %s", name)
	return nil
}

func TestASessionHasOneIdentity(t *testing.T) {
	s := newAgentTest(t).session()
	first := &verifier.Certificate{Identity: verifier.Identity{Issuer: "https://i", Subject: "a@b"}, SubjectType: "email"}
	for range 2 {
		if err := s.accept(first, nil); err != nil {
			t.Errorf("accept = %v, want none", err)
		}
	}
	for _, id := range []verifier.Identity{{Issuer: "https://i", Subject: "c@d"}, {Issuer: "https://j", Subject: "a@b"}} {
		if err := s.accept(&verifier.Certificate{Identity: id, SubjectType: "email"}, nil); err == nil {
			t.Errorf("accept of %v after %v, want an error", id, first.Identity)
		}
	}
}

func TestPersonKey(t *testing.T) {
	variables := make(map[string]string)
	cfg := oidc.Config{Issuer: "https://issuer.example", Getenv: func(name string) string { return variables[name] }}
	browser, device, envvar := sourceNamed(t, cfg, "browser"), sourceNamed(t, cfg, "device"), sourceNamed(t, cfg, "envvar")
	if a, b := personKey(cfg, browser, ""), personKey(cfg, device, "device"); a != b {
		t.Errorf("a person in a browser is %q, on a device %q, want the same", a, b)
	}
	if a, b := personKey(cfg, browser, ""), personKey(cfg, nil, ""); a != b {
		t.Errorf("a person in a browser is %q, without a screen %q, want the same", a, b)
	}
	if got := personKey(cfg, nil, "github-actions"); got != "" {
		t.Errorf("where a job is to sign and is not there, %q signs, want nobody", got)
	}
	if a, b := personKey(cfg, envvar, ""), personKey(cfg, browser, ""); a == b {
		t.Errorf("who a token is for and who logs in are both %q", a)
	}
}

func TestWithinAllowsForClocks(t *testing.T) {
	a := newAgentTest(t)
	s, err := signer.New(signer.Config{
		CA: a.authority, Logs: []signer.Log{a.authority}, Timestampers: []signer.Timestamper{a.authority}, Verifier: a.verifier,
		Tokens: localTokens{a.authority, "alice@example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	cred, err := s.NewCredential(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	from, to := cred.NotBefore(), cred.NotAfter
	for _, test := range []struct{ now, want time.Time }{
		{from.Add(time.Minute), from.Add(time.Minute)},
		{from.Add(-3 * time.Second), from},
		{to.Add(3 * time.Second), to},
		{from.Add(-time.Minute), from.Add(-time.Minute)},
		{to.Add(time.Minute), to.Add(time.Minute)},
	} {
		if got := within(cred.Certificate(), test.now); !got.Equal(test.want) {
			t.Errorf("within(%v to %v, %v) = %v, want %v", from, to, test.now, got, test.want)
		}
	}
	now := time.Unix(1, 0)
	if got := within([]byte("no certificate"), now); !got.Equal(now) {
		t.Errorf("within(nonsense, %v) = %v", now, got)
	}
}

func TestWithURL(t *testing.T) {
	for _, test := range []struct{ words, want string }{
		{"firefox", "firefox URL"},
		{"firefox --new-window", "firefox --new-window URL"},
		{"open --url=%s --quiet", "open --url=URL --quiet"},
		{"open {{.URL}}", "open URL"},
	} {
		if got := strings.Join(withURL(strings.Fields(test.words), "URL"), " "); got != test.want {
			t.Errorf("withURL(%s) = %s, want %s", test.words, got, test.want)
		}
	}
}

func TestTheRepositoryThatIsKeptIsTheOneThatWorktreesShare(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mainDir, linked := filepath.Join(dir, "main"), filepath.Join(dir, "linked")
	runGitIn(t, dir, "init", "-q", mainDir)
	runGitIn(t, mainDir, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "one")
	runGitIn(t, mainDir, "worktree", "add", "-q", linked)
	want := filepath.Join(mainDir, ".git")
	s := newAgentTest(t).session()
	for _, at := range []string{mainDir, linked, want} {
		t.Chdir(at)
		if got := s.repository(); got != want {
			t.Errorf("repository in %s = %s, want %s", at, got, want)
		}
	}
	t.Chdir(dir)
	if got := s.repository(); got != "" {
		t.Errorf("repository in %s = %s, want none", dir, got)
	}
}

// A fakeSource is a token source with a name.
type fakeSource struct {
	oidc.Source
	name  string
	token string // "": it fails
}

func (f fakeSource) Name() string { return f.name }

func (f fakeSource) Grant(context.Context) (*oidc.Grant, error) {
	if f.token == "" {
		return nil, errors.New("out of order")
	}
	return &oidc.Grant{IDToken: f.token}, nil
}

// TestNobodyIsAskedTwice: of several commits that wait for a login, each would
// open a page of its own.
func TestNobodyIsAskedTwice(t *testing.T) {
	a := newAgentTest(t)
	for _, test := range []struct {
		name, token, expect string
		ok, refused         bool
	}{
		{"browser", a.token("alice@example.com"), "", true, false},
		{"browser", "", "", false, true},
		{"device", "", "", false, true},
		{"browser", a.token("alice@example.com"), "bob@example.com", false, true},
		{"browser", "no token", "", false, true},
		{"github-actions", "", "", false, false},
		{"github-actions", a.token("alice@example.com"), "bob@example.com", false, false},
	} {
		a.variables["GITSEAL_EXPECT_IDENTITY"] = test.expect
		s := a.session()
		s.remote.source = fakeSource{name: test.name, token: test.token}
		grant, err := s.grant(context.Background(), []byte(testCommit))
		var r interface{ Refused() bool }
		if (err == nil) != test.ok || (grant != nil) != test.ok || (errors.As(err, &r) && r.Refused()) != test.refused {
			t.Errorf("%s, token %q, expected %q: grant %v, %v; want ok %v, refused for others %v", test.name, test.token, test.expect, grant, err, test.ok, test.refused)
		}
	}
}

// runGitIn runs git in a directory.
func runGitIn(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gitseal/fakeca"
	trusted "gitseal/internal/trust"
	"gitseal/signer/agent"
	"gitseal/signer/oidc/oidctest"
)

func init() {
	scriptCommands["agents"] = cmdAgents
	scriptCommands["logins"] = cmdLogins
	scriptCommands["minted"] = cmdMinted
	scriptCommands["gone"] = cmdGone
	scriptCommands["shown"] = cmdShown
	scriptCommands["recorded"] = cmdRecorded
}

// A people is where the people of a script log in. Codes for another device are
// entered by somebody who stands ready, as soon as they are asked about.
type people struct {
	*oidctest.Issuer

	mu      sync.Mutex
	seen    int      // guarded by mu: logins that logins has counted
	secrets []string // guarded by mu: parts of the tokens given
}

// peoples are those of scripts, by URL.
var peoples sync.Map

// newPeople starts an issuer; those who log in with a code are email.
func newPeople(email string) *people {
	p := new(people)
	p.Issuer = oidctest.New(oidctest.Config{
		Code: func(answer map[string]any) { answer["interval"] = 1 },
		Tokens: func(answer map[string]any) {
			for _, name := range []string{"id_token", "access_token", "refresh_token"} {
				if token, ok := answer[name].(string); ok {
					p.keep(token)
				}
			}
		},
		Before: func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/token" {
				for _, code := range p.UserCodes() {
					if err := (oidctest.Person{Email: email}).Approve(context.Background(), p.URL+"/device", code); err != nil {
						panic(err)
					}
				}
			}
			return false
		},
	})
	peoples.Store(p.URL, p)
	return p
}

// keep takes note of a token, which nobody may find anywhere.
func (p *people) keep(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secrets = append(p.secrets, strings.Split(token, ".")...)
}

// secretsOf returns the parts of the tokens that people of the script have got.
func secretsOf(ts *testscript.TestScript) []string {
	if ts.Getenv("PEOPLE") == "" {
		return nil
	}
	p := peopleOf(ts)
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.secrets)
}

// issuer returns the issuer as an authority knows it.
func (p *people) issuer() fakeca.Issuer { return fakeca.Issuer{URL: p.URL, Key: p.Key()} }

// withPeople returns a signing config that names where people log in.
func (p *people) withPeople(text []byte) ([]byte, error) {
	config, err := trusted.ParseSigningConfig(text)
	if err != nil {
		return nil, err
	}
	config.OIDCProviders = []trusted.Service{{
		URL: p.URL, MajorAPIVersion: 1, ValidFor: trusted.Window{Start: time.Unix(0, 0).UTC()}, Operator: "people.example",
	}}
	return config.Marshal()
}

// peopleOf returns where the people of the script log in.
func peopleOf(ts *testscript.TestScript) *people {
	p, ok := peoples.Load(ts.Getenv("PEOPLE"))
	if !ok {
		ts.Fatalf("there is nowhere to log in: servers DIR people=EMAIL")
	}
	return p.(*people)
}

// logins N fails unless N tokens were given since the last time, by a login or
// to renew one.
func cmdLogins(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "logins N")
	p := peopleOf(ts)
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.Requests("/token")
	if got := all - p.seen; strconv.Itoa(got) != args[0] {
		ts.Fatalf("%d requests for tokens, want %s", got, args[0])
	}
	p.seen = all
}

// minted FILE EMAIL writes a token by the issuer at which people log in.
func cmdMinted(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "minted FILE EMAIL")
	p := peopleOf(ts)
	token := p.Mint(map[string]any{
		"sub": oidctest.Subject(args[1]), "aud": "sigstore", "email": args[1], "email_verified": true,
	})
	p.keep(token)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(token+"\n"), 0o600))
}

// browse EMAIL URL is a program that opens a login page, and logs in there. What
// the person sees in the end is appended to the file $PAGE. For the EMAIL
// "nobody" they refuse.
func browse() {
	person := oidctest.Person{Email: os.Args[1], Denies: os.Args[1] == "nobody"}
	page, err := person.Login(context.Background(), os.Args[2])
	if err != nil {
		panic(err)
	}
	fmt.Println("what a browser prints")
	fmt.Fprintln(os.Stderr, "what a browser complains of")
	f, err := os.OpenFile(os.Getenv("PAGE"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(f, page.Status, page.Text)
	if err := f.Close(); err != nil {
		panic(err)
	}
}

// agents lets the script have an agent, which ends with it. SOCKET is its
// socket.
func cmdAgents(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 0, 0, "agents")
	// Below the working directory of a script, its path would be too long for
	// some systems.
	dir, err := os.MkdirTemp("", "gitseal")
	ts.Check(err)
	dir, err = filepath.EvalSymlinks(dir)
	ts.Check(err)
	ts.Setenv("XDG_RUNTIME_DIR", dir)
	ts.Setenv("GITSEAL_AGENT", "true")
	socket := filepath.Join(dir, "gitseal", "agent.sock")
	ts.Setenv("SOCKET", socket)
	ts.Defer(func() {
		ts.Check(stopAgent(socket))
		ts.Check(os.RemoveAll(dir))
	})
}

// stopAgent ends the agent on a socket, if there is one.
func stopAgent(socket string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := agent.Dial(ctx, agent.ClientConfig{Path: socket})
	var gone *agent.UnavailableError
	if errors.As(err, &gone) {
		return nil // nobody there, or nobody of ours
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Stop(ctx); err != nil {
		return err
	}
	for {
		again, err := agent.Dial(ctx, agent.ClientConfig{Path: socket})
		if errors.As(err, &gone) {
			return nil
		}
		if err != nil {
			return err
		}
		again.Close()
		runtime.Gosched()
	}
}

// gone FILE kills the agent whose state, as agent status --format json says it,
// is in the file, and waits until nobody listens on the socket.
func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "gone FILE")
	_, rest, ok := strings.Cut(ts.ReadFile(args[0]), `"pid": `)
	number, _, _ := strings.Cut(rest, ",")
	pid, err := strconv.Atoi(number)
	if !ok || err != nil {
		ts.Fatalf("%s does not say which process it is", args[0])
	}
	process, err := os.FindProcess(pid)
	ts.Check(err)
	ts.Check(process.Kill())
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		c, err := agent.Dial(ctx, agent.ClientConfig{Path: ts.Getenv("SOCKET")})
		if gone := (*agent.UnavailableError)(nil); errors.As(err, &gone) {
			return
		}
		ts.Check(err)
		c.Close()
		runtime.Gosched()
	}
}

// shown PATTERN waits until a page that browse has seen matches: the program may
// end after the command that it opened the page for.
func cmdShown(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "shown PATTERN")
	pattern := regexp.MustCompile(args[0])
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); runtime.Gosched() {
		if text, err := os.ReadFile(ts.Getenv("PAGE")); err == nil && pattern.Match(text) {
			return
		}
	}
	ts.Fatalf("no page matches %s", args[0])
}

// recorded waits until nothing waits any more for its log entry.
func cmdRecorded(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 0, 0, "recorded")
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		if runCode(ts, "gitseal", "log", "pending", "--exit-code") == 0 {
			return
		}
	}
	ts.Fatalf("something still waits")
}

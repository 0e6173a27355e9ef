package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gitseal/fakeca"
	"gitseal/fakeca/server"
)

func init() {
	scriptCommands["servers"] = cmdServers
	scriptCommands["token"] = cmdToken
	scriptCommands["broken"] = cmdBroken
	scriptCommands["unsigned"] = cmdUnsigned
}

// fakeServers are the servers of an instance on loopback, any of which may be
// out of order.
type fakeServers struct {
	authority *fakeca.Authority
	honest    http.Handler
	stranger  http.Handler // the servers of another instance
	skew      time.Duration

	mu     sync.Mutex
	path   string // guarded by mu: how the paths end that are out of order
	broken string // guarded by mu: and in which way; "": none is
}

// instances are the *fakeServers of scripts, by URL.
var instances sync.Map

// running returns the servers of the script.
func running(ts *testscript.TestScript) *fakeServers {
	s, ok := instances.Load(ts.Getenv("SERVERS"))
	if !ok {
		ts.Fatalf("no servers run")
	}
	return s.(*fakeServers)
}

// servers DIR [NAME=VALUE…] starts the servers of a new instance, sets SERVERS to
// their URL and ISSUER to whose tokens they take, and writes the two files of an
// instance into the directory:
//
//	log=v1          the log is of Rekor v1
//	skew=DURATION   the servers' clocks are that far ahead
//	spoiled=FAULT   what they issue has a fault of fakeca's
//	people=EMAIL    they also take tokens of an issuer at which people log in, at
//	                PEOPLE; who is asked to enter a code does, as EMAIL
func cmdServers(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, len(args), "servers DIR [NAME=VALUE…]")
	s := new(fakeServers)
	var cfg fakeca.Config
	var fault fakeca.Fault
	var people *people
	for _, arg := range args[1:] {
		var err error
		switch name, value, _ := strings.Cut(arg, "="); name {
		case "log":
			cfg.Log = fakeca.RekorV1
		case "skew":
			s.skew, err = time.ParseDuration(value)
		case "spoiled":
			fault = fakeca.Fault(value)
		case "people":
			people = newPeople(value)
			ts.Defer(people.Close)
			cfg.Issuers = []fakeca.Issuer{people.issuer()}
			ts.Setenv("PEOPLE", people.URL)
		default:
			ts.Fatalf("servers knows no %s", name)
		}
		ts.Check(err)
	}
	cfg.Clock = func() time.Time { return time.Now().Add(s.skew) }
	var err error
	s.authority, err = fakeca.New(cfg)
	ts.Check(err)
	s.honest = server.New(s.authority)
	if fault != "" {
		s.honest = server.New(s.authority.Spoiled(fault))
	}
	other, err := fakeca.New(cfg)
	ts.Check(err)
	s.stranger = server.New(other)
	web := httptest.NewServer(s)
	ts.Defer(func() {
		web.Close()
		ts.Check(s.authority.Close())
		ts.Check(other.Close())
	})
	instances.Store(web.URL, s)
	ts.Setenv("SERVERS", web.URL)
	ts.Setenv("ISSUER", s.authority.Issuer())
	config, err := server.SigningConfig(s.authority, web.URL)
	ts.Check(err)
	if people != nil {
		config, err = people.withPeople(config)
		ts.Check(err)
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.WriteFile(filepath.Join(dir, signingConfigFile), config, 0o600))
	ts.Check(os.WriteFile(filepath.Join(dir, trustedRootFile), s.authority.TrustedRoot(), 0o600))
}

// broken PATH HOW has the servers answer what is asked of paths that end in PATH
// otherwise than they should, until the next time; "broken none" mends them. HOW
// is a status, html, portal (a redirect), cut (the connection is closed),
// stranger (the servers of another instance answer), or json (an answer that
// says nothing).
func cmdBroken(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 2, "broken PATH HOW")
	s := running(ts)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path, s.broken = args[0], ""; len(args) > 1 {
		s.broken = args[1]
	} else if args[0] != "none" {
		ts.Fatalf("broken how?")
	}
}

func (s *fakeServers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().Add(s.skew).UTC().Format(http.TimeFormat))
	s.mu.Lock()
	how := s.broken
	if !strings.HasSuffix(r.URL.Path, s.path) {
		how = ""
	}
	s.mu.Unlock()
	switch how {
	case "":
		s.honest.ServeHTTP(w, r)
	case "stranger":
		s.stranger.ServeHTTP(w, r)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>Welcome to our network</html>")
	case "portal":
		http.Redirect(w, r, "http://login.example/welcome", http.StatusFound)
	case "cut":
		panic(http.ErrAbortHandler)
	case "json":
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/log/entries") {
			w.WriteHeader(http.StatusCreated)
		}
		fmt.Fprint(w, "{}")
	default:
		status, err := strconv.Atoi(how)
		if err != nil {
			panic(err)
		}
		// Some servers repeat what they were sent.
		message, err := json.Marshal("out of order: " + r.Header.Get("Authorization"))
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"code":3,"message":%s}`, message)
	}
}

// token EMAIL [CLAIM=JSON…] sets SIGSTORE_ID_TOKEN to a token by the servers'
// issuer. Claims can be changed, after which its signature is wrong.
func cmdToken(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, len(args), "token EMAIL [CLAIM=JSON…]")
	token, err := running(ts).authority.Token(context.Background(), args[0])
	ts.Check(err)
	parts := strings.Split(token, ".")
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	ts.Check(err)
	var claims map[string]json.RawMessage
	ts.Check(json.Unmarshal(data, &claims))
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		claims[name] = json.RawMessage(value)
	}
	if len(args) > 1 {
		data, err = json.Marshal(claims)
		ts.Check(err)
		parts[1] = base64.RawURLEncoding.EncodeToString(data)
	}
	ts.Setenv(tokenVariable, strings.Join(parts, "."))
}

// unsignedCommit is a commit as git has it signed.
const unsignedCommit = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n" +
	"author Alice Example <alice@example.com> 1700000000 +0000\ncommitter Alice Example <alice@example.com> 1700000000 +0000\n\nmessage\n"

// unsigned N PATTERN [HINT…] has gitseal sign as git does. It has to exit with
// that code, give out nothing, and complain as the arguments say, without any
// part of the token.
func cmdUnsigned(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, len(args), "unsigned N PATTERN [HINT…]")
	cmdCode(ts, false, []string{args[0], "fed", unsignedCommit, "gitseal", "--status-fd=2", "-bsau", "K"})
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("stdout %q, want nothing", out)
	}
	cmdComplains(ts, false, args[1:])
	if ts.Getenv(tokenVariable) != "" {
		cmdTokenless(ts, false, []string{"stderr"})
	}
}

// fed TEXT PROGRAM ARG… is a program that runs another, with a text to read.
func fed() {
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(os.Args[1]), os.Stdout, os.Stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		panic(err)
	}
}

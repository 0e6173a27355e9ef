package oidc

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitseal/internal/transport"
)

// noSleep is Sleep for tests, which wait for nothing.
func noSleep(context.Context, time.Duration) error { return nil }

// githubServer is the token service of GitHub Actions, which answers as handle
// says, and the source for a job that it is for.
func githubServer(t *testing.T, handle http.HandlerFunc) github {
	server := httptest.NewTLSServer(handle)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	cfg := surroundings(map[string]string{
		"GITHUB_ACTIONS":                 "true",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s3cret-s3cret",
		"ACTIONS_ID_TOKEN_REQUEST_URL":   server.URL + "/00000000/00000000-0000-0000-0000-000000000000/_apis/distributedtask/hubs/Actions/plans/1/jobs/2/idtoken?api-version=2.0",
	}, nil)
	cfg.Client = transport.New(transport.Config{UserAgent: "gitseal-test", RootCAs: roots, Sleep: noSleep})
	return github{cfg}
}

func TestGitHub(t *testing.T) {
	token := testToken(t, map[string]any{"iss": "https://token.actions.githubusercontent.com", "sub": "repo:o/r:ref:refs/heads/main"})
	s := githubServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case r.Method != http.MethodGet:
			t.Errorf("got method %s, want GET", r.Method)
		case !strings.HasSuffix(r.URL.Path, "/jobs/2/idtoken"):
			t.Errorf("got path %s, want that of the job", r.URL.Path)
		case q.Get("api-version") != "2.0" || q.Get("audience") != "sigstore" || len(q) != 2:
			t.Errorf("got query %q, want the version that was given, and the audience", r.URL.RawQuery)
		case r.Header.Get("Authorization") != "Bearer s3cret-s3cret":
			t.Errorf("got authorization %q, want the job's", r.Header.Get("Authorization"))
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprintf(w, `{"count":%d,"value":%q}`, len(token), token)
	})
	checkToken(t, s, token)

	other := *s.cfg
	other.Getenv = func(name string) string {
		if name == "GITHUB_JOB" {
			return "2"
		}
		return s.cfg.getenv(name)
	}
	if s.Key() == (github{&other}).Key() {
		t.Error("another job: got the same key")
	}
}

func TestGitHubFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		status     int
		kind, body string
		want       string
	}{
		"not found":      {404, "application/json", `{"message":"no such job"}`, "status 404 Not Found: no such job"},
		"repeats secret": {401, "text/plain", "bad token s3cret-s3cret", "status 401 Unauthorized: bad token [redacted]"},
		"busy":           {503, "text/plain", "", "status 503"},
		"a web page":     {200, "text/html", "<html>", "a web page in place of an answer"},
		"redirect":       {302, "text/plain", "", "redirects"},
		"not JSON":       {200, "application/json", "hello", "token service of GitHub Actions: byte 0"},
		"no value":       {200, "application/json", `{"count":1}`, `"value": no member`},
		"two values":     {200, "application/json", `{"value":"a","value":"b"}`, "duplicate member"},
		"null":           {200, "application/json", `{"value":null}`, `"value"`},
		"spoiled":        {200, "application/json", `{"s3cret":tru,"value":"a"}`, `a member beside "value": `},
		"trailing":       {200, "application/json", `{"value":"a"}{}`, "the end of the answer"},
		"empty":          {200, "application/json", `{"value":""}`, "empty"},
		"too long":       {200, "application/json", `{"value":"` + strings.Repeat("a", 2*maxToken) + `"}`, "longer than 131072 bytes"},
		"not a token":    {200, "application/json", `{"value":"s3cret"}`, "not a JSON web token"},
		"other's":        {200, "application/json", `{"value":"` + testToken(t, map[string]any{"aud": "x"}) + `"}`, `for audience "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := githubServer(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			})
			checkRefused(t, s, tt.want)
		})
	}
}

func TestGitHubEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := githubServer(t, hanging(t, cancel)).Grant(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	checkError(t, err, "token service of GitHub Actions")
}

func TestGitHubKeepsItsSecret(t *testing.T) {
	for url, want := range map[string]string{
		"http://192.0.2.1/idtoken": "refusing to send a token over plain http",
		"ftp://x/":                 "not an http or https URL",
		"://":                      "malformed URL",
		"https://h/?a=%zz":         "malformed query",
		"https://u:s3cret@h/":      "user name or password",
	} {
		s := github{surroundings(map[string]string{githubURL: url, githubToken: "s3cret-s3cret"}, nil)}
		if err := s.Available(); err != nil {
			t.Errorf("%s: Available: got %v, want nil", url, err)
		}
		checkRefused(t, s, want)
	}
}

func TestGitHubWithoutPermission(t *testing.T) {
	for _, env := range []map[string]string{
		{"GITHUB_ACTIONS": "true"},
		{"GITHUB_ACTIONS": "true", githubURL: "https://x/"},
		{"GITHUB_ACTIONS": "true", githubToken: "s3cret"},
	} {
		err := github{surroundings(env, nil)}.Available()
		if err == nil {
			t.Fatalf("%v: got available", env)
		}
		checkError(t, err, "permissions: {id-token: write}")
	}
	if err := (github{surroundings(nil, nil)}).Available(); err == nil {
		t.Error("no job: got available")
	}
	cfg := surroundings(map[string]string{githubURL: "https://x/", githubToken: "s3cret"}, nil)
	cfg.Client = nil
	if err := (github{cfg}).Available(); err == nil {
		t.Error("no client: got available")
	}
}

func FuzzReadMember(f *testing.F) {
	for _, text := range []string{
		`{"count":1,"value":"a.b.c"}`, `{"value":"\u0061"}`, `{"value":null}`, `{"value":"a","value":"b"}`, `{"a":[{"value":"x"}],"value":"y"}`, `{}`, ``, `[]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		value, err := readMember(text, "value")
		if err != nil {
			return
		}
		// What we read is what every implementation reads, but for those that
		// do not tell "Value" from "value".
		var theirs map[string]any
		if err := json.Unmarshal(text, &theirs); err != nil || theirs["value"] != value {
			t.Errorf("%q: got %q, want %v (%v)", text, value, theirs["value"], err)
		}
	})
}

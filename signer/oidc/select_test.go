package oidc

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
)

// everywhere are the variables and files of a place in which each source that
// asks no person has what it needs.
func everywhere(t *testing.T) (env, files map[string]string) {
	token := testToken(t, nil)
	return map[string]string{
			"SIGSTORE_ID_TOKEN":              token,
			"ACTIONS_ID_TOKEN_REQUEST_URL":   "https://example.com/",
			"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s3cret",
			"GITLAB_CI":                      "true",
			"BUILDKITE_AGENT_ACCESS_TOKEN":   "s3cret",
			"CIRCLECI":                       "true",
			"SPIFFE_ENDPOINT_SOCKET":         "unix:///run/spire/agent.sock",
			"AWS_WEB_IDENTITY_TOKEN_FILE":    "/aws",
			"GCE_METADATA_HOST":              "metadata.google.internal",
			"AZURE_FEDERATED_TOKEN_FILE":     "/azure",
		}, map[string]string{
			cosignFile: token,
			"/var/run/secrets/kubernetes.io/serviceaccount/token": token,
			"/aws":   token,
			"/azure": token,
		}
}

// names returns what sources are called.
func names(sources []Source) string {
	var list []string
	for _, s := range sources {
		list = append(list, s.Name())
	}
	return strings.Join(list, " ")
}

func TestSelectOrder(t *testing.T) {
	const want = "envvar filesystem command github-actions gitlab-ci buildkite-agent circleci spiffe kubernetes aws google-workload-identity azure browser device"
	env, files := everywhere(t)
	cfg := surroundings(env, files)
	cfg.LookPath = func(name string) (string, error) { return "/usr/bin/" + name, nil }
	cfg.TokenCommand = "token"
	cfg.Issuer, cfg.ClientID = "https://issuer.example.com", "sigstore"
	cfg.Display, cfg.OpenURL = true, func(string) error { return nil }
	cfg.Terminal = func() (io.WriteCloser, error) { return muteTerminal{}, nil }
	sources := Sources(*cfg)
	if got := names(sources); got != want {
		t.Fatalf("Sources: got %q, want %q", got, want)
	}
	// Each is the first that is available, once those before it are gone.
	for i, s := range sources {
		got, err := Select(sources[i:], "")
		if err != nil || got.Name() != s.Name() {
			t.Errorf("Select from %s on: got %v, %v, want it", s.Name(), got, err)
		}
		got, err = Select(sources, s.Name())
		if err != nil || got.Name() != s.Name() {
			t.Errorf("Select %s by name: got %v, %v, want it", s.Name(), got, err)
		}
	}
}

// muteTerminal is a terminal that nobody reads.
type muteTerminal struct{}

func (muteTerminal) Write(p []byte) (int, error) { return len(p), nil }
func (muteTerminal) Close() error                { return nil }

func TestSelectPassesOverNothingBroken(t *testing.T) {
	good := testToken(t, nil)
	for name, tt := range map[string]struct {
		env  map[string]string
		set  func(*Config)
		want string
	}{
		"envvar":      {env: map[string]string{"SIGSTORE_ID_TOKEN": "s3cret"}, want: "SIGSTORE_ID_TOKEN: the identity token is not"},
		"filesystem":  {set: func(c *Config) { c.TokenFile = "/nowhere" }, want: "gitseal.tokenFile: open /nowhere"},
		"command":     {set: func(c *Config) { c.TokenCommand = "nowhere" }, want: `gitseal.tokenCommand: program "nowhere"`},
		"spiffe":      {env: map[string]string{"SPIFFE_ENDPOINT_SOCKET": "nowhere"}, want: "SPIFFE_ENDPOINT_SOCKET: "},
		"aws":         {env: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}, want: "AWS_WEB_IDENTITY_TOKEN_FILE: open /nowhere"},
		"google-work": {env: map[string]string{"GCE_METADATA_HOST": "a/b"}, want: "GCE_METADATA_HOST: "},
	} {
		t.Run(name, func(t *testing.T) {
			// Azure's file, last of all, has a token that would do.
			env := map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "/azure"}
			maps.Copy(env, tt.env)
			cfg := surroundings(env, map[string]string{"/azure": good})
			if tt.set != nil {
				tt.set(cfg)
			}
			s, err := Select(Sources(*cfg), "")
			if err != nil || !strings.HasPrefix(s.Name(), name) {
				t.Fatalf("Select: got %v, %v, want the one that was set", s, err)
			}
			checkRefused(t, s, tt.want)
		})
	}
}

func TestSelectStopsAtJobWithoutTokens(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"github-actions":  {"GITHUB_ACTIONS": "true"},
		"gitlab-ci":       {"GITLAB_CI": "true"},
		"buildkite-agent": {"BUILDKITE_AGENT_ACCESS_TOKEN": "s3cret"},
		"circleci":        {"CIRCLECI": "true"},
	} {
		t.Run(name, func(t *testing.T) {
			// The machine has an identity, and a person could log in.
			maps.Copy(env, map[string]string{"GCE_METADATA_HOST": "metadata.google.internal", "SPIFFE_ENDPOINT_SOCKET": "unix:///agent.sock"})
			cfg := surroundings(env, nil)
			cfg.Issuer, cfg.Display, cfg.OpenURL = "https://issuer.example.com", true, func(string) error { return nil }
			s, err := Select(Sources(*cfg), "")
			var none *NoSourceError
			if !errors.As(err, &none) {
				t.Fatalf("Select: got %v, %v, want a *NoSourceError", s, err)
			}
			checkError(t, err, name+": the job ")
			if last := none.Tried[len(none.Tried)-1].Name; last != name {
				t.Errorf("got %s as the last that was tried, want %s", last, name)
			}
			// Who names another means it.
			if s, err := Select(Sources(*cfg), "google-workload-identity"); err != nil {
				t.Errorf("Select by name: got %v, %v, want it", s, err)
			}
		})
	}
}

func TestSelectByName(t *testing.T) {
	env, files := everywhere(t)
	delete(env, "SPIFFE_ENDPOINT_SOCKET")
	sources := Sources(*surroundings(env, files))

	// One that cannot be used is not replaced by one that can.
	_, err := Select(sources, "spiffe")
	var none *NoSourceError
	if !errors.As(err, &none) || len(none.Tried) != 1 {
		t.Fatalf("got %v, want a *NoSourceError of one source", err)
	}
	if got, want := err.Error(), "there is nowhere to get an identity token from: spiffe: SPIFFE_ENDPOINT_SOCKET is not set"; got != want {
		t.Errorf("got error %q, want %q", got, want)
	}

	_, err = Select(sources, "Envvar")
	if errors.As(err, &none) {
		t.Errorf("an unknown name: got a *NoSourceError, want that there is none of that name")
	}
	if want := `no token provider is called "Envvar": there are envvar, filesystem, `; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("an unknown name: got %v, want %q and the rest", err, want)
	}

	// What is only likely has to be named; then nothing more is asked for.
	sources = Sources(*surroundings(nil, nil))
	for _, name := range []string{"google-workload-identity", "azure"} {
		if s, err := Select(sources, name); err != nil || s.Name() != name {
			t.Errorf("%s by name, where nothing says so: got %v, %v, want it", name, s, err)
		}
	}
}

func TestNoSourceError(t *testing.T) {
	cfg := surroundings(nil, nil)
	cfg.Issuer = "https://issuer.example.com"
	cfg.Terminal = func() (io.WriteCloser, error) { return nil, errors.New("no terminal") }
	s, err := Select(Sources(*cfg), "")
	if err == nil {
		t.Fatalf("got %v, want an error", s)
	}
	const want = "there is nowhere to get an identity token from: SIGSTORE_ID_TOKEN, gitseal.tokenFile and gitseal.tokenCommand are not set; " +
		"no CI job or cloud that gives tokens is recognised; browser: "
	if got := err.Error(); !strings.HasPrefix(got, want) || !strings.Contains(got, "; device: ") {
		t.Errorf("got %q, want %q, and why neither browser nor device", got, want)
	}

	// What is not like the others is told.
	cfg = surroundings(map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/aws"}, map[string]string{"/aws": testToken(t, map[string]any{"aud": "sts.amazonaws.com"})})
	cfg.TokenCommand = ""
	if _, err = Select(Sources(*cfg)[1:], ""); err == nil {
		t.Fatal("got a source, want an error")
	}
	checkError(t, err, `gitseal.tokenFile and gitseal.tokenCommand are not set; no CI job or cloud that gives tokens is recognised; aws: the token of AWS_WEB_IDENTITY_TOKEN_FILE is for audience "sts.amazonaws.com", want "sigstore"; browser: `)

	for want, tried := range map[string][]Unavailable{
		"A is not set; no CI job or cloud that gives tokens is recognised":       {{"a", unset("A")}, {"b", elsewhere("B is not here")}},
		"no CI job or cloud that gives tokens is recognised; c: broken; d: same": {{"a", elsewhere("A")}, {"c", errors.New("broken")}, {"b", elsewhere("B")}, {"d", errors.New("same")}},
	} {
		if got := (&NoSourceError{tried}).Error(); got != "there is nowhere to get an identity token from: "+want {
			t.Errorf("got %q, want it to end with %q", got, want)
		}
	}
	for n, want := range []string{
		"there is nowhere to get an identity token from",
		"there is nowhere to get an identity token from: a: A is not set",
		"there is nowhere to get an identity token from: A and B are not set",
	} {
		tried := []Unavailable{{"a", unset("A")}, {"b", fmt.Errorf("here: %w", unset("B"))}}
		if got := (&NoSourceError{tried[:n]}).Error(); got != want {
			t.Errorf("with %d sources: got %q, want %q", n, got, want)
		}
	}
}

func TestSelectOfZeroConfig(t *testing.T) {
	// The zero Config reads files, which a machine may have. All else it lacks.
	s, err := Select(Sources(Config{ReadFile: surroundings(nil, nil).ReadFile}), "")
	if err == nil {
		t.Errorf("got %s, want no source", s.Name())
	}
}

func TestKeysDiffer(t *testing.T) {
	env, files := everywhere(t)
	seen := make(map[string]string)
	for _, s := range Sources(*surroundings(env, files)) {
		k := s.Key()
		if again := s.Key(); k != again || k == "" {
			t.Errorf("%s: got keys %q and %q, want one", s.Name(), k, again)
		}
		// Who logs in is the same person on every screen.
		if other := seen[k]; other != "" && s.Name() != "device" {
			t.Errorf("%s: got the key of %s", s.Name(), other)
		}
		seen[k] = s.Name()
	}

	// What knows who asks by the machine differs between two.
	for _, name := range []string{"spiffe", "google-workload-identity", "azure"} {
		var keys []string
		for _, id := range []string{"", "1\n", "2\n", "1"} {
			files := map[string]string{"/etc/machine-id": id}
			s, err := Select(Sources(*surroundings(map[string]string{"SPIFFE_ENDPOINT_SOCKET": "unix:///agent.sock"}, files)), name)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, s.Key())
		}
		if keys[0] == keys[1] || keys[1] == keys[2] || keys[1] != keys[3] {
			t.Errorf("%s: got keys %q for no machine, two machines and the first again", name, keys)
		}
	}
}

func TestDisplay(t *testing.T) {
	for _, tt := range []struct {
		goos, env string
		want      bool
	}{
		{"linux", "", false},
		{"linux", "DISPLAY", true},
		{"linux", "WAYLAND_DISPLAY", true},
		{"linux", "BROWSER", true},
		{"linux", "SSH_CONNECTION", false},
		{"freebsd", "DISPLAY", true},
		{"freebsd", "", false},
		{"darwin", "", true},
		{"darwin", "SSH_CONNECTION", false},
		{"windows", "", true},
		{"windows", "SSH_CONNECTION", false},
	} {
		getenv := func(name string) string {
			if name == tt.env {
				return "x"
			}
			return ""
		}
		if got := Display(getenv, tt.goos); got != tt.want {
			t.Errorf("Display on %s with %q: got %v, want %v", tt.goos, tt.env, got, tt.want)
		}
	}
}

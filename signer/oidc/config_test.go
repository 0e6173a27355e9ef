package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/internal/transport"
)

// testTime is when the tests of this file's kind of sources happen.
var testTime = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// testSignature is the secret part of the tests' tokens: without it they are
// worth nothing.
var testSignature = base64.RawURLEncoding.EncodeToString([]byte("the part that no error may repeat"))

// testToken returns a token for the audience sigstore with the claims, of
// which nil ones are left out.
func testToken(t testing.TB, claims map[string]any) string {
	t.Helper()
	all := map[string]any{
		"iss": "https://accounts.example.com", "sub": "alice", "aud": "sigstore",
		"iat": testTime.Unix(), "exp": testTime.Add(10 * time.Minute).Unix(),
	}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + base64.RawURLEncoding.EncodeToString(text) + "." + testSignature
}

// surroundings returns a Config with the variables, and with no files but
// those of the map.
func surroundings(env, files map[string]string) *Config {
	return &Config{
		Getenv: func(name string) string { return env[name] },
		ReadFile: func(name string) ([]byte, error) {
			text, ok := files[name]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			if text == "unreadable" {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
			}
			return []byte(text), nil
		},
		LookPath: func(name string) (string, error) { return "", errors.New("executable file not found in $PATH") },
		Client:   transport.New(transport.Config{UserAgent: "gitseal-test", Sleep: noSleep}),
		Now:      func() time.Time { return testTime },
	}
}

// checkToken checks that the source is available and gives the token.
func checkToken(t *testing.T, s Source, want string) {
	t.Helper()
	if err := s.Available(); err != nil {
		t.Fatalf("Available: %v", err)
	}
	grant, err := s.Grant(t.Context())
	if err != nil {
		t.Fatalf("Grant: %v", err)
	}
	if grant.IDToken != want {
		t.Errorf("got token %q, want %q", grant.IDToken, want)
	}
}

// checkRefused checks that the source fails, with these words and without a
// secret.
func checkRefused(t *testing.T, s Source, want string) {
	t.Helper()
	grant, err := s.Grant(t.Context())
	if err == nil {
		t.Fatalf("got a token (%d bytes), want an error with %q", len(grant.IDToken), want)
	}
	checkError(t, err, want)
}

// checkError checks the words of an error, and that no token is in them.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch got := err.Error(); {
	case !strings.Contains(got, want):
		t.Errorf("got error %q, want one with %q", got, want)
	case strings.Contains(got, testSignature), strings.Contains(got, "eyJ"), strings.Contains(got, "s3cret"):
		t.Errorf("the error has a secret in it: %q", got)
	case strings.ContainsAny(got, "\n\r\x1b"):
		t.Errorf("the error is not one line of text: %q", got)
	}
}

func TestGrantChecksTokens(t *testing.T) {
	cfg := surroundings(nil, nil)
	for name, tt := range map[string]struct {
		token, want string
	}{
		"empty":              {" \n", "source: empty, where an identity token is expected"},
		"not a token":        {"hunter2", "source: the identity token is not a JSON web token"},
		"a web page":         {"<!doctype html>", "source: the identity token is not a JSON web token"},
		"two parts":          {"eyJh." + testSignature, "source: the identity token is not a JSON web token"},
		"no claims":          {"eyJh.eyJi." + testSignature, "source: the claims of the identity token are not JSON"},
		"too long":           {testToken(t, map[string]any{"x": strings.Repeat("x", maxToken)}), "source: the identity token is not a JSON web token"},
		"no issuer":          {testToken(t, map[string]any{"iss": nil}), "source: the identity token names no issuer"},
		"no subject":         {testToken(t, map[string]any{"sub": nil}), "source: the identity token names no subject"},
		"another's audience": {testToken(t, map[string]any{"aud": "vault"}), `source: the identity token is for audience "vault", want "sigstore"`},
		"expired":            {testToken(t, map[string]any{"exp": testTime.Add(-time.Minute).Unix()}), "source: the identity token expired"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cfg.grant("source", tt.token)
			if err == nil {
				t.Fatalf("got a grant, want an error with %q", tt.want)
			}
			checkError(t, err, tt.want)
		})
	}
	token := testToken(t, nil)
	grant, err := cfg.grant("source", "\t"+token+"\r\n")
	if err != nil || grant.IDToken != token {
		t.Errorf("a token with white space around: got %v, %v, want the token", grant, err)
	}
}

func TestTimeOfZeroConfig(t *testing.T) {
	before := time.Now()
	if got := new(Config).now(); got.Before(before) || got.After(time.Now()) {
		t.Errorf("got %v, want the time of day", got)
	}
}

func TestAudienceOfZeroConfig(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "sigstore"},
		{Config{ClientID: "gitseal"}, "gitseal"},
		{Config{ClientID: "gitseal", Audience: "private"}, "private"},
	} {
		if got := tt.cfg.audience(); got != tt.want {
			t.Errorf("got audience %q, want %q", got, tt.want)
		}
	}
}

func TestTokenKey(t *testing.T) {
	of := func(claims map[string]any) string { return tokenKey("envvar", testToken(t, claims)) }
	alice := of(map[string]any{"email": "alice@example.com"})
	later := of(map[string]any{"email": "alice@example.com", "iat": 1, "exp": 2, "nbf": 3, "jti": "x", "nonce": "y", "at_hash": "z", "c_hash": "c", "auth_time": 4})
	if later != alice {
		t.Errorf("a later token of the same person: got another key, want the same")
	}
	for name, other := range map[string]string{
		"another person":  of(map[string]any{"email": "bob@example.com"}),
		"another subject": of(map[string]any{"email": "alice@example.com", "sub": "al"}),
		"another issuer":  of(map[string]any{"email": "alice@example.com", "iss": "https://evil.example.com"}),
		"another job":     of(map[string]any{"email": "alice@example.com", "job_id": "2"}),
		"another source":  tokenKey("filesystem", testToken(t, map[string]any{"email": "alice@example.com"})),
		"no token":        tokenKey("envvar", "hunter2"),
	} {
		if other == alice {
			t.Errorf("%s: got the same key", name)
		}
	}
	if tokenKey("envvar", "hunter2") == tokenKey("envvar", "hunter3") {
		t.Error("two texts that are no tokens: got the same key")
	}
	if key("a", "bc") == key("ab", "c") {
		t.Error("two lists of parts with the same text: got the same key")
	}
}

func TestReadRegular(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	write := func(size int) {
		if err := os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(maxToken)
	if data, err := readRegular(path); err != nil || len(data) != maxToken {
		t.Errorf("the longest file: got %d bytes, %v, want %d", len(data), err, maxToken)
	}
	write(maxToken + 1)
	if _, err := readRegular(path); err == nil || !strings.Contains(err.Error(), "longer than 65536 bytes") {
		t.Errorf("a longer file: got error %v, want one about its length", err)
	}
	if _, err := readRegular(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: got error %v, want one that it is no file", err)
	}
	if _, err := readRegular(path + "2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got error %v, want %v", err, fs.ErrNotExist)
	}
}

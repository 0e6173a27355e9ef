package oidc

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := surroundings(nil, nil)
	cfg.ReadFile, cfg.TokenFile = nil, path
	s := file{cfg}
	first, second := testToken(t, nil), testToken(t, map[string]any{"jti": "2"})
	write(first + "\n")
	checkToken(t, s, first)
	before := s.Key()
	// Whoever writes the file replaces the token before it expires.
	write(second)
	checkToken(t, s, second)
	if s.Key() != before {
		t.Error("the next token in the file: got another key, want the same")
	}
	write(testToken(t, map[string]any{"sub": "bob"}))
	if s.Key() == before {
		t.Error("somebody else's token in the file: got the same key")
	}
}

func TestFileOfCosign(t *testing.T) {
	token := testToken(t, nil)
	checkToken(t, file{surroundings(nil, map[string]string{"/var/run/sigstore/cosign/oidc-token": token})}, token)
	if err := (file{surroundings(nil, nil)}).Available(); err == nil || err.Error() != "gitseal.tokenFile is not set" {
		t.Errorf("no file: got %v, want that none is set", err)
	}
	// One that is there and cannot be read is not the same as none.
	s := file{surroundings(nil, map[string]string{"/var/run/sigstore/cosign/oidc-token": "unreadable"})}
	if err := s.Available(); err != nil {
		t.Errorf("a file that cannot be read: got %v from Available, want nil", err)
	}
	checkRefused(t, s, "permission denied")
}

func TestFileBroken(t *testing.T) {
	for name, tt := range map[string]struct{ path, text, want string }{
		"no file":       {"/token", "", "gitseal.tokenFile: open /token: file does not exist"},
		"unreadable":    {"/token", "unreadable", "gitseal.tokenFile: open /token: permission denied"},
		"relative":      {"token", testToken(t, nil), `gitseal.tokenFile: "token" is not the whole path of a file`},
		"not a token":   {"/token", "s3cret", "gitseal.tokenFile: the identity token is not"},
		"other's":       {"/token", testToken(t, map[string]any{"aud": "x"}), `is for audience "x", want "sigstore"`},
		"empty":         {"/token", "\n", "gitseal.tokenFile: empty"},
		"a private key": {"/token", "-----BEGIN PRIVATE KEY-----\ns3cret", "gitseal.tokenFile: the identity token is not"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{tt.path: tt.text}
			if tt.text == "" {
				files = nil
			}
			cfg := surroundings(nil, files)
			cfg.TokenFile = tt.path
			s := file{cfg}
			if err := s.Available(); err != nil {
				t.Errorf("Available: got %v, want nil: it was set", err)
			}
			checkRefused(t, s, tt.want)
			if s.Key() == "" {
				t.Error("got no key")
			}
		})
	}
}

func TestMounted(t *testing.T) {
	const path = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	const cloud = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
	token := testToken(t, map[string]any{"iss": "https://oidc.eks.example.com", "sub": "system:serviceaccount:ns:sa", "aud": []string{"x", "sigstore"}})
	checkToken(t, mounted{surroundings(nil, map[string]string{path: token}), kubernetes}, token)
	env := map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": cloud}
	checkToken(t, mounted{surroundings(env, map[string]string{cloud: token}), aws}, token)

	// Tokens for others stay where they are.
	theirs := testToken(t, map[string]any{"aud": []string{"sts.amazonaws.com"}})
	err := mounted{surroundings(env, map[string]string{cloud: theirs}), aws}.Available()
	if err == nil {
		t.Fatal("a token for the cloud: got available")
	}
	checkError(t, err, `the token of AWS_WEB_IDENTITY_TOKEN_FILE is for audience "sts.amazonaws.com", want "sigstore"`)
	err = mounted{surroundings(nil, map[string]string{path: theirs}), kubernetes}.Available()
	if err == nil {
		t.Fatal("a token for the cluster: got available")
	}
	checkRefused(t, mounted{surroundings(nil, map[string]string{path: theirs}), kubernetes}, "is for audience")

	// What is broken is not passed over.
	for _, text := range []string{"unreadable", "s3cret", ""} {
		s := mounted{surroundings(env, map[string]string{cloud: text}), aws}
		if err := s.Available(); err != nil {
			t.Errorf("%q: Available: got %v, want nil", text, err)
		}
		checkRefused(t, s, "AWS_WEB_IDENTITY_TOKEN_FILE: ")
	}
	// But what a cluster mounts for everybody may be for another user to read.
	err = mounted{surroundings(nil, map[string]string{path: "unreadable"}), kubernetes}.Available()
	if want := path + ": the token there is another user's"; err == nil || err.Error() != want {
		t.Errorf("another user's: got %v, want %q", err, want)
	}
	for _, s := range []Source{mounted{surroundings(nil, nil), kubernetes}, mounted{surroundings(nil, nil), aws}} {
		if err := s.Available(); err == nil {
			t.Errorf("%s: nothing mounted: got available", s.Name())
		}
	}
}

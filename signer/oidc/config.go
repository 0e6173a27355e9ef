package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"gitseal/internal/transport"
	"gitseal/signer"
)

// defaultAudience is whom Sigstore's public instance wants tokens to be for.
const defaultAudience = "sigstore"

// maxToken bounds what is read as a token, in bytes. Those of CI systems have
// about 2 kB.
const maxToken = 1 << 16

// A Config says where tokens may come from. The zero Config knows no variable
// of the environment, no setting, no terminal and no display.
type Config struct {
	Audience string // whom tokens must be for; "": ClientID, and "sigstore" without one

	// The surroundings.
	Getenv       func(name string) string          // of this process; nil: every variable is empty
	ReadFile     func(name string) ([]byte, error) // nil: reads regular files of at most 64 KiB
	LookPath     func(name string) (string, error) // finds programs; nil: exec.LookPath
	Environ      []string                          // of programs that are run; nil: that of this process
	TokenFile    string                            // gitseal.tokenFile: a file with a token; "": cosign's, if it is there
	TokenCommand string                            // gitseal.tokenCommand: see SplitCommand; "": none

	// Logging in.
	Issuer       string                                     // URL; "": there is nowhere to log in
	ClientID     string                                     // of this program at the issuer; "": Audience
	ClientSecret string                                     // "": a public client, as it should be
	ConnectorID  string                                     // whom a Dex is to ask; "": it offers a choice
	OpenURL      func(url string) error                     // opens a browser; nil: the person does, who reads the URL on the terminal
	Display      bool                                       // a browser can be shown here: see Display
	Terminal     func() (io.WriteCloser, error)             // the person's, never stdout or stderr; nil: there is none. Its error is a clause that says why
	Sleep        func(context.Context, time.Duration) error // between questions whether the person is done; nil: Client.Pause

	Client *transport.Client // asks issuers, and GitHub; nil: nobody can log in, and GitHub gives no tokens
	Rand   io.Reader         // nil: crypto/rand
	Now    func() time.Time  // nil: time.Now
}

// audience returns whom tokens must be for.
func (c *Config) audience() string {
	switch {
	case c.Audience != "":
		return c.Audience
	case c.ClientID != "":
		return c.ClientID
	}
	return defaultAudience
}

// getenv returns a variable of the environment.
func (c *Config) getenv(name string) string {
	if c.Getenv == nil {
		return ""
	}
	return c.Getenv(name)
}

// now returns the time of day.
func (c *Config) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// readFile returns the content of a file of at most maxToken bytes.
func (c *Config) readFile(name string) ([]byte, error) {
	if c.ReadFile == nil {
		return readRegular(name)
	}
	return c.ReadFile(name)
}

// grant returns the token that from gave, if it is one for the audience that
// has not expired. The authority finds out more, and tells less.
func (c *Config) grant(from, token string) (*Grant, error) {
	// Files and programs end their last line, and so do variables that were
	// made of those.
	token = strings.TrimSpace(token)
	if token == "" {
		return nil, fmt.Errorf("%s: empty, where an identity token is expected", from)
	}
	claims, err := signer.ReadClaims(token)
	if err == nil {
		err = claims.Check(c.now(), c.audience())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return &Grant{IDToken: token}, nil
}

// within calls do with a context that ends after d, and says so where that is
// why it fails.
func within(ctx context.Context, d time.Duration, do func(context.Context) error) error {
	tctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	err := do(tctx)
	if err != nil && tctx.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("no answer within %v: %w", d, err)
	}
	return err
}

// key returns a Source's Key, over all of the parts.
func key(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		sum := sha256.Sum256([]byte(part)) // of one size: no two lists make the same text
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// machine returns what tells this machine from others (machine-id(5)); "" if
// nothing does. A certificate may be kept where several look for it: an agent
// serves other machines too, over ssh.
func (c *Config) machine() string {
	id, err := c.readFile("/etc/machine-id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// volatile are the claims that differ between two tokens for one person or
// job (RFC 7519, section 4.1, and OpenID Connect Core, section 2).
var volatile = []string{"iat", "nbf", "exp", "jti", "auth_time", "nonce", "at_hash", "c_hash"}

// tokenKey returns the Key of a source that has a token at hand. A new token
// for the same person has the same key, one for the next job of a pipeline,
// which says so in claims that the certificate repeats, has another. Nobody
// has verified the claims: all that they decide is which certificate is looked
// for, and who that one is for is compared by those who use it.
func tokenKey(name, token string) string {
	token = strings.TrimSpace(token)
	claims, err := lastingClaims(token)
	if err != nil {
		return key(name, "unreadable", token)
	}
	return key(name, "claims", claims)
}

// lastingClaims returns the claims of a token that are not volatile, as text
// in one form.
func lastingClaims(token string) (string, error) {
	if _, err := signer.ReadClaims(token); err != nil {
		return "", err
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		return "", err
	}
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", err
	}
	for _, claim := range volatile {
		delete(claims, claim)
	}
	text, err := json.Marshal(claims) // in the order of the names
	return string(text), err
}

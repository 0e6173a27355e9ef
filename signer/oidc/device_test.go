package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gitseal/signer/oidc/oidctest"
)

// codeLine is what a person reads on the terminal.
var codeLine = regexp.MustCompile(`(?m)^gitseal: log in at (\S+) with the code (\S+)$`)

// enter enters the code that is on the terminal.
func (d *desk) enter() {
	m := codeLine.FindStringSubmatch(d.told())
	if m == nil {
		d.t.Fatalf("there is no code on the terminal: %q", d.told())
	}
	if err := d.Approve(d.t.Context(), m[1], m[2]); err != nil {
		d.t.Error(err)
	}
}

// A nap is how Config.Sleep passes the time in tests: it takes note of how long,
// and at the end of the n-th, from 1, something happens.
type nap struct {
	took []time.Duration
	at   map[int]func()
}

func (n *nap) sleep(ctx context.Context, d time.Duration) error {
	n.took = append(n.took, d)
	if wake := n.at[len(n.took)]; wake != nil {
		wake()
	}
	return ctx.Err()
}

func TestDeviceLogsIn(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{})
	d := newDesk(t)
	d.Email = "alice@example.com"
	n := &nap{at: map[int]func(){2: d.enter}}
	cfg := loginAt(issuer, d)
	cfg.Sleep, cfg.Display, cfg.OpenURL = n.sleep, false, nil
	g := granted(t, NewDevice(cfg), "alice@example.com")
	if g.Session == nil || g.Session.Subject != oidctest.Subject("alice@example.com") || g.Session.RefreshToken == "" {
		t.Error("there is no session to renew the login by")
	}
	if want := []time.Duration{5 * time.Second, 5 * time.Second}; !slices.Equal(n.took, want) {
		t.Errorf("asked after %v, want %v", n.took, want)
	}
	if !strings.Contains(d.told(), "gitseal: or open "+issuer.URL+"/device?user_code=") {
		t.Errorf("the terminal says %q", d.told())
	}
	k.check(t, d.told())
}

// TestDeviceRefusesLogins has one thing wrong in each.
func TestDeviceRefusesLogins(t *testing.T) {
	code := func(name string, value any) oidctest.Config {
		return oidctest.Config{Code: func(answer map[string]any) { answer[name] = value }}
	}
	poll := func(refusal string) oidctest.Config {
		return oidctest.Config{Poll: func(int) string { return refusal }}
	}
	nowhere := oidctest.Config{Discovery: func(document map[string]any) { delete(document, "device_authorization_endpoint") }}
	silent := oidctest.Config{Before: func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			panic(http.ErrAbortHandler)
		}
		return false
	}}
	for name, tt := range map[string]struct {
		cfg  oidctest.Config
		want string
	}{
		"no device endpoint":           {nowhere, "the issuer offers no login on another device (it names no device_authorization_endpoint)"},
		"a refusal by the person":      {poll("access_denied"), "the login was refused: access_denied"},
		"a refusal by the issuer":      {poll("invalid_grant"), "the issuer refuses: invalid_grant"},
		"a code that expired":          {poll("expired_token"), "nobody logged in in time: the code was not entered"},
		"a code that nobody enters":    {poll("authorization_pending"), "nobody logged in in time: the code was not entered"},
		"an issuer that has gone":      {silent, "the connection was closed before the answer was whole"},
		"a code with control bytes":    {code("user_code", "AB\x1b[2J"), "a code that cannot be shown"},
		"a code in other letters":      {code("user_code", "АВС"), "a code that cannot be shown"},
		"a page over plain http":       {code("verification_uri", "http://issuer.example/device"), "an endpoint that is reached over plain http"},
		"a page that is none":          {code("verification_uri", "javascript:alert(1)"), "not the URL of an endpoint"},
		"a full page over plain http":  {code("verification_uri_complete", "http://issuer.example/device"), "an endpoint that is reached over plain http"},
		"a page with a line break":     {code("verification_uri", "https://issuer.example/\ngitseal: all is well"), "not the URL of an endpoint"},
		"no page":                      {oidctest.Config{Code: func(answer map[string]any) { delete(answer, "verification_uri") }}, "it does not say where to enter the code"},
		"no code":                      {oidctest.Config{Code: func(answer map[string]any) { delete(answer, "device_code") }}, `no member "device_code"`},
		"a code of no use":             {code("expires_in", 0), "the code is of no use any more"},
		"a token for another audience": {claim("aud", "vault"), `expected audience "sigstore"`},
		"an unverified address":        {claim("email_verified", false), "the issuer has not verified the e-mail address"},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, k := newIssuer(t, tt.cfg)
			d := newDesk(t)
			n := new(nap)
			if tt.cfg.Poll == nil {
				n.at = map[int]func(){1: d.enter}
			}
			cfg := loginAt(issuer, d)
			cfg.Sleep = n.sleep
			refusal(t, NewDevice(cfg), k, tt.want)
			if strings.ContainsAny(d.told(), "\x1b\r") {
				t.Errorf("the terminal got %q", d.told())
			}
		})
	}
}

func TestDeviceSaysThatThePersonRefused(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{})
	d := newDesk(t)
	d.Denies = true
	n := &nap{at: map[int]func(){1: d.enter}}
	cfg := loginAt(issuer, d)
	cfg.Sleep = n.sleep
	refusal(t, NewDevice(cfg), k, "the login was refused: access_denied")
}

func TestDeviceCanBeInterrupted(t *testing.T) {
	issuer, _ := newIssuer(t, oidctest.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	n := &nap{at: map[int]func(){2: cancel}}
	cfg := loginAt(issuer, newDesk(t))
	cfg.Sleep = n.sleep
	_, err := NewDevice(cfg).Grant(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v, want one about the interruption", err)
	}
	checkError(t, err, "the login was given up")
	if got := issuer.Requests("/token"); got != 1 {
		t.Errorf("asked %d times, want once", got)
	}
}

// TestDeviceNeedsATerminal: a code that nobody sees is not asked for.
func TestDeviceNeedsATerminal(t *testing.T) {
	issuer, k := newIssuer(t, oidctest.Config{})
	cfg := loginAt(issuer, newDesk(t))
	for want, terminal := range map[string]func() (io.WriteCloser, error){
		"there is no terminal":      nil,
		"the terminal is another's": func() (io.WriteCloser, error) { return nil, errors.New("the terminal is another's") },
	} {
		cfg.Terminal = terminal
		err := NewDevice(cfg).Available()
		if err == nil {
			t.Fatalf("available, want an error with %q", want)
		}
		checkError(t, err, want)
		refusal(t, NewDevice(cfg), k, want)
	}
	if got := issuer.Requests("/device/code"); got != 0 {
		t.Errorf("%d codes were asked for", got)
	}
}

func TestDeviceTakesGooglesNameOfThePage(t *testing.T) {
	issuer, _ := newIssuer(t, oidctest.Config{Code: func(answer map[string]any) {
		answer["verification_url"] = answer["verification_uri"]
		delete(answer, "verification_uri")
		delete(answer, "verification_uri_complete")
	}})
	d := newDesk(t)
	n := &nap{at: map[int]func(){1: d.enter}}
	cfg := loginAt(issuer, d)
	cfg.Sleep = n.sleep
	granted(t, NewDevice(cfg), oidctest.DefaultEmail)
	if got := strings.Count(d.told(), "\n"); got != 1 {
		t.Errorf("the terminal says %q", d.told())
	}
}

// FuzzDeviceCode checks that what is shown to people can be, and is what the
// answer says.
func FuzzDeviceCode(f *testing.F) {
	for _, text := range []string{
		`{"device_code":"d","user_code":"ABCD-EFGH","verification_uri":"https://i.example/device","expires_in":300,"interval":5}`,
		`{"device_code":"d","user_code":"U","verification_url":"https://i.example/d","verification_uri_complete":null,"expires_in":1,"more":[{}]}`,
		`{"device_code":"d","user_code":"U\u001b","verification_uri":"http://i.example/","expires_in":1e3}`,
		`{"device_code":"d","device_code":"e"}`, `[]`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseCode(text, "https://i.example")
		if err != nil {
			return
		}
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatalf("%q is read, and is no JSON: %v", text, err)
		}
		if c.device != m["device_code"] || c.user != m["user_code"] || c.at != m["verification_uri"] && c.at != m["verification_url"] {
			t.Errorf("%q is read as %+v", text, c)
		}
		for _, u := range []string{c.at, c.complete} {
			if u != "" && checkEndpoint(u, "https://i.example") != nil {
				t.Errorf("%q is no URL to send people to", u)
			}
		}
		lines := strings.Split(strings.TrimSuffix(c.instruction(), "\n"), "\n")
		for _, line := range lines {
			if !strings.HasPrefix(line, "gitseal: ") || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("the terminal gets %q", line)
			}
		}
		if len(lines) > 2 || c.interval < time.Second || c.interval > maxInterval || c.lasts < time.Second || c.lasts > maxWait {
			t.Errorf("%q is read as %+v", text, c)
		}
	})
}

package oidc

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"gitseal/signer/oidc/oidctest"
)

// redirectOf returns the port to which an issuer sends the browser back, and
// the state that it brings.
func redirectOf(t testing.TB, loginURL string) (back *url.URL, state string) {
	u, err := url.Parse(loginURL)
	if err != nil {
		t.Error(err)
		return nil, ""
	}
	if back, err = url.Parse(u.Query().Get("redirect_uri")); err != nil {
		t.Error(err)
	}
	return back, u.Query().Get("state")
}

// TestCallbackIgnoresWhatIsNotTheLogin sends to the port what is not the
// person's return; then they return, and are logged in.
func TestCallbackIgnoresWhatIsNotTheLogin(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(r *http.Request) // a request that would be the login
		status int
	}{
		"a name that was made to lead here": {func(r *http.Request) { r.Host = "evil.example:" + r.URL.Port() }, http.StatusMisdirectedRequest},
		"another port's name":               {func(r *http.Request) { r.Host = "localhost:1" }, http.StatusMisdirectedRequest},
		"a name without a port":             {func(r *http.Request) { r.Host = "localhost" }, http.StatusMisdirectedRequest},
		"another path":                      {func(r *http.Request) { r.URL.Path = "/auth/callback/" }, http.StatusNotFound},
		"the picture that browsers look for": {func(r *http.Request) {
			r.URL.Path, r.URL.RawQuery = "/favicon.ico", ""
		}, http.StatusNotFound},
		"a form of another site": {func(r *http.Request) {
			r.Method = http.MethodPost
			r.Header = http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}
		}, http.StatusMethodNotAllowed},
		"a question about the page":    {func(r *http.Request) { r.Method = http.MethodHead }, http.StatusMethodNotAllowed},
		"a script's request":           {func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "no-cors") }, http.StatusForbidden},
		"a frame":                      {func(r *http.Request) { r.Header.Set("Sec-Fetch-Dest", "iframe") }, http.StatusForbidden},
		"a picture":                    {func(r *http.Request) { r.Header.Set("Sec-Fetch-Dest", "image") }, http.StatusForbidden},
		"a page fetched ahead of need": {func(r *http.Request) { r.Header.Set("Sec-Purpose", "prefetch;prerender") }, http.StatusForbidden},
		"a script's socket": {func(r *http.Request) {
			// Chromium 156 says of it none of what it says of others.
			r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Origin": {"https://evil.example"}}
		}, http.StatusForbidden},
		"another state":     {func(r *http.Request) { set(r, "state", "guessed") }, http.StatusBadRequest},
		"no state":          {func(r *http.Request) { set(r, "state", "") }, http.StatusBadRequest},
		"two states":        {func(r *http.Request) { r.URL.RawQuery += "&state=guessed" }, http.StatusBadRequest},
		"two codes":         {func(r *http.Request) { r.URL.RawQuery += "&code=theirs" }, http.StatusBadRequest},
		"a malformed query": {func(r *http.Request) { r.URL.RawQuery += "&a=%" }, http.StatusBadRequest},
		"a long header":     {func(r *http.Request) { r.Header.Set("Cookie", strings.Repeat("x", 1<<16)) }, http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, _ := newIssuer(t, oidctest.Config{})
			d := newDesk(t)
			d.visit = func(loginURL string) {
				back, state := redirectOf(t, loginURL)
				r, err := http.NewRequest(http.MethodGet, back.String()+"?code=theirs&state="+state, nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Sec-Fetch-Mode", "navigate")
				r.Header.Set("Sec-Fetch-Dest", "document")
				tt.change(r)
				resp, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if resp.StatusCode != tt.status {
					t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
				}
				d.logIn(loginURL)
			}
			granted(t, NewBrowser(loginAt(issuer, d)), oidctest.DefaultEmail)
			if page := d.page(); page.Status != http.StatusOK {
				t.Errorf("the person sees, with status %d: %s", page.Status, page.Text)
			}
		})
	}
}

// set changes a parameter of a request's query.
func set(r *http.Request, name, value string) {
	q := r.URL.Query()
	if q.Set(name, value); value == "" {
		q.Del(name)
	}
	r.URL.RawQuery = q.Encode()
}

// TestCallbackIsUsedOnce: what comes back a second time, while the first is
// still looked at, is another page, and its code is not redeemed.
func TestCallbackIsUsedOnce(t *testing.T) {
	for name, again := range map[string]func(t *testing.T, d *desk, loginURL, back string) (*oidctest.Page, error){
		"the same code again": func(t *testing.T, d *desk, _, back string) (*oidctest.Page, error) {
			return oidctest.Open(t.Context(), back)
		},
		"the URL of the login again": func(t *testing.T, d *desk, loginURL, _ string) (*oidctest.Page, error) {
			return d.Login(t.Context(), loginURL)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			var loginURL, back string // set before the first token is asked for
			issuer, _ := newIssuer(t, oidctest.Config{Before: func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/token" {
					return false
				}
				page, err := again(t, d, loginURL, back)
				if err != nil {
					t.Error(err)
				} else if page.Status != http.StatusGone || !strings.Contains(page.Text, "Done already") {
					t.Errorf("the second time the person sees, with status %d: %s", page.Status, page.Text)
				}
				return false
			}})
			d.visit = func(u string) {
				var err error
				loginURL = u
				if back, err = d.Redirect(t.Context(), u); err != nil {
					t.Error(err)
				}
				page, err := oidctest.Open(t.Context(), back)
				if err != nil {
					t.Error(err)
				}
				d.seen <- page
			}
			granted(t, NewBrowser(loginAt(issuer, d)), oidctest.DefaultEmail)
			if page := d.page(); page.Status != http.StatusOK || !strings.Contains(page.Text, "Signed in as") {
				t.Errorf("the first time the person sees, with status %d: %s", page.Status, page.Text)
			}
			if got := issuer.Requests("/token"); got != 1 {
				t.Errorf("%d codes were redeemed, want 1", got)
			}
		})
	}
}

// TestCallbackDoesNotWaitForTheSlow: who opens the port and says nothing keeps
// nobody from logging in, and does not keep the port open.
func TestCallbackDoesNotWaitForTheSlow(t *testing.T) {
	issuer, _ := newIssuer(t, oidctest.Config{})
	d := newDesk(t)
	var silent []net.Conn
	d.visit = func(loginURL string) {
		back, _ := redirectOf(t, loginURL)
		for _, text := range []string{"", "GET /auth/callback?state=", "GET /auth/callback HTTP/1.1\r\nHost: local"} {
			conn, err := net.Dial("tcp", "127.0.0.1:"+back.Port())
			if err != nil {
				t.Error(err)
				return
			}
			silent = append(silent, conn)
			if _, err := io.WriteString(conn, text); err != nil {
				t.Error(err)
			}
		}
		d.logIn(loginURL)
	}
	granted(t, NewBrowser(loginAt(issuer, d)), oidctest.DefaultEmail)
	d.page()
	for _, conn := range silent {
		if _, err := bufio.NewReader(conn).ReadByte(); err == nil {
			t.Error("an answer to half a request")
		}
		conn.Close()
	}
}

// TestPersonWhoClosesThePageIsLoggedIn: the code has come.
func TestPersonWhoClosesThePageIsLoggedIn(t *testing.T) {
	d := newDesk(t)
	gone := make(chan net.Conn, 1)
	issuer, _ := newIssuer(t, oidctest.Config{Before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			(<-gone).Close()
		}
		return false
	}})
	d.visit = func(loginURL string) {
		back, err := d.Redirect(t.Context(), loginURL)
		if err != nil {
			t.Error(err)
			return
		}
		u, err := url.Parse(back)
		if err != nil {
			t.Error(err)
			return
		}
		conn, err := net.Dial("tcp", "127.0.0.1:"+u.Port())
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := io.WriteString(conn, "GET "+u.RequestURI()+" HTTP/1.1\r\nHost: "+u.Host+"\r\n\r\n"); err != nil {
			t.Error(err)
		}
		gone <- conn
	}
	granted(t, NewBrowser(loginAt(issuer, d)), oidctest.DefaultEmail)
}

// TestCallbackHoldsTheNameLocalhost: it is at both addresses of the name, so
// nobody else can be at one of them.
func TestCallbackHoldsTheNameLocalhost(t *testing.T) {
	c, err := listen(t.Context(), "state")
	if err != nil {
		t.Fatal(err)
	}
	addresses := []string{"127.0.0.1"}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		l.Close()
		addresses = append(addresses, "::1")
	}
	for _, address := range addresses {
		at := net.JoinHostPort(address, c.port)
		if l, err := net.Listen("tcp", at); err == nil {
			l.Close()
			t.Errorf("somebody else could listen at %s", at)
		}
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Errorf("nobody listens at %s: %v", at, err)
			continue
		}
		conn.Close()
	}
	c.stop()
	for _, address := range addresses {
		if conn, err := net.Dial("tcp", net.JoinHostPort(address, c.port)); err == nil {
			conn.Close()
			t.Errorf("after the end somebody listens at %s", address)
		}
	}
}

// TestCallbackIsClosedWhenItIsStopped: also before it has begun to listen to
// anybody.
func TestCallbackIsClosedWhenItIsStopped(t *testing.T) {
	for range 100 {
		c, err := listen(t.Context(), "state")
		if err != nil {
			t.Fatal(err)
		}
		c.stop()
		if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", c.port)); err == nil {
			conn.Close()
			t.Fatal("somebody still waits for the browser")
		}
	}
}

// FuzzBrowserAnswer checks that a parameter counts once or not at all, and that
// what is shown of it can be.
func FuzzBrowserAnswer(f *testing.F) {
	for _, query := range []string{
		"state=s&code=c", "state=s&code=c&iss=https%3A%2F%2Fissuer.example", "error=access_denied&error_description=no&state=s",
		"state=s&state=s", "code=c;state=s", "", "%zz", "error=%1b%5b31m&error_description=%0a",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		a, err := parseAuthResponse(query)
		if err != nil {
			return
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatalf("%q is read, and is no query: %v", query, err)
		}
		got, want := []string{a.state, a.code, a.issuer}, []string{values.Get("state"), values.Get("code"), values.Get("iss")}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if (a.refused != nil) != (values.Get("error") != "") {
			t.Errorf("refused is %v, error=%q", a.refused, values.Get("error"))
		}
		if a.refused != nil && strings.ContainsAny(a.refused.Error(), "\n\r\x1b\x00") {
			t.Errorf("%q cannot be shown", a.refused.Error())
		}
	})
}

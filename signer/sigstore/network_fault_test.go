package sigstore_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca/server"
)

// The services of an instance, each at an address of its own.
var services = []struct {
	name, step, path string
	repeats          bool // is asked again when nobody knows what became of the request
}{
	{"Fulcio", certifying, "/api/v2/signingCert", false},
	{"Rekor", recording, "/log/entries", true},
	{"time-stamp authority", stamping, "/api/v1/timestamp", true},
}

// A failure is a way in which a network, or what is in it, fails one service.
type failure struct {
	name string
	// answer takes the place of the honest handler's, the nth time from 1 that
	// the service is asked; nil: see address.
	answer func(w http.ResponseWriter, r *http.Request, honest http.Handler, n int)
	// address takes the place of the service's address.
	address func(t *testing.T) string

	words    string        // in the error of a service that is not asked again
	repeated string        // in the error of a service that is; "": the same
	once     bool          // asked again, the service answers
	asks     int           // how often a service that is asked again is asked; 0: once
	pause    time.Duration // that such a service wants at least
}

func failures() []failure {
	status := func(code int, body string) func(http.ResponseWriter, *http.Request, http.Handler, int) {
		return func(w http.ResponseWriter, _ *http.Request, _ http.Handler, _ int) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	return []failure{
		{
			name: "refuses connections", address: func(*testing.T) string { return nobody },
			words: "nothing listens there: connection refused (3 attempts)",
		}, {
			name: "has no address", address: func(*testing.T) string { return "https://nowhere.invalid" },
			words: `no host is called "nowhere.invalid"`,
		}, {
			name: "has an address that nobody tells", address: func(*testing.T) string { return "https://unknown.invalid" },
			words: `looking up host "unknown.invalid": the name server does not answer (3 attempts)`,
		}, {
			name: "is somebody else", address: func(t *testing.T) string { return listening(t, true) },
			words: "its TLS certificate is by an unknown authority",
		}, {
			name: "speaks no TLS", address: func(t *testing.T) string { return strings.Replace(listening(t, false), "http:", "https:", 1) },
			words: "what listens there does not speak TLS",
		}, {
			name: "is cut off in mid-answer", answer: cut, asks: 3,
			words: "the connection was closed before the answer was whole", repeated: "(3 attempts)",
		}, {
			name: "is cut off once", asks: 2, once: true,
			words: "the connection was closed before the answer was whole",
			answer: func(w http.ResponseWriter, r *http.Request, honest http.Handler, n int) {
				if n == 1 {
					cut(w, r, honest, n)
				}
				honest.ServeHTTP(w, r)
			},
		}, {
			name: "refuses", answer: status(403, `{"code":7,"message":"not you\nagain"}`),
			words: "status 403 Forbidden: not you again",
		}, {
			name: "repeats secrets", words: "status 400 Bad Request: bad token [redacted]",
			answer: func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ int) {
				w.WriteHeader(400)
				token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
				if token == "" {
					token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA" // of somebody else
				}
				_, _ = fmt.Fprintf(w, `{"code":3,"message":"bad token %s"}`, token)
			},
		}, {
			name: "is broken", answer: status(503, `{"code":14,"message":"come back later"}`), asks: 3,
			words: "status 503 Service Unavailable: come back later",
		}, {
			name: "is broken once", asks: 2, once: true, words: "status 502 Bad Gateway",
			answer: func(w http.ResponseWriter, r *http.Request, honest http.Handler, n int) {
				if n == 1 {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				honest.ServeHTTP(w, r)
			},
		}, {
			name: "is busy, and says for how long", asks: 2, once: true, pause: 7 * time.Second, words: "status 429 Too Many Requests",
			answer: func(w http.ResponseWriter, r *http.Request, honest http.Handler, n int) {
				if n == 1 {
					w.Header().Set("Retry-After", "7")
					w.WriteHeader(http.StatusTooManyRequests)
					return
				}
				honest.ServeHTTP(w, r)
			},
		}, {
			name: "is busy for an hour", words: "status 429 Too Many Requests",
			answer: func(w http.ResponseWriter, _ *http.Request, _ http.Handler, _ int) {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusTooManyRequests)
			},
		}, {
			name: "is behind a page that wants a login", words: "a web page in place of an answer: a captive portal?",
			answer: func(w http.ResponseWriter, _ *http.Request, _ http.Handler, _ int) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				_, _ = w.Write([]byte("<html>Welcome to the hotel</html>"))
			},
		}, {
			name: "is behind a redirect", words: "the answer redirects to portal.invalid, which is not followed: a captive portal?",
			answer: func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ int) {
				http.Redirect(w, r, "https://portal.invalid/login", http.StatusTemporaryRedirect)
			},
		}, {
			name: "is behind a network that wants a login", answer: status(511, ""), words: "a captive portal",
		}, {
			name: "answers without end", words: "the answer is longer than",
			answer: func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ int) {
				page := bytes.Repeat([]byte(" "), 1<<16)
				for r.Context().Err() == nil {
					if _, err := w.Write(page); err != nil {
						return
					}
				}
			},
		}, {
			name: "answers nothing", words: "reading the answer of",
			answer: func(w http.ResponseWriter, r *http.Request, honest http.Handler, _ int) {
				w.WriteHeader(record(honest, r).Code)
			},
		}, {
			name: "answers more than it should", words: "reading the answer of",
			answer: func(w http.ResponseWriter, r *http.Request, honest http.Handler, _ int) {
				recorded := record(honest, r)
				replay(w, recorded, append(bytes.TrimSpace(recorded.Body.Bytes()), "{}"...))
			},
		},
	}
}

// cut sends half of the honest answer and closes the connection.
func cut(w http.ResponseWriter, r *http.Request, honest http.Handler, _ int) {
	recorded := record(honest, r)
	body := recorded.Body.Bytes()
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	replay(w, recorded, body[:len(body)/2])
	panic(http.ErrAbortHandler)
}

// nobody is the URL of a server that is not there: the port is none that a
// system gives to who asks for any, as that of a server that was closed is.
const nobody = "http://127.0.0.1:1"

// listening returns the URL of a server, with a certificate that nobody vouches
// for if it is to be secure, that nobody should ask anything.
func listening(t *testing.T, secure bool) string {
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("asked %s %s", r.Method, r.URL)
	}))
	ts.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of handshakes that fail
	if secure {
		ts.StartTLS()
	} else {
		ts.Start()
	}
	t.Cleanup(ts.Close)
	return ts.URL
}

// names fails to look up the names that tests are made of, and leaves the rest
// to the network of this machine.
type names struct{ http.RoundTripper }

func (n names) RoundTrip(r *http.Request) (*http.Response, error) {
	switch host := r.URL.Hostname(); host {
	case "nowhere.invalid":
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	case "unknown.invalid":
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}}
	case "127.0.0.1":
		return n.RoundTripper.RoundTrip(r)
	default:
		return nil, fmt.Errorf("a test asked %q", host)
	}
}

// TestFailuresOfTheNetwork has each service fail in each way, over sockets, while
// the others are as they should be.
func TestFailuresOfTheNetwork(t *testing.T) {
	for _, generation := range generations {
		for _, f := range failures() {
			for i := range services {
				t.Run(fmt.Sprintf("%v/%s/%s", generation, services[i].name, f.name), func(t *testing.T) {
					failService(t, newRig(t, generation), f, i)
				})
			}
		}
	}
}

// failService has the ith service fail.
func failService(t *testing.T, g *rig, f failure, i int) {
	honest := server.New(g.authority)
	var bases [3]string
	for j := range services {
		if j == i && f.address != nil {
			bases[j] = f.address(t)
			continue
		}
		ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := g.count(r)
			if j != i || !strings.HasSuffix(r.URL.Path, services[i].path) || r.Method != http.MethodPost {
				honest.ServeHTTP(w, r)
				return
			}
			f.answer(w, r, honest, n)
		}))
		defer ts.Close()
		bases[j] = ts.URL
	}
	network := new(http.Transport)
	defer network.CloseIdleConnections()
	g.transport.RoundTripper = names{network}
	sig, err := g.sign(t, t.Context(), urls{bases[0], bases[1], bases[2] + "/api/v1/timestamp"})

	service := services[i]
	asks := 1
	if service.repeats && f.asks > 0 {
		asks = f.asks
	}
	if f.once && service.repeats {
		if err != nil || sig == nil {
			t.Errorf("Sign: %v, want a signature in the end", err)
		}
	} else {
		words := f.words
		if service.repeats && f.repeated != "" {
			words = f.repeated
		}
		g.refused(t, sig, err, service.step, words)
		if err != nil && (!strings.Contains(err.Error(), service.name) || !strings.Contains(err.Error(), bases[i])) {
			t.Errorf("error %v does not name %s at %s", err, service.name, bases[i])
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	got := 0
	for path, n := range g.asked {
		if strings.HasPrefix(path, http.MethodPost) && strings.HasSuffix(path, service.path) {
			got += n
		}
	}
	if f.address == nil && got != asks {
		t.Errorf("asked %d times, want %d: %v", got, asks, g.asked)
	}
	if f.pause > 0 && service.repeats && (len(g.pauses) != 1 || g.pauses[0] < f.pause) {
		t.Errorf("pauses %v, want one of at least %v", g.pauses, f.pause)
	}
}

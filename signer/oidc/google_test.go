package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A reply is what a server of a test says.
type reply struct {
	status     int
	kind, body string
}

// metadataServer is a metadata service that answers as handle says, and its
// host and port.
func metadataServer(t *testing.T, handle http.HandlerFunc) (host string) {
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// googleServer is the metadata service of Google Cloud as it answers to a
// question for its identity.
func googleServer(t *testing.T, answer func(audience string) reply) google {
	host := metadataServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		w.Header().Set("Server", "Metadata Server for VM")
		q := r.URL.Query()
		switch {
		case r.Header.Get("Metadata-Flavor") != "Google", r.Header.Get("X-Forwarded-For") != "":
			http.Error(w, "Missing Metadata-Flavor:Google header.", http.StatusForbidden)
		case r.Method != http.MethodGet || r.URL.Path != "/computeMetadata/v1/instance/service-accounts/default/identity":
			http.NotFound(w, r)
		case q.Get("format") != "full" || len(q) != 2 || len(q["audience"]) != 1:
			http.Error(w, "non-empty audience parameter required", http.StatusBadRequest)
		default:
			a := answer(q.Get("audience"))
			w.Header().Set("Content-Type", a.kind)
			w.WriteHeader(a.status)
			fmt.Fprint(w, a.body)
		}
	})
	return google{surroundings(map[string]string{"GCE_METADATA_HOST": host}, nil)}
}

func TestGoogle(t *testing.T) {
	tokenFor := func(audience string) string {
		return testToken(t, map[string]any{"iss": "https://accounts.google.com", "sub": "1", "aud": audience, "email": "x@p.iam.gserviceaccount.com", "email_verified": true})
	}
	s := googleServer(t, func(audience string) reply {
		return reply{200, "text/html", tokenFor(audience)} // the kind is theirs
	})
	checkToken(t, s, tokenFor("sigstore"))
	s.cfg.Audience = "a b&c=d"
	checkToken(t, s, tokenFor("a b&c=d"))
}

func TestGoogleFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		answer reply
		want   string
	}{
		"no account":  {reply{404, "text/html", "<html>"}, "there is no service account here"},
		"refused":     {reply{403, "text/plain", "not you:\n" + testToken(t, nil)}, "status 403 Forbidden: not you: [redacted]"},
		"a web page":  {reply{500, "text/html; charset=utf-8", "<html>"}, "status 500 Internal Server Error: a web page"},
		"no words":    {reply{599, "text/plain", ""}, "status 599"},
		"redirect":    {reply{302, "text/plain", ""}, "status 302 Found"},
		"empty":       {reply{200, "text/plain", ""}, ": empty, where an identity token is expected"},
		"not a token": {reply{200, "text/plain", "s3cret"}, "the identity token is not a JSON web token"},
		"HTML":        {reply{200, "text/html", "<html>"}, "the identity token is not a JSON web token"},
		"too long":    {reply{200, "text/plain", strings.Repeat("a", 2*maxToken+1)}, "the answer is longer than 131072 bytes"},
		"other's":     {reply{200, "text/plain", testToken(t, map[string]any{"aud": "x"})}, `for audience "x", want "sigstore"`},
		"expired":     {reply{200, "text/plain", testToken(t, map[string]any{"exp": 1})}, "the identity token expired"},
	} {
		t.Run(name, func(t *testing.T) {
			s := googleServer(t, func(string) reply { return tt.answer })
			checkRefused(t, s, "metadata service of Google Cloud at 127.0.0.1:")
			checkRefused(t, s, tt.want)
		})
	}
}

func TestGoogleAnswersWithItsFlavor(t *testing.T) {
	token := testToken(t, nil)
	for _, flavor := range []string{"", "Amazon", "google"} {
		host := metadataServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Metadata-Flavor", flavor)
			fmt.Fprint(w, token)
		})
		checkRefused(t, google{surroundings(map[string]string{"GCE_METADATA_HOST": host}, nil)}, "what answers there is something else")
	}
}

func TestGoogleFollowsNoRedirect(t *testing.T) {
	token := testToken(t, nil)
	s := google{surroundings(nil, nil)}
	host := metadataServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if r.URL.Path == "/elsewhere" {
			t.Error("the redirect was followed")
			fmt.Fprint(w, token)
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	s.cfg.Getenv = func(name string) string { return map[string]string{"GCE_METADATA_HOST": host}[name] }
	checkRefused(t, s, "status 302 Found")
}

func TestGoogleHost(t *testing.T) {
	for _, host := range []string{"a/b", "u:s3cret@h", "h?x", "h#x", ":80", "a b", "h\n", "[::1"} {
		checkRefused(t, google{surroundings(map[string]string{"GCE_METADATA_HOST": host}, nil)}, "GCE_METADATA_HOST: neither a host nor a host and a port")
	}
}

func TestGoogleIsRecognised(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"nothing": {nil, false},
		"service": {map[string]string{"K_SERVICE": "x"}, true},
		"job":     {map[string]string{"CLOUD_RUN_JOB": "x"}, true},
		"host":    {map[string]string{"GCE_METADATA_HOST": "x"}, true},
	} {
		if err := (google{surroundings(tt.env, nil)}).Available(); (err == nil) != tt.want {
			t.Errorf("%s: Available: got %v, want available: %v", name, err, tt.want)
		}
	}
}

// A person may be sitting at a machine of Google's: it speaks for its service
// account only where that is asked for.
func TestGoogleMachineHasToBeNamed(t *testing.T) {
	g := google{surroundings(nil, map[string]string{"/sys/class/dmi/id/product_name": "Google Compute Engine\n"})}
	if err := g.Available(); err == nil {
		t.Error("Available: got nil, want an error")
	}
	if err := g.AvailableByName(); err != nil {
		t.Errorf("AvailableByName: got %v, want nil", err)
	}
}

// hanging is a server that answers nothing until the test is over. It calls
// asked for each question.
func hanging(t *testing.T, asked func()) http.HandlerFunc {
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	return func(w http.ResponseWriter, r *http.Request) {
		asked()
		select {
		case <-r.Context().Done():
		case <-over:
		}
	}
}

func TestMetadataEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	host := metadataServer(t, hanging(t, cancel))
	_, err := google{surroundings(map[string]string{"GCE_METADATA_HOST": host}, nil)}.Grant(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	checkError(t, err, "metadata service of Google Cloud at "+host+": context canceled")
}

func TestMetadataNobodyThere(t *testing.T) {
	const host = "127.0.0.1:1" // the port is none that a system gives to who asks for any
	checkRefused(t, google{surroundings(map[string]string{"GCE_METADATA_HOST": host}, nil)}, "metadata service of Google Cloud at "+host+": dial tcp "+host)
}

func TestWithin(t *testing.T) {
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	err := within(t.Context(), time.Nanosecond, wait)
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "no answer within 1ns: context deadline exceeded" {
		t.Errorf("too late: got %v, want that there was no answer", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := within(ctx, time.Hour, wait); err != context.Canceled {
		t.Errorf("canceled: got %v, want %v alone", err, context.Canceled)
	}
	failed := errors.New("failed")
	if err := within(t.Context(), time.Hour, func(context.Context) error { return failed }); err != failed {
		t.Errorf("failed: got %v, want %v alone", err, failed)
	}
}

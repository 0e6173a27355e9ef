package transport

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// tellsClosed returns a server that tells of each connection that is closed.
func tellsClosed(t *testing.T) (s *httptest.Server, closed <-chan bool) {
	told := make(chan bool, 4)
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			told <- true
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s, told
}

// TestIdleConnectionsAreKeptForAsLongAsSaid has two clients ask the same: of one
// the connection is closed as soon as it is not used.
func TestIdleConnectionsAreKeptForAsLongAsSaid(t *testing.T) {
	s, closed := tellsClosed(t)
	ask := func(idle time.Duration) {
		t.Helper()
		c, _ := newClient(func(cfg *Config) { cfg.Idle = idle })
		if _, err := c.Do(context.Background(), &Request{Service: "S", URL: s.URL}); err != nil {
			t.Fatal(err)
		}
	}
	for _, keep := range []time.Duration{0, time.Hour} {
		ask(keep)
		ask(time.Millisecond)
		<-closed // of the second
		select {
		case <-closed:
			t.Errorf("with Idle %v the connection was closed", keep)
		default:
		}
	}
}

// TestLongIdleConnectionsSpeakHTTP2: what pings them takes nothing else away.
func TestLongIdleConnectionsSpeakHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
		w.Header().Set("X-From", r.RemoteAddr)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	c, _ := newClient(func(cfg *Config) { cfg.Idle, cfg.RootCAs = time.Hour, pool })
	from := make(map[string]bool)
	for range 3 {
		resp, err := c.Do(context.Background(), &Request{Service: "S", URL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("X-Proto"); got != "HTTP/2.0" {
			t.Errorf("asked in %s, want HTTP/2.0", got)
		}
		from[resp.Header.Get("X-From")] = true
	}
	if len(from) != 1 {
		t.Errorf("connections %v, want one", from)
	}
}

// TestCloseClosesWhatNobodyUses, and the next request opens another connection.
func TestCloseClosesWhatNobodyUses(t *testing.T) {
	s, closed := tellsClosed(t)
	c, _ := newClient(func(cfg *Config) { cfg.Idle = time.Hour })
	for range 2 {
		if _, err := c.Do(context.Background(), &Request{Service: "S", URL: s.URL}); err != nil {
			t.Fatal(err)
		}
		c.Close()
		<-closed
	}
}

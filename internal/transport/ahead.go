package transport

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync"
	"time"
)

// maxAhead is how long a connection waits for the request it was opened for.
// Servers close those on which nothing is asked, and a request on a closed
// one fails with its fate unknown.
const maxAhead = 15 * time.Second

// ahead dials, and holds the connections that Connect has opened, or is
// opening, until a request takes them.
type ahead struct {
	dialer net.Dialer
	config *tls.Config

	mu    sync.Mutex               // guards the map
	conns map[string]chan net.Conn // by kind and address; each gets one connection, nil where it failed
}

// open begins to open a connection, and returns. done is called when that is
// over.
func (a *ahead) open(ctx context.Context, secure bool, addr string, done func(error)) {
	key := aheadKey(secure, addr)
	ready := make(chan net.Conn, 1)
	a.mu.Lock()
	_, busy := a.conns[key]
	if !busy {
		a.conns[key] = ready
	}
	a.mu.Unlock()
	if busy {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		conn, err := a.dial(ctx, secure, addr)
		done(err)
		ready <- conn // nil on failure: the request will meet the same one
		time.AfterFunc(maxAhead, func() {
			if a.forget(key, ready) {
				if conn := <-ready; conn != nil {
					_ = conn.Close() // nothing was said on it
				}
			}
		})
	}()
}

// forget takes a connection out of the map, if it is still there.
func (a *ahead) forget(key string, ready chan net.Conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conns[key] != ready {
		return false
	}
	delete(a.conns, key)
	return true
}

// take returns the connection that was opened ahead, waiting for one that is
// being opened, or opens one.
func (a *ahead) take(ctx context.Context, secure bool, addr string) (net.Conn, error) {
	key := aheadKey(secure, addr)
	a.mu.Lock()
	ready := a.conns[key]
	delete(a.conns, key)
	a.mu.Unlock()
	if ready != nil {
		select {
		case conn := <-ready:
			if conn != nil {
				return conn, nil
			}
		case <-ctx.Done():
			go func() {
				if conn := <-ready; conn != nil {
					_ = conn.Close() // nothing was said on it
				}
			}()
			return nil, ctx.Err()
		}
	}
	return a.dial(ctx, secure, addr)
}

// dial opens a connection.
func (a *ahead) dial(ctx context.Context, secure bool, addr string) (net.Conn, error) {
	conn, err := a.dialer.DialContext(ctx, "tcp", addr)
	if err != nil || !secure {
		return conn, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	config := a.config.Clone()
	config.ServerName = host
	shaken := tls.Client(conn, config)
	hooks := httptrace.ContextClientTrace(ctx)
	if hooks != nil && hooks.TLSHandshakeStart != nil {
		hooks.TLSHandshakeStart()
	}
	ctx, cancel := context.WithTimeout(ctx, defaultTimeout)
	defer cancel()
	err = shaken.HandshakeContext(ctx)
	if hooks != nil && hooks.TLSHandshakeDone != nil {
		hooks.TLSHandshakeDone(shaken.ConnectionState(), err)
	}
	if err != nil {
		_ = conn.Close() // it is the handshake's failure that counts
		return nil, err
	}
	return shaken, nil
}

func aheadKey(secure bool, addr string) string {
	if secure {
		return "tls " + addr
	}
	return "tcp " + addr
}

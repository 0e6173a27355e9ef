package agent

import (
	"context"
	"sync"
)

// An Ahead is a connection that is made while it is not known yet whether there
// is anything to ask the agent. Nothing is asked or started by it.
type Ahead struct {
	path string
	wire func() (*wire, error) // waits for the greeting
	once sync.Once             // whoever takes or closes it
}

// Connect begins to connect to the agent at a path, and returns. Dial uses the
// connection if its ClientConfig names the same path.
func Connect(ctx context.Context, path string) *Ahead {
	wait := sync.OnceValues(func() (*wire, error) { return connect(ctx, path, helloTime) })
	go wait() // whoever needs it waits for the same
	return &Ahead{path: path, wire: wait}
}

// Close closes the connection, if nobody has taken it. It does not wait for one
// that is still being made, and does nothing to nil.
func (a *Ahead) Close() {
	if a == nil {
		return
	}
	a.once.Do(func() {
		go func() {
			if w, _ := a.wire(); w != nil {
				_ = w.conn.Close() // nothing was said on it
			}
		}()
	})
}

// take returns the connection to path, or why there is none, once; begun is
// false if it was never begun.
func (a *Ahead) take(path string) (w *wire, begun bool, err error) {
	if a == nil || a.path != path {
		return nil, false, nil
	}
	a.once.Do(func() {
		w, err = a.wire()
		begun = true
	})
	return w, begun, err
}

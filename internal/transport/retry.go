package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

// How a request is repeated. The pauses are of exponential back-off with full
// jitter: clients that failed together do not come back together.
const (
	maxAttempts = 3
	firstPause  = 500 * time.Millisecond // at most, before the second attempt; doubled for the third
	maxAsked    = 30 * time.Second       // the longest pause that a server may ask for
)

// again says whether to send r another time after an attempt that gave resp or
// err, and after what pause.
func (c *Client) again(r *Request, resp *Response, err error, attempt int) (pause time.Duration, again bool) {
	if attempt >= maxAttempts {
		return 0, false
	}
	pause = time.Duration(c.cfg.Rand() * float64(firstPause<<(attempt-1)))
	if err != nil {
		return pause, !isFinal(err) && (r.Repeatable || unsent(err))
	}
	switch resp.Status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return 0, false
	}
	if asked, ok := retryAfter(resp.Header.Get("Retry-After"), c.cfg.Now()); ok {
		pause = max(pause, asked)
	}
	return pause, r.Repeatable && pause <= maxAsked
}

// unsent reports whether the failure came before there was a connection, so
// that no server saw the request.
func unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3): seconds,
// or a date.
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now)), true
	}
	return 0, false
}

// Pause waits for d, or until ctx is done, as between attempts. It is for
// callers that ask again for what is not there yet.
func (c *Client) Pause(ctx context.Context, d time.Duration) error { return c.cfg.Sleep(ctx, d) }

// sleep waits for d, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

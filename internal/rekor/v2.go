package rekor

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"gitseal/internal/transport"
)

// A V2 is a Rekor v2 log, or any that serves C2SP tlog-tiles below
// URL/api/v2. Both fields are required.
type V2 struct {
	Client *transport.Client
	URL    string // the log's base URL, as trusted roots have it
}

// Fetch reads one resource of the log: see type Fetch. What it returns is not
// checked but for its length.
func (v *V2) Fetch(ctx context.Context, path string) ([]byte, error) {
	req := &transport.Request{
		Service: "Rekor", URL: strings.TrimRight(v.URL, "/") + "/api/v2/" + path,
		MaxBody: bound(path), Repeatable: true,
	}
	resp, err := v.Client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	switch resp.Status {
	case http.StatusOK:
		return resp.Body, nil
	case http.StatusNotFound:
		return nil, fmt.Errorf("%w: %w", resp.Err(req), fs.ErrNotExist)
	}
	return nil, resp.Err(req)
}

// bound returns how long a resource may be.
func bound(path string) int64 {
	switch {
	case strings.HasPrefix(path, "tile/entries/"):
		return maxEntryBundle
	case strings.HasPrefix(path, "tile/"):
		return TileWidth * 32
	}
	return maxCheckpoint
}

package rekor

import (
	"context"
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
	return answer(ctx, v.Client, req)
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

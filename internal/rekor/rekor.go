// Package rekor reads transparency logs over HTTP: Rekor v1, which answers
// questions, and Rekor v2, which serves tiles (C2SP tlog-tiles).
//
// It asks and takes apart what it is answered. Whom to believe is for its
// callers: a checkpoint is worth what the signature under it is worth, and
// everything else is worth what it hashes to.
package rekor

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"

	"gitseal/internal/transport"
)

// answer returns what a log answers with status 200. What it does not have is
// fs.ErrNotExist.
func answer(ctx context.Context, client *transport.Client, req *transport.Request) ([]byte, error) {
	resp, err := client.Do(ctx, req)
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

package monitor

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"

	"gitseal/internal/rekor"
	"gitseal/internal/tlog"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
)

// NewRekorV1 returns a log that answers as Rekor v1 does.
func NewRekorV1(log *trust.Log, r *rekor.V1) *Log { return &Log{log, false, rekorV1{r}} }

// rekorV1 is the server of a Rekor v1 log.
type rekorV1 struct{ *rekor.V1 }

func (r rekorV1) checkpoints(ctx context.Context) ([][]byte, error) {
	current, inactive, err := r.Info(ctx)
	if err != nil {
		return nil, err
	}
	notes := [][]byte{current.Checkpoint}
	for _, tree := range inactive {
		notes = append(notes, tree.Checkpoint)
	}
	return notes, nil
}

// consistent asks for a proof between each two neighbours.
func (r rekorV1) consistent(ctx context.Context, chain []tlog.Checkpoint, progress func(done, total int)) error {
	tree := chain[0].Origin
	tree = tree[strings.LastIndex(tree, " ")+1:]
	return parallel(ctx, len(chain)-1, progress, func(ctx context.Context, i int) error {
		first, second := chain[i], chain[i+1]
		hashes, err := r.Consistency(ctx, tree, first.Size, second.Size)
		if err != nil {
			return refusal(err)
		}
		proof := tlog.ConsistencyProof{First: first.Size, Second: second.Size, Hashes: hashes}
		if err := proof.Verify(first.Root, second.Root); err != nil {
			return &mismatch{i, i + 1, err}
		}
		return nil
	})
}

// refusal tells a log that does not have a tree, which Rekor answers as a bad
// request, from one that does not answer.
func refusal(err error) error {
	var status *transport.StatusError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &status) && status.Status == http.StatusBadRequest {
		return &lost{err}
	}
	return err
}

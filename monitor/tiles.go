package monitor

import (
	"context"
	"errors"
	"io/fs"

	"gitseal/internal/rekor"
	"gitseal/internal/tlog"
)

// tiles is the server of a tiled log.
type tiles struct{ fetch rekor.Fetch }

func (t tiles) checkpoints(ctx context.Context) ([][]byte, error) {
	note, err := t.fetch(ctx, "checkpoint")
	return [][]byte{note}, err
}

// consistent makes the roots of the chain from tiles that hash to the last.
func (t tiles) consistent(ctx context.Context, chain []tlog.Checkpoint, progress func(done, total int)) error {
	last := len(chain) - 1
	tree, err := rekor.NewTree(t.fetch, chain[last].Size, chain[last].Root)
	if err != nil {
		return err
	}
	return parallel(ctx, last, progress, func(ctx context.Context, i int) error {
		root, err := tree.Root(ctx, chain[i].Size)
		switch {
		case errors.Is(err, rekor.ErrContradiction):
			return &mismatch{i, last, err}
		case errors.Is(err, fs.ErrNotExist):
			return &lost{err}
		case err != nil:
			return err
		case root != chain[i].Root:
			return &mismatch{i, last, &tlog.RootMismatchError{Computed: root, Expected: chain[i].Root}}
		}
		return nil
	})
}

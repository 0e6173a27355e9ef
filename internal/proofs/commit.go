package proofs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// author is who makes the commits of proofs. They say nothing that is to be
// believed, so nobody signs them.
const author = "gitseal <gitseal@localhost>"

// commit makes the commit and moves Ref to it, if that still holds what it did
// or something before the commit.
func (u *union) commit(ctx context.Context) error {
	var b bytes.Buffer
	paths := slices.Sorted(maps.Keys(u.changed))
	for i, path := range paths {
		fmt.Fprintf(&b, "blob\nmark :%d\ndata %d\n%s\n", i+1, len(u.changed[path]), u.changed[path])
	}
	message := "Keep proofs of signatures\n"
	fmt.Fprintf(&b, "commit %s\ncommitter %s now\ndata %d\n%s", Ref, author, len(message), message)
	for i, parent := range u.parents {
		verb := "merge"
		if i == 0 {
			verb = "from"
		}
		fmt.Fprintf(&b, "%s %s\n", verb, parent)
	}
	for _, path := range u.strange {
		fmt.Fprintf(&b, "D %s\n", quoted(path))
	}
	for i, path := range paths {
		fmt.Fprintf(&b, "M 100644 :%d %s\n", i+1, path)
	}
	b.WriteString("\ndone\n")
	// Without --force it moves no ref to where that is not in the history, and
	// git takes the ref only as it was when it looked.
	_, err := u.git(ctx, &b, "fast-import", "--quiet", "--done", "--date-format=now")
	return err
}

// quoted returns a path as git fast-import reads it back, whatever is in it.
func quoted(path string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(path) {
		if c := path[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			fmt.Fprintf(&b, `\%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// git runs git where it writes: with no hook in its way, and so that what is done
// stays done.
func (u *union) git(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	return u.config.Run(ctx, stdin, append([]string{"-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsync=all"}, args...)...)
}

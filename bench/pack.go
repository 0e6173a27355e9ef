//go:build unix

package main

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"sync"

	"gitseal/fakeca"
)

// writePack writes a pack (gitformat-pack) of n commits of tree that a has
// signed, and returns their ids. A commit can be signed only when its parent
// is, so there is a line of history for each processor; they end up in the
// pack as they come.
func writePack(out io.Writer, a *fakeca.Authority, tree string, n int) (strands [][]string, err error) {
	strands = make([][]string, runtime.NumCPU())
	entries := make(chan []byte)
	var running sync.WaitGroup
	for s := range strands {
		running.Go(func() {
			parent := ""
			for i := s; i < n; i += len(strands) {
				commit := signedCommit(a, tree, parent, i)
				parent = commitID(commit)
				strands[s] = append(strands[s], parent)
				entries <- packEntry(commit)
			}
		})
	}
	go func() { running.Wait(); close(entries) }()

	sum := sha1.New()
	w := io.MultiWriter(out, sum)
	header := binary.BigEndian.AppendUint32([]byte("PACK"), 2)
	_, err = w.Write(binary.BigEndian.AppendUint32(header, uint32(n)))
	for entry := range entries {
		if err == nil {
			_, err = w.Write(entry)
		}
	}
	if err == nil {
		_, err = out.Write(sum.Sum(nil))
	}
	return strands, err
}

// signedCommit returns the bytes of a commit.
func signedCommit(a *fakeca.Authority, tree, parent string, i int) []byte {
	var head bytes.Buffer
	fmt.Fprintf(&head, "tree %s\n", tree)
	if parent != "" {
		fmt.Fprintf(&head, "parent %s\n", parent)
	}
	fmt.Fprintf(&head, "author %s %d +0000\ncommitter %[1]s %[2]d +0000\n", user, 1_700_000_000+i)
	message := fmt.Appendf(nil, "\ncommit %d\n", i)
	signature := a.Sign(append(bytes.Clone(head.Bytes()), message...), fakeca.Fixture{})
	fmt.Fprintf(&head, "gpgsig %s\n", bytes.ReplaceAll(bytes.TrimSuffix(signature, []byte("\n")), []byte("\n"), []byte("\n ")))
	return append(head.Bytes(), message...)
}

func commitID(commit []byte) string {
	sum := sha1.Sum(append(fmt.Appendf(nil, "commit %d\x00", len(commit)), commit...))
	return hex.EncodeToString(sum[:])
}

// packEntry returns a commit as an entry of a pack: its type and size, in
// groups of four and then seven bits, and its deflated bytes.
func packEntry(commit []byte) []byte {
	const commitType = 1
	size := len(commit)
	var out bytes.Buffer
	c := byte(commitType<<4 | size&0xf)
	for size >>= 4; size > 0; size >>= 7 {
		out.WriteByte(c | 0x80)
		c = byte(size & 0x7f)
	}
	out.WriteByte(c)
	z := zlib.NewWriter(&out)
	_, _ = z.Write(commit) // a buffer takes everything
	_ = z.Close()
	return out.Bytes()
}

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
)

// writePack writes a pack (gitformat-pack) of the n entries that fill sends.
func writePack(out io.Writer, n int, fill func(entries chan<- []byte) error) error {
	entries := make(chan []byte, 64)
	filled := make(chan error, 1)
	go func() {
		defer close(entries)
		filled <- fill(entries)
	}()

	sum := sha1.New()
	w := io.MultiWriter(out, sum)
	header := binary.BigEndian.AppendUint32([]byte("PACK"), 2)
	_, err := w.Write(binary.BigEndian.AppendUint32(header, uint32(n)))
	for entry := range entries {
		if err == nil {
			_, err = w.Write(entry)
		}
	}
	if ferr := <-filled; ferr != nil {
		return ferr
	}
	if err == nil {
		_, err = out.Write(sum.Sum(nil))
	}
	return err
}

// A draft is a commit that is still to be signed.
type draft struct {
	head, message []byte
}

// newDraft drafts commit i, as made at a time in seconds since 1970.
func newDraft(tree string, parents []string, i int, at int64) draft {
	head := fmt.Appendf(nil, "tree %s\n", tree)
	for _, parent := range parents {
		head = fmt.Appendf(head, "parent %s\n", parent)
	}
	head = fmt.Appendf(head, "author %s %d +0000\ncommitter %[1]s %[2]d +0000\n", user, at)
	return draft{head, fmt.Appendf(nil, "\ncommit %d\n", i)}
}

// payload returns what is to be signed.
func (d draft) payload() []byte { return bytes.Join([][]byte{d.head, d.message}, nil) }

// signed returns the bytes of the commit with an armored signature.
func (d draft) signed(armored []byte) []byte {
	lines := bytes.ReplaceAll(bytes.TrimSuffix(armored, []byte("\n")), []byte("\n"), []byte("\n "))
	return bytes.Join([][]byte{d.head, []byte("gpgsig "), lines, []byte("\n"), d.message}, nil)
}

func commitID(commit []byte) string {
	sum := sha1.New()
	fmt.Fprintf(sum, "commit %d\x00", len(commit))
	sum.Write(commit)
	return hex.EncodeToString(sum.Sum(nil))
}

// A packer makes entries of packs. Its compressor, which takes most of a
// megabyte, is made once. It is for one goroutine.
type packer struct {
	z *zlib.Writer
}

// entry returns a commit as an entry of a pack: its type and size, in groups
// of four and then seven bits, and its deflated bytes.
func (p *packer) entry(commit []byte) []byte {
	const commitType = 1
	size := len(commit)
	var out bytes.Buffer
	out.Grow(size)
	c := byte(commitType<<4 | size&0xf)
	for size >>= 4; size > 0; size >>= 7 {
		out.WriteByte(c | 0x80)
		c = byte(size & 0x7f)
	}
	out.WriteByte(c)
	if p.z == nil {
		p.z = zlib.NewWriter(&out)
	}
	p.z.Reset(&out)
	_, _ = p.z.Write(commit) // a buffer takes everything
	_ = p.z.Close()
	return out.Bytes()
}

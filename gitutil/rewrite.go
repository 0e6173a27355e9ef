package gitutil

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"unicode/utf8"
)

// A Rewrite makes new commits in the place of others: with new parents and a
// new signature, and nothing else new but, if it is asked for, the committer.
// Fields without a comment on their zero value are required.
type Rewrite struct {
	// Commits are the ids of those to replace, none before its parents. A
	// parent that is not among them stays as it is.
	Commits []string
	// Committer returns who commits, and when: "name <address> seconds zone".
	// Nil: each commit keeps its own.
	Committer func() string
	// Sign returns an armored signature over payload, the commit as it will
	// be but for the signature.
	Sign func(ctx context.Context, payload []byte) (armored []byte, err error)
	// Done is called after each commit with how many there are. Nil: nobody
	// is told.
	Done func(n int)
}

// A Rewritten is what a rewrite has made. Nothing of it is in the repository
// before Store.
type Rewritten struct {
	// New are the ids of the new commits by those that they replace.
	New  map[string]string
	pack *packer
}

// Rewrite makes the new commits, in memory. It reads the repository and
// changes nothing in it. An error names the commit.
func (r *Repo) Rewrite(ctx context.Context, w Rewrite) (*Rewritten, error) {
	if err := r.format.checkOIDs(w.Commits...); err != nil {
		return nil, fmt.Errorf("rewriting commits: %w", err)
	}
	read := &catFile{config: r.config, format: r.format}
	defer read.close() // only read from
	pack, err := newPacker(r.format)
	if err != nil {
		return nil, err
	}
	done := &Rewritten{New: make(map[string]string, len(w.Commits)), pack: pack}
	for i, oid := range w.Commits {
		if err := r.rewrite(ctx, &w, read, oid, done); err != nil {
			return nil, fmt.Errorf("rewriting commit %s: %w", oid, err)
		}
		if w.Done != nil {
			w.Done(i + 1)
		}
	}
	return done, nil
}

// rewrite makes one new commit.
func (r *Repo) rewrite(ctx context.Context, w *Rewrite, read *catFile, oid string, done *Rewritten) error {
	o, err := read.object(ctx, oid, MaxObjectSize)
	if err == nil {
		err = o.Verify(r.format)
	}
	switch {
	case err != nil:
		return err
	case o.Type != "commit":
		return fmt.Errorf("it is a %s", o.Type)
	}
	committer := ""
	if w.Committer != nil {
		committer = w.Committer()
	}
	payload, err := RewriteCommit(o.Data, r.format, done.New, committer)
	if err != nil {
		return err
	}
	armored, err := w.Sign(ctx, payload)
	if err != nil {
		return err
	}
	data, err := SignedCommit(payload, armored, r.format)
	if err != nil {
		return err
	}
	done.New[oid], err = done.pack.add("commit", data)
	return err
}

// RewriteCommit returns what is to be signed of a commit that takes the place
// of another: without its signatures, with the parents that parents has in the
// place of its own, and with another committer ("name <address> seconds zone")
// unless that is "". Every other byte stays: the author and both dates in any
// form, unknown headers, the message in any encoding.
//
// A header whose name begins with "gpgsig" is dropped whatever follows, since
// no signature covers it; so is a mergetag of a commit that parents replaces,
// which vouches for none that the new one has.
//
// A commit that [ParseCommit] refuses is refused, and a committer that is no
// ident, or in an encoding that cannot be the commit's.
func RewriteCommit(data []byte, f Format, parents map[string]string, committer string) ([]byte, error) {
	split, err := SplitCommit(data, f)
	if err != nil {
		return nil, err
	}
	c, err := ParseCommit(split.Payload, f)
	if err != nil {
		return nil, err
	}
	if committer != "" {
		if err := c.checkCommitter(committer); err != nil {
			return nil, err
		}
	}
	out := make([]byte, 0, len(split.Payload)+len(committer))
	at, inHeader, dropped := 0, true, false
	for at < len(split.Payload) && inHeader {
		line, next := lineAt(split.Payload, at)
		name, value, _ := bytes.Cut(line, []byte(" "))
		switch {
		case line[0] == '\n':
			inHeader, next = false, at
		case line[0] == ' ':
			if !dropped {
				out = append(out, line...)
			}
		case string(name) == "parent":
			out = appendParent(out, string(value[:len(value)-1]), parents)
		case string(name) == "committer" && committer != "":
			out = append(append(append(out, "committer "...), committer...), '\n')
		default:
			dropped = string(name) == "mergetag" && tagsReplaced(split.Payload[at:], f, parents)
			if !dropped {
				out = append(out, line...)
			}
		}
		at = next
	}
	return append(out, split.Payload[at:]...), nil
}

// appendParent appends the header for a parent or what replaces it.
func appendParent(out []byte, oid string, parents map[string]string) []byte {
	if replaced, ok := parents[oid]; ok {
		oid = replaced
	}
	return append(append(append(out, "parent "...), oid...), '\n')
}

// tagsReplaced reports whether the mergetag header that data begins with is of
// a commit that is replaced. Of one that does not parse nobody can say of what
// it is.
func tagsReplaced(data []byte, f Format, parents map[string]string) bool {
	var tag []byte
	for at := 0; at < len(data); {
		line, next := lineAt(data, at)
		switch {
		case at == 0:
			_, tag, _ = bytes.Cut(bytes.Clone(line), []byte(" "))
		case line[0] != ' ':
			return isReplacedTag(tag, f, parents)
		default:
			tag = append(tag, line[1:]...)
		}
		at = next
	}
	return isReplacedTag(tag, f, parents)
}

func isReplacedTag(tag []byte, f Format, parents map[string]string) bool {
	t, err := ParseTag(tag, f)
	if err != nil {
		return false
	}
	_, replaced := parents[t.Object]
	return replaced
}

// checkCommitter refuses a committer that readers of the commit would take for
// something else.
func (c *Commit) checkCommitter(committer string) error {
	if !isIdent(committer) {
		return fmt.Errorf("the committer %q is not a name, an address and a date", committer)
	}
	for _, b := range []byte(committer) {
		if b >= utf8.RuneSelf && c.Encoding != "" && !isUTF8(c.Encoding) {
			return fmt.Errorf("it is in %q, and the name of the committer is not in ASCII", c.Encoding)
		}
	}
	if !utf8.ValidString(committer) {
		return errors.New("the name of the committer is not in UTF-8")
	}
	return nil
}

// isUTF8 reports whether an encoding is UTF-8, by the names that git takes it
// by (is_encoding_utf8 in utf8.c).
func isUTF8(encoding string) bool {
	name := bytes.ToLower([]byte(encoding))
	return string(name) == "utf-8" || string(name) == "utf8"
}

// isIdent reports whether s is an ident as git writes it:
//
//	name SP "<" address ">" SP seconds SP ( "+" / "-" ) 4DIGIT
func isIdent(s string) bool {
	line := []byte(s)
	if bytes.ContainsAny(line, "\x00\r\n") || bytes.Count(line, []byte("<")) != 1 || bytes.Count(line, []byte(">")) != 1 {
		return false
	}
	name, rest, _ := bytes.Cut(line, []byte("<"))
	address, date, closed := bytes.Cut(rest, []byte("> "))
	seconds, zone, ok := bytes.Cut(date, []byte(" "))
	if !closed || !ok || !bytes.HasSuffix(name, []byte(" ")) || bytes.ContainsAny(address, "<>") {
		return false
	}
	digits := func(b []byte) bool { return len(b) > 0 && len(bytes.Trim(b, "0123456789")) == 0 }
	return digits(seconds) && len(zone) == 5 && (zone[0] == '+' || zone[0] == '-') && digits(zone[1:])
}

// SignedCommit returns the commit that payload is without its signature: with
// the armor in the header that git of the format looks for, as the last header
// (add_header_signature in git's commit.c). It refuses what [SplitCommit] would
// not take apart into the same two again.
func SignedCommit(payload, armored []byte, f Format) ([]byte, error) {
	name := "gpgsig "
	if f == SHA256 {
		name = "gpgsig-sha256 "
	}
	if SignatureKind(armored) == "" || armored[len(armored)-1] != '\n' {
		return nil, errors.New("the signature is not armored")
	}
	end := headerEnd(payload)
	lines := bytes.ReplaceAll(armored[:len(armored)-1], []byte("\n"), []byte("\n "))
	out := make([]byte, 0, len(payload)+len(name)+len(lines)+1)
	out = append(append(out, payload[:end]...), name...)
	out = append(append(out, lines...), '\n')
	out = append(out, payload[end:]...)
	split, err := SplitCommit(out, f)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(split.Payload, payload) || !bytes.Equal(split.Signature, armored) {
		return nil, errors.New("signature and payload would not come apart again")
	}
	return out, nil
}

// headerEnd returns where the header of a commit ends: at the empty line before
// the message, or with the data.
func headerEnd(data []byte) int {
	if len(data) > 0 && data[0] == '\n' {
		return 0
	}
	if i := bytes.Index(data, []byte("\n\n")); i >= 0 {
		return i + 1
	}
	return len(data)
}

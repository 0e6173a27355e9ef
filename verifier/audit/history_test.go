package audit_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/audit"
)

// fakeKeys verify what looks like SSH signatures and says who signed what, so
// that histories of any size and shape can be signed in no time. Everything
// else that an audit does with a signature is done with these too.
type fakeKeys struct {
	at      time.Time            // at which keys have to be good
	expires map[string]time.Time // keys that do
	salt    string               // different keyrings have different digests
}

// sign returns the signature of somebody at a time that it claims.
func (k *fakeKeys) sign(who string, at int64, payload []byte) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", who, at, payload))
	return fmt.Appendf(nil, "-----BEGIN SSH SIGNATURE-----\n%s %d %s\n-----END SSH SIGNATURE-----\n", who, at, base64.StdEncoding.EncodeToString(sum[:]))
}

func fingerprint(who string) string {
	sum := sha256.Sum256([]byte(who))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

func (k *fakeKeys) Verify(payload, signature []byte) (*verifier.KeyResult, error) {
	lines := strings.Split(string(signature), "\n")
	var fields []string
	if len(lines) == 4 {
		fields = strings.Fields(lines[1])
	}
	if len(fields) != 3 {
		return nil, &verifier.KeyError{Class: verifier.MalformedSignature, Err: errors.New("no signature")}
	}
	who := fields[0]
	at, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil || string(k.sign(who, at, payload)) != string(signature) {
		return nil, &verifier.KeyError{Class: verifier.BadSignature, Err: errors.New("made over something else")}
	}
	if who == "nobody" {
		return nil, &verifier.KeyError{Class: verifier.UnknownKey, Err: errors.New("no such key")}
	}
	result := &verifier.KeyResult{
		Signer: verifier.Signer{Kind: verifier.SSH, Identity: verifier.Identity{Subject: who + "@example.com"}, Key: fingerprint(who)},
	}
	if at != 0 {
		result.Claimed = time.Unix(at, 0).UTC()
	}
	if end, ok := k.expires[who]; ok {
		if !k.at.Before(end) {
			return nil, &verifier.KeyError{Class: verifier.ExpiredKey, Err: errors.New("the key has expired"), Valid: result}
		}
		result.Lapses = end
	}
	return result, nil
}

func (k *fakeKeys) Digest() [32]byte { return sha256.Sum256([]byte("fake keys " + k.salt)) }

// A history is a repository whose objects are written without git, which is
// much quicker.
type history struct {
	*testRepo
	keys   *fakeKeys
	format gitutil.Format
	cfg    audit.Config // trusts keys, and a root that nothing is signed under
}

// root is a trusted root for audits in which no signature is keyless.
var root = func() []byte {
	a, err := fakeca.New(fakeca.Config{})
	if err != nil {
		panic(err)
	}
	defer a.Close() // in memory
	return a.TrustedRoot()
}()

func newHistory(t testing.TB, args ...string) *history {
	t.Helper()
	h := &history{newRepo(t, args...), &fakeKeys{at: time.Unix(1700000000, 0)}, gitutil.SHA1, trusting(t, root)}
	if slices.Contains(args, "--object-format=sha256") {
		h.format = gitutil.SHA256
	}
	h.cfg.Keys.SSH = h.keys
	return h
}

// A commitment is a commit to write.
type commitment struct {
	by        string            // who signs; empty: nobody
	files     map[string]string // the whole tree, by path; nil: none
	tree      string            // the id of the tree, in place of files
	author    string            // e-mail address; empty: that of by
	committer string            // likewise
	date      string            // empty: 1700000000 +0000
	mergetags []string          // ids of tags
	message   string
}

// object writes an object and returns its id.
func (h *history) object(typ string, data []byte) string {
	h.t.Helper()
	oid, err := gitutil.HashObject(h.format, typ, data)
	if err != nil {
		h.t.Fatal(err)
	}
	h.put(oid, typ, data)
	return oid
}

// put puts content under an id, be it its own or not.
func (h *history) put(oid, typ string, data []byte) {
	h.t.Helper()
	name := filepath.Join(h.dir, ".git", "objects", oid[:2], oid[2:])
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(name, deflated(h.t, fmt.Appendf(nil, "%s %d\x00%s", typ, len(data), data)), 0o444); err != nil {
		h.t.Fatal(err)
	}
}

// files writes a tree with files, and links where the content begins with
// "-> ", and returns its id.
func (h *history) files(files map[string]string) string {
	h.t.Helper()
	entries := make(map[string]string) // by name, with the slash of a directory
	below := make(map[string]map[string]string)
	for path, content := range files {
		if dir, rest, ok := strings.Cut(path, "/"); ok {
			if below[dir] == nil {
				below[dir] = make(map[string]string)
			}
			below[dir][rest] = content
		} else if target, ok := strings.CutPrefix(content, "-> "); ok {
			entries[path] = "120000 " + path + "\x00" + binaryID(h.t, h.object("blob", []byte(target)))
		} else {
			entries[path] = "100644 " + path + "\x00" + binaryID(h.t, h.object("blob", []byte(content)))
		}
	}
	for dir, files := range below {
		entries[dir+"/"] = "40000 " + dir + "\x00" + binaryID(h.t, h.files(files))
	}
	var names []string
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	var tree []byte
	for _, name := range names {
		tree = append(tree, entries[name]...)
	}
	return h.object("tree", tree)
}

// bytes returns a commit, signed.
func (h *history) bytes(c commitment, parents ...string) []byte {
	h.t.Helper()
	if c.tree == "" {
		c.tree = h.files(c.files)
	}
	for _, s := range []*string{&c.author, &c.committer} {
		if *s == "" {
			*s = c.by + "@example.com"
		}
	}
	if c.date == "" {
		c.date = "1700000000 +0000"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "tree %s\n", c.tree)
	for _, parent := range parents {
		fmt.Fprintf(&b, "parent %s\n", parent)
	}
	fmt.Fprintf(&b, "author A <%s> %s\ncommitter C <%s> %s\n\n%s\n", c.author, c.date, c.committer, c.date, c.message)
	data := b.Bytes()
	for _, tag := range c.mergetags {
		data = insertHeader(data, "mergetag", []byte(h.git("cat-file", "tag", tag)+"\n"))
	}
	if c.by != "" {
		name := "gpgsig"
		if h.format == gitutil.SHA256 {
			name = "gpgsig-sha256"
		}
		data = insertHeader(data, name, h.keys.sign(c.by, 1700000000, data))
	}
	return data
}

// commit writes a commit and returns its id.
func (h *history) commit(c commitment, parents ...string) string {
	h.t.Helper()
	return h.object("commit", h.bytes(c, parents...))
}

// by writes a commit without files that somebody signs.
func (h *history) by(who, message string, parents ...string) string {
	h.t.Helper()
	return h.commit(commitment{by: who, message: message}, parents...)
}

// tagged writes a tag that somebody signs, or nobody.
func (h *history) tagged(by, name, object, typ string) string {
	h.t.Helper()
	data := fmt.Appendf(nil, "object %s\ntype %s\ntag %s\ntagger T <%s@example.com> 1700000000 +0000\n\n%s\n", object, typ, name, by, name)
	if by != "" {
		data = append(data, h.keys.sign(by, 1700000000, data)...)
	}
	return h.object("tag", data)
}

// ref points a ref at an object, whatever that is.
func (h *history) ref(name, oid string) {
	h.t.Helper()
	file := filepath.Join(h.dir, ".git", filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(oid+"\n"), 0o666); err != nil {
		h.t.Fatal(err)
	}
}

// deflated returns what git keeps a loose object as.
func deflated(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// binaryID returns an object id as it is in trees.
func binaryID(t testing.TB, oid string) string {
	t.Helper()
	raw, err := hex.DecodeString(oid)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

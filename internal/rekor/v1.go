package rekor

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitseal/internal/tlog"
	"gitseal/internal/transport"
)

// maxRetrieve is how many entries a Rekor v1 server hands out at once (its
// maxSearchQueries).
const maxRetrieve = 10

// Bounds of answers, in bytes.
const (
	maxEntries = 32 << 20
	maxIndex   = 16 << 20
)

// answerTimeout is how long an answer may take: ten entries with a proof each
// take the public log some seconds.
const answerTimeout = 30 * time.Second

// A V1 is a Rekor v1 log. Both fields are required.
type V1 struct {
	Client *transport.Client
	URL    string // the log's base URL, as trusted roots have it
}

// A Query is what to look for in a log's index. One field is set.
type Query struct {
	Certificate []byte // entries with a signature by this certificate (DER)
	Digest      []byte // entries of what has this SHA-256
	Email       string // entries with a certificate for this address
}

// Search asks the log's index for entries, and returns their ids: 64 or 80
// digits. An index is not a part of the log and proves nothing: it may lack
// entries, and name others than were asked for.
func (v *V1) Search(ctx context.Context, q Query) ([]string, error) {
	type publicKey struct {
		Format  string `json:"format"`
		Content []byte `json:"content"`
	}
	var question struct {
		PublicKey *publicKey `json:"publicKey,omitempty"`
		Hash      string     `json:"hash,omitempty"`
		Email     string     `json:"email,omitempty"`
	}
	if q.Certificate != nil {
		question.PublicKey = &publicKey{"x509", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: q.Certificate})}
	}
	if q.Digest != nil {
		question.Hash = "sha256:" + hex.EncodeToString(q.Digest)
	}
	question.Email = q.Email
	body, err := v.post(ctx, "/api/v1/index/retrieve", question, maxIndex)
	if err != nil {
		return nil, err
	}
	ids, err := tlog.ParseRekorV1IDs(body)
	if err != nil {
		return nil, fmt.Errorf("searching Rekor at %s: %w", v.URL, err)
	}
	return ids, nil
}

// ByIDs returns the entries with these ids, in the order of the log. An id of
// 64 digits stands for an entry in each of the log's trees. Entries that the
// log does not have are left out.
func (v *V1) ByIDs(ctx context.Context, ids []string) ([]tlog.RekorV1Entry, error) {
	var all []tlog.RekorV1Entry
	for batch := range slices.Chunk(ids, maxRetrieve) {
		entries, err := v.retrieve(ctx, batch)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	slices.SortStableFunc(all, func(a, b tlog.RekorV1Entry) int { return cmp.Compare(a.LogIndex, b.LogIndex) })
	return all, nil
}

// retrieve asks for at most maxRetrieve entries.
func (v *V1) retrieve(ctx context.Context, ids []string) ([]tlog.RekorV1Entry, error) {
	body, err := v.post(ctx, "/api/v1/log/entries/retrieve", struct {
		IDs []string `json:"entryUUIDs"`
	}{ids}, maxEntries)
	if err != nil {
		return nil, err
	}
	entries, err := v.parse(body)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !slices.ContainsFunc(ids, func(id string) bool { return sameEntry(id, e.ID) }) {
			return nil, fmt.Errorf("reading entries of Rekor at %s: it answers with entry %s, which it was not asked for", v.URL, e.ID)
		}
	}
	return entries, nil
}

// sameEntry reports whether an entry with that id is one that was asked for:
// the id of a leaf stands for that leaf in each tree.
func sameEntry(asked, got string) bool {
	const leaf = 64
	return asked == got || len(asked) == leaf && strings.HasSuffix(got, asked) || len(got) == leaf && strings.HasSuffix(asked, got)
}

// ByID returns the entry with that id, of 64 or 80 digits. The error wraps
// fs.ErrNotExist if the log has none.
func (v *V1) ByID(ctx context.Context, id string) (*tlog.RekorV1Entry, error) {
	e, err := v.entry(ctx, "/api/v1/log/entries/"+url.PathEscape(id))
	if err == nil && !sameEntry(id, e.ID) {
		return nil, fmt.Errorf("reading entry %s of Rekor at %s: it answers with entry %s", id, v.URL, e.ID)
	}
	return e, err
}

// ByIndex returns the entry with that index, which counts over all trees of
// the log. The error wraps fs.ErrNotExist if the log has none.
func (v *V1) ByIndex(ctx context.Context, index int64) (*tlog.RekorV1Entry, error) {
	e, err := v.entry(ctx, "/api/v1/log/entries?logIndex="+strconv.FormatInt(index, 10))
	if err == nil && e.LogIndex != index {
		return nil, fmt.Errorf("reading entry %d of Rekor at %s: it answers with entry %d", index, v.URL, e.LogIndex)
	}
	return e, err
}

// entry asks for a single entry.
func (v *V1) entry(ctx context.Context, path string) (*tlog.RekorV1Entry, error) {
	body, err := v.get(ctx, path, maxEntries)
	if err != nil {
		return nil, err
	}
	entries, err := v.parse(body)
	if err != nil {
		return nil, err
	}
	if len(entries) != 1 {
		return nil, fmt.Errorf("reading an entry of Rekor at %s: it answers with %d", v.URL, len(entries))
	}
	return &entries[0], nil
}

func (v *V1) parse(body []byte) ([]tlog.RekorV1Entry, error) {
	entries, err := tlog.ParseRekorV1(body)
	if err != nil {
		return nil, fmt.Errorf("reading entries of Rekor at %s: %w", v.URL, err)
	}
	return entries, nil
}

// Info returns the tree that the log appends to, and those that came before
// it, the oldest first. Their checkpoints are not verified.
func (v *V1) Info(ctx context.Context) (current tlog.RekorV1Tree, inactive []tlog.RekorV1Tree, err error) {
	body, err := v.get(ctx, "/api/v1/log", 0)
	if err == nil {
		if current, inactive, err = tlog.ParseRekorV1Log(body); err != nil {
			err = fmt.Errorf("reading the state of Rekor at %s: %w", v.URL, err)
		}
	}
	return current, inactive, err
}

// Consistency returns the hashes of the proof that the tree of that id, of
// last leaves, begins with the tree of the first ones. First is not 0, and not
// larger than last.
func (v *V1) Consistency(ctx context.Context, treeID string, first, last uint64) ([]tlog.Hash, error) {
	body, err := v.get(ctx, fmt.Sprintf("/api/v1/log/proof?firstSize=%d&lastSize=%d&treeID=%s", first, last, url.QueryEscape(treeID)), 0)
	if err != nil {
		return nil, err
	}
	hashes, err := tlog.ParseRekorV1Proof(body)
	if err != nil {
		return nil, fmt.Errorf("reading a proof of Rekor at %s: %w", v.URL, err)
	}
	return hashes, nil
}

// get asks for path, which may have a query.
func (v *V1) get(ctx context.Context, path string, limit int64) ([]byte, error) {
	return v.do(ctx, &transport.Request{URL: path, MaxBody: limit})
}

// post asks a question. All those asked here change nothing.
func (v *V1) post(ctx context.Context, path string, question any, limit int64) ([]byte, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	return v.do(ctx, &transport.Request{Method: http.MethodPost, URL: path, ContentType: "application/json", Body: body, MaxBody: limit})
}

func (v *V1) do(ctx context.Context, req *transport.Request) ([]byte, error) {
	req.Service, req.Accept, req.Repeatable = "Rekor", "application/json", true
	req.URL = strings.TrimRight(v.URL, "/") + req.URL
	req.Timeout = answerTimeout
	return answer(ctx, v.Client, req)
}

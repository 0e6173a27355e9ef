package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"gitseal/fakeca"
)

// maxRetrieved is how many entries one can ask for at once, as Rekor has it.
const maxRetrieved = 10

// retrieve answers POST /api/v1/log/entries/retrieve. Entries that do not exist
// are left out.
func (s *server) retrieve(w http.ResponseWriter, r *http.Request) {
	var request struct {
		EntryUUIDs []string `json:"entryUUIDs"`
		LogIndexes []int64  `json:"logIndexes"`
	}
	if !isType(w, r, "application/json") {
		return
	}
	data, ok := read(w, r)
	if !ok {
		return
	}
	if err := decode(data, &request); err != nil {
		restError(w, http.StatusBadRequest, http.StatusBadRequest, err.Error())
		return
	}
	if len(request.EntryUUIDs) > maxRetrieved || len(request.LogIndexes) > maxRetrieved {
		name := "logIndexes"
		if len(request.EntryUUIDs) > maxRetrieved {
			name = "entryUUIDs"
		}
		restError(w, http.StatusUnprocessableEntity, openAPIMaxItems,
			fmt.Sprintf("%s in body should have at most %d items", name, maxRetrieved))
		return
	}
	list := []map[string]jsonEntry{}
	add := func(e *fakeca.Entry, err error) error {
		if err == nil {
			list = append(list, entryJSON(e))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	for i, id := range request.EntryUUIDs {
		if !entryID().MatchString(id) {
			restError(w, http.StatusUnprocessableEntity, openAPIPattern, fmt.Sprintf("entryUUIDs.%d in body should match '%s'", i, entryID()))
			return
		}
		if err := add(s.withID(r, id)); err != nil {
			broken(w, r, err)
			return
		}
	}
	for _, index := range request.LogIndexes {
		if err := add(s.atIndex(r, index)); err != nil {
			broken(w, r, err)
			return
		}
	}
	writeJSON(w, http.StatusOK, list)
}

// search answers POST /api/v1/index/retrieve.
func (s *server) search(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Hash      string `json:"hash"`
		Email     string `json:"email"`
		PublicKey *struct {
			Format  string `json:"format"`
			Content []byte `json:"content"` // PEM
		} `json:"publicKey"`
		Operator string `json:"operator"`
	}
	if !isType(w, r, "application/json") {
		return
	}
	data, ok := read(w, r)
	if !ok {
		return
	}
	if err := decode(data, &request); err != nil {
		restError(w, http.StatusBadRequest, http.StatusBadRequest, err.Error())
		return
	}
	q := fakeca.Query{Email: request.Email, All: request.Operator == "and"}
	if request.Operator != "" && request.Operator != "and" && request.Operator != "or" {
		restError(w, http.StatusUnprocessableEntity, openAPIPattern, "operator in body should be one of [and or]")
		return
	}
	if request.Hash != "" {
		digest, err := hex.DecodeString(strings.TrimPrefix(request.Hash, "sha256:"))
		if err != nil || len(digest) != sha256.Size {
			restError(w, http.StatusUnprocessableEntity, openAPIPattern, "hash in body should be a SHA-256 in hexadecimal")
			return
		}
		q.Digest = digest
	}
	if k := request.PublicKey; k != nil {
		block, rest := pem.Decode(k.Content)
		if k.Format != "x509" || block == nil || strings.TrimSpace(string(rest)) != "" {
			restError(w, http.StatusBadRequest, http.StatusBadRequest, "publicKey in body is not one in the format x509")
			return
		}
		// Entries are found by what they hold: a certificate is not found by
		// the key in it.
		q.Certificate = block.Bytes
	}
	ids, err := s.a.Search(r.Context(), q)
	if err != nil {
		broken(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, append([]string{}, ids...))
}

// logInfo answers GET /api/v1/log.
func (s *server) logInfo(w http.ResponseWriter, r *http.Request) {
	shards, err := s.a.Shards(r.Context())
	if err != nil {
		broken(w, r, err)
		return
	}
	type shard struct {
		InactiveShards *[]shard `json:"inactiveShards,omitempty"`
		RootHash       string   `json:"rootHash"`
		SignedTreeHead string   `json:"signedTreeHead"`
		TreeID         string   `json:"treeID"`
		TreeSize       int64    `json:"treeSize"`
	}
	var list []shard
	for _, h := range shards {
		list = append(list, shard{
			RootHash: hex.EncodeToString(h.Root[:]), SignedTreeHead: string(h.Checkpoint),
			TreeID: strconv.FormatInt(h.TreeID, 10), TreeSize: h.Size,
		})
	}
	active, inactive := list[len(list)-1], list[:len(list)-1]
	active.InactiveShards = &inactive
	writeJSON(w, http.StatusOK, active)
}

// consistency answers GET /api/v1/log/proof?firstSize&lastSize&treeID.
func (s *server) consistency(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if !query.Has("firstSize") {
		query.Set("firstSize", "1")
	}
	first, ok := number(w, query, "firstSize", 1)
	if !ok {
		return
	}
	last, ok := number(w, query, "lastSize", 1)
	if !ok {
		return
	}
	shards, err := s.a.Shards(r.Context())
	if err != nil {
		broken(w, r, err)
		return
	}
	active := shards[len(shards)-1]
	bad := func(format string, args ...any) {
		restError(w, http.StatusBadRequest, http.StatusBadRequest, fmt.Sprintf(format, args...))
	}
	if id := query.Get("treeID"); id != "" && id != strconv.FormatInt(active.TreeID, 10) {
		bad("tree %s has no entries here", id)
		return
	}
	if first > last {
		bad("firstSize(%d) must be less than lastSize(%d)", first, last)
		return
	}
	if last > active.Size {
		bad("the tree size requested(%d) was greater than what is currently observable(%d)", last, active.Size)
		return
	}
	proof, err := s.a.ConsistencyProof(r.Context(), first, last)
	if err != nil {
		broken(w, r, err)
		return
	}
	hashes := []string{}
	for _, h := range proof {
		hashes = append(hashes, hex.EncodeToString(h[:]))
	}
	// The root is that of the tree as it is now, not that of lastSize.
	writeJSON(w, http.StatusOK, struct {
		Hashes   []string `json:"hashes"`
		RootHash string   `json:"rootHash"`
	}{hashes, hex.EncodeToString(active.Root[:])})
}

// logKey answers GET /api/v1/log/publicKey.
func (s *server) logKey(w http.ResponseWriter, r *http.Request) {
	write(w, http.StatusOK, "application/x-pem-file", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: s.a.LogKey()}))
}

// number returns a number that a query gives, and answers if it does not.
func number(w http.ResponseWriter, query url.Values, name string, least int64) (n int64, ok bool) {
	text := query.Get(name)
	if text == "" {
		restError(w, http.StatusUnprocessableEntity, openAPIRequired, name+" in query is required")
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		restError(w, http.StatusUnprocessableEntity, openAPIType, fmt.Sprintf("%s in query must be of type int64: %q", name, text))
		return 0, false
	}
	if n < least {
		restError(w, http.StatusUnprocessableEntity, openAPIMinimum, fmt.Sprintf("%s in query should be greater than or equal to %d", name, least))
		return 0, false
	}
	return n, true
}

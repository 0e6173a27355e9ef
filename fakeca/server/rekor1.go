package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"gitseal/fakeca"
)

// The codes of go-openapi for what a parameter can fail by.
const (
	openAPIType     = 601
	openAPIRequired = 602
	openAPIPattern  = 605
	openAPIMinimum  = 609
	openAPIMaxItems = 611
)

// enter answers POST /api/v1/log/entries.
func (s *server) enter(w http.ResponseWriter, r *http.Request) {
	if !isType(w, r, "application/json") {
		return
	}
	data, ok := read(w, r)
	if !ok {
		return
	}
	var proposed struct {
		APIVersion string          `json:"apiVersion"`
		Kind       string          `json:"kind"`
		Spec       json.RawMessage `json:"spec"`
	}
	if err := decode(data, &proposed); err != nil {
		badEntry(w, err)
		return
	}
	var e *fakeca.Entry
	var err error
	switch {
	case proposed.Kind == "":
		restError(w, http.StatusUnprocessableEntity, openAPIRequired, "kind in body is required")
		return
	case proposed.Kind != "hashedrekord" && proposed.Kind != "dsse":
		restError(w, http.StatusUnprocessableEntity, http.StatusUnprocessableEntity, fmt.Sprintf("invalid kind value: %q", proposed.Kind))
		return
	case proposed.APIVersion != "0.0.1":
		badEntry(w, fmt.Errorf("%s of version %q", proposed.Kind, proposed.APIVersion))
		return
	case proposed.Kind == "dsse":
		e, err = s.enterDSSE(r, proposed.Spec)
	default:
		e, err = s.enterRekord(r, proposed.Spec)
	}
	var duplicate *fakeca.DuplicateError
	var bad *fakeca.RequestError
	switch {
	case errors.As(err, &duplicate):
		w.Header().Set("Location", "/api/v1/log/entries/"+duplicate.ID)
		restError(w, http.StatusConflict, http.StatusConflict,
			"an equivalent entry already exists in the transparency log with UUID "+duplicate.ID)
	case errors.As(err, &bad):
		badEntry(w, bad.Err)
	case err != nil:
		broken(w, r, err)
	default:
		w.Header().Set("Location", "/api/v1/log/entries/"+e.ID)
		w.Header().Set("ETag", e.ID)
		writeJSON(w, http.StatusCreated, entryJSON(e))
	}
}

func badEntry(w http.ResponseWriter, err error) {
	restError(w, http.StatusBadRequest, http.StatusBadRequest, "error processing entry: "+err.Error())
}

// enterRekord enters what the spec of a hashedrekord 0.0.1 proposes.
func (s *server) enterRekord(r *http.Request, text []byte) (*fakeca.Entry, error) {
	var spec struct {
		Data struct {
			Hash struct {
				Algorithm string `json:"algorithm"`
				Value     string `json:"value"`
			} `json:"hash"`
		} `json:"data"`
		Signature struct {
			Content   []byte `json:"content"`
			PublicKey struct {
				Content []byte `json:"content"` // PEM
			} `json:"publicKey"`
		} `json:"signature"`
	}
	if err := decode(text, &spec); err != nil {
		return nil, &fakeca.RequestError{Part: "entry", Err: err}
	}
	digest, err := hex.DecodeString(spec.Data.Hash.Value)
	if err != nil || len(digest) != sha256.Size || spec.Data.Hash.Algorithm != "sha256" {
		return nil, &fakeca.RequestError{Part: "entry", Err: errors.New("data is not given by its SHA-256")}
	}
	return s.a.Enter(r.Context(), [32]byte(digest), spec.Signature.Content, decodePEM(spec.Signature.PublicKey.Content, "CERTIFICATE"))
}

// enterDSSE enters what the spec of a dsse 0.0.1 proposes.
func (s *server) enterDSSE(r *http.Request, text []byte) (*fakeca.Entry, error) {
	var spec struct {
		ProposedContent struct {
			Envelope  string   `json:"envelope"`
			Verifiers [][]byte `json:"verifiers"` // PEM
		} `json:"proposedContent"`
		Signatures *struct{} `json:"signatures"` // the log's to say: null
	}
	if err := decode(text, &spec); err != nil {
		return nil, &fakeca.RequestError{Part: "entry", Err: err}
	}
	if len(spec.ProposedContent.Verifiers) != 1 {
		return nil, &fakeca.RequestError{Part: "entry", Err: errors.New("not one verifier")}
	}
	return s.a.EnterDSSE(r.Context(), []byte(spec.ProposedContent.Envelope), decodePEM(spec.ProposedContent.Verifiers[0], "CERTIFICATE"))
}

// A jsonEntry is an entry as Rekor v1 writes it.
type jsonEntry struct {
	Body           []byte `json:"body"`
	IntegratedTime int64  `json:"integratedTime"`
	LogID          string `json:"logID"`
	LogIndex       int64  `json:"logIndex"`
	Verification   struct {
		InclusionProof struct {
			Checkpoint string   `json:"checkpoint"`
			Hashes     []string `json:"hashes"`
			LogIndex   int64    `json:"logIndex"`
			RootHash   string   `json:"rootHash"`
			TreeSize   int64    `json:"treeSize"`
		} `json:"inclusionProof"`
		SignedEntryTimestamp []byte `json:"signedEntryTimestamp,omitempty"` // there always, but where the log is at fault
	} `json:"verification"`
}

func entryJSON(e *fakeca.Entry) map[string]jsonEntry {
	j := jsonEntry{Body: e.Body, IntegratedTime: e.IntegratedTime, LogID: hex.EncodeToString(e.LogID[:]), LogIndex: e.Index}
	j.Verification.SignedEntryTimestamp = e.Promise
	p := &j.Verification.InclusionProof
	p.Checkpoint, p.LogIndex, p.TreeSize = string(e.Checkpoint), e.TreeIndex, e.TreeSize
	p.RootHash, p.Hashes = hex.EncodeToString(e.Root[:]), []string{}
	for _, h := range e.Hashes {
		p.Hashes = append(p.Hashes, hex.EncodeToString(h))
	}
	return map[string]jsonEntry{e.ID: j}
}

// entryByIndex answers GET /api/v1/log/entries?logIndex=.
func (s *server) entryByIndex(w http.ResponseWriter, r *http.Request) {
	index, ok := number(w, r.URL.Query(), "logIndex", 0)
	if !ok {
		return
	}
	e, err := s.atIndex(r, index)
	answerEntry(w, r, e, err)
}

// entryByID answers GET /api/v1/log/entries/<id>.
func (s *server) entryByID(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/api/v1/log/entries/")
	if !entryID().MatchString(id) {
		restError(w, http.StatusUnprocessableEntity, openAPIPattern, fmt.Sprintf("entryUUID in path should match '%s'", entryID()))
		return
	}
	e, err := s.withID(r, id)
	answerEntry(w, r, e, err)
}

func answerEntry(w http.ResponseWriter, r *http.Request, e *fakeca.Entry, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.WriteHeader(http.StatusNotFound) // Rekor says no more
	case err != nil:
		broken(w, r, err)
	default:
		writeJSON(w, http.StatusOK, entryJSON(e))
	}
}

// atIndex returns the entry with an index in the log, over all shards.
func (s *server) atIndex(r *http.Request, index int64) (*fakeca.Entry, error) {
	shards, err := s.a.Shards(r.Context())
	if err != nil {
		return nil, err
	}
	return s.a.Entry(r.Context(), index-shards[len(shards)-1].First)
}

// An entry id is a leaf hash, behind the number of its tree or alone. The
// expression is compiled when it is needed, which is not at every start of a
// program that links this package.
var entryID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([0-9a-fA-F]{64}|[0-9a-fA-F]{80})$`) })

const leafDigits = 2 * sha256.Size

// withID returns the entry with an id that entryID matches.
func (s *server) withID(r *http.Request, id string) (*fakeca.Entry, error) {
	leaf, err := hex.DecodeString(id[len(id)-leafDigits:])
	if err != nil {
		return nil, err
	}
	index, err := s.a.Find(r.Context(), [32]byte(leaf))
	if err != nil {
		return nil, err
	}
	e, err := s.a.Entry(r.Context(), index)
	if err == nil && len(id) > leafDigits && !strings.EqualFold(e.ID, id) {
		return nil, fs.ErrNotExist // of another tree
	}
	return e, err
}

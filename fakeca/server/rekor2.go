package server

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"gitseal/fakeca"
)

// enterV2 answers POST /api/v2/log/entries. Like rekor-tiles it takes
// hashedrekord alone: envelopes are entered as such.
func (s *server) enterV2(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Rekord *struct {
			Digest    []byte `json:"digest"`
			Signature struct {
				Content  []byte `json:"content"`
				Verifier struct {
					X509Certificate struct {
						RawBytes []byte `json:"rawBytes"`
					} `json:"x509Certificate"`
					KeyDetails string `json:"keyDetails"`
				} `json:"verifier"`
			} `json:"signature"`
		} `json:"hashedRekordRequestV002"`
	}
	data, ok := read(w, r)
	if !ok {
		return
	}
	bad := func(message string) { grpcError(w, http.StatusBadRequest, codeInvalidArgument, message) }
	if err := decode(data, &request); err != nil {
		bad(err.Error())
		return
	}
	if request.Rekord == nil {
		bad("invalid type, must be hashedrekord")
		return
	}
	const refused = "invalid hashedrekord request"
	h, v := request.Rekord, request.Rekord.Signature.Verifier
	if len(h.Digest) != sha256.Size || v.KeyDetails != "PKIX_ECDSA_P256_SHA_256" {
		bad(refused)
		return
	}
	e, err := s.a.Enter(r.Context(), [32]byte(h.Digest), h.Signature.Content, v.X509Certificate.RawBytes)
	var duplicate *fakeca.DuplicateError
	var wrong *fakeca.RequestError
	switch {
	case errors.As(err, &duplicate):
		w.Header().Set("X-Log-Index", strconv.FormatInt(duplicate.Index, 10))
		grpcError(w, http.StatusConflict, codeAlreadyExists,
			fmt.Sprintf("an equivalent entry already exists in the transparency log with index %d", duplicate.Index))
	case errors.As(err, &wrong):
		bad(refused)
	case err != nil:
		broken(w, r, err)
	default:
		writeJSON(w, http.StatusCreated, protoJSON(e))
	}
}

// A protoEntry is a dev.sigstore.rekor.v1.TransparencyLogEntry as ProtoJSON
// writes it with all its fields.
type protoEntry struct {
	LogIndex int64 `json:"logIndex,string"`
	LogID    struct {
		KeyID []byte `json:"keyId"`
	} `json:"logId"`
	KindVersion struct {
		Kind    string `json:"kind"`
		Version string `json:"version"`
	} `json:"kindVersion"`
	IntegratedTime   int64     `json:"integratedTime,string"` // never told: 0
	InclusionPromise *struct{} `json:"inclusionPromise"`      // never made: null
	InclusionProof   struct {
		LogIndex   int64    `json:"logIndex,string"`
		RootHash   []byte   `json:"rootHash"`
		TreeSize   int64    `json:"treeSize,string"`
		Hashes     [][]byte `json:"hashes"`
		Checkpoint struct {
			Envelope string `json:"envelope"`
		} `json:"checkpoint"`
	} `json:"inclusionProof"`
	CanonicalizedBody []byte `json:"canonicalizedBody"`
}

func protoJSON(e *fakeca.Entry) *protoEntry {
	j := &protoEntry{LogIndex: e.Index, CanonicalizedBody: e.Body}
	j.LogID.KeyID = e.LogID[:]
	j.KindVersion.Kind, j.KindVersion.Version = e.Kind, e.Version
	p := &j.InclusionProof
	p.LogIndex, p.TreeSize, p.RootHash = e.TreeIndex, e.TreeSize, e.Root[:]
	p.Hashes = append([][]byte{}, e.Hashes...)
	p.Checkpoint.Envelope = string(e.Checkpoint)
	return j
}

// checkpoint answers GET /api/v2/checkpoint.
func (s *server) checkpoint(w http.ResponseWriter, r *http.Request) {
	shards, err := s.a.Shards(r.Context())
	if err != nil {
		broken(w, r, err)
		return
	}
	write(w, http.StatusOK, "text/plain; charset=utf-8", shards[len(shards)-1].Checkpoint)
}

// tile answers GET /api/v2/tile/….
func (s *server) tile(w http.ResponseWriter, r *http.Request) {
	data, err := s.a.Tile(r.Context(), strings.TrimPrefix(r.URL.Path, "/api/v2/"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "404 page not found", http.StatusNotFound) // as a server of files says it
	case err != nil:
		broken(w, r, err)
	default:
		w.Header().Set("Cache-Control", "max-age=31536000, immutable") // C2SP tlog-tiles
		write(w, http.StatusOK, "application/octet-stream", data)
	}
}

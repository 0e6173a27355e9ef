package sigstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"sync"

	"gitseal/internal/rekor"
	"gitseal/internal/tlog"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
)

// A rekorV2 is a log with the API of Rekor v2. It records hashedrekord entries
// only, so it is no signer.DSSELog.
type rekorV2 struct {
	rekor.V2
	root *trust.TrustedRoot // nil: none
}

// Add implements signer.Log. Like Rekor v1, the log takes an entry once; where
// an upload whose answer got lost is repeated, the entry is read back.
func (r *rekorV2) Add(ctx context.Context, digest [32]byte, signature, certificate []byte) ([]byte, error) {
	type rawBytes struct {
		RawBytes []byte `json:"rawBytes"`
	}
	type keyVerifier struct {
		KeyDetails      string   `json:"keyDetails"`
		X509Certificate rawBytes `json:"x509Certificate"`
	}
	type signed struct {
		Content  []byte      `json:"content"`
		Verifier keyVerifier `json:"verifier"`
	}
	type rekord struct {
		Digest    []byte `json:"digest"`
		Signature signed `json:"signature"`
	}
	body, err := json.Marshal(struct {
		HashedRekord rekord `json:"hashedRekordRequestV002"`
	}{rekord{digest[:], signed{signature, keyVerifier{"PKIX_ECDSA_P256_SHA_256", rawBytes{certificate}}}}})
	if err != nil {
		return nil, err
	}
	req := &transport.Request{
		Service: "Rekor", URL: r.URL + "/api/v2/log/entries", ContentType: "application/json", Accept: "application/json",
		Body: body, MaxBody: maxAnswer, Timeout: logTimeout, Repeatable: true,
	}
	resp, err := r.Client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	want := tlog.HashedRekordV2(digest, signature, certificate)
	var entry *tlog.Entry
	switch resp.Status {
	case http.StatusCreated:
		entry, err = tlog.ParseEntryJSON(resp.Body)
	case http.StatusConflict:
		refusal := resp.Err(req)
		index, ok := duplicate(resp.Header, refusal.Message)
		if !ok {
			return nil, refusal
		}
		if entry, err = r.readBack(ctx, index); err != nil {
			return nil, fmt.Errorf("log %s has the entry already, as number %d, which cannot be read back: %w", r.URL, index, err)
		}
	default:
		return nil, resp.Err(req)
	}
	if err == nil && !bytes.Equal(entry.CanonicalizedBody, want) {
		err = errors.New("its entry is not for this signature")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the answer of Rekor at %s: %w", r.URL, err)
	}
	return entry.Marshal(), nil
}

// duplicateIndex finds the index in Tessera's "... already exists with index
// 7".
var duplicateIndex = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\bindex:? ([0-9]{1,18})\b`) })

// duplicate returns the index of the entry that the log has already, from the
// header or else the words of its refusal.
func duplicate(header http.Header, message string) (uint64, bool) {
	for _, name := range []string{"X-Log-Index", "Grpc-Metadata-X-Log-Index"} {
		if index, err := strconv.ParseUint(header.Get(name), 10, 62); err == nil {
			return index, true
		}
	}
	if m := duplicateIndex().FindStringSubmatch(message); m != nil {
		index, err := strconv.ParseUint(m[1], 10, 62)
		return index, err == nil
	}
	return 0, false
}

// readBack returns an entry that the log has, proven from its tiles.
func (r *rekorV2) readBack(ctx context.Context, index uint64) (*tlog.Entry, error) {
	note, err := r.Fetch(ctx, "checkpoint")
	if err != nil {
		return nil, err
	}
	checkpoint, err := tlog.ParseCheckpoint(note)
	if err != nil {
		return nil, err
	}
	id, err := r.logID(checkpoint)
	if err != nil {
		return nil, err
	}
	head := checkpoint.Checkpoint
	tree, err := rekor.NewTree(r.Fetch, head.Size, head.Root)
	if err != nil {
		return nil, err
	}
	body, err := tree.Entry(ctx, index)
	if err != nil {
		return nil, err
	}
	proof, err := tree.Inclusion(ctx, index)
	if err != nil {
		return nil, err
	}
	return &tlog.Entry{
		LogIndex: int64(index), LogID: id, Kind: "hashedrekord", KindVersion: "0.0.2", CanonicalizedBody: body,
		Proof: &tlog.EntryProof{
			LogIndex: int64(index), RootHash: head.Root, TreeSize: int64(head.Size), Hashes: proof.Hashes, Checkpoint: note,
		},
	}, nil
}

// logID returns the id of the log that signed the checkpoint.
func (r *rekorV2) logID(checkpoint *tlog.SignedCheckpoint) ([]byte, error) {
	if r.root != nil {
		for i := range r.root.TLogs {
			log := &r.root.TLogs[i]
			if log.Origin() == checkpoint.Checkpoint.Origin && checkpoint.Verify(log.PublicKey, log.KeyID) == nil {
				return log.KeyID, nil
			}
		}
	}
	return nil, errors.New("its checkpoint is not by a log of the trusted root; sign again")
}

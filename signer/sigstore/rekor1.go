package sigstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"sync"
	"time"

	"gitseal/internal/rekor"
	"gitseal/internal/tlog"
	"gitseal/internal/transport"
)

// logTimeout is for logs that answer when a checkpoint covers the entry, or
// when their database has a moment.
const logTimeout = 30 * time.Second

// maxAnswer bounds the entry in a log's answer: as it was sent, in base64, with
// its proof.
const maxAnswer = 4 << 20

// A rekorV1 is a log with the API of Rekor v1.
type rekorV1 struct {
	rekor.V1
}

// Add implements signer.Log.
func (r *rekorV1) Add(ctx context.Context, digest [32]byte, signature, certificate []byte) ([]byte, error) {
	want := tlog.HashedRekordV1(digest, signature, certificate)
	// What is proposed has the form of what is recorded.
	return r.add(ctx, want, func(body []byte) error {
		if !bytes.Equal(body, want) {
			return errors.New("its entry is not for this signature")
		}
		return nil
	})
}

// AddDSSE implements signer.DSSELog.
func (r *rekorV1) AddDSSE(ctx context.Context, envelope, certificate []byte) ([]byte, error) {
	type content struct {
		Envelope  string   `json:"envelope"`
		Verifiers [][]byte `json:"verifiers"`
	}
	type spec struct {
		ProposedContent content `json:"proposedContent"`
	}
	proposal, err := json.Marshal(struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Spec       spec   `json:"spec"`
	}{"0.0.1", "dsse", spec{content{string(envelope), [][]byte{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})}}}})
	if err != nil {
		return nil, err
	}
	want := sha256.Sum256(envelope)
	return r.add(ctx, proposal, func(data []byte) error {
		body, err := tlog.ParseBody(data)
		if err != nil {
			return err
		}
		if body.Kind != "dsse" || !bytes.Equal(body.EnvelopeHash, want[:]) ||
			len(body.Signatures) != 1 || !bytes.Equal(body.Signatures[0].Certificate, certificate) {
			return errors.New("its entry is not for this envelope")
		}
		return nil
	})
}

// add uploads an entry and returns the one that the log has, whose body check
// accepts. It may upload it again, which does no harm: a log that has the entry
// says so (409), and gives it out.
func (r *rekorV1) add(ctx context.Context, proposal []byte, check func(body []byte) error) ([]byte, error) {
	req := &transport.Request{
		Service: "Rekor", URL: r.URL + "/api/v1/log/entries", ContentType: "application/json", Accept: "application/json",
		Body: proposal, MaxBody: maxAnswer, Timeout: logTimeout, Repeatable: true,
	}
	resp, err := r.Client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	var entry *tlog.RekorV1Entry
	switch resp.Status {
	case http.StatusCreated:
		var entries []tlog.RekorV1Entry
		if entries, err = tlog.ParseRekorV1(resp.Body); err == nil && len(entries) != 1 {
			err = fmt.Errorf("%d entries, want one", len(entries))
		}
		if err == nil {
			entry = &entries[0]
		}
	case http.StatusConflict:
		refusal := resp.Err(req)
		id := existing(resp.Header.Get("Location"), refusal.Message)
		if id == "" {
			return nil, refusal
		}
		if entry, err = r.await(ctx, id); err != nil {
			return nil, fmt.Errorf("log %s has the entry already, and does not give it out: %w", r.URL, err)
		}
	default:
		return nil, resp.Err(req)
	}
	if err == nil {
		err = check(entry.CanonicalizedBody)
	}
	if err == nil && (entry.Promise == nil || len(entry.Promise.SET) == 0) {
		// A time-stamp could tell the time too, but not to the verifiers that
		// ask for the promise of every entry of this kind of log.
		err = errors.New("its entry has no signed entry timestamp")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the answer of Rekor at %s: %w", r.URL, err)
	}
	return entry.Marshal(), nil
}

// How often, and for how long at least, to ask for an entry that the log has
// taken but not sequenced yet. Logs sequence several times a second.
const (
	awaitPause = 500 * time.Millisecond
	awaitTries = 10
)

// await returns the entry with that id, once the log has it in its tree.
func (r *rekorV1) await(ctx context.Context, id string) (*tlog.RekorV1Entry, error) {
	for try := 1; ; try++ {
		entry, err := r.ByID(ctx, id)
		if !errors.Is(err, fs.ErrNotExist) || try == awaitTries {
			return entry, err
		}
		if err := r.Client.Pause(ctx, awaitPause); err != nil {
			return nil, err
		}
	}
}

// entryID finds the id of an entry in a sentence. It is compiled when it is
// needed, as every expression here: that is not at every start.
var entryID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\b(?:[0-9a-f]{80}|[0-9a-f]{64})\b`) })

// existing returns the id of the entry that the log has already, from the
// header that names its place or from the log's words; "" if neither has one.
// Of a place elsewhere only the id counts.
func existing(location, message string) string {
	id := path.Base(location)
	if raw, err := hex.DecodeString(id); err == nil && (len(raw) == 32 || len(raw) == 40) {
		return id
	}
	return entryID().FindString(message)
}

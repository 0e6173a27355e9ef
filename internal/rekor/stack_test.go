package rekor_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"gitseal/internal/entries"
	"gitseal/internal/rekor"
	"gitseal/internal/tlog"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
	"gitseal/signer/sigstore"
)

// TestStackOnlineEntries enters signatures of object ids in a real Rekor v1
// log, as gitsign's online mode does, and finds them again.
func TestStackOnlineEntries(t *testing.T) {
	if os.Getenv("GITSEAL_STACK") == "" {
		t.Skip("no real Sigstore: GITSEAL_STACK is not set (make test-stack)")
	}
	root, err := trust.Parse(readEnv(t, "STACK_TRUSTED_ROOT"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := trust.ParseSigningConfig(readEnv(t, "STACK_SIGNING_CONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	config.TLogs = []trust.Service{rekorV1(t, config.TLogs)}
	client := transport.New(transport.Config{UserAgent: "gitseal test"})
	in, err := sigstore.New(sigstore.Config{Client: client, Signing: config})
	if err != nil {
		t.Fatal(err)
	}

	// A certificate, and a dozen signatures: more than Rekor hands out at once.
	const email = "online@example.test"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	sign := func(text string) []byte {
		digest := sha256.Sum256([]byte(text))
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	chain, err := in.CA().Certify(t.Context(), token(t, email), spki, sign(email))
	if err != nil {
		t.Fatal(err)
	}
	var objects []string
	for i := range 12 {
		id := sha256.Sum256(append(bytes.Clone(chain[0]), byte(i)))
		object := hex.EncodeToString(id[:20])
		objects = append(objects, object)
		if _, err := in.Logs()[0].Add(t.Context(), sha256.Sum256([]byte(object)), sign(object), chain[0]); err != nil {
			t.Fatal(err)
		}
	}

	// Rekor answers before its index has the entry.
	v := &rekor.V1{Client: client, URL: config.TLogs[0].URL}
	for deadline := time.Now().Add(30 * time.Second); ; {
		ids, err := v.Search(t.Context(), rekor.Query{Certificate: chain[0]})
		if err != nil {
			t.Fatal(err)
		}
		if len(ids) == len(objects) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the index has %d of %d entries", len(ids), len(objects))
		}
		if err := client.Pause(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}

	store := entries.Store{Dir: t.TempDir()}
	f := rekor.NewFinder(rekor.FinderConfig{
		Store: store, Roots: []*trust.TrustedRoot{root}, Now: time.Now,
		Open: func(l *trust.Log) (*rekor.V1, error) { return &rekor.V1{Client: client, URL: l.BaseURL}, nil },
	})
	for _, object := range objects {
		found, err := f.Find(t.Context(), chain[0], object)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 {
			t.Fatalf("%d entries of object %s, want one", len(found), object)
		}
	}
	if kept := store.Get(sha256.Sum256(chain[0])).Entries; len(kept) != len(objects) {
		t.Errorf("%d entries are kept, want %d", len(kept), len(objects))
	}

	// The log answers the other questions, too, and contradicts itself in none.
	ids, err := v.Search(t.Context(), rekor.Query{Certificate: chain[0]})
	if err != nil {
		t.Fatal(err)
	}
	byIDs, err := v.ByIDs(t.Context(), ids)
	if err != nil || len(byIDs) != len(objects) {
		t.Fatalf("ByIDs = %d entries, %v; want %d", len(byIDs), err, len(objects))
	}
	for _, q := range []rekor.Query{{Email: email}, {Digest: digestOf(objects[0])}} {
		if ids, err := v.Search(t.Context(), q); err != nil || len(ids) == 0 {
			t.Errorf("Search(%+v) = %v, %v; want some", q, ids, err)
		}
	}
	e, err := v.ByIndex(t.Context(), byIDs[0].LogIndex)
	if err != nil || e.ID != byIDs[0].ID {
		t.Errorf("ByIndex(%d) = %+v, %v; want entry %s", byIDs[0].LogIndex, e, err, byIDs[0].ID)
	}
	current, _, err := v.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := v.Consistency(t.Context(), current.ID, uint64(e.Proof.TreeSize), current.Size)
	if err == nil {
		err = tlog.ConsistencyProof{First: uint64(e.Proof.TreeSize), Second: current.Size, Hashes: hashes}.Verify(e.Proof.RootHash, current.Root)
	}
	if err != nil {
		t.Errorf("from %d to %d: %v", e.Proof.TreeSize, current.Size, err)
	}
}

func digestOf(text string) []byte {
	digest := sha256.Sum256([]byte(text))
	return digest[:]
}

func readEnv(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(os.Getenv(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func rekorV1(t *testing.T, logs []trust.Service) trust.Service {
	t.Helper()
	for _, l := range logs {
		if l.MajorAPIVersion == 1 {
			return l
		}
	}
	t.Fatal("no Rekor v1 among the logs")
	panic("unreachable")
}

// token has the stack's issuer vouch for an address.
func token(t *testing.T, email string) string {
	t.Helper()
	resp, err := http.Get(os.Getenv("STACK_OIDC_ISSUER") + "/mint?aud=sigstore&email=" + email)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("minting a token: %s, %v", resp.Status, err)
	}
	return strings.TrimSpace(string(data))
}

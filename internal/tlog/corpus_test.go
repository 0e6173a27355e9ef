package tlog

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// corpus returns the path of a file among the real signatures that are kept
// beside the repository, and skips the test where they are absent.
func corpus(t testing.TB, name ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{"..", "..", "..", "shared", "corpus"}, name...)...)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no real signatures: %v", err)
	}
	return path
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// readLog returns the key of a log and its Rekor v1 log id.
func readLog(t testing.TB, path string) (crypto.PublicKey, []byte) {
	t.Helper()
	block, _ := pem.Decode(readFile(t, path))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key, LogIDv1(block.Bytes)
}

// A realSignature is what a log entry is about, taken out of a CMS signature,
// and the entry that was embedded.
type realSignature struct {
	digest      [32]byte // of the signed attributes
	signature   []byte
	certificate []byte
	entry       []byte // nil: none embedded
}

// The parts of RFC 5652 that lead to a realSignature.
type (
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content signedData `asn1:"explicit,tag:0"`
	}
	signedData struct {
		Version      int
		Algorithms   asn1.RawValue
		Content      asn1.RawValue
		Certificates asn1.RawValue `asn1:"optional,tag:0"`
		Signers      []signerInfo  `asn1:"set"`
	}
	signerInfo struct {
		Version            int
		SID                issuerAndSerial
		DigestAlgorithm    asn1.RawValue
		SignedAttrs        asn1.RawValue `asn1:"optional,tag:0"`
		SignatureAlgorithm asn1.RawValue
		Signature          []byte
		UnsignedAttrs      []attribute `asn1:"optional,set,tag:1"`
	}
	issuerAndSerial struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	attribute struct {
		Type   asn1.ObjectIdentifier
		Values []asn1.RawValue `asn1:"set"`
	}
)

func parseSignature(t testing.TB, der []byte) realSignature {
	t.Helper()
	var ci contentInfo
	if _, err := asn1.Unmarshal(der, &ci); err != nil {
		t.Fatal(err)
	}
	signer := ci.Content.Signers[0]
	attrs := bytes.Clone(signer.SignedAttrs.FullBytes)
	attrs[0] = 0x31 // SET, as it is signed
	sig := realSignature{digest: sha256.Sum256(attrs), signature: signer.Signature}
	certs, err := x509.ParseCertificates(ci.Content.Certificates.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, cert := range certs {
		if cert.SerialNumber.Cmp(signer.SID.Serial) == 0 {
			sig.certificate = cert.Raw
		}
	}
	for _, attr := range signer.UnsignedAttrs {
		if attr.Type.String() == "1.3.6.1.4.1.57264.3.1" {
			sig.entry = attr.Values[0].Bytes
		}
	}
	return sig
}

// checkProof checks all that an entry says about where body is in the log.
func checkProof(t *testing.T, e *Entry, body []byte, key crypto.PublicKey) *SignedCheckpoint {
	t.Helper()
	cp, err := ParseCheckpoint(e.Proof.Checkpoint)
	if err != nil {
		t.Error(err)
		return nil
	}
	if got := cp.Marshal(); !bytes.Equal(got, e.Proof.Checkpoint) {
		t.Errorf("checkpoint %q comes back as %q", e.Proof.Checkpoint, got)
	}
	if got := cp.Checkpoint.Marshal(); !bytes.Equal(got, cp.Text) {
		t.Errorf("checkpoint text %q comes back as %q", cp.Text, got)
	}
	if err := cp.Verify(key, e.LogID); err != nil {
		t.Error(err)
	}
	if cp.Checkpoint.Root != e.Proof.RootHash || cp.Checkpoint.Size != uint64(e.Proof.TreeSize) {
		t.Errorf("checkpoint and proof differ")
	}
	proof := InclusionProof{uint64(e.Proof.LogIndex), cp.Checkpoint.Size, e.Proof.Hashes}
	if err := proof.Verify(LeafHash(body), cp.Checkpoint.Root); err != nil {
		t.Error(err)
	}
	return cp
}

func TestPublicEntriesVerify(t *testing.T) {
	objects := corpus(t, "offline", "objects")
	key, logID := readLog(t, corpus(t, "trust", "prod", "rekor.pub"))
	lines := bufio.NewScanner(bytes.NewReader(readFile(t, corpus(t, "offline", "expected.jsonl"))))
	good := 0
	for lines.Scan() {
		var want struct {
			OID            string
			Expected       string
			IntegratedTime int64 `json:"integrated_time"`
			LogIndex       int64 `json:"log_index"`
			ProofIndex     int64 `json:"proof_index"`
		}
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		if want.Expected != "good" {
			continue
		}
		good++
		t.Run(want.OID, func(t *testing.T) {
			sig := parseSignature(t, objectSignature(t, readFile(t, filepath.Join(objects, want.OID))))
			e, err := ParseEntry(sig.entry)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(e.LogID, logID) {
				t.Fatalf("log id = %x, want %x", e.LogID, logID)
			}
			if e.IntegratedTime != want.IntegratedTime || e.LogIndex != want.LogIndex || e.Proof.LogIndex != want.ProofIndex {
				t.Errorf("time, index, proof index = %d, %d, %d; want %d, %d, %d",
					e.IntegratedTime, e.LogIndex, e.Proof.LogIndex, want.IntegratedTime, want.LogIndex, want.ProofIndex)
			}
			body := HashedRekordV1(sig.digest, sig.signature, sig.certificate)
			checkProof(t, e, body, key)
			if err := VerifySET(key, body, e.IntegratedTime, e.LogID, e.LogIndex, e.Promise.SET); err != nil {
				t.Error(err)
			}
		})
	}
	if good != 88 {
		t.Errorf("%d entries examined, want 88", good)
	}
}

// objectSignature returns the signature of a raw commit or tag, in DER.
func objectSignature(t *testing.T, object []byte) []byte {
	t.Helper()
	const begin, end = "-----BEGIN SIGNED MESSAGE-----", "-----END SIGNED MESSAGE-----"
	_, rest, ok := strings.Cut(string(object), begin)
	armor, _, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("no signature")
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(armor), ""))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestPrivateEntriesVerify(t *testing.T) {
	trust := corpus(t, "keyless", "trust")
	key1, logID1 := readLog(t, filepath.Join(trust, "rekor1.pub.pem"))
	key2, _ := readLog(t, filepath.Join(trust, "rekor2.pub.pem"))
	logID2, err := KeyID("127.0.0.1", key2)
	if err != nil {
		t.Fatal(err)
	}
	leaves := tileLeaves(t)

	files, err := filepath.Glob(corpus(t, "keyless", "decoded") + "/*-offline-*.der")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			sig := parseSignature(t, readFile(t, file))
			e, err := ParseEntry(sig.entry)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(filepath.Base(file), "v1-") {
				if !bytes.Equal(e.LogID, logID1) {
					t.Fatalf("log id = %x, want %x", e.LogID, logID1)
				}
				body := HashedRekordV1(sig.digest, sig.signature, sig.certificate)
				checkProof(t, e, body, key1)
				if err := VerifySET(key1, body, e.IntegratedTime, e.LogID, e.LogIndex, e.Promise.SET); err != nil {
					t.Error(err)
				}
				return
			}
			if !bytes.Equal(e.LogID, logID2) {
				t.Fatalf("log id = %x, want %x", e.LogID, logID2)
			}
			cp := checkProof(t, e, HashedRekordV2(sig.digest, sig.signature, sig.certificate), key2)
			if want := refRoot(leaves[:cp.Checkpoint.Size]); cp.Checkpoint.Root != want {
				t.Errorf("root at %d = %x, want %x", cp.Checkpoint.Size, cp.Checkpoint.Root, want)
			}
		})
	}
}

// tileLeaves returns the leaf hashes of the Rekor v2 log, from its entries.
func tileLeaves(t *testing.T) []Hash {
	t.Helper()
	var leaves []Hash
	for _, body := range tileEntries(readFile(t, corpus(t, "keyless", "rekor2-tiles", "entries", "000.p", "75"))) {
		leaves = append(leaves, LeafHash(body))
	}
	return leaves
}

// tileEntries returns the entries of an entry bundle (C2SP tlog-tiles).
func tileEntries(bundle []byte) (entries [][]byte) {
	for len(bundle) > 0 {
		n := 2 + int(binary.BigEndian.Uint16(bundle))
		entries = append(entries, bundle[2:n])
		bundle = bundle[n:]
	}
	return entries
}

func TestTilesRebuildTheLog(t *testing.T) {
	tiles := corpus(t, "keyless", "rekor2-tiles")
	leaves := tileLeaves(t)
	cp, err := ParseCheckpoint(readFile(t, filepath.Join(tiles, "checkpoint")))
	if err != nil {
		t.Fatal(err)
	}
	key, _ := readLog(t, corpus(t, "keyless", "trust", "rekor2.pub.pem"))
	logID, err := KeyID(cp.Checkpoint.Origin, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := cp.Verify(key, logID); err != nil {
		t.Error(err)
	}
	if len(leaves) != int(cp.Checkpoint.Size) {
		t.Fatalf("%d entries, want %d", len(leaves), cp.Checkpoint.Size)
	}
	if got := refRoot(leaves); got != cp.Checkpoint.Root {
		t.Errorf("root = %x, want %x", got, cp.Checkpoint.Root)
	}
	for n := 1; n <= len(leaves); n++ {
		var want []byte
		for _, h := range leaves[:n] {
			want = append(want, h[:]...)
		}
		if got := readFile(t, filepath.Join(tiles, "0", "000.p", strconv.Itoa(n))); !bytes.Equal(got, want) {
			t.Errorf("tile of %d hashes is not that of the first %d entries", n, n)
		}
		first := refRoot(leaves[:n])
		consistency := ConsistencyProof{uint64(n), cp.Checkpoint.Size, refProof(n, leaves)}
		if err := consistency.Verify(first, cp.Checkpoint.Root); err != nil {
			t.Errorf("from %d: %v", n, err)
		}
		inclusion := InclusionProof{uint64(n - 1), cp.Checkpoint.Size, refPath(n-1, leaves)}
		if err := inclusion.Verify(leaves[n-1], cp.Checkpoint.Root); err != nil {
			t.Errorf("entry %d: %v", n-1, err)
		}
	}
}

func TestRekorV1LogIsOneTree(t *testing.T) {
	key, _ := readLog(t, corpus(t, "keyless", "trust", "rekor1.pub.pem"))
	entries := map[int64]*Entry{}
	for line := range bytes.Lines(readFile(t, corpus(t, "keyless", "rekor1-entries.jsonl"))) {
		parsed, err := ParseRekorV1(line)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range parsed {
			entries[e.LogIndex] = e.Entry
		}
	}
	leaves := make([]Hash, len(entries))
	for i, e := range entries {
		leaves[i] = LeafHash(e.CanonicalizedBody)
	}
	for i, e := range entries {
		cp := checkProof(t, e, e.CanonicalizedBody, key)
		size := e.Proof.TreeSize
		if want := refRoot(leaves[:size]); cp.Checkpoint.Root != want {
			t.Errorf("entry %d: root = %x, want %x", i, cp.Checkpoint.Root, want)
		}
		if err := VerifySET(key, e.CanonicalizedBody, e.IntegratedTime, e.LogID, i, e.Promise.SET); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
		consistency := ConsistencyProof{uint64(size), uint64(len(leaves)), refProof(int(size), leaves)}
		if err := consistency.Verify(cp.Checkpoint.Root, refRoot(leaves)); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
	}
}

package fakeca

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// testTime is what the clock of test authorities says.
func testTime() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC) }

// newTestAuthority returns an authority in memory that is the same each time.
func newTestAuthority(t testing.TB, cfg Config) *Authority {
	t.Helper()
	if cfg.Clock == nil {
		cfg.Clock = testTime
	}
	if cfg.Rand == nil {
		cfg.Rand = mathrand.NewChaCha8([32]byte{1})
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// A signer is someone with a certificate.
type signer struct {
	key   *ecdsa.PrivateKey
	chain [][]byte
}

// certify gets a certificate the way a client does.
func certify(t testing.TB, a *Authority, subject string) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	token, err := a.Token(context.Background(), subject)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := a.Certify(context.Background(), token, spkiOf(t, key), signDigest(t, key, []byte(subject)))
	if err != nil {
		t.Fatal(err)
	}
	return &signer{key, chain}
}

func spkiOf(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return spki
}

func signDigest(t testing.TB, key *ecdsa.PrivateKey, message []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(message)
	sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func TestCertificateIsLikeFulcios(t *testing.T) {
	for subject, kind := range map[string]string{
		"alice@example.com":                      "email",
		"https://example.com/w.yml@refs/heads/x": "uri",
		"spiffe://example.org/ns/a":              "uri",
		"bob":                                    "other",
		"jürgen@example.com":                     "other",
		"a b@example.com":                        "other",
	} {
		a := newTestAuthority(t, Config{})
		chain := certify(t, a, subject).chain
		if len(chain) != 3 {
			t.Fatalf("%d certificates, want 3", len(chain))
		}
		cert, err := x509.ParseCertificate(chain[0])
		if err != nil {
			t.Fatal(err)
		}
		got := "other"
		switch {
		case len(cert.EmailAddresses) == 1 && cert.EmailAddresses[0] == subject:
			got = "email"
		case len(cert.URIs) == 1 && cert.URIs[0].String() == subject:
			got = "uri"
		}
		if got != kind {
			t.Errorf("subject %q is certified as %s, want %s", subject, got, kind)
		}
		if got, want := cert.NotAfter.Sub(cert.NotBefore), 10*time.Minute; got != want {
			t.Errorf("certificate lasts %v, want %v", got, want)
		}
		if want := testTime().Truncate(time.Second); !cert.NotBefore.Equal(want) {
			t.Errorf("not before %v, want %v", cert.NotBefore, want)
		}
		if len(cert.Subject.Names) != 0 || cert.KeyUsage != x509.KeyUsageDigitalSignature || cert.IsCA {
			t.Errorf("subject %v, key usage %v, CA %v", cert.Subject, cert.KeyUsage, cert.IsCA)
		}
		for id, want := range map[oid]string{
			oidFulcioIssuerV1: a.Issuer(),
			oidFulcioIssuer:   "\x0c" + string(rune(len(a.Issuer()))) + a.Issuer(),
			oidFulcioSubject:  string(utf8String(subject)),
		} {
			if got := extensionOf(cert, id); got != want {
				t.Errorf("extension %s = %q, want %q", id, got, want)
			}
		}
		if extensionOf(cert, oidSCTList) == "" {
			t.Error("no SCTs")
		}
	}
}

func extensionOf(cert *x509.Certificate, id oid) string {
	for _, e := range cert.Extensions {
		if e.Id.String() == string(id) {
			return string(e.Value)
		}
	}
	return ""
}

func TestTokenRejectsSubject(t *testing.T) {
	a := newTestAuthority(t, Config{})
	for _, subject := range []string{"", "a\nb", "a\x00", "\xff", strings.Repeat("a", maxSubject+1)} {
		if _, err := a.Token(context.Background(), subject); err == nil {
			t.Errorf("Token(%.20q) succeeds", subject)
		}
	}
	if _, err := a.Token(context.Background(), strings.Repeat("a", maxSubject)); err != nil {
		t.Error(err)
	}
}

func TestLongestSubjectIsCertified(t *testing.T) {
	a := newTestAuthority(t, Config{})
	subject := strings.Repeat("é", maxSubject/2)
	if err := sigstoreVerify(a, a.draft(nil, Fixture{Subject: subject}), subject); err != nil {
		t.Error(err)
	}
}

func TestCertifyRejectsToken(t *testing.T) {
	now := testTime()
	a := newTestAuthority(t, Config{Clock: func() time.Time { return now }})
	other := newTestAuthority(t, Config{Rand: mathrand.NewChaCha8([32]byte{9})})
	key := must(newECDSAKey(elliptic.P256(), rand.Reader))
	good := claims{
		Issuer: a.Issuer(), Subject: "alice@example.com", Audience: "sigstore",
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Unix() + 60,
		Email: "alice@example.com", EmailVerified: true,
	}
	head := header{Algorithm: "ES256", KeyID: a.id, Type: "JWT"}
	try := func(token string) error {
		_, err := a.Certify(context.Background(), token, spkiOf(t, key), signDigest(t, key, []byte("alice@example.com")))
		return err
	}
	token := must(good.sign(head, a.issuerKey))
	if err := try(token); err != nil {
		t.Fatalf("good token: %v", err)
	}
	for name, change := range map[string]func(c *claims, h *header){
		"issuer":             func(c *claims, h *header) { c.Issuer = "https://accounts.google.com" },
		"audience":           func(c *claims, h *header) { c.Audience = "other" },
		"not yet valid":      func(c *claims, h *header) { c.NotBefore = now.Unix() + 1 },
		"expired":            func(c *claims, h *header) { c.Expires = now.Unix() - 1 },
		"e-mail of another":  func(c *claims, h *header) { c.Email = "bob@example.com" },
		"e-mail not checked": func(c *claims, h *header) { c.EmailVerified = false },
		"algorithm":          func(c *claims, h *header) { h.Algorithm = "none" },
		"key":                func(c *claims, h *header) { h.KeyID = "other" },
	} {
		c, h := good, head
		change(&c, &h)
		if err := try(must(c.sign(h, a.issuerKey))); err == nil {
			t.Errorf("%s: Certify succeeds", name)
		}
	}
	parts := strings.Split(token, ".")
	for name, token := range map[string]string{
		"empty":              "",
		"two parts":          parts[0] + "." + parts[1],
		"four parts":         token + ".",
		"other payload":      parts[0] + "." + strings.Replace(parts[1], "a", "b", 1) + "." + parts[2],
		"other key":          must(good.sign(head, other.issuerKey)),
		"padded":             token + "==",
		"short signature":    token[:len(token)-4],
		"spare bits are set": token[:len(token)-1] + "B",
	} {
		if err := try(token); err == nil {
			t.Errorf("%s: Certify succeeds", name)
		}
	}
}

func TestCertifyRejectsKey(t *testing.T) {
	a := newTestAuthority(t, Config{})
	token := must(a.Token(context.Background(), "alice@example.com"))
	key := must(newECDSAKey(elliptic.P256(), rand.Reader))
	p384 := must(newECDSAKey(elliptic.P384(), rand.Reader))
	proof := signDigest(t, key, []byte("alice@example.com"))
	for name, c := range map[string]struct{ spki, proof []byte }{
		"proof by another key": {spkiOf(t, must(newECDSAKey(elliptic.P256(), rand.Reader))), proof},
		"proof over another":   {spkiOf(t, key), signDigest(t, key, []byte("bob@example.com"))},
		"no proof":             {spkiOf(t, key), nil},
		"P-384":                {spkiOf(t, p384), signDigest(t, p384, []byte("alice@example.com"))},
		"trailing byte":        {append(spkiOf(t, key), 0), proof},
		"no key":               {nil, proof},
	} {
		if _, err := a.Certify(context.Background(), token, c.spki, c.proof); err == nil {
			t.Errorf("%s: Certify succeeds", name)
		}
	}
}

func TestAddRejects(t *testing.T) {
	a := newTestAuthority(t, Config{})
	s := certify(t, a, "alice@example.com")
	digest := sha256.Sum256([]byte("message"))
	sig := signDigest(t, s.key, []byte("message"))
	if _, err := a.Add(context.Background(), digest, sig, s.chain[0]); err != nil {
		t.Fatal(err)
	}
	before := must(a.Checkpoint())
	for name, c := range map[string]struct {
		digest    [32]byte
		sig, cert []byte
	}{
		"another digest":      {sha256.Sum256(nil), sig, s.chain[0]},
		"another certificate": {digest, sig, certify(t, a, "bob").chain[0]},
		"flipped signature":   {digest, append(sig[:len(sig)-1:len(sig)-1], sig[len(sig)-1]^1), s.chain[0]},
		"no certificate":      {digest, sig, nil},
		"trailing byte":       {digest, sig, append(s.chain[0][:len(s.chain[0]):len(s.chain[0])], 0)},
	} {
		if _, err := a.Add(context.Background(), c.digest, c.sig, c.cert); err == nil {
			t.Errorf("%s: Add succeeds", name)
		}
	}
	if after := must(a.Checkpoint()); !bytes.Equal(before, after) {
		t.Error("an entry that was refused is in the log")
	}
}

func TestCancelledContextStopsEverything(t *testing.T) {
	a := newTestAuthority(t, Config{})
	s := certify(t, a, "alice@example.com")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	token := must(a.Token(context.Background(), "alice@example.com"))
	_, err1 := a.Token(ctx, "alice@example.com")
	_, err2 := a.Certify(ctx, token, spkiOf(t, s.key), signDigest(t, s.key, []byte("alice@example.com")))
	_, err3 := a.Add(ctx, sha256.Sum256(nil), signDigest(t, s.key, nil), s.chain[0])
	_, err4 := a.Timestamp(ctx, [32]byte{})
	for i, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("step %d: %v, want Canceled", i+1, err)
		}
	}
}

func TestExportedTilesAreThoseOfTheLog(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 700} {
		a := newTestAuthority(t, Config{})
		var entries []string
		for i := range n {
			entries = append(entries, fmt.Sprintf("entry %d", i))
		}
		for i := range n {
			// They go with the first request there is.
			r := &request{ctx: context.Background(), done: make(chan struct{})}
			r.entry = func(int64) []byte { return []byte(entries[i]) }
			a.log.queue = append(a.log.queue, r)
		}
		dir := t.TempDir()
		if err := a.ExportTiles(dir); err != nil {
			t.Fatalf("%d entries: %v", n, err)
		}
		checkTiles(t, a, dir, entries)
	}
}

// checkTiles reads an export with golang.org/x/mod alone.
func checkTiles(t *testing.T, a *Authority, dir string, entries []string) {
	t.Helper()
	size := int64(len(entries))
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	vkey := must(note.NewEd25519VerifierKey(a.host("log"), a.logKey.Public().(ed25519.PublicKey)))
	n, err := note.Open(signed, note.VerifierList(must(note.NewVerifier(vkey))))
	if err != nil {
		t.Fatal(err)
	}
	root := treeHash(entries)
	if want := fmt.Sprintf("%s\n%d\n%s\n", a.host("log"), size, root); n.Text != want {
		t.Fatalf("checkpoint is %q, want %q", n.Text, want)
	}
	if size == 0 {
		return
	}
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tileDir(dir))
	var indexes []int64
	for i := range size {
		indexes = append(indexes, tlog.StoredHashIndex(0, i))
	}
	hashes, err := reader.ReadHashes(indexes) // checks them against the root
	if err != nil {
		t.Fatal(err)
	}
	var bundled []string
	for i := int64(0); i < size; i += 256 {
		path := fmt.Sprintf("tile/entries/%03d", i/256)
		if w := size - i; w < 256 {
			path += fmt.Sprintf(".p/%d", w)
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		for len(b) > 0 {
			length := int(binary.BigEndian.Uint16(b))
			bundled = append(bundled, string(b[2:2+length]))
			b = b[2+length:]
		}
	}
	if !slices.Equal(bundled, entries) {
		t.Errorf("%d entries are exported, not the %d in the log", len(bundled), len(entries))
	}
	for i, entry := range bundled {
		if hashes[i] != tlog.RecordHash([]byte(entry)) {
			t.Errorf("entry %d does not have the hash in the tile", i)
		}
	}
}

// A tileDir reads tiles of an export for golang.org/x/mod.
type tileDir string

func (d tileDir) Height() int { return tileHeight }

func (d tileDir) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		b, err := os.ReadFile(filepath.Join(string(d), path))
		if err != nil {
			return nil, err
		}
		data = append(data, b)
	}
	return data, nil
}

func (d tileDir) SaveTiles([]tlog.Tile, [][]byte) {}

func TestExportRefusesDamagedEntries(t *testing.T) {
	a := newTestAuthority(t, Config{})
	a.Sign(nil, Fixture{})
	entries := a.disk.(*memDisk).files[filepath.Join(a.dir, "log", "entries")]
	entries.data[frameHeader] ^= 1
	dir := t.TempDir()
	if err := a.ExportTiles(dir); err == nil {
		t.Error("ExportTiles succeeds")
	}
	if _, err := os.Stat(filepath.Join(dir, "checkpoint")); err == nil {
		t.Error("ExportTiles writes a checkpoint over damaged entries")
	}
}

package openpgp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/openpgp"
)

// corpus returns a path in the shared corpus of real signatures, and skips
// the test where that is not at hand.
func corpus(t testing.TB, path ...string) string {
	t.Helper()
	full := filepath.Join(append([]string{"..", "..", "..", "shared", "corpus"}, path...)...)
	if _, err := os.Stat(full); err != nil {
		t.Skip("the shared corpus is not here")
	}
	return full
}

// graded is when git graded the corpus.
var graded = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

// specimen is an object of the corpus and what git said of it.
type specimen struct {
	OID         string
	Object      string
	Kind        string
	Expected    string // git's grade; of odd objects GitG
	GitG        string `json:"git_G"`
	VerifyRC    int    `json:"verify_rc"`
	Signer      string
	Fingerprint string
	Primary     string `json:"primary_fingerprint"`
	Hash        string
	Time        int64
	ErrSig      string
	split       gitutil.Split
}

func specimens(t testing.TB, dir string) []specimen {
	t.Helper()
	lines, err := os.ReadFile(filepath.Join(dir, "expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []specimen
	for line := range bytes.Lines(lines) {
		var s specimen
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		if s.Kind != "openpgp" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, "objects", s.OID))
		if err != nil {
			t.Fatal(err)
		}
		split := gitutil.SplitCommit
		if s.Object == "tag" {
			split = gitutil.SplitTag
		}
		if s.split, err = split(data, gitutil.SHA1); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func readKeyring(t testing.TB, path string) *openpgp.Keyring {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := openpgp.ReadKeyring(filepath.Base(path), data)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func newVerifier(t testing.TB, rules verifier.KeyRules, rings ...*openpgp.Keyring) *openpgp.Verifier {
	t.Helper()
	v, err := openpgp.New(openpgp.Config{Keyrings: rings, Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// verify returns the class, the facts that are known, if only of a key that
// is not good, and the error.
func verify(t testing.TB, v *openpgp.Verifier, payload, signature []byte) (verifier.Class, *verifier.KeyResult, *verifier.KeyError) {
	t.Helper()
	result, err := v.Verify(payload, signature)
	if err == nil {
		return verifier.Verified, result, nil
	}
	var kerr *verifier.KeyError
	if !errors.As(err, &kerr) {
		t.Fatalf("Verify: %v (%T), want a *verifier.KeyError", err, err)
	}
	return kerr.Class, kerr.Valid, kerr
}

// weak are the names that let in what gpg 2.2 lets in.
var weak = []string{"sha1", "ripemd160", "rsa1024", "dsa1024"}

// TestCorpusAgreesWithGit: every real signature gets the class that goes with
// git's grade, and the same signer and keys.
func TestCorpusAgreesWithGit(t *testing.T) {
	dir := corpus(t)
	r := readKeyring(t, filepath.Join(dir, "keys", "all-keys.gpg"))
	if len(r.Skipped) > 0 {
		t.Errorf("skipped %q, want nothing", r.Skipped)
	}
	v := newVerifier(t, verifier.KeyRules{At: graded, Weak: weak}, r)
	seen := make(map[string]int)
	for _, s := range append(specimens(t, filepath.Join(dir, "openpgp")), specimens(t, filepath.Join(dir, "odd"))...) {
		grade := s.Expected
		if grade == "" {
			grade = s.GitG
		}
		if grade == "" { // git has no grade for tags
			grade = map[bool]string{true: "G", false: "E"}[s.VerifyRC == 0]
		}
		seen[grade]++
		class, result, err := verify(t, v, s.split.Payload, s.split.Signature)
		if !strings.Contains(grades[class], grade) {
			t.Errorf("%s: Verify = %s (%v), git says %s", s.OID, class, err, grade)
			continue
		}
		// ERRSIG's sixth field is gpg's reason: 125 is "Wrong key usage".
		if f := strings.Fields(s.ErrSig); len(f) > 6 && (f[6] == "125") != errors.Is(err, openpgp.ErrWrongUsage) {
			t.Errorf("%s: Verify = %v, gpg says %s", s.OID, err, s.ErrSig)
		}
		if s.Signer == "" {
			continue
		}
		if result == nil {
			t.Errorf("%s: Verify = %v and nothing valid", s.OID, err)
			continue
		}
		if result.Signer.Identity.Subject != s.Signer || result.Key != s.Fingerprint || result.Signer.Key != s.Primary ||
			result.Claimed.Unix() != s.Time || result.Hash != strings.ToLower(s.Hash) {
			t.Errorf("%s: Verify = %+v, gpg says %+v", s.OID, result, s)
		}
	}
	t.Logf("git's grades: %v", seen)
	if seen["G"] < 80 || seen["Y"] < 80 || seen["E"] < 10 {
		t.Errorf("too few of some grade: %v", seen)
	}
}

// TestCorpusWithoutWeak: without an exception for SHA-1, signatures with it
// are weak and nothing else changes.
func TestCorpusWithoutWeak(t *testing.T) {
	dir := corpus(t)
	r := readKeyring(t, filepath.Join(dir, "keys", "all-keys.gpg"))
	lax, strict := newVerifier(t, verifier.KeyRules{At: graded, Weak: weak}, r), newVerifier(t, verifier.KeyRules{At: graded}, r)
	n := 0
	for _, s := range specimens(t, filepath.Join(dir, "openpgp")) {
		was, _, _ := verify(t, lax, s.split.Payload, s.split.Signature)
		class, result, err := verify(t, strict, s.split.Payload, s.split.Signature)
		switch {
		case class == verifier.WeakAlgorithm:
			n++
			if result == nil || s.Hash != "SHA1" && !strings.Contains(err.Error(), "1024") {
				t.Errorf("%s: Verify = %v, and the hash is %s", s.OID, err, s.Hash)
			}
		case class != was || s.Hash == "SHA1":
			t.Errorf("%s: Verify = %s (%v), with exceptions %s; the hash is %s", s.OID, class, err, was, s.Hash)
		}
	}
	if n < 21 {
		t.Errorf("%d weak signatures, want 21 or more", n)
	}
}

// TestCorpusAtSigning: nearly all that has expired since was good when it was
// signed.
func TestCorpusAtSigning(t *testing.T) {
	dir := corpus(t)
	v := newVerifier(t, verifier.KeyRules{At: graded, AtSigning: true, Weak: weak}, readKeyring(t, filepath.Join(dir, "keys", "all-keys.gpg")))
	classes := make(map[verifier.Class]int)
	for _, s := range specimens(t, filepath.Join(dir, "openpgp")) {
		class, _, err := verify(t, v, s.split.Payload, s.split.Signature)
		if s.Expected == "Y" {
			classes[class]++
		}
		if s.Expected == "G" && class != verifier.Verified {
			t.Errorf("%s: Verify at signing = %s (%v), want verified: it is today", s.OID, class, err)
		}
	}
	t.Logf("graded Y, judged when signed: %v", classes)
	if classes[verifier.Verified] < 70 {
		t.Errorf("graded Y, judged when signed: %v, want most verified", classes)
	}
}

// TestCorpusNeedsThePayload: no real signature is good over anything else.
func TestCorpusNeedsThePayload(t *testing.T) {
	dir := corpus(t)
	v := newVerifier(t, verifier.KeyRules{At: graded, AtSigning: true, Weak: weak}, readKeyring(t, filepath.Join(dir, "keys", "all-keys.gpg")))
	for _, s := range specimens(t, filepath.Join(dir, "openpgp")) {
		class, result, err := verify(t, v, append(bytes.Clone(s.split.Payload), ' '), s.split.Signature)
		if class != verifier.BadSignature && class != verifier.UnknownKey || result != nil {
			t.Errorf("%s: Verify of another payload = %s (%v), %v, want bad-signature", s.OID, class, err, result)
		}
	}
}

func BenchmarkReadKeyring(b *testing.B) {
	data, err := os.ReadFile(corpus(b, "keys", "all-keys.gpg"))
	if err != nil {
		b.Fatal(err)
	}
	armored := block("PGP PUBLIC KEY BLOCK", data)
	for name, data := range map[string][]byte{"binary": data, "armored": armored} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := openpgp.ReadKeyring("keys", data)
				if err != nil {
					b.Fatal(err)
				}
				newVerifier(b, verifier.KeyRules{At: graded}, r)
			}
		})
	}
}

// BenchmarkFirst is what a program pays that verifies one signature.
func BenchmarkFirst(b *testing.B) {
	dir := corpus(b)
	data, err := os.ReadFile(filepath.Join(dir, "keys", "all-keys.gpg"))
	if err != nil {
		b.Fatal(err)
	}
	s := specimens(b, filepath.Join(dir, "openpgp"))[0]
	for b.Loop() {
		r, err := openpgp.ReadKeyring("keys", data)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := newVerifier(b, verifier.KeyRules{At: graded}, r).Verify(s.split.Payload, s.split.Signature); err != nil {
			b.Fatal(err)
		}
	}
}

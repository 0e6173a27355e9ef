package verifier_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitseal/gitutil"
	"gitseal/verifier"
)

// corpus returns a path in the shared corpus of real signatures, and skips
// the test where that is not at hand.
func corpus(t testing.TB, path ...string) string {
	t.Helper()
	full := filepath.Join(append([]string{"..", "..", "shared", "corpus"}, path...)...)
	if _, err := os.Stat(full); err != nil {
		t.Skip("the shared corpus is not here")
	}
	return full
}

func newVerifier(t testing.TB, trustedRoot string) *verifier.Verifier {
	t.Helper()
	data, err := os.ReadFile(trustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	root, err := verifier.ParseTrustedRoot(data)
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// expected is a line of the corpus' expected.jsonl.
type expected struct {
	OID            string
	Object         string
	SAN            string
	OIDCIssuer     string `json:"oidc_issuer"`
	CertIssuer     string `json:"cert_issuer"`
	Expected       string
	IntegratedTime int64             `json:"integrated_time"`
	LogIndex       int64             `json:"log_index"`
	ProofIndex     uint64            `json:"proof_index"`
	TreeSize       uint64            `json:"tree_size"`
	Origin         string            `json:"checkpoint_origin"`
	Claims         map[string]string `json:"fulcio_ext"`
	data           []byte
}

func readExpected(t testing.TB, dir string) []expected {
	t.Helper()
	lines, err := os.ReadFile(filepath.Join(dir, "expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []expected
	for line := range bytes.Lines(lines) {
		var e expected
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.data, err = os.ReadFile(filepath.Join(dir, "objects", e.OID)); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func split(t testing.TB, kind string, data []byte, format gitutil.Format) gitutil.Split {
	t.Helper()
	f := gitutil.SplitCommit
	if kind == "tag" {
		f = gitutil.SplitTag
	}
	s, err := f(data, format)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRealOfflineSignatures(t *testing.T) {
	dir := corpus(t, "offline")
	v := newVerifier(t, corpus(t, "trust", "prod", "trusted_root.json"))
	good, unsupported := 0, 0
	for _, e := range readExpected(t, dir) {
		s := split(t, e.Object, e.data, gitutil.SHA1)
		want := verifier.Identity{Issuer: e.OIDCIssuer, Subject: e.SAN}
		result, err := v.Verify(s.Payload, s.Signature, verifier.AnyIdentity{})
		if e.Expected != "good" {
			var verr *verifier.VerifyError
			if !errors.As(err, &verr) || verr.Class != verifier.UnsupportedSignature || verr.Check != verifier.CheckLogEntry {
				t.Errorf("%s: %v, want unsupported", e.OID, err)
			}
			unsupported++
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", e.OID, err)
			continue
		}
		good++
		if result.Certificate.Identity != want || result.Time.Unix() != e.IntegratedTime || result.Log.Index != e.LogIndex ||
			result.Log.TreeIndex != e.ProofIndex || result.Log.TreeSize != e.TreeSize || result.Log.Origin != e.Origin {
			t.Errorf("%s: verified as %v at %v, log %+v", e.OID, result.Certificate.Identity, result.Time, result.Log)
		}
		delete(e.Claims, "issuer") // it is of the identity
		claims := make(map[string]string)
		for _, c := range result.Certificate.Claims {
			claims[strings.ToLower(c.Name)] = c.Value
		}
		for name, want := range e.Claims {
			if got := claims[strings.ToLower(name)]; got != want {
				t.Errorf("%s: claim %s is %q, want %q", e.OID, name, got, want)
			}
		}
	}
	if good != 88 || unsupported != 2 {
		t.Errorf("%d good and %d unsupported, want 88 and 2", good, unsupported)
	}
}

func TestRealSignaturesWithoutAnEntry(t *testing.T) {
	dir := corpus(t, "online")
	v := newVerifier(t, corpus(t, "trust", "prod", "trusted_root.json"))
	counts := make(map[string]int)
	for _, e := range readExpected(t, dir) {
		s := split(t, e.Object, e.data, gitutil.SHA1)
		_, err := v.Verify(s.Payload, s.Signature, verifier.AnyIdentity{})
		var verr *verifier.VerifyError
		if !errors.As(err, &verr) {
			t.Errorf("%s: %v, want a VerifyError", e.OID, err)
			continue
		}
		counts[e.Expected+" "+string(verr.Class)]++
		if e.Expected == "bad-signature" && (verr.Check != verifier.CheckCMS || slices.Contains(verr.Passed, verifier.CheckSignature)) {
			t.Errorf("%s: fails at %s with %v passed, want its attributes' order to be what fails", e.OID, verr.Check, verr.Passed)
		}
		if verr.Unverified.Certificate == nil || verr.Unverified.Certificate.DER == nil {
			t.Errorf("%s: the error does not show the certificate", e.OID)
		}
	}
	// The five untrusted ones are by other authorities, two of them with
	// attributes out of order and one in BER; so are the two whose signature
	// is wrong, which is no better than a stranger's.
	want := map[string]int{
		"needs-online-rekor not-logged":          53,
		"untrusted-issuer untrusted-certificate": 5,
		"bad-signature untrusted-certificate":    2,
	}
	if !maps.Equal(counts, want) {
		t.Errorf("classes %v, want %v", counts, want)
	}
}

// unbundle clones a bundle of the corpus and returns where to.
func unbundle(t testing.TB, bundle string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repo")
	out, err := exec.Command("git", "clone", "-q", "--mirror", bundle, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	return dir
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// matrix says what becomes of the objects in the private matrix that do not
// verify: class and failed check, by ref or by subject.
var matrix = map[string]string{
	"bad/certificate-san-changed":      "bad-log-proof inclusion-proof",
	"bad/certificate-sct-changed":      "bad-log-proof inclusion-proof",
	"bad/checkpoint-root-changed":      "bad-log-proof inclusion-proof",
	"bad/checkpoint-signature-changed": "bad-log-proof checkpoint",
	"bad/integrated-time-changed":      "bad-log-proof signed-entry-timestamp",
	"bad/log-id-changed":               "untrusted-log log-entry",
	"bad/message-changed":              "bad-signature digest",
	"bad/set-signature-changed":        "bad-log-proof signed-entry-timestamp",
	"bad/signature-of-another-commit":  "bad-signature digest",
	"bad/signing-time-changed":         "bad-signature signature",
	"bad/tsa-gentime-changed":          "bad-time time-stamp",
	"t-v1-online":                      "not-logged log-entry",
	"sha256 v1 online":                 "not-logged log-entry",

	"rekor v2 offline none sigstorego=true": "bad-time time",
	"rekor v1 online tsa sigstorego=false":  "not-logged log-entry",
	"rekor v1 online none sigstorego=false": "not-logged log-entry",
	"rekor v1 online tsa sigstorego=true":   "not-logged log-entry",
	"rekor v1 online none sigstorego=true":  "not-logged log-entry",
	"rekor v2 online tsa sigstorego=true":   "not-logged log-entry",
	"rekor v2 online none sigstorego=true":  "not-logged log-entry",
}

// TestPrivateMatrix verifies what gitsign made against a private instance, in
// every combination of log, mode and time-stamp, corrupted ones included.
func TestPrivateMatrix(t *testing.T) {
	v := newVerifier(t, corpus(t, "keyless", "trust", "trusted_root.json"))
	verified, seen := 0, 0
	for _, bundle := range []string{"matrix.bundle", "sha256.bundle"} {
		dir := unbundle(t, corpus(t, "keyless", bundle))
		format := gitutil.Format(strings.TrimSpace(git(t, dir, "rev-parse", "--show-object-format")))
		check := func(name, kind, oid string) {
			t.Helper()
			data := []byte(git(t, dir, "cat-file", kind, oid))
			s := split(t, kind, data, format)
			_, err := v.Verify(s.Payload, s.Signature, verifier.AnyIdentity{})
			got := ""
			var verr *verifier.VerifyError
			if errors.As(err, &verr) {
				got = string(verr.Class) + " " + string(verr.Check)
			} else {
				verified++
			}
			seen++
			if got != matrix[name] {
				t.Errorf("%s %s: %q (%v), want %q", bundle, name, got, err, matrix[name])
			}
		}
		for line := range strings.Lines(git(t, dir, "for-each-ref", "--format=%(objecttype) %(objectname) %(refname:short)", "refs/heads/bad", "refs/tags")) {
			f := strings.Fields(line)
			check(f[2], f[0], f[1])
		}
		for line := range strings.Lines(git(t, dir, "log", "--format=%H %s", "HEAD")) {
			oid, subject, _ := strings.Cut(strings.TrimSpace(line), " ")
			check(subject, "commit", oid)
		}
	}
	if verified == 0 || seen < 28 {
		t.Errorf("%d objects seen, %d verified: the corpus has more", seen, verified)
	}
}

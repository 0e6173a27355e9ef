package main

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/verifier"
)

// Bounds of the files that blobs come with. A bundle may have a statement with
// a whole bill of materials in it.
const (
	maxBundleFile = 32 << 20
	maxKeyFile    = 1 << 16
)

func verifyBlobCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "verify-blob",
		Usage:     "verify the signature of a file that is in a Sigstore bundle",
		ArgsUsage: "FILE|DIGEST",
		Description: "Verifies that the bundle holds a signature over FILE, or over an in-toto statement about\n" +
			"it, against the trusted roots in force. In the place of FILE its digest will do, as\n" +
			"sha256:HEX (a file of such a name is ./sha256:HEX), and - is standard input; gitCommit:OID\n" +
			"is a commit that a statement is about. Who may have signed is said as for gitseal verify.\n" +
			"With --key the signature is by that key, and no certificate is looked for.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "bundle", Usage: "the bundle is in `FILE`"},
			&cli.StringFlag{Name: "key", Usage: "the public key in `FILE`, in PEM, signed; nobody's identity is asked for"},
		}, append(verifyFlags(), formatFlag())...),
		Action: func(c *cli.Context) error { return runVerifyBlob(c, e) },
	}
}

// A blobVerdict is what became of a bundle.
type blobVerdict struct {
	name   string // of the artifact, as it was given
	key    string // the file of the managed key; "": a certificate
	class  verifier.Class
	result *verifier.Result      // of a valid signature, allowed or not; else nil
	err    *verifier.VerifyError // nil: verified
}

func runVerifyBlob(c *cli.Context, e *env) error {
	asJSON, err := checkFormat(c)
	if err != nil {
		return err
	}
	if c.NArg() != 1 || c.String("bundle") == "" {
		return usage("want one file, or its digest, and --bundle FILE")
	}
	s, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	verify, err := blobVerifier(c, s)
	if err != nil {
		return err
	}
	data, err := readFile(c.String("bundle"), maxBundleFile)
	if err != nil {
		return fail(exitUsage, err)
	}
	v := &blobVerdict{name: c.Args().First(), key: c.String("key"), class: verifier.Verified}
	bundle, err := verifier.ParseBundle(data)
	if err == nil {
		var a verifier.Artifact
		if a, err = readArtifact(e, bundle, v.name); err != nil {
			return fail(exitUsage, err)
		}
		v.result, err = verify(bundle, a)
	}
	if err != nil {
		if !errors.As(err, &v.err) {
			return err
		}
		v.class, v.result = v.err.Class, v.err.Valid
	}
	if err := v.write(e, asJSON); err != nil {
		return err
	}
	if hint := v.hint(c, e, s); hint != "" && !asJSON {
		fmt.Fprintf(e.stderr, "hint: %s\n", hint)
	}
	return quiet(v.exit())
}

// blobVerifier returns what verifies a bundle as the flags say: by a
// certificate of somebody who is expected, or by a key.
func blobVerifier(c *cli.Context, s *settings) (func(*verifier.Bundle, verifier.Artifact) (*verifier.Result, error), error) {
	file := c.String("key")
	if !c.IsSet("key") {
		v, allowed, err := verifierFromFlags(c, s)
		return func(b *verifier.Bundle, a verifier.Artifact) (*verifier.Result, error) {
			return v.VerifyBundle(b, a, allowed)
		}, err
	}
	expected, err := identityFlags(c)
	if err != nil {
		return nil, err
	}
	if expected != nil || c.IsSet("policy") {
		return nil, usage("--key and whom to expect exclude one another: a key is not anybody's by a certificate")
	}
	key, err := readPublicKey(file)
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	trust, err := s.trust(c.String("trusted-root"))
	if err != nil {
		return nil, err
	}
	v, err := trust.verifier()
	return func(b *verifier.Bundle, a verifier.Artifact) (*verifier.Result, error) {
		return v.VerifyBundleKey(b, a, key)
	}, err
}

// readPublicKey reads a key in PEM: one SubjectPublicKeyInfo and nothing else.
func readPublicKey(file string) (crypto.PublicKey, error) {
	data, err := readFile(file, maxKeyFile)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, fmt.Errorf("reading %s: want one PUBLIC KEY in PEM", file)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return key, nil
}

// artifactHashes are the hash functions of a digest on the command line.
var artifactHashes = map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}

// readArtifact reads what name names: standard input, a digest, or a file. What
// reads as a digest is one, whatever files there are: who could put a file of
// that name in the way would else have that verified in its place.
func readArtifact(e *env, b *verifier.Bundle, name string) (verifier.Artifact, error) {
	if name == "-" {
		return b.Artifact(e.stdin)
	}
	algorithm, text, _ := strings.Cut(name, ":")
	if algorithm == "gitCommit" {
		return verifier.ArtifactCommit(text)
	}
	hash, known := artifactHashes[algorithm]
	if digest, err := hex.DecodeString(text); known && err == nil && len(digest) == hash.Size() {
		return verifier.ArtifactDigest(hash, digest)
	}
	f, err := os.Open(name)
	if known && errors.Is(err, os.ErrNotExist) {
		return verifier.Artifact{}, fmt.Errorf("%q is neither a file nor a digest: that would be %s: and %d hexadecimal digits", name, algorithm, hex.EncodedLen(hash.Size()))
	}
	if err != nil {
		return verifier.Artifact{}, err
	}
	defer f.Close() // only read from
	return b.Artifact(f)
}

// sameFile reports whether two names are of one file, which is there.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	other, otherErr := os.Stat(b)
	return err == nil && otherErr == nil && os.SameFile(one, other)
}

// exit returns the exit code.
func (v *blobVerdict) exit() int { return classExit(v.class) }

// hint returns what to do about it; "" for nothing.
func (v *blobVerdict) hint(c *cli.Context, e *env, s *settings) string {
	switch v.class {
	case verifier.UntrustedCertificate, verifier.UntrustedLog:
	default:
		return "" // those of the others are about commits
	}
	trust, err := s.trust(c.String("trusted-root"))
	if err != nil || c.IsSet("trusted-root") {
		return ""
	}
	return trust.hint(v.class, e.now())
}

// lines returns the verdict as people read it.
func (v *blobVerdict) lines() []string {
	name := printable(v.name)
	if v.class != verifier.Verified {
		lines := []string{fmt.Sprintf("%s: %s: %s", name, v.class, oneLine(v.err.Error()))}
		if v.result != nil {
			lines = append(lines, "  "+madeLine(v.result))
		}
		return lines
	}
	r := v.result
	who := "the key in " + printable(v.key)
	if v.key == "" {
		who = fmt.Sprintf("%s (%s)", uid(r.Certificate.Identity), issuerLabel(r.Certificate.Identity.Issuer))
	}
	lines := []string{fmt.Sprintf("%s: good signature from %s", name, who)}
	if !r.Time.IsZero() && r.Log.URL != "" {
		lines = append(lines, "  "+madeLine(r))
	}
	if r.Statement != nil {
		lines = append(lines, "  a statement of type "+printable(r.Statement.PredicateType))
		if summary := summaryLine(r.Statement); summary != "" {
			lines = append(lines, "  "+printable(summary))
		}
	}
	for _, note := range r.Notes {
		lines = append(lines, "  "+printable(note))
	}
	return lines
}

// summaryLine returns what a verification summary says, "" for another statement:
// that it is validly signed does not mean that what it is about passed.
func summaryLine(s *verifier.Statement) string {
	var doc struct {
		Predicate struct {
			ResourceURI        string   `json:"resourceUri"`
			VerificationResult string   `json:"verificationResult"`
			VerifiedLevels     []string `json:"verifiedLevels"`
		} `json:"predicate"`
	}
	if s.PredicateType != "https://slsa.dev/verification_summary/v1" || json.Unmarshal(s.JSON, &doc) != nil {
		return ""
	}
	p := &doc.Predicate
	return fmt.Sprintf("its result: %s of %s (%s)", p.VerificationResult, p.ResourceURI, strings.Join(p.VerifiedLevels, ", "))
}

// A blobJSON is a verdict as verify-blob writes it in JSON.
type blobJSON struct {
	Schema    string         `json:"schema"`
	Artifact  string         `json:"artifact"` // as it was given
	Class     string         `json:"class"`
	Verified  bool           `json:"verified"`
	Key       string         `json:"key,omitempty"` // the file of the managed key
	Signature *signatureJSON `json:"signature"`
	Statement *statementJSON `json:"statement,omitempty"`
	Checks    []checkJSON    `json:"checks,omitempty"`
	Error     string         `json:"error,omitempty"`
}

type statementJSON struct {
	Type          string `json:"type"`
	PredicateType string `json:"predicateType"`
}

// write writes the verdict to stdout.
func (v *blobVerdict) write(e *env, asJSON bool) error {
	if !asJSON {
		e.printf("%s", joinLines(v.lines()))
		return nil
	}
	doc := blobJSON{Schema: "gitseal.verify-blob/1", Artifact: v.name, Class: string(v.class), Verified: v.class == verifier.Verified, Key: v.key}
	var passed []verifier.Check
	switch {
	case v.result != nil:
		doc.Signature, passed = resultJSON(v.result), v.result.Passed
		if st := v.result.Statement; st != nil {
			doc.Statement = &statementJSON{st.Type, st.PredicateType}
		}
	case v.err != nil:
		doc.Signature = unverifiedJSON(&v.err.Unverified)
	}
	if v.key != "" && doc.Signature != nil {
		doc.Signature.Identity, doc.Signature.Certificate = nil, nil
		if v.result != nil && v.result.Log.URL == "" {
			doc.Signature.Log = nil
		}
	}
	if v.err != nil {
		passed, doc.Error = v.err.Passed, v.err.Error()
	}
	for _, check := range passed {
		doc.Checks = append(doc.Checks, checkJSON{string(check), true})
	}
	if v.err != nil {
		doc.Checks = append(doc.Checks, checkJSON{string(v.err.Check), false})
	}
	return writeJSON(e, doc)
}

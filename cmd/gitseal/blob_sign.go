package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/internal/cms"
	sigstore "gitseal/internal/trust"
	"gitseal/signer"
	"gitseal/verifier"
)

// maxTokenFile bounds a file with an identity token.
const maxTokenFile = 1 << 16

func signBlobCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "sign-blob",
		Usage:     "sign a file, and write a Sigstore bundle",
		ArgsUsage: "FILE",
		Description: "Signs FILE (- is standard input) through the instance in force, as commits are signed,\n" +
			"and writes the signature with its proof as a bundle of version 0.3, which gitseal\n" +
			"verify-blob and other tools of Sigstore verify. With --in-toto FILE is an in-toto\n" +
			"statement, and the signature is that of a DSSE envelope around it.\n" +
			"An identity token is read from --identity-token FILE, or else had as for a commit: see gitseal whoami.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "bundle", Usage: "write the bundle to `FILE`; - is standard output"},
			&cli.BoolFlag{Name: "in-toto", Usage: "sign the in-toto statement that FILE is"},
			&cli.StringFlag{Name: "identity-token", Usage: "read the identity token from `FILE`, never from the command line, which others can see"},
			&cli.StringFlag{Name: "signing-config", Usage: "sign with the servers that `FILE`, a signing_config.json, names"},
			&cli.StringFlag{Name: "trusted-root", Usage: "check the bundle against `FILE`, a trusted_root.json; goes with --signing-config"},
		},
		Action: func(c *cli.Context) error { return runSignBlob(c, e) },
	}
}

func runSignBlob(c *cli.Context, e *env) (err error) {
	if c.NArg() != 1 || c.String("bundle") == "" {
		return usage("want one file, and --bundle FILE")
	}
	if c.IsSet("signing-config") != c.IsSet("trusted-root") {
		return usage("--signing-config and --trusted-root go together")
	}
	if sameFile(c.Args().First(), c.String("bundle")) {
		return usage("--bundle %s would overwrite what is to be signed", c.String("bundle"))
	}
	s, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	if file := c.String("identity-token"); file != "" {
		token, err := readToken(file)
		if err != nil {
			return err
		}
		s.getenv = withToken(s.getenv, token)
	}
	blob, err := openBlob(e, c.Args().First(), c.Bool("in-toto"))
	if err != nil {
		return fail(exitUsage, err)
	}
	sig, err := s.openBlobSigning(c, e)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := sig.Close(); err == nil {
			err = closeErr
		}
	}()
	if c.IsSet("identity-token") && sig.local != nil {
		return usage("the local authority takes no identity token: it certifies gitseal.identity or user.email")
	}
	out, err := openOutput(e, c.String("bundle"))
	if err != nil {
		return err
	}
	defer out.abandon()
	return sig.signBlob(c.Context, s, blob, out)
}

// signBlob signs, and writes the bundle.
func (sig *signing) signBlob(ctx context.Context, s *settings, blob *blob, out *output) error {
	signer, err := sig.signer(s, "")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sig.wait)
	defer cancel()
	bundle, allowed, err := newBundle(ctx, signer, blob)
	if err != nil {
		return sig.explain("signing "+blob.name, err)
	}

	// Nothing is written that would not verify.
	text, result, err := checkBlob(sig.config.Verifier, bundle, blob, allowed)
	if err != nil {
		return fail(exitUnknown, fmt.Errorf("checking the finished bundle: %w", err), "gitseal doctor")
	}
	if err := out.write(text); err != nil {
		return err
	}
	id := result.Certificate.Identity
	fmt.Fprintf(out.env.stderr, "gitseal: signed %s as %s (%s)\n", printable(blob.name), uid(id), issuerLabel(id.Issuer))
	return nil
}

// A blob is what is to be signed.
type blob struct {
	name      string
	digest    [32]byte            // SHA-256
	statement *verifier.Statement // nil: the file itself is signed
}

// openBlob reads the file to sign, or the statement.
func openBlob(e *env, name string, inToto bool) (*blob, error) {
	in := e.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close() // only read from
		in = f
	}
	b := &blob{name: name}
	if !inToto {
		h := sha256.New()
		begin, err := io.ReadAll(io.LimitReader(in, maxMeaning))
		if err == nil {
			err = checkMeaning(begin)
		}
		if err == nil {
			_, err = io.Copy(h, io.MultiReader(bytes.NewReader(begin), in))
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		h.Sum(b.digest[:0])
		return b, nil
	}
	data, err := readLimited(in, maxBundleFile/2, name)
	if err != nil {
		return nil, err
	}
	if b.statement, err = verifier.ParseStatement(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(b.statement.Subjects()) == 0 {
		return nil, fmt.Errorf("%s: no subject has a digest by SHA-256, SHA-384 or SHA-512, or is a git commit", name)
	}
	return b, nil
}

// maxMeaning bounds how much of a file is looked at for what its signature
// would mean elsewhere. Signed attributes have a hundred bytes.
const maxMeaning = 1 << 16

// checkMeaning refuses a file whose signature would also be one of something
// else: its format does not tell the two apart. See docs/verification.md.
func checkMeaning(begin []byte) error {
	switch {
	case bytes.HasPrefix(begin, []byte("DSSEv1 ")):
		return errors.New("its signature would be one of the attestation that it encodes")
	case cms.IsSignedAttributes(begin):
		return errors.New("its signature would be one of the commit whose digest is in it")
	}
	return nil
}

// openBlobSigning opens the instance in force, or the one of the flags.
func (s *settings) openBlobSigning(c *cli.Context, e *env) (*signing, error) {
	file := c.String("signing-config")
	if file == "" {
		return s.openSigning(c.Context, e)
	}
	data, err := readFile(file, maxTrustedRoot)
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	config, err := sigstore.ParseSigningConfig(data)
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("%s: %w", file, err))
	}
	t := new(trust)
	if err := t.read(c.String("trusted-root")); err != nil {
		return nil, err
	}
	return s.openRemote(c.Context, e, &remoteInstance{Dir: file, TrustedRoot: t.roots[0], SigningConfig: config})
}

// readToken reads an identity token from a file. A token in the place of the
// file's name, which other programs take, is not repeated.
func readToken(file string) (string, error) {
	if isToken(file) {
		return "", fail(exitUsage, errors.New("--identity-token wants a file, and this is a token: all users of this machine can read it where processes are listed"),
			"get another token, and export it as "+tokenVariable)
	}
	data, err := readFile(file, maxTokenFile)
	if err != nil {
		return "", fail(exitUsage, err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return "", fail(exitUsage, fmt.Errorf("reading %s: no identity token in it", file))
	}
	return token, nil
}

// isToken reports whether s looks like a JSON web token in compact form: three
// parts, of which the first is an object in base64 (RFC 7515, section 3.1).
func isToken(s string) bool {
	first, _, _ := strings.Cut(s, ".")
	header, err := base64.RawURLEncoding.DecodeString(first)
	return err == nil && strings.Count(s, ".") == 2 && strings.HasPrefix(string(header), "{")
}

// withToken returns an environment in which the identity token is token, and no
// other is looked for.
func withToken(getenv func(string) string, token string) func(string) string {
	return func(name string) string {
		switch name {
		case tokenVariable:
			return token
		case envName("gitseal.tokenProvider"):
			return "envvar"
		}
		return getenv(name)
	}
}

// newBundle signs, with a new key, and returns the bundle and whose it may be.
func newBundle(ctx context.Context, s *signer.Signer, b *blob) (*verifier.Bundle, verifier.Allowed, error) {
	cred, err := s.NewCredential(ctx)
	if err != nil {
		return nil, nil, err
	}
	var sig *signer.BlobSignature
	bundle := new(verifier.Bundle)
	if b.statement != nil {
		sig, err = s.SignDSSE(ctx, cred, verifier.StatementPayloadType, b.statement.JSON)
		bundle.Envelope = &verifier.Envelope{PayloadType: verifier.StatementPayloadType, Payload: b.statement.JSON}
	} else {
		sig, err = s.SignDigest(ctx, cred, b.digest)
		bundle.Hash, bundle.Digest = crypto.SHA256, b.digest[:]
	}
	if err != nil {
		return nil, nil, err
	}
	bundle.Certificates = [][]byte{sig.Certificate}
	bundle.Signature, bundle.Entries, bundle.Stamps = sig.Signature, sig.Entries, sig.Tokens
	return bundle, cred.Allowed(), nil
}

// checkBlob writes a bundle as text, and verifies what it wrote.
func checkBlob(v *verifier.Verifier, b *verifier.Bundle, of *blob, allowed verifier.Allowed) (text []byte, r *verifier.Result, err error) {
	if text, err = b.Marshal(); err != nil {
		return nil, nil, err
	}
	if b, err = verifier.ParseBundle(text); err != nil {
		return nil, nil, err
	}
	a, err := verifier.ArtifactDigest(crypto.SHA256, of.digest[:])
	if of.statement != nil {
		a = of.statement.Subjects()[0]
	}
	if err != nil {
		return nil, nil, err
	}
	r, err = v.VerifyBundle(b, a, allowed)
	return text, r, err
}

// writeOutput writes a file, or standard output if its name is -.
func writeOutput(e *env, name string, data []byte) error {
	out, err := openOutput(e, name)
	if err != nil {
		return err
	}
	return out.write(data)
}

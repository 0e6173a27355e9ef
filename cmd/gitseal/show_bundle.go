package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
	"gitseal/internal/proofs"
	"gitseal/verifier"
)

// bundleFlags are the flags of show that have it write a bundle.
func bundleFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "bundle", Usage: "write the signature as a Sigstore bundle instead, over the signed attributes"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the bundle to `FILE` instead of standard output"},
		&cli.StringFlag{Name: "artifact", Usage: "write the signed attributes, which the bundle is over, to `FILE`"},
	}
}

// bundleDescription tells what the bundle is good for.
const bundleDescription = "With --bundle it writes a verified signature as a Sigstore bundle, for tools that know no git.\n" +
	"Such a bundle signs a file; here that is the signed attributes of the CMS signature, in DER,\n" +
	"which hold the SHA-256 of the object without its signature. --artifact writes them, and\n" +
	"cosign verify-blob --bundle BUNDLE --certificate-identity … --certificate-oidc-issuer …\n" +
	"--trusted-root ROOT ARTIFACT verifies them. That the digest in them is the object's, the\n" +
	"bundle does not show: gitseal verify does."

// writeBundle writes the signature of an object, which is valid, as a bundle.
// kept is the proofs of the repository; nil: it has none.
func writeBundle(c *cli.Context, e *env, v *verifier.Verifier, o gitutil.Object, format gitutil.Format, kept *proofs.Reader) error {
	split, err := gitutil.SplitCommit(o.Data, format)
	if o.Type == "tag" {
		split, err = gitutil.SplitTag(o.Data, format)
	}
	if err != nil {
		return err
	}
	var found []verifier.Proof
	if kept != nil {
		key, err := verifier.ProofKey(split.Signature)
		if err == nil {
			found, err = kept.Find(c.Context, key)
		}
		if err != nil && len(found) == 0 {
			return fmt.Errorf("%s %s: %w", o.Type, o.OID, err)
		}
	}
	b, artifact, err := v.Bundle(split.Payload, split.Signature, verifier.AnyIdentity{}, found...)
	var verr *verifier.VerifyError
	if errors.As(err, &verr) && verr.Class == verifier.NotLogged {
		// It is valid by an entry from elsewhere, which is of another
		// signature: the one over the object's id.
		return fail(exitUnknown, fmt.Errorf("%s %s: the log recorded its id and not this signature, of which no bundle can be made", o.Type, o.OID))
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", o.Type, o.OID, err)
	}
	text, err := b.Marshal()
	if err != nil {
		return fail(exitUnknown, fmt.Errorf("%s %s: %w", o.Type, o.OID, err))
	}

	// Nothing is written that would not verify.
	if b, err = verifier.ParseBundle(text); err != nil {
		return err
	}
	a, err := b.Artifact(bytes.NewReader(artifact))
	if err != nil {
		return err
	}
	if _, err := v.VerifyBundle(b, a, verifier.AnyIdentity{}); err != nil {
		return fmt.Errorf("checking the finished bundle: %w", err)
	}
	if file := c.String("artifact"); file != "" {
		if err := writeOutput(e, file, artifact); err != nil {
			return err
		}
	}
	return writeOutput(e, bundleOutput(c), text)
}

// bundleOutput returns where the bundle goes; "-" is standard output.
func bundleOutput(c *cli.Context) string { return cmp.Or(c.String("output"), "-") }

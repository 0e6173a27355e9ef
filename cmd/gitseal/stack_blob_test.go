package main

import (
	"bytes"
	"context"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/encoding/protojson"
)

func init() {
	scriptCommands["sigstore-verify"] = cmdSigstoreVerify
	scriptCommands["sigstore-sign"] = cmdSigstoreSign
}

// sigstore-verify BUNDLE FILE EMAIL fails unless sigstore-go verifies the bundle
// of FILE to be by EMAIL, with the trusted root of the stack.
func cmdSigstoreVerify(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: sigstore-verify BUNDLE FILE EMAIL")
	}
	material, err := root.NewTrustedRootFromPath(ts.Getenv("STACK_TRUSTED_ROOT"))
	ts.Check(err)
	v, err := verify.NewVerifier(material, verify.WithSignedCertificateTimestamps(1),
		verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	ts.Check(err)
	b := new(bundle.Bundle)
	ts.Check(b.UnmarshalJSON([]byte(ts.ReadFile(args[0]))))
	who, err := verify.NewShortCertificateIdentity(ts.Getenv("STACK_OIDC_ISSUER"), "", args[2], "")
	ts.Check(err)
	_, err = v.Verify(b, verify.NewPolicy(verify.WithArtifact(bytes.NewReader([]byte(ts.ReadFile(args[1])))), verify.WithCertificateIdentity(who)))
	if (err != nil) != neg {
		ts.Fatalf("sigstore-go says %v", err)
	}
}

// sigstore-sign FILE BUNDLE KEY v1|v2 has sigstore-go sign FILE with a new key
// that no certificate is for, which goes to KEY, and log that in the stack's Rekor
// v1 or v2. A FILE called *.statement is signed in an envelope.
func cmdSigstoreSign(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 4, 4, "sigstore-sign FILE BUNDLE KEY v1|v2")
	key, err := sign.NewEphemeralKeypair(nil)
	ts.Check(err)
	log := &sign.RekorOptions{BaseURL: ts.Getenv("STACK_REKOR1_URL"), Version: 1}
	opts := sign.BundleOptions{Context: context.Background()}
	if args[3] == "v2" {
		log = &sign.RekorOptions{BaseURL: ts.Getenv("STACK_REKOR2_URL"), Version: 2}
		opts.TimestampAuthorities = append(opts.TimestampAuthorities, sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: ts.Getenv("STACK_TSA_URL")}))
	}
	opts.TransparencyLogs = append(opts.TransparencyLogs, sign.NewRekor(log))
	data := []byte(ts.ReadFile(args[0]))
	var content sign.Content = &sign.PlainData{Data: data}
	if strings.HasSuffix(args[0], ".statement") {
		content = &sign.DSSEData{Data: data, PayloadType: "application/vnd.in-toto+json"}
	}
	signed, err := sign.Bundle(content, key, opts)
	ts.Check(err)
	text, err := protojson.Marshal(signed)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
	public, err := key.GetPublicKeyPem()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(public), 0o600))
}

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gitseal/internal/tlog"
	sigstore "gitseal/internal/trust"
	"gitseal/verifier"
)

func init() {
	scriptCommands["managed"] = cmdManaged
	scriptCommands["no-authorities"] = cmdNoAuthorities
}

// managed FILE DIR signs FILE with a key that no certificate is for, and
// leaves in DIR what verifies that: key.pem, bundle.json, and a trusted_root.json
// that names a log and nobody else.
func cmdManaged(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "managed FILE DIR")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	ts.Check(err)
	digest := sha256.Sum256([]byte(ts.ReadFile(args[0])))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	ts.Check(err)

	type m = map[string]any
	body, err := json.Marshal(m{"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": m{"hashedRekordV002": m{
		"data": m{"algorithm": "SHA2_256", "digest": digest[:]},
		"signature": m{"content": signature, "verifier": m{
			"keyDetails": "PKIX_ECDSA_P256_SHA_256", "publicKey": m{"rawBytes": spki},
		}},
	}}})
	ts.Check(err)

	// A log of one entry, whose hash is the root.
	const origin = "log.test"
	logKey, signer, err := ed25519.GenerateKey(rand.Reader)
	ts.Check(err)
	logSPKI, err := x509.MarshalPKIXPublicKey(logKey)
	ts.Check(err)
	id, err := tlog.KeyID(origin, logKey)
	ts.Check(err)
	text := tlog.Checkpoint{Origin: origin, Size: 1, Root: tlog.LeafHash(body)}.Marshal()
	note := tlog.SignedCheckpoint{Text: text, Signatures: []tlog.NoteSignature{{
		Name: origin, KeyID: [4]byte(id), Signature: ed25519.Sign(signer, text),
	}}}
	entry := tlog.Entry{LogID: id, Kind: "hashedrekord", KindVersion: "0.0.2", CanonicalizedBody: body,
		Proof: &tlog.EntryProof{TreeSize: 1, RootHash: tlog.LeafHash(body), Checkpoint: note.Marshal()}}

	bundle := verifier.Bundle{Hash: crypto.SHA256, Digest: digest[:], Signature: signature, Hint: "release key", Entries: [][]byte{entry.Marshal()}}
	bundleText, err := bundle.Marshal()
	ts.Check(err)
	root := sigstore.TrustedRoot{TLogs: []sigstore.Log{{
		BaseURL: "https://" + origin, KeyID: id, KeyDetails: "PKIX_ED25519", SPKI: logSPKI, PublicKey: logKey,
		ValidFor: sigstore.Window{Start: time.Unix(0, 0)},
	}}}
	rootText, err := root.Marshal()
	ts.Check(err)
	dir := ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(dir, 0o700))
	for name, data := range map[string][]byte{
		"bundle.json": bundleText, trustedRootFile: rootText,
		"key.pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}),
	} {
		ts.Check(os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
}

// no-authorities FILE NEW writes the trusted root of FILE without its
// certificate authorities.
func cmdNoAuthorities(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "no-authorities FILE NEW")
	root, err := sigstore.Parse([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	without := *root
	without.CertificateAuthorities = nil
	text, err := without.Marshal()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}

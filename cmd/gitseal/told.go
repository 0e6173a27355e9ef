package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gitseal/gitutil"
	"gitseal/signer"
	"gitseal/verifier"
)

// tell says on the terminal, if a person is at it, who has signed payload just
// now: git shows nothing of it, and a browser that is logged in asks nobody.
// Git's own streams get none of it. With gitseal.verbose it also says how to
// verify the signature.
//
// In a rebase, or whatever else git makes several commits in, that is said once
// for all signatures by the same identity: fifty lines are none that anyone
// reads, and git counts the commits on the same line of the terminal.
func (s *settings) tell(e *env, payload []byte, sig *signer.Signature) {
	if on, _, err := s.flag("gitseal.progress", true); err != nil || !on {
		return
	}
	tty, err := openTerminal()
	if err != nil {
		return // nobody is watching
	}
	defer tty.Close() // nothing was to be kept
	if s.alreadyTold(sig) {
		return
	}
	var b strings.Builder
	if s.getenv("TERM") != "dumb" {
		b.WriteString("\r\x1b[K") // git leaves its count of commits there
	}
	fmt.Fprintf(&b, "gitseal: %s\n", signedAs(sig))
	if verbose, _, err := s.flag("gitseal.verbose", false); err == nil && verbose {
		if hint := verifyCommandFor(payload, sig); hint != "" {
			fmt.Fprintf(&b, "hint: %s\n", hint)
		}
	}
	_, _ = io.WriteString(tty, b.String()) // it is not the answer
}

// signedAs says who signed, who vouches for that, and where it is recorded.
func signedAs(sig *signer.Signature) string {
	id := sig.Result.Certificate.Identity
	issuer := printable(id.Issuer)
	if isLocal(id.Issuer) {
		issuer = "local authority"
	}
	return fmt.Sprintf("signed as %s (%s), %s", uid(id), issuer, recordedAs(sig))
}

func recordedAs(sig *signer.Signature) string {
	switch log := sig.Result.Log; {
	case !isRecorded(sig):
		return "not recorded yet"
	case log.IndexKnown:
		return fmt.Sprintf("entry %d", log.Index)
	default:
		return "recorded" // a Rekor v1 entry whose index only its promise vouches for
	}
}

// isRecorded reports whether a log has recorded a signature.
func isRecorded(sig *signer.Signature) bool { return sig.Result.Log != (verifier.LogEntry{}) }

// verifyCommandFor returns the command that verifies a signature which git is
// about to put into its object; "" if it will be in none.
func verifyCommandFor(payload []byte, sig *signer.Signature) string {
	if !isRecorded(sig) {
		return "gitseal log flush   # records it, as soon as the log can be reached"
	}
	_, oid, err := signedID(payload, sig.Armored)
	id := sig.Result.Certificate.Identity
	if err != nil || printable(id.Subject) != id.Subject || printable(id.Issuer) != id.Issuer {
		return ""
	}
	return fmt.Sprintf("gitseal verify %s --certificate-identity %s --certificate-oidc-issuer %s", oid, shellWord(id.Subject), shellWord(id.Issuer))
}

// signedID returns the type and the id that an object will have when git has
// put the signature into it: into the header of a commit, or at the end of a
// tag. A push certificate becomes no such object.
func signedID(payload, signature []byte) (typ, oid string, err error) {
	format := payloadFormat(payload)
	typ = objectKind(payload)
	var object []byte
	switch typ {
	case "commit":
		object, err = gitutil.SignedCommit(payload, signature, format)
	case "tag":
		object = slices.Concat(payload, signature)
	default:
		err = errors.New("what is signed is neither a commit nor a tag")
	}
	if err != nil {
		return "", "", err
	}
	oid, err = gitutil.HashObject(format, typ, object)
	return typ, oid, err
}

// alreadyTold reports whether the same has been said for an earlier commit of
// the same rebase, and remembers that it has been said now. Outside of one, and
// where nothing can be remembered, it reports false.
func (s *settings) alreadyTold(sig *signer.Signature) bool {
	here, err := os.Getwd()
	if err != nil {
		return false
	}
	sequence := sequenceOf(gitDir(s.getenv, here))
	if sequence == "" {
		return false
	}
	dir, err := s.baseDir("XDG_STATE_HOME", filepath.Join(".local", "state"))
	if err != nil {
		return false
	}
	id := sig.Result.Certificate.Identity
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %t", sequence, id.Subject, id.Issuer, isRecorded(sig)))
	line := hex.EncodeToString(sum[:]) + "\n"
	name := filepath.Join(dir, "gitseal", "told")
	if old, err := readFile(name, int64(len(line))); err == nil && string(old) == line {
		return true
	}
	// What is not remembered is said again.
	if os.MkdirAll(filepath.Dir(name), 0o700) == nil {
		_ = replaceFile(name, []byte(line))
	}
	return false
}

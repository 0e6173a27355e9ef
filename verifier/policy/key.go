package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// setKeys works out the fingerprints of an entry's keys.
func (e *entry) setKeys() error {
	e.keys = nil
	for i, s := range e.OpenPGP {
		key, err := openPGPKey(s)
		if err != nil {
			return err
		}
		e.OpenPGP[i] = key
		e.keys = append(e.keys, key)
	}
	for i, s := range e.SSH {
		key, err := sshKey(s)
		if err != nil {
			return err
		}
		e.SSH[i] = withoutComment(s)
		e.keys = append(e.keys, key)
	}
	return nil
}

// openPGPKey returns the fingerprint of a primary key as verifier.Signer.Key
// has it. Key ids are refused, long ones too: other keys with the same are
// made in minutes, or in days.
func openPGPKey(s string) (string, error) {
	if isFingerprint(s) {
		return strings.ToUpper(s), nil
	}
	if plain := unspaced(s); isFingerprint(plain) {
		return "", fmt.Errorf("openpgp %q has to be without spaces and 0x: %q", s, strings.ToUpper(plain))
	}
	return "", fmt.Errorf("openpgp %q is not the fingerprint of a primary key, of 40 or 64 hexadecimal digits without spaces", s)
}

// isFingerprint reports whether s is as long as the fingerprint of a key of
// version 4 or 6 (RFC 9580, section 5.5.4), in hexadecimal.
func isFingerprint(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && (len(s) == 40 || len(s) == 64)
}

// unspaced returns a fingerprint without what tools put there for people:
// spaces, and 0x before it.
func unspaced(s string) string {
	s = strings.ReplaceAll(s, " ", "")
	if len(s) > 2 && strings.EqualFold(s[:2], "0x") {
		return s[2:]
	}
	return s
}

// typedKey returns the fingerprint of a key as people type it: an OpenPGP
// fingerprint, with or without spaces, or an SSH key or its fingerprint. No key
// of one kind has a fingerprint that one of the other could have.
func typedKey(s string) (string, error) {
	if key, err := openPGPKey(unspaced(s)); err == nil {
		return key, nil
	}
	if key, err := sshKey(s); err == nil {
		return key, nil
	}
	return "", fmt.Errorf("%q is neither an OpenPGP fingerprint nor an SSH key or its fingerprint", s)
}

// sshPrefix begins an SSH key's fingerprint.
const sshPrefix = "SHA256:"

// sshKey returns the fingerprint of an SSH key as verifier.Signer.Key has it,
// from a fingerprint or from the key itself: its type and the base64 of
// string type, then the other fields as strings (RFC 4253, section 6.6). After
// another space there may be a comment, as ssh-keygen writes it into its files;
// anybody can, so it says nothing.
func sshKey(s string) (string, error) {
	if digest, ok := strings.CutPrefix(s, sshPrefix); ok {
		sum, err := base64.RawStdEncoding.Strict().DecodeString(digest)
		// A line end would be ignored by the decoder.
		if err != nil || len(sum) != sha256.Size || len(digest) != base64.RawStdEncoding.EncodedLen(sha256.Size) {
			return "", fmt.Errorf("ssh %q is not %s and 43 characters of base64", s, sshPrefix)
		}
		return s, nil
	}
	algorithm, rest, ok := strings.Cut(s, " ")
	if !ok {
		return "", fmt.Errorf(`ssh %q is neither a fingerprint, "SHA256:…", nor a public key, "ssh-ed25519 AAAA…"`, s)
	}
	encoded, comment, _ := strings.Cut(rest, " ")
	if err := checkShown("the comment of an SSH key", comment); err != nil {
		return "", err
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || base64.StdEncoding.EncodeToString(blob) != encoded {
		return "", fmt.Errorf("ssh %q is not a type, one space and base64", s)
	}
	if err := checkSSHKey(algorithm, blob); err != nil {
		return "", fmt.Errorf("ssh %q: %w", s, err)
	}
	sum := sha256.Sum256(blob)
	return sshPrefix + base64.RawStdEncoding.EncodeToString(sum[:]), nil
}

// withoutComment returns an SSH key, or its fingerprint, without a comment.
func withoutComment(s string) string {
	algorithm, rest, ok := strings.Cut(s, " ")
	if !ok {
		return s
	}
	encoded, _, _ := strings.Cut(rest, " ")
	return algorithm + " " + encoded
}

// checkSSHKey reports whether blob cannot be a public key of that type. What
// was cut off when it was copied is the mistake that this is for.
func checkSSHKey(algorithm string, blob []byte) error {
	if strings.Contains(algorithm, "-cert-v0") {
		return errors.New("a certificate; give the key that it is for, or the principal as ssh-principal")
	}
	for fields := 0; ; fields++ {
		if len(blob) == 0 && fields > 1 {
			return nil
		}
		if len(blob) < 4 || uint64(len(blob)-4) < uint64(binary.BigEndian.Uint32(blob)) {
			return errors.New("not a public key, or not all of it")
		}
		n := 4 + int(binary.BigEndian.Uint32(blob))
		if fields == 0 && !bytes.Equal(blob[4:n], []byte(algorithm)) {
			return fmt.Errorf("the key is of type %q", blob[4:n])
		}
		blob = blob[n:]
	}
}

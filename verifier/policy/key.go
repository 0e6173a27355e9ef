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
	for _, s := range e.SSH {
		key, err := sshKey(s)
		if err != nil {
			return err
		}
		e.keys = append(e.keys, key)
	}
	return nil
}

// openPGPKey returns the fingerprint of a primary key as verifier.Signer.Key
// has it. Key ids are refused, long ones too: other keys with the same are
// made in minutes, or in days.
func openPGPKey(s string) (string, error) {
	if _, err := hex.DecodeString(s); err != nil || len(s) != 40 && len(s) != 64 {
		return "", fmt.Errorf("openpgp %q is not the fingerprint of a primary key, of 40 or 64 hexadecimal digits without spaces", s)
	}
	return strings.ToUpper(s), nil
}

// sshPrefix begins an SSH key's fingerprint.
const sshPrefix = "SHA256:"

// sshKey returns the fingerprint of an SSH key as verifier.Signer.Key has it,
// from a fingerprint or from the key itself: its type and the base64 of
// string type, then the other fields as strings (RFC 4253, section 6.6).
func sshKey(s string) (string, error) {
	if digest, ok := strings.CutPrefix(s, sshPrefix); ok {
		sum, err := base64.RawStdEncoding.Strict().DecodeString(digest)
		// A line end would be ignored by the decoder.
		if err != nil || len(sum) != sha256.Size || len(digest) != base64.RawStdEncoding.EncodedLen(sha256.Size) {
			return "", fmt.Errorf("ssh %q is not %s and 43 characters of base64", s, sshPrefix)
		}
		return s, nil
	}
	algorithm, encoded, ok := strings.Cut(s, " ")
	if !ok {
		return "", fmt.Errorf(`ssh %q is neither a fingerprint, "SHA256:…", nor a public key, "ssh-ed25519 AAAA…"`, s)
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || base64.StdEncoding.EncodeToString(blob) != encoded {
		return "", fmt.Errorf("ssh %q is not a type, one space and base64, without a comment", s)
	}
	if err := checkSSHKey(algorithm, blob); err != nil {
		return "", fmt.Errorf("ssh %q: %w", s, err)
	}
	sum := sha256.Sum256(blob)
	return sshPrefix + base64.RawStdEncoding.EncodeToString(sum[:]), nil
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

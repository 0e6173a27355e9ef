package verifier

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
)

// An Artifact is what a bundle is about, by its digests: a file, or a git
// commit.
type Artifact struct {
	digests map[crypto.Hash][]byte
	commit  string // the commit's id; empty: it is none, or that is not known
}

// ArtifactCommit returns the git commit with an id, of 40 or 64 lower case
// hexadecimal digits, as in-toto statements name it by "gitCommit".
func ArtifactCommit(oid string) (Artifact, error) {
	if len(oid) != 40 && len(oid) != 64 || strings.Trim(oid, "0123456789abcdef") != "" {
		return Artifact{}, fmt.Errorf("%.100q is not the id of a git commit", oid)
	}
	return Artifact{commit: oid}, nil
}

// Commit returns the id of the git commit that a is; empty if it is none.
func (a Artifact) Commit() string { return a.commit }

// ArtifactDigest returns the artifact with a digest by SHA-256, SHA-384 or
// SHA-512.
func ArtifactDigest(hash crypto.Hash, digest []byte) (Artifact, error) {
	if !slices.Contains(artifactHashes, hash) || len(digest) != hash.Size() {
		return Artifact{}, fmt.Errorf("%d bytes are no digest of an artifact by %v", len(digest), hash)
	}
	return Artifact{digests: map[crypto.Hash][]byte{hash: bytes.Clone(digest)}}, nil
}

var artifactHashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}

// Artifact reads an artifact, as b needs it: its digest by the hash functions
// that b names, and SHA-256.
func (b *Bundle) Artifact(r io.Reader) (Artifact, error) {
	a := Artifact{digests: make(map[crypto.Hash][]byte)}
	hashes := b.hashes()
	var writers []io.Writer
	for _, h := range hashes {
		writers = append(writers, h.New())
	}
	if _, err := io.Copy(io.MultiWriter(writers...), r); err != nil {
		return Artifact{}, fmt.Errorf("reading artifact: %w", err)
	}
	for i, h := range hashes {
		a.digests[h] = writers[i].(interface{ Sum([]byte) []byte }).Sum(nil)
	}
	return a, nil
}

// hashes returns the hash functions by which b may name its artifact. That
// they are the right ones, and who says so, is checked with the rest.
func (b *Bundle) hashes() []crypto.Hash {
	hashes := []crypto.Hash{crypto.SHA256}
	if b.Envelope == nil {
		if h := b.hash(); slices.Contains(artifactHashes, h) {
			hashes = append(hashes, h)
		}
	} else if statement, err := parseStatement(b.Envelope.Payload); err == nil {
		for _, subject := range statement.subjects {
			for h := range subject.digests {
				hashes = append(hashes, h)
			}
		}
	}
	slices.Sort(hashes)
	return slices.Compact(hashes)
}

// hash returns the hash function of the artifact's signature: the one that the
// bundle names, or else the one that its log entry does.
func (b *Bundle) hash() crypto.Hash {
	if b.Hash != 0 {
		return b.Hash
	}
	for _, pb := range b.Entries {
		e, err := tlog.ParseEntry(pb)
		if err != nil {
			continue
		}
		if body, err := tlog.ParseBody(e.CanonicalizedBody); err == nil && slices.Contains(artifactHashes, body.Hash) {
			return body.Hash
		}
	}
	return crypto.SHA256
}

// A blob is a signature that came in a bundle.
type blob struct {
	signature
	bundle *Bundle
	key    crypto.PublicKey
	spki   []byte // of key; nil: it is leaf's
	signed []byte // the pre-authentication encoding of the envelope; nil: the artifact is signed
	digest []byte // of the artifact, by the hash function of its signature
	hash   crypto.Hash
}

// VerifyBundle checks that b is a valid signature over a, or over an in-toto
// statement about it, with a certificate of an identity that allowed allows.
// All log entries and time-stamps in it must hold, and there must be a log
// entry and a time. err is nil only if every check passed; otherwise it is a
// *VerifyError. A nil allowed is refused.
func (v *Verifier) VerifyBundle(b *Bundle, a Artifact, allowed Allowed) (*Result, error) {
	if allowed == nil {
		return nil, errNobody()
	}
	s, verr := openBundle(b, nil)
	if verr != nil {
		return nil, verr
	}
	if verr := s.checkArtifact(a); verr != nil {
		return nil, v.strange(&s.signature, verr)
	}
	return v.judge(&s.signature, allowed)
}

// VerifyBundleKey is VerifyBundle for a signature by a managed key: ECDSA,
// RSA of at least 2048 bits, or Ed25519. A bundle that names a certificate is
// refused. A log entry is asked for where the trusted root names a log at all,
// and a time is not: who trusts the key trusts it at any. Where nothing proves
// a time, whether the log's key was in force then cannot be asked either, and
// the Result says so.
func (v *Verifier) VerifyBundleKey(b *Bundle, a Artifact, key crypto.PublicKey) (*Result, error) {
	if key == nil {
		return nil, errNobody()
	}
	s, verr := openBundle(b, key)
	if verr != nil {
		return nil, verr
	}
	if verr := s.checkArtifact(a); verr != nil {
		return nil, verr
	}
	result, verr := v.verifyTrust(&s.signature)
	if verr != nil {
		return nil, verr
	}
	if result.Time.IsZero() {
		result.Notes = append(result.Notes, "nothing proves when it was signed")
	}
	if len(s.entries) == 0 {
		result.Notes = append(result.Notes, "the trusted root names no log, so no log entry was asked for")
	}
	result.Passed = slices.Clone(s.passed)
	return result, nil
}

// openBundle reads the parts of a bundle. A nil key is that of the bundle's
// certificate.
func openBundle(b *Bundle, key crypto.PublicKey) (*blob, *VerifyError) {
	s := &blob{bundle: b, key: key}
	s.record, s.value = s, b.Signature
	if err := s.read(); err != nil {
		return nil, s.fail(CheckBundle, classOf(err, MalformedSignature), err)
	}
	s.pass(CheckBundle)
	return s, nil
}

// read parses everything in the bundle but the statement.
func (s *blob) read() error {
	b := s.bundle
	if b.Hash != 0 && !slices.Contains(artifactHashes, b.Hash) {
		return classed(UnsupportedSignature, "digest by %v", b.Hash)
	}
	if len(b.Signature) == 0 || len(b.Entries) > maxEntries || len(b.Stamps) > maxStamps || len(b.Certificates) > maxCertificates {
		return errors.New("no signature, or too many certificates, log entries or time-stamps")
	}
	if err := s.readKey(); err != nil {
		return err
	}
	for i, pb := range b.Entries {
		e, err := tlog.ParseEntry(pb)
		if err != nil {
			return err
		}
		for _, other := range s.entries {
			if bytes.Equal(other.LogID, e.LogID) && other.LogIndex == e.LogIndex {
				return fmt.Errorf("log entry %d occurs twice", i)
			}
		}
		s.entries = append(s.entries, e)
	}
	for i, der := range b.Stamps {
		if slices.ContainsFunc(b.Stamps[:i], func(other []byte) bool { return bytes.Equal(other, der) }) {
			return fmt.Errorf("time-stamp %d occurs twice", i)
		}
		token, err := cms.ParseToken(der)
		if err != nil {
			return err
		}
		s.tokens = append(s.tokens, token)
	}
	if b.Envelope != nil {
		s.signed = preAuthentication(b.Envelope)
	}
	return nil
}

// readKey reads the certificates, or makes sure that there are none where a
// key is given.
func (s *blob) readKey() (err error) {
	b := s.bundle
	if s.key != nil {
		if len(b.Certificates) > 0 {
			return classed(UntrustedCertificate, "it is signed with a certificate, not with the managed key")
		}
		if _, err := algorithms(s.key); err != nil {
			return err
		}
		s.spki, err = x509.MarshalPKIXPublicKey(s.key)
		return err
	}
	if len(b.Certificates) == 0 {
		return classed(UntrustedCertificate, "it is signed with a managed key, and none was given")
	}
	for i, der := range b.Certificates {
		cert, err := parseCertificate(der)
		if err != nil {
			return fmt.Errorf("reading certificate %d: %w", i, err)
		}
		if i == 0 {
			s.leaf = cert
		} else {
			s.extra = append(s.extra, cert)
		}
	}
	s.key = s.leaf.PublicKey
	s.certificate, s.identityErr = readCertificate(s.leaf)
	_, err = algorithms(s.key)
	return err
}

// checkArtifact checks that the signature is by the key, and over a or over
// an in-toto statement about it.
func (s *blob) checkArtifact(a Artifact) *VerifyError {
	if s.bundle.Envelope != nil {
		return s.checkEnvelope(a)
	}
	s.hash = s.bundle.hash()
	if _, err := algorithmWith(s.key, s.hash); err != nil {
		return s.fail(CheckSignature, classOf(err, UnsupportedSignature), err)
	}
	var ok bool
	if s.digest, ok = a.digests[s.hash]; !ok {
		return s.fail(CheckDigest, UnsupportedSignature, fmt.Errorf("the signature is over the artifact's %v digest, which was not given", s.hash))
	}
	if s.bundle.Digest != nil && !bytes.Equal(s.bundle.Digest, s.digest) {
		return s.fail(CheckDigest, BadSignature, errors.New("the bundle is of another artifact: message digest does not match"))
	}
	s.pass(CheckDigest)
	if err := checkDigest(s.key, s.hash, s.digest, s.value); err != nil {
		return s.fail(CheckSignature, BadSignature, fmt.Errorf("checking the signature: %w", err))
	}
	s.pass(CheckSignature)
	return nil
}

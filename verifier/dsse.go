package verifier

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// StatementPayloadType is the payload type of a DSSE envelope that holds an
// in-toto statement.
const StatementPayloadType = "application/vnd.in-toto+json"

// statementTypes are the versions of in-toto statements that are known. Both
// name their subjects in the same way.
var statementTypes = []string{"https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"}

// Bounds of a statement, those of sigstore-go.
const (
	maxSubjects = 1024
	maxDigests  = 32 // of a subject
)

// A Statement is an in-toto statement: that something holds of its subjects.
// What that is, is for who knows the predicate type.
type Statement struct {
	Type          string // "https://in-toto.io/Statement/v1" or v0.1
	PredicateType string
	JSON          []byte // all of it, as it was signed

	subjects []Artifact // by the digests that are known
}

// preAuthentication returns what the signature of an envelope is over (the
// DSSE protocol, "PAE"):
//
//	"DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload
func preAuthentication(e *Envelope) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(e.Payload), e.Payload)
}

// checkEnvelope checks that the key signed the envelope, and that it holds a
// statement about the artifact. Nothing in it is read before that.
func (s *blob) checkEnvelope(a Artifact) *VerifyError {
	if err := checkMessage(s.key, s.signed, s.value); err != nil {
		return s.fail(CheckSignature, classOf(err, BadSignature), fmt.Errorf("checking the signature of the envelope: %w", err))
	}
	s.pass(CheckSignature)
	if kind := s.bundle.Envelope.PayloadType; kind != StatementPayloadType {
		return s.fail(CheckStatement, UnsupportedSignature, fmt.Errorf("payload of type %.200q", kind))
	}
	statement, err := parseStatement(s.bundle.Envelope.Payload)
	if err != nil {
		return s.fail(CheckStatement, classOf(err, MalformedSignature), fmt.Errorf("reading the statement: %w", err))
	}
	s.pass(CheckStatement)
	if err := statement.about(a); err != nil {
		return s.fail(CheckDigest, classOf(err, BadSignature), err)
	}
	s.pass(CheckDigest)
	s.statement = statement
	return nil
}

// ParseStatement reads an in-toto statement in JSON. That anybody made it is
// not said.
func ParseStatement(payload []byte) (*Statement, error) {
	s, err := parseStatement(payload)
	if err != nil {
		return nil, fmt.Errorf("parsing in-toto statement: %w", err)
	}
	return s, nil
}

// Subjects returns the artifacts that the statement is about, those of which it
// has a digest that is known: by a hash function, or the id of a git commit.
func (s *Statement) Subjects() []Artifact {
	var list []Artifact
	for _, subject := range s.subjects {
		if len(subject.digests) > 0 || subject.commit != "" {
			list = append(list, Artifact{maps.Clone(subject.digests), subject.commit})
		}
	}
	return list
}

// parseStatement reads an in-toto statement as far as it is about an artifact.
// Members that are not known are ignored, as the format asks.
func parseStatement(payload []byte) (*Statement, error) {
	s := &Statement{JSON: bytes.Clone(payload)}
	r := newReader(payload)
	err := r.whole(func() error {
		return r.Open(maxMembers, r.ignore,
			required("_type", r.text(&s.Type)),
			required("subject", r.array(maxSubjects, func() error { return s.readSubject(r) })),
			required("predicateType", r.text(&s.PredicateType)),
		)
	})
	if err != nil {
		return nil, err
	}
	if !slices.Contains(statementTypes, s.Type) {
		return nil, classed(UnsupportedSignature, "statement of unknown type %.200q", s.Type)
	}
	if len(s.subjects) == 0 {
		return nil, errors.New("no subject")
	}
	return s, nil
}

// statementHashes are hash functions by their names in an in-toto DigestSet.
var statementHashes = map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}

// gitCommit is what a DigestSet calls the id of a git commit.
const gitCommit = "gitCommit"

// readSubject reads an in-toto ResourceDescriptor as far as its digests.
func (s *Statement) readSubject(r *reader) error {
	subject := Artifact{digests: make(map[crypto.Hash][]byte)}
	err := r.Open(maxMembers, r.ignore, r.optional("digest", func() error {
		return r.Open(maxDigests, func(name string) error {
			if name == gitCommit {
				if err := r.text(&subject.commit)(); err != nil {
					return err
				}
				_, err := ArtifactCommit(subject.commit)
				return err
			}
			hash, ok := statementHashes[name]
			if !ok {
				return r.ignore(name)
			}
			var digest []byte
			err := r.Hex(&digest, hash.Size())()
			subject.digests[hash] = digest
			return err
		})
	}))
	s.subjects = append(s.subjects, subject)
	return err
}

// about checks that the artifact is a subject of the statement: by every
// digest that both know, and at least one.
func (s *Statement) about(a Artifact) error {
	comparable := false
	for _, subject := range s.subjects {
		known, match := 0, true
		if a.commit != "" && subject.commit != "" {
			known, match = 1, a.commit == subject.commit
		}
		for hash, digest := range subject.digests {
			if own, ok := a.digests[hash]; ok {
				known++
				match = match && bytes.Equal(own, digest)
			}
		}
		if known > 0 && match {
			return nil
		}
		comparable = comparable || known > 0
	}
	if !comparable {
		return classed(UnsupportedSignature, "no subject of the statement has a digest by a hash function that is known of the artifact")
	}
	return errors.New("the artifact is no subject of the statement")
}

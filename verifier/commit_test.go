package verifier_test

import (
	"crypto"
	"errors"
	"strings"
	"testing"
	"time"

	"gitseal/internal/trust"
	"gitseal/verifier"
)

// commitOf returns the git commit with an id of a repeated digit.
func commitOf(t *testing.T, digit string, length int) verifier.Artifact {
	t.Helper()
	a, err := verifier.ArtifactCommit(strings.Repeat(digit, length))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestStatementAboutACommit(t *testing.T) {
	p := newPacker(t)
	v := verifierOf(t, p.root(t, nil))
	statement := statementOf(statementV1, `"gitCommit":"`+strings.Repeat("a", 40)+`"`)
	b := p.packStatement(t, "hashedrekord 0.0.2", crypto.SHA256, "PKIX_ECDSA_P256_SHA_256", statement)
	result, err := v.VerifyBundle(b.Bundle, commitOf(t, "a", 40), verifier.AnyIdentity{})
	if err != nil {
		t.Fatal(err)
	}
	subjects := result.Statement.Subjects()
	if n := len(subjects); n != 2 || subjects[1].Commit() != strings.Repeat("a", 40) || subjects[0].Commit() != "" {
		t.Errorf("subjects %+v, want a file and a commit", subjects)
	}
	_, err = v.VerifyBundle(b.Bundle, commitOf(t, "b", 40), verifier.AnyIdentity{})
	wantClass(t, "another commit", err, verifier.BadSignature, verifier.CheckDigest)

	// A signature over a file says nothing about a commit.
	b = p.pack(t, "hashedrekord 0.0.1", crypto.SHA256, "")
	_, err = v.VerifyBundle(b.Bundle, commitOf(t, "a", 40), verifier.AnyIdentity{})
	wantClass(t, "a file", err, verifier.UnsupportedSignature, verifier.CheckDigest)
}

func TestCommitIDsOfStatements(t *testing.T) {
	for _, oid := range []string{strings.Repeat("a", 40), strings.Repeat("0", 64)} {
		if _, err := verifier.ParseStatement([]byte(statementOf(statementV1, `"gitCommit":"`+oid+`"`))); err != nil {
			t.Errorf("%s: %v", oid, err)
		}
	}
	for _, oid := range []string{"", "abc", strings.Repeat("A", 40), strings.Repeat("a", 41), strings.Repeat("g", 40)} {
		if _, err := verifier.ArtifactCommit(oid); err == nil {
			t.Errorf("%q is taken for the id of a commit", oid)
		}
		if _, err := verifier.ParseStatement([]byte(statementOf(statementV1, `"gitCommit":"`+oid+`"`))); err == nil {
			t.Errorf("a statement about the commit %q is taken", oid)
		}
	}
}

// TestSubjectsThatAreMoreThanOneThing: a subject is one commit, or one file, and
// where it is said to be both, all of that has to be true.
func TestSubjectsThatAreMoreThanOneThing(t *testing.T) {
	p := newPacker(t)
	v := verifierOf(t, p.root(t, nil))
	a, b, c := strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("c", 64)
	for _, twice := range []string{`"gitCommit":"` + a + `","gitCommit":"` + b + `"`, `"gitCommit":"` + a + `","git\u0043ommit":"` + b + `"`} {
		if _, err := verifier.ParseStatement([]byte(statementOf(statementV1, twice))); err == nil {
			t.Errorf("a subject with %s is taken", twice)
		}
	}

	statement := statementOf(statementV1, `"gitCommit":"`+a+`","sha1":"`+b+`","sha256":"`+c+`"`)
	bundle := p.packStatement(t, "hashedrekord 0.0.2", crypto.SHA256, "PKIX_ECDSA_P256_SHA_256", statement)
	_, err := v.VerifyBundle(bundle.Bundle, commitOf(t, "b", 40), verifier.AnyIdentity{})
	wantClass(t, "the commit that another digest looks like", err, verifier.BadSignature, verifier.CheckDigest)
	_, err = v.VerifyBundle(bundle.Bundle, commitOf(t, "c", 64), verifier.AnyIdentity{})
	wantClass(t, "the commit of a repository with SHA-256 that the file's digest looks like", err, verifier.BadSignature, verifier.CheckDigest)
	_, err = v.VerifyBundle(bundle.Bundle, commitOf(t, "a", 40), verifier.AnyIdentity{})
	if err != nil {
		t.Errorf("the commit itself: %v", err)
	}
}

func TestTimestampOfAnotherFormat(t *testing.T) {
	p := newPacker(t)
	v := verifierOf(t, p.root(t, nil))
	signature := []byte("a signature of some kind")
	token := p.stampOver(t, signature)
	at, err := v.Timestamp(token, signature)
	if err != nil || !at.Equal(p.at()) || at.Location() != time.UTC {
		t.Errorf("Timestamp = %v, %v; want %v in UTC", at, err, p.at())
	}
	nobody := verifierOf(t, p.root(t, func(r *trust.TrustedRoot) { r.TimestampAuthorities = nil }))
	for name, test := range map[string]struct {
		v                *verifier.Verifier
		token, signature []byte
		want             verifier.Class
	}{
		"of another signature": {v, token, []byte("another"), verifier.BadTime},
		"cut off":              {v, token[:len(token)-1], signature, verifier.MalformedSignature},
		"in another's name":    {verifierOf(t, newPacker(t).root(t, nil)), token, signature, verifier.BadTime},
		"by a stranger":        {nobody, token, signature, verifier.UnknownKey},
	} {
		_, err := test.v.Timestamp(test.token, test.signature)
		var kerr *verifier.KeyError
		if !errors.As(err, &kerr) || kerr.Class != test.want {
			t.Errorf("%s: %v, want class %s", name, err, test.want)
		}
	}
}

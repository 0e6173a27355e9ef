package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"gitseal/gitutil"
	"gitseal/verifier"
)

// Classes of objects that no signature check gives.
const (
	classUnsigned        = "unsigned"
	classMalformedObject = "malformed-object"
)

// A judged object is a commit or tag with the verdict on its signature, as
// verify and show print it.
type judged struct {
	oid, typ string
	class    verifier.Class
	result   *verifier.Result      // set if the signature is valid, whoever made it
	failure  *verifier.VerifyError // set unless verified
	err      error                 // why it is not verified
}

// openRepository opens the repository that git finds from here.
func openRepository(ctx context.Context) (*gitutil.Repo, error) {
	repo, err := gitutil.Open(ctx, gitutil.Config{})
	if err != nil {
		return nil, unusable(err)
	}
	return repo, nil
}

// unusable gives an error its exit code where it is git's own refusal to begin:
// configuration that it cannot read, or a repository of another user.
func unusable(err error) error {
	var git *gitutil.GitError
	if errors.As(err, &git) && !errors.Is(err, gitutil.ErrNotRepository) && !errors.Is(err, gitutil.ErrNoGit) {
		return fail(exitUsage, err)
	}
	return err
}

// readSigned reads the commit or tag that rev names.
func readSigned(ctx context.Context, repo *gitutil.Repo, rev string) (gitutil.Object, error) {
	oid, typ, err := repo.Resolve(ctx, rev)
	if errors.Is(err, gitutil.ErrMissing) {
		hint := "git log --oneline " + shellWord(rev) + "   # says what git makes of it"
		if strings.Contains(rev, "..") {
			hint = "gitseal audit " + shellWord(rev)
		}
		return gitutil.Object{}, fail(exitUsage, fmt.Errorf("%q is no revision of this repository", rev), hint)
	}
	if err != nil {
		return gitutil.Object{}, fail(exitUsage, err)
	}
	if typ != "commit" && typ != "tag" {
		return gitutil.Object{}, usage("%s is a %s; only commits and tags are signed", rev, typ)
	}
	return repo.Object(ctx, oid)
}

// judgeObject verifies an object's signature.
func judgeObject(v *verifier.Verifier, obj gitutil.Object, f gitutil.Format, allowed verifier.Allowed) (*judged, error) {
	j := &judged{oid: obj.OID, typ: obj.Type}
	split, err := splitObject(obj, f)
	if err != nil {
		j.class, j.err = classMalformedObject, err
		return j, nil
	}
	switch split.Kind() {
	case "":
		if len(split.Signature) == 0 {
			j.class, j.err = classUnsigned, errors.New("not signed")
			return j, nil
		}
	case "openpgp", "ssh":
		j.class = verifier.UnsupportedSignature
		j.err = fmt.Errorf("signed with %s, which this version does not verify", kindNames[split.Kind()])
		return j, nil
	}
	j.result, j.err = v.Verify(split.Payload, split.Signature, allowed)
	if j.err == nil {
		j.class = verifier.Verified
		return j, nil
	}
	if !errors.As(j.err, &j.failure) {
		return nil, j.err
	}
	j.class, j.result = j.failure.Class, j.failure.Valid
	return j, nil
}

var kindNames = map[string]string{"openpgp": "OpenPGP", "ssh": "SSH"}

func splitObject(obj gitutil.Object, f gitutil.Format) (gitutil.Split, error) {
	if obj.Type == "tag" {
		if _, err := gitutil.ParseTag(obj.Data, f); err != nil {
			return gitutil.Split{}, err
		}
		return gitutil.SplitTag(obj.Data, f)
	}
	if _, err := gitutil.ParseCommit(obj.Data, f); err != nil {
		return gitutil.Split{}, err
	}
	return gitutil.SplitCommit(obj.Data, f)
}

// exit returns the exit code that the object's class means.
func (j *judged) exit() int {
	switch j.class {
	case verifier.Verified:
		return exitGood
	case verifier.NotLogged, verifier.UnsupportedSignature:
		return exitUnknown
	}
	return exitFinding
}

// An objectJSON is an object as verify and show write it in JSON.
type objectJSON struct {
	Object   objectName `json:"object"`
	Class    string     `json:"class"`
	Verified bool       `json:"verified"`

	// Signature is what the signature says: facts where Verified is true or
	// only the identity failed, else claims that nobody has checked.
	Signature *signatureJSON `json:"signature"`
	Checks    []checkJSON    `json:"checks,omitempty"`
	Error     string         `json:"error,omitempty"`
}

type objectName struct {
	Type string `json:"type"`
	OID  string `json:"oid"`
}

type checkJSON struct {
	Check  string `json:"check"`
	Passed bool   `json:"passed"`
}

type signatureJSON struct {
	Checked     bool             `json:"checked"`
	Identity    *identityJSON    `json:"identity"`
	Certificate *certificateJSON `json:"certificate,omitempty"`
	Time        string           `json:"time,omitempty"` // proven
	Times       []timeJSON       `json:"times,omitempty"`
	SigningTime string           `json:"signingTime,omitempty"` // the signer's claim
	Log         *logJSON         `json:"log,omitempty"`
	TrustedRoot string           `json:"trustedRoot,omitempty"`
	Notes       []string         `json:"notes,omitempty"`
}

type identityJSON struct {
	Subject     string `json:"subject"`
	SubjectType string `json:"subjectType"`
	Issuer      string `json:"issuer"`
}

type certificateJSON struct {
	Fingerprint string            `json:"fingerprint"` // sha256
	Serial      string            `json:"serial"`
	IssuerName  string            `json:"issuerName"`
	NotBefore   string            `json:"notBefore"`
	NotAfter    string            `json:"notAfter"`
	Claims      map[string]string `json:"claims,omitempty"`
}

type timeJSON struct {
	Source    string `json:"source"`
	Authority string `json:"authority,omitempty"`
	Time      string `json:"time"`
}

type logJSON struct {
	ID         string `json:"id"`
	URL        string `json:"url,omitempty"`
	Generation int    `json:"generation,omitempty"`
	Index      int64  `json:"index"`
	Origin     string `json:"origin,omitempty"`
	TreeIndex  uint64 `json:"treeIndex"`
	TreeSize   uint64 `json:"treeSize"`
	RootHash   string `json:"rootHash"`
}

// json returns the object for --format json.
func (j *judged) json() objectJSON {
	out := objectJSON{Object: objectName{j.typ, j.oid}, Class: string(j.class), Verified: j.class == verifier.Verified}
	var passed []verifier.Check
	switch {
	case j.result != nil:
		out.Signature = resultJSON(j.result)
		passed = j.result.Passed
	case j.failure != nil:
		out.Signature = unverifiedJSON(&j.failure.Unverified)
	}
	if j.failure != nil {
		passed = j.failure.Passed
	}
	for _, check := range passed {
		out.Checks = append(out.Checks, checkJSON{string(check), true})
	}
	if j.failure != nil {
		out.Checks = append(out.Checks, checkJSON{string(j.failure.Check), false})
	}
	if j.err != nil {
		out.Error = j.err.Error()
	}
	return out
}

func resultJSON(r *verifier.Result) *signatureJSON {
	s := &signatureJSON{
		Checked:     true,
		Time:        rfc3339(r.Time),
		SigningTime: rfc3339(r.SigningTime),
		Log:         newLogJSON(&r.Log),
		TrustedRoot: "sha256:" + hex.EncodeToString(r.TrustedRoot[:]),
		Notes:       r.Notes,
	}
	s.setCertificate(&r.Certificate)
	for _, t := range r.Times {
		s.Times = append(s.Times, timeJSON{string(t.Source), t.Authority, rfc3339(t.Time)})
	}
	return s
}

func unverifiedJSON(u *verifier.Unverified) *signatureJSON {
	s := &signatureJSON{SigningTime: rfc3339(u.SigningTime), Log: newLogJSON(u.Log), Notes: u.Notes}
	s.setCertificate(u.Certificate)
	if !u.LogTime.IsZero() {
		s.Times = append(s.Times, timeJSON{Source: string(verifier.LogTime), Time: rfc3339(u.LogTime)})
	}
	if !u.StampTime.IsZero() {
		s.Times = append(s.Times, timeJSON{Source: string(verifier.StampTime), Time: rfc3339(u.StampTime)})
	}
	return s
}

func (s *signatureJSON) setCertificate(c *verifier.Certificate) {
	if c == nil {
		return
	}
	s.Identity = &identityJSON{c.Identity.Subject, c.SubjectType, c.Identity.Issuer}
	s.Certificate = &certificateJSON{
		Fingerprint: "sha256:" + hex.EncodeToString(c.Fingerprint[:]), Serial: c.Serial, IssuerName: c.IssuerName,
		NotBefore: rfc3339(c.NotBefore), NotAfter: rfc3339(c.NotAfter),
	}
	for _, claim := range c.Claims {
		name := claim.Name
		if name == "" {
			name = fmt.Sprintf("1.3.6.1.4.1.57264.1.%d", claim.Number)
		}
		if s.Certificate.Claims == nil {
			s.Certificate.Claims = make(map[string]string)
		}
		s.Certificate.Claims[name] = claim.Value
	}
}

func newLogJSON(l *verifier.LogEntry) *logJSON {
	if l == nil {
		return nil
	}
	return &logJSON{
		ID: hex.EncodeToString(l.LogID[:]), URL: l.URL, Generation: l.Generation, Index: l.Index, Origin: l.Origin,
		TreeIndex: l.TreeIndex, TreeSize: l.TreeSize, RootHash: hex.EncodeToString(l.RootHash[:]),
	}
}

// rfc3339 returns t in UTC, or "" for no time.
func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// lines returns what verify prints about the object.
func (j *judged) lines() []string {
	name := j.typ + " " + j.oid
	if j.class == verifier.Verified {
		id := j.result.Certificate.Identity
		return []string{
			fmt.Sprintf("%s: good signature from %s (%s)", name, uid(id), issuerLabel(id.Issuer)),
			"  " + madeLine(j.result),
		}
	}
	lines := []string{fmt.Sprintf("%s: %s: %s", name, j.class, oneLine(j.err.Error()))}
	if j.result != nil {
		lines = append(lines, "  "+madeLine(j.result))
	}
	return lines
}

// joinLines returns lines with a line end each.
func joinLines(lines []string) string { return strings.Join(lines, "\n") + "\n" }

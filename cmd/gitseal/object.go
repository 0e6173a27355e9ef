package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
)

// A judged object is a commit or tag with the verdict on its signature, as
// verify and show print it.
type judged struct {
	object gitutil.Object
	audit.Verdict
}

// openRepository opens the repository that git finds from here.
func openRepository(ctx context.Context) (*gitutil.Repo, error) { return openRepositoryAt(ctx, "") }

// openRepositoryAt opens the repository that git finds from a directory.
func openRepositoryAt(ctx context.Context, dir string) (*gitutil.Repo, error) {
	repo, err := gitutil.Open(ctx, gitutil.Config{Dir: dir})
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
		if strings.Contains(git.Stderr, "dubious ownership") {
			return fail(exitUsage, err, "git status   # says how to trust a repository of another user")
		}
		return fail(exitUsage, err)
	}
	return err
}

// readSigned reads the commit or tag that rev names.
func readSigned(ctx context.Context, repo *gitutil.Repo, rev string) (gitutil.Object, error) {
	oid, typ, err := repo.Resolve(ctx, rev)
	if errors.Is(err, gitutil.ErrMissing) && rev == "HEAD" {
		return gitutil.Object{}, fail(exitUsage, audit.ErrEmpty, "git commit -S   # makes one")
	}
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

// judgeRevision reads the commit or tag that rev names and judges it, as an
// audit would.
func judgeRevision(ctx context.Context, repo *gitutil.Repo, judge *audit.Judge, rev string) (*judged, error) {
	obj, err := readSigned(ctx, repo, rev)
	if err != nil {
		return nil, err
	}
	return &judged{obj, judge.Object(ctx, obj)}, nil
}

// exit returns the exit code that the object's class means.
func (j *judged) exit() int { return classExit(j.Class) }

// classExit returns the exit code that a class means.
func classExit(class verifier.Class) int {
	switch report.SeverityOf(class) {
	case report.Note:
		return exitGood
	case report.Warning:
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
	Key         *keyJSON         `json:"key,omitempty"` // of a signature that is not keyless
	Notes       []string         `json:"notes,omitempty"`
}

type keyJSON struct {
	Kind        string `json:"kind"`             // "openpgp", "ssh" or "x509"
	Fingerprint string `json:"fingerprint"`      // of the key that signed
	Signer      string `json:"signer,omitempty"` // of the key that stands for the signer, if it is another one
	Algorithm   string `json:"algorithm,omitempty"`
	Hash        string `json:"hash,omitempty"`
}

type identityJSON struct {
	Subject     string `json:"subject"`
	SubjectType string `json:"subjectType,omitempty"` // not of what logs say
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
	Index      *int64 `json:"index"` // null: not known, only the leaf is

	Origin    string `json:"origin,omitempty"`
	TreeIndex uint64 `json:"treeIndex"`
	TreeSize  uint64 `json:"treeSize"`
	RootHash  string `json:"rootHash"`
}

// json returns the object for --format json.
func (j *judged) json() objectJSON {
	out := objectJSON{Object: objectName{j.object.Type, j.object.OID}, Class: string(j.Class), Verified: j.Class == verifier.Verified}
	var passed []verifier.Check
	switch {
	case j.Result != nil:
		out.Signature = resultJSON(j.Result)
		passed = j.Result.Passed
	case j.Failure != nil:
		out.Signature = unverifiedJSON(&j.Failure.Unverified)
	case j.Key != nil:
		out.Signature = keyResultJSON(j.Key, true)
	case j.KeyFailure != nil && j.KeyFailure.Unverified.Signer.Kind != "":
		out.Signature = keyResultJSON(&j.KeyFailure.Unverified, false)
	}
	if j.Failure != nil {
		passed = j.Failure.Passed
	}
	for _, check := range passed {
		out.Checks = append(out.Checks, checkJSON{string(check), true})
	}
	if j.Failure != nil {
		out.Checks = append(out.Checks, checkJSON{string(j.Failure.Check), false})
	}
	out.Error = j.Message
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

// keyResultJSON returns what a signature by a key says; checked says that it is
// valid.
func keyResultJSON(r *verifier.KeyResult, checked bool) *signatureJSON {
	s := &signatureJSON{
		Checked: checked, Time: rfc3339(r.Time), SigningTime: rfc3339(r.Claimed), Notes: r.Notes,
		Key: &keyJSON{Kind: string(r.Signer.Kind), Fingerprint: cmp.Or(r.Key, r.Signer.Key), Algorithm: r.Algorithm, Hash: r.Hash},
	}
	if r.Signer.Key != s.Key.Fingerprint {
		s.Key.Signer = r.Signer.Key
	}
	if id := r.Signer.Identity; id != (verifier.Identity{}) {
		s.Identity = &identityJSON{Subject: id.Subject, Issuer: id.Issuer}
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
	out := &logJSON{
		ID: hex.EncodeToString(l.LogID[:]), URL: l.URL, Generation: l.Generation, Origin: l.Origin,
		TreeIndex: l.TreeIndex, TreeSize: l.TreeSize, RootHash: hex.EncodeToString(l.RootHash[:]),
	}
	if l.IndexKnown {
		out.Index = &l.Index
	}
	return out
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
	name := j.object.Type + " " + j.object.OID
	if j.Class == verifier.Verified && j.Key != nil {
		return []string{fmt.Sprintf("%s: good signature from %s", name, printable(j.Key.Signer.String())), "  " + keyLine(j.Key)}
	}
	if j.Class == verifier.Verified {
		id := j.Result.Certificate.Identity
		return []string{
			fmt.Sprintf("%s: good signature from %s (%s)", name, uid(id), issuerLabel(id.Issuer)),
			"  " + madeLine(j.Result),
		}
	}
	lines := []string{fmt.Sprintf("%s: %s: %s", name, j.Class, oneLine(j.Message))}
	switch {
	case j.Result != nil:
		lines = append(lines, "  "+madeLine(j.Result))
	case j.Key != nil:
		lines = append(lines, "  "+keyLine(j.Key))
	}
	return lines
}

// keyLine says when a signature by a key was made, and how that is known.
func keyLine(r *verifier.KeyResult) string {
	how := fmt.Sprintf("%s key %s", r.Signer.Kind, cmp.Or(r.Key, r.Signer.Key))
	switch {
	case !r.Time.IsZero():
		return fmt.Sprintf("signature made %s, proven by a time-stamp, %s", formatTime(r.Time), how)
	case !r.Claimed.IsZero():
		return fmt.Sprintf("signature made %s, which is only claimed, %s", formatTime(r.Claimed), how)
	}
	return "signature made nobody says when, " + how
}

// hint returns what to do next about the object, or "": what hints has for its
// class, in which OID is its id. A signer is to be allowed only where the
// user's own policy is what does not know them.
func (j *judged) hint(hints func(verifier.Class) string, ownPolicy bool) string {
	if j.Class != verifier.IdentityNotAllowed {
		return strings.ReplaceAll(hints(j.Class), "OID", j.object.OID)
	}
	var not *policy.NotAllowedError
	if ownPolicy && j.Result != nil && j.Failure != nil && errors.As(j.Failure, &not) && not.Reason == policy.UnknownIdentity {
		return allowCommand(j.Result.Certificate.Identity)
	}
	return ""
}

// joinLines returns lines with a line end each.
func joinLines(lines []string) string { return strings.Join(lines, "\n") + "\n" }

// writeJSON writes one document.
func writeJSON(e *env, doc any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	if _, err := e.stdout.Write(report.PlainJSON(b.Bytes())); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

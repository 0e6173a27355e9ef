package report

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"gitseal/verifier"
)

// A VSAConfig is what a verification summary says besides what the report
// holds.
type VSAConfig struct {
	// ResourceURI is the repository's URI, such as
	// "git+https://git.example.com/acme/app". Empty: made of the report's
	// Repository.Location, which has to be a URI with a host then.
	ResourceURI string
	// VerifierID is a URI that names who audits. Who takes a summary at its
	// word has paired this name with an identity or key that signs summaries.
	// Empty: "gitseal:audit", which names the program only.
	VerifierID string
	// PolicyURI is where the policy is found. Empty: the report's
	// Policy.Source, as a relative reference if it is no URI.
	PolicyURI string
}

const (
	vsaType          = "https://slsa.dev/verification_summary/v1"
	vsaStatementType = "https://in-toto.io/Statement/v1"

	// noPolicy stands in a summary for the rules of an audit without one.
	noPolicy = "gitseal:no-policy"

	// maxVSASubjects is how many subjects readers of statements take.
	maxVSASubjects = 1024
	maxVSARefs     = 256 // of a subject; the list need not be exhaustive
)

// The levels of a summary (SLSA 1.2, source track), and the properties that
// gitseal adds.
const (
	// SourceLevel0 is all that a failed audit leaves.
	SourceLevel0 = "SLSA_SOURCE_LEVEL_0"
	// SourceLevel1 is what an audit can tell: the revision is version
	// controlled, under an id that is a digest of all its history. Level 2 and
	// those above are about who may change a ref, and whether that was always
	// enforced; that is for the server to attest.
	SourceLevel1 = "SLSA_SOURCE_LEVEL_1"
	// SourceSigned says that all of the history behind the subjects, every
	// commit of it, has a valid signature that the policy allows.
	SourceSigned = "ORG_SOURCE_SIGNED"
	// SourceSignedKeyless says moreover that each of them is recorded in a
	// transparency log, by a signer whose identity an issuer vouched for.
	SourceSignedKeyless = "ORG_SOURCE_SIGNED_KEYLESS"
)

type vsaStatement struct {
	Type          string       `json:"_type"`
	Subject       []vsaSubject `json:"subject"`
	PredicateType string       `json:"predicateType"`
	Predicate     vsaPredicate `json:"predicate"`
}

type vsaSubject struct {
	Digest      map[string]string `json:"digest"`
	Annotations *vsaAnnotations   `json:"annotations,omitempty"`
}

type vsaAnnotations struct {
	SourceRefs []string `json:"sourceRefs"`
}

type vsaPredicate struct {
	Verifier           vsaVerifier `json:"verifier"`
	TimeVerified       string      `json:"timeVerified"`
	ResourceURI        string      `json:"resourceUri"`
	Policy             vsaPolicy   `json:"policy"`
	VerificationResult string      `json:"verificationResult"`
	VerifiedLevels     []string    `json:"verifiedLevels"`
	SLSAVersion        string      `json:"slsaVersion"`
}

type vsaVerifier struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version,omitempty"`
}

type vsaPolicy struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest,omitempty"`
}

// VSA returns a verification summary of the report: an in-toto statement (v1)
// whose predicate is SLSA's, for the source track, as one line of JSON. Its
// subjects are the commits at the tips of what was audited, and annotated tags
// that were; of more than 1024 the first ones.
//
// There is one result for all of the audit, PASSED if the report's result is
// Pass. Any other is FAILED, at SourceLevel0: an audit that failed is evidence
// too. Properties are claimed only of an audit that examined all of the
// history, without exemptions.
//
// A summary is as good as its signature, which is for the caller to make.
func VSA(r *Report, cfg VSAConfig) ([]byte, error) {
	resource, err := cfg.resource(r)
	if err != nil {
		return nil, err
	}
	subjects := vsaSubjects(r)
	if len(subjects) == 0 {
		return nil, errors.New("making verification summary: the report names no commit or tag that was asked for")
	}
	s := vsaStatement{vsaStatementType, subjects, vsaType, vsaPredicate{
		Verifier:           vsaVerifier{ID: cmp.Or(cfg.VerifierID, "gitseal:audit")},
		TimeVerified:       jsonTime(r.FinishedAt).Format(time.RFC3339),
		ResourceURI:        resource,
		Policy:             cfg.policy(r),
		VerificationResult: "FAILED",
		VerifiedLevels:     []string{SourceLevel0},
		SLSAVersion:        "1.2",
	}}
	if name, version, ok := strings.Cut(r.Tool, " "); ok {
		s.Predicate.Verifier.Version = map[string]string{name: version}
	}
	if r.Result == Pass {
		s.Predicate.VerificationResult = "PASSED"
		s.Predicate.VerifiedLevels = append([]string{SourceLevel1}, r.properties()...)
	}
	var b bytes.Buffer
	d := newDocument(&b)
	d.compact = true
	d.value(s)
	if err := d.finish(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// vsaWriter returns a function that writes a summary of each report on a line
// of its own. The URIs of several are their locations.
func vsaWriter(cfg VSAConfig) func(io.Writer, ...*Report) error {
	return func(w io.Writer, reports ...*Report) error {
		if len(reports) == 0 {
			return errNoReport
		}
		if len(reports) > 1 {
			cfg.ResourceURI = ""
		}
		for _, r := range reports {
			b, err := VSA(r, cfg)
			if err != nil {
				return err
			}
			if _, err := w.Write(append(b, '\n')); err != nil {
				return writing(err)
			}
		}
		return nil
	}
}

// resource returns the repository's URI.
func (cfg *VSAConfig) resource(r *Report) (string, error) {
	uri := cfg.ResourceURI
	if uri == "" {
		uri = uriOf(r.Repository.Location)
		if uri != "" && !strings.HasPrefix(uri, "git+") && !strings.HasPrefix(uri, "git:") {
			uri = "git+" + uri // an SPDX download location
		}
	}
	if uri == "" {
		return "", fmt.Errorf("making verification summary: the URI of repository %q is not known", r.Repository.Location)
	}
	if u, err := url.Parse(uri); err != nil || u.Scheme == "" || uri != printable(uri) {
		return "", fmt.Errorf("making verification summary: %q is no URI of a repository", uri)
	}
	return uri, nil
}

// policy describes by which policy the audit judged.
func (cfg *VSAConfig) policy(r *Report) vsaPolicy {
	if r.Policy == nil {
		return vsaPolicy{URI: noPolicy}
	}
	uri := cfg.PolicyURI
	if u, err := url.Parse(r.Policy.Source); uri == "" && err == nil && u.Host != "" {
		uri = u.String()
	} else if uri == "" {
		uri = (&url.URL{Path: printable(r.Policy.Source)}).String()
	}
	p := vsaPolicy{URI: uri}
	if r.Policy.Digest != (Digest{}) {
		p.Digest = map[string]string{"sha256": hex.EncodeToString(r.Policy.Digest[:])}
	}
	return p
}

// vsaSubjects returns what the audit was asked to examine: the commits at the
// tips of branches and revisions, then tags, each once with the refs that
// held it.
func vsaSubjects(r *Report) []vsaSubject {
	var subjects []vsaSubject
	at := make(map[[2]string]int)
	add := func(digest, oid, ref string) {
		if !isID(oid) {
			return
		}
		key := [2]string{digest, oid}
		i, ok := at[key]
		if !ok {
			if len(subjects) == maxVSASubjects {
				return
			}
			i = len(subjects)
			at[key] = i
			subjects = append(subjects, vsaSubject{Digest: map[string]string{digest: oid}})
		}
		if strings.HasPrefix(ref, "refs/") {
			s := &subjects[i]
			if s.Annotations == nil {
				s.Annotations = new(vsaAnnotations)
			}
			if len(s.Annotations.SourceRefs) < maxVSARefs && !slices.Contains(s.Annotations.SourceRefs, ref) {
				s.Annotations.SourceRefs = append(s.Annotations.SourceRefs, ref)
			}
		}
	}
	for _, c := range r.Continuity {
		add("gitCommit", c.OID, c.Ref)
	}
	for _, ref := range r.Scope.Refs {
		if strings.HasPrefix(ref.Name, "refs/heads/") || strings.HasPrefix(ref.Name, "refs/remotes/") {
			add("gitCommit", ref.OID, ref.Name)
		}
	}
	for _, ref := range r.Scope.Refs {
		if strings.HasPrefix(ref.Name, "refs/tags/") {
			add("gitTag", ref.OID, ref.Name)
		}
	}
	return subjects
}

// properties returns what holds of the history beyond its level. It is
// nothing where a part of the history was left out, on purpose or not, or need
// not be good. Refs that were left out are other histories.
func (r *Report) properties() []string {
	if !r.Complete || r.Repository.Shallow || r.Policy == nil || r.Totals.Examined == 0 || r.Totals.Classes[verifier.Verified] != r.Totals.Examined {
		return nil
	}
	for _, o := range r.NotExamined {
		if !strings.HasPrefix(o.What, "refs/") {
			return nil
		}
	}
	for _, s := range r.Signers {
		if s.Kind != verifier.Keyless {
			return []string{SourceSigned}
		}
	}
	return []string{SourceSigned, SourceSignedKeyless}
}

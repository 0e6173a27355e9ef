package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"gitseal/verifier"
	"gitseal/verifier/policy"
)

// noKey stands for a fingerprint where there is none: git takes the word
// after a status as the key, so it must not be empty.
const noKey = "0000000000000000"

// A verdict is what git is told of a signature (gpg's doc/DETAILS, and what
// parse_gpg_output in git's gpg-interface.c makes of it).
type verdict struct {
	status string   // status lines, without their prefix
	lines  []string // for people, on stderr; git puts them into merge messages
	hint   string   // what to do next, if anything
	exit   int
}

// gpg's return codes in ERRSIG.
const (
	rcUnsupported = 4
	rcUnknownKey  = 9
)

// judge verifies a signature under the trust and the policy in force. An
// error means that this could not be tried.
func judge(ctx context.Context, e *env, payload, signature []byte) (*verdict, error) {
	// It may be judged twice; processes are started once.
	kept := sync.OnceValues(func() ([]verifier.Proof, error) { return findProofs(ctx, signature) })
	_, v, err := withSettings(ctx, e, func(s *settings) (*verdict, error) { return s.judge(e, payload, signature, kept) })
	return v, err
}

// judge verifies a signature under these settings; kept returns the proofs that
// there are of it.
func (s *settings) judge(e *env, payload, signature []byte, kept func() ([]verifier.Proof, error)) (*verdict, error) {
	trust, err := s.trust("")
	if err != nil {
		return nil, err
	}
	hint := func(class verifier.Class) string { return trust.hint(class, e.now()) }
	v, err := trust.verifier()
	if err != nil {
		return nil, err
	}
	policy, source, err := s.policy("")
	if err != nil {
		return nil, err
	}
	if policy != nil {
		result, err := s.verify(v, payload, signature, kept, policy)
		if err != nil {
			return refused(err, source, hint), nil
		}
		return good(result, "TRUST_FULLY 0 shell"), nil
	}
	anyone, _, err := s.anyIdentity()
	if err != nil {
		return nil, err
	}
	result, err := s.verify(v, payload, signature, kept, verifier.AnyIdentity{})
	switch {
	case err != nil:
		return refused(err, "", hint), nil
	case anyone:
		return good(result, "TRUST_UNDEFINED 0 shell"), nil
	}
	return unjudged(result), nil
}

// good is the verdict on a verified signature.
func good(r *verifier.Result, trust string) *verdict {
	fpr := fingerprint(&r.Certificate)
	id := r.Certificate.Identity
	return &verdict{
		status: strings.Join([]string{
			"NEWSIG",
			"GOODSIG " + fpr + " " + uid(id),
			fmt.Sprintf("VALIDSIG %s %s %d 0 0 - 19 8 00 %s", fpr, r.Time.Format("2006-01-02"), r.Time.Unix(), fpr),
			trust,
		}, "\n"),
		lines: []string{madeLine(r), fmt.Sprintf("good signature from %q (%s)", id.Subject, issuerLabel(id.Issuer))},
		exit:  exitGood,
	}
}

// unjudged is the verdict on a valid signature when no policy is in force:
// valid is not yet good.
func unjudged(r *verifier.Result) *verdict {
	id := r.Certificate.Identity
	return &verdict{
		status: errsig(&r.Certificate, r.Time.Unix(), rcUnknownKey, "TRUST_UNDEFINED 0 shell"),
		lines: []string{
			madeLine(r),
			fmt.Sprintf("valid signature from %q (%s), but no policy says who may sign", id.Subject, issuerLabel(id.Issuer)),
		},
		hint: allowCommand(id),
		exit: exitFinding,
	}
}

// refused is the verdict on a signature that did not verify. hint says what to
// do about its class.
func refused(err error, policySource string, hint func(verifier.Class) string) *verdict {
	var verr *verifier.VerifyError
	if !errors.As(err, &verr) {
		return undecided()
	}
	cert := verr.Unverified.Certificate
	switch {
	case verr.Valid != nil:
		r := verr.Valid
		allow := allowCommand(r.Certificate.Identity)
		var not *policy.NotAllowedError
		if errors.As(err, &not) && not.Reason != policy.UnknownIdentity {
			allow = "" // the policy means it
		}
		return &verdict{
			status: errsig(&r.Certificate, r.Time.Unix(), rcUnknownKey, "TRUST_NEVER 0 shell"),
			lines: []string{
				madeLine(r),
				fmt.Sprintf("valid signature, but not allowed by %s: %s", policySource, oneLine(verr.Error())),
			},
			hint: allow,
			exit: exitFinding,
		}
	case verr.Class == verifier.BadSignature:
		return &verdict{
			status: "NEWSIG\nBADSIG " + fingerprint(cert) + " " + uid(cert.Identity) + "\nTRUST_NEVER 0 shell",
			lines:  []string{"BAD signature: " + oneLine(verr.Error())},
			exit:   exitFinding,
		}
	}
	rc := rcUnknownKey
	if verr.Class == verifier.UnsupportedSignature {
		rc = rcUnsupported
	}
	return &verdict{
		status: errsig(cert, 0, rc, "TRUST_NEVER 0 shell"),
		lines:  []string{fmt.Sprintf("signature not verified (%s): %s", verr.Class, oneLine(verr.Error()))},
		hint:   hint(verr.Class),
		exit:   exitFinding,
	}
}

// undecided is the verdict when verifying could not be tried.
func undecided() *verdict {
	return &verdict{status: errsig(nil, 0, rcUnknownKey, "TRUST_NEVER 0 shell"), exit: exitUnknown}
}

// errsig returns the lines for a signature that is not known to be good.
func errsig(cert *verifier.Certificate, at int64, rc int, trust string) string {
	return fmt.Sprintf("NEWSIG\nERRSIG %s 19 8 00 %d %d -\n%s", fingerprint(cert), at, rc, trust)
}

// fingerprint returns a certificate's SHA-256 as gpg writes fingerprints.
func fingerprint(cert *verifier.Certificate) string {
	if cert == nil {
		return noKey
	}
	return fmt.Sprintf("%X", cert.Fingerprint)
}

// uid returns an identity's subject as a gpg user id. git reads the next line
// as part of an empty one, so it never is; and it has no line end in it.
func uid(id verifier.Identity) string {
	if id.Subject == "" {
		return "unknown"
	}
	return printable(id.Subject)
}

// madeLine says when a signature was made and where that is recorded.
func madeLine(r *verifier.Result) string {
	origin := r.Log.Origin
	if origin == "" {
		origin = r.Log.URL
	}
	local := ""
	if isLocal(r.Certificate.Identity.Issuer) {
		local = ", local authority"
	}
	place := fmt.Sprintf("entry %d", r.Log.Index)
	if !r.Log.IndexKnown {
		place = fmt.Sprintf("leaf %d", r.Log.TreeIndex)
	}
	return fmt.Sprintf("signature made %s, %s of log %s%s", formatTime(r.Time), place, printable(origin), local)
}

// allowCommand returns the command that allows an identity, or "" for one that
// the command would not take as it stands: a name that reads as a pattern
// would allow others too.
func allowCommand(id verifier.Identity) string {
	if id.Subject == "" || strings.HasPrefix(id.Subject, "-") || isPattern(id.Subject) ||
		printable(id.Subject) != id.Subject || printable(id.Issuer) != id.Issuer {
		return ""
	}
	return fmt.Sprintf("gitseal policy allow %s --issuer %s", shellWord(id.Subject), shellWord(id.Issuer))
}

// shellWord quotes s for a shell where it needs that.
func shellWord(s string) string {
	s = printable(s)
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%+=:,./-_", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// explainTo has an audit tell how it judges the object that rev names.
func (a *auditRun) explainTo(ctx context.Context, cfg *audit.Config, rev string) error {
	if rev == "" {
		return nil
	}
	oid, typ, err := cfg.Repo.Resolve(ctx, rev)
	if err != nil || typ != "commit" && typ != "tag" {
		return fail(exitUsage, fmt.Errorf("%s is no commit or tag of this repository", rev), "git log --oneline   # shows what there is")
	}
	a.explained = &audit.Explanation{OID: oid}
	cfg.Explain = a.explained
	return nil
}

// writeExplanation writes how one object was judged, and returns the exit code.
func (a *auditRun) writeExplanation() error {
	x := a.explained
	if !x.Found {
		return fail(exitUsage, fmt.Errorf("%s is not among what was examined", x.OID), "gitseal audit --all --explain "+x.OID)
	}
	if _, err := a.env.stdout.WriteString(joinLines(explanationLines(x))); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	code := classExit(x.Class)
	if len(wrongFindings(x)) > 0 {
		code = exitFinding
	}
	return quiet(code)
}

// explanationLines returns the steps of a judgment, one a line.
func explanationLines(x *audit.Explanation) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, printable(fmt.Sprintf(format, args...))) }
	add("%s %s", x.Object.Type, x.Object.OID)
	if x.Signer != nil {
		add("signer: %s", x.Signer)
	}
	if !x.Time.IsZero() {
		add("signed: %s, %s", formatTime(x.Time), timeSource(x.Source))
	}
	if x.Why != "" {
		add("signature: %s: %s", x.Signature, x.Why)
	} else {
		add("signature: %s", x.Signature)
	}
	switch {
	case !x.Policy:
		add("policy: none, so validity is all that is judged")
	case x.Entry != "":
		add("policy: the signer is [identity.%s], a %s", x.Entry, x.Role)
	default:
		add("policy: no entry allows the signer")
	}
	if len(x.Vouchers) > 0 {
		add("vouched for by: %s", strings.Join(x.Vouchers, ", "))
	}
	for _, r := range x.Rules {
		add("%s", r)
	}
	if x.Untold != nil {
		add("could not tell: %v", x.Untold)
	}
	for _, id := range x.Findings {
		add("finding: %s", id)
	}
	switch wrong := wrongFindings(x); {
	case x.Message != "":
		add("result: %s: %s", x.Class, x.Message)
	case len(wrong) > 0:
		add("result: violation: the signature is %s, but %s", x.Class, strings.Join(wrong, ", "))
	default:
		add("result: %s", x.Class)
	}
	return lines
}

// timeSource says how a time is known.
func timeSource(s verifier.TimeSource) string {
	switch s {
	case verifier.LogTime:
		return "proven by the log"
	case verifier.StampTime:
		return "proven by a time-stamp authority"
	}
	return "which is only claimed"
}

// wrongFindings returns those of an object's findings that make the result a
// violation.
func wrongFindings(x *audit.Explanation) []string {
	return slices.DeleteFunc(slices.Clone(x.Findings), func(id string) bool {
		d, _ := report.Describe(id)
		return d.Severity != report.Error
	})
}

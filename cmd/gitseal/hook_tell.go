package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gitseal/gitutil"
	"gitseal/internal/proofs"
	"gitseal/verifier"
	"gitseal/verifier/report"
)

// A hookJudgment is what a hook has to say to the one who pushes or merges.
// They see it between the lines of git, so it is short.
type hookJudgment struct {
	run     *hookRun
	repo    *gitutil.Repo
	updates []gitutil.PushUpdate
	reports []*report.Report
}

// maxTold bounds the findings that are told one by one.
const maxTold = 10

func (j *hookJudgment) exit() int {
	if len(j.reports) == 0 {
		return exitGood
	}
	return resultExit[report.Merge(j.reports).Result]
}

func (j *hookJudgment) tell(format string, args ...any) {
	fmt.Fprintf(j.run.env.stderr, "gitseal: %s\n", oneLine(fmt.Sprintf(format, args...)))
}

// printOmissions says what was not judged.
func (j *hookJudgment) printOmissions() {
	for _, r := range j.reports {
		for i, o := range r.NotExamined {
			if !j.run.kind.server && strings.HasPrefix(o.What, proofs.Namespace) {
				continue // who pushes them knows what they are
			}
			if i == maxTold {
				j.tell("not judged: %d more", len(r.NotExamined)-maxTold)
				break
			}
			j.tell("not judged: %s: %s", o.What, o.Reason)
		}
	}
}

// findings returns the findings that count, each once.
func (j *hookJudgment) findings() []report.Finding {
	type key struct{ id, oid, message string }
	seen := make(map[key]bool)
	var all []report.Finding
	for _, r := range j.reports {
		for f := range r.Findings.All() {
			k := key{f.ID, f.Object.OID, f.Message}
			if f.Severity != report.Note && !seen[k] {
				seen[k] = true
				all = append(all, f)
			}
		}
	}
	return all
}

// onlyWaits reports whether all that could not be judged is what waits for its
// log entry, of which the pusher was told before.
func (j *hookJudgment) onlyWaits() bool {
	return report.Merge(j.reports).Complete && !slices.ContainsFunc(j.findings(), func(f report.Finding) bool {
		return f.ID != string(verifier.NotLogged) || !j.run.waiting[f.Object.OID]
	})
}

// printFindings says what is wrong, as far as a person reads.
func (j *hookJudgment) printFindings() {
	all := j.findings()
	for i, f := range all {
		if i == maxTold {
			j.tell("and %d more", len(all)-maxTold)
			return
		}
		j.tell("%s %s: %s: %s", f.Object.Type, short(f.Object.OID), f.ID, f.Message)
	}
}

// short returns the beginning of an id, which is enough to find it by.
func short(oid string) string { return oid[:min(len(oid), 12)] }

// summary returns how much is wrong, in one line.
func (j *hookJudgment) summary() string {
	var violations, untold int
	for _, f := range j.findings() {
		if f.Severity == report.Error {
			violations++
		} else {
			untold++
		}
	}
	var parts []string
	if violations > 0 {
		parts = append(parts, count(violations, "violation", "violations"))
	}
	if untold > 0 {
		parts = append(parts, fmt.Sprintf("%d could not be judged", untold))
	}
	set := report.Merge(j.reports)
	if len(parts) == 0 || !set.Complete {
		parts = append(parts, "not everything could be judged")
	}
	return fmt.Sprintf("%s; %s examined", strings.Join(parts, ", "), count(set.Totals.Examined, "commit or tag", "commits and tags"))
}

// hints returns the commands to run next, for the one who pushes.
func (j *hookJudgment) hints(ctx context.Context) []string {
	var hints []string
	for _, r := range j.reports {
		if r.Result != report.Pass {
			if hint := j.signHint(ctx, r); hint != "" {
				hints = append(hints, hint)
			}
			hints = append(hints, j.moreHint(r))
			break
		}
	}
	return slices.DeleteFunc(hints, func(hint string) bool { return hint == "" })
}

// signHint returns the command that signs what is unsigned.
func (j *hookJudgment) signHint(ctx context.Context, r *report.Report) string {
	oldest := ""
	for f := range r.Findings.All() {
		if f.ID == string(report.Unsigned) && f.Severity == report.Error && f.Object.Type == "commit" {
			oldest = f.Object.OID
		}
	}
	if oldest == "" {
		return ""
	}
	base := "--root"
	if oid, _, err := j.repo.Resolve(ctx, oldest+"^"); err == nil {
		base = short(oid)
	}
	if u := j.updateOf(r); u != nil {
		if branch, ok := strings.CutPrefix(j.run.local[u.Ref], "refs/heads/"); ok {
			base += " " + shellWord(branch)
		}
	}
	return "git rebase --exec 'git commit --amend --no-edit -S' " + base + "   # signs what is yours"
}

// updateOf returns the update that a report is of; nil if it is of several.
func (j *hookJudgment) updateOf(r *report.Report) *gitutil.PushUpdate {
	if len(r.Scope.Refs) == 0 || slices.ContainsFunc(r.Scope.Refs, func(ref report.Ref) bool { return ref.Name != r.Scope.Refs[0].Name }) {
		return nil
	}
	for i := range j.updates {
		if j.updates[i].Ref == r.Scope.Refs[0].Name {
			return &j.updates[i]
		}
	}
	return nil
}

// moreHint returns the command that says more.
func (j *hookJudgment) moreHint(r *report.Report) string {
	u := j.updateOf(r)
	if u == nil || strings.HasPrefix(u.Ref, "refs/tags/") {
		for f := range r.Findings.All() {
			if f.Severity != report.Note {
				return "gitseal show " + short(f.Object.OID) + "   # says more of the first"
			}
		}
		return ""
	}
	command := "gitseal audit "
	if u.Old != "" {
		command += short(u.Old) + ".."
	}
	command += short(u.New) + " --ref " + shellWord(u.Ref)
	if j.run.policyAt != "" {
		command += " --policy " + shellWord(j.run.policyAt)
	} else if j.run.c.Bool("any-identity") {
		command += " --any-identity"
	}
	return command + "   # says more"
}

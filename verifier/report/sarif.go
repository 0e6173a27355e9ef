package report

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxSARIF is how many results WriteSARIF writes of each report, the worst
// first: GitHub's code scanning refuses a run with more. If these are not all,
// some of each id are among them, and a notification for each says how many
// there are.
const maxSARIF = 25_000

// WriteSARIF writes the report as a SARIF log (OASIS SARIF 2.1.0 with errata
// 01), a run for each report: a rule for each finding id, a result for each
// finding.
//
// A finding is about an object of git and not about a line of a file, so it
// has a logical location. Code scanning takes no result without a physical
// one besides, and that names the file in which git keeps the object, if it is
// not packed. It is no path that a file of the project can have.
func WriteSARIF(w io.Writer, reports ...*Report) error {
	return sarifWriter("")(w, reports...)
}

// sarifWriter returns WriteSARIF with links to a page with the findings.
func sarifWriter(help string) func(io.Writer, ...*Report) error {
	return func(w io.Writer, reports ...*Report) error {
		d, s := newDocument(w), Merge(reports)
		d.begin()
		d.field("$schema", "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json")
		d.field("version", "2.1.0")
		d.name("runs")
		d.list(func(element func()) {
			for i := range s.Reports {
				element()
				d.sarifRun(s, i, help)
			}
		})
		d.end()
		d.write("\n")
		return d.finish()
	}
}

func (d *document) sarifRun(s *Set, i int, help string) {
	r := s.Reports[i]
	name, version, _ := strings.Cut(printable(r.Tool), " ")
	if name == "" {
		name = "gitseal"
	}
	run := "gitseal/"
	if s.single() == nil {
		run += url.PathEscape(s.name(i)) + "/"
	}
	one := Merge([]*Report{r})
	groups := one.groups(maxSARIF, maxSARIF)
	d.begin()
	d.field("tool", sarifTool{sarifDriver{name, version, sarifRules(r, help)}})
	d.field("automationDetails", sarifID{run})
	d.field("invocations", []sarifInvocation{sarifInvocationOf(r, groups)})
	if provenance := sarifProvenance(r); len(provenance) > 0 {
		d.field("versionControlProvenance", provenance)
	}
	d.field("columnKind", "utf16CodeUnits")
	d.name("results")
	d.list(func(element func()) {
		for i := range groups {
			for _, p := range groups[i].shown {
				if d.err != nil {
					return
				}
				x := one.finding(p)
				x.Hint = r.hint(&x)
				element()
				d.value(sarifResultOf(x))
			}
		}
	})
	d.field("properties", sarifRunProperties{r.Complete, r.Totals, r.Result})
	d.end()
}

type sarifText struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown,omitempty"`
}

type sarifID struct {
	ID string `json:"id"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID                   string         `json:"id"`
	Name                 string         `json:"name"`
	ShortDescription     sarifText      `json:"shortDescription"`
	FullDescription      sarifText      `json:"fullDescription"`
	Help                 sarifText      `json:"help"`
	HelpURI              string         `json:"helpUri,omitempty"`
	DefaultConfiguration map[string]any `json:"defaultConfiguration"`
	Properties           sarifRuleMore  `json:"properties"`
}

type sarifRuleMore struct {
	Precision        string   `json:"precision"`
	SecuritySeverity string   `json:"security-severity,omitempty"`
	Tags             []string `json:"tags"`
}

// securitySeverity is the score, as of CVSS, by which code scanning sorts:
// high, medium.
var securitySeverity = map[Severity]string{Error: "8.0", Warning: "5.0"}

func sarifRules(r *Report, help string) []sarifRule {
	var rules []sarifRule
	for _, x := range descriptions {
		text := x.Help
		markdown := x.Help
		if hint := printable(r.ruleHint(x.Hint)); hint != "" {
			text += " What to do: " + hint
			markdown += "\n\n**What to do:** " + markdownCode(hint)
		}
		rule := sarifRule{
			ID:                   x.ID,
			Name:                 pascal(x.ID),
			ShortDescription:     sarifText{Text: sentence(x.Title)},
			FullDescription:      sarifText{Text: x.Help},
			Help:                 sarifText{text + "\nMore: gitseal explain " + x.ID, markdown + "\n\nMore: `gitseal explain " + x.ID + "`"},
			DefaultConfiguration: map[string]any{"level": string(x.Severity)},
			Properties:           sarifRuleMore{"very-high", securitySeverity[x.Severity], []string{"security", "git", "supply-chain"}},
		}
		if help != "" {
			rule.HelpURI = help + "#" + x.ID
		}
		rules = append(rules, rule)
	}
	return rules
}

// pascal returns an id as one word in which capitals part those of the id.
func pascal(id string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(id, "-") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

type sarifInvocation struct {
	ExecutionSuccessful bool                `json:"executionSuccessful"`
	StartTimeUTC        string              `json:"startTimeUtc,omitempty"`
	EndTimeUTC          string              `json:"endTimeUtc,omitempty"`
	Notifications       []sarifNotification `json:"toolExecutionNotifications,omitempty"`
}

type sarifNotification struct {
	Level   string    `json:"level"`
	Message sarifText `json:"message"`
}

// sarifInvocationOf says how the audit went. A run that could not examine
// everything was not successful: no result in it means that nothing was found
// where it looked.
func sarifInvocationOf(r *Report, groups []group) sarifInvocation {
	x := sarifInvocation{ExecutionSuccessful: r.Complete, StartTimeUTC: sarifTime(r.StartedAt), EndTimeUTC: sarifTime(r.FinishedAt)}
	level := "note"
	if !r.Complete {
		level = "warning"
	}
	x.Notifications = append(x.Notifications, sarifNotification{level, sarifText{Text: sarifMessage(r.completeness())}})
	for i := range groups {
		if g := &groups[i]; g.cut() {
			text := fmt.Sprintf("%s: %s, %s of them among the results", clip(g.name(), 100), count(g.total, "finding"), thousands(len(g.shown)))
			x.Notifications = append(x.Notifications, sarifNotification{"warning", sarifText{Text: sarifMessage(text)}})
		}
	}
	return x
}

func sarifTime(t time.Time) string {
	if !isDate(t) {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

type sarifVersion struct {
	RepositoryURI string `json:"repositoryUri"`
	RevisionID    string `json:"revisionId"`
	Branch        string `json:"branch,omitempty"`
}

// sarifProvenance says which revisions were audited, where the repository has
// a URI.
func sarifProvenance(r *Report) []sarifVersion {
	u := uriOf(r.Repository.Location)
	if u == "" {
		return nil
	}
	var list []sarifVersion
	for _, ref := range r.Scope.Refs {
		v := sarifVersion{RepositoryURI: u, RevisionID: printable(ref.OID)}
		if branch, ok := strings.CutPrefix(ref.Name, "refs/heads/"); ok {
			v.Branch = printable(branch)
		}
		if len(list) < maxSARIFRefs {
			list = append(list, v)
		}
	}
	return slices.CompactFunc(list, func(a, b sarifVersion) bool { return a == b })
}

// maxSARIFRefs is how many revisions a run names.
const maxSARIFRefs = 1000

// uriOf returns a repository's location if it is an absolute URI with a host,
// without what it may hold of a password.
func uriOf(location string) string {
	u, err := url.Parse(location)
	if err != nil || u.Scheme == "" || u.Host == "" || location != printable(location) {
		return ""
	}
	u.User = nil
	return u.String()
}

package report

import (
	"fmt"
	"slices"

	"gitseal/verifier"
)

func (h *page) repositories() {
	defer h.section("repositories", "Repositories")()
	columns := []string{"Repository", "Result", "#Examined", "#Good", "#Could not tell", "#Bad", "Complete"}
	end := h.table("Repositories, the worst first", columns...)
	for n, i := range h.set.byResult() {
		if n == maxHTMLList {
			break
		}
		r := h.set.Reports[i]
		complete := raw("yes")
		if !r.Complete {
			complete = badge("no")
		}
		h.row(columns, clip(h.set.name(i), 200), badge(string(r.Result)), thousands(r.Totals.Examined), thousands(r.Totals.by(Note)),
			thousands(r.Totals.by(Warning)), thousands(r.Totals.by(Error)), complete)
	}
	end()
	h.more(len(h.set.Reports) - maxHTMLList)
}

func (h *page) classes() {
	t := h.set.Totals
	if t.Examined == 0 {
		return
	}
	defer h.section("classes", "Classes")()
	columns := []string{"Class", "#Objects", "Share", "Means", "Leads to"}
	end := h.table("Objects by class", columns...)
	for _, class := range Classes() {
		n := t.Classes[class]
		if n == 0 {
			continue
		}
		d, _ := Describe(string(class))
		share := float64(n) / float64(max(t.Examined, 1)) * 100
		bar := mark(`<svg class="bar s-%s" width="100%%" height="10" aria-hidden="true"><rect class="back" width="100%%" height="10" rx="3"/><rect width="%.2f%%" height="10" rx="3"/></svg>`, string(d.Severity), share)
		h.row(columns, mark("<code>%s</code>", string(class)), thousands(n), bar, d.Title, severityBadge(d.Severity, meaning(d.Severity)))
	}
	end()
}

func (h *page) continuity() {
	n := 0
	for _, r := range h.set.Reports {
		n += len(r.Continuity)
	}
	if n == 0 {
		return
	}
	defer h.section("continuity", "Continuity")()
	h.put("<p>Since when every commit of a branch is compliant, along its first parents. Days are those that committers' clocks showed.</p>\n")
	columns := []string{"Branch", h.repositoryColumn(), "Compliant since", "#Streak", "#Commits", "Gaps", "Merged into it"}
	end := h.table("Continuity of branches", columns...)
	shown := 0
	for i, r := range h.set.Reports {
		for _, c := range r.Continuity {
			if shown == maxHTMLList {
				break
			}
			shown++
			since := badge("not now")
			if c.Since != nil {
				since = mark("%s<br>%s", unbroken(day(c.Since.Date)), object(short(c.Since.OID)))
			}
			merged := "none"
			if c.Merged > 0 {
				merged = count(c.Merged, "commit") + ", all compliant"
			}
			if c.MergedBad > 0 {
				merged = fmt.Sprintf("%s, %s not compliant", count(c.Merged, "commit"), thousands(c.MergedBad))
			}
			h.row(columns, mark("<code>%s</code>", clip(c.Ref, 200)), clip(h.set.name(i), 200), since, thousands(c.Streak), thousands(c.Commits), gaps(&c), merged)
		}
	}
	end()
	h.more(n - shown)
}

// gaps lists the newest gaps of a branch.
func gaps(c *Continuity) raw {
	const shown = 5
	if c.GapCount == 0 {
		return "none"
	}
	list := mark("%s<ul>", count(c.GapCount, "gap"))
	for _, g := range c.Gaps[:min(len(c.Gaps), shown)] {
		list += mark("<li>%s to %s: %s, %s to %s</li>", day(g.Oldest.Date), day(g.Newest.Date), count(g.Commits, "commit"), object(short(g.Oldest.OID)), object(short(g.Newest.OID)))
	}
	if more := c.GapCount - min(len(c.Gaps), shown); more > 0 {
		list += mark("<li>%s more</li>", thousands(more))
	}
	return list + "</ul>"
}

// findings writes the boxes to choose findings by, and the findings, which
// have to come after them for the style sheet's rules.
func (h *page) findings() {
	defer h.section("findings", "Findings")()
	n := h.set.findings()
	if n == 0 {
		h.put("<p>None.</p>\n")
		return
	}
	h.filters(n)
	h.put("<div class=\"list\">\n")
	columns := []string{"Finding", "Object", h.repositoryColumn(), "What"}
	end := h.table("Findings, the worst first", columns...)
	groups := h.set.groups(maxHTML, maxHTML)
	for i := range groups {
		g := &groups[i]
		what := mark("%s<br><code>%s</code>", severityBadge(g.severity, string(g.severity)), clip(g.name(), 100))
		for _, p := range g.shown {
			x := h.set.finding(p)
			h.finding(g, "", columns, what, mark("%s<br>%s", clip(x.Object.Type, 40), object(x.Object.OID)),
				clip(h.set.name(p.report), 200), htmlMessage(&x, h.set.hint(p.report, &x)))
		}
		if g.cut() {
			h.finding(g, " cut", columns, what, raw(""), raw(""), mark("%s; all of them: <code>--format json</code>", g.extent()))
		}
	}
	end()
	h.put("</div>\n</div>\n")
	h.commands(groups)
}

// filters writes the boxes. Their numbers are of all findings, shown or not.
func (h *page) filters(n int) {
	ids := make(map[string]int)
	for _, r := range h.set.Reports {
		for id, of := range r.Findings.ids() {
			for _, k := range of {
				ids[htmlID(id)] += k
			}
		}
	}
	h.put("<div class=\"filters\">\n<p class=\"label\">Severity</p>\n")
	h.put("<input type=\"radio\" name=\"s\" id=\"s-all\" checked><label for=\"s-all\">all <b>%s</b></label>\n", thousands(n))
	for _, severity := range severities {
		if k := h.set.count(severity); k > 0 {
			h.put("<input type=\"radio\" name=\"s\" id=\"s-%s\"><label for=\"s-%s\">%s <b>%s</b></label>\n", string(severity), string(severity), string(severity), thousands(k))
		}
	}
	h.put("<p class=\"label\">Finding</p>\n")
	for _, id := range append(IDs(), otherID) {
		if k := ids[id]; k > 0 {
			h.put("<input type=\"checkbox\" id=\"i-%s\" checked><label for=\"i-%s\">%s <b>%s</b></label>\n", id, id, id, thousands(k))
		}
	}
}

// finding writes a row of the list, which the boxes hide by its classes.
func (h *page) finding(g *group, class string, columns []string, values ...any) {
	h.put("<tr class=\"f s-%s i-%s%s\">", string(g.severity), htmlID(g.id), class)
	for i, c := range columns {
		if c != "" {
			h.cell(c, values[i])
		}
	}
	h.put("</tr>\n")
}

// commands writes what to type to see more of the first finding.
func (h *page) commands(groups []group) {
	if commands := h.set.commands(groups); len(commands) > 0 {
		h.put("<p>See more of the first:")
		for _, command := range commands {
			h.put(" <code>%s</code>", clip(command, 500))
		}
		h.put("</p>\n")
	}
}

func htmlMessage(x *Finding, hint string) raw {
	text := mark("%s", clip(x.Message, 1000))
	if by := x.by(); by != "" {
		text += mark("<br><span class=\"by\">%s</span>", who(by))
	}
	if hint != "" {
		text += mark("<br><span class=\"hint\">hint: %s</span>", clip(hint, 500))
	}
	return text
}

func (h *page) signers() {
	n := 0
	for _, r := range h.set.Reports {
		n += len(r.Signers)
	}
	if n == 0 {
		return
	}
	defer h.section("signers", "Signers")()
	h.put("<p>Whose signatures are right. That makes not all of them good: the key may be unknown or have expired, or the signer not be allowed.</p>\n")
	columns := []string{"Signer", h.repositoryColumn(), "Kind", "Role", "#Objects", "#Good", "From", "To"}
	end := h.table("Signers, those with most objects first", columns...)
	shown := 0
	for i, r := range h.set.Reports {
		for _, s := range r.Signers {
			if shown == maxHTMLList {
				break
			}
			shown++
			h.row(columns, signerCell(&s), clip(h.set.name(i), 200), kindBadge(s.Kind), unbroken(s.Role), thousands(s.Objects), goodCell(&s),
				unbroken(day(s.First)), mark("%s%s", unbroken(day(s.Last)), claimedBadge(&s)))
		}
	}
	end()
	h.more(n - shown)
}

// goodCell returns how many of a signer's objects are good, marked unless all
// are.
func goodCell(s *Signer) raw {
	if s.Good >= s.Objects {
		return mark("%s", thousands(s.Good))
	}
	word := thousands(s.Good)
	if s.Good == 0 {
		word = "none"
	}
	return severityBadge(Warning, word)
}

// unknownKeys writes which keys an audit lacked.
func (h *page) unknownKeys() {
	n := 0
	for _, r := range h.set.Reports {
		n += len(r.UnknownKeys)
	}
	if n == 0 {
		return
	}
	defer h.section("keys", "Missing keys")()
	h.put("<p>Keys that signatures name and that were not given to the audit.</p>\n")
	columns := []string{"Key", h.repositoryColumn(), "Kind", "#Objects"}
	end := h.table("Missing keys, those with most objects first", columns...)
	shown := 0
	for i, r := range h.set.Reports {
		for _, k := range r.UnknownKeys {
			if shown == maxHTMLList {
				break
			}
			shown++
			h.row(columns, object(k.Key), clip(h.set.name(i), 200), kindBadge(k.Kind), thousands(k.Objects))
		}
	}
	end()
	h.more(n - shown)
}

func signerCell(s *Signer) raw {
	name := s.Identity
	if name == "" {
		name = s.Key
	}
	text := mark("<b>%s</b>", clip(name, 300))
	if s.Issuer != "" {
		text += mark("<br><span class=\"by\">%s</span>", who(s.Issuer))
	}
	if s.Key != "" && s.Identity != "" {
		text += mark("<br>%s", object(s.Key))
	}
	return text
}

func kindBadge(kind verifier.Kind) raw {
	if !slices.Contains(kinds, kind) {
		return unbroken(string(kind))
	}
	return mark(`<span class="nb"><span class="key k-%s" aria-hidden="true"></span> %s</span>`, string(kind), string(kind))
}

// unbroken returns a word or date that stands on one line.
func unbroken(s string) raw {
	if s == "" {
		return ""
	}
	return mark(`<span class="nb">%s</span>`, clip(s, 40))
}

func claimedBadge(s *Signer) raw {
	if s.Times == ClaimedTimes {
		return `<br><span class="badge b-warning">claimed</span>`
	}
	return ""
}

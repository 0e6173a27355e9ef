package report

import (
	"strings"
)

// evidence writes what somebody needs who wants to audit again, and compare.
func (h *page) evidence() {
	defer h.section("evidence", "Evidence")()
	for i, r := range h.set.Reports {
		if i == maxHTMLList {
			break
		}
		if h.set.single() == nil {
			h.put("<details><summary>%s</summary>\n", clip(h.set.name(i), 200))
		}
		h.facts(r)
		h.refs(r.Scope)
		h.logs(r.Logs)
		h.notExamined(r.NotExamined)
		if h.set.single() == nil {
			h.put("</details>\n")
		}
	}
	h.more(len(h.set.Reports) - maxHTMLList)
}

func (h *page) facts(r *Report) {
	h.put("<dl>\n")
	fact := func(name string, value any) { h.put("<div><dt>%s</dt><dd>%s</dd></div>\n", name, value) }
	fact("Tool", clip(r.Tool, 100))
	if r.Repository.Location != "" {
		fact("Repository", clip(r.Repository.Location, 300))
	}
	fact("Object format", clip(r.Repository.ObjectFormat, 20))
	if state := repositoryState(r.Repository); state != "" {
		fact("Repository is", state)
	}
	fact("Started", stamp(r.StartedAt))
	fact("Finished", stamp(r.FinishedAt))
	complete := "yes"
	if !r.Complete {
		complete = "no"
	}
	fact("Complete", complete)
	if r.Policy == nil {
		fact("Policy", "none: validity was judged, not who may sign")
	} else {
		fact("Policy", mark("%s<br><code>%s</code>", clip(r.Policy.Source, 300), r.Policy.Digest))
	}
	fact("Trust", mark("%s<br><code>%s</code>", clip(strings.Join(r.Trust.Sources, ", "), 500), r.Trust.Digest))
	fact("Result", string(r.Result))
	h.put("</dl>\n")
}

func repositoryState(r Repository) string {
	var state []string
	for _, s := range []struct {
		is   bool
		word string
	}{{r.Shallow, "shallow"}, {r.Grafted, "grafted"}, {r.Replaced, "with replace refs"}, {r.PartialClone, "a partial clone"}} {
		if s.is {
			state = append(state, s.word)
		}
	}
	return strings.Join(state, ", ")
}

func (h *page) refs(s Scope) {
	if len(s.Refs)+len(s.Revisions) == 0 {
		return
	}
	columns := []string{"Ref or revision", "Objects"}
	end := h.table("What was asked for, and what it held", columns...)
	shown := 0
	for _, rev := range s.Revisions[:min(len(s.Revisions), maxHTMLList)] {
		shown++
		var oids raw
		for i, oid := range rev.Resolved[:min(len(rev.Resolved), 10)] {
			if i > 0 {
				oids += "<br>"
			}
			oids += object(oid)
		}
		h.row(columns, mark("<code>%s</code>", clip(rev.Revision, 200)), oids)
	}
	for _, ref := range s.Refs {
		if shown == maxHTMLList {
			break
		}
		shown++
		h.row(columns, mark("<code>%s</code>", clip(ref.Name, 200)), object(ref.OID))
	}
	end()
	h.more(len(s.Refs) + len(s.Revisions) - shown)
}

func (h *page) logs(logs []Log) {
	if len(logs) == 0 {
		return
	}
	columns := []string{"Log", "#Objects", "Size"}
	end := h.table("Transparency logs", columns...)
	for _, l := range logs[:min(len(logs), maxHTMLList)] {
		h.row(columns, who(l.Origin), thousands(l.Entries), l.size())
	}
	end()
	h.more(len(logs) - maxHTMLList)
}

func (h *page) notExamined(omissions []Omission) {
	groups := grouped(omissions)
	if len(groups) == 0 {
		return
	}
	columns := []string{"What", "Why"}
	end := h.table("Not examined", columns...)
	for _, o := range groups[:min(len(groups), maxHTMLList)] {
		h.row(columns, clip(o.What, 300), clip(o.Reason, 300))
	}
	end()
	h.more(len(groups) - maxHTMLList)
}

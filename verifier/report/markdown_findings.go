package report

import "strings"

func (m *markdown) findings(s *Set) {
	n := s.findings()
	if n == 0 {
		return
	}
	m.fold(count(n, "finding"), s.Result != Pass, func() {
		if s.single() == nil {
			m.line("| | finding | object | | repository |")
			m.line("|---|---|---|---|---|")
		} else {
			m.line("| | finding | object | |")
			m.line("|---|---|---|---|")
		}
		groups := s.groups(maxMarkdown, maxMarkdown)
		for i := range groups {
			m.group(s, &groups[i])
		}
	})
}

// group writes the rows of the findings of one id. What to do stands in the
// first one.
func (m *markdown) group(s *Set, g *group) {
	mark := map[Severity]string{Error: "❌", Warning: "⚠️", Note: "ℹ️"}[g.severity]
	for n, p := range g.shown {
		x := s.finding(p)
		message := markdownMessage(&x)
		if hint := s.hint(p.report, &x); hint != "" && n == 0 {
			message += "<br>" + markdownCode(hint)
		}
		cells := []string{mark, markdownWord(g.id), markdownObject(x.Object), message}
		if s.single() == nil {
			cells = append(cells, markdownCode(s.name(p.report)))
		}
		m.row(cells...)
	}
	if g.cut() {
		name := markdownWord(g.id)
		if g.others > 0 {
			name = g.name()
		}
		cells := []string{mark, name, "", g.extent()}
		if s.single() == nil {
			cells = append(cells, "")
		}
		m.row(cells...)
	}
}

// markdownMessage returns what a finding says.
func markdownMessage(x *Finding) string {
	text := markdownCode(x.Message)
	if by := x.by(); by != "" {
		text += "<br>" + markdownCode(strings.TrimSpace(by)+localMark(by))
	}
	return text
}

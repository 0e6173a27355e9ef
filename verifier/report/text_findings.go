package report

import "strings"

// omissions writes why what was not examined was not, unless the first line
// says it.
func (t *text) omissions(omissions []Omission) {
	groups := grouped(omissions)
	if len(groups) < 2 {
		return
	}
	t.head("not examined")
	for _, o := range groups[:min(len(groups), maxTextList)] {
		t.line("  ", "%s: %s", clip(o.What, maxTextName), clip(o.Reason, maxTextSays))
	}
	t.more("  ", len(groups)-maxTextList)
}

// repositories writes a line for each of several audits, the worst first.
func (t *text) repositories(s *Set) {
	if len(s.Reports) == 0 {
		return
	}
	t.head("repositories")
	shown := 0
	for _, i := range s.byResult() {
		if shown == maxTextSet {
			break
		}
		r := s.Reports[i]
		one := Merge([]*Report{r})
		t.line("  ", "%-13s  %s: %s%s, %s", r.Result, clip(s.name(i), maxTextName), incomplete(r.Complete), r.Totals.examined(), one.verdict())
		shown++
	}
	t.more("  ", len(s.Reports)-shown)
}

// byResult returns the numbers of the reports, those with the worst result
// first.
func (s *Set) byResult() []int {
	var order []int
	for badness := len(results); badness >= 0; badness-- {
		for i, r := range s.Reports {
			if badness == badnessOf(r.Result) {
				order = append(order, i)
			}
		}
	}
	return order
}

// severityHeads are the heads of the findings of each severity.
var severityHeads = map[Severity]string{Error: "violations", Warning: "could not tell", Note: "notes"}

// findings writes the findings, the worst first, and those of an id together.
// One hint is for all of these, with the first of them in it.
func (t *text) findings(s *Set) {
	groups := s.groups(maxText, maxTextEach)
	for of := range bySeverity(groups) {
		severity := of[0].severity
		t.head(severityHeads[severity] + ": " + thousands(s.count(severity)))
		for i := range of {
			t.group(s, &of[i])
		}
	}
	if commands := s.commands(groups); len(commands) > 0 {
		t.w.WriteString("\n")
		label := "see more: "
		for _, command := range commands {
			t.whole("", "%s%s", label, command)
			label = "          "
		}
	}
}

// group writes the findings of one id.
func (t *text) group(s *Set, g *group) {
	hint := ""
	for n, p := range g.shown {
		x := s.finding(p)
		in := ""
		if s.single() == nil {
			in = clip(s.name(p.report), maxTextName) + ": "
		}
		t.line("  ", "%s%s: %s", in, clip(x.ID, maxTextName), clip(x.about(), maxTextSays))
		if n == 0 {
			hint = s.hint(p.report, &x)
		}
	}
	if g.cut() {
		t.line("  ", "%s: %s", clip(g.name(), maxTextName), g.extent())
	}
	if strings.Contains(": "+hint, ": git") { // a command, to be copied
		t.whole("    ", "hint: %s", clip(hint, maxTextSays))
	} else if hint != "" {
		t.line("    ", "hint: %s", clip(hint, maxTextSays))
	}
}

// commands returns what to type to see more of the first finding that is shown
// and about an object of the repository, or else what the first one means.
func (s *Set) commands(groups []group) []string {
	var commands []string
	for i := range groups {
		_, known := Describe(groups[i].id)
		for _, p := range groups[i].shown {
			o := s.finding(p).Object
			if isID(o.OID) && o.Type != "mergetag" {
				commands = []string{"gitseal show " + o.OID}
				if r := s.Reports[p.report]; r.Policy != nil {
					commands = append(commands, r.explain(o.OID))
				}
				if known {
					commands = append(commands, "gitseal explain "+groups[i].id)
				}
				return commands
			}
		}
		if known && commands == nil {
			commands = []string{"gitseal explain " + groups[i].id}
		}
	}
	return commands
}

// about returns what a finding says, in one line.
func (x *Finding) about() string {
	who := x.by()
	object := strings.TrimSpace(x.Object.String() + who)
	if object == "" {
		return x.Message
	}
	return object + ": " + x.Message + localMark(who+x.Message)
}

// by returns who signed, unless the message says so.
func (x *Finding) by() string {
	if x.Signer == nil || strings.Contains(x.Message, x.Signer.String()) {
		return ""
	}
	return " by " + x.Signer.String()
}

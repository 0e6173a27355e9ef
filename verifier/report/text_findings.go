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
	for _, o := range groups {
		t.line("  ", "%s: %s", o.What, o.Reason)
	}
}

// repositories writes a line for each of several audits, the worst first.
func (t *text) repositories(s *Set) {
	if len(s.Reports) == 0 {
		return
	}
	t.head("repositories")
	shown := 0
	for _, i := range s.byResult() {
		if shown == maxText {
			break
		}
		r := s.Reports[i]
		one := Merge([]*Report{r})
		t.line("  ", "%-13s  %s: %s%s, %s", r.Result, s.name(i), incomplete(r.Complete), r.Totals.examined(), one.verdict())
		shown++
	}
	t.more(len(s.Reports)-shown, "json")
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

// findings writes the findings, the worst first. A hint that several in a row
// share stands below the last of them.
func (t *text) findings(s *Set) {
	if s.findings() == 0 {
		return
	}
	t.head("findings")
	shown, hint := 0, ""
	flush := func() {
		if hint != "" {
			t.line("    ", "hint: %s", hint)
		}
	}
	for i, x := range s.worstFirst() {
		if shown == maxText {
			break
		}
		if x.Hint != hint {
			flush()
		}
		hint = x.Hint
		in := ""
		if s.single() == nil {
			in = s.name(i) + ": "
		}
		t.line("  ", "%s%s: %s", in, x.ID, x.about())
		shown++
	}
	flush()
	t.more(s.findings()-maxText, "json")
	t.w.WriteString("\n")
	t.commands(s)
}

// commands writes what to type to see more of the first finding.
func (t *text) commands(s *Set) {
	for i, x := range s.worstFirst() {
		label := "see more: "
		if isID(x.Object.OID) && x.Object.Type != "mergetag" {
			t.line("", "%sgitseal show %s", label, x.Object.OID)
			label = "          "
			if s.Reports[i].Policy != nil {
				t.line("", "%sgitseal policy explain %s", label, x.Object.OID)
			}
		}
		if _, ok := Describe(x.ID); ok {
			t.line("", "%sgitseal explain %s", label, x.ID)
		}
		break
	}
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

package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// people are identities for policies.
var people = func() string {
	text := "version = 1\n"
	for _, who := range []string{"alice", "bob", "carol"} {
		text += fmt.Sprintf("[identity.%s]\nssh = %q\nemail = [%q]\n", who, fingerprint(who), who+"@example.com")
	}
	return text + fmt.Sprintf("[identity.forge]\nssh = %q\nkind = \"forge\"\n", fingerprint("forge"))
}()

// under returns the Config of an audit of everything under a policy: that of
// people, and what is added to it.
func (h *history) under(rest string) audit.Config {
	h.t.Helper()
	cfg := h.cfg
	cfg.Repo, cfg.All, cfg.Policy = h.open(), true, parsePolicy(h.t, people+rest)
	return cfg
}

// faults returns what an audit has against objects: the ids of the errors and
// warnings among its findings, and what could not be told.
func faults(r *report.Report) map[string][]string {
	found := make(map[string][]string)
	for f := range r.Findings.All() {
		if f.Severity != report.Note {
			found[f.Object.OID] = append(found[f.Object.OID], f.ID)
		}
	}
	for _, ids := range found {
		slices.Sort(ids)
	}
	return found
}

// wantFaults checks what an audit has against objects: pairs of an object's id
// and the ids of its findings, separated by spaces. It returns the report.
func wantFaults(t testing.TB, cfg audit.Config, pairs ...string) *report.Report {
	t.Helper()
	r := run(t, cfg)
	got, want := faults(r), make(map[string][]string)
	for i := 0; i < len(pairs); i += 2 {
		want[pairs[i]] = strings.Fields(pairs[i+1])
	}
	for oid, ids := range want {
		if !slices.Equal(got[oid], ids) {
			t.Errorf("findings of %s: %v, want %v", oid, got[oid], ids)
		}
	}
	for oid, ids := range got {
		if want[oid] == nil {
			t.Errorf("findings of %s: %v, want none", oid, ids)
		}
	}
	if len(want) == 0 && r.Result != report.Pass && r.Complete {
		t.Errorf("result %q, want pass", r.Result)
	}
	if len(want) > 0 && r.Result == report.Pass {
		t.Error("the audit passed")
	}
	if t.Failed() {
		for f := range r.Findings.All() {
			t.Logf("%s %s %s: %s", f.ID, f.Object.Type, f.Object.OID, f.Message)
		}
	}
	return r
}

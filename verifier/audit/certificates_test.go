package audit

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
	"gitseal/verifier/report"
)

// reused returns what an audit of a repository notes of the certificates of
// commits, given by id, each signed by one of them.
func reused(t *testing.T, seen *Certificates, location string, signed map[string]facts) (messages []string) {
	t.Helper()
	c := &collector{cfg: Config{Certificates: seen, Location: location}, noted: make(map[oddity]bool)}
	oids := make([]string, 0, len(signed))
	for oid := range signed {
		oids = append(oids, oid)
	}
	slices.Sort(oids)
	for _, oid := range oids {
		f := signed[oid]
		f.signed, f.class, f.committer = true, verifier.Verified, "a@example.com"
		f.signer = verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Subject: "a@example.com", Issuer: "https://issuer.example"}}
		c.addAnomalies(report.Object{Type: "commit", OID: oid}, &f, &ruling{class: verifier.Verified})
	}
	for f := range c.findings.All() {
		if f.ID != certificateReused || f.Severity != report.Note {
			t.Errorf("finding %+v, want a note of %s", f, certificateReused)
		}
		messages = append(messages, f.Object.OID+" "+f.Message)
	}
	return messages
}

func TestCertificatesOverTwoRepositories(t *testing.T) {
	one, two := facts{certificate: [32]byte{1}}, facts{certificate: [32]byte{2}}
	seen := new(Certificates)
	for i, test := range []struct {
		location string
		signed   map[string]facts
		want     []string
	}{
		{"first", map[string]facts{"a1": one, "a2": one}, nil}, // of one repository, it is no matter how many
		{"first", map[string]facts{"a3": one}, nil},
		{"fork", map[string]facts{"a1": one}, nil}, // the same commit, in a copy
		{"second", map[string]facts{"b1": two}, nil},
		{"third", map[string]facts{"c1": one, "c2": one, "c3": two}, []string{"c1 the certificate was used in first too", "c3 the certificate was used in second too"}},
	} {
		if got := reused(t, seen, test.location, test.signed); !slices.Equal(got, test.want) {
			t.Errorf("audit %d: notes %q, want %q", i, got, test.want)
		}
	}
	if got := reused(t, nil, "fourth", map[string]facts{"d1": one}); got != nil {
		t.Errorf("notes %q of one repository alone", got)
	}
}

func TestCertificatesThatLiveLong(t *testing.T) {
	for lifetime, want := range map[time.Duration]bool{10 * time.Minute: false, time.Hour: false, time.Hour + time.Second: true, 365 * 24 * time.Hour: true, -time.Hour: false} {
		got := reused(t, nil, "", map[string]facts{"a1": {certificate: [32]byte{1}, lifetime: lifetime}, "a2": {certificate: [32]byte{2}, lifetime: lifetime}})
		if (len(got) == 1) != want || len(got) > 1 || want && !strings.Contains(got[0], lifetime.String()) {
			t.Errorf("notes %q of certificates of %v, want one: %v", got, lifetime, want)
		}
	}
}

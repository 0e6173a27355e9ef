package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitseal/verifier"
)

var _ verifier.Allowed = new(Policy)

const issuer = "https://accounts.example.com"

// identities returns a policy with an entry for each text, named a, b, …
func identities(t testing.TB, texts ...string) *Policy {
	t.Helper()
	data := "version = 1\n"
	for i, text := range texts {
		data += fmt.Sprintf("[identity.%c]\nissuer = %q\n%s\n", 'a'+i, issuer, text)
	}
	return mustParse(t, data)
}

func TestAllowsTheSameBytesOnly(t *testing.T) {
	p := identities(t, `subject = "alice@example.com"`, `subject-pattern = "*@bots.example.com"`)
	for _, tt := range []struct {
		subject, issuer, want string
	}{
		{"alice@example.com", issuer, "a"},
		{"x@bots.example.com", issuer, "b"},
		{"Alice@example.com", issuer, ""},
		{"alice@example.com ", issuer, ""},
		{"alice@example.com", issuer + "/", ""},
		{"alice@example.com", "https:%2F%2Faccounts.example.com", ""},
		{"x@bots.example.com", "https://other.example.com", ""},
		{"x@bots.example.com.", issuer, ""},
		{"*@example.com", issuer, ""},
		{"", issuer, ""},
		{"alice@example.com", "", ""},
	} {
		name, err := p.Allows(verifier.Identity{Issuer: tt.issuer, Subject: tt.subject}, date(2026, 1, 1))
		if name != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("Allows(%q, %q) = %q, %v, want %q", tt.subject, tt.issuer, name, err, tt.want)
		}
		var refused *NotAllowedError
		if tt.want == "" && (!errors.As(err, &refused) || refused.Reason != UnknownIdentity) {
			t.Errorf("Allows(%q, %q): error %#v, want reason UnknownIdentity", tt.subject, tt.issuer, err)
		}
	}
}

func TestZeroPolicyAllowsNobody(t *testing.T) {
	if name, err := new(Policy).Allows(verifier.Identity{}, date(2026, 1, 1)); err == nil {
		t.Errorf("Allows = %q, want an error", name)
	}
}

func TestAllowsRefusesWithoutTime(t *testing.T) {
	p := identities(t, `subject = "alice@example.com"`)
	if name, err := p.Allows(verifier.Identity{Issuer: issuer, Subject: "alice@example.com"}, time.Time{}); err == nil {
		t.Errorf("Allows at the zero time = %q, want an error", name)
	}
}

func TestAllowsJudgesByTime(t *testing.T) {
	alice := verifier.Identity{Issuer: issuer, Subject: "alice@example.com"}
	const subject, pattern = "subject = \"alice@example.com\"\n", "subject-pattern = \"*@example.com\"\n"
	const from, until = "from = 2026-03-01T00:00:00Z\n", "until = 2026-06-01T00:00:00Z\n"
	first, last := date(2026, 3, 1), date(2026, 6, 1).Add(-time.Nanosecond)
	for _, tt := range []struct {
		name   string
		texts  []string
		at     time.Time
		want   string // the entry, or the one that refuses
		reason Reason
	}{
		{"always", []string{subject}, first, "a", 0},
		{"at from", []string{subject + from}, first, "a", 0},
		{"at from in another zone", []string{subject + from}, first.In(time.FixedZone("", 7200)), "a", 0},
		{"before from", []string{subject + from}, first.Add(-1), "a", OutsideWindow},
		{"before until", []string{subject + until}, last, "a", 0},
		{"at until", []string{subject + until}, last.Add(1), "a", OutsideWindow},
		{"pattern before from", []string{pattern + from}, first.Add(-1), "a", OutsideWindow},
		{"first of two", []string{subject, pattern}, first, "a", 0},
		{"pattern first", []string{pattern, subject}, first, "a", 0},
		{"second of two", []string{subject + from, pattern}, first.Add(-1), "b", 0},
		{"second window", []string{subject + "until = 2026-03-01T00:00:00Z\n", subject + from}, first, "b", 0},
		{"between windows", []string{subject + "until = 2026-02-01T00:00:00Z\n", subject + from}, first.Add(-1), "a", OutsideWindow},
		{"compromised", []string{subject + "compromised = {" + strings.TrimSpace(from) + "}"}, first, "a", Compromised},
		{"before compromise", []string{subject + "compromised = {" + strings.TrimSpace(from) + "}"}, first.Add(-1), "a", 0},
		{"after compromise", []string{subject + "compromised = {" + strings.TrimSpace(until) + "}"}, last.Add(1), "a", 0},
		{"compromised the second time", []string{subject + "compromised = [{until = 2026-01-01T00:00:00Z}, {" + strings.TrimSpace(from) + "}]"}, first, "a", Compromised},
		{"compromise beats another entry", []string{pattern, subject + "compromised = {" + strings.TrimSpace(from) + "}"}, first, "b", Compromised},
		{"compromised pattern beats another entry", []string{subject, pattern + "compromised = {" + strings.TrimSpace(from) + "}"}, first, "b", Compromised},
		{"compromise beats window", []string{subject + until + "compromised = {" + strings.TrimSpace(from) + "}"}, last.Add(1), "a", Compromised},
	} {
		p := identities(t, tt.texts...)
		name, err := p.Allows(alice, tt.at)
		var refused *NotAllowedError
		switch {
		case tt.reason == 0:
			if name != tt.want || err != nil {
				t.Errorf("%s: Allows = %q, %v, want %q", tt.name, name, err, tt.want)
			}
		case !errors.As(err, &refused):
			t.Errorf("%s: Allows = %q, %v, want a *NotAllowedError", tt.name, name, err)
		case refused.Reason != tt.reason || refused.Name != tt.want || refused.Signer.Identity != alice || !refused.Time.Equal(tt.at):
			t.Errorf("%s: refused with %+v, want reason %d by %q", tt.name, refused, tt.reason, tt.want)
		}
		if aerr := p.Allow(alice, tt.at); (aerr == nil) != (err == nil) {
			t.Errorf("%s: Allow = %v, Allows = %v", tt.name, aerr, err)
		}
	}
}

func TestNotAllowedErrorSaysWhy(t *testing.T) {
	p := identities(t,
		"subject = \"alice@example.com\"\nfrom = 2026-01-01T00:00:00Z\nuntil = 2026-06-01T00:00:00Z",
		"subject = \"bob@example.com\"\ncompromised = {from = 2026-01-01T00:00:00Z}")
	for subject, want := range map[string]string{
		"alice@example.com": "alice@example.com (https://accounts.example.com) is allowed only from 2026-01-01T00:00:00Z until 2026-06-01T00:00:00Z, by [identity.a], and signed at 2026-07-01T00:00:00Z",
		"bob@example.com":   "bob@example.com (https://accounts.example.com) was compromised from 2026-01-01T00:00:00Z, says [identity.b], and signed at 2026-07-01T00:00:00Z",
		"carol@example.com": "carol@example.com (https://accounts.example.com) is not in the policy",
	} {
		_, err := p.Allows(verifier.Identity{Issuer: issuer, Subject: subject}, date(2026, 7, 1))
		if err == nil || err.Error() != want {
			t.Errorf("Allows(%s) = %v, want %q", subject, err, want)
		}
	}
}

func TestWindowString(t *testing.T) {
	from, until := date(2026, 1, 1), date(2026, 2, 1)
	for want, w := range map[string]Window{
		"always":                     {},
		"from 2026-01-01T00:00:00Z":  {From: from},
		"until 2026-02-01T00:00:00Z": {Until: until},
		"from 2026-01-01T00:00:00Z until 2026-02-01T00:00:00Z": {From: from, Until: until},
	} {
		if got := w.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}

func TestNear(t *testing.T) {
	p := identities(t, `subject = "Alice@example.com"`, `subject-pattern = "*@Bots.example.com"`)
	type near struct {
		name        string
		otherIssuer bool
	}
	for _, tt := range []struct {
		name, subject, issuer string
		want                  []near
	}{
		{"the same", "Alice@example.com", issuer, nil},
		{"the same by pattern", "x@Bots.example.com", issuer, nil},
		{"another subject", "carol@example.com", issuer, nil},
		{"subject in other case", "alice@example.com", issuer, []near{{"a", false}}},
		{"pattern in other case", "x@bots.example.com", issuer, []near{{"b", false}}},
		{"issuer in other case", "Alice@example.com", "https://Accounts.example.com", []near{{"a", false}}},
		{"issuer with a slash", "x@Bots.example.com", issuer + "/", []near{{"b", false}}},
		{"another issuer", "Alice@example.com", "https://forge.example.com", []near{{"a", true}}},
		{"another issuer and other case", "alice@example.com", "https://forge.example.com", []near{{"a", true}}},
	} {
		var got []near
		for _, n := range p.Near(verifier.Identity{Issuer: tt.issuer, Subject: tt.subject}) {
			got = append(got, near{n.Entry.Name, n.OtherIssuer})
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(near{})); diff != "" {
			t.Errorf("%s: Near (-want +got):\n%s", tt.name, diff)
		}
	}
}

func BenchmarkAllows(b *testing.B) {
	p := mustParse(b, string(manyIdentities(1000)))
	for name, subject := range map[string]string{
		"exact":   "person-500@example.com",
		"pattern": "https://forge.example.com/acme/app-999/release.yml@refs/tags/v1",
		"unknown": "nobody@example.com",
	} {
		id, at := verifier.Identity{Issuer: issuer, Subject: subject}, date(2026, 1, 1)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Allows(id, at); (err == nil) != (name != "unknown") {
					b.Fatal(err)
				}
			}
		})
	}
}

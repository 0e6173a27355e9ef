package policy

import (
	"strings"
	"testing"
)

func TestLintExpired(t *testing.T) {
	p := identities(t, "subject = \"alice@example.com\"\nuntil = 2026-06-01T00:00:00Z")
	until := date(2026, 6, 1)
	if got := Lint(p, until.Add(-1)); len(got) != 0 {
		t.Errorf("before until: Lint = %v, want nothing", got)
	}
	got := Lint(p, until)
	const want = "line 2: [identity.a]: expired at 2026-06-01T00:00:00Z: only signatures from before are allowed"
	if len(got) != 1 || got[0].String() != want {
		t.Errorf("at until: Lint = %v, want %q", got, want)
	}
}

func TestLintBroadPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		"*@example.com":                                    "",
		"*@*.example.com":                                  "",
		"build-*@example.com":                              "",
		"https://forge.example.com/acme/*":                 "",
		"https://forge.example.com/acme/app/*@refs/tags/*": "",
		"alice@example.com":                                "has no *",
		"alice@*":                                          "after the @",
		"alice@example.*":                                  "after the @",
		"*@*example.com":                                   "after the @",
		"*@*.com":                                          "after the @",
		"*example.com":                                     "after the @",
		"*@example.com@*":                                  "after the @",
		"https://*":                                        "the host",
		"https://forge*":                                   "the host",
		"https://*.example.com/acme/app":                   "the host",
		"*://forge.example.com/acme/app":                   "the host",
		"https://forge.example.com/*":                      "the first part of the path",
		"https://forge.example.com/acme*":                  "the first part of the path",
		"https://forge.example.com/*/app":                  "the first part of the path",
	} {
		got := Lint(identities(t, "subject-pattern = \""+pattern+"\""), date(2026, 1, 1))
		switch {
		case want == "" && len(got) != 0:
			t.Errorf("%s: Lint = %v, want nothing", pattern, got)
		case want != "" && (len(got) != 1 || !strings.Contains(got[0].Text, want)):
			t.Errorf("%s: Lint = %v, want one with %q", pattern, got, want)
		}
	}
}

func TestLintMistakenSubjects(t *testing.T) {
	const star, key = " has a *, which subject takes literally; subject-pattern takes patterns", " is a key, and keys are named by openpgp or ssh"
	for subject, want := range map[string]string{
		"*@example.com":                    star,
		"https://forge.example.com/acme/*": star,
		fprAlice:                           key,
		strings.ToLower(fprAlice):          key,
		strings.Repeat("a1", 32):           key,
		"0x" + fprAlice:                    key,
		"0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567": key,
		sshFingerprint:                    key,
		sshKeyText:                        key,
		"ecdsa-sha2-nistp256 AAAA":        key,
		"sk-ssh-ed25519@openssh.com AAAA": key,
		fprAlice[1:]:                      "",
		"G" + fprAlice[1:]:                "",
		"sha256:x":                        "",
		"ssh-admin@example.com":           "",
		"ssh-deploy":                      "",
		"alice":                           "",
	} {
		for _, tt := range []struct{ key, data, want string }{
			{"subject", "subject = \"" + subject + "\"\nissuer = \"i\"", want},
			{"subject", "subject = \"" + subject + "\"\nx509-issuer = \"i\"", want},
			// The allowed signers may call somebody "*@example.com".
			{"ssh-principal", "ssh-principal = \"" + subject + "\"", strings.TrimPrefix(want, star)},
		} {
			got := Lint(mustParse(t, "version = 1\n[identity.a]\n"+tt.data), date(2026, 1, 1))
			if text := tt.key + ` "` + subject + `"` + tt.want; tt.want == "" && len(got) != 0 || tt.want != "" && (len(got) != 1 || got[0].Text != text) {
				t.Errorf("%s: Lint = %v, want %q", tt.data, got, tt.want)
			}
		}
	}
}

func TestLintNeedlessEntries(t *testing.T) {
	const subject, pattern = "subject = \"alice@example.com\"\n", "subject-pattern = \"*@example.com\"\n"
	const from, until = "from = 2026-03-01T00:00:00Z\n", "until = 2026-06-01T00:00:00Z\n"
	for _, tt := range []struct {
		name  string
		texts []string
		want  string // the names of the needless ones
	}{
		{"exact beside pattern", []string{subject, pattern}, "a"},
		{"pattern beside pattern", []string{pattern, "subject-pattern = \"build-*@example.com\""}, "b"},
		{"another subject", []string{"subject = \"a@example.net\"", pattern}, ""},
		{"narrower window", []string{subject, subject + from}, "b"},
		{"narrower at the other side", []string{subject + until, subject}, "a"},
		{"window in window", []string{subject + from, subject + from + until}, "b"},
		{"wider window", []string{subject, pattern + from}, ""},
		{"overlapping windows", []string{subject + from, subject + until}, ""},
		{"there to refuse", []string{subject + "compromised = {from = 2026-01-01T00:00:00Z}", pattern}, ""},
		{"beside one that refuses", []string{subject, pattern + "compromised = {from = 2026-01-01T00:00:00Z}"}, "a"},
	} {
		var got []string
		for _, w := range Lint(identities(t, tt.texts...), date(2026, 1, 1)) {
			if !strings.HasPrefix(w.Text, "needless beside [identity.") {
				t.Errorf("%s: %v", tt.name, w)
			}
			got = append(got, w.Name)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: needless are %v, want %q", tt.name, got, tt.want)
		}
	}
}

func TestLintRespectsIssuers(t *testing.T) {
	p := mustParse(t, `version = 1
[identity.a]
subject = "alice@example.com"
issuer = "i"
[identity.b]
subject-pattern = "*@example.com"
issuer = "j"
`)
	if got := Lint(p, date(2026, 1, 1)); len(got) != 0 {
		t.Errorf("Lint = %v, want nothing", got)
	}
}

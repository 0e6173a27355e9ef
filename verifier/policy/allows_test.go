package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
)

// Signers of the identities in kinds.
var (
	keylessAlice = verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: issuer, Subject: "alice@example.com"}}
	pgpBob       = verifier.Signer{Kind: verifier.OpenPGP, Identity: verifier.Identity{Subject: "Bob <bob@example.com>"}, Key: fprAlice}
	sshCarol     = verifier.Signer{Kind: verifier.SSH, Identity: verifier.Identity{Subject: "carol@example.com"}, Key: sshFingerprint}
	x509Dave     = verifier.Signer{Kind: verifier.X509, Identity: verifier.Identity{Issuer: "CN=CA", Subject: "dave@example.com"}, Key: strings.Repeat("AB", 32)}
)

const kinds = `version = 1
[identity.alice]
subject = "alice@example.com"
issuer = "https://accounts.example.com"
[identity.bob]
openpgp = "0123456789abcdef0123456789abcdef01234567"
[identity.carol-key]
ssh = "` + sshKeyText + `"
[identity.carol]
ssh-principal = "carol@example.com"
[identity.dave]
x509-issuer = "CN=CA"
subject = "dave@example.com"
[identity.staff]
x509-issuer = "CN=CA"
subject-pattern = "*@staff.example.com"
`

func TestIdentifyTakesTheVerySignerOnly(t *testing.T) {
	p := mustParse(t, kinds)
	with := func(s verifier.Signer, change func(*verifier.Signer)) verifier.Signer {
		change(&s)
		return s
	}
	for _, tt := range []struct {
		name   string
		signer verifier.Signer
		want   string
	}{
		{"keyless", keylessAlice, "alice"},
		{"keyless subject, X.509", with(keylessAlice, func(s *verifier.Signer) { s.Kind = verifier.X509 }), ""},
		{"keyless subject as an SSH principal", with(keylessAlice, func(s *verifier.Signer) { s.Kind = verifier.SSH }), ""},
		{"no kind", with(keylessAlice, func(s *verifier.Signer) { s.Kind = "" }), ""},
		{"OpenPGP", pgpBob, "bob"},
		{"OpenPGP with another user id", with(pgpBob, func(s *verifier.Signer) { s.Identity.Subject = "x" }), "bob"},
		{"OpenPGP with another key", with(pgpBob, func(s *verifier.Signer) { s.Key = strings.Repeat("B", 40) }), ""},
		{"OpenPGP with the key id", with(pgpBob, func(s *verifier.Signer) { s.Key = s.Key[24:] }), ""},
		{"OpenPGP without a key", with(pgpBob, func(s *verifier.Signer) { s.Key = "" }), ""},
		{"OpenPGP's key, SSH", with(pgpBob, func(s *verifier.Signer) { s.Kind = verifier.SSH }), ""},
		{"SSH by key, first in the file", sshCarol, "carol-key"},
		{"SSH by principal", with(sshCarol, func(s *verifier.Signer) { s.Key = "SHA256:x" }), "carol"},
		{"SSH by key without a principal", with(sshCarol, func(s *verifier.Signer) { s.Identity.Subject = "" }), "carol-key"},
		{"SSH with another principal and key", with(sshCarol, func(s *verifier.Signer) { s.Key, s.Identity.Subject = "SHA256:x", "Carol@example.com" }), ""},
		{"SSH with a principal that is a key", with(sshCarol, func(s *verifier.Signer) { s.Key, s.Identity.Subject = "", sshFingerprint }), ""},
		{"SSH without either", verifier.Signer{Kind: verifier.SSH}, ""},
		{"X.509", x509Dave, "dave"},
		{"X.509 by pattern", with(x509Dave, func(s *verifier.Signer) { s.Identity.Subject = "x@staff.example.com" }), "staff"},
		{"X.509 by another authority", with(x509Dave, func(s *verifier.Signer) { s.Identity.Issuer = "CN=ca" }), ""},
		{"X.509 subject, keyless", with(x509Dave, func(s *verifier.Signer) { s.Kind = verifier.Keyless }), ""},
	} {
		name, err := p.Identify(Signature{tt.signer, date(2026, 1, 1), tt.signer.Kind == verifier.Keyless})
		var refused *NotAllowedError
		if name != tt.want || tt.want == "" && (!errors.As(err, &refused) || refused.Reason != UnknownIdentity || refused.Signer != tt.signer) {
			t.Errorf("%s: Identify = %q, %v, want %q", tt.name, name, err, tt.want)
		}
	}
}

func TestIdentifyJudgesByWhatIsKnownOfTime(t *testing.T) {
	const now, claimed = "version = 1\n", "version = 1\nkey-time = \"claimed\"\n"
	const key = "[identity.bob]\nopenpgp = \"" + fprAlice + "\"\n"
	const until, compromised = "until = 2026-03-01T00:00:00Z\n", "compromised = {from = 2026-02-01T00:00:00Z}\n"
	const again = "[identity.bob-2]\nopenpgp = \"" + fprAlice + "\"\nfrom = 2020-01-01T00:00:00Z\n"
	good, bad := date(2026, 1, 1), date(2026, 3, 1)
	for _, tt := range []struct {
		name   string
		policy string
		time   time.Time
		proven bool
		want   Reason // 0: allowed
	}{
		{"no window, no time", now + key, time.Time{}, false, 0},
		{"no window, claimed time", now + key, good, false, 0},
		{"window, no time", now + key + until, time.Time{}, false, Unproven},
		{"window, time only claimed", now + key + until, good, false, Unproven},
		{"window, proven", now + key + until, good, true, 0},
		{"window, proven to be outside", now + key + until, bad, true, OutsideWindow},
		{"window, claim believed", claimed + key + until, good, false, 0},
		{"window, claimed to be outside", claimed + key + until, bad, false, OutsideWindow},
		{"window, claim believed that is none", claimed + key + until, time.Time{}, false, Unproven},
		{"compromised, no time", now + key + compromised, time.Time{}, false, Unproven},
		{"compromised, time only claimed", now + key + compromised, good, false, Unproven},
		{"compromised, proven before", now + key + compromised, good, true, 0},
		{"compromised, proven", now + key + compromised, bad, true, Compromised},
		{"compromised, claimed before", claimed + key + compromised, good, false, 0},
		{"compromised, claimed", claimed + key + compromised, bad, false, Compromised},
		{"compromised by another entry, time only claimed", now + key + strings.Replace(again, "from = 2020-01-01T00:00:00Z\n", compromised+until, 1), good, false, Unproven},
		{"second entry without a window", now + key + strings.Replace(again, "bob-2", "a", 1), good, false, 0},
	} {
		p := mustParse(t, tt.policy)
		name, err := p.Identify(Signature{pgpBob, tt.time, tt.proven})
		var refused *NotAllowedError
		switch {
		case tt.want == 0:
			if name != "bob" || err != nil {
				t.Errorf("%s: Identify = %q, %v, want bob", tt.name, name, err)
			}
		case !errors.As(err, &refused) || refused.Reason != tt.want:
			t.Errorf("%s: Identify = %q, %v, want reason %d", tt.name, name, err, tt.want)
		}
	}
}

func TestKeylessTimesHaveToBeProven(t *testing.T) {
	p := mustParse(t, "version = 1\nkey-time = \"claimed\"\n"+strings.TrimPrefix(kinds, "version = 1\n"))
	for _, s := range []Signature{{keylessAlice, time.Time{}, true}, {keylessAlice, date(2026, 1, 1), false}} {
		var refused *NotAllowedError
		if name, err := p.Identify(s); !errors.As(err, &refused) || refused.Reason != Unproven || refused.Name != "" {
			t.Errorf("Identify(%v) = %q, %v, want reason Unproven", s, name, err)
		}
	}
}

func TestKeyRules(t *testing.T) {
	at := date(2026, 1, 1)
	if r := mustParse(t, people).KeyRules(at); !r.At.Equal(at) || r.AtSigning || r.Weak != nil {
		t.Errorf("KeyRules of a policy without any = %+v", r)
	}
	if r := mustParse(t, wholeSample).KeyRules(at); !r.AtSigning || strings.Join(r.Weak, " ") != "sha1 dsa1024" {
		t.Errorf("KeyRules = %+v, want claimed times, sha1 and dsa1024", r)
	}
	if r := mustParse(t, "version = 1\nkey-time = \"now\"").KeyRules(at); r.AtSigning {
		t.Errorf("KeyRules with key-time now = %+v", r)
	}
}

func TestExemptions(t *testing.T) {
	p := mustParse(t, wholeSample)
	until := date(2027, 1, 1)
	for _, tt := range []struct {
		oid  string
		at   time.Time
		want string
	}{
		{oid2, until.Add(-1), "an old laptop"},
		{oid2, until, ""},
		{oid1, until, "…"},
		{oid2[:40], date(2026, 1, 1), ""},
		{"", date(2026, 1, 1), ""},
	} {
		if reason, ok := p.Exemption(tt.oid, tt.at); reason != tt.want || ok != (tt.want != "") {
			t.Errorf("Exemption(%s, %v) = %q, %v, want %q", tt.oid, tt.at, reason, ok, tt.want)
		}
	}
	if reason, ok := new(Policy).Exemption(oid1, until); ok {
		t.Errorf("Exemption of the zero policy = %q", reason)
	}
}

func TestRefusalNamesWhatLooksAlike(t *testing.T) {
	p := mustParse(t, kinds)
	for _, tt := range []struct {
		name   string
		signer verifier.Signer
		want   string // at the end
	}{
		{"other case", verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: issuer, Subject: "Alice@example.com"}},
			`; [identity.alice] looks alike and is another: "alice@example.com (https://accounts.example.com)"`},
		{"Cyrillic a", verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: issuer, Subject: "аlice@example.com"}},
			`; [identity.alice] looks alike and is another: "alice@example.com (https://accounts.example.com)"`},
		{"full width and a joiner", verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: issuer, Subject: "ａli\u200dce@example.com"}},
			`; [identity.alice] looks alike and is another: "alice@example.com (https://accounts.example.com)"`},
		{"another issuer", verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: "https://evil.example.com", Subject: "alice@example.com"}},
			"; [identity.alice] is for the same name by another issuer, https://accounts.example.com"},
		{"principal", verifier.Signer{Kind: verifier.SSH, Identity: verifier.Identity{Subject: "CAROL@example.com"}},
			`; [identity.carol] looks alike and is another: "SSH principal carol@example.com"`},
		{"X.509", verifier.Signer{Kind: verifier.X509, Identity: verifier.Identity{Issuer: "CN=CA", Subject: "dаve@example.com"}},
			`; [identity.dave] looks alike and is another: "dave@example.com (X.509 certificate by CN=CA)"`},
		{"OpenPGP", verifier.Signer{Kind: verifier.OpenPGP, Identity: verifier.Identity{Subject: "alice@example.com"}, Key: "X"}, " is not in the policy"},
		{"nobody", verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: issuer, Subject: "mallory@example.com"}}, " is not in the policy"},
	} {
		_, err := p.Identify(Signature{tt.signer, date(2026, 1, 1), true})
		if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%s: Identify = %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestNotAllowedErrorSaysThatTimeIsUnproven(t *testing.T) {
	p := mustParse(t, "version = 1\n[identity.bob]\nopenpgp = \""+fprAlice+"\"\nuntil = 2026-03-01T00:00:00Z\n")
	for at, want := range map[time.Time]string{
		{}:               "Bob <bob@example.com> (openpgp key " + fprAlice + ") is allowed at some times only, by [identity.bob], and when it signed nobody says",
		date(2026, 1, 1): "Bob <bob@example.com> (openpgp key " + fprAlice + ") is allowed at some times only, by [identity.bob], and that it signed at 2026-01-01T00:00:00Z is only claimed, which key-time = \"claimed\" would believe",
	} {
		if _, err := p.Identify(Signature{pgpBob, at, false}); err == nil || err.Error() != want {
			t.Errorf("Identify = %v, want %q", err, want)
		}
	}
	if _, err := p.Identify(Signature{Signer: keylessAlice}); err == nil || !strings.HasSuffix(err.Error(), " cannot be judged: no time is proven") {
		t.Errorf("Identify = %v", err)
	}
}

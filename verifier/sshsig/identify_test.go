package sshsig

import (
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gitseal/verifier"
)

func TestVerifyWithoutAllowedSigners(t *testing.T) {
	v, err := New(Config{Rules: verifier.KeyRules{At: judgedAt}})
	if err != nil {
		t.Fatal(err)
	}
	key := newEd25519(t)
	_, err = v.Verify(payload, recipe{key: key}.make(t, payload))
	kerr := wantClass(t, err, verifier.UnknownKey, "no allowed signers")
	if want := (verifier.Signer{Kind: verifier.SSH, Key: ssh.FingerprintSHA256(key.PublicKey())}); kerr.Valid == nil || kerr.Valid.Signer != want {
		t.Errorf("Valid = %+v, want a signer %+v", kerr.Valid, want)
	}
	if !kerr.Unlisted {
		t.Error("a key that was looked for nowhere is not unlisted")
	}
	_, err = v.Verify([]byte("x"), recipe{key: key}.make(t, payload))
	wantClass(t, err, verifier.BadSignature, "")
}

func TestVerifyKeyThatNoLineNames(t *testing.T) {
	for _, text := range []string{"", line("a", "", newEd25519(t).PublicKey())} {
		key := newEd25519(t)
		_, err := newVerifier(t, text, nil).Verify(payload, recipe{key: key}.make(t, payload))
		kerr := wantClass(t, err, verifier.IdentityNotAllowed, "no line of the allowed signers names it")
		if want := (verifier.Signer{Kind: verifier.SSH, Key: ssh.FingerprintSHA256(key.PublicKey())}); kerr.Valid == nil || kerr.Valid.Signer != want {
			t.Errorf("Valid = %+v, want a signer %+v", kerr.Valid, want)
		}
		if !kerr.Unlisted {
			t.Error("a key that no line names is not unlisted")
		}
	}
}

func TestVerifySaysThatLinesCouldNotBeRead(t *testing.T) {
	a, err := ReadAllowedSigners("signers", []byte("bob ssh-new AAAA\n"+line("a", "", newEd25519(t).PublicKey())))
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(Config{AllowedSigners: []*AllowedSigners{a}, Rules: verifier.KeyRules{At: judgedAt}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.Verify(payload, recipe{key: newEd25519(t)}.make(t, payload))
	wantClass(t, err, verifier.IdentityNotAllowed, "1 could not be read")
}

func TestVerifyWindows(t *testing.T) {
	key := newEd25519(t)
	tests := []struct {
		options   string
		atSigning bool
		want      string // of the error; "" for none
		lapses    string
	}{
		{`valid-after="20260101"`, false, "", ""},
		{`valid-before="20270101"`, false, "", "2027-01-01T00:00:01Z"},
		{`valid-before="20260701120000Z"`, false, "", "2026-07-01T12:00:01Z"}, // the last second counts
		{`valid-before="20260701115959Z"`, false, "was allowed until 2026-07-01T11:59:59Z", ""},
		{`valid-before="202604010000"`, false, "was allowed until 2026-04-01T00:00:00Z", ""},
		{`valid-before="202604010000"`, true, "", ""},
		{`valid-after="20260701120001Z"`, false, "is allowed from 2026-07-01T12:00:01Z", "2026-07-01T12:00:01Z"},
		{`valid-after="20260701120000Z"`, false, "", ""},
		{`valid-after="20260401",valid-before="20270101"`, true, "is allowed from 2026-04-01", ""},
		{`valid-after="20260301120000Z"`, true, "", ""},
		{`valid-after="20260301120001utc"`, true, "is allowed from", ""},
	}
	for _, test := range tests {
		t.Run(test.options, func(t *testing.T) {
			v := newVerifier(t, line("alice", test.options, key.PublicKey()), func(cfg *Config) { cfg.Rules.AtSigning = test.atSigning })
			result, err := v.Verify(payload, recipe{key: key}.make(t, payload))
			if test.want != "" {
				kerr := wantClass(t, err, verifier.ExpiredKey, test.want)
				if result = kerr.Valid; result == nil || result.Signer.Identity.Subject != "alice" {
					t.Fatalf("Valid = %+v, want alice's", result)
				}
				if !kerr.Lapses.Equal(result.Lapses) {
					t.Errorf("Lapses = %v, but %v in Valid", kerr.Lapses, result.Lapses)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			lapses := ""
			if !result.Lapses.IsZero() {
				lapses = result.Lapses.Format(time.RFC3339)
			}
			if lapses != test.lapses {
				t.Errorf("Lapses = %q, want %q", lapses, test.lapses)
			}
		})
	}
}

// The payload has to claim a time where that is what counts.
func TestVerifyWindowWithoutClaim(t *testing.T) {
	key := newEd25519(t)
	text := []byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nno committer\n")
	for options, class := range map[string]verifier.Class{`valid-after="20200101"`: verifier.ExpiredKey, `valid-before="20990101"`: verifier.ExpiredKey, "": verifier.Verified} {
		v := newVerifier(t, line("alice", options, key.PublicKey()), func(cfg *Config) { cfg.Rules.AtSigning = true })
		_, err := v.Verify(text, recipe{key: key}.make(t, text))
		if class == verifier.Verified {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		wantClass(t, err, class, "claims no time")
	}
}

func TestVerifyNamespacesOfLine(t *testing.T) {
	key := newEd25519(t)
	for namespaces, ok := range map[string]bool{"git": true, "file,git": true, "g?t": true, "*": true, "file": false, "*,!git": false, "gi": false, "git2": false} {
		v := newVerifier(t, line("alice", `namespaces="`+namespaces+`"`, key.PublicKey()), nil)
		_, err := v.Verify(payload, recipe{key: key}.make(t, payload))
		if ok {
			if err != nil {
				t.Errorf("%s: %v", namespaces, err)
			}
			continue
		}
		kerr := wantClass(t, err, verifier.IdentityNotAllowed, `of "alice" is not allowed in namespace "git"`)
		if kerr.Valid == nil || kerr.Valid.Signer.Identity.Subject != "" {
			t.Errorf("%s: Valid = %+v, want one without an identity", namespaces, kerr.Valid)
		}
		if kerr.Unlisted {
			t.Errorf("%s: a key that a line names is unlisted", namespaces)
		}
	}
}

func TestVerifyTakesFirstLineThatAllows(t *testing.T) {
	key := newEd25519(t)
	old := line("old", `valid-before="20260101"`, key.PublicKey())
	file := line("file", `namespaces="file"`, key.PublicKey())
	first := line("first", "", key.PublicKey())
	second := line("second", "", key.PublicKey())
	tests := []struct{ text, want, err string }{
		{old + file + first + second, "first", ""},
		{second + first, "second", ""},
		{file + old, "", "was allowed until"}, // which says more
		{old + file, "", "was allowed until"},
	}
	for _, test := range tests {
		v := newVerifier(t, test.text, nil)
		result, err := v.Verify(payload, recipe{key: key}.make(t, payload))
		if test.err != "" {
			if kerr := wantClass(t, err, verifier.ExpiredKey, test.err); kerr.Valid.Signer.Identity.Subject != "old" {
				t.Errorf("Valid names %q, want old", kerr.Valid.Signer.Identity.Subject)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := result.Signer.Identity.Subject; got != test.want {
			t.Errorf("Subject = %q, want %q", got, test.want)
		}
	}
}

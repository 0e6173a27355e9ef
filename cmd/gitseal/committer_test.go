package main

import (
	"bytes"
	"strings"
	"testing"

	"gitseal/signer"
	"gitseal/verifier"
)

// payloads of each kind, as git hands them over: committer, tagger and pusher
// are not the author.
const (
	commitPayload = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n" +
		"author Bob <bob@example.com> 1700000000 +0000\n" +
		"committer Alice Example <alice@example.com> 1700000000 +0000\n\none\n"
	tagPayload = "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype tree\ntag v1\n" +
		"tagger Alice Example <alice@example.com> 1700000000 +0000\n\nversion one\n"
	pushPayload = "certificate version 0.1\n" +
		"pusher Alice Example <alice@example.com> 1700000000 +0000\n" +
		"pushee /srv/git/r.git\nnonce 1700000000-0123456789abcdef\n\n" +
		"0000000000000000000000000000000000000000 4b825dc642cb6eb9a060e54bf8d69288fbee4904 refs/heads/main\n"
)

func TestCommitterOf(t *testing.T) {
	sha256 := strings.Repeat("4b825dc6", 8)
	for _, test := range []struct {
		name, payload string
		want          committer
		err           string
	}{
		{"a commit", commitPayload, committer{"committer", "Alice Example", "alice@example.com"}, ""},
		{"a commit with ids of SHA-256", strings.Replace(commitPayload, "4b825dc642cb6eb9a060e54bf8d69288fbee4904", sha256, 1),
			committer{"committer", "Alice Example", "alice@example.com"}, ""},
		{"a tag", tagPayload, committer{"tagger", "Alice Example", "alice@example.com"}, ""},
		{"a push certificate", pushPayload, committer{"pusher", "Alice Example", "alice@example.com"}, ""},
		{"a name with a bracket", strings.Replace(pushPayload, "Alice Example", "Alice > Example", 1),
			committer{"pusher", "Alice > Example", "alice@example.com"}, ""},
		{"a tag without a tagger", "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype tree\ntag v1\n\nold\n", committer{}, "names no tagger"},
		{"a push by a key", strings.Replace(pushPayload, "Alice Example <alice@example.com>", "0xCAFE", 1), committer{}, "user.signingkey"},
		{"a pusher only in the updates", "certificate version 0.1\n\npusher Alice <alice@example.com> 1 +0000\n", committer{}, "names no pusher"},
		{"a committer only in the message", "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\ncommitter Alice <alice@example.com> 1 +0000\n",
			committer{}, "author"},
		{"text", "text\n", committer{}, "no commit, tag or push certificate"},
		{"nothing", "", committer{}, "no commit, tag or push certificate"},
	} {
		got, err := committerOf([]byte(test.payload))
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), test.err) {
				t.Errorf("%s: %+v, %v, want an error about %q", test.name, got, err, test.err)
			}
		case err != nil:
			t.Errorf("%s: %v", test.name, err)
		case *got != test.want:
			t.Errorf("%s: %+v, want %+v", test.name, *got, test.want)
		}
	}
}

func FuzzCommitterOf(f *testing.F) {
	for _, payload := range []string{
		commitPayload, tagPayload, pushPayload, "", "certificate version 0.1\npusher >< 1 +0000\n\n",
		"object 0000000000000000000000000000000000000000\ntype tree\ntag v\ntagger \n",
	} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := committerOf(payload)
		if err != nil {
			return
		}
		if objectKind(payload) == "" || !bytes.Contains(payload, []byte(c.name)) || c.email != "" && !bytes.Contains(payload, []byte("<"+c.email+">")) {
			t.Errorf("committerOf(%q) = %+v, which is not in it", payload, *c)
		}
	})
}

// asked are settings of the environment alone.
func asked(env map[string]string) *settings {
	return &settings{getenv: func(name string) string { return env[name] }}
}

func TestMayUse(t *testing.T) {
	alice := &signer.Claims{Issuer: "https://issuer.example", Subject: "1234", Email: "alice@example.com", EmailVerified: true}
	workflow := &signer.Claims{Issuer: "https://ci.example", Subject: "repo:o/r:ref:refs/heads/main"}
	expects := func(who string) map[string]string { return map[string]string{"GITSEAL_EXPECT_IDENTITY": who} }
	matches := map[string]string{"GITSEAL_MATCH_COMMITTER": "true"}
	for _, test := range []struct {
		name    string
		env     map[string]string
		claims  *signer.Claims
		payload string
		want    string // of the error; "": none
	}{
		{"nothing is set", nil, alice, "text", ""},
		{"the one expected", expects("alice@example.com"), alice, "text", ""},
		{"one of those expected", expects("bob@example.com  alice@example.com"), alice, "text", ""},
		{"another is expected", expects("bob@example.com"), alice, "text",
			`the identity token is for "alice@example.com", and gitseal.expectIdentity (set in environment GITSEAL_EXPECT_IDENTITY) wants "bob@example.com"`},
		{"one of two others is expected", expects("bob@example.com carol@example.com"), alice, "text", `wants "bob@example.com" or "carol@example.com"`},
		{"a part of the address", expects("alice@example.co"), alice, "text", "wants"},
		{"the address and more", expects("alice@example.com.evil.example"), alice, "text", "wants"},
		{"other case", expects("Alice@Example.com"), alice, "text", "differs in upper and lower case"},
		{"letters that only Unicode folds", expects("al\u0131ce@example.com"), alice, "text", `wants "alıce@example.com"`},
		{"the subject, which the certificate does not name", expects("1234"), alice, "text", `for "alice@example.com"`},
		{"a workflow expected by its subject", expects("repo:o/r:ref:refs/heads/main"), workflow, "text", ""},
		{"a workflow of another branch", expects("repo:o/r:ref:refs/heads/main"), &signer.Claims{Subject: "repo:o/r:ref:refs/heads/x"}, "text", "wants"},
		{"the committer", matches, alice, commitPayload, ""},
		{"the tagger", matches, alice, tagPayload, ""},
		{"the pusher", matches, alice, pushPayload, ""},
		{"another committer", matches, alice, strings.ReplaceAll(commitPayload, "alice@", "carol@"), `the signer is "alice@example.com", and the committer is "carol@example.com"`},
		{"the author, who is not the committer", matches, &signer.Claims{Email: "bob@example.com"}, commitPayload, `the committer is "alice@example.com"`},
		{"another tagger", matches, alice, strings.ReplaceAll(tagPayload, "alice@", "carol@"), `the tagger is "carol@example.com"`},
		{"another pusher", matches, alice, strings.ReplaceAll(pushPayload, "alice@", "carol@"), `the pusher is "carol@example.com"`},
		{"a committer in other case", matches, alice, strings.ReplaceAll(commitPayload, "alice@", "Alice@"), "differs in upper and lower case"},
		{"what has no committer", matches, alice, "text", "comparing the signer with the committer"},
		{"no git object", matches, alice, "", ""}, // nil
		{"a workflow, whose name the token does not tell", matches, workflow, commitPayload, ""},
		{"gitsign's setting", map[string]string{"GITSIGN_MATCH_COMMITTER": "1"}, alice, strings.ReplaceAll(commitPayload, "alice@", "carol@"),
			"(gitsign.matchCommitter is set in environment GITSIGN_MATCH_COMMITTER)"},
		{"ours before gitsign's", map[string]string{"GITSIGN_MATCH_COMMITTER": "1", "GITSEAL_MATCH_COMMITTER": "0"}, alice,
			strings.ReplaceAll(commitPayload, "alice@", "carol@"), ""},
		{"a setting that is none", map[string]string{"GITSIGN_MATCH_COMMITTER": "perhaps"}, alice, commitPayload, "is not true or false"},
	} {
		var payload []byte
		if test.payload != "" {
			payload = []byte(test.payload)
		}
		checkRefusal(t, test.name, asked(test.env).mayUse(test.claims, payload), test.want)
	}
}

func TestMayGive(t *testing.T) {
	cert := func(subject, kind string, claims ...verifier.Claim) *verifier.Certificate {
		return &verifier.Certificate{Identity: verifier.Identity{Subject: subject, Issuer: "https://issuer.example"}, SubjectType: kind, Claims: claims}
	}
	const uri = "https://ci.example/o/r/sign.yml@refs/heads/main"
	subject := verifier.Claim{Number: claimTokenSubject, Value: "repo:o/r:ref:refs/heads/main"}
	expects := func(who string) map[string]string { return map[string]string{"GITSEAL_EXPECT_IDENTITY": who} }
	matches := map[string]string{"GITSEAL_MATCH_COMMITTER": "true"}
	byWorkflow := strings.Replace(commitPayload, "Alice Example", uri, 1)
	for _, test := range []struct {
		name    string
		env     map[string]string
		cert    *verifier.Certificate
		payload string
		want    string
	}{
		{"the one expected", expects("alice@example.com"), cert("alice@example.com", "email"), commitPayload, ""},
		{"another", expects("alice@example.com"), cert("bob@example.com", "email"), commitPayload, `the certificate is for "bob@example.com"`},
		{"a workflow expected by its certificate", expects(uri), cert(uri, "uri", subject), commitPayload, ""},
		{"a workflow expected by its token", expects(subject.Value), cert(uri, "uri", subject), commitPayload, ""},
		{"an address that has a token's subject, too", expects(subject.Value), cert("bob@example.com", "email", subject), commitPayload, "wants"},
		{"another claim with that value", expects(subject.Value), cert(uri, "uri", verifier.Claim{Number: 8, Value: subject.Value}), commitPayload, "wants"},
		{"a workflow that commits by its name", matches, cert(uri, "uri"), byWorkflow, ""},
		{"a workflow that commits by another", matches, cert(uri, "uri"), commitPayload, `the committer is "Alice Example"`},
		{"a URI that is the committer's address", matches, cert("alice@example.com", "uri"), commitPayload, `the committer is "Alice Example"`},
		{"an address that is the committer's name", matches, cert("Alice Example", "email"), commitPayload, `the committer is "alice@example.com"`},
	} {
		checkRefusal(t, test.name, asked(test.env).mayGive(test.cert, []byte(test.payload)), test.want)
	}
}

// checkRefusal fails unless err is as wanted: with that in it, one line, exit
// code 2, and, if the identity is what was refused, what to do about it.
func checkRefusal(t *testing.T, name string, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("%s: %v, want no error", name, err)
		}
		return
	}
	code, message, hints := exitCode(err)
	if code != exitUsage || !strings.Contains(message, want) || strings.Contains(message, "\n") {
		t.Errorf("%s: exit code %d, %q, want %d and %q in it", name, code, message, exitUsage, want)
	}
	if strings.Contains(want, "wants") && len(hints) == 0 {
		t.Errorf("%s: no hint with %q", name, message)
	}
}

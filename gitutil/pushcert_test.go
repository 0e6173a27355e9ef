package gitutil

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	certHeader = "certificate version 0.1\npusher alice@example.com 1700000000 +0100\npushee file:///srv/r.git\nnonce 1700000000-ab12\npush-option ci.skip\n"
	certArmor  = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"
)

var (
	idA, idB = strings.Repeat("a", 40), strings.Repeat("b", 40)
	noID     = strings.Repeat("0", 40)
)

func TestPushCertificateIsTakenApart(t *testing.T) {
	payload := certHeader + "\n" + noID + " " + idA + " refs/heads/main\n" + idA + " " + noID + " refs/heads/ü\n"
	c, err := ParsePushCertificate([]byte(payload+certArmor), SHA1)
	if err != nil {
		t.Fatal(err)
	}
	if string(c.Payload) != payload || string(c.Signature) != certArmor {
		t.Errorf("payload %q, signature %q", c.Payload, c.Signature)
	}
	if c.Pusher != "alice@example.com 1700000000 +0100" || c.Pushee != "file:///srv/r.git" || c.Nonce != "1700000000-ab12" ||
		!slices.Equal(c.Options, []string{"ci.skip"}) {
		t.Errorf("ParsePushCertificate = %+v", c)
	}
	if want := []PushUpdate{{"refs/heads/main", "", idA}, {"refs/heads/ü", idA, ""}}; !slices.Equal(c.Updates, want) {
		t.Errorf("updates are %v, want %v", c.Updates, want)
	}

	// What need not be there is empty then.
	bare := strings.NewReplacer("pushee file:///srv/r.git\n", "", "nonce 1700000000-ab12\n", "").Replace(payload)
	if c, err := ParsePushCertificate([]byte(bare+certArmor), SHA1); err != nil || c.Pushee != "" || c.Nonce != "" || len(c.Options) != 1 {
		t.Errorf("ParsePushCertificate without pushee and nonce = %+v, %v", c, err)
	}

	// As in a tag, what stands before the last armor is signed.
	twice := payload + certArmor + certArmor
	if _, err := ParsePushCertificate([]byte(twice), SHA1); err == nil {
		t.Error("an earlier armor was taken for a line of updates")
	}
}

func TestPushCertificateRefusesOtherForms(t *testing.T) {
	line := idA + " " + idB + " refs/heads/main\n"
	good := certHeader + "\n" + line + certArmor
	if _, err := ParsePushCertificate([]byte(good), SHA1); err != nil {
		t.Fatal(err)
	}
	replaced := func(old, replacement string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("there is no %q to replace", old)
		}
		return strings.Replace(good, old, replacement, 1)
	}
	for name, bad := range map[string]string{
		"empty":                "",
		"no signature":         certHeader + "\n" + line,
		"other version":        replaced("0.1", "0.2"),
		"no version":           replaced("certificate version 0.1\n", ""),
		"no pusher":            replaced("pusher alice@example.com 1700000000 +0100\n", ""),
		"second pusher":        replaced("pushee", "pusher bob 1 +0000\npushee"),
		"second nonce":         replaced("push-option", "nonce 1-2\npush-option"),
		"nonce before pushee":  replaced("pushee file:///srv/r.git\nnonce 1700000000-ab12\n", "nonce 1700000000-ab12\npushee file:///srv/r.git\n"),
		"empty nonce":          replaced("nonce 1700000000-ab12", "nonce "),
		"unknown header":       replaced("push-option", "push-opinion"),
		"signature header":     replaced("push-option", "gpgsig x\npush-option"),
		"carriage return":      replaced("ab12\n", "ab12\r\n"),
		"NUL":                  replaced("ab12", "ab\x0012"),
		"no empty line":        replaced("\n\n", "\n"),
		"no update":            replaced(line, ""),
		"update twice":         replaced(line, line+line),
		"unfinished line":      replaced("refs/heads/main\n", "refs/heads/main"),
		"short id":             replaced(idA, idA[1:]),
		"upper case":           replaced(idB, strings.ToUpper(idB)),
		"ref of another kind":  replaced("refs/heads/main", "HEAD"),
		"ref with a space":     replaced("refs/heads/main", "refs/heads/ma in"),
		"ref with a tab":       replaced("refs/heads/main", "refs/heads/ma\tin"),
		"ref without a name":   replaced("refs/heads/main", "refs/"),
		"two spaces":           replaced(idA+" ", idA+"  "),
		"more than is read in": good[:len(certHeader)] + strings.Repeat("x", maxPushCertificate),
	} {
		if c, err := ParsePushCertificate([]byte(bad), SHA1); err == nil {
			t.Errorf("%s: ParsePushCertificate = %+v, want an error", name, c)
		}
	}
	if _, err := ParsePushCertificate([]byte(good), SHA256); err == nil {
		t.Error("ids of SHA-1 were taken in a SHA-256 repository")
	}
}

func TestPushCertificateIsWhatGitMakes(t *testing.T) {
	r := newRepo(t, SHA256)
	r.commit("one")
	head := r.git("rev-parse", "HEAD")
	server := filepath.Join(t.TempDir(), "server")
	r.git("init", "-q", "--bare", "--object-format=sha256", server)
	r.git("-C", server, "config", "receive.certNonceSeed", "seed")
	kept := filepath.Join(t.TempDir(), "cert")
	hook := "#!/bin/sh\ngit cat-file blob \"$GIT_PUSH_CERT\" >'" + kept + "'\n"
	if err := os.MkdirAll(filepath.Join(server, "hooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(server, "hooks", "pre-receive"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	signer := filepath.Join(t.TempDir(), "signer")
	script := "#!/bin/sh\ncat >/dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\nprintf -- '-----BEGIN SIGNED MESSAGE-----\\nAAAA\\n-----END SIGNED MESSAGE-----\\n'\n"
	if err := os.WriteFile(signer, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("-c", "gpg.format=x509", "-c", "gpg.x509.program="+signer, "push", "-q", "--signed", server, "main", "main:refs/heads/other")
	data, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParsePushCertificate(data, SHA256)
	if err != nil {
		t.Fatalf("%v in %q", err, data)
	}
	want := []PushUpdate{{"refs/heads/main", "", head}, {"refs/heads/other", "", head}}
	if c.Kind() != "x509" || c.Nonce == "" || c.Pushee != server || !slices.Equal(c.Updates, want) {
		t.Errorf("ParsePushCertificate = %+v", c)
	}
}

func TestSymbolicRefsAndTypesOfRefsToBe(t *testing.T) {
	r := newRepo(t, SHA1)
	head := r.commit("one")
	r.git("tag", "-a", "-m", "x", "v1")
	v1, tree := r.git("rev-parse", "v1"), r.git("rev-parse", "HEAD^{tree}")
	r.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
	r.git("symbolic-ref", "refs/heads/again", "refs/heads/alias")
	r.git("symbolic-ref", "refs/heads/dangling", "refs/heads/nowhere")
	repo := r.open()
	got, err := repo.SymbolicRefs(t.Context())
	if err != nil || len(got) != 2 || got["refs/heads/alias"] != "refs/heads/main" || got["refs/heads/again"] != "refs/heads/main" {
		t.Errorf("SymbolicRefs = %v, %v", got, err)
	}

	for name, want := range map[string]string{"refs/heads/again": "refs/heads/main", "refs/heads/dangling": "refs/heads/nowhere",
		"refs/heads/main": "", "refs/heads/none": ""} {
		if got, err := repo.SymbolicTarget(t.Context(), name); err != nil || got != want {
			t.Errorf("SymbolicTarget(%s) = %q, %v, want %q", name, got, err, want)
		}
	}
	if got, err := repo.SymbolicTarget(t.Context(), "HEAD"); err == nil {
		t.Errorf("SymbolicTarget(HEAD) = %q, want a refusal", got)
	}

	refs := []Ref{{Name: "refs/heads/a", OID: head}, {Name: "refs/tags/v1", OID: v1}, {Name: "x"}, {Name: "t", OID: tree}, {Name: "none", OID: idA}}
	if err := repo.Types(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
	want := []Ref{{"refs/heads/a", head, "commit", head, "commit"}, {"refs/tags/v1", v1, "tag", head, "commit"}, {Name: "x"},
		{"t", tree, "tree", tree, "tree"}, {Name: "none", OID: idA}}
	if !slices.Equal(refs, want) {
		t.Errorf("Types: %v, want %v", refs, want)
	}
	if err := repo.Types(t.Context(), []Ref{{OID: "HEAD"}}); err == nil || errors.Is(err, ErrMissing) {
		t.Errorf("Types of what is no id: %v, want a refusal", err)
	}
}

func FuzzParsePushCertificate(f *testing.F) {
	f.Add([]byte(certHeader + "\n" + noID + " " + idA + " refs/heads/main\n" + certArmor))
	f.Add([]byte("certificate version 0.1\npusher a 1 +0000\n\n" + idA + " " + noID + " refs/tags/v1\n" + certArmor))
	f.Add([]byte("certificate version 0.1\npusher \npush-option \n\n" + idA + " " + idB + " refs/0\n" + certArmor))
	f.Add([]byte(certArmor))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParsePushCertificate(data, SHA1)
		if err != nil {
			return
		}
		// What was read is all there is.
		var b bytes.Buffer
		fmt.Fprintf(&b, "certificate version 0.1\npusher %s\n", c.Pusher)
		if c.Pushee != "" {
			fmt.Fprintf(&b, "pushee %s\n", c.Pushee)
		}
		if c.Nonce != "" {
			fmt.Fprintf(&b, "nonce %s\n", c.Nonce)
		}
		for _, option := range c.Options {
			fmt.Fprintf(&b, "push-option %s\n", option)
		}
		b.WriteByte('\n')
		for _, u := range c.Updates {
			fmt.Fprintf(&b, "%s %s %s\n", or(u.Old, noID), or(u.New, noID), u.Ref)
		}
		if b.String() != string(c.Payload) || string(data) != b.String()+string(c.Signature) {
			t.Errorf("ParsePushCertificate(%q) = %+v", data, c)
		}
	})
}

func or(oid, none string) string {
	if oid == "" {
		return none
	}
	return oid
}

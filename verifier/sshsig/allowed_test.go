package sshsig

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestReadAllowedSignersLine(t *testing.T) {
	key := newEd25519(t).PublicKey()
	k := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	unix := func(s string) int64 {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return at.Unix()
	}
	tests := []struct {
		line string
		name string
		want options
	}{
		{"alice@example.com " + k, "alice@example.com", options{}},
		{"alice " + k + " a comment, with \"quotes\" and # signs", "alice", options{}},
		{" \talice\t" + k + "\t", "alice", options{}},
		{"alice " + k + "\r", "alice", options{}},
		{"alice,bob " + k, "alice", options{}},
		{"!alice,*@example.com " + k, "*@example.com", options{}},
		{"alice,bob,!alice " + k, "bob", options{}},
		{`"Alice B" ` + k, "Alice B", options{}},
		{`al,"Alice B,bob" ` + k, "al", options{}},
		{"alice cert-authority " + k, "alice", options{authority: true}},
		{"alice CERT-Authority,NameSpaces=\"git\" " + k, "alice", options{authority: true, namespaces: patternList{{"git", false}}}},
		{`alice namespaces="git,!fi\"le"` + "\t  " + k, "alice", options{namespaces: patternList{{"git", false}, {`fi"le`, true}}}},
		{`alice namespaces="a b" ` + k, "alice", options{namespaces: patternList{{"a b", false}}}},
		{`alice valid-after="20260102" ` + k, "alice", options{after: unix("2026-01-02T00:00:00Z")}},
		{`alice valid-after="202601020304Z" ` + k, "alice", options{after: unix("2026-01-02T03:04:00Z")}},
		{`alice valid-before="20260102030405utc",valid-after="19700102z" ` + k, "alice", options{before: unix("2026-01-02T03:04:05Z"), after: 86400}},
	}
	for _, test := range tests {
		a, err := ReadAllowedSigners("signers", []byte(test.line+"\n"))
		if err != nil {
			t.Errorf("%q: %v", test.line, err)
			continue
		}
		if a.Len() != 1 || len(a.Skipped) > 0 {
			t.Errorf("%q: %d lines and skipped %v, want 1", test.line, a.Len(), a.Skipped)
			continue
		}
		got := a.lines[0]
		if got.key != string(key.Marshal()) || got.name != test.name || got.authority != test.want.authority || got.after != test.want.after ||
			got.before != test.want.before || !slices.Equal(got.namespaces, test.want.namespaces) || (got.namespaces == nil) != (test.want.namespaces == nil) {
			t.Errorf("%q is read as %q, %+v; want %q, %+v", test.line, got.name, got.options, test.name, test.want)
		}
	}
}

func TestReadAllowedSignersSkips(t *testing.T) {
	signer := newEd25519(t)
	key := signer.PublicKey()
	k := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	blob := strings.Fields(k)[1]
	cert := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(certify(t, newEd25519(t), signer, nil))))
	tests := []struct{ line, want string }{
		{"alice", "no key"},
		{k, "unknown option"},
		{"alice ", "no key"},
		{"alice namespaces=\"git\"", "no key"},
		{"alice ssh-ed25519", "no key after"},
		{"alice ssh-rsa " + blob, `a key of kind "ssh-ed25519" is called "ssh-rsa"`},
		{"alice ssh-ed25519 " + blob[:len(blob)-4], "key"},
		{"alice ssh-ed25519 " + blob + "AAAA", "trailing bytes"},
		{"alice ssh-ed25519 !" + blob, "base64"},
		{"alice ssh-ed25519 " + strings.TrimRight(blob, "=") + "=", "base64"},
		{"alice SSH-ED25519 " + blob, "unknown option"},
		{"alice " + cert, "a certificate in place of a key"},
		{"alice cert-authority " + cert, "a certificate in place of a key"},
		{"alice ssh-dss AAAAB3NzaC1kc3MAAAAA", "DSA"},
		{"a,,b " + k, "pattern is empty"},
		{"a, " + k, "pattern is empty"},
		{", " + k, "pattern is empty"},
		{"! " + k, "pattern is empty"},
		{strings.Repeat("a", maxPattern+1) + " " + k, "too long"},
		{"!alice " + k, "all are excluded"},
		{"alice,!* " + k, "all are excluded"},
		{`"alice ` + k, "wrong quotes"},
		{`"alice"x ` + k, "wrong quotes"},
		{`"alice"`, "wrong quotes"},
		{`"" ` + k, "pattern is empty"},
		{"a, b " + k, "pattern is empty"},
		{"alice bob " + k, `unknown option "bob"`},
		{"alice no-touch-required " + k, "unknown option"},
		{"alice verify-required " + k, "unknown option"},
		{"alice cert-authority=\"yes\" " + k, "unknown option"},
		{"alice namespaces " + k, "unknown option"},
		{"alice namespaces=git " + k, "not in quotes"},
		{"alice namespaces=\"git " + k, "has no end"},
		{"alice namespaces=\"git\\\" " + k, "has no end"},
		{"alice namespaces=\"\" " + k, "pattern is empty"},
		{"alice namespaces=\"git\"x " + k, "followed by"},
		{"alice namespaces=\"git\", " + k, "unknown option"},
		{"alice ,namespaces=\"git\" " + k, "unknown option"},
		{"alice namespaces=\"git\",namespaces=\"*\" " + k, "twice"},
		{"alice namespaces=\"git\",NAMESPACES=\"*\" " + k, "twice"},
		{"alice cert-authority,cert-authority " + k, "twice"},
		{"alice namespaces=\"git\" cert-authority " + k, "key: illegal"},
		{`alice valid-after="2026" ` + k, "not a time"},
		{`alice valid-after="20261301" ` + k, "not a time"},
		{`alice valid-after="20260230" ` + k, "not a time"},
		{`alice valid-after="202601012500" ` + k, "not a time"},
		{`alice valid-after="19691231" ` + k, "after 1970"},
		{`alice valid-after="19700101" ` + k, "after 1970"},
		{`alice valid-after="2026-01-01" ` + k, "not a time"},
		{`alice valid-after="" ` + k, "not a time"},
		{`alice valid-after="Z" ` + k, "not a time"},
		{`alice valid-after="+2026011" ` + k, "not a time"},
		{`alice valid-after="20260101",valid-before="20260101" ` + k, "not after valid-after"},
		{`alice valid-before="20260101",valid-before="20270101" ` + k, "twice"},
		{"\xef\xbb\xbfalice " + k, "byte order mark"},
		{"alice " + k + "\x00", "not text"},
		{"alice " + k + "\r" + "bob " + k, "carriage return"},
		{"alice " + k + strings.Repeat(" ", maxLine) + "x", "limit"},
	}
	for _, test := range tests {
		// Between two good lines, which have to stay.
		text := "first " + k + "\n" + test.line + "\nlast " + k
		a, err := ReadAllowedSigners("the file", []byte(text))
		if err != nil {
			t.Errorf("%q: %v", test.line, err)
			continue
		}
		if a.Len() != 2 || a.lines[0].name != "first" || a.lines[1].name != "last" {
			t.Errorf("%q: %d lines, want the first and the last", test.line, a.Len())
		}
		if len(a.Skipped) != 1 {
			t.Errorf("%q: skipped %v, want one line", test.line, a.Skipped)
			continue
		}
		got := a.Skipped[0].Error()
		if !strings.HasPrefix(got, "reading allowed signers the file: line 2: ") || !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
			t.Errorf("%.60q: skipped with %q, want %q", test.line, got, test.want)
		}
	}
}

func TestReadAllowedSignersIgnores(t *testing.T) {
	for _, text := range []string{"", "\n", "\n \t\r\n# comment\n   # comment \"\n#", "#\r\n"} {
		a, err := ReadAllowedSigners("signers", []byte(text))
		if err != nil || a.Len() != 0 || len(a.Skipped) > 0 {
			t.Errorf("ReadAllowedSigners(%q) = %+v, %v; want nothing", text, a, err)
		}
	}
}

func TestReadAllowedSignersRefusesOtherFiles(t *testing.T) {
	for _, text := range []string{"<html>\n</html>\n", "a\x00l\x00\n", "# comment\nnonsense"} {
		_, err := ReadAllowedSigners("signers", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), "reading allowed signers signers: line ") {
			t.Errorf("ReadAllowedSigners(%q) = %v, want an error with a line", text, err)
		}
	}
	if _, err := ReadAllowedSigners("signers", make([]byte, maxFile+1)); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("ReadAllowedSigners of too large a file = %v", err)
	}
}

func FuzzReadAllowedSigners(f *testing.F) {
	key := newEd25519(f).PublicKey()
	k := string(ssh.MarshalAuthorizedKey(key))
	f.Add([]byte(line("alice", "", key)))
	f.Add([]byte("# c\n\n" + line(`"Alice B"`, `cert-authority,namespaces="git,!x",valid-after="20260101",valid-before="202701010000Z"`, key)))
	f.Add([]byte("!a,*@b " + k + "broken\n"))
	f.Add([]byte("a \x00\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ReadAllowedSigners("f", data)
		if err != nil {
			if a != nil || !strings.HasPrefix(err.Error(), "reading allowed signers f: ") {
				t.Fatalf("ReadAllowedSigners = %v, %v", a, err)
			}
			return
		}
		// What was read, written again, is read as the same.
		var b bytes.Buffer
		for _, l := range a.lines {
			writeAllowed(&b, l)
		}
		again, err := ReadAllowedSigners("f", b.Bytes())
		if err != nil || len(again.Skipped) > 0 || again.Len() != a.Len() {
			t.Fatalf("ReadAllowedSigners(%q) = %+v, %v", b.Bytes(), again, err)
		}
		for i, l := range a.lines {
			if got := again.lines[i]; got.key != l.key || !bytes.Equal(got.append(nil), l.append(nil)) || got.authority != l.authority {
				t.Errorf("line %d: %+v, want %+v", i, got, l)
			}
		}
	})
}

// writeAllowed writes a line as parseAllowed reads it.
func writeAllowed(b *bytes.Buffer, l *allowed) {
	join := func(list patternList) string {
		var texts []string
		for _, p := range list {
			if p.exclude {
				p.text = "!" + p.text
			}
			texts = append(texts, p.text)
		}
		return strings.Join(texts, ",")
	}
	stamp := func(at int64) string { return time.Unix(at, 0).UTC().Format("20060102150405Z") }
	var opts []string
	if l.authority {
		opts = append(opts, "cert-authority")
	}
	if l.namespaces != nil {
		opts = append(opts, `namespaces="`+strings.ReplaceAll(join(l.namespaces), `"`, `\"`)+`"`)
	}
	if l.after != 0 {
		opts = append(opts, `valid-after="`+stamp(l.after)+`"`)
	}
	if l.before != 0 {
		opts = append(opts, `valid-before="`+stamp(l.before)+`"`)
	}
	r := &reader{rest: []byte(l.key)}
	fmt.Fprintf(b, "\"%s\" %s %s %s\n", join(l.principals), strings.Join(opts, ","), r.text(), base64.StdEncoding.EncodeToString([]byte(l.key)))
}

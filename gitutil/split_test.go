package gitutil

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An objectCase is an object for the splitters. The words OID and PARENT in it
// stand for object ids and GPGSIG for the signature header of the format.
type objectCase struct {
	name string
	data string
	// refused is set if git calls no program although there is a signature:
	// it does not begin with an armor git knows, or the line that dates the
	// object cannot be read.
	refused bool
}

const (
	x509Armor = "-----BEGIN SIGNED MESSAGE-----\nMIIB\n-----END SIGNED MESSAGE-----\n"
	pgpArmor  = "-----BEGIN PGP SIGNATURE-----\n\niQEz\n=abcd\n-----END PGP SIGNATURE-----\n"
	sshArmor  = "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n"
)

// folded returns a header with its value folded.
func folded(name, value string) string {
	return name + " " + strings.ReplaceAll(strings.TrimSuffix(value, "\n"), "\n", "\n ") + "\n"
}

const commitHead = "tree OID\nauthor A <a@example.com> 1700000000 +0000\ncommitter C <c@example.com> 1700000001 +0000\n"

func commitCases() []objectCase {
	signed := folded("GPGSIG", x509Armor)
	return []objectCase{
		{name: "unsigned", data: commitHead + "\nmessage\n"},
		{name: "signed", data: commitHead + signed + "\nmessage\n"},
		{name: "openpgp", data: commitHead + folded("GPGSIG", pgpArmor) + "\nmessage\n"},
		{name: "openpgp message armor", data: commitHead + folded("GPGSIG", strings.ReplaceAll(pgpArmor, "SIGNATURE", "MESSAGE")) + "\nm\n"},
		{name: "ssh", data: commitHead + folded("GPGSIG", sshArmor) + "\nmessage\n"},
		{name: "parents and extra headers", data: "tree OID\nparent PARENT\nparent PARENT\nauthor A <a@example.com> 1 +0000\ncommitter C <c@example.com> 1 +0000\nencoding ISO-8859-1\nHG:extra x\n" + signed + "change-id y\n\nL\xe4tin\n"},
		{name: "no final newline", data: commitHead + signed + "\nmessage"},
		{name: "no message", data: commitHead + signed},
		{name: "empty message", data: commitHead + signed + "\n"},
		{name: "header as the last line without newline", data: commitHead + strings.TrimSuffix(signed, "\n")},
		{name: "header before the others", data: "tree OID\n" + signed + strings.TrimPrefix(commitHead, "tree OID\n") + "\nm\n"},
		{name: "CRLF in the message", data: commitHead + signed + "\nmessage\r\nmore\r\n"},
		{name: "CRLF in the armor", data: commitHead + folded("GPGSIG", strings.ReplaceAll(x509Armor, "\n", "\r\n")) + "\nm\n"},
		{name: "CRLF in the headers", data: "tree OID\n" + strings.ReplaceAll(strings.TrimPrefix(commitHead, "tree OID\n")+signed, "\n", "\r\n") + "\r\nm\r\n\n"},
		{name: "two headers side by side", data: commitHead + signed + folded("GPGSIG", pgpArmor) + "\nm\n"},
		{name: "two headers apart", data: commitHead + signed + "x y\n" + folded("GPGSIG", pgpArmor) + "\nm\n"},
		{name: "a header for each line", data: commitHead + "GPGSIG " + strings.ReplaceAll(strings.TrimSuffix(x509Armor, "\n"), "\n", "\nGPGSIG ") + "\n\nm\n"},
		{name: "header after the empty line", data: commitHead + "\n" + signed},
		{name: "header before and after the empty line", data: commitHead + signed + "\n" + signed},
		{name: "tab for a continuation", data: commitHead + "GPGSIG -----BEGIN SIGNED MESSAGE-----\n\tMIIB\n -----END SIGNED MESSAGE-----\n\nm\n"},
		{name: "continuation with two spaces", data: commitHead + folded("GPGSIG", "-----BEGIN SIGNED MESSAGE-----\n  MIIB\n-----END SIGNED MESSAGE-----") + "\nm\n"},
		{name: "continuation that is empty", data: commitHead + "GPGSIG -----BEGIN SIGNED MESSAGE-----\n \n MIIB\n\nm\n"},
		{name: "70 kB line in the armor", data: commitHead + folded("GPGSIG", "-----BEGIN SIGNED MESSAGE-----\n"+strings.Repeat("A", 70<<10)+"\n-----END SIGNED MESSAGE-----") + "\nm\n"},
		{name: "70 kB line in a header", data: commitHead + "x " + strings.Repeat("y", 70<<10) + "\n" + signed + "\nm\n"},
		{name: "NUL in the message", data: commitHead + signed + "\nmess\x00age\n\x00"},
		{name: "NUL in a header", data: commitHead + "x \x00y\n" + signed + "\nm\n"},
		{name: "armor in the message", data: commitHead + signed + "\nm\n\n" + x509Armor + pgpArmor},
		{name: "armor in the message, unsigned", data: commitHead + "\nm\n\n" + x509Armor},
		{name: "text after the armor", data: commitHead + folded("GPGSIG", x509Armor+"and more\n") + "\nm\n"},
		{name: "two armors in a header", data: commitHead + folded("GPGSIG", pgpArmor+x509Armor) + "\nm\n"},
		{name: "the other header alone", data: commitHead + folded("OTHERSIG", x509Armor) + "\nm\n"},
		{name: "the other header before", data: commitHead + folded("OTHERSIG", pgpArmor) + signed + "\nm\n"},
		{name: "the other header after", data: commitHead + signed + folded("OTHERSIG", pgpArmor) + "\nm\n"},
		{name: "the other header on one line", data: commitHead + "OTHERSIG x\n" + signed + "\nm\n"},
		{name: "header with a longer name", data: commitHead + folded("gpgsigs", x509Armor) + signed + "x y\n\nm\n"},
		{name: "header without a space", data: commitHead + "GPGSIG\n continued\n" + signed + "\nm\n"},
		{name: "header name in upper case", data: commitHead + "Gpgsig x\n" + signed + "\nm\n"},
		{name: "mergetag with a signature", data: commitHead + folded("mergetag", "object OID\ntype commit\ntag t\n\nm\n"+pgpArmor) + signed + "\nm\n"},
		{name: "mergetag with a gpgsig line", data: commitHead + folded("mergetag", "object OID\ngpgsig x\n") + signed + "\nm\n"},
		{name: "continuation before any header", data: " x\n" + commitHead + signed + "\nm\n", refused: true}, // not parsed as a commit
		{name: "empty value", data: commitHead + "GPGSIG \n\nm\n", refused: true},
		{name: "empty value at the end", data: commitHead + "GPGSIG ", refused: true},
		{name: "empty first line", data: commitHead + folded("GPGSIG", "\n"+x509Armor) + "\nm\n", refused: true},
		{name: "text before the armor", data: commitHead + folded("GPGSIG", "Go to this page:\n"+x509Armor) + "\nm\n", refused: true},
		{name: "unknown armor", data: commitHead + folded("GPGSIG", strings.ReplaceAll(x509Armor, "SIGNED MESSAGE", "PKCS7")) + "\nm\n", refused: true},
		{name: "help text", data: commitHead + folded("GPGSIG", "Usage:\n  x [flags]") + "\nm\n", refused: true},
	}
}

const tagHead = "object OID\ntype commit\ntag t\ntagger T <t@example.com> 1700000000 +0000\n"

func tagCases() []objectCase {
	return []objectCase{
		{name: "unsigned", data: tagHead + "\nm\n"},
		{name: "signed", data: tagHead + "\nm\n" + x509Armor},
		{name: "openpgp", data: tagHead + "\nm\n" + pgpArmor},
		{name: "ssh", data: tagHead + "\nm\n" + sshArmor},
		{name: "no final newline", data: tagHead + "\nm\n" + strings.TrimSuffix(x509Armor, "\n")},
		{name: "empty message", data: tagHead + "\n" + x509Armor},
		{name: "several armors", data: tagHead + "\nm\n" + pgpArmor + x509Armor + pgpArmor + sshArmor},
		{name: "several armors, text between", data: tagHead + "\nm\n" + pgpArmor + "more\n" + x509Armor},
		{name: "text after the armor", data: tagHead + "\nm\n" + x509Armor + "more\n"},
		{name: "armor not at a line start", data: tagHead + "\nm " + x509Armor},
		{name: "armor inside a line after the armor", data: tagHead + "\nm\n" + x509Armor + " " + pgpArmor},
		{name: "begin line only", data: tagHead + "\nm\n-----BEGIN SIGNED MESSAGE-----"},
		{name: "text after the begin line", data: tagHead + "\nm\n-----BEGIN SIGNED MESSAGE-----x\n"},
		{name: "begin line cut short", data: tagHead + "\nm\n-----BEGIN SIGNED MESSAGE----"},
		{name: "unknown armor", data: tagHead + "\nm\n" + strings.ReplaceAll(x509Armor, "SIGNED MESSAGE", "PKCS7")},
		{name: "unknown armor after a known one", data: tagHead + "\nm\n" + x509Armor + strings.ReplaceAll(x509Armor, "SIGNED MESSAGE", "PKCS7")},
		{name: "CRLF", data: tagHead + "\nm\r\n" + strings.ReplaceAll(x509Armor, "\n", "\r\n")},
		{name: "NUL in the message", data: tagHead + "\nm\x00m\n" + x509Armor},
		{name: "70 kB line", data: tagHead + "\n" + strings.Repeat("m", 70<<10) + "\n" + x509Armor},
		{name: "armor in place of the headers' end", data: tagHead + x509Armor},
		{name: "gpgsig header", data: tagHead + folded("gpgsig", pgpArmor) + "\nm\n" + x509Armor},
		{name: "gpgsig-sha256 header", data: tagHead + folded("gpgsig-sha256", pgpArmor) + "\nm\n" + x509Armor},
		{name: "gpgsig header, no armor", data: tagHead + folded("gpgsig", "x\ny") + "\nm\n"},
		{name: "both headers, side by side", data: tagHead + folded("gpgsig", "1\n2") + folded("gpgsig-sha256", "3\n4") + "\nm\n" + x509Armor},
		{name: "both headers, apart", data: tagHead + folded("gpgsig", "1\n2") + "x y\n" + folded("gpgsig-sha256", "3\n4") + "z\n\nm\n" + x509Armor},
		{name: "header with a longer name", data: tagHead + "gpgsigs x\n y\n\nm\n" + x509Armor},
		{name: "header with a longer name inside", data: tagHead + "gpgsig 1\ngpgsigs x\n y\n\nm\n" + x509Armor},
		{name: "gpgsig after the empty line", data: tagHead + "\ngpgsig x\n y\n" + x509Armor},
		{name: "gpgsig header at the end", data: tagHead + "gpgsig x\n" + x509Armor},
	}
}

// fill puts ids and header names of the format into a case.
func (c objectCase) fill(f Format) []byte {
	name, other := "gpgsig", "gpgsig-sha256"
	if f == SHA256 {
		name, other = other, name
	}
	return []byte(strings.NewReplacer("GPGSIG", name, "OTHERSIG", other,
		"OID", strings.Repeat("a", f.hexLen()), "PARENT", strings.Repeat("b", f.hexLen())).Replace(c.data))
}

// TestSplitAsGit compares the splitters with what git itself feeds a
// verifying program.
func TestSplitAsGit(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []Format{SHA1, SHA256} {
		repo := newRepo(t, f)
		for _, key := range []string{"gpg.program", "gpg.x509.program", "gpg.ssh.program"} {
			repo.git("config", key, filepath.ToSlash(self))
		}
		repo.git("config", "gpg.ssh.allowedSignersFile", os.DevNull)
		for _, c := range commitCases() {
			t.Run(string(f)+" commit "+c.name, func(t *testing.T) { splitAsGit(t, repo, "commit", c, f, SplitCommit) })
		}
		for _, c := range tagCases() {
			t.Run(string(f)+" tag "+c.name, func(t *testing.T) { splitAsGit(t, repo, "tag", c, f, SplitTag) })
		}
	}
}

func splitAsGit(t *testing.T, repo testRepo, typ string, c objectCase, f Format, split func([]byte, Format) (Split, error)) {
	data := c.fill(f)
	got, err := split(data, f)
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	repo.t, repo.env = t, append(repo.env[:len(repo.env):len(repo.env)], recordDir+"="+dir)
	out, _ := repo.try("", "verify-"+typ, repo.write(typ, data))
	payload, err := os.ReadFile(filepath.Join(dir, "payload"))
	called := err == nil
	signature, _ := os.ReadFile(filepath.Join(dir, "signature"))

	if want := got.Signature != nil && !c.refused; called != want {
		t.Fatalf("git called a program: %v, want %v; split %q, %q; git said %s", called, want, got.Payload, got.Signature, out)
	}
	if !called {
		return
	}
	if !bytes.Equal(got.Payload, payload) {
		t.Errorf("payload = %q, git's is %q", got.Payload, payload)
	}
	if !bytes.Equal(got.Signature, signature) {
		t.Errorf("signature = %q, git's is %q", got.Signature, signature)
	}
}

func TestSplitTagRejectsMoreSignatureHeadersThanGitCanHold(t *testing.T) {
	data := tagHead + "gpgsig 1\nx\ngpgsig 2\ny\ngpgsig 3\n\nm\n" + x509Armor
	if s, err := SplitTag([]byte(data), SHA1); err == nil {
		t.Errorf("SplitTag(three runs of headers) = %q, want an error", s)
	}
}

func TestSplitCommitRejectsUnknownFormat(t *testing.T) {
	if s, err := SplitCommit([]byte(commitHead), ""); err == nil {
		t.Errorf("SplitCommit(no format) = %q, want an error", s)
	}
}

// TestSplitLeavesTheObjectAlone writes past the ends of what the splitters
// return, as append does, and looks at the object.
func TestSplitLeavesTheObjectAlone(t *testing.T) {
	for _, c := range commitCases() {
		checkAlone(t, "SplitCommit "+c.name, c.fill(SHA1), SplitCommit)
	}
	for _, c := range tagCases() {
		checkAlone(t, "SplitTag "+c.name, c.fill(SHA1), SplitTag)
	}
}

func checkAlone(t *testing.T, name string, data []byte, split func([]byte, Format) (Split, error)) {
	t.Helper()
	before := bytes.Clone(data)
	s, err := split(data, SHA1)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = append(s.Payload, "xyz"...), append(s.Signature, "xyz"...)
	if !bytes.Equal(data, before) {
		t.Errorf("%s: appending to the result changed the object", name)
	}
}

func TestSignatureKind(t *testing.T) {
	for _, tt := range []struct{ sig, want string }{
		{x509Armor, "x509"},
		{pgpArmor, "openpgp"},
		{strings.ReplaceAll(pgpArmor, "SIGNATURE", "MESSAGE"), "openpgp"},
		{sshArmor, "ssh"},
		{strings.ReplaceAll(x509Armor, "\n", "\r\n"), "x509"},
		{"Go to this page:\n" + x509Armor, "x509"},
		{"\n" + sshArmor, "ssh"},
		{pgpArmor + x509Armor, "openpgp"},
		{strings.ReplaceAll(x509Armor, "SIGNED MESSAGE", "PKCS7"), ""},
		{strings.ReplaceAll(x509Armor, "SIGNED MESSAGE", "PKCS7") + x509Armor, ""},
		{" " + x509Armor, ""},
		{"Usage:\n  x [flags]\n", ""},
		{"", ""},
	} {
		if got := SignatureKind([]byte(tt.sig)); got != tt.want {
			t.Errorf("SignatureKind(%q) = %q, want %q", tt.sig, got, tt.want)
		}
	}
}

// FuzzSplitCommit checks that no byte of a commit is lost or made: what is in
// neither payload nor signature is a gpgsig header's own text.
func FuzzSplitCommit(f *testing.F) {
	for _, c := range commitCases() {
		f.Add(c.fill(SHA1))
		f.Add(c.fill(SHA256))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []Format{SHA1, SHA256} {
			s, err := SplitCommit(data, format)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(data, []byte("gpgsig")) && (s.Signature != nil || !bytes.Equal(s.Payload, data)) {
				t.Errorf("SplitCommit(%q) = %q, %q; there is no signature header", data, s.Payload, s.Signature)
			}
			again, err := SplitCommit(s.Payload, format)
			if err != nil {
				t.Fatal(err)
			}
			if again.Signature != nil || !bytes.Equal(again.Payload, s.Payload) {
				t.Errorf("SplitCommit(payload %q) = %q, %q, want the payload alone", s.Payload, again.Payload, again.Signature)
			}
			checkRecombine(t, data, s, format)
		}
	})
}

// checkRecombine puts the signature back where git puts it, before the first
// empty line, and wants the commit again if that is where it was, alone.
func checkRecombine(t *testing.T, data []byte, s Split, f Format) {
	name := "gpgsig"
	if f == SHA256 {
		name = "gpgsig-sha256"
	}
	headers, rest, ok := bytes.Cut(data, []byte("\n\n"))
	if !ok || data[0] == '\n' || bytes.Count(headers, []byte("gpgsig")) != 1 {
		return
	}
	at := bytes.Index(headers, []byte("\n"+name+" "))
	if at < 0 {
		return
	}
	for line := range bytes.Lines(headers[at+1+len(name):]) {
		if line[0] != ' ' {
			return // another header follows
		}
	}
	joined := bytes.Clone(headers[:at+1])
	joined = append(joined, folded(name, string(s.Signature))...)
	joined = append(append(joined, '\n'), rest...)
	if !bytes.Equal(joined, data) {
		t.Errorf("payload %q and signature %q recombine to %q, want %q", s.Payload, s.Signature, joined, data)
	}
	if want := string(headers[:at+1]) + "\n" + string(rest); string(s.Payload) != want {
		t.Errorf("payload = %q, want %q", s.Payload, want)
	}
}

// FuzzSplitTag checks that a tag without gpgsig headers is payload and
// signature in a row, cut at an armor.
func FuzzSplitTag(f *testing.F) {
	for _, c := range tagCases() {
		f.Add(c.fill(SHA1))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := SplitTag(data, SHA1)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(data, s.Signature) {
			t.Errorf("SplitTag(%q): signature %q is not the end", data, s.Signature)
		}
		if s.Signature != nil && s.Kind() == "" {
			t.Errorf("SplitTag(%q): signature %q is of no kind", data, s.Signature)
		}
		whole := append(bytes.Clone(s.Payload), s.Signature...)
		if headers, _, _ := bytes.Cut(data, []byte("\n\n")); !bytes.Contains(headers, []byte("gpgsig")) && !bytes.Equal(whole, data) {
			t.Errorf("SplitTag(%q): payload and signature are %q", data, whole)
		}
	})
}

package tlog

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// testRoot is a root hash whose base64 has no padding bits to spare, and the
// line that holds it.
var testRoot = LeafHash([]byte("root"))

func testText() string {
	return "log.example\n42\n" + base64.StdEncoding.EncodeToString(testRoot[:]) + "\n"
}

// signatureLine returns a signature line of a name with the given bytes.
func signatureLine(name string, raw ...byte) string {
	return "— " + name + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
}

func TestParseCheckpointReadsEveryPart(t *testing.T) {
	in := testText() + "Timestamp: 1679349379012118479\nother extension\n\n" +
		signatureLine("log.example", 1, 2, 3, 4, 5) + signatureLine("witness.example/w1", 6, 7, 8, 9, 10, 11)
	want := &SignedCheckpoint{
		Checkpoint: Checkpoint{
			Origin: "log.example", Size: 42, Root: testRoot,
			Extensions: []string{"Timestamp: 1679349379012118479", "other extension"},
		},
		Text: []byte(in[:strings.Index(in, "\n\n")+1]),
		Signatures: []NoteSignature{
			{"log.example", [4]byte{1, 2, 3, 4}, []byte{5}},
			{"witness.example/w1", [4]byte{6, 7, 8, 9}, []byte{10, 11}},
		},
	}
	got, err := ParseCheckpoint([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("ParseCheckpoint = %+v, want %+v", got, want)
	}
	if out := string(got.Marshal()); out != in {
		t.Errorf("Marshal = %q, want %q", out, in)
	}
	if out := got.Checkpoint.Marshal(); !bytes.Equal(out, want.Text) {
		t.Errorf("Checkpoint.Marshal = %q, want %q", out, want.Text)
	}
}

func TestParseCheckpointRejects(t *testing.T) {
	sig := signatureLine("log.example", 1, 2, 3, 4, 5)
	root := base64.StdEncoding.EncodeToString(testRoot[:])
	good := testText() + "\n" + sig
	if _, err := ParseCheckpoint([]byte(good)); err != nil {
		t.Fatalf("good checkpoint: %v", err)
	}
	// The last character before the padding holds two bits that must be zero.
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", root[42])
	loose := root[:42] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[last+1]) + "="

	tests := []struct{ name, in, want string }{
		{"empty", "", "no signatures"},
		{"no empty line", testText() + sig, "no signatures"},
		{"no signature", testText() + "\n", "no signatures"},
		{"two lines", "log.example\n42\n\n" + sig, "fewer than three lines"},
		{"empty origin", strings.Replace(good, "log.example\n", "\n", 1), "no origin"},
		{"size with leading zero", strings.Replace(good, "42", "042", 1), "tree size"},
		{"size with sign", strings.Replace(good, "42", "+42", 1), "tree size"},
		{"negative size", strings.Replace(good, "42", "-42", 1), "tree size"},
		{"hexadecimal size", strings.Replace(good, "42", "0x42", 1), "tree size"},
		{"size with space", strings.Replace(good, "42", "42 ", 1), "tree size"},
		{"size of 65 bits", strings.Replace(good, "42", "18446744073709551616", 1), "tree size"},
		{"no size", strings.Replace(good, "42", "", 1), "tree size"},
		{"root without padding", strings.Replace(good, root, strings.TrimSuffix(root, "="), 1), "root hash"},
		{"root in URL alphabet", strings.Replace(good, root, "-"+root[1:], 1), "root hash"},
		{"root with loose bits", strings.Replace(good, root, loose, 1), "root hash"},
		{"root of 31 bytes", strings.Replace(good, root, base64.StdEncoding.EncodeToString(testRoot[:31]), 1), "root hash"},
		{"root of 33 bytes", strings.Replace(good, root, base64.StdEncoding.EncodeToString(append(testRoot[:], 0)), 1), "root hash"},
		{"root of 64 bytes", strings.Replace(good, root, base64.StdEncoding.EncodeToString(append(testRoot[:], testRoot[:]...)), 1), "root hash"},
		{"empty extension", testText() + "\nextension\n\n" + sig, "empty line"},
		{"carriage return", strings.Replace(good, "42\n", "42\r\n", 1), "control character"},
		{"NUL", strings.Replace(good, "log.example\n", "log.example\x00\n", 1), "control character"},
		{"not UTF-8", strings.Replace(good, "log.example\n", "log.example\xff\n", 1), "not UTF-8"},
		{"last line without end", strings.TrimSuffix(good, "\n"), "no end"},
		{"text after signatures", good + "x", "no end"},
		{"line after signatures", good + "x\n", "em dash"},
		{"empty line after signatures", good + "\n", ""},
		{"hyphen for em dash", strings.Replace(good, "—", "-", 1), "em dash"},
		{"no name", testText() + "\n— " + "AQIDBAU=\n", "key name"},
		{"empty name", testText() + "\n—  AQIDBAU=\n", "key name"},
		{"name with plus", testText() + "\n— a+b AQIDBAU=\n", "key name"},
		{"name with no-break space", testText() + "\n— a\u00a0b AQIDBAU=\n", "key name"},
		{"signature not base64", testText() + "\n— log.example AQID*AU=\n", "base64"},
		{"signature with loose bits", testText() + "\n— log.example AQIDBAV=\n", "base64"},
		{"signature and more", testText() + "\n— log.example AQIDBAU= x\n", "base64"},
		{"key id alone", testText() + "\n— log.example AQIDBA==\n", "base64"},
		{"nothing signed", testText() + "\n— log.example \n", "base64"},
		{"101 signatures", testText() + "\n" + strings.Repeat(sig, 101), "more than 100"},
		{"too long", testText() + strings.Repeat("extension\n", 1<<15) + "\n" + sig, "longer than"},
	}
	for _, tt := range tests {
		s, err := ParseCheckpoint([]byte(tt.in))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ParseCheckpoint = %v, %v; want error with %q", tt.name, s, err, tt.want)
		}
	}
}

func TestParseCheckpointTakesExtremeSizes(t *testing.T) {
	for _, size := range []string{"0", "9223372036854775808", "18446744073709551615"} {
		in := strings.Replace(testText(), "42", size, 1) + "\n" + signatureLine("log.example", 1, 2, 3, 4, 5)
		s, err := ParseCheckpoint([]byte(in))
		if err != nil || fmt.Sprint(s.Checkpoint.Size) != size {
			t.Errorf("size %s: %v, %v", size, s, err)
		}
	}
}

// What x/mod signs, we verify; what we write, x/mod opens.
func TestCheckpointAgreesWithSumdbNote(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	public := key.Public().(ed25519.PublicKey)
	const origin = "log.example/2026"
	signer := sumdbSigner{origin, key}
	witness := sumdbSigner{"witness.example", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	text := Checkpoint{Origin: origin, Size: 7, Root: testRoot, Extensions: []string{"ext"}}.Marshal()
	signed, err := note.Sign(&note.Note{Text: string(text)}, witness, signer)
	if err != nil {
		t.Fatal(err)
	}

	s, err := ParseCheckpoint(signed)
	if err != nil {
		t.Fatal(err)
	}
	id, err := KeyID(origin, public)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(public, id); err != nil {
		t.Error(err)
	}
	if got := s.Marshal(); !bytes.Equal(got, signed) {
		t.Errorf("Marshal = %q, want %q", got, signed)
	}

	verifierKey, err := note.NewEd25519VerifierKey(origin, public)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(s.Marshal(), note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if n.Text != string(s.Text) || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 1 {
		t.Errorf("note.Open = %+v", n)
	}
}

// A sumdbSigner signs as note.NewSigner does, from a fixed key.
type sumdbSigner struct {
	name string
	key  ed25519.PrivateKey
}

func (s sumdbSigner) Name() string { return s.name }

func (s sumdbSigner) KeyHash() uint32 {
	vkey, err := note.NewEd25519VerifierKey(s.name, s.key.Public().(ed25519.PublicKey))
	if err != nil {
		return 0
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return 0
	}
	return v.KeyHash()
}

func (s sumdbSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// FuzzParseCheckpoint checks that what parses is written back byte for byte,
// and that x/mod finds the same lines in it.
func FuzzParseCheckpoint(f *testing.F) {
	f.Add([]byte(testText() + "\n" + signatureLine("log.example", 1, 2, 3, 4, 5)))
	f.Add([]byte("rekor.example - 1193050959916656506\n0\n" + base64.StdEncoding.EncodeToString(testRoot[:]) +
		"\nTimestamp: 1\n\n" + signatureLine("rekor.example", 1, 2, 3, 4, 5) + signatureLine("w", 0, 0, 0, 0, 0)))
	f.Add([]byte(testText() + "\n\n" + signatureLine("log.example", 1, 2, 3, 4, 5)))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := ParseCheckpoint(in)
		if err != nil {
			return
		}
		if got := s.Marshal(); !bytes.Equal(got, in) {
			t.Errorf("Marshal = %q, want %q", got, in)
		}
		if got := s.Checkpoint.Marshal(); !bytes.Equal(got, s.Text) {
			t.Errorf("Checkpoint.Marshal = %q, want %q", got, s.Text)
		}
		_, err = note.Open(in, note.VerifierList())
		unverified, ok := err.(*note.UnverifiedNoteError)
		if !ok {
			t.Fatalf("note.Open: %v", err)
		}
		if unverified.Note.Text != string(s.Text) {
			t.Errorf("note.Open: text %q, want %q", unverified.Note.Text, s.Text)
		}
	})
}

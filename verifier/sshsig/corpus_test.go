package sshsig

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/gitutil"
	"gitseal/verifier"
)

// corpus has real objects, which carry names and so are not in the project.
const corpus = "../../../shared/corpus"

// A corpusObject is a line of expected.jsonl: what git and ssh-keygen say.
type corpusObject struct {
	OID            string
	Object         string
	Kind           string
	Expected       string // git's grade
	Signer         string
	Output         string `json:"verify_output"`
	KeyType        string
	Hash           string
	Time           int64
	AllowedSigners string `json:"allowed_signers"`
}

func readCorpus(t *testing.T, folder string) []corpusObject {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus, folder, "expected.jsonl"))
	if os.IsNotExist(err) {
		t.Skip("the corpus of real objects is not there")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // only read
	var objects []corpusObject
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o corpusObject
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return objects
}

func readFile(t *testing.T, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{corpus}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func splitObject(t *testing.T, typ string, data []byte) gitutil.Split {
	t.Helper()
	split := gitutil.SplitCommit
	if typ == "tag" {
		split = gitutil.SplitTag
	}
	s, err := split(data, gitutil.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// classes are the classes that belong to git's grades of SSH signatures.
var classes = map[string]verifier.Class{"G": verifier.Verified, "U": verifier.IdentityNotAllowed}

// differs says why a real object is of another class than git's grade says.
var differs = map[string]struct {
	class verifier.Class
	why   string
}{
	"97e891ebbd2d95f4b0b5825ef933d8bb85dd1203": {verifier.WeakAlgorithm, "an RSA key of 1024 bits, the least that OpenSSH accepts"},
}

// fingerprint returns that of the key as ssh-keygen prints it: of a
// certificate that of the key in it.
func (o *corpusObject) fingerprint() string {
	line, _, _ := strings.Cut(o.Output, "\n")
	return line[strings.LastIndexByte(line, ' ')+1:]
}

func TestCorpus(t *testing.T) {
	objects := readCorpus(t, "ssh")
	// git judges keys at the committer's date.
	rules := verifier.KeyRules{At: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), AtSigning: true}
	files := make(map[string]*AllowedSigners)
	for _, o := range objects {
		if files[o.AllowedSigners] == nil {
			a, err := ReadAllowedSigners(o.AllowedSigners, readFile(t, o.AllowedSigners))
			if err != nil {
				t.Fatal(err)
			}
			files[o.AllowedSigners] = a
		}
		v, err := New(Config{AllowedSigners: []*AllowedSigners{files[o.AllowedSigners]}, Rules: rules})
		if err != nil {
			t.Fatal(err)
		}
		s := splitObject(t, o.Object, readFile(t, "ssh", "objects", o.OID))
		result, err := v.Verify(s.Payload, s.Signature)
		class, message := verifier.Verified, ""
		if err != nil {
			kerr := err.(*verifier.KeyError)
			class, message, result = kerr.Class, err.Error(), &kerr.Unverified
			if kerr.Valid != nil {
				result = kerr.Valid
			}
		}
		want, known := differs[o.OID]
		if !known {
			want.class = classes[o.Expected]
		}
		if class != want.class {
			t.Errorf("%s: class %s (%s), want %s: git's grade is %s", o.OID, class, message, want.class, o.Expected)
		}
		if known && message == "" {
			t.Errorf("%s: verified, but known not to be: %s", o.OID, want.why)
		}
		if result.Signer.Identity.Subject != o.Signer || result.Key != o.fingerprint() || result.Signer.Key != o.fingerprint() {
			t.Errorf("%s: signer %q with key %s, want %q with %s", o.OID, result.Signer.Identity.Subject, result.Key, o.Signer, o.fingerprint())
		}
		if result.Algorithm != o.KeyType || result.Hash != o.Hash || result.Claimed.Unix() != o.Time {
			t.Errorf("%s: %s, %s, %d; want %s, %s, %d", o.OID, result.Algorithm, result.Hash, result.Claimed.Unix(), o.KeyType, o.Hash, o.Time)
		}
		if _, err := v.Verify(append(s.Payload[:len(s.Payload):len(s.Payload)], '\n'), s.Signature); err == nil {
			t.Errorf("%s: verified over another payload", o.OID)
		}
	}
}

// The objects that are odd in other ways have right signatures, by keys that
// no file is known for.
func TestCorpusOdd(t *testing.T) {
	v, err := New(Config{Rules: verifier.KeyRules{At: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, o := range readCorpus(t, "odd") {
		data := readFile(t, "odd", "objects", o.OID)
		s := splitObject(t, o.Object, data)
		if o.Kind != "ssh" {
			if bytes.Contains(data, []byte(armorBegin)) {
				if _, err := v.Verify(s.Payload, s.Signature); err == nil {
					t.Errorf("%s: verified what is no SSH signature", o.OID)
				}
			}
			continue
		}
		n++
		_, err := v.Verify(s.Payload, s.Signature)
		if kerr := wantClass(t, err, verifier.UnknownKey, "no allowed signers"); kerr.Valid == nil {
			t.Errorf("%s: Valid is nil", o.OID)
		}
	}
	if n == 0 {
		t.Error("no object of kind ssh")
	}
}

func TestCorpusAllowedSigners(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus, "keys", "ssh", "*.allowed_signers"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("the corpus of real files is not there")
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		a, err := ReadAllowedSigners(filepath.Base(name), data)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, err := range a.Skipped {
			t.Error(err)
		}
		if len(data) > 0 && a.Len() == 0 {
			t.Errorf("%s: no lines", name)
		}
	}
}

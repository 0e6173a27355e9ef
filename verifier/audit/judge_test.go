package audit

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gitseal/fakeca"
	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/report"
)

// newJudge returns a judge that trusts a new authority, and the authority.
func newJudge(t testing.TB) (*Judge, *fakeca.Authority) {
	t.Helper()
	a, err := fakeca.New(fakeca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() }) // in memory: nothing to lose
	root, err := verifier.ParseTrustedRoot(a.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		t.Fatal(err)
	}
	return &Judge{Format: gitutil.SHA1, Verifier: v, Allowed: Anyone{}}, a
}

const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// FuzzJudge checks that whatever bytes an object has, it gets one known
// class, with a message unless it is good, and facts only if it is valid.
func FuzzJudge(f *testing.F) {
	j, a := newJudge(f)
	commit := "tree " + emptyTree + "\nauthor A <a@example.com> 1 +0000\ncommitter A <a@example.com> 1 +0000\n"
	payload := commit + "\nmessage\n"
	signature := strings.TrimSuffix(string(a.Sign([]byte(payload), fakeca.Fixture{})), "\n")
	header := strings.ReplaceAll(signature, "\n", "\n ")
	tag := "object " + emptyTree + "\ntype tree\ntag v1\ntagger A <a@example.com> 1 +0000\n\nv1\n"
	f.Add("commit", []byte(payload))
	f.Add("commit", []byte(commit+"gpgsig "+header+"\n\nmessage\n"))
	f.Add("commit", []byte(commit+"mergetag "+strings.ReplaceAll(tag, "\n", "\n ")+"\ngpgsig "+header+"\n\nmessage\n"))
	f.Add("commit", []byte(commit+"gpgsig -----BEGIN PGP SIGNATURE-----\n\n"))
	f.Add("tag", []byte(tag))
	f.Add("tag", []byte(tag+string(a.Sign([]byte(tag), fakeca.Fixture{}))))
	f.Add("tag", []byte(tag+"-----BEGIN SIGNED MESSAGE-----\n"))
	f.Add("tree", []byte{})
	f.Fuzz(func(t *testing.T, typ string, data []byte) {
		o := gitutil.Object{Type: typ, Size: int64(len(data)), Data: data}
		var err error
		if o.OID, err = gitutil.HashObject(j.Format, typ, data); err != nil {
			return
		}
		v := j.Object(t.Context(), o)
		verdicts := []Verdict{v}
		for _, m := range v.mergetags {
			verdicts = append(verdicts, m.Verdict)
		}
		for _, v := range verdicts {
			if !slices.Contains(report.Classes(), v.Class) {
				t.Errorf("class %q is not known", v.Class)
			}
			good := v.Class == verifier.Verified
			if (v.Message == "") != good || (v.Result != nil) != good {
				t.Errorf("class %s with message %q and result %v", v.Class, v.Message, v.Result)
			}
		}
	})
}

func TestJudgeRefusesWhatItsIDDoesNotName(t *testing.T) {
	j, _ := newJudge(t)
	data := []byte("tree " + emptyTree + "\nauthor A <a@example.com> 1 +0000\ncommitter A <a@example.com> 1 +0000\n\nm\n")
	oid, err := gitutil.HashObject(gitutil.SHA1, "commit", data)
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[verifier.Class]gitutil.Object{
		report.Unsigned:        {OID: oid, Type: "commit", Size: int64(len(data)), Data: data},
		report.MalformedObject: {OID: emptyTree, Type: "commit", Size: int64(len(data)), Data: data},
		report.MissingObject:   {OID: oid, Missing: true},
	} {
		if v := j.Object(t.Context(), o); v.Class != want || v.Message == "" {
			t.Errorf("class %s, message %q; want %s", v.Class, v.Message, want)
		}
	}
	tooLarge := gitutil.Object{OID: oid, Type: "commit", Size: gitutil.MaxObjectSize + 1}
	if v := j.Object(t.Context(), tooLarge); v.Class != report.MalformedObject {
		t.Errorf("class of an object that is too large to read: %s", v.Class)
	}
}

func TestClip(t *testing.T) {
	for _, message := range []string{"", "short", strings.Repeat("x", maxMessage), strings.Repeat("é", maxMessage), "x" + strings.Repeat("é", maxMessage)} {
		got := clip(message)
		if !utf8.ValidString(got) || len(got) > maxMessage+len("…") || !strings.HasPrefix(message, strings.TrimSuffix(got, "…")) {
			t.Errorf("clip(%q) = %q", message, got)
		}
	}
}

func TestBudgetWaitsUntilBytesAreGivenBack(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := newBudget(ctx, 10)
	if !b.take(ctx, 100) {
		t.Fatal("an object larger than the budget never gets through")
	}
	taken := make(chan bool)
	go func() { taken <- b.take(ctx, 1) }()
	b.give(100)
	if !<-taken {
		t.Error("take failed after bytes were given back")
	}
	if !b.take(ctx, 9) || b.used != 10 {
		t.Errorf("%d bytes taken, want 10", b.used)
	}
}

func TestBudgetEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := newBudget(ctx, 10)
	b.take(ctx, 10)
	taken := make(chan bool)
	go func() { taken <- b.take(ctx, 1) }()
	cancel()
	if <-taken {
		t.Error("take succeeded although nothing was given back")
	}
}

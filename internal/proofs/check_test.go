package proofs

import (
	"errors"
	"strings"
	"testing"

	"gitseal/gitutil"
	"gitseal/verifier"
)

func TestCheckTakesWhatAddWrites(t *testing.T) {
	r := newRig(t)
	r.add(one(1, proof(t, 1)))
	first := r.git("rev-parse", Ref)
	r.add(map[[32]byte][]verifier.Proof{keyOf(1): {proof(t, 0)}, keyOf(2): {proof(t, 0)}})
	second := r.git("rev-parse", Ref)
	for _, old := range []string{"", first, second} {
		if err := Check(t.Context(), r.repo, old, second); err != nil {
			t.Errorf("Check(%q) = %v, want nil", old, err)
		}
	}
}

func TestCheckRefusesToTakeProofsAway(t *testing.T) {
	r := newRig(t)
	p, q := proof(t, 0), proof(t, 1)
	r.add(map[[32]byte][]verifier.Proof{keyOf(1): {p, q}, keyOf(2): {p}})
	old := r.git("rev-parse", Ref)
	for _, test := range []struct {
		name string
		rest map[[32]byte][]verifier.Proof
		want string
	}{
		{"a file", map[[32]byte][]verifier.Proof{keyOf(1): {p, q}}, path(keyOf(2)) + ": proofs that are there would be gone"},
		{"a line", map[[32]byte][]verifier.Proof{keyOf(1): {q}, keyOf(2): {p}}, path(keyOf(1)) + ": a proof that is there would be gone"},
	} {
		r.git("update-ref", "-d", Ref)
		r.add(test.rest)
		var hostile *HostileError
		if err := Check(t.Context(), r.repo, old, r.git("rev-parse", Ref)); !errors.As(err, &hostile) || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("Check without %s = %v, want %q", test.name, err, test.want)
		}
	}
}

func TestCheckRefusesWhatIsNoProof(t *testing.T) {
	r := newRig(t)
	r.add(one(1, proof(t, 0)))
	old := r.git("rev-parse", Ref)
	entries := r.git("ls-tree", Ref)
	blob := r.blob("hello\n")
	name := strings.Repeat("0", 62)
	for _, test := range []struct{ name, line, want string }{
		{"a file", "100644 blob " + blob + "\tREADME", "README: a file"},
		{"a directory", "040000 tree " + r.tree() + "\tsrc", "src: a directory"},
		{"a file with another name", "040000 tree " + r.tree("100644 blob "+blob+"\tx") + "\t0f", "0f/x: a file"},
		{"a file of something else", "040000 tree " + r.tree("100644 blob "+blob+"\t"+name) + "\t0f", "line 1:"},
	} {
		commit := r.put("refs/heads/x", r.tree(append(strings.Split(entries, "\n"), test.line)...))
		for _, before := range []string{"", old} {
			var hostile *HostileError
			if err := Check(t.Context(), r.repo, before, commit); !errors.As(err, &hostile) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Check of %s = %v, want a HostileError with %q", test.name, err, test.want)
			}
		}
		// What was let in at another time may go.
		if err := Check(t.Context(), r.repo, commit, old); err != nil && strings.HasPrefix(test.line, "100644") {
			t.Errorf("Check of proofs after %s = %v, want nil", test.name, err)
		}
	}
	for _, oid := range []string{blob, r.git("rev-parse", Ref+"^{tree}")} {
		var hostile *HostileError
		if err := Check(t.Context(), r.repo, "", oid); !errors.As(err, &hostile) {
			t.Errorf("Check of what is no commit = %v, want a HostileError", err)
		}
	}
	var hostile *HostileError
	if err := Check(t.Context(), r.repo, "", strings.Repeat("1", 40)); errors.As(err, &hostile) || !errors.Is(err, gitutil.ErrMissing) {
		t.Errorf("Check of a commit that is missing = %v, want ErrMissing and no verdict", err)
	}
}

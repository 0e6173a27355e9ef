package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"gitseal/gitutil"
	"gitseal/internal/proofs"
	"gitseal/verifier"
)

// openProofs returns the proofs that a repository keeps, and those in the commits
// that are being pushed to it; nil if there are none. The caller closes the
// Reader.
func openProofs(ctx context.Context, repo *gitutil.Repo, pushed ...string) (*proofs.Reader, error) {
	r, err := proofs.Open(ctx, repo.Config(), pushed...)
	if err != nil || !r.Empty() {
		return r, err
	}
	return nil, r.Close()
}

// closeProofs says what was found among the proofs that is none, and closes the
// Reader, which may be nil.
func (e *env) closeProofs(r *proofs.Reader) {
	if r == nil {
		return
	}
	for _, what := range r.Ignored() {
		fmt.Fprintf(e.stderr, "gitseal: no proof, and ignored: %s\n", oneLine(what))
	}
	_ = r.Close() // what was read is verified
}

// findProofs returns the proofs of a signature that the repository keeps which
// git runs us in; none where it runs us outside of one.
func findProofs(ctx context.Context, signature []byte) ([]verifier.Proof, error) {
	key, err := verifier.ProofKey(signature)
	if err != nil {
		return nil, err
	}
	r, err := proofs.Open(ctx, gitutil.Config{})
	if errors.Is(err, gitutil.ErrNotRepository) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found, err := r.Find(ctx, key)
	return found, errors.Join(err, r.Close())
}

// remoteNames returns the names of the remotes of the repository that git finds
// from here; none if git does not tell.
func remoteNames(ctx context.Context) []string {
	out, err := exec.CommandContext(ctx, "git", "remote").Output()
	if err != nil {
		return nil
	}
	return strings.Fields(string(out))
}

// hasRemote reports whether a remote has that name: git push has URLs in their
// place, too.
func hasRemote(ctx context.Context, name string) bool {
	for _, remote := range remoteNames(ctx) {
		if remote == name {
			return true
		}
	}
	return false
}

// maxPushes bounds how often proofs are pushed again because somebody else has
// pushed some meanwhile.
const maxPushes = 4

// pushProofs pushes the proofs of a repository to a remote, united with those
// that are there, and reports whether there was something to push.
func pushProofs(ctx context.Context, repo *gitutil.Repo, remote string) (pushed bool, err error) {
	named := hasRemote(ctx, remote)
	known := "" // what a remote has without a name is known nowhere
	if named {
		known = proofs.Remotes + remote
	}
	for try := 1; ; try++ {
		ours, theirs, err := unitedProofs(ctx, repo, known)
		if err != nil || ours == "" || ours == theirs {
			return false, err
		}
		err = runGitQuietly(ctx, "push", "--no-verify", "--quiet", "--no-follow-tags", "--recurse-submodules=no", remote, ours+":"+proofs.Ref)
		switch {
		case err == nil && named:
			// Git notes it where it fetches that ref, and else we do.
			return true, runGitQuietly(ctx, "update-ref", known, ours)
		case err == nil:
			return true, nil
		case !named || try == maxPushes:
			return false, err
		}
		// It may have others, which are taken in then. If not, to push again
		// would fail again.
		if runGitQuietly(ctx, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", remote, "+"+proofs.Ref+":"+known) != nil {
			return false, err
		}
		if refs, tipErr := gitutil.RefsBelow(ctx, repo.Config(), known); tipErr != nil || len(refs) == 0 || refs[0].OID == theirs {
			return false, err
		}
	}
}

// unitedProofs unites the proofs of a repository with those that are known of a
// remote, and returns what both refs hold then; "" for one that is not there.
func unitedProofs(ctx context.Context, repo *gitutil.Repo, known string) (ours, theirs string, err error) {
	read := func() error {
		names := []string{proofs.Ref}
		if known != "" {
			names = append(names, known)
		}
		refs, err := gitutil.RefsBelow(ctx, repo.Config(), names...)
		ours, theirs = "", ""
		for _, ref := range refs {
			if ref.Name == proofs.Ref {
				ours = ref.OID
			} else {
				theirs = ref.OID
			}
		}
		return err
	}
	if err := read(); err != nil || ours == "" || theirs == "" || ours == theirs {
		return ours, theirs, err
	}
	if err := proofs.Add(ctx, repo.CommonDir(), nil); err != nil {
		return "", "", err
	}
	err = read()
	return ours, theirs, err
}

// maxComplaint bounds what is told of git's complaints.
const maxComplaint = 1 << 9

// runGitQuietly runs git where git finds us, and returns what it complains of.
func runGitQuietly(ctx context.Context, args ...string) error {
	// Its advice is for who pushes branches.
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "advice.pushUpdateRejected=false"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if err == nil {
		return nil
	}
	said := strings.TrimSpace(stderr.String())
	if said == "" {
		return fmt.Errorf("git %s: %w", args[0], err)
	}
	return fmt.Errorf("git %s: %s", args[0], said[:min(len(said), maxComplaint)])
}

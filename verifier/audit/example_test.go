package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"gitseal/fakeca"
	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/report"
)

// Audit the history of a repository with a signed commit and an unsigned one
// under the trusted root of the authority that was used.
func ExampleRun() {
	authority, err := fakeca.New(fakeca.Config{})
	check(err)
	repo := exampleRepo(authority)
	defer os.RemoveAll(repo.Dir())

	root, err := verifier.ParseTrustedRoot(authority.TrustedRoot())
	check(err)
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	check(err)

	r, err := audit.Run(context.Background(), audit.Config{
		Repo:         repo,
		Verifier:     v,
		TrustedRoots: []*verifier.TrustedRoot{root},
		Revisions:    []string{"HEAD"},
		Now:          func() time.Time { return time.Unix(1700000000, 0) },
	})
	check(err)
	fmt.Println("examined:", r.Totals.Examined)
	fmt.Println("verified:", r.Totals.Classes[verifier.Verified])
	for _, s := range r.Signers {
		fmt.Println("signer:", s.Identity)
	}
	for f := range r.Findings.All() {
		if f.Severity != report.Note {
			fmt.Println("finding:", f.ID, f.Object.Type)
		}
	}
	fmt.Println("result:", r.Result)
	// Output:
	// examined: 2
	// verified: 1
	// signer: alice@example.com
	// finding: unsigned commit
	// result: violation
}

// exampleRepo makes a repository with an unsigned commit and, on it, one that
// the authority signs.
func exampleRepo(authority *fakeca.Authority) *gitutil.Repo {
	dir, err := os.MkdirTemp("", "example")
	check(err)
	env := append(gitutil.Pinned(os.Environ(), filepath.Join(dir, ".git")), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
	git := func(stdin []byte, args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Env, cmd.Stdin = env, bytes.NewReader(stdin)
		out, err := cmd.Output()
		check(err)
		return strings.TrimSpace(string(out))
	}
	git(nil, "init", "-q", "-b", "main", "--object-format=sha1")
	tree := git(nil, "hash-object", "-t", "tree", "-w", "--stdin")

	one := git(commitBytes(tree, "one"), "hash-object", "-t", "commit", "-w", "--stdin")
	payload := commitBytes(tree, "two", one)
	signed := insertHeader(payload, "gpgsig", authority.Sign(payload, fakeca.Fixture{Subject: "alice@example.com"}))
	git(nil, "update-ref", "refs/heads/main", git(signed, "hash-object", "-t", "commit", "-w", "--stdin"))

	repo, err := gitutil.Open(context.Background(), gitutil.Config{Dir: dir, Env: env})
	check(err)
	return repo
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

package signer_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/go-git/go-billy/v5/memfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"

	"gitseal/fakeca"
	"gitseal/signer"
	"gitseal/verifier"
)

// vouched is a token source: here the embedded authority, which vouches for
// whoever it is told to. Elsewhere it is a login, or a CI system's identity.
type vouched struct {
	authority *fakeca.Authority
	subject   string
}

func (v vouched) Token(ctx context.Context) (string, error) {
	return v.authority.Token(ctx, v.subject)
}

// embedded returns a signer on an embedded authority of its own, and a verifier
// that trusts it.
func embedded(subject string) (*signer.Signer, *verifier.Verifier) {
	authority, err := fakeca.New(fakeca.Config{})
	if err != nil {
		log.Fatal(err)
	}
	root, err := verifier.ParseTrustedRoot(authority.TrustedRoot())
	if err != nil {
		log.Fatal(err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		log.Fatal(err)
	}
	s, err := signer.New(signer.Config{
		Tokens: vouched{authority, subject}, CA: authority, Verifier: v,
		Logs: []signer.Log{authority}, Timestampers: []signer.Timestamper{authority},
	})
	if err != nil {
		log.Fatal(err)
	}
	return s, v
}

// Signing a payload, and verifying it again.
func ExampleSigner_Sign() {
	s, v := embedded("alice@example.com")
	signature, err := s.Sign(context.Background(), []byte("what was signed"))
	if err != nil {
		log.Fatal(err)
	}
	result, err := v.Verify([]byte("what was signed"), signature.Armored, verifier.AnyIdentity{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Certificate.Identity.Subject, "entry", result.Log.Index)
	// Output: alice@example.com entry 0
}

// goGit makes a Signer one of go-git's, whose interface has no context.
type goGit struct {
	ctx context.Context
	*signer.Signer
}

// Sign signs what go-git is about to store.
func (g goGit) Sign(message io.Reader) ([]byte, error) {
	payload, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	signature, err := g.Signer.Sign(g.ctx, payload)
	if err != nil {
		return nil, err
	}
	return signature.Armored, nil
}

// A Go program that commits with go-git signs through its Signer interface,
// without git and without a key of its own.
func Example_goGit() {
	s, v := embedded("robot@example.com")
	repo, err := git.Init(memory.NewStorage(), memfs.New())
	if err != nil {
		log.Fatal(err)
	}
	tree, err := repo.Worktree()
	if err != nil {
		log.Fatal(err)
	}
	id, err := tree.Commit("signed by a program", &git.CommitOptions{
		AllowEmptyCommits: true,
		Author:            &object.Signature{Name: "Robot", Email: "robot@example.com", When: time.Unix(1_700_000_000, 0)},
		Signer:            goGit{context.Background(), s},
	})
	if err != nil {
		log.Fatal(err)
	}

	commit, err := repo.CommitObject(id)
	if err != nil {
		log.Fatal(err)
	}
	payload := repo.Storer.NewEncodedObject()
	if err := commit.EncodeWithoutSignature(payload); err != nil {
		log.Fatal(err)
	}
	r, err := payload.Reader()
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	signed, err := io.ReadAll(r)
	if err != nil {
		log.Fatal(err)
	}
	result, err := v.Verify(signed, []byte(commit.PGPSignature), verifier.AnyIdentity{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("commit signed by", result.Certificate.Identity.Subject)
	// Output: commit signed by robot@example.com
}

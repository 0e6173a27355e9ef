package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"gitseal/gitutil"
	"gitseal/verifier/audit"
	"gitseal/verifier/policy"
)

// policyPath is where a repository keeps its policy, unless the user says
// otherwise.
const policyPath = ".gitseal/policy.toml"

// fromBase makes an audit one of what a revision would bring to a base: a pull
// request. It is judged by the rules for the base.
func (a *auditRun) fromBase(ctx context.Context, cfg *audit.Config, base string) error {
	head := "HEAD"
	switch {
	case len(a.revisions) == 1 && !strings.Contains(a.revisions[0], ".."):
		head = a.revisions[0]
	case len(a.revisions) > 0:
		return usage("with --base, one revision says what would be merged")
	}
	cfg.Revisions = []string{base + ".." + head}
	if cfg.Ref != "" {
		return nil
	}
	ref, err := cfg.Repo.FullName(ctx, base)
	if errors.Is(err, gitutil.ErrMissing) {
		return fail(exitUsage, fmt.Errorf("--base %s is no revision of this repository", base), "git fetch origin   # a shallow clone may lack it")
	}
	if err != nil {
		return fail(exitUsage, fmt.Errorf("--base: %w", err))
	}
	cfg.Ref = ref
	return nil
}

// checkBase refuses to judge a pull request by nobody's rules: without a policy
// anybody's signature would do, and without a ref no rule would apply.
func (a *auditRun) checkBase(cfg *audit.Config) error {
	base := a.c.String("base")
	switch {
	case base == "":
	case cfg.Policy == nil && !a.c.Bool("any-identity"):
		return fail(exitUsage, fmt.Errorf("%s holds no %s, and there is no other policy: anybody's signature would do", base, policyPath),
			"gitseal policy init -o "+policyPath+"   # proposes one, for "+base,
			"or, if that is what you want: --any-identity")
	case cfg.Policy != nil && len(cfg.Policy.AllRules()) > 0 && cfg.Ref == "":
		return fail(exitUsage, fmt.Errorf("--base %s names no ref, and the policy has rules for refs", base), "say for which it is: --ref refs/heads/main")
	case cfg.Policy != nil && cfg.PolicyFile == nil && !a.c.IsSet("policy"):
		fmt.Fprintf(a.env.stderr, "gitseal: %s holds no %s: judged by %s\n", printable(base), policyPath, printable(cfg.PolicySource))
	}
	return nil
}

// explainCommand returns the command that explains how an object was judged, by
// what it was judged by.
func (a *auditRun) explainCommand(cfg *audit.Config) string {
	if base := a.c.String("base"); base != "" {
		command := "gitseal audit --base " + shellWord(base)
		if len(a.revisions) > 0 {
			command += " " + shellWord(a.revisions[0])
		}
		if a.c.IsSet("policy") {
			command += " --policy " + shellWord(a.c.String("policy"))
		}
		return command + " --explain OID"
	}
	command := "gitseal policy explain OID"
	if a.c.IsSet("policy") {
		command += " --policy " + shellWord(a.c.String("policy"))
	}
	if a.c.IsSet("ref") {
		command = "gitseal audit --ref " + shellWord(a.c.String("ref"))
		for _, rev := range a.revisions {
			command += " " + shellWord(rev)
		}
		if a.c.IsSet("policy") {
			command += " --policy " + shellWord(a.c.String("policy"))
		}
		command += " --explain OID"
	}
	return command
}

// policy gives the audit its policy: what --policy names, or for a pull request
// what its base holds, or the user's own.
func (a *auditRun) policy(ctx context.Context, cfg *audit.Config) (err error) {
	if a.readPolicy != nil {
		return a.readPolicy(ctx, cfg)
	}
	name, base := a.c.String("policy"), a.c.String("base")
	if name != "" && isRevisionPath(name) {
		return readPolicyAt(ctx, cfg, name)
	}
	if base != "" && name == "" {
		at := base + ":" + policyPath
		if _, _, err := cfg.Repo.Resolve(ctx, at); err == nil {
			return readPolicyAt(ctx, cfg, at)
		} else if !errors.Is(err, gitutil.ErrMissing) {
			return fail(exitUsage, err)
		}
	}
	if base != "" && name != "" && a.inWorkTree(cfg.Repo, name) {
		return fail(exitUsage, fmt.Errorf("--policy %s is in the work tree, where what is to be judged could allow itself", name),
			"take it from the base: --policy "+shellWord(base+":"+filepath.ToSlash(name)))
	}
	cfg.Policy, cfg.PolicySource, err = a.settings.policy(name)
	return err
}

// inWorkTree reports whether a file is in the work tree of a repository. What
// is in the git directory is not: no checkout writes there.
func (a *auditRun) inWorkTree(repo *gitutil.Repo, name string) bool {
	top := filepath.Dir(repo.CommonDir())
	file, err := filepath.Abs(name)
	if err != nil || filepath.Base(repo.CommonDir()) != ".git" && repo.GitDir() == repo.CommonDir() {
		return false // a bare repository has none
	}
	for _, dir := range []string{top, filepath.Clean(repo.Dir())} {
		if dir == "." || dir == "" {
			continue
		}
		if rel, err := filepath.Rel(dir, file); err == nil && !strings.HasPrefix(rel, "..") {
			return !strings.HasPrefix(file, repo.CommonDir()+string(filepath.Separator))
		}
	}
	return !filepath.IsAbs(name)
}

// readPolicyAt reads a policy from a commit, and has the audit follow its
// changes up to there.
func readPolicyAt(ctx context.Context, cfg *audit.Config, at string) error {
	data, err := readBlob(ctx, cfg.Repo, at, maxPolicy)
	if err != nil {
		return err
	}
	p, err := policy.Parse(at, data)
	if err != nil {
		return fail(exitUsage, err, "git show "+shellWord(at)+" | gitseal policy check /dev/stdin")
	}
	cfg.Policy, cfg.PolicySource = p, at
	rev, path, ok := strings.Cut(at, ":")
	if !ok || path == "" {
		return nil // a blob that a tag names: it has no history
	}
	commit, typ, err := cfg.Repo.Resolve(ctx, rev+"^{commit}")
	if err != nil || typ != "commit" {
		return usage("--policy %s: %s is no commit", at, rev)
	}
	ref, err := cfg.Repo.FullName(ctx, rev)
	if err != nil {
		return fail(exitUsage, err)
	}
	cfg.PolicyFile = &audit.PolicyFile{Commit: commit, Ref: ref, Path: path}
	return nil
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	sigstore "gitseal/internal/trust"
)

// tufProgram is the program that speaks TUF. It is another one than this so
// that a program that git starts for every commit does not carry a TUF client:
// see docs/decisions/0006-tuf-program.md.
const tufProgram = "gitseal-tuf"

// updateTimeout is how long an update may take: some dozen small files.
const updateTimeout = 2 * time.Minute

// maxAnswer bounds what is read of tufProgram's output.
const maxAnswer = 64 << 10

// Hints of an update.
const (
	updateTrust     = "gitseal trust update"
	otherNetwork    = "try another network: what came is not what the repository signed"
	setUpRepository = "gitseal init --instance URL --root FILE"
)

// update brings the instance's trust up to date from its TUF repository, which
// it has.
func (s *settings) update(ctx context.Context, e *env, in *instance) (*sigstore.Update, error) {
	url, err := in.repository()
	if err != nil {
		return nil, err
	}
	args := []string{"-url", url}
	if in.setting.Value != sigstoreName {
		args = append(args, "-root", filepath.Join(in.dir, tufRootFile))
	}
	return s.runTUF(ctx, e, in.dir, args)
}

// runTUF runs tufProgram, which brings the files in dir up to date. args say
// from which repository.
func (s *settings) runTUF(ctx context.Context, e *env, dir string, args []string) (*sigstore.Update, error) {
	program, err := findTUF(e)
	if err != nil {
		return nil, err
	}
	cache, err := s.baseDir("XDG_CACHE_HOME", ".cache")
	if err != nil {
		return nil, err
	}
	args = append(args, "-instance", dir, "-cache", filepath.Join(cache, "gitseal", "tuf"))
	cas, err := s.paths("gitseal.caFile")
	if err != nil {
		return nil, err
	}
	for _, v := range cas {
		if err := s.userOnly(v, "say whom to believe that a server is who it says"); err != nil {
			return nil, err
		}
		args = append(args, "-ca-file", v.Value)
	}
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, tokenVariable+"=") }) // it needs no token
	cmd.WaitDelay = time.Second
	stdout, stderr := limitedBuffer{limit: maxAnswer}, limitedBuffer{limit: maxAnswer}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	runErr := cmd.Run()
	if ctx.Err() != nil {
		return nil, fail(exitUnknown, fmt.Errorf("updating trust: %s was not done in time: %w", program, ctx.Err()), updateTrust)
	}
	update, err := sigstore.ParseAnswer(stdout.Bytes())
	var refusal *sigstore.Refusal
	switch {
	case errors.As(err, &refusal):
		return nil, explainRefusal(e, refusal)
	case err == nil && runErr == nil:
		return update, nil
	case runErr == nil:
		runErr = err
	}
	return nil, fail(exitUnknown, fmt.Errorf("running %s: %w: %s", program, runErr, oneLine(stderr.String())),
		"install gitseal and gitseal-tuf together, from the same release")
}

// findTUF returns the path of tufProgram: beside this program, by the name it
// was called by or by the one it has, else on the PATH.
func findTUF(e *env) (string, error) {
	name := tufProgram
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	beside := []string{filepath.FromSlash(e.program)}
	if real, err := filepath.EvalSymlinks(beside[0]); err == nil {
		beside = append(beside, real)
	}
	for _, program := range beside {
		path := filepath.Join(filepath.Dir(program), name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	path, err := exec.LookPath(tufProgram)
	if err != nil {
		return "", fail(exitUsage, fmt.Errorf("there is no program %s, neither beside %s nor on the PATH: %w", tufProgram, e.program, err),
			"install it beside gitseal: it comes with it")
	}
	return path, nil
}

// explainRefusal gives the exit code and the next command for an update that
// was refused.
func explainRefusal(e *env, r *sigstore.Refusal) error {
	err := fmt.Errorf("updating trust: %w", r)
	switch r.Reason {
	case sigstore.Unreachable:
		return fail(exitUnknown, err, "check the network, and HTTPS_PROXY if it has a proxy; then try again")
	case sigstore.Expired:
		return fail(exitFinding, err, "check the clock: it says "+formatTime(e.now()),
			"if it is right, the repository is neglected, or an old state of it is replayed: ask who runs it")
	case sigstore.RolledBack:
		return fail(exitFinding, err, "an old state of the repository may be replayed: try another network, or ask who runs it")
	case sigstore.NotSigned:
		return fail(exitFinding, err, otherNetwork, "or, if its root of trust was made anew: "+setUpRepository)
	case sigstore.MissingTarget:
		return fail(exitUsage, err, "name the TUF repository of a Sigstore instance: "+setUpRepository)
	case sigstore.Mismatch, sigstore.TooLarge, sigstore.Malformed:
		return fail(exitFinding, err, otherNetwork)
	}
	return fail(exitUsage, err)
}

// A limitedBuffer keeps the first limit bytes written to it.
type limitedBuffer struct {
	bytes.Buffer
	limit int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		return 0, io.ErrShortWrite
	}
	return b.Buffer.Write(p)
}

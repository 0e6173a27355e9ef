package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"gitseal/internal/cms"
)

// This file is git's side of the program: the calls that git makes of
// gpg.x509.program and gpg.program (gpg-interface.c), and that other programs
// make of a gpg:
//
//	gitseal --status-fd=2 -bsau KEY                  sign stdin, armored signature to stdout
//	gitseal --status-fd=1 --verify SIGNATURE -       verify stdin
//
// jj leaves out -s and gives the payload as a second file; EGit adds --batch
// --no-tty --output - and asks --locate-keys first; some write --status-fd 2
// in two words, some leave it out; git adds --keyid-format=long where the
// program stands in for gpg.

// maxPayload bounds a payload. Commit messages of 20 MB exist.
const maxPayload = 1 << 30

// signTimeout is how long a signature may take, beside the time that a person
// has to log in; most of it is waiting for other processes that sign at the same
// time.
const signTimeout = 2 * time.Minute

// asGitAsked is how errors of signing begin, and what the log of failures calls
// it.
const asGitAsked = "signing as git asked"

// runGit does what git asks for.
func runGit(ctx context.Context, e *env, args []string) error {
	// A reader that goes away is an error to report, not a signal to die of.
	signal.Ignore(syscall.SIGPIPE)
	call, err := parseGitCall(args)
	if err != nil {
		return fail(exitUsage, err, "gitseal --help")
	}
	switch {
	case call.locate:
		// EGit asks whether there is such a key before it signs. Ours is
		// made when it is needed, for whoever signs then.
		_, err := fmt.Fprintf(e.stdout, "pub:u:256:19:%s:0:::u:::s:\n", noKey)
		return err
	case call.verify:
		return call.runVerify(ctx, e)
	}
	if err = call.runSign(ctx, e); err != nil {
		s, serr := readSettings(ctx, e)
		if serr != nil {
			s = &settings{getenv: e.getenv} // which may be what is wrong
		}
		s.keepFailure(e, asGitAsked, err)
		s.tellTerminal(ctx, e, err)
	}
	return err
}

// tellTerminal says why nothing was signed on the terminal, if there is one and
// nobody would know otherwise: git before 2.40 keeps to itself what its signing
// program writes to stderr (gpg-interface.c, sign_buffer_gpg), and says only
// that gpg has failed.
func (s *settings) tellTerminal(ctx context.Context, e *env, err error) {
	if isTerminal(e.stderr) || !gitKeepsStderr(ctx) {
		return
	}
	// Where that is off, the terminal belongs to another.
	if on, _, err := s.flag("gitseal.progress", true); err == nil && !on {
		return
	}
	tty, ttyErr := openTerminal()
	if ttyErr != nil {
		return // nobody is watching
	}
	defer tty.Close() // nothing was to be kept
	_, message, hints := exitCode(err)
	writeError(tty, message, hints)
}

// gitKeepsStderr reports whether git is older than 2.40.
func gitKeepsStderr(ctx context.Context) bool {
	out, err := exec.CommandContext(ctx, "git", "version").Output()
	if err != nil {
		return false
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "git version %d.%d", &major, &minor); err != nil {
		return false
	}
	return major < 2 || major == 2 && minor < 40
}

// Hints of a signing call.
const (
	signThroughGit = "git commit -S   # git gives the payload and takes the signature"
	unwritten      = "nothing was signed: make room where standard output goes, and sign again"
)

// runSign signs standard input. Nothing but the armor goes to stdout, and
// SIG_CREATED, on which git relies, is said only when all of it is out.
func (call *gitCall) runSign(ctx context.Context, e *env) error {
	if isNull(e.stdout) {
		return fail(exitUnknown, errors.New("standard output is closed, or the null device: the signature would be lost"), signThroughGit)
	}
	e.connectAhead(ctx)
	defer e.agent.Close()
	settings, session, err := withSettings(ctx, e, func(s *settings) (*session, error) { return s.openSession(ctx, e, asGitAsked, call.key) })
	if err != nil {
		return err
	}
	defer session.Close() // what it has released is durable
	payload, err := readLimited(e.stdin, maxPayload, "the payload from standard input")
	if err != nil {
		return fail(exitUnknown, err)
	}
	if len(payload) == 0 {
		return fail(exitUnknown, errors.New("standard input is closed or empty: there is nothing to sign"), signThroughGit)
	}
	e.steps.signs(payload)
	made, err := session.sign(ctx, payload)
	if err != nil {
		return err
	}
	if _, err := e.stdout.Write(made.Armored); err != nil {
		return fail(exitUnknown, fmt.Errorf("writing the signature: %w", err), unwritten)
	}
	if err := e.stdout.Close(); err != nil {
		return fail(exitUnknown, fmt.Errorf("writing the signature: %w", err), unwritten)
	}
	at := made.Result.Time
	if at.IsZero() {
		at = made.Result.SigningTime // nothing proves one yet
	}
	created := fmt.Sprintf("BEGIN_SIGNING H8\nSIG_CREATED D 19 8 00 %d %s", at.Unix(), fingerprint(&made.Result.Certificate))
	if err := call.writeStatus(e, created); err != nil {
		return fail(exitUnknown, fmt.Errorf("writing the status: %w", err))
	}
	settings.tell(e, payload, made)
	return nil
}

// runVerify verifies a signature file over a payload and reports as gpg does.
// Whatever happens, exactly one verdict goes to the status descriptor: git
// takes none for "no signature", which a gate may let through.
func (call *gitCall) runVerify(ctx context.Context, e *env) error {
	signature, payload, err := call.readInput(e)
	var verdict *verdict
	if err == nil {
		verdict, err = judge(ctx, e, payload, signature)
	}
	if err != nil {
		verdict = undecided()
	}
	if werr := call.writeStatus(e, verdict.status); werr != nil {
		return fail(exitUnknown, errors.Join(err, fmt.Errorf("writing the status: %w", werr)))
	}
	if err != nil {
		return err
	}
	for _, line := range verdict.lines {
		fmt.Fprintf(e.stderr, "gitseal: %s\n", line)
	}
	if verdict.hint != "" {
		fmt.Fprintf(e.stderr, "hint: %s\n", verdict.hint)
	}
	return quiet(verdict.exit)
}

// readInput reads the two files of a --verify call. A signature is read only
// as far as it takes to know that it is too large.
func (call *gitCall) readInput(e *env) (signature, payload []byte, err error) {
	f, err := os.Open(call.files[0])
	if err != nil {
		return nil, nil, fail(exitUnknown, fmt.Errorf("reading the signature: %w", err))
	}
	defer f.Close() // only read from
	if signature, err = io.ReadAll(io.LimitReader(f, cms.MaxArmor+1)); err != nil {
		return nil, nil, fail(exitUnknown, fmt.Errorf("reading the signature: %w", err))
	}
	in := e.stdin
	if name := call.files[1]; name != "-" {
		if in, err = os.Open(name); err != nil {
			return nil, nil, fail(exitUnknown, fmt.Errorf("reading the payload: %w", err))
		}
		defer in.Close() // only read from
	}
	if payload, err = readLimited(in, maxPayload, "the payload"); err != nil {
		return nil, nil, fail(exitUnknown, err)
	}
	return signature, payload, nil
}

// writeStatus writes status lines to the descriptor that the caller named, if
// it named one.
func (call *gitCall) writeStatus(e *env, lines string) error {
	var out io.Writer
	switch call.statusFD {
	case 0:
		return nil
	case 1:
		out = e.stdout
	case 2:
		out = e.stderr
	default:
		out = os.NewFile(uintptr(call.statusFD), "status")
	}
	var b strings.Builder
	for line := range strings.SplitSeq(lines, "\n") {
		b.WriteString("[GNUPG:] " + line + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"gitseal/signer/oidc"
)

// What programs that sign in the background show of a failure is "gpg failed to
// sign the data", which is all that git tells them. So each failure is kept in a
// file, one JSON object a line, for gitseal doctor --last. A signature that was
// made leaves nothing there: git shows it, and every commit would wait for the
// disk. No token, key or payload is ever in it.
//
// Nothing that goes wrong with the file changes how signing ends.

// A failure is one line of that file.
type failure struct {
	Time       string   `json:"time"`
	What       string   `json:"what"`             // "signing as git asked"
	Object     string   `json:"object,omitempty"` // "commit", "tag", "push certificate": if that was known
	Error      string   `json:"error"`
	Hints      []string `json:"hints,omitempty"`
	Exit       int      `json:"exit"`
	Took       float64  `json:"ms"`
	Steps      []step   `json:"steps,omitempty"` // those begun: the last is where it failed
	Instance   string   `json:"instance,omitempty"`
	Repository string   `json:"repository,omitempty"` // the git directory
	Directory  string   `json:"directory,omitempty"`  // that signing ran in
	Terminal   bool     `json:"terminal"`             // there was one to ask on
	Display    bool     `json:"display"`              // there was one for a browser
	Prompt     bool     `json:"prompt"`               // GIT_TERMINAL_PROMPT allows to ask
	Stdin      string   `json:"stdin"`                // "pipe", "terminal", "file" or "null"
	Gitseal    string   `json:"gitseal"`
	Git        string   `json:"git,omitempty"`
	PID        int      `json:"pid"`
}

// steps are those of signing that a run has begun. The zero value has none.
type steps struct {
	mu     sync.Mutex // guards the fields below
	all    []step
	object string
}

// A step is one of them, in milliseconds since the run began.
type step struct {
	At   float64 `json:"at"`
	Name string  `json:"step"`
}

// maxSteps bounds those that are kept; to sign takes eight.
const maxSteps = 64

func (s *steps) add(name string, at float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) < maxSteps {
		s.all = append(s.all, step{at, name})
	}
}

// signs notes what kind of object is to be signed.
func (s *steps) signs(payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.object = objectKind(payload)
}

func (s *steps) snapshot() ([]step, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]step(nil), s.all...), s.object
}

// off is the value of gitseal.logFile for none.
const off = "off"

// failureLog returns the file that failures are kept in; "" for none.
func (s *settings) failureLog() (setting, error) {
	v, err := s.lookup("gitseal.logFile", "")
	if err != nil {
		return v, err
	}
	if err := s.userOnly(v, "say which file is written to"); err != nil {
		return v, err
	}
	if v.Value == off {
		v.Value = ""
		return v, nil
	}
	return s.place("gitseal.logFile", "XDG_STATE_HOME", filepath.Join(".local", "state"), "log", "sign.log")
}

// keepFailure keeps why something was not signed. what is what was tried.
func (s *settings) keepFailure(e *env, what string, err error) {
	file, ferr := s.failureLog()
	if ferr != nil || file.Value == "" {
		return
	}
	code, message, hints := exitCode(err)
	if message == "" {
		return
	}
	f := failure{
		Time: e.now().UTC().Format(time.RFC3339), What: what, Error: secretless(oneLine(message)), Exit: code,
		Took: ms(e.now().Sub(e.began)), Terminal: hasTerminal(), Display: oidc.Display(s.getenv, runtime.GOOS), Prompt: mayPrompt(s.getenv),
		Stdin: kindOf(e.stdin), Gitseal: version(), Git: gitVersion(), PID: os.Getpid(),
	}
	for _, hint := range hints {
		f.Hints = append(f.Hints, secretless(oneLine(hint)))
	}
	f.Steps, f.Object = e.steps.snapshot()
	if v, err := s.lookup("gitseal.instance", localName); err == nil {
		f.Instance = secretless(v.Value)
	}
	if dir, err := os.Getwd(); err == nil {
		f.Directory = dir
		f.Repository = gitDir(s.getenv, dir)
	}
	line, merr := json.Marshal(f)
	if merr != nil {
		return
	}
	// The default directory is ours to make, another is the user's.
	if file.isDefault() && os.MkdirAll(filepath.Dir(file.Value), 0o700) != nil {
		return
	}
	appendRotated(file.Value, append(line, '\n'))
}

// maxFailures is from which size on a log is moved away, to NAME.1: about four
// hundred failures.
const maxFailures = 256 << 10

// rotateWait is how long to wait for another process to move a log away.
const rotateWait = time.Second

// appendRotated appends a line to a log in one write, so that processes do not
// mix theirs. Only one of them moves a log away that is full; the others may
// still write into what was moved, which keeps their lines as well.
func appendRotated(name string, line []byte) {
	if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() && info.Size()+int64(len(line)) > maxFailures {
		rotate(name, int64(len(line)))
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY|openNoFollow, 0o600)
	if err != nil {
		return
	}
	defer f.Close() // what cannot be kept is not
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return // a pipe or a device: to write there could wait for ever
	}
	_, _ = f.Write(line) // see above
}

// rotate moves a log away unless it has room for more, which it has if another
// process has just done so. It does not wait long for one that is doing so: a
// log that is too large is better than a commit that hangs.
func rotate(name string, more int64) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		unlock, err := lockedfile.MutexAt(name + ".lock").Lock()
		if err != nil {
			return
		}
		defer unlock()
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() && info.Size()+more > maxFailures {
			_ = os.Rename(name, name+".1") // it grows on if that cannot be
		}
	}()
	select {
	case <-done:
	case <-time.After(rotateWait):
	}
}

// secretless takes out of a text what looks like a token or a password. No error
// has one in it; this is for the case that one has, for the file stays.
func secretless(s string) string {
	if strings.Contains(s, "eyJ") {
		s = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*)+`).ReplaceAllString(s, "[token]")
	}
	if strings.Contains(s, "://") {
		s = regexp.MustCompile(`(://)[^/\s@:]*:[^/\s@]*@`).ReplaceAllString(s, "$1[password]@")
	}
	return s
}

// hasTerminal reports whether there is a terminal whose owner could be asked.
func hasTerminal() bool {
	tty, err := openTerminal()
	if err != nil {
		return false
	}
	_ = tty.Close() // nothing was written
	return true
}

// mayPrompt reports whether git's programs may ask on the terminal (git(1),
// GIT_TERMINAL_PROMPT).
func mayPrompt(getenv func(string) string) bool {
	switch strings.ToLower(getenv("GIT_TERMINAL_PROMPT")) {
	case "0", "false", "no", "off":
		return false
	}
	return true
}

// kindOf says what a file is, for people.
func kindOf(f *os.File) string {
	info, err := f.Stat()
	switch {
	case err != nil:
		return "closed"
	case isTerminal(f):
		return "terminal"
	case isNull(f):
		return "null"
	case info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0:
		return "pipe"
	}
	return "file"
}

// gitVersion returns the version of git, or "" if it does not run.
func gitVersion() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", "version").Output()
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(oneLine(string(out)), "git version ")
}

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/lockedfile"

	"gitseal/verifier/audit"
	"gitseal/verifier/audit/cache"
)

// openCache gives an audit what was found of objects before, and returns what
// saves what it finds. That it cannot be had costs time, and nothing else.
func (a *auditRun) openCache(cfg *audit.Config) (save func()) {
	nothing := func() {}
	say := func(err error) {
		if err != nil {
			fmt.Fprintf(a.env.stderr, "gitseal: verdicts are not kept: %s\n", printable(oneLine(err.Error())))
		}
	}
	if a.c.Bool("no-cache") {
		return nothing
	}
	dir, err := a.settings.baseDir("XDG_CACHE_HOME", ".cache")
	if err != nil {
		say(err)
		return nothing
	}
	sum := sha256.Sum256([]byte(cfg.Repo.CommonDir()))
	kept, err := cache.Open(cache.Config{
		File:   filepath.Join(dir, "gitseal", "verdicts", hex.EncodeToString(sum[:16])),
		Key:    cfg.CacheKey(),
		Format: string(cfg.Repo.ObjectFormat()),
	})
	if err != nil {
		say(err)
		return nothing
	}
	cfg.Cache = kept
	return func() { say(errors.Join(kept.Save(), kept.Close())) }
}

// maxState bounds the file with what refs held: a million of them.
const maxState = 256 << 20

// A stateFile is the file with what refs held at the last audit. It is locked
// while an audit uses it.
type stateFile struct {
	name   string
	state  *audit.State
	unlock func()
}

// openState gives an audit the state of the last one, if --state names it.
func (a *auditRun) openState(cfg *audit.Config) (*stateFile, error) {
	name := a.c.String("state")
	if name == "" {
		return nil, nil
	}
	unlock, err := lockedfile.MutexAt(name + ".lock").Lock()
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("locking --state %s: %w", name, err))
	}
	data, err := readFile(name, maxState)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = nil, nil
	} else if err == nil && len(data) == 0 {
		err = fmt.Errorf("reading %s: it is empty, and was not written by an audit", name)
	}
	f := &stateFile{name: name, unlock: unlock}
	if err == nil {
		f.state, err = audit.ParseState(data)
	}
	if err != nil {
		f.close()
		return nil, fail(exitUsage, fmt.Errorf("--state %s: %w", name, err), "restore it from a copy; or, to begin anew: rm "+shellWord(name))
	}
	cfg.State = f.state
	return f, nil
}

func (f *stateFile) close() { f.unlock() }

// keep writes what the refs hold now, unless they are not what they should be:
// then what they held is evidence.
func (f *stateFile) keep(a *auditRun) error {
	if f.state.Changed() {
		a.hints = append(a.hints, fmt.Sprintf("rm %s   # if the refs were changed on purpose; until then they are held against what it says", shellWord(f.name)))
		return nil
	}
	data, err := f.state.Marshal()
	if err != nil {
		return err
	}
	if dir := filepath.Dir(f.name); dir != "." {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fail(exitUsage, err)
		}
	}
	return replaceFile(f.name, data)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"gitseal/internal/proofs"
	"gitseal/signer"
)

// added begins the record, in undoKey, of a value that was added to others.
const added = "+"

// proofsPush are the refspecs that have a bare git push push proofs. What is
// named in remote.NAME.push is all that it pushes, so the branch is, too. The
// second one is a pattern, which may match nothing: an exact name that is not
// there is an error.
var proofsPush = []string{"HEAD", proofs.Ref + "*:" + proofs.Ref + "*"}

// proofsFetch returns the refspec that has git fetch fetch the proofs of a
// remote. It is a pattern for the same reason.
func proofsFetch(remote string) string {
	return "+" + proofs.Ref + "*:" + proofs.Remotes + remote + "*"
}

// setProofs has git fetch and push proofs, where signing is deferred.
func (w *configWriter) setProofs(s *settings, asked bool) error {
	mode, err := s.deferral()
	if err != nil {
		return err
	}
	if !asked && mode == signer.DeferNever {
		return nil
	}
	if w.scope != "--local" {
		fmt.Fprintf(w.env.stderr, "hint: gitseal init --defer   # in a repository: has git fetch and push the proofs there\n")
		return nil
	}
	hooked, err := w.hooked()
	if err == nil && hooked {
		err = w.dropPushes()
	}
	if err != nil {
		return err
	}
	remotes := remoteNames(w.ctx)
	for _, remote := range remotes {
		if strings.ContainsAny(remote, "=\n") {
			return fail(exitUsage, fmt.Errorf("remote %q has a name that cannot be noted for --undo", remote), "git remote rename "+shellWord(remote)+" NAME")
		}
		if err := w.setRemote(remote, hooked); err != nil {
			return err
		}
	}
	if len(remotes) == 0 {
		fmt.Fprintf(w.env.stderr, "gitseal: there is no remote yet that proofs could go to\nhint: gitseal init --defer   # again, when there is one\n")
	}
	return nil
}

// hooked reports whether the pre-push hook is gitseal's, which pushes proofs by
// itself.
func (w *configWriter) hooked() (bool, error) {
	i := slices.IndexFunc(hookKinds(), func(k *hookKind) bool { return k.name == "pre-push" })
	p, err := findHook(w.ctx, hookKinds()[i])
	if err != nil {
		return false, err
	}
	return p.ours, nil
}

// setRemote has git fetch the proofs of a remote, and push them to it unless the
// hook does.
func (w *configWriter) setRemote(remote string, hooked bool) error {
	if err := w.add("remote."+remote+".fetch", proofsFetch(remote)); err != nil {
		return err
	}
	key := "remote." + remote + ".push"
	set, err := allValues(w.ctx, key)
	switch {
	case err != nil:
		return w.explain("reading "+key, err)
	case hooked, slices.Equal(set, proofsPush):
		return nil
	case len(set) > 0:
		fmt.Fprintf(w.env.stderr, "gitseal: left %s, which says already what a bare git push pushes\nhint: git config --add %s %s   # has it push proofs, too\n",
			printable(key), shellWord(key), shellWord(proofsPush[1]))
		return nil
	}
	for _, value := range proofsPush {
		if err := w.add(key, value); err != nil {
			return err
		}
	}
	fmt.Fprintf(w.env.stderr, "gitseal: a bare git push to %s now pushes the branch you are on to the one of that name, as with push.default=current, and the proofs\n", printable(remote))
	fmt.Fprintf(w.env.stderr, "hint: gitseal hook install pre-push   # better still: records what waits and takes in the proofs of others before each push\n")
	return nil
}

// dropPushes takes out what setRemote has added for a bare git push, where the hook
// pushes proofs: what git pushes by itself is what there was before the hook ran,
// and is rejected when others have pushed proofs meanwhile.
func (w *configWriter) dropPushes() error {
	records, err := w.get(undoKey)
	if err != nil {
		return err
	}
	for _, record := range records {
		one, ok := strings.CutPrefix(record, added)
		key, value, _ := strings.Cut(one, "=")
		if !ok || !strings.HasPrefix(key, "remote.") || !strings.HasSuffix(key, ".push") || !slices.Contains(proofsPush, value) {
			continue
		}
		if err := w.takeOut(one); err != nil {
			return err
		}
		if err := w.git("--unset-all", undoKey, "^"+regexp.QuoteMeta(record)+"$"); err != nil {
			return err
		}
		w.changed = true
	}
	return nil
}

// allValues returns the values of a key in all of git's configuration.
func allValues(ctx context.Context, key string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "git", "config", "--null", "--get-all", key).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil, nil // git's way to say that it is not set
	}
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), nil
}

// add adds a value to those of a key unless it is among them already.
func (w *configWriter) add(key, value string) error {
	there, err := w.get(key)
	if err != nil || slices.Contains(there, value) {
		return err
	}
	if err := w.git("--add", undoKey, added+key+"="+value); err != nil {
		return err
	}
	if err := w.git("--add", key, value); err != nil {
		return err
	}
	w.changed = true
	w.env.printf("git config %s --add %s %s\n", w.scope, shellWord(key), shellWord(value))
	return nil
}

// takeOut takes out a value that add has added, by its record. It may be gone
// already.
func (w *configWriter) takeOut(record string) error {
	key, value, _ := strings.Cut(record, "=")
	there, err := w.get(key)
	if err != nil {
		return err
	}
	if !slices.Contains(there, value) {
		w.env.printf("left %s: it was changed since\n", printable(key))
		return nil
	}
	if err := w.git("--unset-all", key, "^"+regexp.QuoteMeta(value)+"$"); err != nil {
		return err
	}
	w.env.printf("git config %s --unset %s %s\n", w.scope, shellWord(key), shellWord(value))
	return nil
}

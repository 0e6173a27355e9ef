package agent

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gitseal/gitutil"
)

// An object is what the agent is asked to sign, as a person is told of it.
type object struct {
	kind  string // "commit", "tag" or "push"
	title string // first line of the message, or the refs of a push
}

// readObject returns what a payload is. It refuses what git does not sign, so
// that nobody gets a signature from the agent that some other program would
// take for consent to something else.
func readObject(payload []byte) (object, error) {
	switch {
	case bytes.HasPrefix(payload, []byte("tree ")):
		return readCommit(payload)
	case bytes.HasPrefix(payload, []byte("object ")):
		return readTag(payload)
	case bytes.HasPrefix(payload, []byte("certificate version ")):
		return readPush(payload)
	}
	return object{}, errors.New("what is to be signed is not a git commit, tag or push certificate")
}

// formats are git's, of which a payload is in one.
var formats = []gitutil.Format{gitutil.SHA1, gitutil.SHA256}

func readCommit(payload []byte) (object, error) {
	var commit *gitutil.Commit
	if err := inSomeFormat(func(f gitutil.Format) (err error) {
		commit, err = gitutil.ParseCommit(payload, f)
		return err
	}); err != nil {
		return object{}, err
	}
	return object{"commit", title(commit.Message)}, unsigned(payload)
}

func readTag(payload []byte) (object, error) {
	var tag *gitutil.Tag
	if err := inSomeFormat(func(f gitutil.Format) (err error) {
		tag, err = gitutil.ParseTag(payload, f)
		return err
	}); err != nil {
		return object{}, err
	}
	return object{"tag", title([]byte(tag.Name))}, unsigned(payload)
}

// armor is what git puts after a push certificate; what is signed lacks it.
const armor = "-----BEGIN SIGNED MESSAGE-----\n"

func readPush(payload []byte) (object, error) {
	var push *gitutil.PushCertificate
	if err := inSomeFormat(func(f gitutil.Format) (err error) {
		push, err = gitutil.ParsePushCertificate(slices.Concat(payload, []byte(armor)), f)
		return err
	}); err != nil {
		return object{}, err
	}
	refs := make([]string, len(push.Updates))
	for i, u := range push.Updates {
		refs[i] = u.Ref
	}
	return object{"push", title([]byte(strings.Join(refs, " ")))}, nil
}

// inSomeFormat parses in the object formats of git until one fits.
func inSomeFormat(parse func(gitutil.Format) error) error {
	var first error
	for _, f := range formats {
		err := parse(f)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return fmt.Errorf("what is to be signed is not what git signs: %w", first)
}

// unsigned refuses headers with a signature: git signs an object without any.
func unsigned(payload []byte) error {
	for line := range bytes.Lines(payload) {
		name, _, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		switch string(name) {
		case "":
			if line[0] == '\n' {
				return nil // the message begins
			}
		case "gpgsig", "gpgsig-sha256":
			return errors.New("what is to be signed has a signature in it")
		}
	}
	return nil
}

// Bounds of what is shown, in characters.
const (
	maxTitle = 100
	maxLine  = 1000
)

// title returns the first line of text, as it can be shown to a person who is
// to believe what surrounds it: letters, digits, signs and plain spaces.
func title(text []byte) string {
	first, _, _ := strings.Cut(strings.TrimLeft(string(text), "\n"), "\n")
	return printable(first, maxTitle)
}

// line returns somebody's words as one line.
func line(text string) string { return printable(text, maxLine) }

// printable returns the text without what would change how the rest is shown,
// and no more than limit characters of it.
func printable(text string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > limit {
			b.WriteString("…")
			break
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

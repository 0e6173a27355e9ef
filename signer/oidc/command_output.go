package oidc

import (
	"strings"
	"unicode/utf8"

	"gitseal/internal/transport"
)

// bounded keeps the first bytes that are written to it. It takes the rest too,
// so that a program that says a lot is not stopped by it.
type bounded struct {
	data  []byte
	limit int
	full  func() // called when more than limit bytes were written; nil: nothing is
	over  bool   // more were
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.limit-len(b.data))
	b.data = append(b.data, p[:n]...)
	if n < len(p) {
		b.over = true
		if b.full != nil {
			b.full()
		}
	}
	return len(p), nil
}

// maxWord is how long a word of others may be and yet be shown: tokens, keys
// and passwords of programs are longer, words of languages are not.
const maxWord = 32

// redact is transport.Printable for what may have secrets in it: any of secrets, parts of
// JSON web tokens, and whatever is as long as keys are.
func redact(text string, secrets ...string) string {
	const redacted = "[redacted]"
	for _, s := range secrets {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, redacted)
		}
	}
	isWord := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-_+=", c)
	}
	var b strings.Builder
	for len(text) > 0 {
		end := strings.IndexFunc(text, func(c rune) bool { return !isWord(c) })
		switch {
		case end < 0:
			end = len(text)
		case end == 0:
			_, end = utf8.DecodeRuneInString(text)
		}
		if word := text[:end]; end > maxWord || strings.HasPrefix(word, "eyJ") {
			b.WriteString(redacted)
		} else {
			b.WriteString(word)
		}
		text = text[end:]
	}
	return transport.Printable(b.String())
}

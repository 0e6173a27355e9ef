package transport

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMessage bounds the message of a StatusError, in bytes.
const maxMessage = 300

// oneLine makes text fit to be shown: valid UTF-8, printable, one line,
// bounded.
func oneLine(text string) string {
	var b strings.Builder
	space := false
	for _, c := range text {
		switch {
		case unicode.IsSpace(c) || unicode.IsControl(c):
			space = b.Len() > 0
			continue
		case !unicode.IsPrint(c):
			c = utf8.RuneError
		}
		if b.Len() >= maxMessage {
			b.WriteRune('…')
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(c)
	}
	return b.String()
}

// minSecret is the length from which a word that a secret of the request has
// too counts as a part of it.
const minSecret = 8

// redacted stands for what was taken out.
const redacted = "[redacted]"

// public are the parameters of OAuth requests (RFC 6749, RFC 7636, RFC 8628)
// that are no secrets, and whose values servers name in their errors.
var public = map[string]bool{
	"audience": true, "client_id": true, "code_challenge_method": true, "grant_type": true,
	"redirect_uri": true, "response_type": true, "scope": true,
}

// secrets returns what of the request nobody else may read: the token, and
// the parameters of the query and of a form, but for the public ones. Other
// bodies hold none.
func (r *Request) secrets() []string {
	_, query, _ := strings.Cut(r.URL, "?")
	forms := []string{query}
	if r.ContentType == "application/x-www-form-urlencoded" {
		forms = append(forms, string(r.Body))
	}
	secrets := []string{r.Bearer}
	for _, form := range forms {
		values, err := url.ParseQuery(form)
		if err != nil {
			secrets = append(secrets, form)
		}
		for name, list := range values {
			if public[name] {
				continue
			}
			for _, value := range list {
				secrets = append(secrets, value, url.QueryEscape(value))
			}
		}
	}
	return secrets
}

// redact takes the request's secrets out of a server's words: whole, each run
// of token characters that is part of one, and what looks like part of a JSON
// web token.
func (r *Request) redact(text string) string {
	secrets := r.secrets()
	for _, s := range secrets {
		if len(s) >= minSecret {
			text = strings.ReplaceAll(text, s, redacted)
		}
	}
	secret := func(word string) bool {
		if len(word) < minSecret {
			return false
		}
		for _, s := range secrets {
			if strings.Contains(s, word) {
				return true
			}
		}
		return strings.HasPrefix(word, "eyJ")
	}
	// The points between the parts of a token are no part of a word: a server
	// may repeat one part, or put a point of its own after it.
	isWord := func(c byte) bool { return isAlnum(c) || c == '-' || c == '_' }
	var b strings.Builder
	for i := 0; i < len(text); {
		end := i
		for end < len(text) && isWord(text[end]) {
			end++
		}
		switch word := text[i:end]; {
		case word == "":
			end++
			b.WriteByte(text[i])
		case secret(word):
			b.WriteString(redacted)
		default:
			b.WriteString(word)
		}
		i = end
	}
	return b.String()
}

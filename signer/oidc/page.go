package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"

	"gitseal/internal/transport"
)

// silent is a log that nobody reads: what browsers do wrong is their affair,
// and git would show it.
var silent = log.New(io.Discard, "", 0)

// A page is what a person sees in the browser.
type page struct {
	good   bool
	title  string
	lines  []string
	closes bool // by itself, where the browser lets it
}

// The pages of requests that are not the end of a login.
var (
	pageRefused  = &page{title: "Nothing here", lines: []string{"gitseal waits for a login on this port, and this is not one."}}
	pageStranger = &page{title: "Another login", lines: []string{
		"This is not the login that gitseal waits for. If you have just started one, finish it in the page that it opened.",
	}}
	pageUsed = &page{good: true, title: "Done already", lines: []string{"This login has been answered. You can close this page."}}
)

// pageSignedIn says who has logged in.
func pageSignedIn(who *person, issuer string) page {
	return page{good: true, title: "Signed in as " + transport.Printable(who.String()), closes: true, lines: []string{
		"Identity issuer: " + issuer, "gitseal goes on by itself. You can close this page.",
	}}
}

// pageFailed says why nobody has.
func pageFailed(err error) page {
	return page{title: "That did not work", lines: []string{transport.Printable(err.Error()), "You can close this page. Nothing was signed."}}
}

// style and script are all that the page is allowed to use.
const (
	style = `:root{color-scheme:light dark;--fg:#1c2024;--dim:#5b636b;--bg:#f4f5f7;--card:#fff;--line:#dfe2e6;--good:#18794e;--bad:#b42318}
@media(prefers-color-scheme:dark){:root{--fg:#eceef0;--dim:#9ba1a6;--bg:#121416;--card:#1b1e21;--line:#2e3338;--good:#4cc38a;--bad:#ff9592}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
main{width:100%;max-width:32rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:12px;overflow-wrap:anywhere}
.name{margin:0 0 1.25rem;color:var(--dim);font-size:.875rem;letter-spacing:.02em}
h1{margin:0 0 .75rem;font-size:1.375rem;line-height:1.3}
h1::before{display:inline-block;width:1.4em}
.good h1::before{content:"\2713";color:var(--good)}
.bad h1::before{content:"\2715";color:var(--bad)}
p{margin:.25rem 0 0;color:var(--dim)}`
	script = `setTimeout(function(){window.close()},1500)`
)

// policy lets the page do what is in it, and nothing that is not: should text
// of an issuer ever be taken for markup, it could neither run nor fetch.
var policy = "default-src 'none'; style-src '" + hashOf(style) + "'; script-src '" + hashOf(script) + "'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func hashOf(text string) string {
	h := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(h[:])
}

// html returns the page as HTML.
func (p *page) html() string {
	class := "bad"
	if p.good {
		class = "good"
	}
	var b strings.Builder
	b.WriteString("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" +
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" + html.EscapeString(p.title) + " – gitseal</title>\n" +
		"<style>" + style + "</style>\n</head>\n<body>\n<main class=\"" + class + "\">\n<p class=\"name\">gitseal</p>\n" +
		"<h1>" + html.EscapeString(p.title) + "</h1>\n")
	for _, line := range p.lines {
		b.WriteString("<p>" + html.EscapeString(line) + "</p>\n")
	}
	b.WriteString("</main>\n")
	if p.closes {
		b.WriteString("<script>" + script + "</script>\n")
	}
	b.WriteString("</body>\n</html>\n")
	return b.String()
}

// send sends the page, to its last byte.
func (p *page) send(w http.ResponseWriter, status int) {
	text := p.html()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the code is in the URL
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)            // an error is the browser's, who has gone
	_ = http.NewResponseController(w).Flush() // likewise
}

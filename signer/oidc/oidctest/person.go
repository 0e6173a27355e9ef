package oidctest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// A Person has a browser. It works with every issuer that takes the parameters
// user and deny, also from another process than the issuer's.
type Person struct {
	Email  string // as whom they log in; "": whoever the issuer likes
	Denies bool   // does not allow it
}

// A Page is what a person sees in the end.
type Page struct {
	Status int
	Header http.Header
	Text   string // HTML
}

// Login opens the URL of a login, logs in, and follows the way back.
func (p Person) Login(ctx context.Context, loginURL string) (*Page, error) {
	back, err := p.Redirect(ctx, loginURL)
	if err != nil {
		return nil, err
	}
	return Open(ctx, back)
}

// Redirect logs in, and returns the URL that the issuer sends the browser back
// to.
func (p Person) Redirect(ctx context.Context, loginURL string) (string, error) {
	page, err := Open(ctx, loginURL+p.query())
	if err != nil {
		return "", err
	}
	back := page.Header.Get("Location")
	if page.Status/100 != 3 || back == "" {
		return "", fmt.Errorf("the issuer answers with status %d: %s", page.Status, page.Text)
	}
	return back, nil
}

// Approve enters a code on the issuer's page.
func (p Person) Approve(ctx context.Context, at, userCode string) error {
	page, err := Open(ctx, at+"?user_code="+url.QueryEscape(userCode)+p.query())
	if err != nil {
		return err
	}
	if page.Status != http.StatusOK {
		return fmt.Errorf("the issuer answers with status %d: %s", page.Status, page.Text)
	}
	return nil
}

// query returns more parameters, by which an issuer knows the person.
func (p Person) query() string {
	q := url.Values{}
	if p.Email != "" {
		q.Set("user", p.Email)
	}
	if p.Denies {
		q.Set("deny", "1")
	}
	if len(q) == 0 {
		return ""
	}
	return "&" + q.Encode()
}

// browser follows no redirect by itself.
var browser = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Open opens a URL as a browser does that was sent there by a page of another
// site.
func Open(ctx context.Context, rawURL string) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-User": "?1",
	} {
		req.Header.Set(name, value)
	}
	resp, err := browser.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &Page{resp.StatusCode, resp.Header, string(text)}, nil
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/pkg/browser"

	"gitseal/signer/oidc"
)

// openerPatience is how long a program that opens a page is watched for a
// failure. One that is a browser itself runs for as long as its window is open.
const openerPatience = 2 * time.Second

// urlOpener returns what opens a page in a browser: the program of
// gitseal.urlOpener, else one that $BROWSER names, else what is usual on the
// system. No shell is between, and what it prints goes nowhere: standard
// output is where git expects a signature.
func (s *settings) urlOpener() (func(url string) error, error) {
	v, err := s.identitySetting("gitseal.urlOpener")
	if err != nil {
		return nil, err
	}
	if v.Value != "" {
		words, err := oidc.SplitCommand(v.Value)
		if err != nil {
			return nil, usage("reading %s (set in %s): %v", v.Key, v.Source, err)
		}
		return func(url string) error { return open(withURL(words, url)) }, nil
	}
	// The convention of $BROWSER: commands, separated as in PATH. Editors that
	// show a remote machine set it to a program that opens the page on ours.
	if first, _, _ := strings.Cut(s.getenv("BROWSER"), string(os.PathListSeparator)); first != "" && runtime.GOOS != "windows" {
		if words, err := oidc.SplitCommand(first); err == nil {
			return func(url string) error { return open(withURL(words, url)) }, nil
		}
	}
	return openUsual, nil
}

// withURL puts a URL into the words of a command: where {{.URL}}, which is
// gitsign's, or %s stands, else at the end.
func withURL(words []string, url string) []string {
	var out []string
	found, put := false, strings.NewReplacer("{{.URL}}", url, "%s", url)
	for _, word := range words {
		with := put.Replace(word)
		found = found || with != word
		out = append(out, with)
	}
	if !found {
		out = append(out, url)
	}
	return out
}

// open runs a program that opens a page.
func open(words []string) error {
	cmd := exec.Command(words[0], words[1:]...) // its streams are the null device
	detach(cmd)
	return watch(words[0], func() error { return cmd.Run() })
}

// openUsual opens a page as is usual on the system.
func openUsual(url string) error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	// A file, not io.Discard: a pipe would keep us waiting for the browser, or
	// end it when we end.
	browser.Stdout, browser.Stderr = null, null
	return watch("a browser", func() error {
		defer null.Close() // nothing was to be kept
		return browser.OpenURL(url)
	})
}

// watch runs what opens a page, and returns its failure if that comes soon.
func watch(name string, run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("opening the page with %s: %w", name, err)
		}
	case <-time.After(openerPatience):
	}
	return nil
}

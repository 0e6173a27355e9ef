package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/docs"
	"gitseal/verifier/report"
)

func explainCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:        "explain",
		Usage:       "say what a class or finding means, and what to do about it",
		ArgsUsage:   "[ID]",
		Description: "Prints the section of docs/findings.md about a class or finding. Without an argument it lists them.",
		Action:      func(c *cli.Context) error { return runExplain(c, e) },
	}
}

func runExplain(c *cli.Context, e *env) error {
	if c.NArg() > 1 {
		return usage("explain takes one class or finding")
	}
	if !c.Args().Present() {
		for _, id := range report.IDs() {
			d, _ := report.Describe(id)
			e.printf("%-26s %-8s %s\n", id, d.Severity, d.Title)
		}
		return nil
	}
	section, ok := findingSection(c.Args().First())
	if !ok {
		return fail(exitUsage, fmt.Errorf("no class or finding is called %q", c.Args().First()), "gitseal explain   # lists them")
	}
	e.printf("%s", section)
	return nil
}

// findingSection returns what the page of findings says of one.
func findingSection(id string) (string, bool) {
	if _, ok := report.Describe(id); !ok {
		return "", false
	}
	_, section, ok := strings.Cut(docs.Findings, "\n## `"+id+"`\n\n")
	if !ok {
		return "", false
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return id + "\n\n" + section, true
}

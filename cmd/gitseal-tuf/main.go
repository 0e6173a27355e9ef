// Command gitseal-tuf brings the files of a Sigstore instance up to date from
// its TUF repository. It comes with gitseal, which runs it: gitseal trust
// update, gitseal init, and signing where trust has expired.
package main

import (
	"os"

	"gitseal/internal/tuf"
)

func main() { os.Exit(tuf.Command(os.Args[1:], os.Stdout, os.Stderr)) }

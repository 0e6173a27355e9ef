// Command noop stands in for gitseal and does nothing: the floor under what
// git, its pipes and two starts of a process cost. It signs with a fixed text
// and finds every signature good.
package main

import (
	"fmt"
	"io"
	"os"
	"slices"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	i := slices.Index(args, "--verify")
	if i < 0 {
		if _, err := fmt.Print("-----BEGIN SIGNED MESSAGE-----\nAAAA\n-----END SIGNED MESSAGE-----\n"); err != nil {
			return err
		}
		_, err := fmt.Fprintln(os.Stderr, "[GNUPG:] SIG_CREATED D 19 8 00 0 0")
		return err
	}
	if _, err := os.ReadFile(args[i+1]); err != nil {
		return err
	}
	_, err := fmt.Print("[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 0 nobody\n[GNUPG:] VALIDSIG 0 1970-01-01 0 0 0 - 19 8 00 0\n[GNUPG:] TRUST_FULLY 0 shell\n")
	return err
}

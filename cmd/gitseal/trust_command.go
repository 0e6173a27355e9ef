package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func trustCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "trust",
		Usage: "see, renew and add to whom signatures are believed",
		Subcommands: []*cli.Command{
			{
				Name:        "show",
				Usage:       "say whom the trusted roots in force name, since when, and where that is from",
				Description: "Also says which servers sign now. Asks no network.",
				Flags:       []cli.Flag{formatFlag()},
				Action:      func(c *cli.Context) error { return runTrustShow(c, e) },
			},
			{
				Name:        "update",
				Usage:       "bring the instance's trusted root up to date from its TUF repository",
				Description: "Runs " + tufProgram + ", which comes with gitseal. Nothing is installed that the repository's roots do not vouch for.",
				Action:      func(c *cli.Context) error { return runTrustUpdate(c, e) },
			},
			{
				Name:      "import",
				Usage:     "believe what trusted_root.json files name",
				ArgsUsage: "FILE…",
				Description: "Keeps a copy of each file and adds it to gitseal.trustedRoot. Make sure that the files are from somebody\n" +
					"you trust: they say whose signatures count. With a signing_config.json beside one trusted root it also\n" +
					"makes an instance of the two, to sign with.",
				Flags:  []cli.Flag{&cli.BoolFlag{Name: "local", Usage: "for this repository, not for all of yours"}},
				Action: func(c *cli.Context) error { return runTrustImport(c, e) },
			},
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return fail(exitUsage, fmt.Errorf("unknown command %q", "trust "+c.Args().First()), "gitseal trust --help")
			}
			return cli.ShowSubcommandHelp(c)
		},
	}
}

func runTrustUpdate(c *cli.Context, e *env) error {
	if c.Args().Present() {
		return usage("trust update takes no arguments")
	}
	s, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	in, err := s.instance()
	if err != nil {
		return err
	}
	url, err := in.repository()
	if err != nil {
		return err
	}
	if url == "" {
		why := "it is not from a TUF repository"
		if in.hasAuthority() {
			why = "it is an authority of your own"
		}
		e.printf("nothing to update in %s: %s\n", printable(in.dir), why)
		return nil
	}
	before, _, rootErr := in.trustedRoot() // none that can be read is one more reason to update
	update, err := s.update(c.Context, e, in)
	if err != nil {
		return err
	}
	what := "is still"
	if rootErr != nil || before.Digest() != update.TrustedRoot {
		what = "is now"
	}
	e.printf("the trusted root of %s %s sha256:%x, good until %s\n", printable(in.setting.Value), what, update.TrustedRoot, formatTime(update.Expires))
	return nil
}

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// A hookKind is one of git's hooks that gitseal can stand in.
type hookKind struct {
	name   string
	args   string // what git calls it with
	usage  string
	server bool // it runs where a push arrives, for somebody else
	run    func(h *hookRun, ctx context.Context) error
}

// hookKinds are all of them.
func hookKinds() []*hookKind {
	return []*hookKind{
		{name: "pre-receive", usage: "refuse a push as a whole unless everything in it is as the policy says", server: true, run: (*hookRun).preReceive},
		{name: "update", args: "REF OLD NEW", usage: "refuse those refs of a push of which not everything is as the policy says", server: true, run: (*hookRun).update},
		{name: "pre-push", args: "REMOTE URL", usage: "say before a push what the other side would refuse", run: (*hookRun).prePush},
		{name: "post-merge", args: "SQUASH", usage: "say after a merge, or a pull, what is wrong with what it brought", run: (*hookRun).postMerge},
	}
}

// policyFlag is that of the kind of hook.
func (k *hookKind) policyFlag() cli.Flag {
	text := "judge by the policy in `FILE`, or REV:PATH; default: the one that the other side has, or the user's"
	if k.server {
		text = "judge by the policy in `FILE`, or REF:PATH as the ref is before the push: refs/heads/main:" + policyPath
	}
	return &cli.StringFlag{Name: "policy", Usage: text}
}

// flags are those by which the hook judges, which install writes into it.
func (k *hookKind) flags() []cli.Flag {
	flags := []cli.Flag{
		k.policyFlag(),
		&cli.BoolFlag{Name: "any-identity", Usage: "judge validity only, whoever signed"},
		&cli.StringFlag{Name: "trusted-root", Usage: "trust what `FILE`, a trusted_root.json, names, and nothing else"},
		onlineFlag(),
		&cli.IntFlag{Name: "jobs", Usage: "verify with `N` goroutines", DefaultText: "one for each processor"},
	}
	if k.server {
		flags = append(flags,
			&cli.BoolFlag{Name: "allow-shallow", Usage: "work in a repository whose history is shallow, grafted or replaced"},
			&cli.BoolFlag{Name: "require-push-cert", Usage: "refuse a push that is not signed: git push --signed"},
			&cli.StringSliceFlag{Name: "pushee", Usage: "refuse a signed push that was meant for another place than `URL`; repeat for several"},
		)
	}
	return append(flags, keyFlags()...)
}

// hookCommand is gitseal hook.
func hookCommand(e *env) *cli.Command {
	group := func(name, text string, each func(*hookKind) *cli.Command) *cli.Command {
		c := &cli.Command{Name: name, Usage: text}
		for _, k := range hookKinds() {
			c.Subcommands = append(c.Subcommands, each(k))
		}
		c.Action = unknownHook("hook " + name)
		return c
	}
	return &cli.Command{
		Name:   "hook",
		Usage:  "judge what is pushed or merged, in git's hooks",
		Action: unknownHook("hook"),
		Subcommands: []*cli.Command{
			group("install", "have git run gitseal in a hook of this repository", func(k *hookKind) *cli.Command {
				return &cli.Command{
					Name:  k.name,
					Usage: k.usage,
					Description: "Writes the hook where git looks for it: core.hooksPath, or the hooks of the repository. A hook of\n" +
						"somebody else's that is there already is not touched; with --chain it runs first.",
					Flags:  append(k.flags(), &cli.BoolFlag{Name: "chain", Usage: "move the hook that is there aside, and have it run first"}),
					Action: func(c *cli.Context) error { return installHook(c, e, k) },
				}
			}),
			group("uninstall", "take the hook out, and put back the one that ran first", func(k *hookKind) *cli.Command {
				return &cli.Command{
					Name:   k.name,
					Usage:  "take " + k.name + " out",
					Action: func(c *cli.Context) error { return uninstallHook(c, e, k) },
				}
			}),
			group("run", "do what the hook does; git calls this", func(k *hookKind) *cli.Command {
				return &cli.Command{
					Name:      k.name,
					Usage:     k.usage,
					ArgsUsage: k.args,
					Description: "Reads what git hands to the hook. It writes nothing to the repository, and without --online opens\n" +
						"no socket; but pre-push has recorded what waits for its log entry, keeps the proofs, and pushes\n" +
						"them. Exits 0 if all is well, 1 on a violation, 2 if it is not set up right, 3 if something\n" +
						"could not be judged. Whatever is not 0 refuses the push.",
					Flags:  append(k.flags(), &cli.StringFlag{Name: "first", Usage: "run the hook in `FILE` first, and judge nothing if it fails"}),
					Action: func(c *cli.Context) error { return runHook(c, e, k) },
				}
			}),
		},
	}
}

// unknownHook says which hooks there are.
func unknownHook(command string) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.Args().Present() {
			return fail(exitUsage, fmt.Errorf("unknown command %q", command+" "+c.Args().First()), "gitseal "+command+" --help")
		}
		return cli.ShowSubcommandHelp(c)
	}
}

// checkHookFlags refuses flags that contradict one another.
func checkHookFlags(c *cli.Context, kind *hookKind) error {
	switch {
	case c.IsSet("policy") && c.Bool("any-identity"):
		return usage("--policy and --any-identity exclude one another")
	case c.Int("jobs") < 0:
		return usage("--jobs %d: want a positive number", c.Int("jobs"))
	case slices.Contains(c.LocalFlagNames(), "pushee") && !c.Bool("require-push-cert"):
		return usage("--pushee is about signed pushes: it goes with --require-push-cert")
	}
	if !kind.server {
		return nil
	}
	for _, k := range keySettings {
		for _, value := range c.StringSlice(k.flag) {
			if isRevisionPath(value) && !strings.HasPrefix(value, "refs/") {
				return wantFullName(k.flag, value)
			}
		}
	}
	return nil
}

// wantFullName refuses a ref by a part of its name.
func wantFullName(flag, value string) error {
	return fail(exitUsage, fmt.Errorf("--%s %s does not begin with the full name of a ref, and a tag of that name would come first", flag, value),
		"--"+flag+" "+shellWord("refs/heads/"+value))
}

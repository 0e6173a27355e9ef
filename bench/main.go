//go:build unix

// Command bench measures gitseal: against what its work takes at least, and
// beside git, gpg, ssh-keygen and a program that does nothing, each in turn. It
// prints one table of targets (see docs/performance.md) and what came out.
//
// The machine may be busy with other things. So everything is a ratio of two
// things that were measured in turn, in the same minutes; and of those, the
// median.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

// A bench holds what the measurements share.
type bench struct {
	root    string // of the source tree
	gitseal string // the program to measure
	scratch string // a temporary directory
	env     []string

	starts  int // of a process, to measure starting one
	rounds  int // of verifying all commits of a history
	commits int // in that history
	signed  int // commits made, to measure signing one
	audited []int

	throughServers int // commits signed with servers, for each latency
	onlineCommits  int // in the history whose log entries are looked up

	table table
}

func main() {
	rss := flag.Bool("rss", false, "run the command that the arguments are, and print how much memory it took")
	b := new(bench)
	flag.StringVar(&b.gitseal, "gitseal", filepath.Join("bin", "gitseal"), "the `program` to measure")
	flag.IntVar(&b.starts, "starts", 100, "how often to start a program")
	flag.IntVar(&b.rounds, "rounds", 5, "how often to verify a history")
	flag.IntVar(&b.commits, "commits", 200, "how many commits that history has")
	flag.IntVar(&b.signed, "signed", 100, "how many commits to sign")
	large := flag.Int("audited", 50_000, "how many commits the largest history to audit has")
	flag.IntVar(&b.throughServers, "servers", 10, "how many commits to sign with servers, for each latency; 0 leaves that out")
	flag.IntVar(&b.onlineCommits, "online", 1000, "how many commits to look up in a log")
	only := flag.String("only", "", "make only one `part` of the measurements: start, verifier, git, audit, authority or sigstore")
	flag.Parse()
	if *rss {
		os.Exit(printRSS(flag.Args()))
	}
	b.commits = max(b.commits/chunk, 1) * chunk
	b.audited = []int{min(1000, *large), min(10_000, *large), *large}
	if err := b.run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(only string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if b.root, err = filepath.Abs("."); err != nil {
		return err
	}
	if b.gitseal, err = filepath.Abs(b.gitseal); err != nil {
		return err
	}
	if b.scratch, err = os.MkdirTemp("", "gitseal-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.scratch) // what is left of it is in the temporary directory
	if err := b.setEnv(); err != nil {
		return err
	}
	start := time.Now()
	for _, part := range []struct {
		name, title string
		measure     func(context.Context) error
	}{
		{"start", "starting", b.measureStart},
		{"verifier", "one signature, in process, each with a new certificate", b.measureVerifier},
		{"git", fmt.Sprintf("through git, %d commits verified, %d signed", b.commits, b.signed), b.measureGit},
		{"audit", "auditing", b.measureAudit},
		{"authority", "the embedded authority", b.measureAuthority},
		{"sigstore", fmt.Sprintf("with the servers of a Sigstore, %d commits signed for each latency", b.throughServers), b.measureSigstore},
	} {
		if only != "" && only != part.name {
			continue
		}
		b.table.section(part.title)
		fmt.Fprintf(os.Stderr, "measuring %s\n", part.title)
		if err := part.measure(ctx); err != nil {
			b.table.note("not measured: " + err.Error())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	fmt.Printf("%s/%s, %d processors, %s, %s; took %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(),
		loadAverage(), time.Since(start).Round(time.Second))
	return b.table.write(os.Stdout)
}

// setEnv makes the environment that everything runs in: nothing of the user's
// counts, and nothing is left behind.
func (b *bench) setEnv() error {
	b.env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "GIT_CONFIG_NOSYSTEM=1", "TMPDIR=" + b.scratch}
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "GNUPGHOME"} {
		dir := filepath.Join(b.scratch, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		b.env = append(b.env, name+"="+dir)
	}
	return nil
}

// loadAverage says how busy the machine was of late, where the system tells.
func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	var one, five string
	if _, serr := fmt.Sscan(string(data), &one, &five); err != nil || serr != nil {
		return "load unknown"
	}
	return fmt.Sprintf("load %s (1 min) %s (5 min)", one, five)
}

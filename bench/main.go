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
	"strconv"
	"strings"
	"syscall"
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

	histories  []int  // commits in the generated histories
	ofKind     int    // commits in a generated history of one kind
	throughGit int    // commits that git verifies, one process for each
	generated  string // what generating the last history took

	throughServers int // commits signed with servers, for each latency
	onlineCommits  int // in the history whose log entries are looked up
	rebased        int // commits in a rebase

	table table
}

func main() {
	watch := flag.String("watch", "", "run the command that the arguments are, and write what it used to `file`")
	b := new(bench)
	flag.StringVar(&b.gitseal, "gitseal", filepath.Join("bin", "gitseal"), "the `program` to measure")
	flag.IntVar(&b.starts, "starts", 100, "how often to start a program")
	flag.IntVar(&b.rounds, "rounds", 5, "how often to verify a history")
	flag.IntVar(&b.commits, "commits", 200, "how many commits that history has")
	flag.IntVar(&b.signed, "signed", 100, "how many commits to sign")
	large := flag.Int("audited", 50_000, "how many commits the largest history to audit has")
	flag.IntVar(&b.throughServers, "servers", 10, "how many commits to sign with servers, for each latency; 0 leaves that out")
	flag.IntVar(&b.onlineCommits, "online", 1000, "how many commits to look up in a log")
	flag.IntVar(&b.rebased, "rebased", 100, "how many commits a rebase has")
	flag.IntVar(&b.ofKind, "kind", 10_000, "how many commits a generated history of one kind has")
	flag.IntVar(&b.throughGit, "through", 1000, "how many commits of one kind git verifies itself")
	b.histories = []int{1000, 100_000}
	flag.Func("histories", "how many commits the generated histories have (`numbers` with commas between; 1000,100000)", b.setHistories)
	million := flag.Bool("large", false, "generate histories of a million commits, too")
	only := flag.String("only", "", "make only one `part` of the measurements: start, verifier, git, audit, authority, sigstore, or one that is made only then: rebase or histories")
	flag.Parse()
	if *watch != "" {
		os.Exit(watched(*watch, flag.Args()))
	}
	b.ofKind, b.throughGit = max(b.ofKind, leastCommits), max(b.throughGit, leastCommits)
	if *million {
		b.histories = append(b.histories, 1_000_000)
	}
	b.commits = max(b.commits/chunk, 1) * chunk
	b.audited = []int{min(1000, *large), min(10_000, *large), *large}
	if err := b.run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// setHistories reads a list of numbers of commits.
func (b *bench) setHistories(list string) error {
	b.histories = nil
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < leastCommits {
			return fmt.Errorf("%q is no number of %d commits or more", text, leastCommits)
		}
		b.histories = append(b.histories, n)
	}
	return nil
}

func (b *bench) run(only string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
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
		long        bool // not made unless asked for
	}{
		{"start", "starting", b.measureStart, false},
		{"verifier", "one signature, in process, each with a new certificate", b.measureVerifier, false},
		{"git", fmt.Sprintf("through git, %d commits verified, %d signed", b.commits, b.signed), b.measureGit, false},
		{"audit", "auditing", b.measureAudit, false},
		{"authority", "the embedded authority", b.measureAuthority, false},
		{"sigstore", fmt.Sprintf("with the servers of a Sigstore, %d commits signed for each latency", b.throughServers), b.measureSigstore, false},
		{"rebase", fmt.Sprintf("a rebase of %d commits, with the servers of a Sigstore", b.rebased), b.measureRebase, true},
		{"histories", "auditing generated histories", b.measureHistories, true},
	} {
		if only != part.name && (only != "" || part.long) {
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

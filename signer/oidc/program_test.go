package oidc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The test binary stands for programs of others: with this variable it is the
// one that it names, and tests nothing.
const programVariable = "GITSEAL_TEST_PROGRAM"

func init() {
	if name := os.Getenv(programVariable); name != "" {
		os.Exit(programs[name](os.Args[1:]))
	}
}

// programs are programs by name, which return their exit code.
var programs = map[string]func(args []string) int{
	// As buildkite-agent does: messages to standard error, and the token with a
	// line end.
	"buildkite-agent": func(args []string) int {
		if len(args) != 4 || args[0] != "oidc" || args[1] != "request-token" || args[2] != "--audience" {
			fmt.Fprintf(os.Stderr, "Incorrect Usage: %q\n", args)
			return 1
		}
		if os.Getenv("BUILDKITE_AGENT_ACCESS_TOKEN") != "s3cret" {
			fmt.Fprintln(os.Stderr, "fatal: POST https://agent.buildkite.com/v3/jobs//oidc/tokens: 401 Unauthorized")
			return 1
		}
		fmt.Fprintln(os.Stderr, "2026-03-04 05:06:07 INFO   requesting token for "+args[3])
		fmt.Println(os.Getenv("TEST_TOKEN_" + args[3]))
		return 0
	},
	// As the runner's circleci does: no line end.
	"circleci": func(args []string) int {
		if !slices.Equal(args[:min(4, len(args))], []string{"run", "oidc", "get", "--claims"}) || len(args) != 5 {
			fmt.Fprintf(os.Stderr, "Error: unknown command %q\n", args)
			return 255
		}
		audience, ok := strings.CutPrefix(args[4], `{"aud":"`)
		audience, ends := strings.CutSuffix(audience, `"}`)
		if !ok || !ends {
			fmt.Fprintln(os.Stderr, "Error: --claims is not JSON")
			return 255
		}
		fmt.Print(os.Getenv("TEST_TOKEN_" + audience))
		return 0
	},
	// Writes its arguments.
	"echo": func(args []string) int {
		fmt.Print(strings.Join(args, "\n"))
		return 0
	},
	// Writes how much there is to read, and whether the test's variables are here.
	"look": func([]string) int {
		in, err := io.ReadAll(os.Stdin)
		fmt.Print(len(in), err, os.Getenv("TEST_SET"))
		return 0
	},
	// Fails with its first argument on standard error and the second on output.
	"fail": func(args []string) int {
		fmt.Fprint(os.Stderr, args[0])
		fmt.Print(args[1])
		return 3
	},
	// Writes forever.
	"flood": func([]string) int {
		for {
			if _, err := os.Stdout.WriteString(strings.Repeat("x", 1<<12)); err != nil {
				return 1
			}
		}
	},
	// Calls the test, and waits for it to hang up.
	"hang": func([]string) int {
		conn, err := net.Dial("tcp", os.Getenv("TEST_ADDRESS"))
		if err != nil {
			return 1
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return 1
		}
		return 0
	},
	// Writes a token and ends, but for a child that keeps the output open.
	"leave": func([]string) int {
		self, err := os.Executable()
		if err != nil {
			return 1
		}
		child := exec.Command(self)
		child.Env = append(os.Environ(), programVariable+"=hang")
		child.Stdout = os.Stdout
		if child.Start() != nil {
			return 1
		}
		fmt.Print(os.Getenv("TEST_TOKEN_sigstore"))
		return 0
	},
}

// setProgram has cfg find the program by its name, and no other, with the
// variables in its environment.
func setProgram(t *testing.T, cfg *Config, program string, environ ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg.LookPath = func(name string) (string, error) {
		if name != program {
			return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
		}
		return self, nil
	}
	cfg.Environ = append([]string{programVariable + "=" + program}, environ...)
}

func TestBuildkite(t *testing.T) {
	token := testToken(t, map[string]any{"iss": "https://agent.buildkite.com", "sub": "organization:o:pipeline:p:ref:refs/heads/main"})
	env := map[string]string{"BUILDKITE_AGENT_ACCESS_TOKEN": "s3cret", "BUILDKITE_JOB_ID": "1"}
	cfg := surroundings(env, nil)
	setProgram(t, cfg, "buildkite-agent", "BUILDKITE_AGENT_ACCESS_TOKEN=s3cret", "TEST_TOKEN_sigstore="+token)
	s := buildkite{cfg}
	checkToken(t, s, token)
	before := s.Key()
	if env["BUILDKITE_JOB_ID"] = "2"; s.Key() == before {
		t.Error("another job: got the same key")
	}

	// The audience is the one that is asked for.
	other := *cfg
	other.Audience = "private"
	checkRefused(t, buildkite{&other}, "buildkite-agent: empty")
	other.Environ = append(slices.Clone(cfg.Environ), "TEST_TOKEN_private="+token)
	checkRefused(t, buildkite{&other}, `buildkite-agent: the identity token is for audience "sigstore", want "private"`)
	// Who takes an option for an audience cannot make the program do something else.
	other.Audience = "--debug"
	checkRefused(t, buildkite{&other}, "buildkite-agent: empty")
}

func TestBuildkiteFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		environ []string
		want    string
	}{
		"refused":     {nil, `program "buildkite-agent": exit status 1: fatal: POST https://agent.buildkite.com/v3/jobs//oidc/tokens: 401 Unauthorized`},
		"no token":    {[]string{"BUILDKITE_AGENT_ACCESS_TOKEN=s3cret"}, "buildkite-agent: empty"},
		"not a token": {[]string{"BUILDKITE_AGENT_ACCESS_TOKEN=s3cret", "TEST_TOKEN_sigstore=s3cret"}, "buildkite-agent: the identity token is not"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := surroundings(map[string]string{"BUILDKITE_AGENT_ACCESS_TOKEN": "s3cret"}, nil)
			setProgram(t, cfg, "buildkite-agent", tt.environ...)
			checkRefused(t, buildkite{cfg}, tt.want)
		})
	}
	cfg := surroundings(nil, nil)
	setProgram(t, cfg, "buildkite-agent")
	if err := (buildkite{cfg}).Available(); err == nil {
		t.Error("no job: got available")
	}
	err := buildkite{surroundings(map[string]string{"BUILDKITE_AGENT_ACCESS_TOKEN": "s3cret"}, nil)}.Available()
	if err == nil {
		t.Fatal("no program: got available")
	}
	checkError(t, err, `the job has no program to ask for tokens with: program "buildkite-agent": executable file not found in $PATH`)
}

func TestCircleCI(t *testing.T) {
	theirs := testToken(t, map[string]any{"iss": "https://oidc.circleci.com/org/1", "aud": "1"})
	token := testToken(t, map[string]any{"iss": "https://oidc.circleci.com/org/1"})
	job := map[string]string{"CIRCLECI": "true", "CIRCLE_OIDC_TOKEN_V2": theirs, "CIRCLE_WORKFLOW_JOB_ID": "1"}
	cfg := surroundings(job, nil)
	setProgram(t, cfg, "circleci", "TEST_TOKEN_sigstore="+token, `TEST_TOKEN_a\"b=`+token)
	s := circleci{cfg}
	checkToken(t, s, token)
	before := s.Key()
	if job["CIRCLE_WORKFLOW_JOB_ID"] = "2"; s.Key() == before {
		t.Error("another job: got the same key")
	}

	// An audience is a string of JSON, whatever is in it.
	other := *cfg
	other.Audience = `a"b`
	checkRefused(t, circleci{&other}, `circleci run oidc get: the identity token is for audience "sigstore", want "a\"b"`)

	// The job's own token is enough where it is for us.
	job["CIRCLE_OIDC_TOKEN_V2"] = token
	cfg = surroundings(job, nil)
	checkToken(t, circleci{cfg}, token)

	// What is there and is no token is not passed over.
	job["CIRCLE_OIDC_TOKEN_V2"] = "s3cret"
	checkRefused(t, circleci{cfg}, "CIRCLE_OIDC_TOKEN_V2: the identity token is not")
}

func TestCircleCIFailures(t *testing.T) {
	job := map[string]string{"CIRCLECI": "true"}
	cfg := surroundings(job, nil)
	setProgram(t, cfg, "circleci", "TEST_TOKEN_sigstore=")
	checkRefused(t, circleci{cfg}, "circleci run oidc get: empty")
	cfg.Environ = []string{programVariable + "=buildkite-agent"} // which knows no such words
	checkRefused(t, circleci{cfg}, `program "circleci": exit status 1: Incorrect Usage`)
	setProgram(t, cfg, "circleci", "TEST_TOKEN_sigstore=s3cret")
	checkRefused(t, circleci{cfg}, "circleci run oidc get: the identity token is not")

	err := circleci{surroundings(job, nil)}.Available()
	if err == nil {
		t.Fatal("neither token nor program: got available")
	}
	checkError(t, err, "the job has no token for this audience, and no program to ask for one with: ")
	if err := (circleci{surroundings(nil, nil)}).Available(); err == nil || errors.As(err, new(withheld)) {
		t.Errorf("no job: got %v, want that this is none", err)
	}
}

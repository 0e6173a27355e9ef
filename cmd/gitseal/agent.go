package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"gitseal/signer/agent"
)

func agentCommand(e *env) *cli.Command {
	none := func(f func(*cli.Context) error) cli.ActionFunc {
		return func(c *cli.Context) error {
			if c.Args().Present() {
				return usage("agent %s takes no arguments", c.Command.Name)
			}
			return f(c)
		}
	}
	return &cli.Command{
		Name:  "agent",
		Usage: "see and end what keeps certificates between signatures",
		Description: "The agent is a process of your own that has the keys of your certificates, and signs git\n" +
			"objects with them. The first signature that needs it starts it; it ends by itself when there\n" +
			"is nothing left to sign with.",
		Subcommands: []*cli.Command{
			{
				Name: "start", Usage: "start the agent, if there is none",
				Flags:  []cli.Flag{formatFlag()},
				Action: none(func(c *cli.Context) error { return runAgentStatus(c, e, true) }),
			},
			{
				Name: "status", Usage: "say what the agent keeps, and until when",
				Description: "Exits 3 if there is no agent.",
				Flags:       []cli.Flag{formatFlag()},
				Action:      none(func(c *cli.Context) error { return runAgentStatus(c, e, false) }),
			},
			{
				Name: "forget", Usage: "have the agent forget certificates, and the logins that renew them",
				Description: "Forgets those of the instance in force.",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "all", Usage: "of all instances"},
					&cli.StringFlag{Name: "identity", Usage: "only those for `SUBJECT`"},
				},
				Action: none(func(c *cli.Context) error { return runForget(c.Context, e, c.Bool("all"), c.String("identity")) }),
			},
			{
				Name: "stop", Usage: "have the agent forget everything, and end",
				Action: none(func(c *cli.Context) error { return runAgentStop(c.Context, e) }),
			},
			agentRunCommand(e, none),
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return fail(exitUsage, fmt.Errorf("unknown command %q", "agent "+c.Args().First()), "gitseal agent --help")
			}
			return cli.ShowSubcommandHelp(c)
		},
	}
}

// An agentJSON says what the agent keeps.
type agentJSON struct {
	Schema      string           `json:"schema"`
	Running     bool             `json:"running"`
	Socket      string           `json:"socket"`
	Reason      string           `json:"reason,omitempty"` // why it does not run, or cannot be used
	Version     string           `json:"version,omitempty"`
	PID         int              `json:"pid,omitempty"`
	Started     string           `json:"started,omitempty"`
	Ends        string           `json:"ends,omitempty"` // unless something is asked of it
	Confirms    bool             `json:"confirms"`
	Locked      bool             `json:"locked"`
	Credentials []credentialJSON `json:"credentials,omitempty"`
}

// A credentialJSON is a certificate that the agent has the key of.
type credentialJSON struct {
	Instance   string        `json:"instance"`
	Identity   *identityJSON `json:"identity"`
	NotAfter   string        `json:"notAfter"`
	Renewable  bool          `json:"renewable"`
	Current    bool          `json:"current"` // signs unless settings ask for another
	Signatures int           `json:"signatures"`
}

// newAgentJSON returns what an agent says of itself, for programs.
func newAgentJSON(socket string, s *agent.Status) *agentJSON {
	doc := &agentJSON{
		Schema: "gitseal.agent/1", Running: true, Socket: socket, Version: s.Version, PID: s.PID,
		Started: rfc3339(s.Started), Ends: rfc3339(s.Ends), Confirms: s.Confirms, Locked: s.Locked,
	}
	for _, c := range s.Credentials {
		doc.Credentials = append(doc.Credentials, credentialJSON{
			c.Instance, &identityJSON{Subject: c.Identity.Subject, Issuer: c.Identity.Issuer}, rfc3339(c.NotAfter), c.Renewable, c.Current, c.Signatures,
		})
	}
	return doc
}

func runAgentStatus(c *cli.Context, e *env, start bool) error {
	asJSON, err := checkFormat(c)
	if err != nil {
		return err
	}
	s, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	socket, ours, err := s.agentSocket()
	if err != nil {
		return err
	}
	status, err := s.agentStatus(c.Context, e, start)
	var gone *agent.UnavailableError
	switch {
	case errors.As(err, &gone) && asJSON:
		if err := writeJSON(e, &agentJSON{Schema: "gitseal.agent/1", Socket: socket, Reason: oneLine(gone.Err.Error())}); err != nil {
			return err
		}
		return quiet(exitUnknown)
	case errors.As(err, &gone) && !ours && (isAbsent(gone) || errors.Is(err, io.EOF)):
		return fail(exitUnknown, err, unforwarded(gone))
	case errors.As(err, &gone) && start && ours:
		return fail(exitUnknown, err, "gitseal agent run --foreground   # says why it does not start")
	case errors.As(err, &gone) && isAbsent(gone):
		return fail(exitUnknown, fmt.Errorf("no agent runs at %s", printable(socket)), "gitseal login   # starts one", "gitseal agent start")
	case errors.As(err, &gone):
		return fail(exitUnknown, err, askDoctor)
	case err != nil:
		return err
	case asJSON:
		return writeJSON(e, newAgentJSON(socket, status))
	}
	for _, line := range agentLines(status, socket) {
		e.printf("%s\n", line)
	}
	return nil
}

// unforwarded says how to have an agent behind a socket that is forwarded.
func unforwarded(gone *agent.UnavailableError) string {
	switch {
	case errors.Is(gone, syscall.ECONNREFUSED):
		return "rm " + shellWord(gone.Path) + "   # a connection that has ended left it; then connect again"
	case errors.Is(gone, fs.ErrNotExist):
		return "connect with ssh from where the agent is, by a RemoteForward to what gitseal.agentSocket names"
	}
	return "gitseal login   # where the socket is forwarded from: no agent runs there"
}

// agentStatus asks the agent for its state.
func (s *settings) agentStatus(ctx context.Context, e *env, start bool) (*agent.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, signTimeout)
	defer cancel()
	a, err := s.connectAgent(ctx, e, start, func(string) {})
	if err != nil {
		return nil, err
	}
	defer a.Close()
	return a.Status(ctx)
}

// agentLines returns the state of an agent as a person reads it.
func agentLines(s *agent.Status, socket string) []string {
	lines := []string{fmt.Sprintf("agent %s, process %d, at %s, since %s", printable(s.Version), s.PID, printable(socket), formatTime(s.Started))}
	for i := range s.Credentials {
		c := &s.Credentials[i]
		line := printable(c.Instance) + ": " + credentialLine(c)
		if c.Current {
			line += "; signs unless another is asked for"
		}
		lines = append(lines, line+"; "+count(c.Signatures, "signature", "signatures"))
	}
	if len(s.Credentials) == 0 {
		lines = append(lines, "nobody is logged in")
	}
	if s.Confirms {
		lines = append(lines, "each signature has to be confirmed")
	}
	if !s.Locked {
		lines = append(lines, "its memory may be swapped to a disk: the limit on locked memory (ulimit -l) does not allow otherwise")
	}
	return append(lines, "ends by itself at "+formatTime(s.Ends)+", unless something is asked of it")
}

func runAgentStop(ctx context.Context, e *env) error {
	s, err := readSettings(ctx, e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	a, err := s.connectAgent(ctx, e, false, func(string) {})
	var gone *agent.UnavailableError
	if errors.As(err, &gone) && isAbsent(gone) {
		e.printf("no agent was running\n")
		return nil
	}
	if err == nil {
		defer a.Close()
		err = a.Stop(ctx)
	}
	if err != nil {
		return fail(exitUnknown, fmt.Errorf("stopping the agent: %w", err))
	}
	e.printf("the agent has forgotten everything, and has ended\n")
	return nil
}

// stopTime bounds stopping an agent.
const stopTime = 10 * time.Second

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	sigstore "gitseal/internal/trust"
	"gitseal/signer/agent"
)

// name returns the value of gitseal.instance, absolute if it is a directory.
func (in *instance) name() string {
	switch in.setting.Value {
	case localName, sigstoreName:
		return in.setting.Value
	}
	return in.dir
}

// agentInstance returns what an agent has to know of an instance whose servers
// sign.
func (s *settings) agentInstance(name string, root []byte, services *sigstore.SigningConfig) (*agent.Instance, error) {
	in := &agent.Instance{Name: name, TrustedRoot: root}
	var err error
	if in.SigningConfig, err = services.Marshal(); err != nil {
		return nil, fail(exitUsage, fmt.Errorf("instance %s: %w", name, err), askDoctor)
	}
	files, err := s.caFiles()
	if err != nil {
		return nil, err
	}
	in.CAs = bytes.Join(files, []byte("\n"))
	in.Audience, err = s.audience()
	return in, err
}

// agentSocket returns where the agent listens, and whether one is to be started
// there that is not: where the socket is forwarded from another machine, the
// agent is there, and a socket of ours would be in the way.
func (s *settings) agentSocket() (path string, ours bool, err error) {
	v, err := s.lookup("gitseal.agentSocket", "")
	if err != nil {
		return "", false, err
	}
	if v.Value != "" {
		if err := s.userOnly(v, "say who signs"); err != nil {
			return "", false, err
		}
		path, err = s.absolute(v)
		return path, false, err
	}
	path, err = agent.Path(s.getenv("XDG_RUNTIME_DIR"), os.TempDir(), os.Getuid())
	if err != nil {
		return "", false, fmt.Errorf("finding a place for the agent's socket: %w", err)
	}
	return path, true, nil
}

// dialAgent returns a connection to the agent, or nil if there is to be none:
// gitseal.agent is false, or none can be had, which is told to trace. start
// means to start one where none runs.
func (s *settings) dialAgent(ctx context.Context, e *env, start bool, trace func(string)) (*agent.Client, error) {
	on, _, err := s.flag("gitseal.agent", true)
	if err != nil || !on {
		return nil, err
	}
	client, err := s.connect(ctx, e, start, agent.ClientConfig{Trace: trace})
	var wrong *exitError
	switch {
	case errors.As(err, &wrong):
		return nil, err
	case err != nil:
		trace("going on without an agent: " + err.Error())
		return nil, nil
	}
	return client, nil
}

// startWait is how long a person who wants an agent waits for one that starts.
// A commit, which can do without, waits less.
const startWait = 10 * time.Second

// connectAgent returns a connection to the agent, whatever gitseal.agent says,
// for a person who wants it.
func (s *settings) connectAgent(ctx context.Context, e *env, start bool, trace func(string)) (*agent.Client, error) {
	return s.connect(ctx, e, start, agent.ClientConfig{Trace: trace, Wait: startWait})
}

func (s *settings) connect(ctx context.Context, e *env, start bool, cfg agent.ClientConfig) (*agent.Client, error) {
	path, ours, err := s.agentSocket()
	if err != nil {
		return nil, err
	}
	cfg.Path, cfg.Ahead = path, e.agent
	if start && ours {
		// One that does not ask would not be what somebody meant who wrote "ture".
		confirm, _, err := s.flag("gitseal.agentConfirm", false)
		if err != nil {
			return nil, err
		}
		cfg.Start = func() error { return spawnAgent(e, confirm) }
	}
	return agent.Dial(ctx, cfg)
}

// connectAhead begins to connect to the agent where it mostly is, if there is
// one, before it is known whether it is needed: to read git's configuration
// takes longer.
func (e *env) connectAhead(ctx context.Context) {
	if path, err := agent.Path(e.getenv("XDG_RUNTIME_DIR"), os.TempDir(), os.Getuid()); err == nil {
		e.agent = agent.Connect(ctx, path)
	}
}

// spawnAgent starts an agent that outlives this process.
func spawnAgent(e *env, confirm bool) error {
	args := []string{"agent", "run"}
	if confirm {
		args = append(args, "--confirm") // the environment is not passed on
	}
	return agent.Spawn(e.program, args, os.Environ(), "/")
}

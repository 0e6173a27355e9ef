package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"gitseal/internal/transport"
	trusted "gitseal/internal/trust"
	"gitseal/signer"
	"gitseal/signer/agent"
	"gitseal/signer/oidc"
	"gitseal/signer/sigstore"
	"gitseal/verifier"
)

func agentRunCommand(e *env, none func(func(*cli.Context) error) cli.ActionFunc) *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "be the agent",
		Description: "Runs until there is nothing left to sign with. This is what the first signature starts, and\n" +
			"what a service of systemd runs. What it does is noted in gitseal/log/agent.log in the state\n" +
			"directory ($XDG_STATE_HOME).",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "foreground", Usage: "note what it does on standard error instead"},
			&cli.BoolFlag{Name: "confirm", Usage: "ask before each signature, as gitseal.agentConfirm has it"},
		},
		Action: none(func(c *cli.Context) error { return runAgent(c.Context, e, c.Bool("foreground"), c.Bool("confirm")) }),
	}
}

func runAgent(ctx context.Context, e *env, foreground, confirm bool) error {
	// Before there is anything to keep.
	locked, err := agent.Harden()
	if err != nil {
		return fail(exitUsage, fmt.Errorf("keeping the agent's memory to itself: %w", err))
	}
	// It is there for hours, and signs in bursts. What it does not keep, copies
	// of keys that the runtime made among it, is better soon collected.
	debug.SetGCPercent(agentGC)
	// Before git is run, which would have the socket too.
	listener, err := agent.Inherited(os.Getpid(), e.getenv)
	if err != nil {
		return fail(exitUsage, err)
	}
	s, err := readSettings(ctx, e)
	if err != nil {
		return err
	}
	path, ours, err := s.agentSocket()
	if err != nil {
		return err
	}
	if !ours {
		return usage("reading gitseal.agentSocket: that socket comes from another machine, where the agent is")
	}
	cfg, err := s.agentConfig(e, confirm)
	if err != nil {
		return err
	}
	log := s.agentLog(e, foreground)
	cfg.Log, cfg.Locked = log, locked
	server, err := agent.New(cfg)
	if err != nil {
		return err
	}
	if listener == nil {
		listener, err = agent.Listen(path)
	}
	if errors.Is(err, agent.ErrRunning) {
		log.Info("another agent is running")
		return fail(exitUsage, err, "gitseal agent status")
	}
	if err != nil {
		log.Error("not listening", "reason", err)
		return fail(exitUsage, err)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := server.Serve(ctx, listener); err != nil {
		log.Error("agent ends", "reason", err)
		return fail(exitUnknown, fmt.Errorf("running the agent: %w", err))
	}
	return nil
}

// agentGC is by how many percent the memory in use may grow before garbage is
// collected. The agent then has 18 MB, of which 13 are the program itself, and
// takes no longer to sign.
const agentGC = 20

// agentConfig returns how an agent of ours signs.
func (s *settings) agentConfig(e *env, confirm bool) (agent.Config, error) {
	cfg := agent.Config{
		Open: func(in *agent.Instance, tokens signer.TokenSource) (*signer.Signer, error) {
			return openInstance(e, in, tokens)
		},
		Renew: func(ctx context.Context, in *agent.Instance, session *oidc.Session) (*oidc.Grant, error) {
			client, err := clientOf(in)
			if err != nil {
				return nil, err
			}
			return oidc.Renew(ctx, client, session, e.now())
		},
		Flush: func(ctx context.Context) error { return flushApart(ctx, e) },
		Now:   e.now, Version: version(),
	}
	if queue, err := s.queue(); err == nil {
		cfg.Queue = queue.Dir
	}
	on, _, err := s.flag("gitseal.agentConfirm", false)
	if err != nil {
		return cfg, err
	}
	if on || confirm {
		cfg.Confirm = agent.Askpass(s.getenv("SSH_ASKPASS"), os.Environ())
	}
	return cfg, nil
}

// agentLog returns what notes what the agent does: no object, key or token is
// in it.
func (s *settings) agentLog(e *env, foreground bool) *slog.Logger {
	var out io.Writer = e.stderr
	if !foreground {
		// An agent whose notes cannot be kept is one all the same.
		out = io.Discard
		if dir, err := s.baseDir("XDG_STATE_HOME", filepath.Join(".local", "state")); err == nil {
			name := filepath.Join(dir, "gitseal", "log", "agent.log")
			_ = os.MkdirAll(filepath.Dir(name), 0o700)
			out = rotatedLog(name)
		}
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindString || a.Value.Kind() == slog.KindAny {
			a.Value = slog.StringValue(secretless(a.Value.String()))
		}
		return a
	}}))
}

// A rotatedLog is a file that is moved away when it is full. slog writes each
// record at once.
type rotatedLog string

// Write implements io.Writer.
func (name rotatedLog) Write(line []byte) (int, error) {
	appendRotated(string(name), line)
	return len(line), nil
}

// openInstance opens an instance that a client named to sign with. Who named it
// has verified nothing of it for us; nothing of the agent's own depends on it.
func openInstance(e *env, in *agent.Instance, tokens signer.TokenSource) (*signer.Signer, error) {
	root, err := verifier.ParseTrustedRoot(in.TrustedRoot)
	if err != nil {
		return nil, fmt.Errorf("reading the trusted root: %w", err)
	}
	config, err := trusted.ParseSigningConfig(in.SigningConfig)
	if err != nil {
		return nil, fmt.Errorf("reading the signing config: %w", err)
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}, Small: true})
	if err != nil {
		return nil, err
	}
	client, err := clientOf(in)
	if err != nil {
		return nil, err
	}
	servers, err := sigstore.New(sigstore.Config{Client: client, Signing: config, TrustedRoot: root, Now: e.now})
	if err != nil {
		return nil, err
	}
	return signer.New(signer.Config{
		Audience: in.Audience, Tokens: tokens, Verifier: v, Now: e.now,
		CA: connectingCA{servers.CA(), servers}, Logs: servers.Logs(), Timestampers: servers.Timestampers(),
	})
}

// A connectingCA opens connections to all servers when it is asked for a
// certificate: the first signature then finds those to the log and the
// time-stamp authority open.
type connectingCA struct {
	signer.CertificateAuthority
	servers *sigstore.Instance
}

// Certify implements signer.CertificateAuthority.
func (c connectingCA) Certify(ctx context.Context, token string, publicKey, proof []byte) ([][]byte, error) {
	c.servers.Connect(context.WithoutCancel(ctx)) // they are for who asks next
	return c.CertificateAuthority.Certify(ctx, token, publicKey, proof)
}

// clientOf returns what asks the servers of an instance, and where its people
// log in.
func clientOf(in *agent.Instance) (*transport.Client, error) {
	var cas [][]byte
	if len(in.CAs) > 0 {
		cas = [][]byte{in.CAs}
	}
	cfg, err := clientConfig(cas)
	if err != nil {
		return nil, err
	}
	// From one signature to the next, as long as there is a certificate.
	cfg.Idle = 10 * time.Minute
	return transport.New(cfg), nil
}

// isAbsent reports whether there is no agent, rather than one that cannot be
// used.
func isAbsent(err *agent.UnavailableError) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

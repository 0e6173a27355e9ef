package agent

import (
	"context"
	"errors"
	"fmt"

	"gitseal/signer"
	"gitseal/signer/oidc"
)

// A RemoteError is why an agent did not do what it was asked, in its words: one
// line.
type RemoteError struct {
	Message          string
	LoginRefused     bool // by the person whom another client asked to log in
	UnknownAuthority bool // a server's certificate is by an authority that is not trusted
	unreachable      bool
}

// Error returns the message.
func (e *RemoteError) Error() string { return e.Message }

// Unreachable reports whether it was a server that could not be reached.
func (e *RemoteError) Unreachable() bool { return e.unreachable }

// err returns what a failure was, in the types of this side.
func (m *failedMessage) err() error {
	if m.NoCredential {
		return ErrNoCredential
	}
	err := error(&RemoteError{line(m.Message), m.LoginRefused, m.UnknownAuthority, m.Unreachable})
	if m.Step != "" {
		return &signer.StepError{Step: line(m.Step), Err: err}
	}
	return err
}

// Sign asks for a signature. progress is told when a step begins; nil: nobody.
// The error is ErrNoCredential if somebody has to log in first, an
// *UnavailableError if the agent is gone, a *signer.StepError if signing
// failed, and a *RemoteError if the agent refuses. What it returns has to be
// verified before it is used.
func (c *Client) Sign(ctx context.Context, r *SignRequest, progress func(step string)) (*SignAnswer, error) {
	m, err := c.ask(ctx, &message{Sign: &signMessage{
		Instance: r.Instance, Source: r.Source, Expect: r.Expect, Defer: r.Defer, Queue: r.Queue,
	}}, r.Payload, progress)
	switch {
	case err != nil:
		return nil, err
	case m.Signed == nil:
		return nil, c.failure(ctx, errNoAnswer)
	}
	return &SignAnswer{m.Signed.Armored, m.Signed.Pending}, nil
}

// errNoAnswer is the error about an answer to another question.
var errNoAnswer = errors.New("its answer is not to what it was asked")

// Login has the agent get a certificate with what get brings, unless it has one
// for the instance and source already, of the subject expect if that is not
// "". While somebody else logs in for the same instance and source, it waits
// for the outcome, and calls get only if that leaves nothing to use: a login
// that failed is tried again by the next, but not one that a person refused.
// A refusal is an *oidc.RefusedError of the code access_denied, the cancellation
// of a context, or an error with a method Refused() that returns true: a person
// who was asked in vain is not asked by the next.
func (c *Client) Login(ctx context.Context, in *Instance, source, expect string, get func(context.Context) (*oidc.Grant, error)) (*Credential, error) {
	return c.login(ctx, in, source, expect, false, get)
}

// Relogin is Login for who does not want what the agent has already.
func (c *Client) Relogin(ctx context.Context, in *Instance, source, expect string, get func(context.Context) (*oidc.Grant, error)) (*Credential, error) {
	return c.login(ctx, in, source, expect, true, get)
}

func (c *Client) login(ctx context.Context, in *Instance, source, expect string, again bool, get func(context.Context) (*oidc.Grant, error)) (*Credential, error) {
	w, release, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	m, err := c.exchange(ctx, w, &message{Login: &loginMessage{
		Name: in.Name, TrustedRoot: in.TrustedRoot, SigningConfig: in.SigningConfig, CAs: in.CAs, Audience: in.Audience,
		Source: source, Expect: expect, Again: again,
	}}, nil, nil)
	if err == nil && m.Go != nil {
		grant, gerr := get(ctx)
		if gerr != nil {
			// Whether it is heard or not: the agent also sees us go.
			_ = w.send(&message{GaveUp: &gaveUpMessage{refused(gerr), gerr.Error()}}, nil)
			return nil, gerr
		}
		m, err = c.exchange(ctx, w, &message{Grant: newGrant(grant)}, nil, nil)
	}
	switch {
	case err != nil:
		return nil, err
	case m.Credential == nil:
		return nil, c.failure(ctx, errNoAnswer)
	}
	cred := m.Credential.public()
	return &cred, nil
}

// refused reports whether err says that nobody need be asked again.
func refused(err error) bool {
	var r *oidc.RefusedError
	var vain interface{ Refused() bool }
	return errors.Is(err, context.Canceled) || errors.As(err, &r) && r.Code == "access_denied" || errors.As(err, &vain) && vain.Refused()
}

func newGrant(g *oidc.Grant) *grantMessage {
	m := &grantMessage{IDToken: g.IDToken}
	if g.Session != nil {
		s := sessionMessage(*g.Session)
		m.Session = &s
	}
	return m
}

// Status returns what the agent tells of itself.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	m, err := c.ask(ctx, &message{Ask: new(struct{})}, nil, nil)
	switch {
	case err != nil:
		return nil, err
	case m.Status == nil:
		return nil, c.failure(ctx, errNoAnswer)
	}
	s := m.Status
	status := &Status{Version: s.Version, PID: s.PID, Started: s.Started, Ends: s.Ends, Confirms: s.Confirms, Locked: s.Locked}
	for i := range s.Credentials {
		status.Credentials = append(status.Credentials, s.Credentials[i].public())
	}
	return status, nil
}

// Forget has the agent forget what it has for an instance, or for all if that
// is nil, and a subject, or whomever if that is "". It returns how many
// identities that were.
func (c *Client) Forget(ctx context.Context, instance *[32]byte, subject string) (int, error) {
	return c.do(ctx, &message{Forget: &forgetMessage{(*digest)(instance), subject}})
}

// Stop has the agent forget everything and end, and waits until it has.
func (c *Client) Stop(ctx context.Context) error {
	_, err := c.do(ctx, &message{Stop: new(struct{})})
	return err
}

// Flush has the agent begin to record what waits for it, and does not wait for
// that.
func (c *Client) Flush(ctx context.Context) error {
	_, err := c.do(ctx, &message{Flush: new(struct{})})
	return err
}

// do asks for something that is answered by how often it was done.
func (c *Client) do(ctx context.Context, m *message) (int, error) {
	m, err := c.ask(ctx, m, nil, nil)
	switch {
	case err != nil:
		return 0, err
	case m.Done == nil:
		return 0, c.failure(ctx, errNoAnswer)
	}
	return m.Done.Count, nil
}

// ask sends a request on a connection of its own, and returns the answer.
func (c *Client) ask(ctx context.Context, m *message, body []byte, progress func(string)) (*message, error) {
	w, release, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return c.exchange(ctx, w, m, body, progress)
}

// open returns a connection for one request, and what closes it.
func (c *Client) open(ctx context.Context) (*wire, func(), error) {
	select {
	case c.places <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	w := c.takeFirst()
	if w == nil {
		var err error
		// It was there a moment ago: that it is slow is no reason to do without.
		if w, err = c.connect(ctx, quietTime); err != nil {
			if w != nil {
				_ = w.conn.Close() // nothing was said on it
			}
			<-c.places
			return nil, nil, c.failure(ctx, err)
		}
	}
	return w, func() {
		_ = w.conn.Close() // the answer is here, or lost
		<-c.places
	}, nil
}

// exchange sends one message, and returns the answer to it.
func (c *Client) exchange(ctx context.Context, w *wire, m *message, body []byte, progress func(string)) (*message, error) {
	if err := w.send(m, body); err != nil {
		return nil, c.failure(ctx, fmt.Errorf("asking it: %w", err))
	}
	for {
		m, err := w.hear(ctx, quietTime)
		switch {
		case err != nil:
			return nil, c.failure(ctx, fmt.Errorf("waiting for its answer: %w", err))
		case m.Failed != nil:
			return nil, m.Failed.err()
		case m.Working == nil:
			return m, nil
		case m.Working.Step != "" && progress != nil:
			progress(line(m.Working.Step))
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/audit"
)

// checkCertificate checks the certificate of a signed push: that somebody whom
// the policy knows made it for this push and for no other. What git says of
// the signature is not asked.
func (h *hookRun) checkCertificate(ctx context.Context, cfg *audit.Config, updates []gitutil.PushUpdate) error {
	refused := func(code int, err error, hints ...string) error {
		return fail(code, fmt.Errorf("push refused: push certificate: %w", err), hints...)
	}
	oid := h.env.getenv("GIT_PUSH_CERT")
	if oid == "" {
		if h.c.Bool("require-push-cert") {
			return fail(exitFinding, errors.New("push refused: it is not signed"), "git push --signed")
		}
		return nil
	}
	o, err := cfg.Repo.Object(ctx, oid)
	if err != nil {
		return refused(exitUnknown, err)
	}
	if o.Type != "blob" {
		return refused(exitFinding, fmt.Errorf("%s is a %s", oid, o.Type))
	}
	c, err := gitutil.ParsePushCertificate(o.Data, cfg.Repo.ObjectFormat())
	if err != nil {
		return refused(exitFinding, err)
	}
	judge := &audit.Judge{Format: cfg.Repo.ObjectFormat(), Verifier: cfg.Verifier, Keys: cfg.Keys, Allowed: audit.Anyone{}}
	if cfg.Policy != nil {
		judge.Allowed = audit.ByPolicy{Policy: cfg.Policy}
	}
	if v := judge.PushCertificate(c); v.Class != verifier.Verified {
		return refused(classExit(v.Class), fmt.Errorf("%s: %s", v.Class, v.Message))
	}
	if err := h.checkNonce(c); err != nil {
		return refused(exitFinding, err, "git push --signed   # again: each push has a nonce of its own",
			"on the other side: git config receive.certNonceSlop SECONDS   # for pushes over HTTP")
	}
	if allowed := h.c.StringSlice("pushee"); len(allowed) > 0 && !slices.Contains(allowed, c.Pushee) {
		return refused(exitFinding, fmt.Errorf("it is for a push to %q, and not to here", c.Pushee))
	}
	// Git leaves out what it refuses itself.
	signed := make(map[gitutil.PushUpdate]bool)
	for _, u := range c.Updates {
		signed[u] = true
	}
	for _, u := range updates {
		if !signed[u] {
			return refused(exitFinding, fmt.Errorf("it says nothing of %s from %s to %s", u.Ref, orNone(u.Old), orNone(u.New)))
		}
	}
	return nil
}

func orNone(oid string) string {
	if oid == "" {
		return "none"
	}
	return oid
}

// checkNonce checks that a certificate is of this push: git has given the nonce
// out, and not long ago.
func (h *hookRun) checkNonce(c *gitutil.PushCertificate) error {
	switch status := h.env.getenv("GIT_PUSH_CERT_NONCE_STATUS"); {
	case c.Nonce == "":
		return errors.New("it has no nonce, so it may be of an earlier push")
	case status == "SLOP":
		return fmt.Errorf("its nonce is of another time: %s seconds off", printable(h.env.getenv("GIT_PUSH_CERT_NONCE_SLOP")))
	case status != "OK":
		return fmt.Errorf("its nonce is not the one that was given out: %s", printable(status))
	case c.Nonce != h.env.getenv("GIT_PUSH_CERT_NONCE"):
		return errors.New("its nonce is not the one that git has checked")
	}
	return nil
}

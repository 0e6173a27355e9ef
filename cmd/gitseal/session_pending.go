package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gitseal/signer"
	"gitseal/signer/agent"
	"gitseal/signer/pending"
)

// enqueue keeps what a log has to record of a signature. It is durable before
// the signature is given away: a commit whose signature nobody will ever record
// would be worse than none. began is when somebody was first asked to sign.
func (s *session) enqueue(began time.Time, payload []byte, made *signer.Signature) error {
	queue, err := s.settings.queue()
	if err != nil {
		return err
	}
	record := &pending.Record{
		Made:             s.env.now(),
		Instance:         s.remote.name,
		Repository:       s.repository(),
		SignedAttributes: made.Pending.SignedAttributes,
		Signature:        made.Pending.Signature,
		Certificate:      made.Pending.Certificate,
		Timestamps:       made.Pending.Timestamps,
	}
	// Of a push certificate there is no object.
	if typ, oid, err := signedID(payload, made.Armored); err == nil {
		record.Object = typ + " " + oid
	}
	if err := queue.Add(record); err != nil {
		_, _, hints := exitCode(ofQueue(queue, err))
		return fail(exitUnknown, fmt.Errorf("keeping the signature until a log has recorded it: %w", err),
			append(hints, "git config gitseal.logMode embed   # until that works again")...)
	}
	// The agent begins to look by itself soon after it has signed.
	if s.remote.queue == "" || s.env.now().Sub(began) > lateQueue {
		s.mu.Lock()
		s.queued = true
		s.mu.Unlock()
	}
	return nil
}

// lateQueue is how long after the agent has signed it has not looked yet at what
// waits.
const lateQueue = 500 * time.Millisecond

// repository returns the git directory that the object will be in, which
// worktrees share; "" if there is none.
func (s *session) repository() string {
	here, err := os.Getwd()
	if err != nil {
		return ""
	}
	dir := gitDir(s.env.getenv, here)
	if dir == "" {
		return ""
	}
	if data, err := readFile(filepath.Join(dir, "commondir"), maxGitFile); err == nil {
		common := strings.TrimRight(string(data), "\r\n")
		if !filepath.IsAbs(common) {
			common = filepath.Join(dir, common)
		}
		dir = common
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return dir
}

// flushTime bounds telling the agent that there is something to record.
const flushTime = time.Second

// flushByAgent has the agent record what waits. That it does not is no failure:
// the next flush will.
func (s *session) flushByAgent(a *agent.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := a.Flush(ctx); err != nil {
		s.trace.step("the agent does not record what waits: " + err.Error())
	}
}

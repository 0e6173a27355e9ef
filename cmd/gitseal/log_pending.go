package main

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
	"gitseal/signer/pending"
)

func logPendingCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "pending",
		Usage: "list the signatures that wait for their log entry",
		Description: "Lists what gitseal.logMode=deferred, or gitseal.onOffline=defer, has signed without a log entry and\n" +
			"nothing has recorded yet, of all repositories. Exits 0 whatever waits; with --exit-code 1 if\n" +
			"something does.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "forget", Usage: "give up the entry whose `ID` begins so; its object stays not-logged for ever"},
			&cli.BoolFlag{Name: "exit-code", Usage: "exit 1 if something waits"},
			formatFlag(),
		},
		Action: func(c *cli.Context) error { return runLogPending(c, e) },
	}
}

// A pendingJSON is one signature in the answer of log pending and log flush.
type pendingJSON struct {
	ID         string `json:"id"`
	Object     string `json:"object,omitempty"`     // "commit 12ab…"
	Identity   string `json:"identity,omitempty"`   // as the certificate has it
	Made       string `json:"made"`                 // RFC 3339
	Until      string `json:"until,omitempty"`      // when it has to be recorded by; not there: it can be at any time
	Expired    bool   `json:"expired"`              // that is over: unless a log has it already, it is lost
	Repository string `json:"repository,omitempty"` // the git directory
	Instance   string `json:"instance"`
	Error      string `json:"error,omitempty"` // why it was not recorded, of log flush
}

// A badFileJSON is a file of the queue that is no record.
type badFileJSON struct {
	File  string `json:"file"`
	Error string `json:"error"`
}

func newPendingJSON(r *pending.Record, now time.Time) pendingJSON {
	key := r.Key()
	p := pendingJSON{
		ID: hex.EncodeToString(key[:]), Object: r.Object, Made: rfc3339(r.Made), Repository: r.Repository, Instance: r.Instance,
	}
	leaf, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return p // which the queue would not have read
	}
	switch {
	case len(leaf.EmailAddresses) > 0:
		p.Identity = leaf.EmailAddresses[0]
	case len(leaf.URIs) > 0:
		p.Identity = leaf.URIs[0].String()
	}
	// With a time-stamp it is proven when it was made, whenever it is recorded.
	if len(r.Timestamps)+len(r.Stamped) == 0 {
		p.Until, p.Expired = rfc3339(leaf.NotAfter), now.After(leaf.NotAfter)
	}
	return p
}

// shortID is how much of an id is shown: enough to tell apart what waits.
const shortID = 12

// line says what waits.
func (p *pendingJSON) line() string {
	text := p.ID[:shortID] + " " + p.what()
	if p.Identity != "" {
		text += " by " + p.Identity
	}
	text += ", signed " + p.Made
	switch {
	case p.Expired:
		text += ", too late since " + p.Until
	case p.Until != "":
		text += ", to be recorded by " + p.Until
	}
	if p.Repository != "" {
		text += ", in " + p.Repository
	}
	return text
}

// what names the object.
func (p *pendingJSON) what() string {
	typ, oid, ok := strings.Cut(p.Object, " ")
	if !ok {
		return "signature"
	}
	return typ + " " + short(oid)
}

func runLogPending(c *cli.Context, e *env) error {
	if c.Args().Present() {
		return usage("log pending takes no arguments")
	}
	if c.IsSet("forget") && (c.Bool("exit-code") || c.IsSet("format")) {
		return usage("--forget goes with no other option")
	}
	asJSON, err := checkFormat(c)
	if err != nil {
		return err
	}
	settings, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	queue, err := settings.queue()
	if err != nil {
		return err
	}
	records, bad, err := queue.List()
	if err != nil {
		return ofQueue(queue, err)
	}
	if c.IsSet("forget") {
		return forgetPending(e, queue, records, c.String("forget"))
	}
	waiting := []pendingJSON{}
	expired := false
	for _, r := range records {
		p := newPendingJSON(r, e.now())
		waiting = append(waiting, p)
		expired = expired || p.Expired
		if !asJSON {
			e.printf("%s\n", printable(p.line()))
		}
	}
	if asJSON {
		files := []badFileJSON{}
		for _, b := range bad {
			files = append(files, badFileJSON{filepath.Join(queue.Dir, b.Name), b.Err.Error()})
		}
		err = writeJSON(e, struct {
			Schema  string        `json:"schema"`
			Pending []pendingJSON `json:"pending"`
			Bad     []badFileJSON `json:"badFiles"`
		}{"gitseal.log-pending/1", waiting, files})
		if err != nil {
			return err
		}
	}
	tellBadFiles(e, queue, bad)
	if expired && !asJSON {
		fmt.Fprintf(e.stderr, "hint: gitseal log flush --all   # says what is lost, if no log has it already\n")
	}
	if c.Bool("exit-code") && len(waiting) > 0 {
		return quiet(exitFinding)
	}
	return nil
}

// tellBadFiles says which files of the queue are no records.
func tellBadFiles(e *env, queue pending.Queue, bad []pending.BadFile) {
	for i, b := range bad {
		if i == maxTold {
			fmt.Fprintf(e.stderr, "gitseal: and %s more\n", count(len(bad)-maxTold, "file", "files"))
			return
		}
		fmt.Fprintf(e.stderr, "gitseal: %s\n", oneLine(fmt.Sprintf("%s is no signature that waits: %v", filepath.Join(queue.Dir, b.Name), b.Err)))
	}
}

// forgetPending takes a record out of the queue.
func forgetPending(e *env, queue pending.Queue, records []*pending.Record, id string) error {
	if len(id) < 4 || strings.Trim(id, "0123456789abcdef") != "" {
		return usage("--forget %s: want the beginning of an ID, at least 4 digits, as gitseal log pending shows it", id)
	}
	var found *pending.Record
	for _, r := range records {
		key := r.Key()
		if !strings.HasPrefix(hex.EncodeToString(key[:]), id) {
			continue
		}
		if found != nil {
			return usage("--forget %s: several IDs begin so", id)
		}
		found = r
	}
	if found == nil {
		return fail(exitUsage, fmt.Errorf("nothing that waits has an ID that begins with %s", id), "gitseal log pending")
	}
	if err := queue.Remove(found); err != nil {
		return ofQueue(queue, err)
	}
	p := newPendingJSON(found, e.now())
	e.printf("forgot %s\n", printable(p.line()))
	return nil
}

// repositoryHere opens the repository that git finds from here; nil if there is
// none.
func repositoryHere(ctx context.Context) (*gitutil.Repo, error) {
	repo, err := openRepository(ctx)
	if errors.Is(err, gitutil.ErrNotRepository) {
		return nil, nil
	}
	return repo, err
}

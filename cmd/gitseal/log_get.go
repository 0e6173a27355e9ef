package main

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
	"gitseal/internal/rekor"
	sigstore "gitseal/internal/trust"
	"gitseal/verifier"
	"gitseal/verifier/audit"
)

func logGetCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "get",
		Usage:     "show entries of a log, after the log has proven them",
		ArgsUsage: "[ID | REV]",
		Description: "Asks for the entry with an index or an id, or for the one that a commit's or tag's signature\n" +
			"is recorded in, or for those by a certificate. Exits 0 if there is one, 1 if there is none, 3\n" +
			"if the log could not be asked or its answer is not signed, 4 if it contradicts itself.",
		Flags: append([]cli.Flag{
			&cli.Int64Flag{Name: "index", Usage: "the entry with this `NUMBER`, counted over all trees of a log", DefaultText: "none"},
			&cli.StringFlag{Name: "certificate", Usage: "the entries by the certificate in `FILE`, PEM or DER"},
		}, logFlags()...),
		Action: func(c *cli.Context) error { return runLogGet(c, e) },
	}
}

func runLogGet(c *cli.Context, e *env) error {
	asJSON, err := checkFormat(c)
	if err != nil {
		return err
	}
	ways := c.NArg()
	for _, flag := range []string{"index", "certificate"} {
		if c.IsSet(flag) {
			ways++
		}
	}
	if ways != 1 {
		return usage("want one of --index, --certificate, an entry's id and a revision")
	}
	logs, err := openLogs(c, e)
	if err != nil {
		return err
	}
	defer logs.Close() // only asked
	var entries []*entryJSON
	switch arg := c.Args().First(); {
	case c.IsSet("index"):
		entries, err = logs.byIndex(c.Context, c.Int64("index"))
	case c.IsSet("certificate"):
		entries, err = logs.byCertificateFile(c.Context, c.String("certificate"))
	case isEntryID(c.Context, arg):
		entries, err = logs.byID(c.Context, strings.ToLower(arg))
	default:
		entries, err = logs.byRevision(c.Context, arg, c.IsSet("log"))
	}
	none := errors.Is(err, errNoEntry)
	if err != nil && !none {
		return explainLog(err)
	}
	if none {
		entries, err = []*entryJSON{}, fail(exitFinding, err)
	}
	if asJSON {
		if err := writeJSON(e, struct {
			Schema  string       `json:"schema"`
			Entries []*entryJSON `json:"entries"`
		}{"gitseal.log-get/1", entries}); err != nil {
			return err
		}
		return err
	}
	for i, entry := range entries {
		if i > 0 {
			e.printf("\n")
		}
		e.printf("%s", joinLines(entry.lines()))
	}
	return err
}

// isEntryID reports whether an argument is the id of an entry of Rekor v1: 64
// or 80 hexadecimal digits. An object of a SHA-256 repository has 64 as well.
func isEntryID(ctx context.Context, arg string) bool {
	if _, err := hex.DecodeString(arg); err != nil || len(arg) != 64 && len(arg) != 80 {
		return false
	}
	repo, err := gitutil.Open(ctx, gitutil.Config{})
	if err != nil {
		return true // no repository: no object of it
	}
	_, _, err = repo.Resolve(ctx, arg)
	return err != nil
}

// only returns the one log that is asked, for what is not the same in another.
func (l *logs) only(ctx context.Context) (*knownLog, error) {
	if len(l.chosen) == 1 {
		return l.open(ctx, l.chosen[0])
	}
	var names []string
	for _, log := range l.chosen {
		names = append(names, "--log "+shellWord(log.BaseURL))
	}
	return nil, fail(exitUsage, fmt.Errorf("%d logs are in use: say which one", len(l.chosen)), names...)
}

func (l *logs) byIndex(ctx context.Context, index int64) ([]*entryJSON, error) {
	k, err := l.only(ctx)
	if err != nil {
		return nil, err
	}
	entry, err := k.byIndex(ctx, index)
	return []*entryJSON{entry}, err
}

// byID asks the logs that know ids.
func (l *logs) byID(ctx context.Context, id string) ([]*entryJSON, error) {
	none := fail(exitUsage, errors.New("entries have an id in Rekor v1 only, and none of the logs is one"), "gitseal log get --index N")
	for _, trusted := range l.chosen {
		k, err := l.open(ctx, trusted)
		if err != nil {
			return nil, err
		}
		if k.v1 == nil {
			continue
		}
		entry, err := k.byID(ctx, id)
		if !errors.Is(err, errNoEntry) {
			return []*entryJSON{entry}, err
		}
		none = err
	}
	return nil, none
}

// maxCertificateFile bounds a file with a certificate.
const maxCertificateFile = 1 << 20

func (l *logs) byCertificateFile(ctx context.Context, file string) ([]*entryJSON, error) {
	data, err := readFile(file, maxCertificateFile)
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	der := data
	if block, _ := pem.Decode(data); block != nil && block.Type == "CERTIFICATE" {
		der = block.Bytes
	}
	if _, err := x509.ParseCertificate(der); err != nil {
		return nil, fail(exitUsage, fmt.Errorf("reading %s: %w", file, err), "want one certificate, PEM or DER")
	}
	return l.byCertificate(ctx, der)
}

// byCertificate returns the entries with signatures by a certificate.
func (l *logs) byCertificate(ctx context.Context, der []byte) ([]*entryJSON, error) {
	var all []*entryJSON
	for _, trusted := range l.chosen {
		k, err := l.open(ctx, trusted)
		var found []*entryJSON
		if err == nil {
			found, err = l.search(ctx, k, question{certificate: der})
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w by that certificate", errNoEntry)
	}
	return all, nil
}

// byRevision returns the entry in which the signature of a commit or tag is
// recorded: the one that is embedded, asked for again, or, where none is,
// those by its certificate. The log is the one that the entry is of, unless
// one was named.
func (l *logs) byRevision(ctx context.Context, rev string, named bool) ([]*entryJSON, error) {
	v, err := l.trust.verifier()
	if err != nil {
		return nil, err
	}
	repo, err := openRepository(ctx)
	if err != nil {
		return nil, err
	}
	kept, err := openProofs(ctx, repo)
	if err != nil {
		return nil, err
	}
	defer l.env.closeProofs(kept)
	judge := &audit.Judge{Format: repo.ObjectFormat(), Verifier: v, Allowed: audit.Anyone{}}
	if kept != nil {
		judge.Proofs = kept
	}
	j, err := judgeRevision(ctx, repo, judge, rev)
	if err != nil {
		return nil, err
	}
	if j.Result == nil && j.Class != verifier.NotLogged {
		return nil, fail(exitFinding, fmt.Errorf("%s %s: %s: %s", j.object.Type, j.object.OID, j.Class, oneLine(j.Message)),
			"gitseal show "+shellWord(rev))
	}
	if j.Result == nil || !j.Result.Log.IndexKnown {
		certificate := j.certificate()
		if certificate == nil {
			return nil, fail(exitFinding, fmt.Errorf("%s %s: no certificate", j.object.Type, j.object.OID))
		}
		return l.byCertificate(ctx, certificate.DER)
	}
	trusted := l.find(j.Result.Log.LogID)
	if trusted == nil || named && !slices.Contains(l.chosen, trusted) {
		return nil, fail(exitUsage, fmt.Errorf("%s %s is recorded in another log: %s", j.object.Type, j.object.OID, j.Result.Log.URL))
	}
	k, err := l.open(ctx, trusted)
	if err != nil {
		return nil, err
	}
	entry, err := k.byIndex(ctx, j.Result.Log.Index)
	if err != nil {
		return nil, err
	}
	// It is in the log, by the signature's own proof: it has to be still.
	fingerprint := hex.EncodeToString(j.Result.Certificate.Fingerprint[:])
	if !slices.Contains(entry.Record.Certificates, fingerprint) {
		return nil, fmt.Errorf("%w: entry %d is not the signature that proves to be there", rekor.ErrContradiction, entry.Index)
	}
	return []*entryJSON{entry}, nil
}

// certificate returns the signer's certificate, verified or not, or nil.
func (j *judged) certificate() *verifier.Certificate {
	switch {
	case j.Result != nil:
		return &j.Result.Certificate
	case j.Failure != nil:
		return j.Failure.Unverified.Certificate
	}
	return nil
}

// find returns the log with that id, or nil.
func (l *logs) find(id [32]byte) *sigstore.Log {
	for _, root := range l.trust.roots {
		for i := range root.TLogs {
			if log := &root.TLogs[i]; [32]byte(log.KeyID) == id && log.BaseURL != "" {
				return log
			}
		}
	}
	return nil
}

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"gitseal/internal/entries"
	"gitseal/internal/rekor"
	"gitseal/internal/tlog"
	"gitseal/verifier"
)

// maxImport bounds a file of log entries, of which each takes some 4 kB. All
// of it is read before any of it is kept.
const maxImport = 512 << 20

func logImportCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "keep log entries, for signatures that they are not in",
		ArgsUsage: "FILE…",
		Description: "Keeps entries that were captured from a Rekor v1 log: what GET /api/v1/log/entries answers, one\n" +
			"document or many, one after another or in arrays; \"-\" is the standard input. Signatures without\n" +
			"an entry of their own are verified by them from then on, offline. Nothing is believed for being\n" +
			"kept: an entry has to prove itself whenever it is used.\n" +
			"If a file is not as it should be, or has an entry that a log which is trusted now did not sign,\n" +
			"nothing is kept.",
		Action: func(c *cli.Context) error { return runLogImport(c, e) },
	}
}

func runLogImport(c *cli.Context, e *env) error {
	if c.NArg() == 0 {
		return fail(exitUsage, errors.New("nothing to import: name a file, or - for the standard input"),
			"curl 'https://rekor.sigstore.dev/api/v1/log/entries?logIndex=N' | gitseal log import -")
	}
	settings, err := readSettings(c.Context, e)
	if err != nil {
		return err
	}
	store, err := settings.entryStore()
	if err != nil {
		return err
	}
	in := imported{checked: make(byCertificate), others: make(byCertificate)}
	// Without a trusted root, entries are kept as they are.
	if trust, err := settings.trust(""); err == nil {
		in.roots = trust.roots
	}
	for _, name := range c.Args().Slice() {
		if err := in.read(e, name); err != nil {
			return fail(exitUsage, err)
		}
	}
	added, err := in.keep(store)
	if err != nil {
		return fail(exitUsage, err)
	}
	e.printf("%s for %s: %d new, %d known before\n", count(in.entries, "entry", "entries"),
		count(in.certificates(), "certificate", "certificates"), added, in.entries-added)
	if in.useless > 0 {
		e.printf("%s not by a certificate left out\n", count(in.useless, "entry", "entries"))
	}
	return nil
}

// byCertificate are entries by the fingerprint of their certificate.
type byCertificate map[[32]byte][]*tlog.Entry

// imported is what files hold.
type imported struct {
	roots   []*verifier.TrustedRoot
	checked byCertificate // promised by a log of roots
	others  byCertificate // of which nobody knows
	entries int           // in checked and others
	useless int           // by bare keys, or of other kinds
}

// certificates returns how many certificates there are entries of.
func (in *imported) certificates() int {
	n := len(in.checked)
	for fingerprint := range in.others {
		if in.checked[fingerprint] == nil {
			n++
		}
	}
	return n
}

// read reads the entries of a file.
func (in *imported) read(e *env, name string) error {
	var data []byte
	var err error
	if name == "-" {
		name = "standard input"
		data, err = readLimited(e.stdin, maxImport, name)
	} else {
		data, err = readFile(name, maxImport)
	}
	if err != nil {
		return err
	}
	before := in.entries + in.useless
	// The decoder only says where a document ends: what is in it is for
	// ParseRekorV1, which is stricter.
	dec := json.NewDecoder(bytes.NewReader(data))
	for {
		begin := dec.InputOffset()
		var document json.RawMessage
		err := dec.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = in.add(document)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, line(data, begin), err)
		}
	}
	if in.entries+in.useless == before {
		return fmt.Errorf("%s holds no log entries", name)
	}
	return nil
}

// line returns the number of the line of the first thing at or after offset.
func line(data []byte, offset int64) int {
	rest := data[offset:]
	begin := len(data) - len(bytes.TrimLeft(rest, " \t\r\n"))
	return 1 + bytes.Count(data[:begin], []byte("\n"))
}

// add adds the entries of a document.
func (in *imported) add(document []byte) error {
	all, err := tlog.ParseRekorV1(document)
	if err != nil {
		return err
	}
	for _, e := range all {
		body, err := tlog.ParseBody(e.CanonicalizedBody)
		if unsupported := (*tlog.UnsupportedBodyError)(nil); err != nil && !errors.As(err, &unsupported) {
			return fmt.Errorf("entry %s: %w", e.ID, err)
		}
		if err != nil || body.Signatures[0].Certificate == nil {
			in.useless++
			continue
		}
		list := in.others
		promised, err := in.check(e.Entry)
		if err != nil {
			return fmt.Errorf("entry %s: %w", e.ID, err)
		}
		if promised {
			list = in.checked
		}
		in.entries++
		fingerprint := sha256.Sum256(body.Signatures[0].Certificate)
		list[fingerprint] = append(list[fingerprint], e.Entry)
	}
	return nil
}

// check checks an entry of a log that is trusted, and reports whether that
// promised it. Nothing is wrong with one of a log that nobody knows: its
// trusted root may come later.
func (in *imported) check(e *tlog.Entry) (promised bool, err error) {
	for _, root := range in.roots {
		if rekor.Promised(root, e) {
			return true, nil
		}
		for i := range root.TLogs {
			if log := &root.TLogs[i]; bytes.Equal(log.KeyID, e.LogID) {
				if _, verr := rekor.VerifyEntry(log, e); verr != nil {
					err = fmt.Errorf("log %s: %w", log.BaseURL, verr)
				}
			}
		}
	}
	return false, err
}

// keep puts what was read into the store, and returns how many entries were
// not in it. Only what a log has promised may take the place of another.
func (in *imported) keep(store entries.Store) (added int, err error) {
	for fingerprint, all := range in.checked {
		n, err := store.Renew(fingerprint, entries.Record{Entries: all})
		if err != nil {
			return added, err
		}
		added += n
	}
	for fingerprint, all := range in.others {
		n, err := store.Add(fingerprint, entries.Record{Entries: all})
		if err != nil {
			return added, err
		}
		added += n
	}
	return added, nil
}

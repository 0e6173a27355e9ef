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
	"gitseal/internal/tlog"
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
			"If a file is not as it should be, nothing is kept.",
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
	in := imported{byCertificate: make(map[[32]byte][]*tlog.Entry)}
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
		count(len(in.byCertificate), "certificate", "certificates"), added, in.entries-added)
	if in.others > 0 {
		e.printf("%s not by a certificate left out\n", count(in.others, "entry", "entries"))
	}
	return nil
}

// imported is what files hold.
type imported struct {
	byCertificate map[[32]byte][]*tlog.Entry
	entries       int // in byCertificate
	others        int // that are of no use: by bare keys, or of other kinds
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
	before := in.entries + in.others
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
	if in.entries+in.others == before {
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
			in.others++
			continue
		}
		in.entries++
		fingerprint := sha256.Sum256(body.Signatures[0].Certificate)
		in.byCertificate[fingerprint] = append(in.byCertificate[fingerprint], e.Entry)
	}
	return nil
}

// keep puts what was read into the store, and returns how many entries were
// not in it.
func (in *imported) keep(store entries.Store) (added int, err error) {
	for fingerprint, all := range in.byCertificate {
		n, err := store.Add(fingerprint, entries.Record{Entries: all})
		if err != nil {
			return added, err
		}
		added += n
	}
	return added, nil
}

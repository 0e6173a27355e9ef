package main

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"gitseal/gitutil"
	"gitseal/internal/rekor"
	"gitseal/monitor"
	"gitseal/verifier"
	"gitseal/verifier/audit"
)

func logSearchCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:  "search",
		Usage: "find what somebody signed, or who signed something",
		Description: "Lists entries by identity, or of an object or digest. Anyone can put a certificate of their own\n" +
			"making into a log: that it names somebody does not mean that they signed.\n" +
			"Rekor v2 has no search, so its entries are read into an index in the cache directory, every\n" +
			"one against the log's checkpoint; the first time that takes a while. Rekor v1 answers by an\n" +
			"index of its own, which may lack entries.\n" +
			"Exits 0 if something was found, 1 if nothing was, 3 if a log could not be asked, 4 if a log\n" +
			"contradicts itself.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "identity", Usage: "entries whose certificate names `SUBJECT`, exact or with * for any run of characters"},
			&cli.StringFlag{Name: "object", Usage: "entries about the commit or tag `REV`"},
			&cli.StringFlag{Name: "digest", Usage: "entries of what has the digest `sha256:HEX`"},
		}, logFlags()...),
		Action: func(c *cli.Context) error { return runLogSearch(c, e) },
	}
}

// A question is what to search for. One field is set.
type question struct {
	subject     verifier.Pattern
	exact       string   // the subject's pattern, if it has no star
	digests     [][]byte // SHA-256
	certificate []byte   // DER
}

// matches reports whether an entry is an answer.
func (q *question) matches(r *recordJSON) bool {
	if q.certificate != nil {
		sum := sha256.Sum256(q.certificate)
		return slices.Contains(r.Certificates, hex.EncodeToString(sum[:]))
	}
	if q.digests != nil {
		return slices.ContainsFunc(q.digests, func(d []byte) bool { return r.Digest == monitor.DigestName(crypto.SHA256, d) })
	}
	return slices.ContainsFunc(r.Identities, func(id identityJSON) bool { return q.subject.Match(id.Subject) })
}

func runLogSearch(c *cli.Context, e *env) error {
	asJSON, err := checkFormat(c)
	if err != nil {
		return err
	}
	if c.Args().Present() {
		return usage("log search takes no arguments")
	}
	q, err := readQuestion(c)
	if err != nil {
		return err
	}
	logs, err := openLogs(c, e)
	if err != nil {
		return err
	}
	defer logs.Close() // only asked

	found := []*entryJSON{}
	var failed []error
	for _, trusted := range logs.chosen {
		k, err := logs.open(c.Context, trusted)
		var entries []*entryJSON
		if err == nil {
			entries, err = logs.search(c.Context, k, *q)
		}
		if err != nil {
			failed = append(failed, explainLog(err))
		}
		found = append(found, entries...)
	}
	if asJSON {
		err = writeJSON(e, struct {
			Schema  string       `json:"schema"`
			Entries []*entryJSON `json:"entries"`
		}{"gitseal.log-search/1", found})
		if err != nil {
			return err
		}
	} else {
		for _, entry := range found {
			e.printf("%s\n", entry.line())
		}
	}
	switch {
	case len(failed) > 0:
		return e.worst(failed)
	case len(found) == 0:
		return fail(exitFinding, errors.New("nothing was found"))
	}
	return nil
}

// readQuestion reads what the flags ask for.
func readQuestion(c *cli.Context) (*question, error) {
	ways := 0
	for _, flag := range []string{"identity", "object", "digest"} {
		if c.IsSet(flag) {
			ways++
		}
	}
	if ways != 1 {
		return nil, usage("want one of --identity, --object and --digest")
	}
	if text := c.String("identity"); text != "" {
		pattern, err := verifier.ParsePattern(text)
		if err != nil {
			return nil, usage("--identity: %v", err)
		}
		q := &question{subject: pattern}
		if !strings.Contains(text, "*") {
			q.exact = text
		}
		return q, nil
	}
	if text := c.String("digest"); text != "" {
		digits, ok := strings.CutPrefix(text, "sha256:")
		digest, err := hex.DecodeString(digits)
		if !ok || err != nil || len(digest) != sha256.Size {
			return nil, usage("--digest %q: want sha256: and 64 hexadecimal digits", text)
		}
		return &question{digests: [][]byte{digest}}, nil
	}
	repo, err := openRepository(c.Context)
	if err != nil {
		return nil, err
	}
	obj, err := readSigned(c.Context, repo, c.String("object"))
	if err != nil {
		return nil, err
	}
	digests, err := loggedDigests(obj, repo.ObjectFormat())
	return &question{digests: digests}, err
}

// loggedDigests returns what a log may have recorded of an object: the digest
// of the signed attributes of its signature, which is what a signature with an
// embedded entry has logged, and that of its id, which gitsign logs where it
// embeds nothing.
func loggedDigests(o gitutil.Object, format gitutil.Format) ([][]byte, error) {
	if err := o.Verify(format); err != nil {
		return nil, fail(exitFinding, err, "git fsck")
	}
	id := sha256.Sum256([]byte(o.OID))
	digests := [][]byte{id[:]}
	split := gitutil.SplitCommit
	if o.Type == "tag" {
		split = gitutil.SplitTag
	}
	s, err := split(o.Data, format)
	if err != nil {
		return nil, fail(exitFinding, fmt.Errorf("%s %s: %w", o.Type, o.OID, err))
	}
	if s.Kind() != "x509" {
		return digests, nil
	}
	if format != gitutil.SHA1 {
		// gitsign logs the id that it would have in a SHA-1 repository.
		if object, err := audit.EntryObject(s.Payload, s.Signature); err == nil {
			other := sha256.Sum256([]byte(object))
			digests = append(digests, other[:])
		}
	}
	// What cannot be read was not logged by anyone who could read it.
	message, err := readCMS(o, format)
	if err != nil {
		return digests, nil
	}
	if signed, err := message.Signer.SignedBytes(); err == nil {
		sum := sha256.Sum256(signed)
		digests = append(digests, sum[:])
	}
	return digests, nil
}

// search asks one log.
func (l *logs) search(ctx context.Context, k *knownLog, q question) ([]*entryJSON, error) {
	if k.v1 != nil {
		return k.searchV1(ctx, q)
	}
	return l.searchIndex(ctx, k, q)
}

// searchV1 asks the index of Rekor v1. What it names that was not asked for is
// left out.
func (k *knownLog) searchV1(ctx context.Context, q question) ([]*entryJSON, error) {
	var queries []rekor.Query
	switch {
	case q.certificate != nil:
		queries = append(queries, rekor.Query{Certificate: q.certificate})
	case q.digests != nil:
		for _, digest := range q.digests {
			queries = append(queries, rekor.Query{Digest: digest})
		}
	case !strings.Contains(q.exact, "@") || strings.Contains(q.exact, "/"):
		return nil, fail(exitUsage, fmt.Errorf("log %s can be searched for an exact e-mail address only", k.Name()), "ask another log: --log URL")
	default:
		queries = append(queries, rekor.Query{Email: q.exact})
	}
	var ids []string
	for _, query := range queries {
		more, err := k.v1.Search(ctx, query)
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	slices.Sort(ids)
	entries, err := k.byIDs(ctx, slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(entries, func(e *entryJSON) bool { return !q.matches(&e.Record) }), nil
}

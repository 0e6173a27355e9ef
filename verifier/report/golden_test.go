package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// rows returns some rows of the sample.
func rows() []Row {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	alice := &verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Issuer: "https://accounts.example.com", Subject: "alice@example.com"}}
	carol := &verifier.Signer{Kind: verifier.OpenPGP, Identity: verifier.Identity{Subject: "Carol <carol@example.com>"}, Key: fingerprint}
	return []Row{
		{"", Object{"commit", sha1OID}, verifier.Verified, 1, alice, "alice", at, verifier.LogTime, "", nil},
		{"", Object{"commit", otherOID}, verifier.Verified, 2, carol, "", at, verifier.ClaimedTime, "", []string{"time-skew", "identity-unlike-committer"}},
		{"", Object{"tag", sha256OID}, Unsigned, 0, nil, "", time.Time{}, "", "no signature, \"none\"", nil},
	}
}

// TestGoldenFiles compares what each format makes of the sample, and of a set,
// with testdata. After a change that is wanted: go test -run Golden -update,
// and read the difference.
func TestGoldenFiles(t *testing.T) {
	for _, format := range Formats() {
		for name, reports := range map[string][]*Report{"one": {sample()}, "set": set()} {
			t.Run(format+"/"+name, func(t *testing.T) {
				cfg := Config{HelpURI: "https://docs.example.com/findings.html"}
				if name == "one" {
					cfg.VSA.ResourceURI = "git+https://git.example.com/acme/app"
				} else {
					reports[1].Repository.Location = "ssh://git@git.example.com/acme/bad"
				}
				var b bytes.Buffer
				w, err := NewWriter(format, &b, cfg)
				if err != nil {
					t.Fatal(err)
				}
				if name == "one" {
					for _, row := range rows() {
						if err := w.Row(row); err != nil {
							t.Fatal(err)
						}
					}
				}
				if format == "vsa" && name == "set" {
					reports = reports[1:] // the other one names nothing that was audited
				}
				if err := w.Close(reports...); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join("testdata", format+"."+name)
				if *update {
					if err := os.WriteFile(file, b.Bytes(), 0o666); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := firstDifference(b.String(), string(want)); got != want {
					t.Errorf("%s: got the line\n%s\nwant\n%s", file, got, want)
				}
			})
		}
	}
}

// firstDifference returns the first lines that differ, or two empty ones.
func firstDifference(a, b string) (string, string) {
	for a != b {
		lineA, restA, _ := strings.Cut(a, "\n")
		lineB, restB, _ := strings.Cut(b, "\n")
		if lineA != lineB || restA == a || restB == b {
			return lineA, lineB + " (or an end)"
		}
		a, b = restA, restB
	}
	return "", ""
}

func TestNewWriterNamesTheFormats(t *testing.T) {
	_, err := NewWriter("pdf", nil, Config{})
	const want = `unknown report format "pdf": there are csv, github, html, json, jsonl, junit, markdown, sarif, text, vsa`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

package main

import (
	"crypto/ed25519"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gitseal/internal/tuf"
	"gitseal/internal/tuf/tuftest"
)

// tufMain is the program gitseal-tuf.
func tufMain() { os.Exit(tuf.Command(os.Args[1:], os.Stdout, os.Stderr)) }

// tufrepo DIR TRUSTED-ROOT SIGNING-CONFIG [NAME=VALUE…] makes a TUF repository
// of two files ("-" for none) in a directory, with its first root in root.json.
// Each time it has the same keys, but for those that are NAME=VALUE:
//
//	version=N     of all metadata but the root (default: 1)
//	expires=TIME  RFC 3339, of the timestamp (default: in a year)
//	signer=other  the timestamp is signed by a key of nobody
//	keys=other    all keys are others
func cmdTufrepo(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 3, len(args), "tufrepo DIR TRUSTED-ROOT SIGNING-CONFIG [NAME=VALUE…]")
	files := make(map[string][]byte)
	for i, name := range []string{"trusted_root.json", "signing_config.v0.2.json"} {
		if args[i+1] != "-" {
			files[name] = []byte(ts.ReadFile(args[i+1]))
		}
	}
	repo := tuftest.New(time.Now(), files)
	for _, arg := range args[3:] {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "version":
			n, err := strconv.ParseInt(value, 10, 64)
			ts.Check(err)
			repo.Timestamp.Version, repo.Snapshot.Version, repo.Targets.Version = n, n, n
		case "expires":
			at, err := time.Parse(time.RFC3339, value)
			ts.Check(err)
			repo.Timestamp.Expires = at
		case "signer":
			repo.Timestamp.Signers = []ed25519.PrivateKey{repo.Key()}
		case "keys":
			for _, role := range []*tuftest.Role{&repo.Root, &repo.Timestamp, &repo.Snapshot, &repo.Targets} {
				role.Keys = []ed25519.PrivateKey{repo.Key()}
			}
		default:
			ts.Fatalf("tufrepo knows no %s", name)
		}
	}
	repo.Publish()
	ts.Check(repo.Write(ts.MkAbs(args[0])))
	ts.Check(os.WriteFile(ts.MkAbs(args[0])+"/root.json", repo.RootJSON(), 0o644))
}

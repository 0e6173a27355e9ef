package tuf

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"time"

	"gitseal/internal/transport"
	"gitseal/internal/trust"
)

// Bounds of the files that are named in the arguments.
const (
	maxRoot   = 1 << 20
	maxCAFile = 8 << 20 // a system's has 250 kB
)

// Command is the program gitseal-tuf, which gitseal runs:
//
//	gitseal-tuf -url URL [-root FILE] -instance DIR -cache DIR [-ca-file FILE]…
//
// It updates the instance directory and writes one line of JSON to stdout:
// what trust.ParseAnswer reads, the new record or why there is none. There are
// no secrets in the arguments, and it reads nothing from stdin. Without -root
// it begins with the root of the public good instance. It returns the exit
// code: 0 if there was an update, 2 if the arguments or this machine's files
// are at fault, 3 if the repository did not answer, 1 if what it said was
// refused.
func Command(args []string, stdout, stderr io.Writer) int {
	update, err := command(args, stderr)
	line, merr := trust.MarshalAnswer(update, err)
	if merr == nil {
		_, merr = stdout.Write(line)
	}
	if merr != nil {
		fmt.Fprintf(stderr, "gitseal-tuf: %v\n", merr)
		return 2
	}
	var refusal *trust.Refusal
	switch errors.As(err, &refusal); {
	case err == nil:
		return 0
	case refusal == nil || refusal.Reason == trust.Unusable:
		return 2
	case refusal.Reason == trust.Unreachable:
		return 3
	}
	return 1
}

func command(args []string, stderr io.Writer) (*trust.Update, error) {
	var cfg Config
	var root string
	var caFiles []string
	flags := flag.NewFlagSet("gitseal-tuf", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&cfg.URL, "url", "", "`URL` of the TUF repository")
	flags.StringVar(&root, "root", "", "`FILE` with the root metadata to begin with (default: the public good instance's)")
	flags.StringVar(&cfg.Dir, "instance", "", "`DIR` of the instance to update")
	flags.StringVar(&cfg.Cache, "cache", "", "`DIR` for metadata")
	flags.Func("ca-file", "`FILE` of certificate authorities to believe, beside the system's", func(s string) error {
		caFiles = append(caFiles, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if cfg.URL == "" || cfg.Dir == "" || cfg.Cache == "" || flags.NArg() > 0 {
		return nil, errors.New("want -url, -instance and -cache, and nothing else: gitseal trust update runs this program")
	}
	cfg.Root = SigstoreRoot
	if root != "" {
		var err error
		if cfg.Root, err = readFile(root, maxRoot); err != nil {
			return nil, fmt.Errorf("reading root metadata: %w", err)
		}
	}
	servers := transport.Config{UserAgent: "gitseal-tuf", Proxy: http.ProxyFromEnvironment}
	var err error
	if servers.RootCAs, err = certificateAuthorities(caFiles); err != nil {
		return nil, err
	}
	cfg.Client = transport.New(servers)
	cfg.Now = time.Now
	return Update(context.Background(), cfg)
}

// certificateAuthorities returns the system's and those in the files; nil,
// which stands for the system's, if there are no files.
func certificateAuthorities(files []string) (*x509.CertPool, error) {
	if len(files) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("reading the system's certificate authorities: %w", err)
	}
	for _, name := range files {
		pem, err := readFile(name, maxCAFile)
		if err != nil {
			return nil, fmt.Errorf("reading certificate authorities: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading certificate authorities: %s holds no PEM certificate", name)
		}
	}
	return pool, nil
}

//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A stack is a running Sigstore on loopback: see make test-stack.
type stack struct {
	dir string
	env map[string]string
}

// findStack reads the environment file of the stack that runs.
func findStack(ctx context.Context) (*stack, error) {
	s := &stack{dir: os.Getenv("STACK_DIR"), env: make(map[string]string)}
	if s.dir == "" {
		home, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		s.dir = filepath.Join(home, "sigstack")
	}
	out, err := exec.CommandContext(ctx, "bash", "-c", `. "$0" && env`, filepath.Join(s.dir, "env")).Output()
	if err != nil {
		return nil, fmt.Errorf("there is no Sigstore in %s: ../shared/stack/up.sh starts one", s.dir)
	}
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasPrefix(name, "STACK_") {
			s.env[name] = value
		}
	}
	resp, err := http.Get(s.env["STACK_FULCIO_URL"] + "/healthz")
	if err != nil {
		return nil, errors.New("the Sigstore does not run: ../shared/stack/up.sh starts it")
	}
	return s, resp.Body.Close()
}

// mint returns an identity token.
func (s *stack) mint(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "curl", "-fsS", s.env["STACK_OIDC_ISSUER"]+"/mint?aud=sigstore&email=bench@example.test").Output()
	return strings.TrimSpace(string(out)), err
}

// A recorder is the stack's recording proxies, which delay each request.
type recorder struct {
	stack *stack
	file  string // one JSON object an exchange
	urls  map[string]string
	cmd   *exec.Cmd
}

// record starts proxies before Fulcio, a Rekor and the time-stamp authority.
func (s *stack) record(ctx context.Context, scratch string, delay time.Duration) (*recorder, error) {
	r := &recorder{stack: s, file: filepath.Join(scratch, fmt.Sprintf("exchanges-%v.jsonl", delay)), urls: make(map[string]string)}
	args := []string{"record", "-out", r.file, "-delay", delay.String()}
	for _, service := range [][2]string{{"fulcio", "STACK_FULCIO_URL"}, {"rekor1", "STACK_REKOR1_URL"}, {"rekor2", "STACK_REKOR2_URL"}, {"tsa", "STACK_TSA_BASE"}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		addr := l.Addr().String()
		if err := l.Close(); err != nil {
			return nil, err
		}
		args = append(args, service[0]+"="+addr+"="+s.env[service[1]])
		r.urls[service[0]] = "http://" + addr
	}
	r.cmd = exec.CommandContext(ctx, filepath.Join(s.dir, "bin", "stacktool"), args...)
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	for _, url := range r.urls {
		if err := waitFor(ctx, strings.TrimPrefix(url, "http://")); err != nil {
			return nil, errors.Join(err, r.stop())
		}
	}
	return r, nil
}

func (r *recorder) stop() error {
	err := r.cmd.Process.Kill()
	_ = r.cmd.Wait() // it was killed
	return err
}

func waitFor(ctx context.Context, addr string) error {
	for range 100 {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("nothing listens on %s", addr)
}

// instance writes an instance whose servers are the proxies, with one of the
// logs.
func (r *recorder) instance(dir, rekor string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.ReadFile(r.stack.env["STACK_TRUSTED_ROOT"])
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "trusted_root.json"), root, 0o600); err != nil {
		return err
	}
	service := func(url string, version int) []map[string]any {
		return []map[string]any{{"url": url, "majorApiVersion": version, "operator": "bench", "validFor": map[string]string{"start": "2020-01-01T00:00:00Z"}}}
	}
	one := map[string]string{"selector": "ANY"}
	config, err := json.Marshal(map[string]any{
		"mediaType":       "application/vnd.dev.sigstore.signingconfig.v0.2+json",
		"caUrls":          service(r.urls["fulcio"], 1),
		"rekorTlogUrls":   service(r.urls[rekor], int(rekor[len(rekor)-1]-'0')),
		"tsaUrls":         service(r.urls["tsa"]+"/api/v1/timestamp", 1),
		"rekorTlogConfig": one, "tsaConfig": one,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "signing_config.json"), config, 0o600)
}

// An exchange is a request and its answer, as the proxies saw them.
type exchange struct {
	Service string    `json:"svc"`
	Begin   time.Time `json:"t"`
	Took    float64   `json:"ms"`
	Status  int       `json:"status"`
	URI     string    `json:"uri"`
	Request any       `json:"reqBody"`
}

func (x exchange) end() time.Time {
	return x.Begin.Add(time.Duration(x.Took * float64(time.Millisecond)))
}

// since returns the exchanges after the first n, in order.
func (r *recorder) since(n int) ([]exchange, error) {
	f, err := os.Open(r.file)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	var all []exchange
	d := json.NewDecoder(bufio.NewReader(f))
	for d.More() {
		var x exchange
		if err := d.Decode(&x); err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	all = all[min(n, len(all)):]
	slices.SortFunc(all, func(a, b exchange) int { return a.Begin.Compare(b.Begin) })
	return all, nil
}

// sequential returns how many of the exchanges waited for one another, at
// most, and how long the slowest such chain took in milliseconds.
func sequential(all []exchange) (trips int, took float64) {
	type chain struct {
		trips int
		took  float64
	}
	best := make([]chain, len(all))
	for i, x := range all {
		for j := range i {
			if !all[j].end().After(x.Begin) {
				best[i].trips, best[i].took = max(best[i].trips, best[j].trips), max(best[i].took, best[j].took)
			}
		}
		best[i].trips++
		best[i].took += x.Took
		trips, took = max(trips, best[i].trips), max(took, best[i].took)
	}
	return trips, took
}

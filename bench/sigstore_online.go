//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gitseal/internal/cms"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
	"gitseal/signer"
	"gitseal/signer/sigstore"
)

// measureOnline measures judging a history whose log entries are not embedded,
// as gitsign's online mode leaves it: once asking the log, and once more.
func (b *bench) measureOnline(ctx context.Context, s *stack) error {
	repo, err := b.onlineHistory(ctx, s)
	if err != nil {
		return err
	}
	instance := filepath.Join(b.scratch, "online-instance")
	if err := (&recorder{stack: s, urls: map[string]string{"fulcio": s.env["STACK_FULCIO_URL"], "rekor1": s.env["STACK_REKOR1_URL"], "tsa": s.env["STACK_TSA_BASE"]}}).instance(instance, "rekor1"); err != nil {
		return err
	}
	audit := func(flags ...string) (float64, error) {
		start := time.Now()
		args := append([]string{b.gitseal, "audit", "--any-identity", "--no-cache", "--trusted-root", filepath.Join(instance, "trusted_root.json")}, flags...)
		out, err := b.output(ctx, repo, args...)
		if err == nil && !strings.Contains(out, "result: pass") {
			err = fmt.Errorf("audit: %s", lastLine(out))
		}
		return time.Since(start).Seconds(), err
	}
	asked, err := audit("--online")
	if err != nil {
		return err
	}
	again, err := audit("--online")
	if err != nil {
		return err
	}
	offline, err := audit()
	if err != nil {
		return err
	}
	n := b.onlineCommits
	b.table.fact(fmt.Sprintf("audit --online of %d commits without an embedded entry", n), fmt.Sprintf("%.2f s, %.0f commits/s", asked, float64(n)/asked))
	b.table.fact("the same again, nothing asked", fmt.Sprintf("%.2f s, %.0f commits/s", again, float64(n)/again))
	b.table.fact("the same without --online", fmt.Sprintf("%.2f s, %.0f commits/s", offline, float64(n)/offline))
	return nil
}

// An onlineKey signs one commit of that history.
type onlineKey struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// onlineHistory makes a repository of commits signed as gitsign does in online
// mode: the key signs the commit, and then its id, and only that is logged.
func (b *bench) onlineHistory(ctx context.Context, s *stack) (string, error) {
	service := func(url string, version uint32) []trust.Service {
		return []trust.Service{{URL: url, MajorAPIVersion: version}}
	}
	servers, err := sigstore.New(sigstore.Config{Client: transport.New(transport.Config{UserAgent: "gitseal-bench"}), Signing: &trust.SigningConfig{
		CAs: service(s.env["STACK_FULCIO_URL"], 1), TLogs: service(s.env["STACK_REKOR1_URL"], 1), TLogConfig: trust.Selection{Selector: "ANY"},
	}})
	if err != nil {
		return "", err
	}
	token, err := s.mint(ctx)
	if err != nil {
		return "", err
	}
	keys := make([]onlineKey, b.onlineCommits)
	if err := inParallel(len(keys), func(i int) (err error) {
		keys[i], err = certify(ctx, servers.CA(), token)
		return err
	}); err != nil {
		return "", err
	}
	repo := filepath.Join(b.scratch, "online")
	if _, err := b.output(ctx, b.scratch, "git", "init", "-q", "-b", "main", repo); err != nil {
		return "", err
	}
	tree, err := b.output(ctx, repo, "git", "hash-object", "-w", "-t", "tree", os.DevNull)
	if err != nil {
		return "", err
	}
	ids := make([]string, len(keys))
	for i, k := range keys {
		parent := ""
		if i > 0 {
			parent = "parent " + ids[i-1] + "\n"
		}
		commit, err := k.commit("tree "+tree+"\n"+parent+"author B <b@example.test> 1700000000 +0000\ncommitter B <b@example.test> 1700000000 +0000\n", "\nx\n")
		if err != nil {
			return "", err
		}
		ids[i] = fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "commit %d\x00%s", len(commit), commit)))
		write := b.command(ctx, repo, "git", "hash-object", "-w", "-t", "commit", "--stdin")
		write.Stdin = bytes.NewReader(commit)
		if out, err := write.Output(); err != nil || strings.TrimSpace(string(out)) != ids[i] {
			return "", fmt.Errorf("writing commit %s: %q, %v", ids[i], out, err)
		}
	}
	if _, err := b.output(ctx, repo, "git", "update-ref", "refs/heads/main", ids[len(ids)-1]); err != nil {
		return "", err
	}
	return repo, inParallel(len(keys), func(i int) error {
		digest := sha256.Sum256([]byte(ids[i]))
		signature, err := ecdsa.SignASN1(rand.Reader, keys[i].key, digest[:])
		if err != nil {
			return err
		}
		_, err = servers.Logs()[0].Add(ctx, digest, signature, keys[i].cert.Raw)
		return err
	})
}

// certify makes a key and has it certified.
func certify(ctx context.Context, ca signer.CertificateAuthority, token string) (k onlineKey, err error) {
	if k.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return k, err
	}
	spki, err := x509.MarshalPKIXPublicKey(k.key.Public())
	if err != nil {
		return k, err
	}
	digest := sha256.Sum256([]byte("bench@example.test"))
	proof, err := ecdsa.SignASN1(rand.Reader, k.key, digest[:])
	if err != nil {
		return k, err
	}
	chain, err := ca.Certify(ctx, token, spki, proof)
	if err != nil {
		return k, err
	}
	k.cert, err = x509.ParseCertificate(chain[0])
	return k, err
}

// commit returns a commit with a signature without any proof.
func (k onlineKey) commit(header, message string) ([]byte, error) {
	digest := sha256.Sum256([]byte(header + message))
	attrs, err := cms.NewSignedAttributes(cms.OIDData, digest[:], time.Now())
	if err != nil {
		return nil, err
	}
	sd := cms.NewDetached(k.cert, cms.OIDSHA256, cms.OIDECDSAWithSHA256, attrs)
	signed, err := sd.Signer.SignedBytes()
	if err != nil {
		return nil, err
	}
	digest = sha256.Sum256(signed)
	if sd.Signer.Signature, err = ecdsa.SignASN1(rand.Reader, k.key, digest[:]); err != nil {
		return nil, err
	}
	der, err := sd.Marshal()
	if err != nil {
		return nil, err
	}
	armor := strings.ReplaceAll(strings.TrimSuffix(string(cms.Armor(der)), "\n"), "\n", "\n ")
	return []byte(header + "gpgsig " + armor + "\n" + message), nil
}

// inParallel calls f for each of n, some at a time, and returns the first
// error.
func inParallel(n int, f func(int) error) error {
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	slots := make(chan struct{}, 16)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := f(i); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	wg.Wait()
	return first
}

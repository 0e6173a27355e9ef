//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gitseal/internal/cms"
	"gitseal/internal/tlog"
	"gitseal/internal/transport"
	"gitseal/internal/trust"
	"gitseal/signer"
	"gitseal/signer/sigstore"
	"gitseal/verifier"
)

// stackTokens has the stack's issuer vouch for us.
type stackTokens struct{ stack *stack }

func (t stackTokens) Token(ctx context.Context) (string, error) { return t.stack.mint(ctx) }

// signAgain measures signing with a certificate at hand, in one process.
func (b *bench) signAgain(ctx context.Context, r *recorder, title, instance string) error {
	s, err := r.signer(instance)
	if err != nil {
		return err
	}
	cred, err := s.NewCredential(ctx)
	if err != nil {
		return err
	}
	var w waiting
	for i := range b.throughServers {
		before, err := r.since(0)
		if err != nil {
			return err
		}
		start := time.Now()
		if _, err := s.SignWith(ctx, cred, fmt.Appendf(nil, "payload %d of %s", i, title)); err != nil {
			return err
		}
		wall := time.Since(start)
		all, err := r.since(len(before))
		if err != nil {
			return err
		}
		w.add(all)
		w.wall = append(w.wall, milliseconds(wall))
	}
	b.table.most(title+", certificate at hand: sequential round trips", median(w.trips), 1, "",
		fmt.Sprintf("%g requests, %.0f ms in all, of which the slowest chain %.0f", median(w.requests), median(w.wall), median(w.chain)))
	return nil
}

// signer returns a signer on the instance in a directory.
func (r *recorder) signer(instance string) (*signer.Signer, error) {
	data, err := os.ReadFile(filepath.Join(instance, "trusted_root.json"))
	if err != nil {
		return nil, err
	}
	root, err := verifier.ParseTrustedRoot(data)
	if err != nil {
		return nil, err
	}
	if data, err = os.ReadFile(filepath.Join(instance, "signing_config.json")); err != nil {
		return nil, err
	}
	config, err := trust.ParseSigningConfig(data)
	if err != nil {
		return nil, err
	}
	servers, err := sigstore.New(sigstore.Config{Client: transport.New(transport.Config{UserAgent: "gitseal-bench"}), Signing: config, TrustedRoot: root})
	if err != nil {
		return nil, err
	}
	v, err := verifier.New(verifier.Config{TrustedRoots: []*verifier.TrustedRoot{root}})
	if err != nil {
		return nil, err
	}
	return signer.New(signer.Config{Tokens: stackTokens{r.stack}, CA: servers.CA(), Logs: servers.Logs(), Timestampers: servers.Timestampers(), Verifier: v})
}

// curlChain measures the same requests, one after another as they depend on
// one another, asked by curl: what the servers alone take.
func (b *bench) curlChain(ctx context.Context, r *recorder, title, rekor string) error {
	var chains []float64
	for range b.throughServers {
		fulcio, err := r.lastFulcio()
		if err != nil {
			return err
		}
		token, err := r.stack.mint(ctx)
		if err != nil {
			return err
		}
		first, err := b.curl(ctx, r.urls["fulcio"]+fulcio.URI, "application/json", []byte(fmt.Sprint(fulcio.Request)), "Authorization: Bearer "+token)
		if err != nil {
			return err
		}
		entry, path, err := newEntry(rekor)
		if err != nil {
			return err
		}
		second, err := b.curl(ctx, r.urls[rekor]+path, "application/json", entry)
		if err != nil {
			return err
		}
		query, err := cms.TimeStampRequest{Imprint: sha256.Sum256(entry), Nonce: uint64(time.Now().UnixNano())}.Marshal()
		if err != nil {
			return err
		}
		third, err := b.curl(ctx, r.urls["tsa"]+"/api/v1/timestamp", "application/timestamp-query", query)
		if err != nil {
			return err
		}
		chains = append(chains, first+max(second, third))
	}
	b.table.fact(title+": the same requests by curl", fmt.Sprintf("%.0f ms, certificate and then the slower of entry and time-stamp", median(chains)))
	return nil
}

// lastFulcio returns the last request for a certificate, to be made again. The
// proof of possession in it is over the e-mail address, which stays the same.
func (r *recorder) lastFulcio() (exchange, error) {
	all, err := r.since(0)
	if err != nil {
		return exchange{}, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Service == "fulcio" {
			return all[i], nil
		}
	}
	return exchange{}, fmt.Errorf("no certificate was asked for")
}

// curl makes a request and returns how long it took in milliseconds.
func (b *bench) curl(ctx context.Context, url, contentType string, body []byte, headers ...string) (float64, error) {
	args := []string{"curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", "-X", "POST", "--data-binary", "@-", "-H", "Content-Type: " + contentType}
	for _, h := range headers {
		args = append(args, "-H", h)
	}
	cmd := b.command(ctx, b.scratch, append(args, url)...)
	cmd.Stdin = bytes.NewReader(body)
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("curl %s: %w", url, err)
	}
	code, total, _ := strings.Cut(string(out), " ")
	if !strings.HasPrefix(code, "2") {
		return 0, fmt.Errorf("curl %s: status %s", url, code)
	}
	seconds, err := strconv.ParseFloat(total, 64)
	return seconds * 1000, err
}

// newEntry returns an entry for a log, by a certificate of its own, and where
// to post it. A log does not ask who issued the certificate.
func newEntry(rekor string) (body []byte, path string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, "", err
	}
	digest := sha256.Sum256(cert)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return nil, "", err
	}
	if rekor == "rekor1" {
		return tlog.HashedRekordV1(digest, signature, cert), "/api/v1/log/entries", nil
	}
	body, err = json.Marshal(map[string]any{"hashedRekordRequestV002": map[string]any{
		"digest": digest[:],
		"signature": map[string]any{"content": signature, "verifier": map[string]any{
			"keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": map[string]any{"rawBytes": cert},
		}},
	}})
	return body, "/api/v2/log/entries", err
}

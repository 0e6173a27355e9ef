package smime_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/sha1"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gitseal/internal/cms"
	"gitseal/verifier"
	"gitseal/verifier/smime"
)

// A tool is openssl with files to hand it.
type tool struct {
	path, dir string
}

func openssl(t testing.TB) *tool {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	return &tool{path, t.TempDir()}
}

// file writes a file and returns its path.
func (o *tool) file(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (o *tool) run(args ...string) ([]byte, error) {
	cmd := exec.Command(o.path, args...)
	cmd.Env = []string{"OPENSSL_CONF=" + os.DevNull}
	return cmd.Output()
}

func privateKey(t testing.TB, s *holder) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return pemBlock("PRIVATE KEY", der)
}

// TestOpenSSLSigns verifies what openssl cms makes. That of OpenSSL 3.0 cannot
// do Ed25519.
func TestOpenSSLSigns(t *testing.T) {
	o := openssl(t)
	p := newPKI(t)
	content := o.file(t, "payload", payload)
	chain := o.file(t, "ca.pem", pemBlock("CERTIFICATE", p.ca.cert.Raw))
	v := p.verifier(t, func(cfg *smime.Config) { cfg.Intermediates = []*x509.Certificate{p.ca.cert} })
	for _, tt := range []struct {
		name  string
		key   crypto.Signer
		args  []string
		class verifier.Class
		want  string
	}{
		{"RSA", rsa2048(), nil, verifier.Verified, "rsa2048 sha256"},
		{"SHA-384", rsa2048(), []string{"-md", "sha384"}, verifier.Verified, "rsa2048 sha384"},
		{"PSS", rsa2048(), []string{"-keyopt", "rsa_padding_mode:pss"}, verifier.Verified, "rsa2048 sha256"},
		{"PSS, short salt", rsa2048(), []string{"-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32", "-md", "sha512"}, verifier.Verified, "rsa2048 sha512"},
		{"PSS, default salt", rsa2048(), []string{"-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:20"}, verifier.Verified, "rsa2048 sha256"},
		{"key identifier", newKey(t, elliptic.P256()), []string{"-keyid"}, verifier.Verified, "ecdsa-p256 sha256"},
		{"P-384", newKey(t, elliptic.P384()), []string{"-md", "sha384"}, verifier.Verified, "ecdsa-p384 sha384"},
		{"P-521", newKey(t, elliptic.P521()), []string{"-md", "sha512"}, verifier.Verified, "ecdsa-p521 sha512"},
		{"CAdES", rsa2048(), []string{"-cades"}, verifier.Verified, "rsa2048 sha256"},
		{"SHA-1", rsa2048(), []string{"-md", "sha1"}, verifier.WeakAlgorithm, ""},
		{"MD5", rsa2048(), []string{"-md", "md5"}, verifier.UnsupportedSignature, ""},
		{"no signed attributes", rsa2048(), []string{"-noattr"}, verifier.MalformedSignature, ""},
		{"no certificates", rsa2048(), []string{"-nocerts"}, verifier.UnknownKey, ""},
		{"with its content", rsa2048(), []string{"-nodetach"}, verifier.MalformedSignature, ""},
	} {
		s := issue(t, p.ca, "Alice", tt.key, func(c *x509.Certificate) { isSigner(c); c.SubjectKeyId = []byte{9, 9} })
		der, err := o.run(append([]string{"cms", "-sign", "-binary", "-in", content, "-outform", "DER", "-certfile", chain,
			"-signer", o.file(t, "cert.pem", pemBlock("CERTIFICATE", s.cert.Raw)), "-inkey", o.file(t, "key.pem", privateKey(t, s))}, tt.args...)...)
		if err != nil {
			t.Errorf("%s: openssl: %v", tt.name, err)
			continue
		}
		signature := cms.Armor(der)
		if tt.class != verifier.Verified {
			wantBad(t, tt.name, v, signature, tt.class, "")
			continue
		}
		got := wantGood(t, tt.name, v, signature)
		if facts := got.Algorithm + " " + got.Hash; facts != tt.want {
			t.Errorf("%s: verified with %s, want %s", tt.name, facts, tt.want)
		}
		wantBadOver(t, tt.name, v, flip(payload, 5), signature, verifier.BadSignature, "does not match")
	}
}

// TestOpenSSLAgrees has openssl judge what we do, at the same time.
func TestOpenSSLAgrees(t *testing.T) {
	o := openssl(t)
	p := newPKI(t)
	q := newPKI(t)
	span := func(from, until int) func(c *x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = days(from), days(until) }
	}
	revoked := p.signer(t, span(-10, 10))
	short := *p
	short.ca = issue(t, p.root, "Issuing", nil, func(c *x509.Certificate) { isAuthority(c); span(-50, -5)(c) })
	noCA := *p
	noCA.ca = issue(t, p.root, "Issuing", nil, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })
	swap := func(sd *cms.SignedData) {
		a := sd.Signer.SignedAttributes
		a[0], a[1] = a[1], a[0]
	}
	const differ = true
	for _, tt := range []struct {
		name   string
		pki    *pki
		signer *holder
		form   form
		differ bool // openssl accepts what we do not
	}{
		{"good", p, p.alice, form{}, false},
		{"unsorted attributes", p, p.alice, form{attrs: swap}, false},
		{"attributes sorted and signed unsorted", p, p.alice, form{after: swap}, false},
		{"wrong value", p, p.alice, form{after: func(sd *cms.SignedData) { sd.Signer.Signature = flip(sd.Signer.Signature, 30) }}, false},
		{"another key", p, &holder{p.alice.cert, q.alice.key}, form{}, false},
		{"expired", p, p.signer(t, span(-20, -10)), form{}, false},
		{"not valid yet", p, p.signer(t, span(10, 20)), form{}, false},
		{"authority expired", &short, issue(t, short.ca, "Alice", nil, isSigner), form{}, false},
		{"issuer is no authority", &noCA, issue(t, noCA.ca, "Alice", nil, isSigner), form{}, false},
		{"stranger", q, q.alice, form{carried: []*x509.Certificate{q.ca.cert, q.root.cert}}, false},
		{"no chain", p, p.alice, form{carried: []*x509.Certificate{}}, false},
		{"revoked", p, revoked, form{}, false},
		{"for servers", p, p.signer(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), form{}, differ},
		{"for encryption", p, p.signer(t, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), form{}, differ},
		{"an authority", p, issue(t, p.ca, "Alice", nil, func(c *x509.Certificate) { isAuthority(c); c.KeyUsage |= x509.KeyUsageDigitalSignature }), form{}, differ},
	} {
		signature := tt.pki.sign(t, tt.signer, tt.form)
		lists := []*x509.RevocationList{revoke(t, p.ca, nil, revoked.cert), revoke(t, short.ca, nil), revoke(t, p.root, nil)}
		// Two authorities of one name have lists of one name, which openssl
		// does not tell apart.
		if tt.pki != p {
			lists = lists[1:]
		}
		v := p.verifier(t, withLists(lists...))
		_, ours := v.Verify(payload, signature)

		der, _, err := cms.Dearmor(signature)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"cms", "-verify", "-binary", "-inform", "DER", "-in", o.file(t, "cms", der), "-content", o.file(t, "payload", payload),
			"-CAfile", o.file(t, "root.pem", pemBlock("CERTIFICATE", p.root.cert.Raw)), "-no-CApath", "-no-CAstore",
			"-purpose", "any", "-attime", strconv.FormatInt(now.Unix(), 10)}
		if tt.pki == p {
			var all bytes.Buffer
			for _, l := range lists {
				all.Write(pemBlock("X509 CRL", l.Raw))
			}
			args[10] = o.file(t, "root.pem", append(pemBlock("CERTIFICATE", p.root.cert.Raw), all.Bytes()...))
			args = append(args, "-crl_check")
		}
		out, theirs := o.run(args...)
		if theirs == nil && !bytes.Equal(out, payload) {
			t.Errorf("%s: openssl verified other bytes", tt.name)
		}
		if (ours == nil) != (theirs == nil) && !(tt.differ && theirs == nil) {
			t.Errorf("%s: we: %v, openssl: %v", tt.name, ours, theirs)
		}
		if tt.differ && (ours == nil || theirs != nil) {
			t.Errorf("%s: we: %v, openssl: %v, want that only openssl accepts it", tt.name, ours, theirs)
		}
	}
}

// gpgsm is GnuPG's program for X.509, in a folder of its own.
type gpgsm struct{ path, home string }

func newGPGSM(t *testing.T) *gpgsm {
	t.Helper()
	path, err := exec.LookPath("gpgsm")
	if err != nil {
		t.Skip("gpgsm is not installed")
	}
	g := &gpgsm{path, t.TempDir()}
	for name, text := range map[string]string{
		"gpgsm.conf":     "disable-crl-checks\ndisable-dirmngr\nno-common-certs-import\n",
		"gpg-agent.conf": "allow-loopback-pinentry\ns2k-count 65536\n",
	} {
		if err := os.WriteFile(filepath.Join(g.home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		// The agent that it started, which would outlive the test.
		cmd := exec.Command("gpgconf", "--homedir", g.home, "--kill", "all")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("gpgconf --kill: %v: %s", err, out)
		}
	})
	return g
}

// run runs gpgsm at the time of the tests.
func (g *gpgsm) run(t *testing.T, args ...string) ([]byte, []byte, error) {
	t.Helper()
	cmd := exec.Command(g.path, append([]string{"--homedir", g.home, "--batch", "--faked-system-time", now.Format("20060102T150405")}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.home, "LC_ALL=C"}
	cmd.Stdin = strings.NewReader("x\n") // the passphrase, for who asks
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	return stdout.Bytes(), stderr.Bytes(), err
}

// TestGPGSMSignsAndAgrees verifies what gpgsm makes, and has it judge what we
// make.
func TestGPGSMSignsAndAgrees(t *testing.T) {
	o := openssl(t)
	g := newGPGSM(t)
	p := newPKI(t)
	// gpgsm 2.2 signs with RSA only.
	alice := issue(t, p.ca, "Alice", rsa2048(), isSigner)
	bundle, err := o.run("pkcs12", "-export", "-passout", "pass:x", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1",
		"-inkey", o.file(t, "key.pem", privateKey(t, alice)), "-in", o.file(t, "cert.pem", pemBlock("CERTIFICATE", alice.cert.Raw)),
		"-certfile", o.file(t, "chain.pem", append(pemBlock("CERTIFICATE", p.ca.cert.Raw), pemBlock("CERTIFICATE", p.root.cert.Raw)...)))
	if err != nil {
		t.Skipf("openssl exports no PKCS #12 for gpgsm: %v", err)
	}
	loopback := []string{"--pinentry-mode", "loopback", "--passphrase-fd", "0"}
	if _, stderr, err := g.run(t, append(loopback, "--import", o.file(t, "alice.p12", bundle))...); err != nil {
		t.Skipf("gpgsm imports no PKCS #12: %v: %s", err, stderr)
	}
	root := strings.ToUpper(fmt.Sprintf("%x", sha1.Sum(p.root.cert.Raw)))
	if err := os.WriteFile(filepath.Join(g.home, "trustlist.txt"), []byte(root+" S relax\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	content := o.file(t, "payload", payload)
	v := p.verifier(t, nil)
	signature, stderr, err := g.run(t, append(loopback, "--armor", "--detach-sign", "--local-user", "alice@example.com", content)...)
	if err != nil {
		t.Fatalf("gpgsm --detach-sign: %v: %s", err, stderr)
	}
	got := wantGood(t, "gpgsm's", v, signature)
	if got.Signer.Identity.Subject != "alice@example.com" || got.Algorithm != "rsa2048" {
		t.Errorf("gpgsm's: verified as %+v", got)
	}
	wantBadOver(t, "gpgsm's, another payload", v, flip(payload, 0), signature, verifier.BadSignature, "does not match")

	q := newPKI(t)
	for name, signature := range map[string][]byte{
		"gpgsm's":       signature,
		"ours":          p.sign(t, alice, form{}),
		"another value": p.sign(t, alice, form{after: func(sd *cms.SignedData) { sd.Signer.Signature = flip(sd.Signer.Signature, 99) }}),
		"unsorted": p.sign(t, alice, form{attrs: func(sd *cms.SignedData) {
			a := sd.Signer.SignedAttributes
			a[0], a[1] = a[1], a[0]
		}}),
		"expired":    p.sign(t, p.signer(t, func(c *x509.Certificate) { c.NotAfter = days(-1) }), form{claimed: days(-2)}),
		"a stranger": q.sign(t, q.alice, form{}),
	} {
		_, ours := v.Verify(payload, signature)
		status, stderr, theirs := g.run(t, "--status-fd", "1", "--verify", o.file(t, "signature", signature), content)
		good := theirs == nil && bytes.Contains(status, []byte("GOODSIG")) && bytes.Contains(status, []byte("TRUST_FULLY"))
		if (ours == nil) != good {
			t.Errorf("%s: we: %v, gpgsm: %v\n%s%s", name, ours, theirs, status, stderr)
		}
	}
}

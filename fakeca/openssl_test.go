package fakeca

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// openssl runs openssl over the files, which it finds in its directory.
func openssl(t *testing.T, files map[string][]byte, args ...string) error {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("openssl %v: %v\n%s", args, err, out)
	}
	return err
}

func pemCertificates(certs ...[]byte) []byte {
	var b []byte
	for _, cert := range certs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})...)
	}
	return b
}

func TestOpenSSLVerifiesChain(t *testing.T) {
	for _, shape := range shapes() {
		t.Run(shapeName(shape), func(t *testing.T) {
			a := newTestAuthority(t, shape)
			for _, subject := range []string{"alice@example.com", "https://example.com/w", "bob"} {
				chain := certify(t, a, subject).chain
				err := openssl(t, map[string][]byte{
					"leaf": pemCertificates(chain[0]), "intermediate": pemCertificates(chain[1]), "root": pemCertificates(chain[2]),
				}, "verify", "-x509_strict", "-attime", strconv.FormatInt(testTime().Unix(), 10),
					"-CAfile", "root", "-untrusted", "intermediate", "leaf")
				if err != nil {
					t.Errorf("chain of %q: %v", subject, err)
				}
			}
		})
	}
}

func TestOpenSSLVerifiesTimestamp(t *testing.T) {
	a := newTestAuthority(t, Config{})
	imprint := sha256.Sum256([]byte("signature"))
	token, err := a.Timestamp(context.Background(), imprint)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"token": token, "root": pemCertificates(a.tsaChain[1].Raw)}
	args := []string{
		"ts", "-verify", "-digest", hex.EncodeToString(imprint[:]), "-in", "token", "-token_in",
		"-CAfile", "root", "-attime", strconv.FormatInt(testTime().Unix(), 10),
	}
	if err := openssl(t, files, args...); err != nil {
		t.Error(err)
	}
	flip(token)
	if err := openssl(t, files, args...); err == nil {
		t.Error("openssl accepts a flipped token")
	}
}

// TestOpenSSLVerifiesMessage also lets openssl judge the faults it can see.
func TestOpenSSLVerifiesMessage(t *testing.T) {
	for _, shape := range shapes()[:2] {
		t.Run(shapeName(shape), func(t *testing.T) {
			a := newTestAuthority(t, shape)
			for fault, good := range map[Fault]bool{
				"": true, SignerSecond: true, OldAttribute: true, SHA1Digest: true, UnknownDigest: true, NoEntry: true,
				WrongDigest: false, SignatureByOtherKey: false, SignatureFlipped: false,
				NoContentType: false, NoMessageDigest: false, SignerMissing: false,
			} {
				d := a.draft([]byte("payload\r\nof two lines"), Fixture{Fault: fault})
				err := openssl(t, map[string][]byte{"message": d.der, "payload": d.payload},
					"cms", "-verify", "-noverify", "-binary", "-inform", "DER", "-in", "message", "-content", "payload", "-out", "out")
				if good != (err == nil) {
					t.Errorf("%s: openssl says %v", fault, err)
				}
			}
		})
	}
}

package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	pgp "github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"gitseal/verifier"
	"gitseal/verifier/audit"
	"gitseal/verifier/openpgp"
	"gitseal/verifier/sshsig"
)

// TestKeysThatExpireBetweenAudits signs with an OpenPGP and an SSH key that
// are good for a day, and audits before and after with one cache.
func TestKeysThatExpireBetweenAudits(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("there is no ssh-keygen")
	}
	born := time.Unix(1700000000, 0)
	entity, err := pgp.NewEntity("A", "", "a@example.com", &packet.Config{Time: func() time.Time { return born }, KeyLifetimeSecs: 86400})
	if err != nil {
		t.Fatal(err)
	}
	var public bytes.Buffer
	if err := entity.Serialize(&public); err != nil {
		t.Fatal(err)
	}
	keyring, err := openpgp.ReadKeyring("keys", public.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command(keygen, "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	line, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := sshsig.ReadAllowedSigners("allowed", fmt.Appendf(nil, "b@example.com valid-before=%q %s", "20231115221320Z", line))
	if err != nil {
		t.Fatal(err)
	}

	h := newHistory(t)
	payload := commitBytes(h.files(nil), "openpgp")
	var signature bytes.Buffer
	if err := pgp.ArmoredDetachSign(&signature, entity, bytes.NewReader(payload), &packet.Config{Time: func() time.Time { return born.Add(time.Hour) }}); err != nil {
		t.Fatal(err)
	}
	one := h.object("commit", insertHeader(payload, "gpgsig", signature.Bytes()))
	payload = commitBytes(h.files(nil), "ssh", one)
	cmd := exec.Command(keygen, "-q", "-Y", "sign", "-n", "git", "-f", key)
	cmd.Stdin = bytes.NewReader(payload)
	sshSignature, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	h.branch("main", h.object("commit", insertHeader(payload, "gpgsig", sshSignature)))

	config := func(at time.Time, atSigning bool) audit.Config {
		rules := verifier.KeyRules{At: at, AtSigning: atSigning}
		cfg := h.cfg
		var err error
		if cfg.Keys.OpenPGP, err = openpgp.New(openpgp.Config{Keyrings: []*openpgp.Keyring{keyring}, Rules: rules}); err != nil {
			t.Fatal(err)
		}
		if cfg.Keys.SSH, err = sshsig.New(sshsig.Config{AllowedSigners: []*sshsig.AllowedSigners{allowed}, Rules: rules}); err != nil {
			t.Fatal(err)
		}
		cfg.Repo, cfg.Now = h.open(), func() time.Time { return at }
		return cfg
	}
	file := filepath.Join(t.TempDir(), "verdicts")
	for i, test := range []struct {
		after             time.Duration
		verified, expired int
	}{
		{2 * time.Hour, 2, 0}, {2 * time.Hour, 2, 0}, {23 * time.Hour, 2, 0}, {48 * time.Hour, 0, 2}, {72 * time.Hour, 0, 2},
	} {
		cfg := config(born.Add(test.after), false)
		known := wantCached(t, fmt.Sprint(i), cfg, file)
		r := run(t, cfg)
		wantClasses(t, r, map[verifier.Class]int{verifier.Verified: test.verified, verifier.ExpiredKey: test.expired})
		if want := min(i, 1) * 2; known != want {
			t.Errorf("audit %d knew %d objects, want %d", i, known, want)
		}
	}
	// By the time of signing they are good for ever, and that is another matter.
	if known := wantCached(t, "at signing", config(born.Add(72*time.Hour), true), file); known != 0 {
		t.Errorf("%d objects are known under other rules", known)
	}
	wantClasses(t, run(t, config(born.Add(72*time.Hour), true)), map[verifier.Class]int{verifier.Verified: 2})
}

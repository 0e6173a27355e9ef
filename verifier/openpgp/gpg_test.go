package openpgp_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
	"gitseal/verifier/openpgp"
)

// TestGnuPG judges what gpg makes: each case by both, at the same time.
func TestGnuPG(t *testing.T) {
	g := newGnuPG(t)
	generate := func(name, algorithm, usage, expires string) string {
		t.Helper()
		g.run(born, nil, "--batch", "--quick-generate-key", name, algorithm, usage, expires)
		return name
	}
	plain := generate("plain@example.com", "ed25519", "sign", "never")
	short := generate("short@example.com", "ed25519", "sign", "2y")
	certifies := generate("certifies@example.com", "ed25519", "cert", "never")
	fingerprint := func(name string) string {
		for line := range strings.Lines(string(g.run(born, nil, "--with-colons", "--list-keys", name))) {
			if f := strings.Split(line, ":"); f[0] == "fpr" {
				return f[9]
			}
		}
		t.Fatalf("gpg has no key %s", name)
		return ""
	}
	subkey := func(name, algorithm, usage, expires string) string {
		t.Helper()
		g.run(born, nil, "--batch", "--quick-add-key", fingerprint(name), algorithm, usage, expires)
		return name
	}
	subkey(certifies, "ed25519", "sign", "never")
	oldSubkey := subkey(generate("subkey@example.com", "ed25519", "cert", "never"), "ed25519", "sign", "1y")
	algorithms := []string{}
	for _, a := range []string{"rsa2048", "nistp256", "nistp521", "brainpoolP256r1", "secp256k1"} {
		algorithms = append(algorithms, generate(a+"@example.com", a, "sign", "never"))
	}
	edited := generate("edited@example.com", "ed25519", "sign", "never")
	hard, soft := generate("hard@example.com", "ed25519", "sign", "never"), generate("soft@example.com", "ed25519", "sign", "never")
	renamed := generate("renamed@example.com", "ed25519", "sign", "never")
	g.run(signed, nil, "--batch", "--quick-add-uid", renamed, "newname@example.com")
	g.run(later, nil, "--batch", "--quick-revoke-uid", "newname@example.com", renamed)

	sign := func(at time.Time, data []byte, args ...string) []byte {
		t.Helper()
		return g.run(at, data, append([]string{"--batch", "--armor", "--detach-sign"}, args...)...)
	}
	type made struct {
		name      string
		signature []byte
		want      verifier.Class
	}
	cases := []made{
		{"primary key", sign(signed, payload, "-u", plain), verifier.Verified},
		{"subkey", sign(signed, payload, "-u", certifies), verifier.Verified},
		{"another payload", sign(signed, []byte("else"), "-u", plain), verifier.BadSignature},
		{"SHA-1", sign(signed, payload, "-u", plain, "--digest-algo", "SHA1"), verifier.Verified},
		{"SHA-512", sign(signed, payload, "-u", plain, "--digest-algo", "SHA512"), verifier.Verified},
		{"text", sign(signed, payload, "-u", plain, "--textmode"), verifier.Verified},
		{"notation and policy", sign(signed, payload, "-u", plain, "--sig-notation", "a@example.com=b", "--sig-policy-url", "https://example.com"), verifier.Verified},
		{"signature expired", sign(signed, payload, "-u", plain, "--default-sig-expire", "6m"), verifier.ExpiredKey},
		{"signature not expired", sign(signed, payload, "-u", plain, "--default-sig-expire", "5y"), verifier.Verified},
		{"key expired", sign(signed, payload, "-u", short), verifier.ExpiredKey},
		{"subkey expired", sign(born, payload, "-u", oldSubkey), verifier.ExpiredKey},
		{"wrong usage", sign(signed, payload, "-u", edited), verifier.UnknownKey},
		{"revoked", sign(signed, payload, "-u", hard), verifier.Revoked},
		{"retired", sign(signed, payload, "-u", soft), verifier.Revoked},
		{"user id revoked", sign(later, payload, "-u", renamed), verifier.Verified},
		{"two good ones", sign(signed, payload, "-u", plain, "-u", certifies), verifier.Verified},
		{"two, one of a retired key", sign(signed, payload, "-u", plain, "-u", soft), verifier.Revoked},
	}
	for _, name := range algorithms {
		cases = append(cases, made{name, sign(signed, payload, "-u", name), verifier.Verified},
			made{name + ", another payload", sign(signed, []byte("else"), "-u", name), verifier.BadSignature})
	}
	// What happens to keys later.
	revocation, err := os.ReadFile(filepath.Join(g.home, "openpgp-revocs.d", fingerprint(hard)+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	loose := bytes.Replace(revocation, []byte(":-----BEGIN"), []byte("-----BEGIN"), 1)
	before := g.run(later, nil, "--export", fingerprint(hard))
	g.run(later, loose, "--batch", "--import")
	retired := g.run(later, []byte("y\n3\nold\n\ny\n"), "--armor", "--command-fd", "0", "--gen-revoke", fingerprint(soft))
	g.run(later, retired, "--batch", "--import")
	g.run(later, []byte("change-usage\ns\nq\nsave\n"), "--command-fd", "0", "--edit-key", edited)

	exported := g.run(now, nil, "--export")
	rules := verifier.KeyRules{At: now, Weak: []string{"sha1"}}
	v := newVerifier(t, rules, ring(t, exported))
	rules.AtSigning = true
	atSigning := newVerifier(t, rules, ring(t, exported))
	for _, c := range cases {
		theirs := g.verify(now, nil, payload, c.signature)
		class, result, err := verify(t, v, payload, c.signature)
		if class != c.want {
			t.Errorf("%s: Verify = %s (%v), want %s", c.name, class, err, c.want)
		}
		if strings.HasPrefix(c.name, "two") {
			if theirs.grade != "E" {
				t.Errorf("%s: git says %s, want E", c.name, theirs.grade)
			}
			continue
		}
		if !strings.Contains(grades[class], theirs.grade) {
			t.Errorf("%s: we say %s (%v), git %s", c.name, class, err, theirs.grade)
		}
		if theirs.key != "" && result != nil {
			if got := (verdict{theirs.grade, result.Signer.Identity.Subject, result.Key, result.Signer.Key}); got != theirs {
				t.Errorf("%s: we say %+v, gpg %+v", c.name, got, theirs)
			}
		}
		late, _, err := verify(t, atSigning, payload, c.signature)
		wantLate := c.want
		switch c.name {
		case "key expired", "subkey expired", "retired":
			wantLate = verifier.Verified
		}
		if late != wantLate {
			t.Errorf("%s: Verify at signing = %s (%v), want %s", c.name, late, err, wantLate)
		}
	}
	// The revocation counts from a file of its own.
	class, _, kerr := verify(t, newVerifier(t, today, ring(t, before), ring(t, revocationOnly(loose))), payload, cases[12].signature)
	if class != verifier.Revoked {
		t.Errorf("Verify with the revocation beside the key = %s (%v), want revoked", class, kerr)
	}
}

// revocationOnly returns the armored part of gpg's revocation file.
func revocationOnly(file []byte) []byte { return file[bytes.Index(file, []byte("-----BEGIN")):] }

// TestKeysAgreeWithGnuPG compares what real keys say of themselves.
func TestKeysAgreeWithGnuPG(t *testing.T) {
	path := corpus(t, "keys", "all-keys.gpg")
	g := newGnuPG(t)
	keyring, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	// One record a line; fields as in gnupg's doc/DETAILS.
	want := make(map[string]openpgp.Part)
	subjects := make(map[string]string)
	var part openpgp.Part
	subject := ""
	for line := range strings.Lines(string(g.run(graded, nil, "--no-default-keyring", "--keyring", keyring, "--with-colons", "--list-keys"))) {
		f := strings.Split(line, ":")
		switch f[0] {
		case "pub", "sub":
			part = openpgp.Part{Revoked: f[1] == "r", Created: seconds(t, f[5]), Expires: seconds(t, f[6]), Usage: strings.ToUpper(strings.Map(lower, f[11]))}
			if f[0] == "pub" {
				subject = "?"
			}
		case "fpr":
			part.Fingerprint = f[9]
			want[f[9]] = part
			if subject == "?" {
				subject = f[9]
			}
		case "uid":
			if subject != "" && f[1] != "r" {
				subjects[subject] = strings.ReplaceAll(f[9], `\x3a`, ":")
				subject = ""
			}
		}
	}
	if len(subjects) < 300 {
		t.Fatalf("gpg lists %d keys", len(subjects))
	}
	seen := 0
	compare := func(got openpgp.Part) {
		w, ok := want[got.Fingerprint]
		got.Algorithm = ""
		usage := []rune(got.Usage)
		slices.Sort(usage)
		wantUsage := []rune(w.Usage)
		slices.Sort(wantUsage)
		got.Usage, w.Usage = string(usage), string(wantUsage)
		if ok {
			seen++
			if got != w {
				t.Errorf("we say %+v, gpg %+v", got, w)
			}
		}
	}
	for _, k := range readKeyring(t, path).Keys(graded) {
		compare(k.Part)
		for _, s := range k.Subkeys {
			compare(s)
		}
		if s := subjects[k.Fingerprint]; s != "" && (len(k.UserIDs) == 0 || k.UserIDs[0] != s) {
			t.Errorf("%s: user ids %q, gpg has %q first", k.Fingerprint, k.UserIDs, s)
		}
	}
	if seen < len(want)*9/10 {
		t.Errorf("%d of %d keys compared", seen, len(want))
	}
}

func lower(r rune) rune {
	if r < 'a' {
		return -1 // what the whole key can be used for
	}
	return r
}

func seconds(t *testing.T, s string) time.Time {
	t.Helper()
	if s == "" {
		return time.Time{}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(n, 0).UTC()
}

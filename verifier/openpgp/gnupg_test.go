package openpgp_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
)

// A gnupg is gpg with a home of its own.
type gnupg struct {
	t    testing.TB
	home string
}

// newGnuPG skips the test where gpg is not installed.
func newGnuPG(t testing.TB) *gnupg {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("gpg is not installed")
	}
	// Not t.TempDir: the path of the agent's socket has to be short.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() // there may be no agent
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	return &gnupg{t, home}
}

// command returns gpg with arguments, at a time.
func (g *gnupg) command(at time.Time, args ...string) *exec.Cmd {
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--no-tty", "--quiet", "--no-auto-check-trustdb", "--trust-model", "always",
		"--pinentry-mode", "loopback", "--passphrase", "", "--faked-system-time", at.UTC().Format("20060102T150405") + "!"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return cmd
}

// run runs gpg, which must succeed, and returns its output.
func (g *gnupg) run(at time.Time, input []byte, args ...string) []byte {
	g.t.Helper()
	cmd := g.command(at, args...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		g.t.Fatalf("gpg %q: %v\n%s", args, err, stderr.Bytes())
	}
	return out
}

// exclusive are the status lines of which git wants one, with its grades
// (gpg-interface.c, sigcheck_gpg_status).
var exclusive = map[string]string{"GOODSIG": "G", "BADSIG": "B", "ERRSIG": "E", "EXPSIG": "X", "EXPKEYSIG": "Y", "REVKEYSIG": "R"}

// A verdict is what git makes of gpg's.
type verdict struct {
	grade, signer, key, primary string
}

// verify verifies with keys from the home, or from one keyring if that is not
// nil.
func (g *gnupg) verify(at time.Time, keyring, payload, signature []byte) verdict {
	g.t.Helper()
	write := func(name string, data []byte) string {
		path := filepath.Join(g.home, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			g.t.Fatal(err)
		}
		return path
	}
	args := []string{"--status-fd", "1"}
	if keyring != nil {
		args = append(args, "--no-default-keyring", "--keyring", write("keyring", keyring))
	}
	args = append(args, "--verify", write("signature", signature), "-")
	cmd := g.command(at, args...)
	cmd.Stdin = bytes.NewReader(payload)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	status, err := cmd.Output() // fails where a signature is not good
	v := verdict{grade: "E"}
	seen := 0
	for line := range strings.Lines(string(status)) {
		f := strings.SplitN(strings.TrimSuffix(strings.TrimPrefix(line, "[GNUPG:] "), "\n"), " ", 3)
		if grade := exclusive[f[0]]; grade != "" {
			seen++
			v.grade = grade
			if len(f) > 2 && grade != "E" {
				v.signer = f[2]
			}
		}
		if f[0] == "VALIDSIG" {
			v.key = f[1]
			rest := strings.Fields(line)
			v.primary = rest[len(rest)-1]
		}
	}
	if seen != 1 || v.grade == "G" && err != nil {
		return verdict{grade: "E"}
	}
	return v
}

// grades are what git may say of our classes.
var grades = map[verifier.Class]string{
	verifier.Verified: "G", verifier.BadSignature: "B", verifier.Revoked: "R", verifier.ExpiredKey: "YX",
	verifier.UnknownKey: "E", verifier.MalformedSignature: "E", verifier.UnsupportedSignature: "E", verifier.WeakAlgorithm: "GE",
}

// gpgSays are the cases, of tests that make their own keys, in which gpg 2.2
// says something else, and why that is. A whole test is named where gpg may.
var gpgSays = map[string]string{
	"TestVersion6":          "gpg 2.2 knows no version 6",
	"TestSeveralSignatures": "git wants no more than one, gpg grades each; the worst counts here",

	"TestKeyExpiry/self-signature_from_the_future":                   "it goes by self-signatures that are yet to come",
	"TestKeyExpiry/self-signature_that_has_expired":                  "to it only the user id has expired; without one nothing is left that a key says of itself",
	"TestKeyExpiry/key_from_the_future":                              "could not be checked, it says, for the times contradict each other; expired-key has keys that are not valid yet as well",
	"TestSignatureTime/before_the_key":                               "as above",
	"TestVersion3/before_the_key":                                    "as above",
	"TestSignatureTime/from_the_future":                              "it does not look",
	"TestSubkey/twice,_prolonged":                                    "it takes the first of two copies in one file",
	"TestSelfSignature/in_two_ways":                                  "it takes one of two contradicting subpackets",
	"TestSubject/all_revoked":                                        "it accepts a key all user ids of which are revoked",
	"TestRevocation/dated_before_the_key":                            "it passes over revocations that are older than the key",
	"TestRevocation/by_MD5":                                          "it passes over revocations by MD5",
	"TestRevocation/with_a_condition_that_is_not_known":              "it passes over revocations that it does not understand wholly",
	"TestRevocation/after_the_user_id":                               "it looks for revocations before the user ids only",
	"TestRevocation/on_its_own,_by_key_id":                           "it imports no revocation before the key",
	"TestDesignatedRevoker/named_by_a_user_id":                       "it looks for revokers in direct key signatures only",
	"TestDesignatedRevoker/not_known":                                "it warns that the key might be revoked, and accepts it",
	"TestDesignatedRevoker/on_its_own":                               "it cannot tell which key is meant",
	"TestMisplacedRevocation/of_a_user_id,_first":                    "it accepts a key all user ids of which are revoked",
	"TestRevocationBehindAnotherKey/its_own":                         "it takes it for one of the key before it, and drops it",
	"TestRevocationBehindAnotherKey/behind_a_key_that_is_skipped":    "it drops it with the key",
	"TestRevocationBehindAnotherKey/by_who_was_named_for_that":       "it takes it for one of the key before it",
	"TestRevocationBehindAnotherKey/on_its_own,_by_who_is_not_known": "it cannot tell which key is meant",
	"TestSignatureForm/named_where_it_is_not_covered":                "it cannot tell which key is meant",
	"TestSignatureForm/two_keys_named":                               "it looks for the id, and finds the value wrong",
	"TestSignatureForm/two_keys_named,_one_where_it_is_not_covered":  "it takes the first",
	"TestSignatureForm/another_algorithm":                            "it goes by the key's algorithm",
	"TestSignatureForm/two_times":                                    "it takes one of them",
	"TestSignatureForm/two_lifetimes":                                "as above",
	"TestSignatureForm/fingerprint_of_no_version":                    "it passes over it",
	"TestSignatureForm/empty_subpacket":                              "what is no subpacket makes the value wrong, to it",
	"TestSignatureForm/subpacket_that_is_too_long":                   "as above",
	"TestSignatureForm/long_primary_user_id":                         "it passes over what has no place here",
	"TestSignatureForm/no_reason":                                    "as above",
	"TestSignatureForm/revoker_of_no_length":                         "as above",
	"TestSignatureForm/revoker_of_no_class":                          "as above",
	"TestSignatureForm/half_that_is_too_long":                        "such a half cannot be checked, to it",
	"TestSignatureForm/critical,_unknown":                            "what it does not know is wrong, to it",
	"TestSignatureForm/critical_notation":                            "as above",
	"TestSignatureForm/bytes_after_the_value":                        "it passes over them",
	"TestSignatureForm/number_of_another_length":                     "it passes over that",
}

// compare has gpg judge what we have judged.
func compare(t *testing.T, at time.Time, rings [][]byte, signature []byte, class verifier.Class, err error) {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		return // what the test is about has been tested
	}
	test, _, _ := strings.Cut(t.Name(), "/")
	if gpgSays[test] != "" {
		return
	}
	g := newGnuPG(t)
	var keyring []byte
	if len(rings) == 1 && rings[0][0]&0x80 != 0 {
		keyring = rings[0]
	} else {
		for _, r := range rings {
			cmd := g.command(at, "--import")
			cmd.Stdin = bytes.NewReader(r)
			_ = cmd.Run() // it refuses some keys, and so do we
		}
	}
	v := g.verify(at, keyring, payload, signature)
	if agrees := strings.Contains(grades[class], v.grade); agrees != (gpgSays[t.Name()] == "") {
		t.Errorf("we say %s (%v), gpg %s; known to differ: %q", class, err, v.grade, gpgSays[t.Name()])
	}
}

package fixedkey

import (
	"crypto"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestWycheproof runs the vectors of Project Wycheproof (C2SP/wycheproof),
// which are not part of this repository: WYCHEPROOF names the folder
// testvectors_v1 of a copy.
func TestWycheproof(t *testing.T) {
	dir := os.Getenv("WYCHEPROOF")
	if dir == "" {
		t.Skip("WYCHEPROOF does not name a folder with vectors")
	}
	hashes := map[string]crypto.Hash{"SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512}
	for _, name := range []string{"secp256r1_sha256", "secp256r1_sha512", "secp384r1_sha256", "secp384r1_sha384", "secp384r1_sha512"} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, "ecdsa_"+name+"_test.json"))
			if err != nil {
				t.Fatal(err)
			}
			var file struct {
				NumberOfTests int
				TestGroups    []struct {
					SHA       string
					PublicKey struct{ Curve, Uncompressed string }
					Tests     []struct {
						Comment, Msg, Sig, Result string
					}
				}
			}
			if err := json.Unmarshal(data, &file); err != nil {
				t.Fatal(err)
			}
			unhex := func(s string) []byte {
				b, err := hex.DecodeString(s)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			run := 0
			for _, group := range file.TestGroups {
				curve := curves[map[string]int{"secp256r1": 0, "secp384r1": 1}[group.PublicKey.Curve]]
				pub := publicKey(t, curve, unhex(group.PublicKey.Uncompressed))
				fixed := fix(t, pub)
				for _, test := range group.Tests {
					h := hashes[group.SHA].New()
					h.Write(unhex(test.Msg))
					t.Run(test.Comment, func(t *testing.T) {
						agree(t, pub, fixed, h.Sum(nil), unhex(test.Sig), test.Result == "valid")
					})
					run++
				}
			}
			if run == 0 || run != file.NumberOfTests {
				t.Errorf("%d vectors were run, want %d", run, file.NumberOfTests)
			}
		})
	}
}

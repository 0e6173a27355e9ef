package sshsig

import (
	"slices"
	"strings"
	"testing"

	"gitseal/verifier"
)

func TestVerifyRefusesArmor(t *testing.T) {
	key := newEd25519(t)
	v := newVerifier(t, line("a", "", key.PublicKey()), nil)
	good := string(recipe{key: key}.make(t, payload))
	lines := strings.SplitAfter(good, "\n")
	tests := []struct{ name, armored, text string }{
		{"empty", "", "no BEGIN line"},
		{"no END line", strings.TrimSuffix(good, armorEnd+"\n"), "no END line"},
		{"END line without newline before it", strings.Replace(good, "\n-----END", "-----END", 1), "no END line"},
		{"text after it", good + "x\n", "2 bytes after"},
		{"a second signature", good + good, "after the END line"},
		{"text on the END line", strings.TrimSuffix(good, "\n") + " \n", "ends with"},
		{"another block", strings.Replace(good, "SSH SIGNATURE", "SSH MESSAGE", 1), "begins with"},
		{"CR LF", strings.ReplaceAll(good, "\n", "\r\n"), "begins with"},
		{"CR inside", strings.Replace(good, lines[1], lines[1][:70]+"\r\n", 1), "carriage return"},
		{"empty line", strings.Replace(good, lines[1], lines[1]+"\n", 1), "different lengths"},
		{"header line", strings.Replace(good, lines[1], "Version: 1\n\n"+lines[1], 1), "different lengths"},
		{"a short line", strings.Replace(good, lines[2], lines[2][:60]+"\n"+lines[2][60:], 1), "different lengths"},
		{"a space", strings.Replace(good, lines[1], " "+lines[1], 1), ""},
		{"no padding", strings.Replace(good, "=", "", 1), "base64"},
		{"not base64", strings.Replace(good, "U1NI", "U1N!", 1), "base64"},
		{"nothing inside", lines[0] + armorEnd + "\n", "does not begin"},
		{"too long", strings.Repeat("x", maxArmor+1) + "\n" + good, "limit"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := v.Verify(payload, []byte(test.armored))
			wantClass(t, err, verifier.MalformedSignature, test.text)
		})
	}
}

func TestVerifyAcceptsArmor(t *testing.T) {
	key := newEd25519(t)
	v := newVerifier(t, line("a", "", key.PublicKey()), nil)
	good := string(recipe{key: key}.make(t, payload))
	blob, _, err := dearmor([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, armored string
		notes         []string
	}{
		{"as ssh-keygen writes it", good, nil},
		{"no final newline", strings.TrimSuffix(good, "\n"), nil},
		{"empty lines after it", good + "\n\n", nil},
		{"lines as in PEM", string(enarmor(blob, 64)), nil},
		{"lines as the format says", string(enarmor(blob, 76)), nil},
		{"one line", string(enarmor(blob, 1000)), nil},
		{"text before it", "login: \n" + good, []string{"8 bytes of text before the armor"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			result, err := v.Verify(payload, []byte(test.armored))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(result.Notes, test.notes) {
				t.Errorf("Notes = %q, want %q", result.Notes, test.notes)
			}
		})
	}
}

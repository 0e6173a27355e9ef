package cms

import (
	"bytes"
	"strings"
	"testing"
)

func TestDearmorReturnsWhatArmorWrote(t *testing.T) {
	for n := range 200 {
		der := bytes.Repeat([]byte{0xa5}, n)
		text := Armor(der)
		got, leading, err := Dearmor(text)
		if err != nil || !bytes.Equal(got, der) || len(leading) != 0 {
			t.Errorf("Dearmor(Armor(%d bytes)) = %d bytes, leading %q, %v", n, len(got), leading, err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if len(line) > armorLine {
				t.Errorf("Armor(%d bytes) writes a line of %d characters", n, len(line))
			}
		}
	}
}

func TestDearmorForms(t *testing.T) {
	const b, e = armorBegin, armorEnd
	for _, tt := range []struct{ name, text, leading, err string }{
		{"plain", b + "\nAQID\n" + e + "\n", "", ""},
		{"no final newline", b + "\nAQID\n" + e, "", ""},
		{"CR LF", b + "\r\nAQ\r\nID\r\n" + e + "\r\n", "", ""},
		{"text before", "Enter the code: X\n" + b + "\nAQID\n" + e, "Enter the code: X\n", ""},
		{"empty", "", "", "no BEGIN line"},
		{"help text", "usage: gitsign [flags]\n", "", "no BEGIN line"},
		{"BEGIN inside a line", "> " + b + "\nAQID\n" + e, "", "no BEGIN line"},
		{"another label", "-----BEGIN PKCS7-----\nAQID\n-----END PKCS7-----\n", "", "want"},
		{"another armor before", "-----BEGIN PGP SIGNATURE-----\n\nAQID\n-----END PGP SIGNATURE-----\n" + b + "\nAQID\n" + e, "", "want"},
		{"text after", b + "\nAQID\n" + e + "\ntrusted\n", "", "after the END line"},
		{"empty lines after", b + "\nAQID\n" + e + "\n\r\n\n", "", ""},
		{"space after", b + "\nAQID\n" + e + "\n \n", "", "after the END line"},
		{"second armor", b + "\nAQID\n" + e + "\n" + b + "\nAQID\n" + e, "", "after the END line"},
		{"text on the END line", b + "\nAQID\n" + e + " x\n", "", "want"},
		{"text on the BEGIN line", b + " x\nAQID\n" + e + "\n", "", "want"},
		{"no END", b + "\nAQID\n", "", "no END line"},
		{"BEGIN only", b, "", "no END line"},
		{"header line", b + "\nVersion: 1\n\nAQID\n" + e, "", "illegal base64"},
		{"spare bits", b + "\nAQJ=\n" + e, "", "illegal base64"},
		{"no padding", b + "\nAQI\n" + e, "", "illegal base64"},
		{"padding inside", b + "\nAQI=\nAQID\n" + e, "", "illegal base64"},
		{"space", b + "\nAQ ID\n" + e, "", "illegal base64"},
		{"CR inside a line", b + "\nAQ\rID\n" + e, "", "carriage return"},
		{"too large", strings.Repeat("x", MaxArmor+1), "", "more than the limit"},
	} {
		der, leading, err := Dearmor([]byte(tt.text))
		if tt.err == "" && (err != nil || !bytes.Equal(der, []byte{1, 2, 3}) || string(leading) != tt.leading) {
			t.Errorf("%s: Dearmor = %x, %q, %v", tt.name, der, leading, err)
		}
		if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: Dearmor error %v, want one with %q", tt.name, err, tt.err)
		}
	}
}

// TestNoBitOfTheArmorIsSpare flips every bit of an armor: none may decode to
// the same bytes, for then two texts would be one signature.
func TestNoBitOfTheArmorIsSpare(t *testing.T) {
	der := []byte("an arbitrary message of some length, to fill more than one line of armor")
	good := Armor(der)
	for i := range good {
		for bit := range 8 {
			text := bytes.Clone(good)
			text[i] ^= 1 << bit
			got, leading, err := Dearmor(text)
			if err == nil && len(leading) == 0 && bytes.Equal(got, der) && i != len(good)-1 {
				t.Errorf("byte %d, bit %d: decodes to the same", i, bit)
			}
		}
	}
}

func FuzzDearmor(f *testing.F) {
	f.Add([]byte(armorBegin + "\nAQID\n" + armorEnd + "\n"))
	f.Add([]byte("x\r\n" + armorBegin + "\r\nAQI=\r\n" + armorEnd))
	f.Fuzz(func(t *testing.T, text []byte) {
		der, leading, err := Dearmor(text)
		if err != nil {
			return
		}
		again, _, err := Dearmor(Armor(der))
		if err != nil || !bytes.Equal(again, der) || !bytes.HasPrefix(text, leading) {
			t.Errorf("Dearmor(%q): not stable", text)
		}
	})
}

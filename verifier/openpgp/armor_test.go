package openpgp_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"gitseal/verifier"
)

const opentimestamps = "-----BEGIN OPENTIMESTAMPS GIT TIMESTAMP-----\n\nAQHwIP8t\n-----END OPENTIMESTAMPS GIT TIMESTAMP-----\n"

func TestArmor(t *testing.T) {
	alice := edKey(1, born)
	v := newVerifier(t, today, ring(t, keyOf(alice, "alice")))
	packets := sig{by: alice, at: signed}.over(payload)
	if len(packets)%3 == 0 { // then base64 has no bits to spare
		packets = sig{by: alice, at: signed, hashed: sub(99, 0)}.over(payload)
	}
	good := string(armor(packets))
	replace := func(old, new string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("the armor has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	sum := good[strings.LastIndex(good, "\n=")+1:][:6] // with its newline
	headed := func(h string) string { return replace("-----\n\n", "-----\n"+h+"\n") }
	for _, test := range []struct {
		name string
		text string
		err  string // part of the error; empty: it is verified
		note string // part of the one note
	}{
		{name: "good", text: good},
		{name: "headers", text: headed("Version: 1\nComment: two: three\nHash:\n")},
		{name: "carriage returns", text: strings.ReplaceAll(good, "\n", "\r\n")},
		{name: "white space before the ends of lines", text: strings.ReplaceAll(good, "\n", " \t\n")},
		{name: "no final newline", text: strings.TrimSuffix(good, "\n")},
		{name: "empty lines after", text: good + "\n \r\n\n"},
		{name: "no checksum", text: replace(sum, "")},
		{name: "one long line", text: "-----BEGIN PGP SIGNATURE-----\n\n" + base64.StdEncoding.EncodeToString(packets) + "\n-----END PGP SIGNATURE-----\n"},
		{name: "called a message", text: strings.ReplaceAll(good, "SIGNATURE", "MESSAGE"), note: "calls the signature a message"},
		{name: "text before", text: "login:\n" + good, note: "7 bytes of text before"},
		{name: "text before, in another format's armor's clothes", text: "----BEGIN\n" + good, note: "text before"},
		{name: "OpenTimestamps after", text: good + opentimestamps, note: "OpenTimestamps proof follows"},
		{name: "OpenTimestamps after an empty line", text: good + "\n" + opentimestamps, note: "OpenTimestamps proof follows"},

		{name: "empty", text: "", err: "no BEGIN line"},
		{name: "no armor", text: string(packets), err: "no BEGIN line"},
		{name: "only begun", text: "-----BEGIN PGP SIGNATURE-----", err: "no END line"},
		{name: "only headers", text: "-----BEGIN PGP SIGNATURE-----\n\n", err: "no END line"},
		{name: "not ended", text: good[:strings.Index(good, "-----END")], err: "no END line"},
		{name: "ended otherwise", text: replace("END PGP SIGNATURE", "END PGP MESSAGE"), err: "not END PGP SIGNATURE"},
		{name: "begun within", text: replace("-----END", "-----BEGIN"), err: "not END PGP SIGNATURE"},
		{name: "begun badly", text: "-----BEGIN PGP SIGNATURE\n\n", err: "begins with"},
		{name: "no empty line", text: replace("-----\n\n", "-----\n"), err: "no empty line"},
		{name: "header without a name", text: headed(": x\n"), err: "is no header"},
		{name: "text after", text: good + "x", err: "after the END line"},
		{name: "text after, indented", text: good + " x", err: "after the END line"},
		{name: "text between", text: good + "x\n" + good, err: "after the END line"},
		{name: "OpenTimestamps before", text: opentimestamps + good, err: "OPENTIMESTAMPS"},
		{name: "OpenTimestamps only", text: opentimestamps, err: "OPENTIMESTAMPS"},
		{name: "OpenTimestamps damaged", text: good + strings.Replace(opentimestamps, "AQ", "A*", 1), err: "illegal base64"},
		{name: "a key after", text: good + string(block("PGP PUBLIC KEY BLOCK", keyOf(alice, "alice"))), err: "PGP PUBLIC KEY BLOCK"},
		{name: "another format's armor", text: strings.ReplaceAll(good, "PGP SIGNATURE", "SIGNED MESSAGE"), err: "SIGNED MESSAGE"},
		{name: "wrong checksum", text: replace(sum, "=AAAA\n"), err: "checksum is 000000"},
		{name: "checksum that is none", text: replace(sum, "=A*AA\n"), err: "checksum"},
		{name: "two checksums", text: replace(sum, sum+sum), err: "data after the checksum"},
		{name: "data after the checksum", text: replace(sum, sum+"AAAA\n"), err: "data after the checksum"},
		{name: "not base64", text: replace("\n\n", "\n\n*"), err: "illegal base64"},
		{name: "carriage return within", text: replace(sum, "AA\rAA\n"+sum), err: "carriage return"},
		{name: "spare bits", text: spareBits(good, sum), err: "illegal base64"},
		{name: "much too long", text: strings.Repeat("x", 1<<20) + "\n" + good, err: "more than the limit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			class, result, err := verify(t, v, payload, []byte(test.text))
			switch {
			case test.err == "" && class != verifier.Verified:
				t.Errorf("Verify = %s (%v), want verified", class, err)
			case test.err != "" && (class != verifier.MalformedSignature || !strings.Contains(err.Error(), test.err)):
				t.Errorf("Verify = %s (%v), want malformed-signature about %q", class, err, test.err)
			case test.note != "" && (len(result.Notes) != 1 || !strings.Contains(result.Notes[0], test.note)):
				t.Errorf("notes = %q, want %q", result.Notes, test.note)
			case test.note == "" && result != nil && len(result.Notes) != 0:
				t.Errorf("notes = %q, want none", result.Notes)
			}
		})
	}
	if class, _, err := verify(t, v, []byte("else"), []byte("login:\n"+good)); class != verifier.BadSignature || len(err.Unverified.Notes) != 1 {
		t.Errorf("Verify of another payload = %s, %+v, want bad-signature and the note", class, err)
	}
}

// spareBits sets a bit that base64 does not use, in front of the checksum.
func spareBits(good, sum string) string {
	head, tail, _ := strings.Cut(good, sum)
	head = strings.TrimSuffix(head, "\n")
	data := strings.TrimRight(head, "=")
	return data[:len(data)-1] + string(data[len(data)-1]+1) + head[len(data):] + "\n" + sum + tail
}

// TestPackets: how packets are framed does not matter, as long as it can be
// read in one way.
func TestPackets(t *testing.T) {
	alice := edKey(1, born)
	v := newVerifier(t, today, ring(t, keyOf(alice, "alice")))
	body := sig{by: alice, at: signed}.body(payload)
	n := len(body) // below 192
	for _, test := range []struct {
		name   string
		packet []byte
		err    string
	}{
		{"one octet", append([]byte{0xc2, byte(n)}, body...), ""},
		{"five octets", pkt(2, body), ""},
		{"old, one octet", append([]byte{0x88, byte(n)}, body...), ""},
		{"old, two octets", append([]byte{0x89, 0, byte(n)}, body...), ""},
		{"old, four octets", append([]byte{0x8a, 0, 0, 0, byte(n)}, body...), ""},
		{"old, no length", append([]byte{0x8b}, body...), "without a length"},
		{"in parts", append([]byte{0xc2, 0xe0}, body...), "in parts"},
		{"not a packet", append([]byte{0x42, byte(n)}, body...), "no packet"},
		{"cut off", append([]byte{0xc2, byte(n + 1)}, body...), "cut off"},
		{"no length", []byte{0xc2}, "no packet"},
		{"half a length", []byte{0xc2, 0xff, 0, 0}, "cut off"},
		{"rest", append(pkt(2, body), 0), "no packet"},
	} {
		class, _, err := verify(t, v, payload, armor(test.packet))
		if test.err == "" && class != verifier.Verified || test.err != "" && (class != verifier.MalformedSignature || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("Verify, %s = %s (%v), want an error about %q", test.name, class, err, test.err)
		}
	}
	two := bytes.Repeat([]byte{'x'}, 8000)
	long := sig{by: alice, at: signed, hashed: sub(99, two...)}.body(payload)
	n = len(long) - 192
	if class, _, err := verify(t, v, payload, armor(append([]byte{0xc2, byte(192 + n>>8), byte(n)}, long...))); class != verifier.Verified {
		t.Errorf("Verify, two octets = %s (%v), want verified", class, err)
	}
}

// TestChecksumOfAnyLength compares with the maker's, which goes bit by bit.
func TestChecksumOfAnyLength(t *testing.T) {
	alice := edKey(1, born)
	v := newVerifier(t, today, ring(t, keyOf(alice, "alice")))
	for n := range 9 {
		packet := sig{by: alice, at: signed, hashed: sub(99, make([]byte, n)...)}.over(payload)
		if _, err := v.Verify(payload, armor(packet)); err != nil {
			t.Errorf("Verify of %d bytes = %v", len(packet), err)
		}
	}
}

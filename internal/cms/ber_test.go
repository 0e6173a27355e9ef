package cms

import (
	"bytes"
	"strings"
	"testing"
)

// indefiniteForm rewrites the outer layers of a definite message as gpgsm
// writes them: ContentInfo, [0] and SignedData of indefinite length.
func indefiniteForm(t *testing.T, der []byte) []byte {
	t.Helper()
	cut := func(b []byte) (header, body []byte) {
		n := 2
		if b[1] >= 0x80 {
			n += int(b[1] & 0x7f)
		}
		return b[:n], b[n:]
	}
	_, info := cut(der)
	oidLen := 2 + int(info[1])
	oid, explicit := info[:oidLen], info[oidLen:]
	_, sequence := cut(explicit)
	_, body := cut(sequence)
	out := append([]byte{0x30, 0x80}, oid...)
	out = append(out, 0xa0, 0x80, 0x30, 0x80)
	out = append(out, body...)
	return append(out, 0, 0, 0, 0, 0, 0)
}

func TestFromBERMakesDER(t *testing.T) {
	der := marshal(t, newECDSA(t).sign(t, nil))
	ber := indefiniteForm(t, der)
	if !IsIndefinite(ber) || IsIndefinite(der) {
		t.Fatal("IsIndefinite does not tell the two forms apart")
	}
	if _, err := Parse(ber); err == nil {
		t.Error("Parse accepts BER")
	}
	got, err := FromBER(ber)
	if err != nil || !bytes.Equal(got, der) {
		t.Errorf("FromBER(ber) = %x, %v, want %x", got, err, der)
	}
	if got, err := FromBER(der); err != nil || !bytes.Equal(got, der) {
		t.Errorf("FromBER changes DER (%v)", err)
	}
}

func TestFromBERRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "truncated"},
		{"no end of contents", []byte{0x30, 0x80, 5, 0}, "truncated"},
		{"half an end of contents", []byte{0x30, 0x80, 0}, "truncated"},
		{"indefinite primitive", []byte{0x30, 0x80, 4, 0x80, 0, 0, 0, 0}, "primitive"},
		{"long tag", []byte{0x3f, 0x80, 1}, "long tag"},
		{"length of the length", []byte{0x30, 0x85, 1, 1, 1, 1, 1}, "bad length"},
		{"longer than its container", []byte{0x30, 0x80, 4, 9, 1, 0, 0}, "longer than"},
		{"deep", bytes.Repeat([]byte{0x30, 0x80}, 100), "too deep"},
		{"too large", make([]byte, MaxSize+1), "limit"},
	} {
		if _, err := FromBER(tt.data); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestFromBERKeepsTrailingBytesForParseToRefuse(t *testing.T) {
	ber := append(indefiniteForm(t, marshal(t, newECDSA(t).sign(t, nil))), 7)
	got, err := FromBER(ber)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(got); err == nil {
		t.Error("trailing bytes vanished")
	}
}

func FuzzFromBER(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 5, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := FromBER(data)
		if err != nil {
			return
		}
		// A second pass finds nothing left to do at the top.
		if again, err := FromBER(out); err != nil || !bytes.Equal(again, out) {
			t.Errorf("FromBER(FromBER(%x)) = %x, %v, want %x", data, again, err, out)
		}
	})
}

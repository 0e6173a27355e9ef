package agent

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"gitseal/signer"
)

const (
	alice  = "alice@example.com"
	bob    = "bob@example.com"
	source = "https://issuer.example/ sigstore" // key of a token source
)

// commit returns what git has signed for a commit with the message.
func commit(message string) []byte {
	return fmt.Appendf(nil, "tree %040d\nauthor A U Thor <a@example.com> 1700000000 +0000\ncommitter A U Thor <a@example.com> 1700000000 +0000\n\n%s\n", 1, message)
}

// messages are one of each kind.
func messages() []*message {
	d := digest{1, 2, 0xff}
	cred := credentialMessage{
		Instance: "sigstore", Digest: d, Source: source, Issuer: "https://issuer.example/", Subject: alice, Certificate: []byte{0x30},
		NotAfter: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Renewable: true, Signatures: 7,
	}
	return []*message{
		{Hello: &helloMessage{protocol, "1.2.3", true}},
		{Sign: &signMessage{d, source, alice, "always", "/queue"}},
		{Login: &loginMessage{Name: "n", TrustedRoot: []byte("{}"), SigningConfig: []byte("{}"), Audience: "sigstore", Source: source}},
		{Grant: &grantMessage{IDToken: "a.b.c", Session: &sessionMessage{"i", "c", "s", alice, alice, "r"}}},
		{Grant: &grantMessage{IDToken: "a.b.c"}},
		{GaveUp: &gaveUpMessage{true, "no"}},
		{Forget: &forgetMessage{&d, alice}}, {Forget: new(forgetMessage)},
		{Ask: new(struct{})}, {Flush: new(struct{})}, {Stop: new(struct{})}, {Go: new(struct{})},
		{Working: &workingMessage{"signing"}},
		{Signed: &signedMessage{Armored: []byte("-----BEGIN SIGNED MESSAGE-----\n")}},
		{Credential: &cred},
		{Status: &statusMessage{Version: "1", PID: 2, Credentials: []credentialMessage{cred}}},
		{Done: &doneMessage{3}},
		{Failed: &failedMessage{NoCredential: true, Message: "no <&> \u2028"}},
	}
}

// reader is a connection of which only the reading side is used.
type reader struct {
	net.Conn
	*bytes.Reader
}

func (r reader) Read(p []byte) (int, error) { return r.Reader.Read(p) }

func TestMessagesArriveAsTheyAre(t *testing.T) {
	for _, m := range messages() {
		var body []byte
		if m.Sign != nil {
			body = commit("x")
		}
		frame, err := m.encode(len(body))
		if err != nil {
			t.Fatal(err)
		}
		w := &wire{conn: reader{Reader: bytes.NewReader(append(frame, body...))}}
		got, gotBody, err := w.receive()
		if err != nil {
			t.Errorf("%s: %v", frame[8:], err)
			continue
		}
		a, _ := json.Marshal(m)   // what cannot be marshaled differs below
		b, _ := json.Marshal(got) // likewise
		if !bytes.Equal(a, b) || !bytes.Equal(body, gotBody) {
			t.Errorf("received %s with %q, want %s with %q", b, gotBody, a, body)
		}
	}
}

// TestReadsOneFormOnly changes a message in what JSON readers differ about.
// An errAway is the error of a server that cannot be reached.
type errAway struct{}

func (errAway) Error() string     { return "nobody answers" }
func (errAway) Unreachable() bool { return true }

// TestFailuresSayWhatTheyCameOf has each cause alone.
func TestFailuresSayWhatTheyCameOf(t *testing.T) {
	const text = "a reason"
	for _, tt := range []struct {
		err  error
		want RemoteError
	}{
		{errors.New(text), RemoteError{Message: text}},
		{errAway{}, RemoteError{Message: errAway{}.Error(), unreachable: true}},
		{&refusalError{text}, RemoteError{Message: text, LoginRefused: true}},
		{fmt.Errorf("a reason: %w", x509.UnknownAuthorityError{}), RemoteError{Message: "a reason: " + x509.UnknownAuthorityError{}.Error(), UnknownAuthority: true}},
	} {
		err := failed(&signer.StepError{Step: "a step", Err: tt.err}).err()
		var step *signer.StepError
		var remote *RemoteError
		if !errors.As(err, &step) || step.Step != "a step" || !errors.As(err, &remote) || *remote != tt.want {
			t.Errorf("%v: %v, %+v, want %+v after its step", tt.err, err, remote, tt.want)
		}
	}
}

func TestReadsOneFormOnly(t *testing.T) {
	const good = `{"working":{"step":"signing"}}`
	if _, err := decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, head := range map[string]string{
		"white space":    `{"working": {"step":"signing"}}`,
		"line feed":      good + "\n",
		"two values":     good + good,
		"repeated":       `{"working":{"step":"x"},"working":{"step":"signing"}}`,
		"case":           `{"Working":{"step":"signing"}}`,
		"unknown":        `{"working":{"step":"signing","more":1}}`,
		"left out":       `{"working":{}}`,
		"null":           `{"working":null}`,
		"escapes":        `{"working":{"step":"\u0073igning"}}`,
		"not UTF-8":      "{\"working\":{\"step\":\"\xff\"}}",
		"an array":       `["working"]`,
		"a short digest": `{"sign":{"instance":"00","source":"","expect":"","defer":""}}`,
		"a long digest":  `{"sign":{"instance":"` + strings.Repeat("0", 66) + `","source":"","expect":"","defer":""}}`,
		"capitals":       `{"sign":{"instance":"` + strings.Repeat("A", 64) + `","source":"","expect":"","defer":""}}`,
		"nothing":        ``,
		"empty":          `{}`,
		"two things":     `{"ask":{},"flush":{}}`,
	} {
		if m, err := decode([]byte(head)); err == nil {
			t.Errorf("%s: %s is read as %+v", name, head, m)
		}
	}
}

// TestErrorsOfMessagesQuoteNothing: a token may be in what could not be read.
func TestErrorsOfMessagesQuoteNothing(t *testing.T) {
	for _, head := range []string{
		`{"grant":{"idToken":"secret"}`, `{"grant":{"idToken":"secret","x":1}}`, `{"grant":{"idToken":["secret"]}}`, `{"grant":{"idToken":secret}}`,
	} {
		if _, err := decode([]byte(head)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("decoding %s: %v", head, err)
		}
	}
}

func TestLongMessagesAreRefused(t *testing.T) {
	m := &message{GaveUp: &gaveUpMessage{Message: strings.Repeat("x", maxHead)}}
	if _, err := m.encode(0); err == nil {
		t.Error("a long object is sent")
	}
	if _, err := (&message{Sign: new(signMessage)}).encode(maxBody + 1); err == nil {
		t.Error("a long body is sent")
	}
	for _, lengths := range [][2]uint32{{maxHead + 1, 0}, {2, maxBody + 1}, {1 << 31, 1 << 31}} {
		frame := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, lengths[0]), lengths[1])
		w := &wire{conn: reader{Reader: bytes.NewReader(append(frame, "{}"...))}}
		if _, _, err := w.receive(); err == nil || !strings.Contains(err.Error(), "too long") {
			t.Errorf("a message of %d bytes: %v", lengths, err)
		}
	}
}

// FuzzMessage: what is read is written again in the same bytes.
func FuzzMessage(f *testing.F) {
	for _, m := range messages() {
		body := 0
		if m.Sign != nil {
			body = 4
		}
		frame, err := m.encode(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(frame, make([]byte, body)...))
	}
	f.Add([]byte("\x00\x00\x00\x02\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		m, body, err := (&wire{conn: reader{Reader: r}}).receive()
		if err != nil {
			return
		}
		frame, err := m.encode(len(body))
		if err != nil {
			t.Fatal(err)
		}
		if read := data[:len(data)-r.Len()]; !bytes.Equal(append(frame, body...), read) {
			t.Errorf("read %q, wrote %q", read, frame)
		}
	})
}

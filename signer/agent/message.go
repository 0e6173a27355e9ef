package agent

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"sync"
	"time"

	"gitseal/verifier"
)

// protocol is the version of what follows. Of every version are the hello and
// the stop message, in the form that they have here, so that two that differ
// can part.
const protocol = 1

// Bounds of a message, in bytes.
const (
	maxHead = 1 << 20
	maxBody = 64 << 20 // as of a push certificate
)

// A message is what one side tells the other: an object with exactly one of
// these members. It travels as
//
//	uint32 length of the object, big-endian
//	uint32 length of the body
//	the object: JSON, as encoding/json writes it and in no other form
//	the body: what is to be signed, with Sign; else nothing
//
// The agent begins with Hello. The client asks one thing; the agent answers
// with any number of Working, and then with the answer, or with Failed. After
// Login it may answer Go, which makes it the client's turn again.
type message struct {
	Hello *helloMessage `json:"hello,omitempty"`

	Sign   *signMessage   `json:"sign,omitempty"`
	Login  *loginMessage  `json:"login,omitempty"`
	Grant  *grantMessage  `json:"grant,omitempty"`  // after Go
	GaveUp *gaveUpMessage `json:"gaveUp,omitempty"` // after Go
	Forget *forgetMessage `json:"forget,omitempty"`
	Ask    *struct{}      `json:"ask,omitempty"` // for Status
	Flush  *struct{}      `json:"flush,omitempty"`
	Stop   *struct{}      `json:"stop,omitempty"`

	Working    *workingMessage    `json:"working,omitempty"`
	Go         *struct{}          `json:"go,omitempty"`
	Signed     *signedMessage     `json:"signed,omitempty"`
	Credential *credentialMessage `json:"credential,omitempty"`
	Status     *statusMessage     `json:"status,omitempty"`
	Done       *doneMessage       `json:"done,omitempty"`
	Failed     *failedMessage     `json:"failed,omitempty"`
}

// A digest is written in hexadecimal.
type digest [32]byte

// MarshalText implements encoding.TextMarshaler.
func (d digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return errors.New("not 32 bytes in hexadecimal")
	}
	_, err := hex.Decode(d[:], text)
	return err
}

type helloMessage struct {
	Protocol int    `json:"protocol"`
	Version  string `json:"version"` // of the program, for people
	Idle     bool   `json:"idle"`    // it has nothing that would be lost
}

type signMessage struct {
	Instance digest `json:"instance"`
	Source   string `json:"source"`
	Expect   string `json:"expect"`
	Defer    string `json:"defer"`
	Queue    string `json:"queue"`
}

type loginMessage struct {
	Name          string `json:"name"`
	TrustedRoot   []byte `json:"trustedRoot"`
	SigningConfig []byte `json:"signingConfig"`
	CAs           []byte `json:"cas"`
	Audience      string `json:"audience"`
	Source        string `json:"source"`
	Expect        string `json:"expect"`
	Again         bool   `json:"again"` // even if there is a certificate
}

type grantMessage struct {
	IDToken string          `json:"idToken"`
	Session *sessionMessage `json:"session,omitempty"`
}

type sessionMessage struct {
	Issuer       string `json:"issuer"`
	ClientID     string `json:"clientID"`
	ClientSecret string `json:"clientSecret"`
	Subject      string `json:"subject"`
	Email        string `json:"email"`
	RefreshToken string `json:"refreshToken"`
}

type gaveUpMessage struct {
	Refused bool   `json:"refused"` // by a person: others need not be asked
	Message string `json:"message"`
}

type forgetMessage struct {
	Instance *digest `json:"instance"` // null: of all
	Subject  string  `json:"subject"`  // "": whoever it is
}

type workingMessage struct {
	Step string `json:"step"` // a step of signing that begins; "": still at it
}

type signedMessage struct {
	Armored []byte `json:"armored"`
	Pending bool   `json:"pending"` // the log has not recorded it yet
}

type credentialMessage struct {
	Instance    string    `json:"instance"`
	Digest      digest    `json:"digest"`
	Source      string    `json:"source"`
	Issuer      string    `json:"issuer"`
	Subject     string    `json:"subject"`
	Certificate []byte    `json:"certificate"`
	NotAfter    time.Time `json:"notAfter"`
	Renewable   bool      `json:"renewable"`
	Current     bool      `json:"current"`
	Signatures  int       `json:"signatures"`
}

type statusMessage struct {
	Version     string              `json:"version"`
	PID         int                 `json:"pid"`
	Started     time.Time           `json:"started"`
	Ends        time.Time           `json:"ends"`
	Confirms    bool                `json:"confirms"`
	Locked      bool                `json:"locked"`
	Credentials []credentialMessage `json:"credentials"`
}

type doneMessage struct {
	Count int `json:"count"` // of what was forgotten
}

type failedMessage struct {
	NoCredential     bool   `json:"noCredential"`
	Unreachable      bool   `json:"unreachable"`      // a server was not reached
	LoginRefused     bool   `json:"loginRefused"`     // by the person whom another client asked
	UnknownAuthority bool   `json:"unknownAuthority"` // a server's certificate is by an authority that is not trusted
	Step             string `json:"step"`             // of a signer.StepError
	Message          string `json:"message"`
}

// encode returns the message with its lengths, without the body.
func (m *message) encode(body int) ([]byte, error) {
	head, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if len(head) > maxHead || body > maxBody {
		return nil, fmt.Errorf("a message of %d and %d bytes is too long", len(head), body)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 8+len(head)), uint32(len(head)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(body))
	frame = append(frame, head...)
	clear(head) // there may be a token in it
	return frame, nil
}

// decode reads a message's JSON. What it reads it writes again byte for byte:
// unknown, repeated and misspelt members, white space and bytes that are not
// UTF-8 do not survive that.
func decode(head []byte) (*message, error) {
	m := new(message)
	if err := json.Unmarshal(head, m); err != nil {
		return nil, errors.New("the message is not JSON, or not as expected") // the cause may quote a token
	}
	again, err := json.Marshal(m)
	same := err == nil && bytes.Equal(again, head)
	clear(again)
	if !same {
		return nil, errors.New("the message is not in its one form")
	}
	set := 0
	for _, member := range reflect.ValueOf(m).Elem().Fields() {
		if !member.IsNil() {
			set++
		}
	}
	if set != 1 {
		return nil, fmt.Errorf("the message says %d things", set)
	}
	return m, nil
}

// A wire is a connection with messages on it.
type wire struct {
	conn  net.Conn
	mu    sync.Mutex           // one message is written at a time
	admit func(size int) error // asked before a message of that size is read; nil: any is
}

// send sends a message, which the other side has to take within sendTime.
func (w *wire) send(m *message, body []byte) error {
	frame, err := m.encode(len(body))
	if err != nil {
		return err
	}
	defer clear(frame)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.within(sendTime, func() error {
		if _, err := w.conn.Write(frame); err != nil || len(body) == 0 {
			return err
		}
		_, err := w.conn.Write(body)
		return err
	})
}

// receive returns the next message, and its body.
func (w *wire) receive() (*message, []byte, error) {
	var lengths [8]byte
	if _, err := io.ReadFull(w.conn, lengths[:]); err != nil {
		return nil, nil, err
	}
	head, body := binary.BigEndian.Uint32(lengths[:4]), binary.BigEndian.Uint32(lengths[4:])
	if head > maxHead || body > maxBody {
		return nil, nil, fmt.Errorf("a message of %d and %d bytes is too long", head, body)
	}
	if w.admit != nil {
		if err := w.admit(int(head) + int(body)); err != nil {
			return nil, nil, err
		}
	}
	text := make([]byte, head)
	defer clear(text)
	if _, err := io.ReadFull(w.conn, text); err != nil {
		return nil, nil, err
	}
	m, err := decode(text)
	if err != nil {
		return nil, nil, err
	}
	if body > 0 && m.Sign == nil {
		return nil, nil, errors.New("a message with a body that has none")
	}
	// What is said to come is not made room for until it is there.
	var payload bytes.Buffer
	if _, err := io.CopyN(&payload, w.conn, int64(body)); err != nil {
		return nil, nil, err
	}
	return m, payload.Bytes(), nil
}

// How long the other side may take.
const (
	sendTime  = 10 * time.Second // to read a message
	quietTime = 30 * time.Second // between two messages of an agent at work
	pulseTime = 5 * time.Second  // after which such an agent says that it is
)

var errSlow = errors.New("no answer in time")

// within does what waits for the other side, for no longer than d: then the
// connection is closed.
func (w *wire) within(d time.Duration, f func() error) error {
	timer := time.AfterFunc(d, func() { _ = w.conn.Close() }) // the error is f's
	err := f()
	if !timer.Stop() {
		return errSlow // what came just then does not help: the connection is gone
	}
	return err
}

// public returns what a message tells of a credential.
func (m *credentialMessage) public() Credential {
	return Credential{
		Instance: m.Instance, Digest: m.Digest, Source: m.Source, Identity: verifier.Identity{Issuer: m.Issuer, Subject: m.Subject},
		Certificate: m.Certificate, NotAfter: m.NotAfter, Renewable: m.Renewable, Current: m.Current, Signatures: m.Signatures,
	}
}

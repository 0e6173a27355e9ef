package gitutil

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// A PushCertificate is what a pusher signed with git push --signed: which refs
// are to hold which objects, and for which repository and occasion that is
// meant. It is a claim until its signature is verified.
type PushCertificate struct {
	// Split is the exact bytes that are signed, and the signature.
	Split
	Pusher string // key, seconds and zone, as the pusher's git wrote them
	Pushee string // where it was pushed to, as the pusher calls it; may be empty
	// Nonce is what the receiving side gave out for this push; empty if it
	// gave out none.
	Nonce   string
	Options []string // push options
	Updates []PushUpdate
}

// A PushUpdate is one line of what a push changes.
type PushUpdate struct {
	Ref string // its full name
	Old string // the id that it holds; empty if it is to be created
	New string // the id that it is to hold; empty if it is to be deleted
}

// maxPushCertificate bounds a push certificate: half a million refs.
const maxPushCertificate = 64 << 20

// ParsePushCertificate parses a push certificate, the content of the blob that
// git names in GIT_PUSH_CERT (generate_push_cert in git's send-pack.c):
//
//	"certificate version 0.1" LF
//	"pusher" SP ident LF
//	[ "pushee" SP url LF ]
//	[ "nonce" SP nonce LF ]
//	*( "push-option" SP option LF )
//	LF
//	1*( oid SP oid SP ref LF )
//	signature
//
// The signature begins at the last line that begins with an armor header, as
// in a tag. A certificate without one, and one in any other form, is an error.
func ParsePushCertificate(data []byte, f Format) (*PushCertificate, error) {
	c, err := parsePushCertificate(data, f)
	if err != nil {
		return nil, fmt.Errorf("parsing push certificate: %w", err)
	}
	return c, nil
}

func parsePushCertificate(data []byte, f Format) (*PushCertificate, error) {
	if len(data) > maxPushCertificate {
		return nil, fmt.Errorf("%d bytes are more than the %d that are read", len(data), maxPushCertificate)
	}
	at := lastArmor(data)
	if at == len(data) {
		return nil, errors.New("no signature")
	}
	c := &PushCertificate{Split: Split{Payload: data[:at:at], Signature: data[at:]}}
	header, lines, ok := bytes.Cut(c.Payload, []byte("\n\n"))
	if !ok {
		return nil, errors.New("no empty line after the header")
	}
	if err := c.parseHeader(string(header)); err != nil {
		return nil, err
	}
	var err error
	c.Updates, err = ParsePushUpdates(lines, f)
	if err == nil && len(c.Updates) == 0 {
		err = errors.New("it changes nothing")
	}
	return c, err
}

// parseHeader takes the lines before the empty one, without the last LF.
func (c *PushCertificate) parseHeader(header string) error {
	if strings.ContainsAny(header, "\x00\r") {
		return errors.New("a NUL or carriage return in the header")
	}
	lines := strings.Split(header, "\n")
	take := func(name string) (value string, ok bool) {
		if len(lines) == 0 || !strings.HasPrefix(lines[0], name+" ") {
			return "", false
		}
		value = lines[0][len(name)+1:]
		lines = lines[1:]
		return value, true
	}
	if version, ok := take("certificate"); !ok || version != "version 0.1" {
		return errors.New("it is not of version 0.1")
	}
	var ok bool
	if c.Pusher, ok = take("pusher"); !ok {
		return errors.New("no pusher")
	}
	for _, field := range []struct {
		name  string
		value *string
	}{{"pushee", &c.Pushee}, {"nonce", &c.Nonce}} {
		if *field.value, ok = take(field.name); ok && *field.value == "" {
			return fmt.Errorf("an empty %s", field.name)
		}
	}
	for {
		option, ok := take("push-option")
		if !ok {
			break
		}
		c.Options = append(c.Options, option)
	}
	if len(lines) > 0 {
		return fmt.Errorf("header %q is unknown, or out of place", clipped([]byte(lines[0])))
	}
	return nil
}

// ParsePushUpdates parses the lines that say what a push changes, as they
// stand in a push certificate and on the standard input of a pre-receive hook:
//
//	*( oid SP oid SP ref LF )
//
// An id of zeros stands for none. A ref's name begins with "refs/" and has no
// space or control character, as all that git makes; none is there twice.
func ParsePushUpdates(data []byte, f Format) ([]PushUpdate, error) {
	var updates []PushUpdate
	seen := make(map[string]bool)
	for line := range bytes.Lines(data) {
		text, ok := strings.CutSuffix(string(line), "\n")
		if !ok {
			return nil, fmt.Errorf("line %d does not end", len(updates)+1)
		}
		fields := strings.Split(text, " ")
		if len(fields) != 3 {
			return nil, fmt.Errorf("line %d is not two ids and a ref", len(updates)+1)
		}
		u, err := f.pushUpdate(fields[0], fields[1], fields[2])
		if err == nil && seen[u.Ref] {
			err = fmt.Errorf("second line for %s", u.Ref)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(updates)+1, err)
		}
		seen[u.Ref] = true
		updates = append(updates, u)
	}
	return updates, nil
}

// pushUpdate checks the three fields of a line.
func (f Format) pushUpdate(from, to, ref string) (PushUpdate, error) {
	if err := f.checkOIDs(from, to); err != nil {
		return PushUpdate{}, err
	}
	if len(ref) <= len("refs/") || !strings.HasPrefix(ref, "refs/") ||
		strings.ContainsFunc(ref, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return PushUpdate{}, fmt.Errorf("%q is no full name of a ref", clipped([]byte(ref)))
	}
	return PushUpdate{Ref: ref, Old: f.orNone(from), New: f.orNone(to)}, nil
}

// orNone returns an id, or "" for the one of zeros, which git writes for none.
func (f Format) orNone(oid string) string {
	if oid == strings.Repeat("0", f.hexLen()) {
		return ""
	}
	return oid
}

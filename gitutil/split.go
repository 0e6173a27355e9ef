package gitutil

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// A Split is an object taken apart into what was signed and the signature.
type Split struct {
	// Payload is the exact bytes the signature is over. It may share memory
	// with the object it came from, so neither may be changed.
	Payload []byte
	// Signature is what git hands to the verifying program: everything the
	// object holds in the place of a signature, armor or not. It is nil if
	// and only if the object is unsigned.
	Signature []byte
}

// Kind returns [SignatureKind] of the signature.
func (s Split) Kind() string { return SignatureKind(s.Signature) }

// SplitCommit takes a commit apart the way git does before it calls a
// verifying program (parse_buffer_signed_by_header in git's commit.c).
//
// The signature is the value of the header "gpgsig" in a SHA-1 repository and
// "gpgsig-sha256" in a SHA-256 one, with the one space that starts each
// continuation line removed; several such headers are concatenated. The
// payload is everything else but the headers whose names begin with "gpgsig":
// those belong to another object format, and are neither signature nor
// payload. What follows the first empty line is message, whatever it looks
// like.
//
// A commit that is malformed in other ways is split all the same, as git
// does; [ParseCommit] refuses it. The only error is an unknown format.
func SplitCommit(data []byte, f Format) (Split, error) {
	var name []byte
	switch f {
	case SHA1:
		name = []byte("gpgsig ")
	case SHA256:
		name = []byte("gpgsig-sha256 ")
	default:
		return Split{}, fmt.Errorf("splitting commit: unknown object format %q", f)
	}

	var s Split
	kept := 0 // data[:kept] is accounted for
	keep := func(upTo int) {
		if s.Payload == nil {
			// The payload is at most the whole commit; one allocation.
			s.Payload = make([]byte, 0, len(data))
		}
		s.Payload = append(s.Payload, data[kept:upTo]...)
	}
	const (
		other     = iota // in a header that belongs to the payload
		signature        // in the signature header of this format
		foreign          // in a gpgsig header of another format
	)
	in := other
	for at := 0; at < len(data) && data[at] != '\n'; {
		line, next := lineAt(data, at)
		value, isSignature := bytes.CutPrefix(line, name)
		switch {
		case line[0] == ' ' && in == signature:
			s.Signature = append(s.Signature, line[1:]...)
		case line[0] == ' ' && in == foreign:
		case isSignature:
			if in == other {
				keep(at)
			}
			in = signature
			if s.Signature == nil { // nor is it nil if the value is empty
				s.Signature = make([]byte, 0, len(data)-at)
			}
			s.Signature = append(s.Signature, value...)
		case bytes.HasPrefix(line, []byte("gpgsig")):
			if in == other {
				keep(at)
			}
			in = foreign
		default:
			in = other
		}
		at = next
		if in != other {
			kept = at
		}
	}
	if kept == 0 && s.Payload == nil {
		s.Payload = slices.Clip(data)
		return s, nil
	}
	keep(len(data))
	return s, nil
}

// SplitTag takes a tag apart the way git does before it calls a verifying
// program (parse_signature in git's gpg-interface.c).
//
// The signature is everything from the last line that begins with one of the
// armor headers git knows; what comes before, earlier armor included, is
// payload, less the gpgsig headers in which git keeps the signature made for
// a compatibility object format. Git reads tags alike in both formats, so the
// format is not looked at: it is a parameter to make the two splitters
// interchangeable.
//
// Git removes two runs of gpgsig headers at most (remove_signature in
// commit.c) and writes outside its memory on a third; such a tag is an error
// here.
func SplitTag(data []byte, _ Format) (Split, error) {
	match := lastArmor(data)
	if match == len(data) {
		return Split{Payload: slices.Clip(data)}, nil
	}
	payload, err := removeTagHeaders(data[:match])
	if err != nil {
		return Split{}, fmt.Errorf("splitting tag: %w", err)
	}
	return Split{Payload: payload, Signature: slices.Clip(data[match:])}, nil
}

// lastArmor returns where the last line is that begins with an armor header
// that git knows; the length of data if there is none.
func lastArmor(data []byte) int {
	match := len(data)
	for at := 0; at < len(data); {
		line, next := lineAt(data, at)
		if armorKind(line) != "" {
			match = at
		}
		at = next
	}
	return match
}

// removeTagHeaders returns a tag's payload without its gpgsig headers. It
// mirrors git to the byte, because a payload that differs is a signature that
// does not verify: of gpgsig headers that directly follow one another git
// removes the last only, and a header that merely begins with "gpgsig" is
// removed when it stands between a signature header and its continuation.
func removeTagHeaders(payload []byte) ([]byte, error) {
	type span struct{ start, end int }
	var removed []span
	in := false
	for at := 0; at < len(payload) && payload[at] != '\n'; {
		line, next := lineAt(payload, at)
		switch {
		case in && line[0] == ' ':
			removed[len(removed)-1].end = next
		case bytes.HasPrefix(line, []byte("gpgsig ")), bytes.HasPrefix(line, []byte("gpgsig-sha256 ")):
			if in {
				removed[len(removed)-1] = span{at, next}
			} else if len(removed) == 2 {
				return nil, errors.New("more than two signature headers")
			} else {
				removed = append(removed, span{at, next})
			}
			in = true
		case bytes.HasPrefix(line, []byte("gpgsig")):
		default:
			in = false
		}
		at = next
	}
	if len(removed) == 0 {
		return slices.Clip(payload), nil
	}
	var out []byte
	at := 0
	for _, s := range removed {
		out = append(out, payload[at:s.start]...)
		at = s.end
	}
	return append(out, payload[at:]...), nil
}

// SignatureKind says which of git's signature formats a signature is in:
// "x509", "openpgp", "ssh", or "" for none of them. The first line that
// begins with "-----BEGIN " decides. Git looks at the first line of the
// signature only, but text has leaked in front of real signatures, so text
// before the armor is skipped here; the verifier of the format notes it.
func SignatureKind(sig []byte) string {
	for at := 0; at < len(sig); {
		line, next := lineAt(sig, at)
		if bytes.HasPrefix(line, []byte("-----BEGIN ")) {
			return armorKind(line)
		}
		at = next
	}
	return ""
}

// armorKind returns the signature format whose armor begins with line, "" if
// there is none. Like git, it compares prefixes: what follows on the line is
// for the verifier to judge.
func armorKind(line []byte) string {
	rest, ok := bytes.CutPrefix(line, []byte("-----BEGIN "))
	switch {
	case !ok:
		return ""
	case bytes.HasPrefix(rest, []byte("SIGNED MESSAGE-----")):
		return "x509"
	case bytes.HasPrefix(rest, []byte("PGP SIGNATURE-----")), bytes.HasPrefix(rest, []byte("PGP MESSAGE-----")):
		return "openpgp"
	case bytes.HasPrefix(rest, []byte("SSH SIGNATURE-----")):
		return "ssh"
	}
	return ""
}

// lineAt returns the line of data that starts at index at, with its newline
// if it has one, and the index after it.
func lineAt(data []byte, at int) (line []byte, next int) {
	if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
		next = at + i + 1
	} else {
		next = len(data)
	}
	return data[at:next], next
}

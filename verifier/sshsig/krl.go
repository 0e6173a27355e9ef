package sshsig

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// krlMagic is what a key revocation list begins with (PROTOCOL.krl).
const krlMagic = "SSHKRL\n\x00"

// The sections of a key revocation list, and those of a section about
// certificates.
const (
	krlCertificates = 1
	krlKeys         = 2
	krlSHA1         = 3
	krlSignature    = 4
	krlSHA256       = 5
	krlExtension    = 255

	krlSerialList    = 0x20
	krlSerialRange   = 0x21
	krlSerialBitmap  = 0x22
	krlKeyIDs        = 0x23
	krlCertExtension = 0x39
)

// revokedCerts are the revoked certificates of one authority, or of any.
type revokedCerts struct {
	keyIDs  map[string]bool
	ranges  []serials // in order, without overlaps
	bitmaps []bitmap
}

// serials are the serial numbers from first to last.
type serials struct{ first, last uint64 }

// A bitmap has serial number offset+n if bit n is set, of the big-endian
// integer bits.
type bitmap struct {
	offset uint64
	bits   []byte
}

// readKRL reads a key revocation list:
//
//	uint64  "SSHKRL\n\0"
//	uint32  1
//	uint64  version
//	uint64  date
//	uint64  flags
//	string  reserved
//	string  comment
//	…       byte section, string data
//
// Signatures end it, with two strings instead of one. Flags, sections and
// critical extensions that are not known may revoke something, so they are
// errors.
func (r *Revocations) readKRL(data []byte) error {
	in := &reader{rest: data[len(krlMagic):]}
	if format := in.uint32(); !in.bad && format != 1 {
		return fmt.Errorf("key revocation list of format %d", format)
	}
	in.uint64() // version
	in.uint64() // date
	if flags := in.uint64(); flags != 0 {
		return fmt.Errorf("key revocation list with flags %#x", flags)
	}
	in.bytes() // reserved
	in.bytes() // comment
	signed := false
	for len(in.rest) > 0 && !in.bad {
		section, body := in.byte(), in.bytes()
		if section == krlSignature {
			in.bytes() // body is the key, and this the signature
			signed = true
			continue
		}
		if in.bad {
			break
		}
		if signed {
			return errors.New("key revocation list: a section after the signature")
		}
		if err := r.readSection(section, body); err != nil {
			return fmt.Errorf("key revocation list: section %d: %w", section, err)
		}
	}
	if err := in.end(); err != nil {
		return fmt.Errorf("key revocation list: %w", err)
	}
	for _, c := range r.certs {
		c.sort()
	}
	return nil
}

func (r *Revocations) readSection(section byte, body []byte) error {
	in := &reader{rest: body}
	switch section {
	case krlCertificates:
		return r.readCerts(in)
	case krlExtension:
		return in.skipExtension()
	case krlKeys, krlSHA1, krlSHA256:
	default:
		return errors.New("of an unknown kind")
	}
	if len(body) == 0 {
		return errors.New("empty")
	}
	for len(in.rest) > 0 {
		item := in.bytes()
		if in.bad {
			return errTruncated
		}
		switch {
		case section == krlSHA1 && len(item) == 20:
			r.sha1s[[20]byte(item)] = true
		case section == krlSHA256 && len(item) == 32:
			r.sha256s[[32]byte(item)] = true
		case section == krlKeys:
			plain, err := plainBlob(item)
			if err == nil && plain != string(item) {
				err = errors.New("a certificate in place of a key")
			}
			if err != nil {
				return err
			}
			r.keys[plain] = true
		default:
			return fmt.Errorf("a hash of %d bytes", len(item))
		}
	}
	return nil
}

// skipExtension reads an extension, which is skipped unless it is critical.
func (r *reader) skipExtension() error {
	name, critical := r.text(), r.byte()
	r.bytes()
	if err := r.end(); err != nil {
		return err
	}
	if critical != 0 {
		return fmt.Errorf("unknown critical extension %q", clip(name))
	}
	return nil
}

// readCerts reads a section about certificates:
//
//	string  authority's key, or empty
//	string  reserved
//	…       byte section, string data
func (r *Revocations) readCerts(in *reader) error {
	ca := in.bytes()
	in.bytes() // reserved
	if in.bad {
		return errTruncated
	}
	if len(ca) > 0 {
		if plain, err := plainBlob(ca); err != nil || plain != string(ca) {
			return errors.New("the authority is not a key")
		}
	}
	c := r.certs[string(ca)]
	if c == nil {
		c = &revokedCerts{keyIDs: make(map[string]bool)}
		r.certs[string(ca)] = c
	}
	for len(in.rest) > 0 {
		section, body := in.byte(), in.bytes()
		if in.bad {
			return errTruncated
		}
		if err := c.readSection(section, &reader{rest: body}); err != nil {
			return fmt.Errorf("certificates %#x: %w", section, err)
		}
	}
	return nil
}

func (c *revokedCerts) readSection(section byte, in *reader) error {
	switch section {
	case krlSerialList:
		for len(in.rest) > 0 {
			serial := in.uint64()
			c.ranges = append(c.ranges, serials{serial, serial})
		}
	case krlSerialRange:
		between := serials{in.uint64(), in.uint64()}
		if !in.bad && between.first > between.last {
			return errors.New("range ends before it begins")
		}
		c.ranges = append(c.ranges, between)
	case krlSerialBitmap:
		b := bitmap{in.uint64(), in.magnitude()}
		if !in.bad && b.offset > math.MaxUint64-8*uint64(len(b.bits)) {
			return errors.New("serial numbers that are too large")
		}
		c.bitmaps = append(c.bitmaps, b)
	case krlKeyIDs:
		for len(in.rest) > 0 {
			c.keyIDs[in.text()] = true
		}
	case krlCertExtension:
		return in.skipExtension()
	default:
		return errors.New("of an unknown kind")
	}
	return in.end()
}

// sort sorts the ranges, and joins those that overlap.
func (c *revokedCerts) sort() {
	slices.SortFunc(c.ranges, func(a, b serials) int { return cmp.Compare(a.first, b.first) })
	joined := c.ranges[:0]
	for _, s := range c.ranges {
		if n := len(joined); n > 0 && s.first <= joined[n-1].last {
			joined[n-1].last = max(joined[n-1].last, s.last)
		} else {
			joined = append(joined, s)
		}
	}
	c.ranges = joined
}

// has reports whether a certificate is revoked. A serial number of zero is
// none: its authority does not number certificates, and no list means it.
func (c *revokedCerts) has(cert *certificate) bool {
	if c == nil {
		return false
	}
	if c.keyIDs[cert.keyID] {
		return true
	}
	if cert.serial == 0 {
		return false
	}
	_, found := slices.BinarySearchFunc(c.ranges, cert.serial, func(s serials, serial uint64) int {
		if serial < s.first {
			return 1
		}
		if serial > s.last {
			return -1
		}
		return 0
	})
	return found || slices.ContainsFunc(c.bitmaps, func(b bitmap) bool { return b.has(cert.serial) })
}

func (b bitmap) has(serial uint64) bool {
	if serial < b.offset {
		return false
	}
	n := serial - b.offset
	if n/8 >= uint64(len(b.bits)) {
		return false
	}
	return b.bits[uint64(len(b.bits))-1-n/8]>>(n%8)&1 != 0
}

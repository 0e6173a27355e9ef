package openpgp

import (
	"bytes"

	"gitseal/verifier"
)

// A candidate is a key that may have made a signature: a primary key or a
// subkey, as part of one key.
type candidate struct {
	key       *key
	part      *part // nil: the primary key
	publicKey *publicKey
}

// candidates returns the keys that may have made s, by the names that it has
// for its key.
func (x *index) candidates(s *signature) []candidate {
	var list []candidate
	for _, k := range x.byID[s.issuers[0].id] {
		k.load()
		if s.by(k.primary) {
			list = append(list, candidate{k, nil, k.primary})
		}
		for _, p := range k.parts {
			if s.by(p.publicKey) {
				list = append(list, candidate{k, p, p.publicKey})
			}
		}
	}
	return list
}

// oneIssuer reports whether all names that s has for its key may be names of
// one.
func (s *signature) oneIssuer() bool {
	var fingerprint []byte
	for _, i := range s.issuers {
		if i.id != s.issuers[0].id || i.fingerprint != nil && fingerprint != nil && !bytes.Equal(i.fingerprint, fingerprint) {
			return false
		}
		if i.fingerprint != nil {
			fingerprint = i.fingerprint
		}
	}
	return true
}

// claims returns what a signature says of itself.
func (s *signature) claims() verifier.KeyResult {
	r := verifier.KeyResult{Signer: verifier.Signer{Kind: verifier.OpenPGP}, Hash: hashes[s.hash].name, Claimed: unix(s.created)}
	for _, i := range s.issuers {
		if i.fingerprint != nil {
			r.Key = hexFingerprint(i.fingerprint)
			break
		}
		r.Key = hexID(i.id)
	}
	return r
}

// canonicalText returns text as signatures of type 0x01 are made over it: RFC
// 9580, section 5.2.1.2. What ends a line, and the text, is as gpg has it
// (g10/textfilter.c): any number of carriage returns, and a line feed.
func canonicalText(text []byte) []byte {
	out := make([]byte, 0, len(text)+len(text)/16)
	for len(text) > 0 {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		out = append(out, bytes.TrimRight(line, "\r")...)
		if ended {
			out = append(out, "\r\n"...)
		}
		text = rest
	}
	return out
}

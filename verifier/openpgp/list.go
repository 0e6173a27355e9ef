package openpgp

import (
	"slices"
	"time"
)

// A Key is what a keyring holds of one key, for people.
type Key struct {
	Part
	UserIDs []string // the primary one first; those that are not revoked
	Subkeys []Part
	// Problem says why signatures by the key are not accepted, whenever they
	// were made; empty: nothing is known against it.
	Problem string
}

// A Part is a primary key or a subkey.
type Part struct {
	Fingerprint string // 40 or 64 upper case hexadecimal digits
	Algorithm   string // as gpg writes it: "ed25519", "rsa4096"
	Usage       string // as gpg writes it: "S" for signing, "C" certifying, "E" encrypting, "A" authenticating
	Created     time.Time
	Expires     time.Time // zero: never
	Revoked     bool      // itself, or its primary key
}

// Keys returns the keys of the keyring in the order of the file, as they
// describe themselves at the time at. It verifies what it returns, which
// takes some time for a large keyring. Subkeys that do not belong to their key
// are left out.
func (ring *Keyring) Keys(at time.Time) []Key {
	x := newIndex([]*Keyring{ring}, at.Unix())
	list := make([]Key, 0, len(x.keys))
	for _, k := range x.keys {
		k.load()
		out := Key{Part: listPart(k.primary, &k.state.partState)}
		switch {
		case k.state.bound != nil:
			out.Problem = k.state.bound.Error()
		case out.Revoked:
			out.Problem = "it is revoked"
		case len(k.state.revokers) > 0:
			out.Problem = "it may have been revoked by " + k.state.revokers[0]
		}
		for _, u := range k.uids {
			if u.newest != nil && !u.attribute {
				out.UserIDs = append(out.UserIDs, string(u.value))
			}
		}
		if i := slices.Index(out.UserIDs, k.state.subject); i > 0 {
			out.UserIDs = slices.Insert(slices.Delete(out.UserIDs, i, i+1), 0, k.state.subject)
		}
		for _, p := range k.parts {
			if st := k.subkey(p); st.bound == nil {
				subkey := listPart(p.publicKey, st)
				subkey.Revoked = subkey.Revoked || out.Revoked
				out.Subkeys = append(out.Subkeys, subkey)
			}
		}
		list = append(list, out)
	}
	return list
}

func listPart(k *publicKey, st *partState) Part {
	p := Part{Fingerprint: hexFingerprint(k.fingerprint), Algorithm: k.name(), Created: unix(k.created), Revoked: len(st.revocations) > 0}
	if st.expires != 0 {
		p.Expires = unix(st.expires)
	}
	for _, f := range []struct {
		flag   byte
		letter string
	}{{flagSign, "S"}, {flagCertify, "C"}, {flagEncrypt, "E"}, {flagAuth, "A"}} {
		if st.flags&f.flag != 0 {
			p.Usage += f.letter
		}
	}
	return p
}

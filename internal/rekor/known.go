package rekor

import (
	"slices"

	"gitseal/internal/entries"
	"gitseal/internal/tlog"
)

// known is what the store has of a certificate. It is not changed.
type known struct {
	entries.Record
	fingerprint [32]byte
	of          map[[32]byte][]*tlog.Entry // by the SHA-256 of what is signed
}

// maxRecent bounds the certificates of which it is remembered what the store
// has. One may have signed hundreds of commits, which follow one another: to
// read all its entries for each would take time with the square of them.
const maxRecent = 8

// known returns what the store has of a certificate.
func (f *Finder) known(fingerprint [32]byte) *known {
	same := func(k *known) bool { return k.fingerprint == fingerprint }
	f.mu.Lock()
	i := slices.IndexFunc(f.recent, same)
	if i >= 0 {
		defer f.mu.Unlock()
		return f.recent[i]
	}
	f.mu.Unlock()

	r := f.cfg.Store.Get(fingerprint)
	k := &known{r, fingerprint, byDigest(r.Entries)}
	if len(r.Entries) == 0 {
		return k // nothing to spare, and another process may find something
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent = append(slices.DeleteFunc(f.recent, same), k)
	f.recent = f.recent[max(0, len(f.recent)-maxRecent):]
	return k
}

// byDigest returns the entries by what is signed. Those of anything but a
// signature of an object are left out.
func byDigest(all []*tlog.Entry) map[[32]byte][]*tlog.Entry {
	of := make(map[[32]byte][]*tlog.Entry)
	for _, e := range all {
		b, err := tlog.ParseBody(e.CanonicalizedBody)
		if err == nil && b.Kind == "hashedrekord" && len(b.Digest) == 32 {
			digest := [32]byte(b.Digest)
			of[digest] = append(of[digest], e)
		}
	}
	return of
}

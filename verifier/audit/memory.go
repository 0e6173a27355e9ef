package audit

import (
	"context"
	"crypto/sha256"
	"time"

	"gitseal/verifier/audit/cache"
	"gitseal/verifier/report"
)

// verifierVersion changes when the same bytes may get other facts from this
// version of gitseal than from the one before, or the facts are kept in
// another form. It is a part of what the cache is keyed by.
const verifierVersion = "3"

// CacheKey returns the digest of everything that facts depend on beside the
// object and, for keys that expire, the time. The policy's rules are not in
// it: they are applied to the facts anew by each audit.
func (cfg *Config) CacheKey() [32]byte {
	h := sha256.New()
	h.Write([]byte("gitseal audit facts " + verifierVersion + "\x00" + cfg.Tool + "\x00"))
	digest := trustDigest(cfg.TrustedRoots)
	h.Write(digest[:])
	for _, keys := range []KeyVerifier{cfg.Keys.OpenPGP, cfg.Keys.SSH, cfg.Keys.X509} {
		var digest [32]byte
		if keys != nil {
			digest = keys.Digest()
		}
		h.Write(digest[:])
	}
	return [32]byte(h.Sum(nil))
}

// A memory keeps the facts of objects from one audit to the next.
type memory struct {
	cache   *cache.Cache
	now     time.Time
	proofs  Proofs // nil: there are none
	entries bool   // log entries from outside may be there that were not
	added   int
}

// saveEvery is how many objects are judged before what is known of them is
// saved: less than a minute of work is lost to whatever happens.
const saveEvery = 50_000

// knows reports whether there are facts of an object, and still hold.
func (m *memory) knows(ctx context.Context, oid string) bool {
	value, ok := m.cache.Lookup(oid)
	if !ok || len(value) == 0 {
		return false
	}
	d := &decoder{data: value, cache: m.cache, oidLen: len(oid) / 2}
	flags, lapses, proven := d.head()
	if d.bad || !lapses.IsZero() && m.now.Unix() >= lapses.Unix() {
		return false
	}
	if flags&factOpen == 0 {
		return true
	}
	return !m.entries && m.same(ctx, proven)
}

// same reports whether the proofs that facts rest on are those that there are
// now.
func (m *memory) same(ctx context.Context, all []proven) bool {
	if m.proofs != nil && len(all) == 0 {
		return false // none were looked for
	}
	for _, p := range all {
		var now [32]byte
		if m.proofs != nil {
			var err error
			if now, err = m.proofs.Version(ctx, p.key); err != nil {
				return false
			}
		}
		if now != p.version {
			return false
		}
	}
	return true
}

// recall returns the facts of an object that the memory knows; nil if they are
// not what keep wrote.
func (m *memory) recall(oid string) *facts {
	value, ok := m.cache.Lookup(oid)
	if !ok {
		return nil
	}
	return m.decode(value, len(oid)/2)
}

// decode returns the facts that a value is of an object whose id has a length
// in bytes; nil if it is none.
func (m *memory) decode(value []byte, oidLen int) *facts {
	d := &decoder{data: value, cache: m.cache, oidLen: oidLen}
	facts := new(facts)
	d.facts(facts)
	if d.bad || len(d.data) > 0 {
		return nil
	}
	return facts
}

// keep adds the facts of an object whose bytes are what its id says.
func (m *memory) keep(oid string, f *facts) {
	if len(f.unasked) > 0 || f.class == report.MissingObject || f.tree == "" && f.name == "" {
		return // may be otherwise next time
	}
	if f.asked {
		return // an entry from outside may be gone next time, and what was asked another
	}
	e := &encoder{cache: m.cache}
	e.facts(f)
	if e.bad {
		return
	}
	m.cache.Add(oid, e.data)
	if m.added++; m.added%saveEvery == 0 {
		// That it could not be saved is said once, at the end.
		_ = m.cache.Save()
	}
}

package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"gitseal/verifier"
	"gitseal/verifier/audit/cache"
	"gitseal/verifier/report"
)

// verifierVersion changes when the same bytes may get other facts from this
// version of gitseal than from the one before, or the facts are kept in
// another form. It is a part of what the cache is keyed by.
const verifierVersion = "1"

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
	entries bool // log entries from outside may be there that were not
	added   int
}

// saveEvery is how many objects are judged before what is known of them is
// saved: less than a minute of work is lost to whatever happens.
const saveEvery = 50_000

// knows reports whether there are facts of an object, and still hold.
func (m *memory) knows(oid string) bool {
	value, ok := m.cache.Lookup(oid)
	if !ok || len(value) == 0 {
		return false
	}
	lapses, n := binary.Varint(value[1:])
	return n > 0 && (lapses == 0 || m.now.Unix() < lapses-1) && (value[0]&factOpen == 0 || !m.entries)
}

// recall returns the facts of an object that the memory knows; nil if they are
// not what keep wrote.
func (m *memory) recall(oid string) *facts {
	value, ok := m.cache.Lookup(oid)
	if !ok {
		return nil
	}
	d := &decoder{data: value, cache: m.cache, oidLen: len(oid) / 2}
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
	if f.open && f.class != verifier.NotLogged {
		return // by an entry from outside, which may be gone next time
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

// The flags that facts begin with.
const (
	factOpen = 1 << iota
	factSigned
	factLog
	factCommit
	factIndexKnown
	factPromiseOnly
)

// An encoder writes facts:
//
//	flags lapses class message signer time source certificate log about mergetags
//
// Numbers are varints, strings that repeat are numbers of the cache's own.
type encoder struct {
	data  []byte
	cache *cache.Cache
	bad   bool
}

func (e *encoder) uint(n uint64)   { e.data = binary.AppendUvarint(e.data, n) }
func (e *encoder) int(n int64)     { e.data = binary.AppendVarint(e.data, n) }
func (e *encoder) shared(s string) { e.uint(uint64(e.cache.Intern(s))) }

func (e *encoder) string(s string) {
	e.uint(uint64(len(s)))
	e.data = append(e.data, s...)
}

// time writes a time of the years 1970 to 9999, or that there is none.
func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.int(0)
		return
	}
	e.bad = e.bad || t.Unix() < 0
	e.int(t.Unix() + 1)
	e.uint(uint64(t.Nanosecond()))
}

// id writes an object id.
func (e *encoder) id(oid string) {
	raw, err := hex.DecodeString(oid)
	e.bad = e.bad || err != nil
	e.data = append(e.data, raw...)
}

func (e *encoder) facts(f *facts) {
	var flags byte
	set := func(flag byte, on bool) {
		if on {
			flags |= flag
		}
	}
	set(factOpen, f.open)
	set(factSigned, f.signed)
	set(factLog, f.log.LogID != [32]byte{})
	set(factCommit, f.tree != "")
	set(factIndexKnown, f.log.IndexKnown)
	set(factPromiseOnly, f.log.Origin == "")
	e.data = append(e.data, flags)
	e.time(f.lapses)
	e.shared(string(f.class))
	e.string(f.message)
	if f.signed {
		e.shared(string(f.signer.Kind))
		e.shared(f.signer.Identity.Subject)
		e.shared(f.signer.Identity.Issuer)
		e.shared(f.signer.Key)
		e.time(f.time)
		e.shared(string(f.source))
		e.data = append(e.data, f.certificate[:]...)
		e.int(int64(f.lifetime))
	}
	if flags&factLog != 0 {
		e.log(&f.log, flags)
	}
	e.about(&f.about)
	e.uint(uint64(len(f.mergetags)))
	for i := range f.mergetags {
		m := &f.mergetags[i]
		e.uint(uint64(len(m.oid) / 2))
		e.id(m.oid)
		e.facts(&m.facts)
	}
}

func (e *encoder) log(l *verifier.LogEntry, flags byte) {
	e.shared(string(l.LogID[:]))
	e.shared(l.URL)
	e.uint(uint64(l.Generation))
	e.int(l.Index)
	if flags&factPromiseOnly == 0 {
		e.shared(l.Origin)
		e.uint(l.TreeIndex)
		e.uint(l.TreeSize)
		e.data = append(e.data, l.RootHash[:]...)
	}
}

func (e *encoder) about(a *about) {
	if a.tree != "" {
		e.id(a.tree)
		e.uint(uint64(len(a.parents)))
		for _, parent := range a.parents {
			e.id(parent)
		}
		e.string(a.author)
	} else {
		e.string(a.name)
		e.uint(uint64(len(a.target) / 2))
		e.id(a.target)
	}
	e.string(a.committer)
	e.time(a.date)
}

// A decoder reads what an encoder wrote. What is not that makes it bad.
type decoder struct {
	data   []byte
	cache  *cache.Cache
	oidLen int // of an object id, in bytes
	bad    bool
}

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.data)
	if size <= 0 {
		d.bad, d.data = true, nil
		return 0
	}
	d.data = d.data[size:]
	return n
}

func (d *decoder) int() int64 {
	n, size := binary.Varint(d.data)
	if size <= 0 {
		d.bad, d.data = true, nil
		return 0
	}
	d.data = d.data[size:]
	return n
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.data)) {
		d.bad, d.data = true, nil
		return nil
	}
	b := d.data[:n:n]
	d.data = d.data[n:]
	return b
}

func (d *decoder) shared() string {
	n := d.uint()
	s, ok := d.cache.String(uint32(n))
	d.bad = d.bad || !ok || n > 1<<32-1
	return s
}

func (d *decoder) string() string { return string(d.bytes(d.uint())) }
func (d *decoder) id() string     { return hex.EncodeToString(d.bytes(uint64(d.oidLen))) }
func (d *decoder) hash() (h [32]byte) {
	copy(h[:], d.bytes(32))
	return h
}

func (d *decoder) time() time.Time {
	if n := d.int(); n != 0 {
		return time.Unix(n-1, int64(d.uint())).UTC()
	}
	return time.Time{}
}

func (d *decoder) facts(f *facts) {
	head := d.bytes(1)
	if d.bad {
		return
	}
	flags := head[0]
	f.open, f.signed = flags&factOpen != 0, flags&factSigned != 0
	f.lapses = d.time()
	f.class = verifier.Class(d.shared())
	f.message = d.string()
	if f.signed {
		f.signer.Kind = verifier.Kind(d.shared())
		f.signer.Identity.Subject = d.shared()
		f.signer.Identity.Issuer = d.shared()
		f.signer.Key = d.shared()
		f.time = d.time()
		f.source = verifier.TimeSource(d.shared())
		f.certificate = d.hash()
		f.lifetime = time.Duration(d.int())
	}
	if flags&factLog != 0 {
		d.log(&f.log, flags)
	}
	d.about(&f.about, flags)
	for n := d.uint(); n > 0 && !d.bad; n-- {
		var m mergetagFacts
		m.oid = hex.EncodeToString(d.bytes(d.uint()))
		d.facts(&m.facts)
		f.mergetags = append(f.mergetags, m)
	}
}

func (d *decoder) log(l *verifier.LogEntry, flags byte) {
	id := d.shared()
	d.bad = d.bad || copy(l.LogID[:], id) != len(l.LogID)
	l.URL = d.shared()
	l.Generation = int(d.uint())
	l.Index, l.IndexKnown = d.int(), flags&factIndexKnown != 0
	if flags&factPromiseOnly == 0 {
		l.Origin = d.shared()
		l.TreeIndex, l.TreeSize = d.uint(), d.uint()
		l.RootHash = d.hash()
	}
}

func (d *decoder) about(a *about, flags byte) {
	if flags&factCommit != 0 {
		a.tree = d.id()
		n := d.uint()
		if n > uint64(len(d.data)/d.oidLen) {
			d.bad = true
			return
		}
		for range n {
			a.parents = append(a.parents, d.id())
		}
		a.author = d.string()
	} else {
		a.name = d.string()
		a.target = hex.EncodeToString(d.bytes(d.uint()))
	}
	a.committer = d.string()
	a.date = d.time()
}

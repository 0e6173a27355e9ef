package audit

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"gitseal/verifier"
	"gitseal/verifier/audit/cache"
	"gitseal/verifier/report"
)

// The flags that facts begin with.
const (
	factOpen = 1 << iota
	factSigned
	factLog
	factCommit
	factIndexKnown
	factPromiseOnly
	factUnlisted
	factLacks
)

// An encoder writes facts:
//
//	flags lapses [proven] class message signer time source certificate lacks log about mergetags
//
// Numbers are varints, strings that repeat are numbers of the cache's own.
type encoder struct {
	data  []byte
	cache *cache.Cache
	bad   bool
}

func (e *encoder) uint(n uint64) { e.data = binary.AppendUvarint(e.data, n) }
func (e *encoder) int(n int64)   { e.data = binary.AppendVarint(e.data, n) }

// shared writes a string that repeats. One that the cache cannot keep has no
// number.
func (e *encoder) shared(s string) {
	n := e.cache.Intern(s)
	e.bad = e.bad || n == 0
	e.uint(uint64(n))
}

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
	set(factUnlisted, f.unlisted)
	set(factLacks, f.lacks != "")
	e.data = append(e.data, flags)
	e.time(f.lapses)
	if f.open {
		e.uint(uint64(len(f.proven)))
		for i := range f.proven {
			e.data = append(append(e.data, f.proven[i].key[:]...), f.proven[i].version[:]...)
		}
	}
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
	if f.lacks != "" {
		e.string(f.lacks)
		e.shared(string(f.lacksKind))
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

// classes are those that facts can be of.
var classes = report.Classes()

// A decoder reads what an encoder wrote. What is not that makes it bad.
type decoder struct {
	data   []byte
	cache  *cache.Cache
	oidLen int // of an object id, in bytes
	bad    bool
}

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.data)
	if size <= 0 || size > 1 && d.data[size-1] == 0 { // not minimal
		d.bad, d.data = true, nil
		return 0
	}
	d.data = d.data[size:]
	return n
}

func (d *decoder) int() int64 {
	n := d.uint()
	return int64(n>>1) ^ -int64(n&1) // as binary.Varint
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

// maybeID reads an object id with its length before it, or that there is none.
func (d *decoder) maybeID() string {
	n := d.uint()
	d.bad = d.bad || n != 0 && n != uint64(d.oidLen)
	return hex.EncodeToString(d.bytes(n))
}

func (d *decoder) hash() (h [32]byte) {
	copy(h[:], d.bytes(32))
	return h
}

func (d *decoder) time() time.Time {
	n := d.int()
	if n == 0 {
		return time.Time{}
	}
	nanos := d.uint()
	d.bad = d.bad || n < 0 || nanos >= uint64(time.Second)
	return time.Unix(n-1, int64(nanos)).UTC()
}

// head reads what facts begin with: all that says whether they still hold.
func (d *decoder) head() (flags byte, lapses time.Time, all []proven) {
	head := d.bytes(1)
	if d.bad {
		return 0, lapses, nil
	}
	flags, lapses = head[0], d.time()
	if flags&factOpen == 0 {
		return flags, lapses, nil
	}
	n := d.uint()
	d.bad = d.bad || n > uint64(len(d.data)/64)
	for ; n > 0 && !d.bad; n-- {
		all = append(all, proven{d.hash(), d.hash()})
	}
	return flags, lapses, all
}

func (d *decoder) facts(f *facts) {
	var flags byte
	flags, f.lapses, f.proven = d.head()
	if d.bad {
		return
	}
	f.open, f.signed = flags&factOpen != 0, flags&factSigned != 0
	f.class = verifier.Class(d.shared())
	d.bad = d.bad || !slices.Contains(classes, f.class)
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
	f.unlisted = flags&factUnlisted != 0
	if flags&factLacks != 0 {
		f.lacks = d.string()
		f.lacksKind = verifier.Kind(d.shared())
		d.bad = d.bad || f.lacks == ""
	}
	if flags&factLog != 0 {
		d.log(&f.log, flags)
	} else {
		d.bad = d.bad || flags&(factIndexKnown|factPromiseOnly) != factPromiseOnly
	}
	d.about(&f.about, flags)
	for n := d.uint(); n > 0 && !d.bad; n-- {
		var m mergetagFacts
		m.oid = d.maybeID()
		d.facts(&m.facts)
		f.mergetags = append(f.mergetags, m)
	}
}

func (d *decoder) log(l *verifier.LogEntry, flags byte) {
	id := d.shared()
	d.bad = d.bad || copy(l.LogID[:], id) != len(l.LogID) || len(id) != len(l.LogID) || l.LogID == [32]byte{}
	l.URL = d.shared()
	l.Generation = int(d.uint())
	l.Index, l.IndexKnown = d.int(), flags&factIndexKnown != 0
	if flags&factPromiseOnly == 0 {
		l.Origin = d.shared()
		d.bad = d.bad || l.Origin == ""
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
		a.target = d.maybeID()
	}
	a.committer = d.string()
	a.date = d.time()
}

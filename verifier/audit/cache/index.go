package cache

import "math/bits"

// An index finds the places of records by seeded hashes of their keys, in 8 to
// 13 bytes for each. It holds no keys: hashes that agree in all it keeps of them
// are told apart by its caller, who looks at the records.
type index struct {
	shards [shards]shard
	used   int
}

// shards is into how many tables an index is divided, so that while one grows
// there is little twice.
const shards = 64

// A shard is a hash table with open addressing. A slot is the upper bits of a
// hash and a location, which is never 0; it is 0 if it is free.
type shard struct {
	slots []uint64
	used  int
}

// split returns the shard of a hash, and what its slots keep of it.
func (x *index) split(hash uint64) (s *shard, tag uint64) {
	return &x.shards[hash%shards], hash >> locationBits
}

// find looks for the place for which same is true.
func (x *index) find(hash uint64, same func(location) bool) {
	s, tag := x.split(hash)
	s.find(tag, same)
}

// put makes at the place of a key, and reports whether it replaced another one,
// for which same is true.
func (x *index) put(hash uint64, at location, same func(location) bool) (replaced bool) {
	s, tag := x.split(hash)
	if s.used+1 > len(s.slots)*4/5 {
		s.grow(len(s.slots) + len(s.slots)/4)
	}
	i, found := s.find(tag, same)
	s.slots[i] = tag<<locationBits | uint64(at)
	if !found {
		s.used++
		x.used++
	}
	return found
}

// holds reports whether at is the place of a key with that hash.
func (x *index) holds(hash uint64, at location) bool {
	s, tag := x.split(hash)
	_, found := s.find(tag, func(other location) bool { return other == at })
	return found
}

// expect makes room for n keys in all.
func (x *index) expect(n int) {
	for i := range x.shards {
		s := &x.shards[i]
		// Shards do not get quite the same; what is missing here grows.
		if room := n / shards * 4 / 3; room > len(s.slots) {
			s.grow(room)
		}
	}
}

// home returns where to begin to look for a tag.
func (s *shard) home(tag uint64) int {
	slot, _ := bits.Mul64(tag<<locationBits, uint64(len(s.slots)))
	return int(slot)
}

// find returns the slot of a tag for which same is true, else the free one to
// put it into. At least one must be free.
func (s *shard) find(tag uint64, same func(location) bool) (i int, found bool) {
	if len(s.slots) == 0 {
		return 0, false
	}
	for i = s.home(tag); ; i++ {
		if i == len(s.slots) {
			i = 0
		}
		switch slot := s.slots[i]; {
		case slot == 0:
			return i, false
		case slot>>locationBits == tag && same(location(slot&(1<<locationBits-1))):
			return i, true
		}
	}
}

// grow makes it a table of n slots.
func (s *shard) grow(n int) {
	old := s.slots
	s.slots = make([]uint64, max(n, 8))
	for _, slot := range old {
		if slot != 0 {
			i, _ := s.find(slot>>locationBits, func(location) bool { return false })
			s.slots[i] = slot
		}
	}
}

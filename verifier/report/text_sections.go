package report

import (
	"cmp"
	"iter"
	"slices"
	"strconv"

	"gitseal/verifier"
)

// signers writes who signed most, of each kind of signatures by itself.
func (t *text) signers(signers []Signer) {
	if len(signers) == 0 {
		return
	}
	t.head("signers")
	for kind, of := range byKind(signers) {
		indent := "  "
		if len(of) != len(signers) {
			t.line(indent, "%s", kind)
			indent += "  "
		}
		for _, s := range of[:min(len(of), maxTextList)] {
			t.line(indent, "%s: %s%s, %s%s%s", clip(s.signer().String(), maxTextName), count(s.Objects, "object"), s.good(), s.days(), s.claimed(), s.role())
		}
		t.more(indent, len(of)-maxTextList)
	}
}

// byKind yields the signers of each kind, that with most objects first.
func byKind(signers []Signer) iter.Seq2[verifier.Kind, []Signer] {
	of := make(map[verifier.Kind][]Signer)
	objects := make(map[verifier.Kind]int)
	var kinds []verifier.Kind
	for _, s := range signers {
		if of[s.Kind] == nil {
			kinds = append(kinds, s.Kind)
		}
		of[s.Kind] = append(of[s.Kind], s)
		objects[s.Kind] += s.Objects
	}
	slices.SortStableFunc(kinds, func(a, b verifier.Kind) int { return cmp.Compare(objects[b], objects[a]) })
	return func(yield func(verifier.Kind, []Signer) bool) {
		for _, kind := range kinds {
			if !yield(kind, of[kind]) {
				return
			}
		}
	}
}

// signer returns the signer as verifier knows it.
func (s *Signer) signer() verifier.Signer {
	return verifier.Signer{Kind: s.Kind, Identity: verifier.Identity{Issuer: s.Issuer, Subject: s.Identity}, Key: s.Key}
}

// good returns what to add to the number of objects if not all are good.
func (s *Signer) good() string {
	switch {
	case s.Good >= s.Objects:
		return ""
	case s.Good == 0:
		return ", none good"
	}
	return ", " + thousands(s.Good) + " good"
}

// days returns from when to when the signer signed.
func (s *Signer) days() string {
	first, last := day(s.First), day(s.Last)
	if first == last {
		return first
	}
	return first + " to " + last
}

// claimed returns what to add to times that nobody has proven.
func (s *Signer) claimed() string {
	if s.Times == ClaimedTimes {
		return " (claimed)"
	}
	return ""
}

func (s *Signer) role() string {
	if s.Role == "" {
		return ""
	}
	return ", a " + s.Role
}

// more says how many more there are than a section shows.
func (t *text) more(indent string, n int) {
	if n > 0 {
		t.line(indent, "… and %s more, see --format json", thousands(n))
	}
}

// unknownKeys writes which keys the audit lacked most.
func (t *text) unknownKeys(keys []UnknownKey) {
	if len(keys) == 0 {
		return
	}
	t.head("missing keys")
	for _, k := range keys[:min(len(keys), maxTextList)] {
		t.line("  ", "%s key %s: %s", k.Kind, clip(k.Key, maxTextName), count(k.Objects, "object"))
	}
	t.more("  ", len(keys)-maxTextList)
}

// continuity writes since when branches are compliant.
func (t *text) continuity(all []Continuity) {
	if len(all) == 0 {
		return
	}
	t.head("continuity")
	for _, c := range foremost(all)[:min(len(all), maxTextList)] {
		t.line("  ", "%s: %s", clip(c.Ref, maxTextName), c.words())
	}
	t.more("  ", len(all)-maxTextList)
}

func (t *text) logs(logs []Log) {
	if len(logs) == 0 {
		return
	}
	t.head("logs")
	for _, l := range logs[:min(len(logs), maxTextList)] {
		t.line("  ", "%s: %s, %s", clip(l.Origin, maxTextName), count(l.Entries, "object"), l.size())
	}
	t.more("  ", len(logs)-maxTextList)
}

// size says how much of the log was seen, in words.
func (l *Log) size() string {
	size := "no proof of its size seen"
	if l.LargestSize > 0 {
		size = "largest size seen " + strconv.FormatUint(l.LargestSize, 10)
	}
	if l.Consistency == Proven {
		size += ", all in the one history that the log shows now"
	}
	return size
}

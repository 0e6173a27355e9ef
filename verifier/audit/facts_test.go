package audit

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
	"gitseal/verifier/audit/cache"
	"gitseal/verifier/report"
)

// newMemory returns a memory of ids of a length in bytes.
func newMemory(t testing.TB, oidLen int) *memory {
	t.Helper()
	format := "sha1"
	if oidLen == 32 {
		format = "sha256"
	}
	c, err := cache.Open(cache.Config{File: filepath.Join(t.TempDir(), "verdicts"), Format: format})
	if err != nil {
		t.Fatal(err)
	}
	return &memory{cache: c, now: time.Unix(1700000000, 0)}
}

// A maker makes facts of random numbers.
type maker struct {
	*rand.Rand
	oidLen int
}

func (m *maker) oid() string {
	var b strings.Builder
	for range m.oidLen {
		fmt.Fprintf(&b, "%02x", m.IntN(256))
	}
	return b.String()
}

func (m *maker) text() string {
	all := []string{"", "a", "alice@example.com", "é\xff\x00\n", strings.Repeat("x", m.IntN(400)), "https://issuer.example", "\u202e"}
	return all[m.IntN(len(all))]
}

// time returns a time that facts can have, or none.
func (m *maker) time() time.Time {
	switch m.IntN(5) {
	case 0:
		return time.Time{}
	case 1:
		return time.Unix(0, 0).UTC()
	case 2:
		return time.Unix(253402300799, 999999999).UTC() // the end of 9999
	case 3:
		return time.Unix(int64(m.IntN(1<<32)), int64(m.IntN(1e9))).UTC()
	}
	return time.Unix(1700000000, 0).UTC()
}

func (m *maker) hash() (h [32]byte) {
	if m.IntN(3) > 0 {
		for i := range h {
			h[i] = byte(m.IntN(256))
		}
	}
	return h
}

// facts returns facts such as factsOf makes.
func (m *maker) facts(depth int) facts {
	classes := report.Classes()
	f := facts{class: classes[m.IntN(len(classes))], message: m.text(), lapses: m.time(), open: m.IntN(2) == 0}
	if m.IntN(2) == 0 {
		f.about = about{tree: m.oid(), author: m.text(), committer: m.text(), date: m.time()}
		for range m.IntN(4) {
			f.parents = append(f.parents, m.oid())
		}
	} else {
		f.about = about{name: "v1" + m.text(), target: m.oid(), committer: m.text(), date: m.time()}
	}
	if m.IntN(2) == 0 {
		f.signed = true
		f.signer = verifier.Signer{Kind: verifier.Keyless, Identity: verifier.Identity{Subject: m.text(), Issuer: m.text()}, Key: m.text()}
		f.time, f.source = m.time(), verifier.LogTime
		f.certificate, f.lifetime = m.hash(), time.Duration(m.IntN(1<<40)-1<<39)
	}
	if m.IntN(2) == 0 {
		f.log = verifier.LogEntry{LogID: m.hash(), URL: m.text(), Generation: m.IntN(3), Index: int64(m.Uint64()), IndexKnown: m.IntN(2) == 0}
		f.log.LogID[0] = 1
		if m.IntN(2) == 0 {
			f.log.Origin, f.log.TreeIndex, f.log.TreeSize, f.log.RootHash = "origin"+m.text(), m.Uint64(), m.Uint64(), m.hash()
		}
	}
	for range m.IntN(depth + 1) {
		tag := mergetagFacts{facts: m.facts(depth - 1)}
		if m.IntN(4) > 0 {
			tag.oid = m.oid()
		}
		f.mergetags = append(f.mergetags, tag)
	}
	return f
}

// encoded returns facts as the cache holds them; nil if it would not.
func encoded(m *memory, f *facts) []byte {
	e := &encoder{cache: m.cache}
	if e.facts(f); e.bad {
		return nil
	}
	return e.data
}

func TestFactsAreRecalledAsTheyWere(t *testing.T) {
	for _, oidLen := range []int{20, 32} {
		m := newMemory(t, oidLen)
		makes := &maker{rand.New(rand.NewPCG(1, 2)), oidLen}
		for i := range 3000 {
			want, oid := makes.facts(2), makes.oid()
			value := encoded(m, &want)
			if value == nil {
				t.Fatalf("%d: %+v was not encoded", i, want)
			}
			m.cache.Add(oid, value)
			if len(value) > 30_000 {
				continue // more than the cache keeps
			}
			got := m.recall(oid)
			if got == nil || !reflect.DeepEqual(*got, want) {
				t.Fatalf("%d: recalled\n%+v, want\n%+v", i, got, want)
			}
			lapsed := !want.lapses.IsZero() && m.now.Unix() >= want.lapses.Unix()
			for _, m.entries = range []bool{false, true} {
				if knows := m.knows(t.Context(), oid); knows != (!lapsed && !(want.open && m.entries)) {
					t.Fatalf("%d: knows is %v of facts that lapse at %s, open %v", i, knows, want.lapses, want.open)
				}
			}
		}
	}
}

// TestFactsAreRecalledByAnotherProcess reads them from the file.
func TestFactsAreRecalledByAnotherProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "verdicts")
	cfg := cache.Config{File: file, Format: "sha1"}
	makes := &maker{rand.New(rand.NewPCG(3, 4)), 20}
	want := make(map[string]facts)
	for range 3 {
		c, err := cache.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		m := &memory{cache: c}
		for oid, f := range want {
			if got := m.recall(oid); got == nil || !reflect.DeepEqual(*got, f) {
				t.Fatalf("recalled\n%+v, want\n%+v", got, f)
			}
		}
		for range 300 {
			oid, f := makes.oid(), makes.facts(1)
			want[oid] = f
			c.Add(oid, encoded(m, &f))
		}
		if err := c.Save(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatIsNotKept is of facts that another audit may find otherwise.
func TestWhatIsNotKept(t *testing.T) {
	commit := about{tree: strings.Repeat("a", 40)}
	tag := about{name: "v1", target: strings.Repeat("b", 40)}
	for name, test := range map[string]struct {
		facts facts
		kept  bool
	}{
		"good":                {facts{about: commit, class: verifier.Verified}, true},
		"tag":                 {facts{about: tag, class: verifier.Verified}, true},
		"unsigned":            {facts{about: commit, class: report.Unsigned}, true},
		"missing":             {facts{about: commit, class: report.MissingObject}, false},
		"malformed":           {facts{class: report.MalformedObject}, false},
		"could not ask":       {facts{about: commit, class: verifier.NotLogged, open: true, unasked: []error{errors.New("no")}}, false},
		"none asked":          {facts{about: commit, class: verifier.NotLogged, open: true}, true},
		"none found":          {facts{about: commit, class: verifier.NotLogged, open: true, asked: true}, false},
		"found outside":       {facts{about: commit, class: verifier.Verified, open: true, asked: true}, false},
		"bad outside":         {facts{about: commit, class: verifier.BadLogProof, open: true, asked: true}, false},
		"before 1970":         {facts{about: about{tree: commit.tree, date: time.Unix(-1, 0)}, class: verifier.Verified}, false},
		"mergetag":            {facts{about: commit, class: verifier.Verified, mergetags: []mergetagFacts{{facts: facts{about: tag, class: verifier.Verified}}}}, true},
		"mergetag by outside": {facts{about: commit, class: verifier.NotLogged, open: true, asked: true, mergetags: []mergetagFacts{{facts: facts{about: tag, class: verifier.Verified, open: true, asked: true}}}}, false},
	} {
		m := newMemory(t, 20)
		oid := strings.Repeat("c", 40)
		m.keep(oid, &test.facts)
		if got := m.recall(oid) != nil; got != test.kept {
			t.Errorf("%s: kept is %v, want %v", name, got, test.kept)
		}
	}
}

// FuzzRecall gives the memory values that were not written by it. Whatever it
// makes of them, it is what it would have written so, or nothing.
func FuzzRecall(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{factCommit, 0})
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	// The id of a log that is too short was taken for one that ends in zeros.
	f.Add([]byte("\x14\x00\xb9\x02\x03\u202e\x80\x02\xbd\x02\x00\xbb\xc0ջ\xc6\xec\xe5\xc5\xd2\x01\xc3\x02Ѳ\xaaǶ\x8e\xec\xe9x\xf1ؑ\xb8\xee\x90\xf0\xee\x8b\x01R\xeaG'\xa1\xa4\x84\x1b\xf2\x90\xff\x125\xb5\\\xc1\xf2\xcd\xee\xffQ\x91\xd0 \xc2\xe2\xf5*I\xeeL\xb4\x03v1a\x14\xd4\xd8^=\t\tN\xeeI\xa7\xb4\xa1C\xd0P\xa0\xff\x0e\xa0\xdd\x00\x00\x00"))
	m := newMemory(f, 20)
	for i := range 40 { // the strings that values name by numbers
		m.cache.Intern(fmt.Sprint("string ", i))
	}
	for _, class := range report.Classes() {
		m.cache.Intern(string(class))
	}
	makes := &maker{rand.New(rand.NewPCG(5, 6)), 20}
	for range 20 {
		x := makes.facts(1)
		f.Add(encoded(m, &x))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		got := m.decode(value, 20)
		if got == nil {
			return
		}
		if !slices.Contains(report.Classes(), got.class) {
			t.Errorf("recalled the class %q", got.class)
		}
		if again := encoded(m, got); !bytes.Equal(again, value) {
			t.Errorf("recalled %x as %+v, which is written %x", value, got, again)
		}
	})
}

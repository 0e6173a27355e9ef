package cache_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"gitseal/verifier/audit/cache"
)

// oidOf returns an id as random as those of objects.
func oidOf(i int) string {
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(i)))
	return hex.EncodeToString(sum[:20])
}

// benchFile makes a file of n entries whose values have the given size.
func benchFile(b *testing.B, n, size int) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), "c", "verdicts")
	c, err := cache.Open(cache.Config{File: file, Format: "sha1"})
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, size)
	for i := range n {
		binary.LittleEndian.PutUint64(value, uint64(i))
		c.Add(oidOf(i), value)
	}
	if err := c.Save(); err != nil {
		b.Fatal(err)
	}
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
	return file
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkSecondAudit opens a file and looks up everything in it, in the
// order of writing.
func BenchmarkSecondAudit(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000, 10_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			file := benchFile(b, n, 60)
			oids := make([]byte, 0, 40*n) // not an audit's memory: its ids come from git
			for i := range n {
				oids = append(oids, oidOf(i)...)
			}
			before := heap()
			var perEntry float64
			for b.Loop() {
				c, err := cache.Open(cache.Config{File: file, Format: "sha1"})
				if err != nil {
					b.Fatal(err)
				}
				for i := range n {
					if v, ok := c.Lookup(string(oids[40*i : 40*i+40])); !ok || binary.LittleEndian.Uint64(v) != uint64(i) {
						b.Fatalf("Lookup of entry %d = %x, %v", i, v, ok)
					}
				}
				b.StopTimer()
				perEntry = float64(heap()-before) / float64(n)
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(perEntry, "heap-B/entry")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
		})
	}
}

// BenchmarkOpen is what an audit of little waits for.
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000, 10_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			file := benchFile(b, n, 60)
			info, err := os.Stat(file)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(info.Size())
			for b.Loop() {
				c, err := cache.Open(cache.Config{File: file, Format: "sha1"})
				if err != nil {
					b.Fatal(err)
				}
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLookup looks up from all processors at once, each in the order of
// writing, while one adds.
func BenchmarkLookup(b *testing.B) {
	const n = 1_000_000
	file := benchFile(b, n, 60)
	oids := make([]string, n)
	for i := range oids {
		oids[i] = oidOf(i)
	}
	run := func(b *testing.B, adding bool) {
		c, err := cache.Open(cache.Config{File: file, Format: "sha1"})
		if err != nil {
			b.Fatal(err)
		}
		var adder sync.WaitGroup
		var stop atomic.Bool
		if adding {
			adder.Go(func() {
				for i := n; !stop.Load() && i < 2*n; i++ {
					c.Add(oidOf(i), make([]byte, 60))
				}
			})
		}
		var next atomic.Int64
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, ok := c.Lookup(oids[next.Add(1)%n]); !ok {
					b.Error("not found")
				}
			}
		})
		stop.Store(true)
		adder.Wait()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("alone", func(b *testing.B) { run(b, false) })
	b.Run("while adding", func(b *testing.B) { run(b, true) })
}

func BenchmarkAdd(b *testing.B) {
	c, err := cache.Open(cache.Config{File: filepath.Join(b.TempDir(), "c", "verdicts"), Format: "sha1"})
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 60)
	i := 0
	for b.Loop() {
		c.Add(oidOf(i), value)
		i++
	}
	if err := c.Save(); err != nil {
		b.Fatal(err)
	}
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkIntern(b *testing.B) {
	c, err := cache.Open(cache.Config{File: filepath.Join(b.TempDir(), "c", "verdicts"), Format: "sha1"})
	if err != nil {
		b.Fatal(err)
	}
	names := make([]string, 500)
	for i := range names {
		names[i] = "person-" + strconv.Itoa(i) + "@example.com"
	}
	i := 0
	for b.Loop() {
		if n := c.Intern(names[i%len(names)]); n == 0 {
			b.Fatal("not kept")
		} else if _, ok := c.String(n); !ok {
			b.Fatal("no string")
		}
		i++
	}
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
}

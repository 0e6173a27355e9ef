package fakeca

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// body is as long as an entry of the log usually is.
func body() []byte { return make([]byte, 1500) }

// BenchmarkSync is the floor under an append: one write and one sync.
func BenchmarkSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if _, err := f.Write(body()); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

func openBench(b *testing.B, dir string) *Authority {
	b.Helper()
	a, err := Open(dir, Config{})
	if err != nil {
		b.Fatal(err)
	}
	return a
}

func appendBench(b *testing.B, a *Authority) {
	b.Helper()
	if _, err := a.log.append(context.Background(), func(int64) []byte { return body() }); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := newDir(b)
	for b.Loop() {
		if err := openBench(b, dir).Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	a := openBench(b, newDir(b))
	defer a.Close()
	for b.Loop() {
		appendBench(b, a)
	}
}

// BenchmarkAppendGrouped has 64 callers at once.
func BenchmarkAppendGrouped(b *testing.B) {
	a := openBench(b, newDir(b))
	defer a.Close()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			appendBench(b, a)
		}
	})
}

// BenchmarkOpenAppend is what each process that signs does: open a log, here of
// a million entries, and append to it.
func BenchmarkOpenAppend(b *testing.B) {
	dir := newDir(b)
	a := openBench(b, dir)
	s := openTestStore(b, a.log)
	entries := make([][]byte, 10000)
	for i := range entries {
		entries[i] = make([]byte, 100)
	}
	for range 100 {
		if err := s.append(entries); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(a.log.sign(s), s.close(), a.Close()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		a := openBench(b, dir)
		appendBench(b, a)
		if err := a.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWhole is what one signature needs of the authority: a token, a
// certificate, an entry and a timestamp.
func BenchmarkWhole(b *testing.B) {
	a := openBench(b, newDir(b))
	defer a.Close()
	key := must(newECDSAKey(elliptic.P256(), rand.Reader))
	ctx := context.Background()
	proof := must(sign(key, []byte("alice@example.com")))
	signature := must(sign(key, []byte("message")))
	for b.Loop() {
		token := must(a.Token(ctx, "alice@example.com"))
		chain := must(a.Certify(ctx, token, spki(key), proof))
		must(a.Add(ctx, sha256.Sum256([]byte("message")), signature, chain[0]))
		must(a.Timestamp(ctx, sha256.Sum256(signature)))
	}
}

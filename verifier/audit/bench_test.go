package audit_test

import (
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/gitutil"
	"gitseal/verifier"
)

// benchCommits is how many commits BenchmarkRun audits.
const benchCommits = 10_000

// BenchmarkRun audits a history of signed commits, each with a certificate,
// log entry and time-stamp of its own, by one goroutine and by one for each
// processor. It reports commits a second, and which part of the time of the
// goroutines went into the signatures that have to be verified, which no
// audit can do without: floor-%, measured in the same run.
func BenchmarkRun(b *testing.B) {
	a := authority(b, fakeca.Config{})
	r := packedHistory(b, a, benchCommits)
	cfg := trusting(b, a.TrustedRoot())
	cfg.Repo, cfg.All = r.open(), true
	jobs := []int{1}
	if n := runtime.GOMAXPROCS(0); n > 1 {
		jobs = append(jobs, n)
	}
	for _, n := range jobs {
		b.Run(fmt.Sprintf("jobs=%d", n), func(b *testing.B) {
			before := cryptoFloor(b)
			cfg.Jobs = n
			b.ResetTimer()
			for b.Loop() {
				if got := run(b, cfg); got.Totals.Classes[verifier.Verified] != benchCommits {
					b.Fatalf("totals %+v", got.Totals)
				}
			}
			b.StopTimer()
			floor := (before + cryptoFloor(b)) / 2
			perCommit := b.Elapsed() / time.Duration(b.N*benchCommits)
			b.ReportMetric(float64(time.Second)/float64(perCommit), "commits/s")
			b.ReportMetric(float64(floor.Microseconds()), "floor-µs/commit")
			b.ReportMetric(100*float64(floor)/float64(perCommit)/float64(n), "floor-%")
		})
	}
}

// BenchmarkRunUnsigned audits unsigned commits: what an audit costs besides
// verifying.
func BenchmarkRunUnsigned(b *testing.B) {
	a := authority(b, fakeca.Config{})
	cfg := trusting(b, a.TrustedRoot())
	cfg.Repo, cfg.All = packedHistory(b, nil, benchCommits).open(), true
	for b.Loop() {
		run(b, cfg)
	}
	b.ReportMetric(float64(benchCommits*b.N)/b.Elapsed().Seconds(), "commits/s")
}

// cryptoFloor measures the public-key operations that a signature under an
// embedded authority takes: the signer's, its certificate's, the SCT's and
// the time-stamp's over P-256, and the checkpoint's over Ed25519.
func cryptoFloor(b *testing.B) time.Duration {
	b.Helper()
	digest := sha256.Sum256(nil)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	signature, err := ecdsa.SignASN1(rand.Reader, p256, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	checkpoint := ed25519.Sign(private, digest[:])
	const rounds = 2000
	start := time.Now()
	for range rounds {
		for range 4 {
			if !ecdsa.VerifyASN1(&p256.PublicKey, digest[:], signature) {
				b.Fatal("ECDSA does not verify")
			}
		}
		if !ed25519.Verify(public, digest[:], checkpoint) {
			b.Fatal("Ed25519 does not verify")
		}
	}
	return time.Since(start) / rounds
}

// packedHistory makes a repository of n commits in one pack, signed by a if it
// is not nil. A commit can be signed only when its parent is, so there is a
// line of history for each processor.
func packedHistory(b *testing.B, a *fakeca.Authority, n int) *testRepo {
	b.Helper()
	r := newRepo(b, "--bare")
	tree := r.emptyTree()
	strands := runtime.GOMAXPROCS(0)
	commits := make([][][]byte, strands)
	tips := make([]string, strands)
	var running sync.WaitGroup
	for s := range strands {
		running.Go(func() {
			var parents []string
			for i := s; i < n; i += strands {
				data := commitBytes(tree, fmt.Sprint(i), parents...)
				if a != nil {
					data = insertHeader(data, "gpgsig", a.Sign(data, fakeca.Fixture{}))
				}
				oid, err := gitutil.HashObject(gitutil.SHA1, "commit", data)
				if err != nil {
					b.Error(err)
					return
				}
				commits[s] = append(commits[s], data)
				parents = []string{oid}
			}
			tips[s] = parents[0]
		})
	}
	running.Wait()
	var all [][]byte
	for _, strand := range commits {
		all = append(all, strand...)
	}
	r.run(r.dir, pack(b, all), "index-pack", "--stdin")
	r.branch("main", tips[0])
	for s, tip := range tips[1:] {
		r.branch(fmt.Sprint("strand", s), tip)
	}
	return r
}

// pack returns commits as a pack (gitformat-pack).
func pack(b *testing.B, commits [][]byte) []byte {
	b.Helper()
	var out bytes.Buffer
	out.WriteString("PACK")
	header := binary.BigEndian.AppendUint32(nil, 2)
	out.Write(binary.BigEndian.AppendUint32(header, uint32(len(commits))))
	for _, data := range commits {
		const commit = 1
		size := len(data)
		c := byte(commit<<4 | size&0xf)
		for size >>= 4; size > 0; size >>= 7 {
			out.WriteByte(c | 0x80)
			c = byte(size & 0x7f)
		}
		out.WriteByte(c)
		z := zlib.NewWriter(&out)
		if _, err := z.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := z.Close(); err != nil {
			b.Fatal(err)
		}
	}
	sum := sha1.Sum(out.Bytes())
	return append(out.Bytes(), sum[:]...)
}

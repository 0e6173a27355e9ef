//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// operations are numbers of public-key operations: what it takes, at least,
// to verify something with nothing but the standard library.
type operations struct {
	p256, p384, ed25519 float64
}

// times returns the operations of n such things.
func (o operations) times(n float64) operations {
	return operations{n * o.p256, n * o.p384, n * o.ed25519}
}

func (o operations) plus(other operations) operations {
	return operations{o.p256 + other.p256, o.p384 + other.p384, o.ed25519 + other.ed25519}
}

// nominal is about what one operation takes, in seconds of a processor.
var nominal = operations{p256: 60e-6, p384: 500e-6, ed25519: 45e-6}

// seconds returns about what operations take of a processor.
func (o operations) seconds() float64 {
	return o.p256*nominal.p256 + o.p384*nominal.p384 + o.ed25519*nominal.ed25519
}

// How many seconds of each core operations are measured for, about: long
// enough to tell, and up to the maximum as long as what they are compared with
// takes. A busy machine gives much to who asks for little.
const leastSeconds, mostSeconds = 0.5, 8

// A floor is what operations take and nothing else, in seconds: of the clock,
// while several cores do them, and of processors.
type floor struct {
	wall, cpu float64
}

// partOf returns how much to do of work that takes some seconds of a processor.
func partOf(seconds float64, cores int) float64 {
	return min(max(seconds, leastSeconds*float64(cores)), mostSeconds*float64(cores)) / seconds
}

// measureFloor does operations on a number of cores: a part, of many.
// What a verification takes does not depend on the key or on what was signed.
func measureFloor(work operations, cores int) (floor, error) {
	checks, err := newChecks()
	if err != nil {
		return floor{}, err
	}
	part := partOf(work.seconds(), cores)
	// In many small rounds, for an audit does not do one kind after the other.
	const rounds = 50
	n := work.times(part / float64(cores) / rounds)
	var running sync.WaitGroup
	var bad atomic.Bool
	start, used := time.Now(), processorTime()
	for range cores {
		running.Go(func() {
			var done operations
			for round := range rounds {
				due := n.times(float64(round + 1))
				if !checks.until(due, &done) {
					bad.Store(true)
				}
			}
		})
	}
	running.Wait()
	if bad.Load() {
		return floor{}, errors.New("a signature does not verify")
	}
	return floor{time.Since(start).Seconds() / part, (processorTime() - used).Seconds() / part}, nil
}

// checks verify a signature each.
type checks struct {
	p256, p384, ed25519 func() bool
}

func newChecks() (c checks, err error) {
	digest := sha256.Sum256(nil)
	for _, on := range []struct {
		curve elliptic.Curve
		check *func() bool
	}{{elliptic.P256(), &c.p256}, {elliptic.P384(), &c.p384}} {
		key, err := ecdsa.GenerateKey(on.curve, rand.Reader)
		if err != nil {
			return c, err
		}
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			return c, err
		}
		*on.check = func() bool { return ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) }
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return c, err
	}
	signature := ed25519.Sign(private, digest[:])
	c.ed25519 = func() bool { return ed25519.Verify(public, digest[:], signature) }
	return c, nil
}

// until checks until as many are done as are due.
func (c checks) until(due operations, done *operations) bool {
	ok := true
	for _, kind := range []struct {
		check func() bool
		due   float64
		done  *float64
	}{{c.p256, due.p256, &done.p256}, {c.p384, due.p384, &done.p384}, {c.ed25519, due.ed25519, &done.ed25519}} {
		for ; *kind.done < kind.due; *kind.done++ {
			ok = kind.check() && ok
		}
	}
	return ok
}

// processorTime returns the processor time that this process has used.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0 // cannot fail: the pointer is good
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

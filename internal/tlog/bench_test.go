package tlog

import (
	"crypto/sha256"
	"testing"
)

func BenchmarkLeafHash(b *testing.B) {
	body := testBytes(2500)
	b.ReportAllocs()
	for b.Loop() {
		LeafHash(body)
	}
}

func BenchmarkInclusionProofVerify(b *testing.B) {
	leaves := testLeaves(1 << 12)
	p := InclusionProof{1234, 1 << 12, refPath(1234, leaves)}
	root := refRoot(leaves)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Verify(leaves[1234], root); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseEntry(b *testing.B) {
	pb := testEntry().Marshal()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEntry(pb); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseCheckpoint(b *testing.B) {
	note := testEntry().Proof.Checkpoint
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseCheckpoint(note); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHashedRekordV1(b *testing.B) {
	signature, certificate := testBytes(71), testBytes(720)
	b.ReportAllocs()
	for b.Loop() {
		HashedRekordV1([32]byte{}, signature, certificate)
	}
}

func BenchmarkHashedRekordV2(b *testing.B) {
	signature, certificate := testBytes(71), testBytes(720)
	b.ReportAllocs()
	for b.Loop() {
		HashedRekordV2([32]byte{}, signature, certificate)
	}
}

func BenchmarkVerifySET(b *testing.B) {
	l := testLogs(b)["P-256"]
	key, body, id := l.signer.Public(), testBytes(1500), make([]byte, sha256.Size)
	b.ReportAllocs()
	for b.Loop() {
		_ = VerifySET(key, body, 1, id, 2, testSET) // a wrong one costs as much
	}
}

// testSET is two small numbers in the form of an ECDSA signature.
var testSET = []byte{0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01}

func BenchmarkVerifyCheckpoint(b *testing.B) {
	for _, kind := range []string{"P-256", "Ed25519", "RSA"} {
		l := testLogs(b)[kind]
		s, id := l.checkpoint(b, "log.example", "log.example")
		b.Run(kind, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Verify(l.signer.Public(), id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

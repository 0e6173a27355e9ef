package fakeca

import (
	"bytes"
	"context"
	"crypto"
	_ "crypto/sha1" // for SHA1Digest
	_ "crypto/sha3" // for UnknownDigest
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

const (
	oidSHA1            oid = "1.3.14.3.2.26"           // RFC 3370
	oidECDSAWithSHA1   oid = "1.2.840.10045.4.1"       // RFC 3279
	oidSHA3            oid = "2.16.840.1.101.3.4.2.8"  // SHA3-256, RFC 8702
	oidECDSAWithSHA3   oid = "2.16.840.1.101.3.4.3.10" // RFC 9688
	oidOldRekorEntry   oid = "1.3.6.1.4.1.57264.3.4"   // gitsign, pre-release
	oidEmailProtection oid = "1.3.6.1.5.5.7.3.4"       // RFC 5280
)

func formFaults() []spec {
	const malformed = "malformed-signature"
	return []spec{
		{fault: TextBeforeBegin, class: "verified", armor: func(d *draft) {
			d.armor = append([]byte("Opening your browser ...\n"), d.armor...)
		}},
		{fault: TextAfterEnd, class: malformed, armor: func(d *draft) { d.armor = append(d.armor, "thank you\n"...) }},
		{fault: TwoArmors, class: malformed, armor: func(d *draft) { d.armor = append(d.armor, d.armor...) }},
		{fault: ArmorSpareBits, class: malformed, message: padToSpareBits, armor: setSpareBit},
		{fault: TrailingBytes, class: malformed, der: func(d *draft) { d.der = append(d.der, 0) }},
		{fault: BERLength, class: malformed, der: func(d *draft) {
			// From 30 82 hi lo to 30 83 00 hi lo.
			d.der = slices.Concat([]byte{tagSequence, 0x83, 0}, d.der[2:])
		}},
		{fault: TwoSigners, class: malformed, message: func(d *draft) {
			again := *d.signer
			again.signature = slices.Clone(again.signature)
			flip(again.signature)
			d.message.signers = append(d.message.signers, &again)
		}},
		{fault: SignerSecond, class: "verified", message: func(d *draft) {
			d.message.certificates = [][]byte{d.a.caChain[0].Raw, d.certificate}
		}},
		{fault: SignerMissing, class: malformed, message: func(d *draft) {
			d.message.certificates = [][]byte{d.a.caChain[0].Raw}
		}},
		{fault: AttachedContent, class: malformed, message: func(d *draft) { d.message.content = d.payload }},
		{fault: WrongContentType, class: malformed, attributes: func(d *draft) {
			d.setAttribute(oidContentType, oidSignedData.der())
		}},
		{fault: NoContentType, class: malformed, attributes: func(d *draft) { d.dropAttribute(oidContentType) }},
		{fault: NoMessageDigest, class: malformed, attributes: func(d *draft) { d.dropAttribute(oidMessageDigest) }},
		{fault: DuplicateAttribute, class: malformed, attributes: func(d *draft) {
			again := attribute(oidSigningTime, moment(d.a.now().Add(time.Minute)))
			d.signer.signed = sorted(append(d.signer.signed, again))
		}},
		{fault: TwoDigestValues, class: malformed, attributes: func(d *draft) {
			d.setAttribute(oidMessageDigest, octetString(sum(d.payload)), octetString(sum(nil)))
		}},
		{fault: TwoEntryValues, class: malformed, message: func(d *draft) {
			entry := d.entry.marshal()
			d.entry.index++
			d.setEntry(oidRekorEntry, octetString(entry), octetString(d.entry.marshal()))
		}},
		{fault: AttributesUnsorted, class: malformed, attributes: func(d *draft) { slices.Reverse(d.signer.signed) }},
		{fault: OldAttribute, class: "unsupported-signature", message: func(d *draft) {
			d.setEntry(oidOldRekorEntry, octetString(d.entry.marshal()))
		}},
		{fault: UnknownDigest, class: "unsupported-signature", attributes: func(d *draft) {
			d.useHash(crypto.SHA3_256, oidSHA3, oidECDSAWithSHA3)
		}},
		{fault: SHA1Digest, class: "weak-algorithm", attributes: func(d *draft) {
			d.useHash(crypto.SHA1, oidSHA1, oidECDSAWithSHA1)
		}},
	}
}

func signatureFaults() []spec {
	return []spec{
		{fault: WrongDigest, class: "bad-signature", attributes: func(d *draft) {
			d.setAttribute(oidMessageDigest, octetString(sum([]byte("another payload"))))
		}},
		{fault: SignatureByOtherKey, class: "bad-signature", signature: func(d *draft) {
			d.signer.signature = must(sign(d.newKey(), d.signer.message()))
		}},
		{fault: SignatureFlipped, class: "bad-signature", message: func(d *draft) { flip(d.signer.signature) }},
		{fault: SignatureComplement, class: "bad-log-proof", entry: func(d *draft) {
			d.signer.signature = complement(d.signer.signature, d.key.Params().N)
		}},
	}
}

func entryFaults() []spec {
	const badProof = "bad-log-proof"
	v1, v2 := []Generation{RekorV1}, []Generation{RekorV2}
	return []spec{
		{fault: NoEntry, class: "not-logged", entry: func(d *draft) { d.entry = nil }},
		{fault: EntryOfOtherLog, class: "untrusted-log", entry: func(d *draft) {
			d.a = d.a.withLogOf(d.other())
			d.enter()
		}},
		{fault: EntryForOtherSignature, class: badProof, entry: func(d *draft) {
			d.entry = must(d.a.enter(context.Background(), [32]byte{}, []byte("another signature"), d.certificate))
		}},
		{fault: ProofHashFlipped, class: badProof, entry: func(d *draft) { flip(d.entry.proof.hashes[0]) }},
		{fault: ProofHashDropped, class: badProof, entry: func(d *draft) {
			hashes := d.entry.proof.hashes
			d.entry.proof.hashes = hashes[:len(hashes)-1]
		}},
		{fault: ProofHashExtra, class: badProof, entry: func(d *draft) {
			d.entry.proof.hashes = append(d.entry.proof.hashes, sum(nil))
		}},
		{fault: IndexOffByOne, class: badProof, entry: func(d *draft) {
			d.entry.proof.index--
			if d.a.generation == RekorV2 {
				d.entry.index-- // the same number there; in Rekor v1 promised
			}
		}},
		{fault: TreeSizeOffByOne, class: badProof, entry: func(d *draft) { d.entry.proof.size++ }},
		{fault: RootHashWrong, class: badProof, entry: func(d *draft) { flip(d.entry.proof.root) }},
		{fault: CheckpointForged, class: badProof, entry: func(d *draft) {
			forged := *d.a.log.key
			forged.sign = d.other().log.key.sign
			d.resign(d.checkpointText(), &forged)
		}},
		{fault: CheckpointByOtherKey, class: badProof, entry: func(d *draft) {
			other := *d.other().log.key
			other.name = d.a.log.key.name
			d.resign(d.checkpointText(), &other)
		}},
		{fault: CheckpointOfOtherLog, class: badProof, entry: func(d *draft) {
			text := strings.Replace(d.checkpointText(), "log.", "elsewhere.", 1)
			d.resign(text, d.a.log.key)
		}},
		{fault: CheckpointRootChanged, class: badProof, entry: func(d *draft) {
			root := base64.StdEncoding.EncodeToString
			changed := slices.Clone(d.entry.proof.root)
			flip(changed)
			d.entry.proof.checkpoint = strings.Replace(d.entry.proof.checkpoint, root(d.entry.proof.root), root(changed), 1)
		}},
		{fault: CheckpointCosigned, class: "verified", entry: func(d *draft) {
			witness := *d.other().log.key
			witness.name = "witness.example"
			d.resign(d.checkpointText(), d.a.log.key, &witness)
		}},
		{fault: NoProof, class: "not-logged", entry: func(d *draft) { d.entry.proof, d.entry.promise = nil, nil }},
		{fault: LabelledV1, class: "verified", only: v2, entry: func(d *draft) {
			d.entry.version, d.entry.promise = "0.0.1", []byte{}
		}},
		{fault: PromiseFlipped, class: badProof, only: v1, entry: func(d *draft) { flip(d.entry.promise) }},
		{fault: IntegratedTimeChanged, class: badProof, only: v1, entry: func(d *draft) { d.entry.integratedTime++ }},
		{fault: NoPromise, class: "bad-time", only: v1, entry: func(d *draft) { d.entry.promise = nil }},
		{fault: PromiseOnly, class: "verified", only: v1, entry: func(d *draft) { d.entry.proof = nil }},
	}
}

func timeFaults() []spec {
	const badTime = "bad-time"
	v2 := []Generation{RekorV2}
	return []spec{
		{fault: NoTimestamp, class: badTime, only: v2, stamp: func(d *draft) { d.token = nil }},
		{fault: ClaimedTime, class: badTime, only: v2, stamp: func(d *draft) {
			d.token = nil
			d.entry.integratedTime = d.a.now().Unix()
		}},
		{fault: TimestampBackdated, class: badTime, stamp: func(d *draft) {
			d.token.time = d.leaf.notBefore.Add(-30 * time.Minute)
		}},
		{fault: TimestampOverOther, class: badTime, stamp: func(d *draft) {
			flip(d.token.imprint[:])
		}},
		{fault: TimestampByOther, class: badTime, stamp: func(d *draft) {
			other := d.other()
			d.token.cert, d.token.key = other.tsaChain[0], other.tsaKey
		}},
		{fault: TimestampFlipped, class: badTime, stamp: func(d *draft) { d.token.spoil = flip }},
		{fault: CertificateExpired, class: badTime, leaf: func(d *draft) { d.leaf.move(-30 * time.Minute) }},
		{fault: CertificateNotYetValid, class: badTime, leaf: func(d *draft) { d.leaf.move(30 * time.Minute) }},
	}
}

func certificateFaults() []spec {
	const untrusted = "untrusted-certificate"
	return []spec{
		{fault: CertificateByOther, class: untrusted, leaf: func(d *draft) {
			issuer := d.other()
			d.leaf.key, d.leaf.issuer = issuer.caKey, issuer.caChain[0].RawSubject
			d.leaf.replace(oidAuthorityKeyID, authorityKeyID(issuer.caChain[0].SubjectKeyId))
			d.leaf.scts = fromLog(d.a, issuer.caChain[0])
		}},
		{fault: CertificateForged, class: untrusted, leaf: func(d *draft) { d.leaf.key = d.other().caKey }},
		{fault: NoCodeSigning, class: untrusted, leaf: func(d *draft) {
			d.leaf.replace(oidExtKeyUsage, extKeyUsage(oidEmailProtection))
		}},
		{fault: LeafIsCA, class: untrusted, leaf: func(d *draft) { d.leaf.replace(oidBasicConstraints, isCA(0)) }},
		{fault: NoSCT, class: untrusted, leaf: func(d *draft) {
			d.leaf.scts = func(context.Context, []byte) ([][]byte, error) { return nil, nil }
		}},
		{fault: SCTByUnknownLog, class: untrusted, leaf: func(d *draft) {
			d.leaf.scts = fromLog(d.other(), d.a.caChain[0])
		}},
		{fault: SCTFlipped, class: untrusted, leaf: func(d *draft) {
			real := d.leaf.scts
			d.leaf.scts = func(ctx context.Context, tbs []byte) ([][]byte, error) {
				scts, err := real(ctx, tbs)
				if err == nil {
					flip(scts[0])
				}
				return scts, err
			}
		}},
	}
}

// fromLog returns a source of SCTs: the CT log of the authority, for what the
// issuer issues.
func fromLog(a *Authority, issuer *x509.Certificate) func(context.Context, []byte) ([][]byte, error) {
	return func(ctx context.Context, tbs []byte) ([][]byte, error) {
		sct, err := a.submit(ctx, tbs, issuer)
		return [][]byte{sct}, err
	}
}

// flip changes the last bit. In a signature that leaves the DER as it was.
func flip(b []byte) { b[len(b)-1] ^= 1 }

// move moves the time of validity.
func (l *leaf) move(by time.Duration) {
	l.notBefore, l.notAfter = l.notBefore.Add(by), l.notAfter.Add(by)
}

// complement returns the other ECDSA signature that is valid for the same
// message and key: (r, n-s).
func complement(signature []byte, n *big.Int) []byte {
	var rs struct{ R, S *big.Int }
	must(asn1.Unmarshal(signature, &rs))
	rs.S.Sub(n, rs.S)
	return must(asn1.Marshal(rs))
}

func (d *draft) dropAttribute(kind oid) {
	d.signer.signed = slices.DeleteFunc(d.signer.signed, func(a []byte) bool {
		return bytes.HasPrefix(a[2:], kind.der()) // such short ones have a header of two octets
	})
}

func (d *draft) setAttribute(kind oid, values ...[]byte) {
	d.dropAttribute(kind)
	d.signer.signed = sorted(append(d.signer.signed, attribute(kind, values...)))
}

// setEntry puts the log entry into an attribute of a kind and with values of
// the fault's choice.
func (d *draft) setEntry(kind oid, values ...[]byte) {
	d.signer.unsigned[0] = attribute(kind, values...)
}

// useHash signs with another hash function.
func (d *draft) useHash(hash crypto.Hash, digest, signatureType oid) {
	d.hash = hash
	d.attributes()
	d.signer.digest, d.signer.signatureType = digest, signatureType
}

// withLogOf returns the authority as it would be with the log of another one.
func (a *Authority) withLogOf(other *Authority) *Authority {
	mixed := *a
	mixed.log, mixed.logKey, mixed.catalogue = other.log, other.logKey, other.catalogue
	return &mixed
}

// checkpointText returns what is signed in the entry's checkpoint.
func (d *draft) checkpointText() string {
	text, _, _ := strings.Cut(d.entry.proof.checkpoint, "\n\n")
	return text + "\n"
}

// resign replaces the entry's checkpoint.
func (d *draft) resign(text string, keys ...note.Signer) {
	d.entry.proof.checkpoint = string(must(note.Sign(&note.Note{Text: text}, keys...)))
}

// padToSpareBits lengthens a message whose base64 needs no padding.
func padToSpareBits(d *draft) {
	if len(d.message.marshal())%3 == 0 {
		unknown := attribute("1.3.6.1.4.1.57264.99", octetString([]byte{0, 0})) // 19 octets
		d.signer.unsigned = append(d.signer.unsigned, unknown)
	}
}

// setSpareBit sets a bit in the last character before the padding that no octet
// takes up.
func setSpareBit(d *draft) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := bytes.IndexByte(d.armor, '=') - 1
	d.armor[last] = alphabet[strings.IndexByte(alphabet, d.armor[last])|1]
}

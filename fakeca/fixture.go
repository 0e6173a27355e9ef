package fakeca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
)

// A Fixture says what kind of signature Sign is to make. The zero Fixture is a
// good one.
type Fixture struct {
	Subject string // "": alice@example.com
	Fault   Fault  // "": none

	// Timestamp adds a timestamp token to a signature whose Rekor v1 entry
	// tells the time already. Under Rekor v2, and where the timestamp is at
	// fault, there is always one.
	Timestamp bool
}

// Sign signs the payload as the client of a Sigstore instance would, with a key
// and certificate of its own, and returns the armored CMS message as git stores
// it. It makes the mistake that f names and no other: what comes after the
// mistake is consistent with it, and every entry of the log and every
// timestamp that is not at fault is real.
//
// Sign is for tests. It panics if the authority cannot be used, or if the fault
// cannot occur with the log's generation.
func (a *Authority) Sign(payload []byte, f Fixture) []byte { return a.draft(payload, f).armor }

// draft returns the finished draft of what Sign returns.
func (a *Authority) draft(payload []byte, f Fixture) *draft {
	fault := findFault(f.Fault)
	if !fault.in(a.generation) {
		panic(fmt.Sprintf("fakeca: there is no fault %q with %v", f.Fault, a.generation))
	}
	d := a.signed(payload, f, fault)

	d.enter()
	fault.entry.spoil(d)
	d.stamp()
	fault.stamp.spoil(d)

	d.wrap()
	fault.message.spoil(d)
	d.der = d.message.marshal()
	fault.der.spoil(d)
	d.armor = armor(d.der)
	fault.armor.spoil(d)
	return d
}

// signed returns a signature that nothing proves yet, as far as it is wrong by
// then.
func (a *Authority) signed(payload []byte, f Fixture, fault *spec) *draft {
	if f.Subject == "" {
		f.Subject = "alice@example.com"
	}
	d := &draft{a: a, payload: payload, hash: crypto.SHA256}
	d.stamped = f.Timestamp || a.generation == RekorV2 || fault.stamp != nil

	d.key = d.newKey()
	d.leaf = must(a.newLeaf(a.claim(f.Subject), spki(d.key)))
	fault.leaf.spoil(d)
	d.certificate = must(a.issue(context.Background(), d.leaf))

	d.attributes()
	fault.attributes.spoil(d)
	d.signer.signature = must(signHash(d.key, d.hash, d.signer.message()))
	fault.signature.spoil(d)
	return d
}

// A draft is a signature in the making.
type draft struct {
	a       *Authority
	payload []byte
	stamped bool // whether to get a timestamp

	key         *ecdsa.PrivateKey
	leaf        *leaf
	certificate []byte

	hash   crypto.Hash
	signer *signerInfo

	body  []byte     // of the entry
	entry *logEntry  // nil: leave it out
	token *timestamp // nil: leave it out

	message *signedData
	der     []byte
	armor   []byte
}

// attributes writes the signed attributes.
func (d *draft) attributes() {
	h := d.hash.New()
	h.Write(d.payload)
	d.signer = &signerInfo{
		issuer:        d.leaf.issuer,
		serial:        d.leaf.serial,
		digest:        oidSHA256,
		signatureType: oidECDSAWithSHA256,
		signed: sorted([][]byte{
			attribute(oidContentType, oidData.der()),
			attribute(oidSigningTime, moment(d.a.now())),
			attribute(oidMessageDigest, octetString(h.Sum(nil))),
		}),
	}
}

// enter enters the signature in the log.
func (d *draft) enter() {
	d.a.fill()
	if d.body == nil {
		d.body = d.a.entryBody(sha256.Sum256(d.signer.message()), d.signer.signature, d.certificate)
	}
	d.entry = must(d.a.record(context.Background(), "hashedrekord", d.body))
}

// fill makes the log large enough that an entry at its end has a proof of more
// than one hash, of which some can be wrong.
func (a *Authority) fill() {
	size := must(a.log.append(context.Background(), nil)).size
	for ; size < 5; size++ {
		must(a.enter(context.Background(), [32]byte{byte(size)}, []byte("signature"), a.caChain[1].Raw))
	}
}

// stamp gets the timestamp over the signature.
func (d *draft) stamp() {
	if d.stamped {
		d.token = must(d.a.newTimestamp(sha256.Sum256(d.signer.signature)))
	}
}

// wrap puts everything into a CMS message.
func (d *draft) wrap() {
	if d.entry != nil {
		d.signer.unsigned = append(d.signer.unsigned, attribute(oidRekorEntry, octetString(d.entry.marshal())))
	}
	if d.token != nil {
		d.signer.unsigned = append(d.signer.unsigned, attribute(oidTimeStampToken, must(d.token.issue())))
	}
	d.message = &signedData{
		version:      1,
		digests:      []oid{d.signer.digest},
		contentType:  oidData,
		certificates: [][]byte{d.certificate},
		signers:      []*signerInfo{d.signer},
	}
}

// other returns another authority of the same kind.
func (d *draft) other() *Authority {
	return must(New(Config{Clock: d.a.clock, Rand: d.a.random, Curve: d.a.caKey.Curve, Log: d.a.generation}))
}

func (d *draft) newKey() *ecdsa.PrivateKey {
	return must(newECDSAKey(elliptic.P256(), d.a.random))
}

// replace replaces the leaf's extension with the identifier by others.
func (l *leaf) replace(id oid, extensions ...[]byte) {
	l.extensions = slices.DeleteFunc(l.extensions, func(e []byte) bool {
		return bytes.HasPrefix(e[2:], id.der()) // such short ones have a header of two octets
	})
	l.extensions = append(l.extensions, extensions...)
}

func spki(key *ecdsa.PrivateKey) []byte {
	return must(x509.MarshalPKIXPublicKey(&key.PublicKey))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("fakeca: making fixture: " + err.Error())
	}
	return v
}

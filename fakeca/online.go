package fakeca

import (
	"context"
	"crypto"
	"crypto/sha256"
	"fmt"
)

// SignOnline signs the payload as Sign does, but in gitsign's "online" mode:
// the message carries no log entry. Instead the key signs a second time, over
// the object id that object returns of the armored message, and that signature
// is entered in the log. The entry is a protobuf message
// dev.sigstore.rekor.v1.TransparencyLogEntry with canonicalized_body; nil if
// the fault is that there is none.
//
// It panics where Sign does, and for faults of the CMS message around the
// signature.
func (a *Authority) SignOnline(payload []byte, object func(armored []byte) string, f Fixture) (armored, entry []byte) {
	fault := findFault(f.Fault)
	if !fault.in(a.generation) || fault.message != nil || f.Fault == EntryOfOtherLog {
		panic(fmt.Sprintf("fakeca: there is no fault %q of an online signature with %v", f.Fault, a.generation))
	}
	d := a.signed(payload, f, fault)
	d.stamp()
	d.entry = new(logEntry) // for faults of the time; the real one comes later
	fault.stamp.spoil(d)

	d.entry = nil
	d.wrap()
	d.der = d.message.marshal()
	fault.der.spoil(d)
	d.armor = armor(d.der)
	fault.armor.spoil(d)

	id := []byte(object(d.armor))
	signature := must(signHash(d.key, crypto.SHA256, id))
	a.fill()
	d.entry = must(a.enter(context.Background(), sha256.Sum256(id), signature, d.certificate))
	body := a.entryBody(sha256.Sum256(id), signature, d.certificate)
	fault.entry.spoil(d)
	if d.entry == nil {
		return d.armor, nil
	}
	const canonicalizedBody = 7
	return d.armor, appendBytes(d.entry.marshal(), canonicalizedBody, body)
}

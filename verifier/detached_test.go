package verifier_test

import (
	"bufio"
	"bytes"
	"crypto/elliptic"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitseal/fakeca"
	"gitseal/gitutil"
	"gitseal/internal/tlog"
	"gitseal/internal/trust"
	"gitseal/verifier"
)

// objectID returns what stands in for the id of the object with that
// signature.
func objectID(signature []byte) string {
	sum := sha1.Sum(append(slices.Clone(payload), signature...))
	return hex.EncodeToString(sum[:])
}

// An online signature is one with an entry that does not travel in it.
type online struct {
	v         *verifier.Verifier
	signature []byte
	detached  verifier.Detached
}

func newOnline(t testing.TB, a *fakeca.Authority, f fakeca.Fixture) *online {
	t.Helper()
	signature, entry := a.SignOnline(payload, objectID, f)
	o := &online{verifierOf(t, rootOf(t, a, nil)), signature, verifier.Detached{Object: objectID(signature)}}
	if entry != nil {
		o.detached.Entries = [][]byte{entry}
	}
	return o
}

func (o *online) verify() (*verifier.Result, error) {
	return o.v.VerifyDetached(payload, o.signature, o.detached, verifier.AnyIdentity{})
}

// wantClass checks that err is a VerifyError of the class at the check.
func wantClass(t *testing.T, name string, err error, class verifier.Class, check verifier.Check) {
	t.Helper()
	var verr *verifier.VerifyError
	if !errors.As(err, &verr) {
		t.Errorf("%s: error %v, want a VerifyError", name, err)
		return
	}
	if verr.Class != class || verr.Check != check {
		t.Errorf("%s: %s at %s (%v), want %s at %s", name, verr.Class, verr.Check, err, class, check)
	}
	if slices.Contains(verr.Passed, verr.Check) {
		t.Errorf("%s: check %s both passed and failed", name, verr.Check)
	}
}

// TestEachFaultOfADetachedEntryFailsItsCheck runs the faults of certificate,
// entry and time with the entry outside the signature.
func TestEachFaultOfADetachedEntryFailsItsCheck(t *testing.T) {
	tried := 0
	for _, generation := range []fakeca.Generation{fakeca.RekorV2, fakeca.RekorV1} {
		a := newAuthority(t, fakeca.Config{Log: generation, Curve: elliptic.P256()})
		for _, fault := range append([]fakeca.Fault{""}, fakeca.Faults()...) {
			check, ok := checks[fault]
			inMessage := check == verifier.CheckArmor || check == verifier.CheckCMS || check == verifier.CheckDigest || check == verifier.CheckSignature
			switch {
			case !fault.In(generation), inMessage, !ok && fault.Class() != "verified":
				continue
			case fault == fakeca.EntryOfOtherLog, fault == fakeca.TwoEntryValues, fault == fakeca.OldAttribute,
				fault == fakeca.SignerSecond, fault == fakeca.SignatureComplement:
				continue // of the message, or of a signature that the entry is not over
			}
			tried++
			name := fmt.Sprintf("%v %s", generation, fault)
			o := newOnline(t, a, fakeca.Fixture{Subject: "alice@example.com", Fault: fault})
			result, err := o.verify()
			if fault.Class() != "verified" {
				wantClass(t, name, err, verifier.Class(fault.Class()), check)
				continue
			}
			checkGood(t, name, a, result, err)
			if err == nil && !slices.Contains(result.Notes, "log entry from outside the signature") {
				t.Errorf("%s: notes %q do not say where the entry is from", name, result.Notes)
			}
			if _, err := o.v.Verify(payload, o.signature, verifier.AnyIdentity{}); err == nil {
				t.Errorf("%s: verifies without the entry", name)
			}
		}
	}
	if tried < 50 {
		t.Errorf("%d faults tried: too few to mean much", tried)
	}
}

func TestDetachedEntriesOfOthersDoNotCount(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	good, other := newOnline(t, a, fakeca.Fixture{}), newOnline(t, a, fakeca.Fixture{})
	for name, d := range map[string]verifier.Detached{
		"none":                           {Object: good.detached.Object},
		"of another object and key":      {Object: good.detached.Object, Entries: other.detached.Entries},
		"of the same key, another id":    {Object: other.detached.Object, Entries: good.detached.Entries},
		"unreadable":                     {Object: good.detached.Object, Entries: [][]byte{nil, []byte("entry"), good.detached.Entries[0][1:]}},
		"an id that is not in lowercase": {Object: strings.ToUpper(good.detached.Object), Entries: good.detached.Entries},
		"no id":                          {Entries: good.detached.Entries},
	} {
		_, err := good.v.VerifyDetached(payload, good.signature, d, verifier.AnyIdentity{})
		wantClass(t, name, err, verifier.NotLogged, verifier.CheckLogEntry)
	}
	entry, err := tlog.ParseEntry(good.detached.Entries[0])
	if err != nil {
		t.Fatal(err)
	}
	entry.CanonicalizedBody = nil
	_, err = good.v.VerifyDetached(payload, good.signature, verifier.Detached{Object: good.detached.Object, Entries: [][]byte{entry.Marshal()}}, verifier.AnyIdentity{})
	wantClass(t, "without its body", err, verifier.NotLogged, verifier.CheckLogEntry)
}

// TestJunkAmongDetachedEntries has entries that fit and are bad beside a good
// one, in every order: they change nothing. Alone they are what is wrong.
func TestJunkAmongDetachedEntries(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	o := newOnline(t, a, fakeca.Fixture{})
	good := o.detached.Entries[0]
	var junk [][]byte
	for i, spoil := range []func(*tlog.Entry){
		func(e *tlog.Entry) { e.Promise.SET[20] ^= 1 },
		func(e *tlog.Entry) { e.LogIndex -= 9 },
		func(e *tlog.Entry) { e.LogIndex, e.Promise, e.Proof = 0, nil, nil },
	} {
		e, err := tlog.ParseEntry(good)
		if err != nil {
			t.Fatal(err)
		}
		spoil(e)
		junk = append(junk, e.Marshal())
		o.detached.Entries = [][]byte{e.Marshal()}
		if _, err := o.verify(); err == nil {
			t.Errorf("junk %d verifies", i)
		}
	}
	for i := range len(junk) + 1 {
		o.detached.Entries = slices.Insert(slices.Clone(junk), i, good)
		if result, err := o.verify(); err != nil {
			t.Errorf("good entry at %d of %d: %v", i, len(junk)+1, err)
		} else if !slices.Contains(result.Passed, verifier.CheckPromise) {
			t.Errorf("good entry at %d: passed %v", i, result.Passed)
		}
	}
	o.detached.Entries = junk
	_, err := o.verify()
	wantClass(t, "junk alone", err, verifier.BadLogProof, verifier.CheckPromise)
}

// TestDetachedEntryWithAnotherSignature has an entry that a log took in without
// looking: what it records is not by the certificate's key.
func TestDetachedEntryWithAnotherSignature(t *testing.T) {
	o := newOffice(t)
	leaf, _, chain := o.certificates(t)
	message, _ := o.message(t, leaf)
	signature := armored(t, message)
	id := objectID(signature)
	v := verifierOf(t, o.root(t, chain...))
	for signed, good := range map[string]bool{id: true, "something else": false} {
		entry := o.log(t, sha256.Sum256([]byte(id)), sign(t, o.leafKey, []byte(signed)), leaf)
		d := verifier.Detached{Object: id, Entries: [][]byte{entry.Marshal()}}
		_, err := v.VerifyDetached(payload, signature, d, verifier.AnyIdentity{})
		if good {
			if err != nil {
				t.Errorf("signature of the id: %v", err)
			}
			continue
		}
		wantClass(t, "signature of something else", err, verifier.BadLogProof, verifier.CheckLogEntry)
	}
}

// TestEmbeddedEntryDecidesAlone has a good entry from outside beside one that
// is embedded and bad, or of something else, or that proves nothing.
func TestEmbeddedEntryDecidesAlone(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	o := newOnline(t, a, fakeca.Fixture{})
	if _, err := o.verify(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		embedded []byte
		class    verifier.Class
		check    verifier.Check
	}{
		"of another signature": {mustTakeApart(t, a.Sign(payload, fakeca.Fixture{})).entry, verifier.BadLogProof, verifier.CheckInclusion},
		"that proves nothing":  {mustTakeApart(t, a.Sign(payload, fakeca.Fixture{Fault: fakeca.NoProof})).entry, verifier.NotLogged, verifier.CheckLogEntry},
		"unreadable":           {[]byte("entry"), verifier.MalformedSignature, verifier.CheckLogEntry},
	} {
		p := mustTakeApart(t, o.signature)
		p.entry = tt.embedded
		signature, err := p.armor()
		if err != nil {
			t.Fatal(err)
		}
		// The id stays: to the verifier it is only the caller's word.
		_, err = o.v.VerifyDetached(payload, signature, o.detached, verifier.AnyIdentity{})
		wantClass(t, name, err, tt.class, tt.check)
	}
}

func TestDetachedAsksForAnIdentity(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	o := newOnline(t, a, fakeca.Fixture{})
	_, err := o.v.VerifyDetached(payload, o.signature, o.detached, nil)
	wantClass(t, "nil", err, verifier.IdentityNotAllowed, verifier.CheckIdentity)
	_, err = o.v.VerifyDetached(payload, o.signature, o.detached, nobody{})
	wantClass(t, "nobody", err, verifier.IdentityNotAllowed, verifier.CheckIdentity)
	var verr *verifier.VerifyError
	if errors.As(err, &verr) && verr.Valid == nil {
		t.Error("the facts of a valid signature are missing where only the identity is not allowed")
	}
}

// TestDetachedNeedsItsRoot verifies under roots that lack one thing.
func TestDetachedNeedsItsRoot(t *testing.T) {
	a := newAuthority(t, fakeca.Config{Log: fakeca.RekorV1})
	o := newOnline(t, a, fakeca.Fixture{})
	for name, tt := range map[string]struct {
		change func(*trust.TrustedRoot)
		class  verifier.Class
		check  verifier.Check
	}{
		"no log":     {func(r *trust.TrustedRoot) { r.TLogs = nil }, verifier.UntrustedLog, verifier.CheckLogEntry},
		"no CT log":  {func(r *trust.TrustedRoot) { r.CTLogs = r.TLogs }, verifier.UntrustedCertificate, verifier.CheckSCT},
		"another CA": {func(r *trust.TrustedRoot) { r.CertificateAuthorities = r.TimestampAuthorities }, verifier.UntrustedCertificate, verifier.CheckChain},
	} {
		o.v = verifierOf(t, rootOf(t, a, tt.change))
		_, err := o.verify()
		wantClass(t, name, err, tt.class, tt.check)
	}
}

// TestRealDetachedEntries verifies what gitsign signed in its online mode
// against a private instance, with the entries of that log.
func TestRealDetachedEntries(t *testing.T) {
	v := newVerifier(t, corpus(t, "keyless", "trust", "trusted_root.json"))
	var entries [][]byte
	lines := bufio.NewScanner(bytes.NewReader(readFile(t, corpus(t, "keyless", "rekor1-entries.jsonl"))))
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		list, err := tlog.ParseRekorV1(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			entries = append(entries, e.Entry.Marshal())
		}
	}
	verified := 0
	for _, name := range []string{"matrix.bundle", "sha256.bundle"} {
		dir := unbundle(t, corpus(t, "keyless", name))
		format := gitutil.Format(strings.TrimSpace(git(t, dir, "rev-parse", "--show-object-format")))
		for _, oid := range strings.Fields(git(t, dir, "rev-list", "--branches") + git(t, dir, "for-each-ref", "--format=%(objectname)", "refs/tags")) {
			kind := strings.TrimSpace(git(t, dir, "cat-file", "-t", oid))
			data := []byte(git(t, dir, "cat-file", kind, oid))
			s := split(t, kind, data, format)
			if format == gitutil.SHA256 {
				// gitsign knows no other object id than that of SHA-1, nor
				// another name of the header.
				data = bytes.Replace(data, []byte("\ngpgsig-sha256 "), []byte("\ngpgsig "), 1)
				oid = fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "%s %d\x00", kind, len(data)), data...)))
			}
			_, offline := v.Verify(s.Payload, s.Signature, verifier.AnyIdentity{})
			_, err := v.VerifyDetached(s.Payload, s.Signature, verifier.Detached{Object: oid, Entries: entries}, verifier.AnyIdentity{})
			var verr *verifier.VerifyError
			switch {
			case !errors.As(offline, &verr) || verr.Class != verifier.NotLogged:
				if (err == nil) != (offline == nil) {
					t.Errorf("%s: %v without entries from outside, %v with", oid, offline, err)
				}
			case err == nil:
				verified++
			case !strings.Contains(string(s.Payload), "rekor v2 online"): // their log is not at hand
				t.Errorf("%s: %v", oid, err)
			}
		}
	}
	if verified != 6 {
		t.Errorf("%d online signatures verify, want 6", verified)
	}
}

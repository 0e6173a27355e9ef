package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/policy"
	"gitseal/verifier/report"
	"gitseal/verifier/smime"
)

// A Judge gives objects their class. It may be used by several goroutines at
// once. Fields without a comment on their zero value are required.
type Judge struct {
	Format   gitutil.Format
	Verifier *verifier.Verifier
	Keys     Keys    // for signatures that are not keyless
	Allowed  Allowed // who may have signed
	Proofs   Proofs  // of signatures that nothing is embedded in; nil: there are none
	Entries  Entries // of those that are not proven then; nil: there are none

	slots chan struct{} // one for each goroutine that may judge at a time; nil: any number
}

// Keys verify the signatures that are not keyless. With a nil one nothing is
// known of the keys of its format.
type Keys struct {
	OpenPGP KeyVerifier
	SSH     KeyVerifier
	// X509 is asked about the signatures that smime.Takes: by certificates that
	// are not Sigstore's. With a nil one they are judged as keyless, and are
	// not.
	X509 KeyVerifier
}

// A KeyVerifier verifies signatures of one format. An error of Verify is a
// *verifier.KeyError.
type KeyVerifier interface {
	Verify(payload, signature []byte) (*verifier.KeyResult, error)
	// Digest is over everything that its verdicts depend on but the bytes, and
	// the time of judging.
	Digest() [32]byte
}

// Allowed decides who may have signed. An error says why not.
type Allowed interface {
	verifier.Allowed
	AllowKey(*verifier.KeyResult) error
}

// Anyone allows whoever signed. It is for callers that judge the signer
// themselves, and says so at the call.
type Anyone struct{ verifier.AnyIdentity }

// AllowKey returns nil.
func (Anyone) AllowKey(*verifier.KeyResult) error { return nil }

// ByPolicy allows the identities of a policy. Its rules, which are about refs
// and paths, are left to Run.
type ByPolicy struct{ *policy.Policy }

// AllowKey returns why the policy does not allow the signer.
func (p ByPolicy) AllowKey(r *verifier.KeyResult) error {
	_, err := p.Identify(keySignature(r))
	return err
}

// keySignature returns what a policy judges of a signature by a key.
func keySignature(r *verifier.KeyResult) policy.Signature {
	if !r.Time.IsZero() {
		return policy.Signature{Signer: r.Signer, Time: r.Time, Proven: true}
	}
	return policy.Signature{Signer: r.Signer, Time: r.Claimed}
}

// A Verdict is the one class an object gets, and why.
type Verdict struct {
	Class   verifier.Class
	Message string                // why it is not a good class; empty if it is
	Result  *verifier.Result      // the facts of a valid keyless signature, allowed or not; else nil
	Failure *verifier.VerifyError // why a keyless signature did not verify; else nil

	// Key is the facts of a valid signature by another key, whether that is
	// good and allowed or not; else nil. KeyFailure is why it is not good.
	Key        *verifier.KeyResult
	KeyFailure *verifier.KeyError

	about
	mergetags []mergetag
	lookup    *lookup // what is to be looked for before this stands; nil: nothing
	unasked   error   // why it could not be told whether there is an entry; else nil
	proven    *proven // nil: no proofs were looked for
	asked     bool    // entries from outside the signature were looked for
}

// Signer returns who signed; nil if that is not known for sure.
func (v *Verdict) Signer() *verifier.Signer {
	switch {
	case v.Result != nil:
		return &verifier.Signer{Kind: verifier.Keyless, Identity: v.Result.Certificate.Identity}
	case v.Key != nil:
		return &v.Key.Signer
	}
	return nil
}

// Time returns when the object was signed, and how that is known; the zero time
// if there is no valid signature, or it says nothing.
func (v *Verdict) Time() (time.Time, verifier.TimeSource) {
	switch {
	case v.Result != nil:
		for _, t := range v.Result.Times {
			if t.Time.Equal(v.Result.Time) {
				return t.Time, t.Source
			}
		}
	case v.Key != nil && !v.Key.Time.IsZero():
		return v.Key.Time, verifier.StampTime
	case v.Key != nil && !v.Key.Claimed.IsZero():
		return v.Key.Claimed, verifier.ClaimedTime
	}
	return time.Time{}, ""
}

// about is what a commit or tag says of itself, once its id is right and it
// parses. Nothing in it is proven but by the object's signature.
type about struct {
	tree              string // of a commit
	parents           []string
	author, committer string    // e-mail addresses; of a tag committer is the tagger's
	date              time.Time // the committer's or tagger's; zero: none
	name, target      string    // of a tag, and the id of what it is of
}

// A mergetag is a tag inside a merge commit: what was merged, as signed by
// the one who asked for it.
type mergetag struct {
	oid string // of the tag object; empty if it has none
	Verdict
}

// Object judges a commit or a tag: that its bytes are those its id names, and
// its signature. An object of another type is malformed where one of these
// should be. The context is for looking up entries.
func (j *Judge) Object(ctx context.Context, o gitutil.Object) Verdict {
	v := j.object(o)
	j.lookUp(ctx, &v)
	return v
}

// object judges by what is in the object alone.
func (j *Judge) object(o gitutil.Object) Verdict {
	// Are these the bytes that the id stands for?
	if o.Missing {
		return Verdict{Class: report.MissingObject, Message: "the repository does not hold it"}
	}
	if err := o.Verify(j.Format); err != nil {
		return malformed(err)
	}
	switch o.Type {
	case "commit":
		return j.commit(o.OID, o.Data)
	case "tag":
		return j.tag(o.OID, o.Data)
	}
	return malformed(fmt.Errorf("a %s where a commit or tag should be", o.Type))
}

// commit judges a commit by its bytes.
func (j *Judge) commit(oid string, data []byte) Verdict {
	c, err := gitutil.ParseCommit(data, j.Format)
	if err != nil {
		return malformed(err)
	}
	split, err := gitutil.SplitCommit(data, j.Format)
	if err != nil {
		return malformed(err)
	}
	v := j.signature(oid, split)
	v.about = about{tree: c.Tree, parents: c.Parents, author: c.Author.Email, committer: c.Committer.Email, date: c.Committer.When.UTC()}
	for _, data := range c.Mergetags {
		// The tag object need not be in the repository: its id is that of
		// the bytes at hand, if they have one.
		oid, err := gitutil.HashObject(j.Format, "tag", data)
		m := mergetag{oid: oid}
		if err != nil {
			m.Verdict = malformed(err)
		} else if m.Verdict = j.tag(oid, data); m.Class != report.MalformedObject {
			// A tag of something else says nothing about this merge, whoever
			// signed it.
			if t, err := gitutil.ParseTag(data, j.Format); err != nil || t.Type != "commit" || !slices.Contains(c.Parents, t.Object) {
				m.Verdict = malformed(errors.New("the tag names no parent of the commit"))
			}
		}
		v.mergetags = append(v.mergetags, m)
	}
	return v
}

// tag judges a tag by its bytes.
func (j *Judge) tag(oid string, data []byte) Verdict {
	t, err := gitutil.ParseTag(data, j.Format)
	if err != nil {
		return malformed(err)
	}
	split, err := gitutil.SplitTag(data, j.Format)
	if err != nil {
		return malformed(err)
	}
	v := j.signature(oid, split)
	v.about = about{name: t.Name, target: t.Object}
	if t.Tagger != nil {
		v.committer, v.date = t.Tagger.Email, t.Tagger.When.UTC()
	}
	return v
}

// signature judges what is signed, by the format of its signature.
func (j *Judge) signature(oid string, s gitutil.Split) Verdict {
	if s.Signature == nil {
		return Verdict{Class: report.Unsigned, Message: "no signature"}
	}
	switch s.Kind() {
	case "x509":
		return j.keyless(oid, s)
	case "openpgp":
		return j.keyed(j.Keys.OpenPGP, "OpenPGP", s)
	case "ssh":
		return j.keyed(j.Keys.SSH, "SSH", s)
	}
	return Verdict{Class: verifier.MalformedSignature, Message: "what is in the signature's place is no signature"}
}

// keyless judges a CMS signature. What its certificate says decides whether it
// is one by a certificate of minutes or by one of another authority; neither is
// ever tried after the other.
func (j *Judge) keyless(oid string, s gitutil.Split) Verdict {
	if j.Keys.X509 != nil && smime.Takes(s.Signature) {
		return j.keyed(j.Keys.X509, "X.509", s)
	}
	var v Verdict
	v.set(j.Verifier.Verify(s.Payload, s.Signature, j.Allowed))
	if v.Class == verifier.NotLogged && j.looks() {
		// What gitsign would have had no id for has no entry of its kind.
		object, err := entryObject(j.Format, oid, s)
		if err != nil {
			object = ""
		}
		if object != "" || j.Proofs != nil {
			v.lookup = &lookup{s, object}
		}
	}
	return v
}

// keyed judges a signature by a key that lives longer than minutes.
func (j *Judge) keyed(keys KeyVerifier, format string, s gitutil.Split) Verdict {
	if keys == nil {
		return Verdict{Class: verifier.UnknownKey, Message: "an " + format + " signature, and no keys of that format were given"}
	}
	result, err := keys.Verify(s.Payload, s.Signature)
	if err == nil {
		if err = j.Allowed.AllowKey(result); err != nil {
			return Verdict{Class: verifier.IdentityNotAllowed, Message: clip(err.Error()), Key: result}
		}
		return Verdict{Class: verifier.Verified, Key: result}
	}
	v := Verdict{Class: verifier.MalformedSignature, Message: clip(err.Error())}
	if errors.As(err, &v.KeyFailure) {
		v.Class, v.Key = v.KeyFailure.Class, v.KeyFailure.Valid
	}
	// A policy that names the key itself makes up for files that do not.
	if p, ok := j.Allowed.(ByPolicy); ok && v.KeyFailure != nil && v.KeyFailure.Unlisted && p.AllowKey(v.Key) == nil {
		return Verdict{Class: verifier.Verified, Key: v.Key}
	}
	return v
}

// set makes a verdict of what the verifier says.
func (v *Verdict) set(result *verifier.Result, err error) {
	v.Class, v.Message, v.Result, v.Failure = verifier.Verified, "", result, nil
	if err == nil {
		return
	}
	v.Message = clip(err.Error())
	if !errors.As(err, &v.Failure) {
		v.Class, v.Result = verifier.MalformedSignature, nil
		return
	}
	v.Class, v.Result = v.Failure.Class, v.Failure.Valid
}

func malformed(err error) Verdict {
	return Verdict{Class: report.MalformedObject, Message: clip(err.Error())}
}

// maxMessage bounds how much of an error goes into a finding: errors quote
// what they are about, and that may be long.
const maxMessage = 400

// clip cuts a message that is too long.
func clip(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}

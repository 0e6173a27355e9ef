package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/report"
)

// A Judge gives objects their class. It may be used by several goroutines at
// once. Fields without a comment on their zero value are required.
type Judge struct {
	Format   gitutil.Format
	Verifier *verifier.Verifier
	Allowed  verifier.Allowed // who may have signed
	Entries  Entries          // of signatures that nothing is embedded in; nil: there are none

	slots chan struct{} // one for each goroutine that may judge at a time; nil: any number
}

// A Verdict is the one class an object gets, and why.
type Verdict struct {
	Class   verifier.Class
	Message string                // why it is not a good class; empty if it is
	Result  *verifier.Result      // the facts of a valid signature, allowed or not; else nil
	Failure *verifier.VerifyError // why a keyless signature did not verify; else nil

	parents   []string // of a commit whose id is right and that parses
	mergetags []mergetag
	lookup    *lookup // what is to be looked for before this stands; nil: nothing
	unasked   error   // why a log could not be asked for an entry; else nil
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
	v.parents = c.Parents
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
	if _, err := gitutil.ParseTag(data, j.Format); err != nil {
		return malformed(err)
	}
	split, err := gitutil.SplitTag(data, j.Format)
	if err != nil {
		return malformed(err)
	}
	return j.signature(oid, split)
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
		return unsupported("an OpenPGP signature, which this version does not verify")
	case "ssh":
		return unsupported("an SSH signature, which this version does not verify")
	}
	return Verdict{Class: verifier.MalformedSignature, Message: "what is in the signature's place is no signature"}
}

// keyless judges a signature by a certificate.
func (j *Judge) keyless(oid string, s gitutil.Split) Verdict {
	var v Verdict
	v.set(j.Verifier.Verify(s.Payload, s.Signature, j.Allowed))
	if v.Class == verifier.NotLogged && j.Entries != nil {
		// What gitsign would have had no id for has no entry either.
		if object, err := entryObject(j.Format, oid, s); err == nil {
			v.lookup = &lookup{s, object}
		}
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

func unsupported(message string) Verdict {
	return Verdict{Class: verifier.UnsupportedSignature, Message: message}
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

package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/report"
)

// A Judge gives objects their class. It may be used by several goroutines at
// once. All fields are required.
type Judge struct {
	Format   gitutil.Format
	Verifier *verifier.Verifier
	Allowed  verifier.Allowed // who may have signed
}

// A Verdict is the one class an object gets, and why.
type Verdict struct {
	Class   verifier.Class
	Message string                // why it is not a good class; empty if it is
	Result  *verifier.Result      // the facts of a valid signature, allowed or not; else nil
	Failure *verifier.VerifyError // why a keyless signature did not verify; else nil

	parents   []string // of a commit whose id is right and that parses
	mergetags []mergetag
}

// A mergetag is a tag inside a merge commit: what was merged, as signed by
// the one who asked for it.
type mergetag struct {
	oid string // of the tag object; empty if it has none
	Verdict
}

// Object judges a commit or a tag: that its bytes are those its id names, and
// its signature. An object of another type is malformed where one of these
// should be.
func (j *Judge) Object(o gitutil.Object) Verdict {
	// Are these the bytes that the id stands for?
	if o.Missing {
		return Verdict{Class: report.MissingObject, Message: "the repository does not hold it"}
	}
	if err := o.Verify(j.Format); err != nil {
		return malformed(err)
	}
	switch o.Type {
	case "commit":
		return j.commit(o.Data)
	case "tag":
		return j.tag(o.Data)
	}
	return malformed(fmt.Errorf("a %s where a commit or tag should be", o.Type))
}

// commit judges a commit by its bytes.
func (j *Judge) commit(data []byte) Verdict {
	c, err := gitutil.ParseCommit(data, j.Format)
	if err != nil {
		return malformed(err)
	}
	split, err := gitutil.SplitCommit(data, j.Format)
	if err != nil {
		return malformed(err)
	}
	v := j.signature(split)
	v.parents = c.Parents
	for _, data := range c.Mergetags {
		// The tag object need not be in the repository: its id is that of
		// the bytes at hand, if they have one.
		oid, err := gitutil.HashObject(j.Format, "tag", data)
		m := mergetag{oid: oid}
		if err != nil {
			m.Verdict = malformed(err)
		} else if m.Verdict = j.tag(data); m.Class != report.MalformedObject {
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
func (j *Judge) tag(data []byte) Verdict {
	if _, err := gitutil.ParseTag(data, j.Format); err != nil {
		return malformed(err)
	}
	split, err := gitutil.SplitTag(data, j.Format)
	if err != nil {
		return malformed(err)
	}
	return j.signature(split)
}

// signature judges what is signed, by the format of its signature.
func (j *Judge) signature(s gitutil.Split) Verdict {
	if s.Signature == nil {
		return Verdict{Class: report.Unsigned, Message: "no signature"}
	}
	switch s.Kind() {
	case "x509":
		return j.keyless(s)
	case "openpgp":
		return unsupported("an OpenPGP signature, which this version does not verify")
	case "ssh":
		return unsupported("an SSH signature, which this version does not verify")
	}
	return Verdict{Class: verifier.MalformedSignature, Message: "what is in the signature's place is no signature"}
}

// keyless judges a signature by a certificate.
func (j *Judge) keyless(s gitutil.Split) Verdict {
	result, err := j.Verifier.Verify(s.Payload, s.Signature, j.Allowed)
	if err == nil {
		return Verdict{Class: verifier.Verified, Result: result}
	}
	var verr *verifier.VerifyError
	if !errors.As(err, &verr) {
		return Verdict{Class: verifier.MalformedSignature, Message: clip(err.Error())}
	}
	return Verdict{Class: verr.Class, Message: clip(err.Error()), Result: verr.Valid, Failure: verr}
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

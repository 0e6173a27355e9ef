package audit

import (
	"errors"
	"fmt"
	"strings"

	"gitseal/gitutil"
	"gitseal/verifier"
	"gitseal/verifier/report"
)

// A judge gives objects their class. It may be used by several goroutines at
// once.
type judge struct {
	format   gitutil.Format
	verifier *verifier.Verifier
	allowed  verifier.Allowed
}

// A verdict is the one class an object gets, and what goes into the report
// beside it.
type verdict struct {
	class     verifier.Class
	message   string           // why it is not a good class
	result    *verifier.Result // the facts of a valid signature, allowed or not
	parents   []string         // of a commit whose id is right and that parses
	mergetags []mergetag
}

// A mergetag is a tag inside a merge commit: what was merged, as signed by
// the one who asked for it.
type mergetag struct {
	oid string // of the tag object; empty if it has none
	verdict
}

// object judges an object that should be a commit or a tag, as kind says.
func (j *judge) object(o gitutil.Object, kind string) verdict {
	// Are these the bytes that the id stands for?
	if o.Missing {
		return verdict{class: report.MissingObject, message: "the repository does not hold it"}
	}
	if err := o.Verify(j.format); err != nil {
		return malformed(err)
	}
	switch o.Type {
	case "commit":
		return j.commit(o.Data)
	case "tag":
		return j.tag(o.Data)
	}
	return malformed(fmt.Errorf("a %s where a %s should be", o.Type, kind))
}

// commit judges a commit by its bytes.
func (j *judge) commit(data []byte) verdict {
	c, err := gitutil.ParseCommit(data, j.format)
	if err != nil {
		return malformed(err)
	}
	split, err := gitutil.SplitCommit(data, j.format)
	if err != nil {
		return malformed(err)
	}
	v := j.signature(split)
	v.parents = c.Parents
	for _, data := range c.Mergetags {
		// The tag object need not be in the repository: its id is that of
		// the bytes at hand, if they have one.
		oid, err := gitutil.HashObject(j.format, "tag", data)
		m := mergetag{oid: oid}
		if err != nil {
			m.verdict = malformed(err)
		} else {
			m.verdict = j.tag(data)
		}
		v.mergetags = append(v.mergetags, m)
	}
	return v
}

// tag judges a tag by its bytes.
func (j *judge) tag(data []byte) verdict {
	if _, err := gitutil.ParseTag(data, j.format); err != nil {
		return malformed(err)
	}
	split, err := gitutil.SplitTag(data, j.format)
	if err != nil {
		return malformed(err)
	}
	return j.signature(split)
}

// signature judges what is signed, by the format of its signature.
func (j *judge) signature(s gitutil.Split) verdict {
	if s.Signature == nil {
		return verdict{class: report.Unsigned, message: "no signature"}
	}
	switch s.Kind() {
	case "x509":
		return j.keyless(s)
	case "openpgp":
		return unsupported("an OpenPGP signature, which this version does not verify")
	case "ssh":
		return unsupported("an SSH signature, which this version does not verify")
	}
	return verdict{class: verifier.MalformedSignature, message: "what is in the signature's place is no signature"}
}

// keyless judges a signature by a certificate.
func (j *judge) keyless(s gitutil.Split) verdict {
	result, err := j.verifier.Verify(s.Payload, s.Signature, j.allowed)
	if err == nil {
		return verdict{class: verifier.Verified, result: result}
	}
	var verr *verifier.VerifyError
	if !errors.As(err, &verr) {
		return verdict{class: verifier.MalformedSignature, message: clip(err.Error())}
	}
	return verdict{class: verr.Class, message: clip(err.Error()), result: verr.Valid}
}

func malformed(err error) verdict {
	return verdict{class: report.MalformedObject, message: clip(err.Error())}
}

func unsupported(message string) verdict {
	return verdict{class: verifier.UnsupportedSignature, message: message}
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

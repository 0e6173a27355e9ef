package audit

import (
	"fmt"
	"strings"
	"time"

	"gitseal/verifier"
	"gitseal/verifier/report"
)

// The findings of audits beside the classes and those of the policy's rules.
// Package report describes them.
const (
	lightweightTag          = "lightweight-tag"
	tagNameMismatch         = "tag-name-mismatch"
	timeSkew                = "time-skew"
	certificateReused       = "certificate-reused"
	keyAfterUntil           = "key-after-until"
	identityUnlikeCommitter = "identity-unlike-committer"
	exemptionExpired        = "exemption-expired"
	ruleNotApplied          = "rule-not-applied"
)

// maxNoted bounds what is remembered of each kind of oddity: a history made to
// be odd is not to fill the memory.
const maxNoted = 1 << 16

// day is how far a commit's date may be from the time that is proven of its
// signature before that is worth a note.
const day = 24 * time.Hour

// maxLifetime is the lifetime of a keyless certificate above which it is worth
// a note: those of Sigstore's live ten minutes.
const maxLifetime = time.Hour

// Certificates are those that audits of several repositories have seen, to
// notice one that was used in more than one. The zero value has seen none. It
// is not for audits that run at the same time.
type Certificates struct {
	seen map[[32]byte]sight
}

// A sight is where a certificate was seen first. The same object in another
// clone is nothing new.
type sight struct{ location, oid string }

// An oddity is what has been noted once and need not be noted again.
type oddity struct{ id, what string }

// noteOnce adds a note to the report, once for each what.
func (c *collector) noteOnce(id, what string, o report.Object, signer *verifier.Signer, message string) {
	key := oddity{id, what}
	if c.noted[key] || len(c.noted) >= maxNoted {
		return
	}
	c.noted[key] = true
	c.find(id, report.Note, o, signer, message)
}

// addAnomalies notes what is odd about a valid signature. None of it makes the
// signature less valid, and each may have a good reason.
func (c *collector) addAnomalies(o report.Object, f *facts, r *ruling) {
	if !f.signed {
		return
	}
	if apart := f.date.Sub(f.time).Abs(); o.Type == "commit" && f.source != verifier.ClaimedTime && !f.date.IsZero() && !f.time.IsZero() && apart > day {
		c.noteOnce(timeSkew, f.signer.String(), o, &f.signer, fmt.Sprintf("committed at %s, says the commit; its signature was made at %s, says %s",
			f.date.Format(time.RFC3339), f.time.Format(time.RFC3339), sourceName(f.source)))
	}
	if f.signer.Kind == verifier.Keyless {
		c.addCertificate(o, f)
	}
	if who := f.signer.Identity.Subject; f.signer.Kind == verifier.Keyless && o.Type == "commit" && strings.Contains(who, "@") &&
		!strings.Contains(who, "://") && f.committer != who {
		c.noteOnce(identityUnlikeCommitter, who+"\n"+f.committer, o, &f.signer,
			fmt.Sprintf("signed by %s, committed as %s", f.signer, f.committer))
	}
	if r.late {
		c.late[f.signer]++
		if c.late[f.signer] == 2 {
			c.noteOnce(keyAfterUntil, f.signer.String(), o, &f.signer, fmt.Sprintf("%s went on signing after the policy's until", f.signer))
		}
	}
}

func sourceName(s verifier.TimeSource) string {
	if s == verifier.LogTime {
		return "the log"
	}
	return "a time-stamp authority"
}

// addCertificate notes certificates that are not used as they are meant to be:
// for minutes, by one who works in one repository.
func (c *collector) addCertificate(o report.Object, f *facts) {
	if f.lifetime > maxLifetime {
		c.noteOnce(certificateReused, f.signer.String(), o, &f.signer,
			fmt.Sprintf("the certificate is valid for %s, and was meant to be for minutes", f.lifetime))
	}
	if c.cfg.Certificates == nil {
		return
	}
	seen := c.cfg.Certificates
	if seen.seen == nil {
		seen.seen = make(map[[32]byte]sight)
	}
	where, ok := seen.seen[f.certificate]
	switch {
	case !ok && len(seen.seen) < maxNoted:
		seen.seen[f.certificate] = sight{c.cfg.Location, o.OID}
	case ok && where.location != c.cfg.Location && where.oid != o.OID:
		c.noteOnce(certificateReused, string(f.certificate[:]), o, &f.signer,
			fmt.Sprintf("the certificate was used in %s too", where.location))
	}
}

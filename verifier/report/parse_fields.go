package report

import (
	"encoding/hex"
	"errors"
	"strings"

	"gitseal/internal/strictjson"
	"gitseal/verifier"
)

func repository(r *strictjson.Reader, x *Repository) func() error {
	return func() error {
		return r.Object(
			strictjson.Optional("location", r.String(&x.Location, maxString)),
			strictjson.Required("objectFormat", r.String(&x.ObjectFormat, maxString)),
			strictjson.Required("shallow", boolean(r, &x.Shallow)),
			strictjson.Required("grafted", boolean(r, &x.Grafted)),
			strictjson.Required("replaced", boolean(r, &x.Replaced)),
			strictjson.Required("partialClone", boolean(r, &x.PartialClone)),
		)
	}
}

func scope(r *strictjson.Reader, x *Scope) func() error {
	return func() error {
		return r.Object(
			strictjson.Required("refs", elements(r, &x.Refs, maxList, func(ref *Ref) error {
				return r.Object(
					strictjson.Required("name", r.String(&ref.Name, maxString)),
					strictjson.Required("oid", r.String(&ref.OID, maxString)),
				)
			})),
			strictjson.Required("revisions", elements(r, &x.Revisions, maxList, func(rev *Revision) error {
				return r.Object(
					strictjson.Required("revision", r.String(&rev.Revision, maxString)),
					strictjson.Required("resolved", elements(r, &rev.Resolved, maxList, func(oid *string) error {
						return r.String(oid, maxString)()
					})),
				)
			})),
		)
	}
}

func policy(r *strictjson.Reader, x **Policy) error {
	*x = new(Policy)
	return r.Object(
		strictjson.Required("source", r.String(&(*x).Source, maxString)),
		strictjson.Required("digest", digest(r, &(*x).Digest)),
	)
}

func trust(r *strictjson.Reader, x *Trust) func() error {
	return func() error {
		return r.Object(
			strictjson.Required("sources", elements(r, &x.Sources, maxList, func(s *string) error { return r.String(s, maxString)() })),
			strictjson.Required("digest", digest(r, &x.Digest)),
		)
	}
}

// digest reads the text of a Digest.
func digest(r *strictjson.Reader, dst *Digest) func() error {
	return func() error {
		var s string
		if err := r.String(&s, 128)(); err != nil {
			return err
		}
		digits, ok := strings.CutPrefix(s, "sha256:")
		b, err := hex.DecodeString(digits)
		if s == "" {
			return nil
		}
		if !ok || err != nil || len(b) != len(dst) || Digest(b).String() != s {
			return errors.New("not sha256: and 64 hexadecimal digits")
		}
		*dst = Digest(b)
		return nil
	}
}

func omission(r *strictjson.Reader, x *Omission) error {
	return r.Object(
		strictjson.Required("what", r.String(&x.What, maxString)),
		strictjson.Required("reason", r.String(&x.Reason, maxString)),
	)
}

// kinds are those of all signatures.
var kinds = []verifier.Kind{verifier.Keyless, verifier.OpenPGP, verifier.SSH, verifier.X509}

func signer(r *strictjson.Reader, x *Signer) error {
	x.Times = ProvenTimes // where it is not said: once all were
	x.Good = -1
	err := r.Object(
		strictjson.Required("kind", word(r, &x.Kind, kinds...)),
		strictjson.Required("identity", r.String(&x.Identity, maxString)),
		strictjson.Required("issuer", r.String(&x.Issuer, maxString)),
		strictjson.Optional("key", r.String(&x.Key, maxString)),
		strictjson.Optional("role", r.String(&x.Role, maxString)),
		strictjson.Required("objects", number(r, &x.Objects)),
		strictjson.Optional("good", number(r, &x.Good)),
		strictjson.Required("first", instant(r, &x.First)),
		strictjson.Required("last", instant(r, &x.Last)),
		strictjson.Optional("times", word(r, &x.Times, ProvenTimes, ClaimedTimes)),
	)
	if x.Good < 0 {
		x.Good = x.Objects // where it is not said: nothing is said against them
	}
	if err == nil && x.Good > x.Objects {
		err = errors.New("more of its objects are good than there are")
	}
	return err
}

func unknownKey(r *strictjson.Reader, x *UnknownKey) error {
	return r.Object(
		strictjson.Required("kind", word(r, &x.Kind, kinds...)),
		strictjson.Required("key", r.String(&x.Key, maxString)),
		strictjson.Required("objects", number(r, &x.Objects)),
	)
}

func log(r *strictjson.Reader, x *Log) error {
	var size int64
	err := r.Object(
		strictjson.Required("origin", r.String(&x.Origin, maxString)),
		strictjson.Required("entries", number(r, &x.Entries)),
		strictjson.Required("largestSize", r.Number(&size, 63)),
		strictjson.Optional("consistency", word(r, &x.Consistency, Proven)),
	)
	x.LargestSize = uint64(max(size, 0))
	return err
}

func month(r *strictjson.Reader, x *Month) error {
	x.Good = make(map[verifier.Kind]int)
	return r.Object(
		strictjson.Required("month", r.String(&x.Month, maxString)),
		strictjson.Required("good", func() error {
			return r.Open(len(kinds), func(name string) error {
				for _, kind := range kinds {
					if name == string(kind) {
						n := 0
						err := number(r, &n)()
						x.Good[kind] = n
						return err
					}
				}
				return strictjson.ErrUnknown
			})
		}),
		strictjson.Required("exempt", number(r, &x.Exempt)),
		strictjson.Required("other", number(r, &x.Other)),
		strictjson.Required("none", number(r, &x.None)),
	)
}

func continuity(r *strictjson.Reader, x *Continuity) error {
	return r.Object(
		strictjson.Required("ref", r.String(&x.Ref, maxString)),
		strictjson.Required("oid", r.String(&x.OID, maxString)),
		strictjson.Required("commits", number(r, &x.Commits)),
		strictjson.Required("since", r.OrNull(func() error {
			x.Since = new(Point)
			return point(r, x.Since)()
		})),
		strictjson.Required("streak", number(r, &x.Streak)),
		strictjson.Required("gaps", elements(r, &x.Gaps, MaxGaps, func(g *Gap) error {
			return r.Object(
				strictjson.Required("newest", point(r, &g.Newest)),
				strictjson.Required("oldest", point(r, &g.Oldest)),
				strictjson.Required("commits", number(r, &g.Commits)),
			)
		})),
		strictjson.Required("gapCount", number(r, &x.GapCount)),
		strictjson.Required("merged", number(r, &x.Merged)),
		strictjson.Required("mergedBad", number(r, &x.MergedBad)),
	)
}

func point(r *strictjson.Reader, x *Point) func() error {
	return func() error {
		return r.Object(
			strictjson.Required("oid", r.String(&x.OID, maxString)),
			strictjson.Required("date", instant(r, &x.Date)),
		)
	}
}

// finding reads a finding and adds it to the others.
func finding(r *strictjson.Reader, findings *Findings) error {
	var x Finding
	err := r.Object(
		strictjson.Required("id", r.String(&x.ID, maxString)),
		strictjson.Required("severity", word(r, &x.Severity, severities...)),
		strictjson.Required("object", func() error {
			return r.Object(
				strictjson.Required("type", r.String(&x.Object.Type, maxString)),
				strictjson.Required("oid", r.String(&x.Object.OID, maxString)),
			)
		}),
		strictjson.Required("identity", r.OrNull(func() error {
			x.Signer = &verifier.Signer{Kind: verifier.Keyless} // where it is not said: once all were
			return r.Object(
				strictjson.Optional("kind", word(r, &x.Signer.Kind, kinds...)),
				strictjson.Required("issuer", r.String(&x.Signer.Identity.Issuer, maxString)),
				strictjson.Required("subject", r.String(&x.Signer.Identity.Subject, maxString)),
				strictjson.Optional("key", r.String(&x.Signer.Key, maxString)),
			)
		})),
		strictjson.Required("message", r.String(&x.Message, maxString)),
		strictjson.Required("hint", r.String(&x.Hint, maxString)),
	)
	if err == nil {
		x.shareHint()
		findings.Add(x)
	}
	return err
}

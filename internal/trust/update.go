package trust

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// An Update is what an update by TUF put into an instance directory: the
// third file there, beside the trusted root and the signing config. Only data
// for messages and for the question how fresh those two are: it proves nothing.
type Update struct {
	URL       string    // of the TUF repository: http, https or file
	UpdatedAt time.Time // by the clock of the machine that asked
	Expires   time.Time // when the first of the metadata that vouch for the files does

	// The versions of the metadata, for people to compare.
	Root, Timestamp, Snapshot, Targets uint32

	// FirstRoot is the SHA-256 of the root metadata that the update began
	// with; zero: not recorded. Versions compare only where it is the same.
	FirstRoot [32]byte

	TrustedRoot   [32]byte // SHA-256 of the file
	SigningConfig [32]byte // SHA-256 of the file; zero: the repository has none
}

// A Reason says why there was no update.
type Reason string

// The reasons.
const (
	Unreachable   Reason = "unreachable"    // the repository did not answer, or not with what was asked for
	Expired       Reason = "expired"        // metadata is out of date: the repository is neglected, or an old state is replayed
	RolledBack    Reason = "rolled-back"    // metadata is older than what was seen before
	NotSigned     Reason = "not-signed"     // fewer good signatures than the threshold
	Mismatch      Reason = "mismatch"       // length or hash is not what signed metadata says
	TooLarge      Reason = "too-large"      // longer than signed metadata, or a bound of ours, allows
	MissingTarget Reason = "missing-target" // the repository has no trusted root
	Malformed     Reason = "malformed"      // not TUF metadata, or a target that does not parse
	Unusable      Reason = "unusable"       // of this machine: arguments, files, permissions
)

var reasons = []Reason{Unreachable, Expired, RolledBack, NotSigned, Mismatch, TooLarge, MissingTarget, Malformed, Unusable}

// A Refusal is an error that says why there was no update.
type Refusal struct {
	Reason Reason
	Err    error
}

// Error returns the cause.
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// ParseUpdate reads what Marshal writes.
func ParseUpdate(data []byte) (*Update, error) {
	r, err := newReader(data)
	u := new(Update)
	if err == nil {
		err = r.update(u)
	}
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, fmt.Errorf("parsing record of an update: %w", err)
	}
	return u, nil
}

// ParseAnswer reads the line with which gitseal-tuf ends: an update, or the
// *Refusal that is the error.
//
//	{"update": {…}}
//	{"refusal": {"reason": "expired", "message": "…"}}
func ParseAnswer(line []byte) (*Update, error) {
	u, refusal, err := parseAnswer(line)
	if err != nil {
		return nil, fmt.Errorf("parsing answer of an update: %w", err)
	}
	if refusal != nil {
		return nil, refusal
	}
	return u, nil
}

func parseAnswer(line []byte) (*Update, *Refusal, error) {
	r, err := newReader(line)
	if err != nil {
		return nil, nil, err
	}
	var u *Update
	var refusal *Refusal
	err = r.Object(
		optional("update", func() error { u = new(Update); return r.update(u) }),
		optional("refusal", func() error { refusal = new(Refusal); return r.refusal(refusal) }),
	)
	if err == nil {
		err = r.End()
	}
	if err == nil && (u == nil) == (refusal == nil) {
		err = errors.New("want either an update or a refusal")
	}
	return u, refusal, err
}

func (r *reader) refusal(dst *Refusal) error {
	var reason, message string
	err := r.Object(
		required("reason", r.text(&reason)),
		required("message", r.text(&message)),
	)
	if err != nil {
		return err
	}
	for _, known := range reasons {
		if reason == string(known) {
			*dst = Refusal{known, errors.New(message)}
			return nil
		}
	}
	return at("reason", fmt.Errorf("unknown reason %q", reason))
}

func (r *reader) update(u *Update) error {
	err := r.Object(
		required("url", r.text(&u.URL)),
		required("updatedAt", r.time(&u.UpdatedAt)),
		required("expires", r.time(&u.Expires)),
		required("root", r.uint32(&u.Root)),
		required("timestamp", r.uint32(&u.Timestamp)),
		required("snapshot", r.uint32(&u.Snapshot)),
		required("targets", r.uint32(&u.Targets)),
		optional("firstRoot", r.digest(&u.FirstRoot)),
		required("trustedRoot", r.digest(&u.TrustedRoot)),
		optional("signingConfig", r.digest(&u.SigningConfig)),
	)
	if err != nil {
		return err
	}
	if u.TrustedRoot == ([32]byte{}) {
		return at("trustedRoot", errors.New("no digest"))
	}
	if _, err := ParseRepositoryURL(u.URL); err != nil {
		return at("url", err)
	}
	return nil
}

// digest returns a function that reads a SHA-256 in lower-case hexadecimal.
func (r *reader) digest(dst *[32]byte) func() error {
	return func() error {
		var sum []byte
		if err := r.Hex(&sum, len(dst))(); err != nil {
			return err
		}
		*dst = [32]byte(sum)
		return nil
	}
}

// ParseRepositoryURL parses the URL of a TUF repository: http or https, or
// file for one on a disk. It has no user, query or fragment.
func ParseRepositoryURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	switch u.Scheme {
	case "http", "https":
		_, err := checkURL(s)
		return u, err
	case "file":
		if u.Host != "" && u.Host != "localhost" || u.Path == "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			return nil, fmt.Errorf("%q is not file:// and an absolute path", s)
		}
		return u, nil
	}
	return nil, fmt.Errorf("%q is not an http, https or file URL", s)
}

type (
	jsonUpdate struct {
		URL           jsonText   `json:"url"`
		UpdatedAt     string     `json:"updatedAt"`
		Expires       string     `json:"expires"`
		Root          uint32     `json:"root"`
		Timestamp     uint32     `json:"timestamp"`
		Snapshot      uint32     `json:"snapshot"`
		Targets       uint32     `json:"targets"`
		FirstRoot     jsonDigest `json:"firstRoot,omitzero"`
		TrustedRoot   jsonDigest `json:"trustedRoot"`
		SigningConfig jsonDigest `json:"signingConfig,omitzero"`
	}
	jsonRefusal struct {
		Reason  Reason `json:"reason"`
		Message string `json:"message"`
	}
	jsonAnswer struct {
		Update  *jsonUpdate  `json:"update,omitempty"`
		Refusal *jsonRefusal `json:"refusal,omitempty"`
	}
)

// A jsonDigest is written in hexadecimal.
type jsonDigest [32]byte

// MarshalText returns d in hexadecimal.
func (d jsonDigest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

func newJSONUpdate(u *Update) *jsonUpdate {
	format := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
	return &jsonUpdate{
		jsonText(u.URL), format(u.UpdatedAt), format(u.Expires), u.Root, u.Timestamp, u.Snapshot, u.Targets,
		jsonDigest(u.FirstRoot), jsonDigest(u.TrustedRoot), jsonDigest(u.SigningConfig),
	}
}

// Follows checks that u is not older than an update before it, of the same
// repository: that no role of the metadata went back to an earlier version.
// A newer root may have the other roles begin anew, as their keys do (TUF
// specification 1.0.33, section 5.3.11).
func (u *Update) Follows(before *Update) error {
	if u.URL != before.URL || u.FirstRoot != before.FirstRoot {
		return nil
	}
	for _, role := range []struct {
		name        string
		now, before uint32
	}{
		{"root", u.Root, before.Root}, {"timestamp", u.Timestamp, before.Timestamp},
		{"snapshot", u.Snapshot, before.Snapshot}, {"targets", u.Targets, before.Targets},
	} {
		if role.now < role.before {
			return fmt.Errorf("version %d of %s is older than version %d, which was seen before", role.now, role.name, role.before)
		}
		if u.Root > before.Root {
			return nil
		}
	}
	return nil
}

// Marshal formats u as a file. What ParseUpdate would refuse is an error.
func (u *Update) Marshal() ([]byte, error) {
	text, err := indent(newJSONUpdate(u))
	if err == nil {
		_, err = ParseUpdate(text)
	}
	if err != nil {
		return nil, fmt.Errorf("formatting record of an update: %w", err)
	}
	return text, nil
}

// MarshalAnswer formats an update, or why there was none, as ParseAnswer reads
// it. An err that is no *Refusal is Unusable.
func MarshalAnswer(u *Update, err error) ([]byte, error) {
	var answer jsonAnswer
	if err == nil {
		answer.Update = newJSONUpdate(u)
	} else {
		refusal := &Refusal{Unusable, err}
		errors.As(err, &refusal)
		answer.Refusal = &jsonRefusal{refusal.Reason, err.Error()}
	}
	line, err := json.Marshal(answer)
	if err == nil {
		_, _, err = parseAnswer(line)
	}
	if err != nil {
		return nil, fmt.Errorf("formatting answer of an update: %w", err)
	}
	return append(line, '\n'), nil
}

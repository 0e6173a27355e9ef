package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"gitseal/gitutil"
	"gitseal/verifier"
)

// Entries finds log entries that do not travel in the signature they are
// about. It is asked by several goroutines at once.
type Entries interface {
	// Find returns the entries that are known of a certificate, in DER, as
	// verifier.Detached takes them. The one wanted is of the object with that
	// id. An error says that it could not be told whether there are more.
	Find(ctx context.Context, certificate []byte, object string) ([][]byte, error)

	// String says where entries are looked for, for messages: "the logs that
	// were asked".
	String() string
}

// maxLookups bounds the objects whose entries are looked for at the same time.
// They wait for servers, not for a processor.
const maxLookups = 16

// A lookup is a signature that nothing was embedded in, and the id that a log
// entry has to be of.
type lookup struct {
	split  gitutil.Split
	object string
}

// wants reports whether an entry of the object or of a mergetag in it has to
// be looked for before the verdict stands.
func (v *Verdict) wants() bool {
	for i := range v.mergetags {
		if v.mergetags[i].lookup != nil {
			return true
		}
	}
	return v.lookup != nil
}

// lookUp judges again what wants an entry, by those that are found.
func (j *Judge) lookUp(ctx context.Context, v *Verdict) {
	j.lookUpOne(ctx, v)
	for i := range v.mergetags {
		j.lookUpOne(ctx, &v.mergetags[i].Verdict)
	}
}

func (j *Judge) lookUpOne(ctx context.Context, v *Verdict) {
	l := v.lookup
	if l == nil {
		return
	}
	v.lookup, v.asked = nil, true
	found, err := j.Entries.Find(ctx, v.Failure.Unverified.Certificate.DER, l.object)
	if len(found) > 0 {
		j.slot(func() {
			v.set(j.Verifier.VerifyDetached(l.split.Payload, l.split.Signature, verifier.Detached{Object: l.object, Entries: found}, j.Allowed))
		})
	}
	if v.Class != verifier.NotLogged {
		return
	}
	// What is not found is not disproved.
	message := v.Message + "; none was found in " + j.Entries.String()
	if err != nil {
		v.unasked = err
		message = fmt.Sprintf("%s; whether a log has one could not be told: %v", v.Message, err)
	}
	v.Message = clip(message)
}

// slot runs f while no more goroutines judge than are allowed.
func (j *Judge) slot(f func()) {
	if j.slots != nil {
		j.slots <- struct{}{}
		defer func() { <-j.slots }()
	}
	f()
}

// entryObject returns the id that the log entry of a signature in gitsign's
// online mode is of: that of the object or, in a repository of another format,
// the one that it would have in a SHA-1 repository.
func entryObject(f gitutil.Format, oid string, s gitutil.Split) (string, error) {
	if f == gitutil.SHA1 {
		return oid, nil
	}
	return EntryObject(s.Payload, s.Signature)
}

// EntryObject returns the id that the log entry of a signature in gitsign's
// online mode is of: the SHA-1 of the commit or tag that gitsign puts together
// again of what git hands to its verifying program, with the header of a SHA-1
// repository as the last. It is computed from the bytes, as verifier.Detached
// demands; the signature over the payload is what counts, so collisions of
// SHA-1 lead to nothing that the signer did not sign. For an object that git
// would have written otherwise it is an id that no entry is of.
func EntryObject(payload, signature []byte) (string, error) {
	if bytes.HasPrefix(payload, []byte("object ")) {
		return gitutil.HashObject(gitutil.SHA1, "tag", append(bytes.Clone(payload), signature...))
	}
	headers, message, found := bytes.Cut(payload, []byte("\n\n"))
	if !found || !bytes.HasPrefix(payload, []byte("tree ")) {
		return "", errors.New("what is signed is neither commit nor tag")
	}
	value := bytes.ReplaceAll(bytes.TrimSuffix(signature, []byte("\n")), []byte("\n"), []byte("\n "))
	commit := bytes.Join([][]byte{headers, []byte("\ngpgsig "), value, []byte("\n\n"), message}, nil)
	return gitutil.HashObject(gitutil.SHA1, "commit", commit)
}

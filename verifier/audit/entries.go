package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

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

// Proofs finds proofs of signatures that were had after the signatures were made,
// where the repository keeps them. It is asked by several goroutines at once.
type Proofs interface {
	// Find returns the proofs that are said to be of a signature, by its key,
	// which verifier.ProofKey returns. An error says that it could not be told
	// whether there are more.
	Find(ctx context.Context, key [32]byte) ([]verifier.Proof, error)

	// Version is the same as long as Find returns the same for a key, and zero
	// if that is nothing. An error is that of Find.
	Version(ctx context.Context, key [32]byte) ([32]byte, error)
}

// maxLookups bounds the objects whose entries are looked for at the same time.
// They wait for servers, not for a processor.
const maxLookups = 16

// A lookup is a signature that nothing was embedded in.
type lookup struct {
	split  gitutil.Split
	object string // the id that an entry has to be of; "": none can be
}

// A proven is what was there to prove a signature when it was judged, by the
// signature's key: none, if the version is zero.
type proven struct {
	key, version [32]byte
}

// looks reports whether there is anywhere to look for what is not embedded.
func (j *Judge) looks() bool { return j.Entries != nil || j.Proofs != nil }

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

// lookUpOne looks in the repository first, which asks nobody, and elsewhere for
// what is not proven then. What does not prove a signature proves nothing
// against it: somebody may have put it there.
func (j *Judge) lookUpOne(ctx context.Context, v *Verdict) {
	l := v.lookup
	if l == nil {
		return
	}
	v.lookup = nil
	certificate := v.Failure.Unverified.Certificate.DER
	var outside verifier.Detached
	judge := func() {
		j.slot(func() { v.set(j.Verifier.VerifyDetached(l.split.Payload, l.split.Signature, outside, j.Allowed)) })
	}
	if j.Proofs != nil {
		var err error
		if outside.Proofs, v.proven, err = j.findProofs(ctx, l.split.Signature); err != nil {
			v.unasked = err
		}
		if len(outside.Proofs) > 0 {
			judge()
		}
		if v.Result != nil {
			v.unasked = nil
			v.Result.Notes = append(slices.DeleteFunc(v.Result.Notes, func(note string) bool { return note == outsideNote }), ProofsNote)
			return
		}
	}
	where := ""
	if j.Entries != nil && l.object != "" {
		v.asked = true
		found, err := j.Entries.Find(ctx, certificate, l.object)
		if len(found) > 0 {
			outside.Object, outside.Entries = l.object, found
			judge()
		}
		where = "; none was found in " + j.Entries.String()
		if err != nil {
			v.unasked = errors.Join(v.unasked, err)
		}
	}
	if v.Class != verifier.NotLogged {
		v.unasked = nil
		return
	}
	// What is not found is not disproved.
	message := v.Message + where
	if v.unasked != nil {
		message = fmt.Sprintf("%s; whether a log has one could not be told: %v", v.Message, v.unasked)
	}
	v.Message = clip(message)
}

// ProofsNote is the note of results that rest on a proof that the repository
// keeps.
const ProofsNote = "log entry from refs/gitseal/proofs"

// outsideNote is the verifier's for whatever is not embedded.
const outsideNote = "log entry from outside the signature"

// findProofs returns the proofs that the repository has of a signature, and how
// to see whether they are still those.
func (j *Judge) findProofs(ctx context.Context, signature []byte) ([]verifier.Proof, *proven, error) {
	p := new(proven)
	var err error
	if p.key, err = verifier.ProofKey(signature); err != nil {
		return nil, nil, err
	}
	if p.version, err = j.Proofs.Version(ctx, p.key); err != nil {
		// Some may be there all the same.
		found, _ := j.Proofs.Find(ctx, p.key) // with the same error
		return found, nil, err
	}
	if p.version == [32]byte{} {
		return nil, p, nil
	}
	found, err := j.Proofs.Find(ctx, p.key)
	return found, p, err
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

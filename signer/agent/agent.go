// Package agent keeps credentials between signatures: a process of the user's
// own that has the keys, signs for whoever runs as the same user, and keeps
// connections to the log and the time-stamp authority open.
//
// A private key never leaves it. It signs nothing but git objects: it is given
// a commit, a tag or a push certificate, makes the signed attributes itself,
// and gives back the finished signature, which its caller verifies again.
package agent

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"gitseal/verifier"
)

// An Instance is what the agent has to know of a Sigstore instance to sign with
// its servers.
type Instance struct {
	Name          string // for people: the directory, or "sigstore"
	TrustedRoot   []byte // trusted_root.json
	SigningConfig []byte // signing_config.json, with what settings replace in it
	CAs           []byte // PEM: whom to believe that a server is who it says, beside the system's; nil: no one
	Audience      string // whom tokens must be for
}

// Digest distinguishes instances: it is over all but the name.
func (in *Instance) Digest() [32]byte {
	h := sha256.New()
	for _, part := range [][]byte{in.TrustedRoot, in.SigningConfig, in.CAs, []byte(in.Audience)} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	return [32]byte(h.Sum(nil))
}

// ErrNoCredential means that the agent has no credential for what was asked,
// and nothing to get one with: somebody has to log in.
var ErrNoCredential = errors.New("the agent has no certificate for this")

// A SignRequest asks for a signature.
type SignRequest struct {
	Instance [32]byte // Digest of the instance
	Source   string   // the Key of the token source in use
	Expect   string   // the subject that the certificate must have; "": that of the last login
	Payload  []byte   // a git commit, tag or push certificate, as git hands it over
	Defer    string   // "", "unreachable" or "always": see signer.Defer
	Queue    string   // directory on this machine in which a signature without a log entry will wait; "": not told
}

// A SignAnswer is a signature.
type SignAnswer struct {
	Armored []byte // what git stores
	Pending bool   // the log has not recorded it yet
}

// A Credential is what an agent tells of one that it keeps.
type Credential struct {
	Instance    string // its name
	Digest      [32]byte
	Source      string // key of the token source
	Identity    verifier.Identity
	Certificate []byte    // DER
	NotAfter    time.Time // until when it signs
	Renewable   bool      // without asking anyone
	Current     bool      // of the last login for this instance and source: who signs unless another is asked for
	Signatures  int       // made with it and its predecessors
}

// A Status is what an agent tells of itself.
type Status struct {
	Version     string
	PID         int
	Started     time.Time
	Ends        time.Time // when it ends unless something is asked of it
	Confirms    bool      // asks before each signature
	Locked      bool      // its memory is never written to a disk
	Credentials []Credential
}

// Package policy decides who may sign what, and when: the policy file, a TOML
// document that names identities and the times for which each is good, and
// what each may sign.
//
//	version     = 1
//	key-time    = "claimed"   # judge keys at the time that signatures claim; without: at that of judging ("now")
//	accept-weak = ["sha1"]    # algorithms that are too weak today and accepted nevertheless
//
//	[identity.alice]
//	subject = "alice@example.com"
//	issuer  = "https://accounts.google.com"
//	until   = 2026-06-30T00:00:00Z
//	email   = ["alice@corp.example.com"]
//
//	[identity.release]
//	subject-pattern = "https://github.com/acme/app/.github/workflows/*@refs/tags/*"
//	issuer          = "https://token.actions.githubusercontent.com"
//	compromised     = {from = 2026-02-01T09:00:00Z, until = 2026-02-03T12:00:00Z}
//	kind            = "bot"
//
//	[identity.forge]
//	openpgp = "968479A1AFF927E37D1A566BB5690EEEBB952194"
//	kind    = "forge"
//
//	[[rule]]
//	name      = "main"
//	refs      = ["refs/heads/main", "refs/heads/release/*"]
//	paths     = ["infra/**", "!infra/README.md"]
//	allow     = ["alice", "forge"]
//	match     = ["author", "committer"]
//	threshold = 1
//	immutable = true
//
//	[baseline]
//	after  = ["2f1e…"]
//	reason = "from here on we sign"
//
//	[[exempt]]
//	object = "77ab…"
//	reason = "signed by the intern's old laptop"
//	until  = 2027-01-01T00:00:00Z
//
// The file is strict, for a key that is ignored is a rule that is not
// enforced: what this version does not know is an error that names the line.
// Of the ways TOML has to write the same thing only the one above is taken,
// so that each identity is one block of text, which Allow adds and Remove
// removes without touching a byte of the others.
//
// # Identities
//
// An identity names its signer in exactly one way: by issuer and subject (or
// subject-pattern) of a keyless certificate; by openpgp, the fingerprint of a
// primary key, 40 or 64 hexadecimal digits without spaces; by ssh, a key's
// fingerprint ("SHA256:…") or the key itself ("ssh-ed25519 AAAA…"), of which a
// comment behind it, as ssh-keygen writes one, is ignored; by ssh-principal, a
// name that the allowed signers in force give; or by x509-issuer and subject
// (or subject-pattern) of a certificate by an authority that the caller
// trusts. openpgp, ssh and email take one string or an array. All of these are
// compared byte for byte: what differs in case, or only looks alike, differs.
//
// Windows and compromised are judged by proven time, that of a log or a
// time-stamp authority. Signatures by OpenPGP and SSH keys do not prove any, so
// an entry that has one of the two allows them only under key-time =
// "claimed", which believes what signatures say of their own time.
//
// # Rules
//
// A rule is for the refs that its patterns match, whole: * and ? stay within a
// level, ** stands for any levels. refs/remotes/NAME/X counts as refs/heads/X.
// By refs outside refs/tags/ a rule governs the commits that they reach, by
// those inside the tags that they hold, not the commits behind them. A rule
// with paths governs the commits that change a path that those match, as
// gitignore(5) has it: the last pattern that matches decides, ! negates, and
// what is in a folder that matches cannot be taken out again but with the
// folder ("infra/**", "!infra/doc/", "!infra/doc/**"). A pattern for a folder
// also matches what may be one, such as a submodule.
//
// Every rule that governs an object has to be satisfied; an object that none
// governs may be signed by any identity of the policy. A rule is satisfied if
// its allow names an identity of the signer; if the e-mail address in the
// object that match names is the signer's; and if as many identities as
// threshold says, all named by allow, stand behind the object: its signer and
// those who vouch for it; a merge that git would make of the same parents needs
// nobody else, for it adds nothing. Identities that may be one person count once: those
// that share a subject, a key or an address, and patterns that match another's.
// Forges never count. A rule with lightweight lets lightweight tags stand at
// its refs, which nobody can have signed, and one with immutable has its refs
// stay as an audit once saw them.
//
// Addresses are the signer's if the certificate, the OpenPGP user id or the
// allowed signers say so, or email lists them. For OpenPGP keys email stands
// in place of the user id, which the key's holder can write. Upper and lower
// case letters are the same in an address's domain, and nowhere else. Of tags
// both author and committer are the tagger, and what a forge merges has
// somebody else as its author, so that author is not asked of forges.
//
// A forge may sign merges only, and a merge that git would not make is a
// finding, whatever rules say.
//
// # Baseline
//
// What the commits in after reach is exempt, they themselves included. Tags are
// not: an old commit can get a new tag any day. The id of a tag in after exempts
// that tag, and that of a commit the lightweight tags of it, as does exempt.
//
// The package reads no file and no clock.
package policy

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"gitseal/verifier"
)

// A Policy says which identities may sign what, and when. It does not change
// once it is parsed and may be used by several goroutines at once. The zero
// Policy allows nobody.
type Policy struct {
	digest   [sha256.Size]byte
	claimed  bool // key-time = "claimed"
	weak     []string
	entries  []*entry // in the order of the file
	byName   map[string]*entry
	signers  signerIndex
	rules    []*rule // in the order of the file
	refs     refIndex
	baseline baseline
	exempt   []*exempt // in the order of the file
	exempted map[string]*exempt

	fold   sync.Once // makes the next
	folded []folded  // what Near compares, for each of entries
}

// Digest returns the SHA-256 of the file that the policy was parsed from.
func (p *Policy) Digest() [32]byte { return p.digest }

// Identities returns the entries in the order of the file.
func (p *Policy) Identities() []Entry { return copyEntries(p.entries) }

// copyEntries returns entries that share no memory with the policy.
func copyEntries(entries []*entry) []Entry {
	var list []Entry
	for _, e := range entries {
		list = append(list, e.Entry.clone())
	}
	return list
}

// KeyRules returns how keys are judged at a time: what the policy says of
// claimed times and weak algorithms.
func (p *Policy) KeyRules(at time.Time) verifier.KeyRules {
	return verifier.KeyRules{At: at, AtSigning: p.claimed, Weak: slices.Clone(p.weak)}
}

package report

import "gitseal/verifier"

// A Description says what a class or another finding means. docs/findings.md
// says more.
type Description struct {
	ID       string
	Severity Severity // for a class that of its objects, mergetags aside
	Title    string   // a few words
	Help     string   // a sentence or two
	// Hint is what to do, with the words of Finding.Hint in it; "" where nothing
	// has to be done.
	Hint string
}

// IDs returns the id of every finding: the classes, in the order of the
// totals, and then the others.
func IDs() []string {
	var all []string
	for i := range descriptions {
		all = append(all, descriptions[i].ID)
	}
	return all
}

// Describe returns the description of a finding's id, and whether it is known.
func Describe(id string) (Description, bool) {
	if i := indexOf(id); i >= 0 {
		return descriptions[i], true
	}
	return Description{ID: id}, false
}

func indexOf(id string) int {
	for i := range descriptions {
		if descriptions[i].ID == id {
			return i
		}
	}
	return -1
}

// classCount is how many of the descriptions are classes: the first ones.
const classCount = 18

var descriptions = []Description{
	{string(verifier.Verified), Note, "valid signature",
		"The signature is valid, and with a policy its signer was allowed to make it.", ""},
	{string(verifier.IdentityNotAllowed), Error, "signer is not allowed",
		"The signature is valid, and the policy does not allow its signer there, or not at that time.",
		"if this signer is expected, let the policy allow them: gitseal policy allow --help"},
	{string(verifier.BadSignature), Error, "signature is wrong",
		"The signature is not over these bytes, or not by the key that it names. The object may have been changed after it was signed.",
		"find who changed it: gitseal show OID"},
	{string(verifier.BadLogProof), Error, "log proof is wrong",
		"A log entry is embedded that does not prove that the log recorded this signature.",
		"see which proof failed: gitseal show OID"},
	{string(verifier.UntrustedCertificate), Error, "certificate is not trusted",
		"The certificate is by no authority that is trusted, or no trusted log vouches for its issuance.",
		"if its authority is one of yours, trust it too: git config --add gitseal.trustedRoot /path/to/its/trusted_root.json"},
	{string(verifier.UntrustedLog), Error, "log is not trusted",
		"The log entry is of a log that is not trusted, or was not at that time.",
		"if the log is one of yours, trust it too: git config --add gitseal.trustedRoot /path/to/its/trusted_root.json"},
	{string(verifier.BadTime), Error, "no valid time is proven",
		"No time is proven at which the signature existed, or its certificate was not valid at that time.",
		"see which times it carries: gitseal show OID"},
	{string(verifier.NotLogged), Warning, "no proof of logging",
		"The signature fits, and there is no proof that a log recorded it, so nothing says that it was made while its certificate was valid.",
		"have its entry looked up with --online, or give it with gitseal log import FILE; if it was deferred, have it recorded with gitseal log flush, or fetch its proof: git fetch REMOTE refs/gitseal/proofs:refs/gitseal/remotes/REMOTE"},
	{string(verifier.Revoked), Error, "key is revoked",
		"The key or certificate was revoked.",
		"find out since when the key is not to be trusted"},
	{string(verifier.ExpiredKey), Error, "key or signature has expired",
		"The key, or the signature itself, is outside of the time for which it is valid.",
		"get the key again, its owner may have extended it; or let the policy believe the dates that signatures claim: key-time = \"claimed\""},
	{string(verifier.UnknownKey), Warning, "key is not known",
		"The signature is by a key that is not among the known ones, so it could not be checked.",
		"get the key from a source you trust, not from where the signature came from, and name it: --openpgp-keyring, --allowed-signers, or ssh = \"SHA256:…\" in the policy"},
	{string(verifier.WeakAlgorithm), Error, "algorithm is too weak",
		"The signature relies on an algorithm that proves nothing any more.",
		"sign again; what made this signature is out of date"},
	{string(verifier.MalformedSignature), Error, "signature is malformed",
		"What stands in the place of a signature is not one, or not in a form that has a single meaning.",
		"see what is there instead of a signature: git cat-file -p OID"},
	{string(verifier.UnsupportedSignature), Warning, "signature is of a kind that is not known",
		"There is a signature, in a format that is not verified here.",
		"check it with the program that made it: git verify-commit OID, git verify-tag OID"},
	{string(Unsigned), Error, "no signature",
		"There is no signature.",
		"sign from now on: gitseal init; then audit what comes after: gitseal audit OID..HEAD"},
	{string(MalformedObject), Error, "object is malformed",
		"The object is not what its id says, or no commit or tag that can be read in one way only.",
		"check the repository: git fsck; compare with another clone"},
	{string(MissingObject), Warning, "object is missing",
		"The repository does not hold an object that its history names. What is behind it was not examined either.",
		"fetch what is missing, then audit again: git fetch; git fsck"},
	{string(Exempt), Note, "exempt by the policy",
		"The policy says that this object need not be good.", ""},

	// The others, from here on.
	{LogFork, Error, "log contradicts itself",
		"A transparency log signed two checkpoints that cannot both be of one history that only grows.",
		LogForkHint},
	{"committer-mismatch", Error, "committer is not the signer",
		"The committer, or the tagger, is not the person who signed, though the policy asks for that.",
		"see which rule asks for it: EXPLAIN"},
	{"author-mismatch", Error, "author is not the signer",
		"The author is not the person who signed, though the policy asks for that.",
		"see which rule asks for it: EXPLAIN"},
	{"forge-content", Error, "forge changed content",
		"A commit signed by the forge is no merge, or its tree is not what a plain merge of its parents yields. A forge may merge, and nothing else.",
		"see what it changed: git show --remerge-diff OID; and which rule is for it: EXPLAIN"},
	{"threshold-not-met", Error, "too few people vouch for it",
		"Fewer different people vouch for the object than the policy demands.",
		"see who does: EXPLAIN"},
	{"lightweight-tag", Error, "tag is not annotated",
		"The tag is a name and no object, so it cannot be signed, though the policy demands it.",
		"replace it by a signed tag of the same object, NAME being the tag's: git tag -s -f NAME NAME^{}"},
	{"tag-name-mismatch", Error, "tag has another name inside",
		"The tag object names itself otherwise than the ref that holds it: a signed tag was put in the place of another.",
		"compare the two: git cat-file -p OID"},
	{"tag-moved", Error, "tag was moved",
		"The tag held another object at the last audit. Tags stay where they are.",
		"ask who moved it; the object it held is in the state file"},
	{"tag-deleted", Error, "tag was deleted",
		"The tag was there at the last audit and is gone.",
		"ask who deleted it; the object it held is in the state file"},
	{"ref-rewound", Error, "branch was rewound",
		"The branch no longer contains the commit that it held at the last audit: its history was rewritten or rolled back.",
		"see what it holds now: git log OID; what it held is in the message and in the state file"},
	{"ref-deleted", Error, "branch was deleted",
		"The branch was there at the last audit and is gone.",
		"ask who deleted it; the commit it held is in the state file"},
	{"policy-change-not-allowed", Error, "policy was changed without permission",
		"The commit changes the policy file and does not satisfy the policy that was in force before it.",
		"see which rule it breaks: EXPLAIN"},
	{"rule-not-applied", Warning, "a rule could not be applied",
		"A rule of the policy asks for what could not be read, such as the paths that the commit changes or a merge of its parents, so it could not be told whether the rule is satisfied.",
		"see which rule it is: EXPLAIN; fetch what is missing and audit again: git fetch; git fsck"},

	{"time-skew", Note, "date is far from the proven time",
		"The date in the commit or tag is far from the time that is proven. Clocks can be wrong, and dates can be made up.", ""},
	{"certificate-reused", Note, "certificate used more than once",
		"A certificate that is meant for minutes of work was used for several repositories, or is valid for more than an hour.", ""},
	{"key-after-until", Note, "key used after its end",
		"The key signed after the time until which the policy allows it.",
		"find out who still has the key"},
	{"identity-unlike-committer", Note, "committer is unlike the signer",
		"The address of the committer or tagger is not the identity that signed. No rule forbids it.", ""},
	{"exemption-expired", Note, "exemption has expired",
		"The policy exempted this object until a time that has passed, so it is judged like any other.",
		"make it good, or renew the exemption in the policy"},
}

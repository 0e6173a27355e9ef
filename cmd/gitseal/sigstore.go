package main

import _ "embed" // for the files below

// The public good instance, as it was when this program was made: what its
// signatures are verified with on a machine that never asked its TUF
// repository. Where the files come from is in sigstore/README.md.
var (
	//go:embed sigstore/trusted_root.json
	builtInTrustedRoot string
	//go:embed sigstore/signing_config.json
	builtInSigningConfig string
)

// builtInDate is when the files above were taken.
const builtInDate = "2026-11-21"

// sigstoreURL is the TUF repository of the public good instance. Its root is
// built into gitseal-tuf.
const sigstoreURL = "https://tuf-repo-cdn.sigstore.dev"

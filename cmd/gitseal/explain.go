package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"gitseal/fakeca"
	"gitseal/internal/transport"
	"gitseal/signer"
	"gitseal/verifier"
)

// askDoctor is the command that finds out what is wrong with signing.
const askDoctor = "gitseal doctor"

// explain gives the exit code and the next command for a signature that could
// not be made.
func (sig *signing) explain(what string, err error) error {
	err = fmt.Errorf("%s: %w", what, err)
	var token *signer.TokenError
	var lost *transport.Error
	var status *transport.StatusError
	var invalid *verifier.VerifyError
	switch {
	case errors.Is(err, fakeca.ErrCorrupt):
		return fail(exitEquivocation, err, replaceAuthority)
	case errors.Is(err, errNoToken):
		return fail(exitUsage, err, wantToken)
	case errors.As(err, &token):
		return fail(exitUsage, err, wantToken, askDoctor+"   # says for whom the token is, and until when")
	case errors.As(err, &lost):
		return explainLost(err, lost)
	case errors.As(err, &status):
		return explainStatus(err, status)
	case sig.local == nil && errors.As(err, &invalid) && isUntrusted(invalid.Class):
		return fail(exitUnknown, err, "gitseal trust show   # whom the trusted root names",
			updateTrust+"   # where it comes from a TUF repository: the servers' keys may be newer")
	}
	return fail(exitUnknown, err, askDoctor)
}

// wantToken says how to sign with a token.
const wantToken = "export " + tokenVariable + `="$(...)"   # a new identity token, from your OpenID Connect provider, for audience sigstore or gitseal.clientID`

// isUntrusted reports whether a class means that somebody is not in the trusted
// root.
func isUntrusted(class verifier.Class) bool {
	return class == verifier.UntrustedLog || class == verifier.UntrustedCertificate || class == verifier.BadTime
}

// explainLost explains that a server gave no answer.
func explainLost(err error, lost *transport.Error) error {
	var unknown x509.UnknownAuthorityError
	switch {
	case lost.Attempts == 0: // it was not asked
		return fail(exitUsage, err, askDoctor+"   # says which servers sign, and where that is set")
	case errors.As(err, &unknown):
		return fail(exitUnknown, err, "git config --global --add gitseal.caFile /path/to/ca.pem   # if you know whose authority that is")
	}
	return fail(exitUnknown, err, "check the network, and HTTPS_PROXY if there is a proxy", askDoctor+"   # asks each server")
}

// explainStatus explains that a server refused.
func explainStatus(err error, status *transport.StatusError) error {
	switch code := status.Status; {
	case status.Service == "Fulcio" && (code == http.StatusBadRequest || code == http.StatusUnauthorized || code == http.StatusForbidden):
		return fail(exitUsage, err, askDoctor+"   # says for whom the token is, and whose tokens the server takes")
	case code == http.StatusNotFound || code == http.StatusMethodNotAllowed || code == http.StatusNotImplemented:
		return fail(exitUsage, err, askDoctor+"   # says which servers sign, and where that is set")
	case code == http.StatusTooManyRequests || code >= 500:
		return fail(exitUnknown, err, "sign again later", askDoctor+"   # asks each server")
	}
	return fail(exitUnknown, err, askDoctor)
}

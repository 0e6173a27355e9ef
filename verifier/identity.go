package verifier

// An Identity is who a certificate speaks for: the OpenID Connect issuer that
// vouched for the signer and the subject it vouched for (an e-mail address, a
// workflow URI, a user name). Both are compared byte for byte and never
// normalised: issuers such as "https:%2F%2Faccounts.google.com" occur in real
// certificates and are not the issuer they resemble.
type Identity struct {
	Issuer  string
	Subject string
}

// String returns the identity as people read it: subject, then issuer in
// parentheses.
func (id Identity) String() string {
	return id.Subject + " (" + id.Issuer + ")"
}

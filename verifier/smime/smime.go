// Package smime verifies git signatures in CMS (RFC 5652) by certificates that
// live for years, of authorities that the caller names: those that smimesign
// and gpgsm make with a company's or a public authority's S/MIME certificates.
//
// The verdict depends on the signed bytes, the signature, the certificates and
// revocation lists that the caller hands in, and the time for which it asks.
// The package opens no file or socket, looks at no clock and never uses the
// certificates of the machine it runs on. It asks nobody whether a certificate
// is revoked: that is what revocation lists in Config are for.
//
// # Whose signature is it to judge?
//
// git calls these signatures and keyless ones by the same armor. Which of two
// verifiers a signature is for is decided by one thing, before any check, and
// by nothing that a check says: whether the certificate that the signer
// identifier names carries an extension of Sigstore (1.3.6.1.4.1.57264.1).
// Takes answers it. A signature that Takes does not claim is refused by Verify
// as well, so that the answer cannot be forgotten.
//
// No keyless check that fails can be made good here:
//
//   - Whoever holds a certificate of a keyless authority cannot take the
//     extension off, for the authority signed it; and without its extension
//     package verifier accepts none. So a signature that package verifier
//     could accept is never this package's.
//   - Whoever leaves the extension out, or makes up a certificate, has to have
//     it signed by an authority below Config.Roots. What is issued by a
//     certificate authority of Config.TrustedRoots is refused even so: an
//     instance whose authority stands below a company's root does not lend
//     that root's trust to certificates that are to live for minutes.
//   - Whoever adds the extension to a certificate of another authority only
//     hands the signature to package verifier, which does not know that
//     authority.
//
// # What is checked
//
// One detached signature with signed attributes, by SHA-256, SHA-384 or
// SHA-512 and RSA (PKCS #1 v1.5 or PSS), ECDSA on P-256, P-384 or P-521, or
// Ed25519 (RFC 8419); a signer that is no authority itself, whose key usage
// allows signatures and whose extended key usage is e-mail protection or code
// signing, any, or not there; a chain to one of Config.Roots as crypto/x509
// checks it (RFC 5280, section 6), all of it good at one time, with authorities
// whose certificates say that they are, roots too; no listing in a revocation
// list. Signed attributes that are not in DER order count as signed
// in the order in which they stand, as openssl and gpgsm have it: smimesign wrote
// such ones in 2020.
//
// The time is the earliest that a time-stamp proves, else KeyRules.At or, with
// KeyRules.AtSigning, the signing time that the signature claims, unless that
// is later than KeyRules.At.
//
// KeyRules.Weak may name "sha1", for the digest that is signed, and "rsa1024",
// for RSA keys of 1024 to 2047 bits, of the signer or an authority.
// Certificates that are signed with SHA-1 count as not signed, whatever it
// names.
package smime

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"gitseal/verifier"
)

// A Config says whom to trust, and how to judge. Nothing in it may be changed
// once New has it.
type Config struct {
	// Roots are trusted to issue certificates, or, where one is no authority,
	// to sign. At least one is required.
	Roots []*x509.Certificate
	// Intermediates may stand between, beside those that a signature carries,
	// and be the signer's where it carries none. They are not trusted. Nil:
	// none.
	Intermediates []*x509.Certificate
	// Lists are revocation lists, each of which counts under a chain that
	// vouches for its issuer. Certificates whose issuer has none are not checked
	// for revocation; if there are lists at all, a note says so. Nil: none.
	Lists []*x509.RevocationList
	// Rules say at which time certificates have to be good, and what is weak.
	Rules verifier.KeyRules
	// TrustedRoots are those by which keyless signatures are verified: what
	// their certificate authorities issued is no business of this package.
	// Nil: none are.
	TrustedRoots []*verifier.TrustedRoot
	// Timestamps checks that an RFC 3161 token in DER, which may be hostile, is
	// one over a signature value by a trusted authority, and returns its time.
	// It may be called by several goroutines at once. Where its error is a
	// *verifier.KeyError, the class of that is the verdict's, and bad-time
	// otherwise; but unknown-key, that no trusted authority made the token,
	// only means that nothing is proven. Nil: no token proves anything. What
	// it depends on is not in Digest.
	Timestamps func(token, signature []byte) (time.Time, error)
}

// A Verifier verifies signatures by certificates below fixed roots. It may be
// used by several goroutines at once.
type Verifier struct {
	rules         verifier.KeyRules
	roots         *x509.CertPool
	intermediates *x509.CertPool
	named         []*x509.Certificate // roots and intermediates
	keyless       []*x509.Certificate // authorities that issue for minutes
	lists         map[string][]*list  // by issuer
	timestamps    func(token, signature []byte) (time.Time, error)
	digest        [32]byte
	seen          seen
}

// New returns a Verifier. An error says what in cfg cannot be used.
func New(cfg Config) (*Verifier, error) {
	v, err := newVerifier(cfg)
	if err != nil {
		return nil, fmt.Errorf("making an X.509 verifier: %w", err)
	}
	return v, nil
}

func newVerifier(cfg Config) (*Verifier, error) {
	if len(cfg.Roots) == 0 {
		return nil, errors.New("no root")
	}
	// crypto/x509 takes a zero time for now.
	if cfg.Rules.At.IsZero() {
		return nil, errors.New("no time at which certificates have to be good")
	}
	v := &Verifier{
		rules: cfg.Rules, roots: x509.NewCertPool(), intermediates: x509.NewCertPool(),
		named: slices.Concat(cfg.Roots, cfg.Intermediates), timestamps: cfg.Timestamps,
		lists: make(map[string][]*list),
	}
	v.rules.Weak = slices.Clone(cfg.Rules.Weak)
	for _, root := range cfg.TrustedRoots {
		for _, a := range root.CertificateAuthorities {
			v.keyless = append(v.keyless, a.Chain[0])
		}
	}
	for _, cert := range cfg.Roots {
		if slices.ContainsFunc(v.keyless, func(a *x509.Certificate) bool { return sameAuthority(a, cert) }) {
			return nil, fmt.Errorf("root %q issues the certificates of keyless signatures", cert.Subject)
		}
		v.roots.AddCert(cert)
	}
	for _, cert := range cfg.Intermediates {
		v.intermediates.AddCert(cert)
	}
	for _, crl := range cfg.Lists {
		l, err := newList(crl)
		if err != nil {
			return nil, fmt.Errorf("revocation list of %q: %w", crl.Issuer, err)
		}
		v.lists[string(crl.RawIssuer)] = append(v.lists[string(crl.RawIssuer)], l)
	}
	v.digest = digest(&cfg)
	return v, nil
}

// Digest is the SHA-256 over all that verdicts depend on beside the bytes,
// KeyRules.At and what Timestamps depends on.
func (v *Verifier) Digest() [32]byte { return v.digest }

// digest writes sets, each as its size and its members' digests in ascending
// order, so that neither order nor repetition matters.
func digest(cfg *Config) [32]byte {
	h := sha256.New()
	h.Write([]byte("gitseal smime 2\n"))
	set := func(n int, member func(i int) [32]byte) {
		all := make([][32]byte, n)
		for i := range all {
			all[i] = member(i)
		}
		slices.SortFunc(all, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
		all = slices.Compact(all)
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(all))))
		for _, d := range all {
			h.Write(d[:])
		}
	}
	set(len(cfg.Roots), func(i int) [32]byte { return sha256.Sum256(cfg.Roots[i].Raw) })
	set(len(cfg.Intermediates), func(i int) [32]byte { return sha256.Sum256(cfg.Intermediates[i].Raw) })
	set(len(cfg.Lists), func(i int) [32]byte { return sha256.Sum256(cfg.Lists[i].Raw) })
	set(len(cfg.TrustedRoots), func(i int) [32]byte { return cfg.TrustedRoots[i].Digest() })
	set(len(cfg.Rules.Weak), func(i int) [32]byte { return sha256.Sum256([]byte(cfg.Rules.Weak[i])) })
	var flags [2]byte
	if cfg.Rules.AtSigning {
		flags[0] = 1
	}
	if cfg.Timestamps != nil {
		flags[1] = 1
	}
	h.Write(flags[:])
	return [32]byte(h.Sum(nil))
}

// Verify judges one signature, as git stores it, over payload. err is nil only
// if every check passed; otherwise it is a *verifier.KeyError of class
//
//   - malformed-signature or unsupported-signature: it could not be read;
//   - unknown-key: the signer's certificate is neither in it nor in Config, or
//     whether a certificate is revoked could not be told;
//   - untrusted-certificate: no chain leads to a root, whether or not the
//     signature is right, or it is a keyless one;
//   - bad-signature: it is by a certificate with such a chain, and not right;
//   - bad-time: a time-stamp is wrong;
//   - revoked, expired-key, weak-algorithm: that is all that is wrong.
func (v *Verifier) Verify(payload, signature []byte) (*verifier.KeyResult, error) {
	m, kerr := open(signature, v.named)
	if kerr != nil {
		return nil, kerr
	}
	if isKeyless(m.leaf) {
		return nil, m.fail(verifier.UntrustedCertificate, errors.New("certificate is of Sigstore's kind, which only a trusted root and a log vouch for"))
	}
	kerr = v.judge(m, payload)
	if kerr == nil {
		return &m.facts, nil
	}
	// Valid repeats Unverified where the signature is right.
	switch kerr.Class {
	case verifier.Revoked, verifier.ExpiredKey, verifier.WeakAlgorithm:
		if m.right {
			valid := kerr.Unverified
			kerr.Valid = &valid
		}
	}
	return nil, kerr
}

// judge makes the checks, in the order of the argument: the certificate's key
// signed these bytes; at a time; the certificate is one of a chain to a root,
// good at that time; nobody has revoked it; all of it is strong enough.
func (v *Verifier) judge(m *message, payload []byte) *verifier.KeyError {
	if kerr := m.checkPayload(payload); kerr != nil {
		return v.strange(m, kerr)
	}
	if kerr := v.readStamps(m); kerr != nil {
		return v.strange(m, kerr)
	}
	m.right = true
	at := v.judgedAt(m)

	chains, err := v.chains(m, at)
	if err != nil {
		return v.checkExpired(m, at, err)
	}
	if kerr := v.checkRevoked(m, chains, at); kerr != nil {
		return v.lapsing(m, kerr)
	}
	chain, kerr := v.strong(m, chains)
	if kerr != nil {
		return v.lapsing(m, kerr)
	}
	v.setLapses(m, chain)
	return nil
}

// checkExpired says why there is no chain at a time: because there never was,
// or because of the time, which err does not tell apart.
func (v *Verifier) checkExpired(m *message, at time.Time, err error) *verifier.KeyError {
	chains, never := v.everChained(m)
	if never != nil {
		return m.fail(verifier.UntrustedCertificate, never)
	}
	why := expiry(chains[0], at)
	if why == nil {
		// The certificates carried led crypto/x509 astray, to its limit.
		return m.fail(verifier.UntrustedCertificate, err)
	}
	// Lists that do not reach up to that time are none to wait for.
	if kerr := v.checkRevoked(m, chains, at); kerr != nil && kerr.Class == verifier.Revoked {
		return v.lapsing(m, kerr)
	}
	return v.lapsing(m, m.fail(verifier.ExpiredKey, why))
}

// strange returns kerr, which says that something about a signature is wrong.
// Where it is a stranger's, that says nothing about anyone we trust.
func (v *Verifier) strange(m *message, kerr *verifier.KeyError) *verifier.KeyError {
	if _, err := v.everChained(m); err != nil {
		kerr.Class = verifier.UntrustedCertificate
		kerr.Err = fmt.Errorf("%w, and %w", err, kerr.Err)
	}
	return kerr
}

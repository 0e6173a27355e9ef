// Package trust reads and writes the two files that describe a Sigstore
// instance: the trusted root, which says whose signatures count and when, and
// the signing config, which says which servers to ask.
//
// Both are the JSON forms of dev.sigstore.trustroot.v1 messages
// (sigstore/protobuf-specs). Of everything ProtoJSON lets a reader accept, the
// parsers here take one form only: each field at most once, under its
// lowerCamelCase name, never null, known to this package, and nothing after the
// document. A file that says something this package does not understand is
// refused rather than trusted in part. An error names the place:
//
//	certificateAuthorities[1].certChain.certificates[0]: …
//
// The package never reads a file, asks the network or looks at the clock, and
// it checks no signature: that a root is authentic is for its caller to know.
package trust

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// RootMediaType is the media type of the trusted root format read and written
// here. The later "application/vnd.dev.sigstore.trustedroot.v0.2+json" is
// refused: it identifies logs by another field.
const RootMediaType = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"

// The public instances list two to five of each thing; the bounds leave room
// and keep a hostile file small.
const (
	maxFile  = 1 << 20
	maxList  = 256
	maxChain = 16
)

// A Window is a span of time, inclusive at both ends. A zero End means that it
// is still open.
type Window struct {
	Start, End time.Time
}

// Contains reports whether t lies in the window.
func (w Window) Contains(t time.Time) bool {
	return !t.Before(w.Start) && (w.End.IsZero() || !t.After(w.End))
}

// overlaps reports whether some instant lies in both windows.
func (w Window) overlaps(v Window) bool {
	return (w.End.IsZero() || !v.Start.After(w.End)) && (v.End.IsZero() || !w.Start.After(v.End))
}

// A Log is a transparency log, for entries or for certificates.
type Log struct {
	BaseURL    string           // http or https URL; "" if the file gives none
	KeyID      []byte           // log id, 32 bytes: SHA-256 of SPKI, or the note key id of the BaseURL's host
	PublicKey  crypto.PublicKey // *ecdsa.PublicKey, ed25519.PublicKey or *rsa.PublicKey
	SPKI       []byte           // PublicKey as DER SubjectPublicKeyInfo
	KeyDetails string           // name in dev.sigstore.common.v1.PublicKeyDetails, for example "PKIX_ED25519"
	ValidFor   Window           // when the key may have signed
}

// Origin returns the name under which a Rekor v2 log signs checkpoints: the
// host of its BaseURL without port; "" if the file gives no URL.
func (l *Log) Origin() string {
	host, err := checkURL(l.BaseURL)
	if err != nil {
		return ""
	}
	return host
}

// An Authority is a certificate authority or a timestamp authority.
type Authority struct {
	URI          string              // http or https URL; "" if the file gives none
	Organization string              // of the subject; informative
	CommonName   string              // of the subject; informative
	Chain        []*x509.Certificate // issuing certificate (of a timestamp authority: its leaf) first, trust anchor last
	ValidFor     Window              // when the whole chain counts
	Operator     string              // host-like name of who runs it; "" if the file gives none
}

// A TrustedRoot says which logs and authorities to believe, and when. Each list
// may be empty: without certificate authorities it vouches for nobody, and
// serves for signatures by managed keys. Treat it, and all that hangs off it,
// as read-only: it is shared.
type TrustedRoot struct {
	TLogs                  []Log       // transparency logs of signatures
	CTLogs                 []Log       // transparency logs of certificates
	CertificateAuthorities []Authority // issuers of signing certificates
	TimestampAuthorities   []Authority // issuers of RFC 3161 timestamps

	digest [sha256.Size]byte // of the text it was parsed from; zero: built in memory
}

// Parse reads a trusted root of media type RootMediaType.
func Parse(data []byte) (*TrustedRoot, error) {
	root, err := parseRoot(data)
	if err != nil {
		return nil, fmt.Errorf("parsing trusted root: %w", err)
	}
	return root, nil
}

// Digest returns the SHA-256 of the text that r was parsed from, or, if r was
// built in memory, of what Marshal returns (zero if that is an error).
func (r *TrustedRoot) Digest() [32]byte {
	if r.digest != ([sha256.Size]byte{}) {
		return r.digest
	}
	text, err := r.Marshal()
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(text)
}

func parseRoot(data []byte) (*TrustedRoot, error) {
	r, err := newReader(data)
	if err != nil {
		return nil, err
	}
	root := &TrustedRoot{digest: sha256.Sum256(data)}
	var mediaType string
	err = r.Object(
		required("mediaType", r.text(&mediaType)),
		optional("tlogs", r.logs(&root.TLogs)),
		optional("certificateAuthorities", r.authorities(&root.CertificateAuthorities)),
		optional("ctlogs", r.logs(&root.CTLogs)),
		optional("timestampAuthorities", r.authorities(&root.TimestampAuthorities)),
	)
	if err != nil {
		return nil, err
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	if mediaType != RootMediaType {
		return nil, at("mediaType", fmt.Errorf("unsupported media type %q", mediaType))
	}
	return root, nil
}

// logs reads a list of dev.sigstore.trustroot.v1.TransparencyLogInstance. The
// same log id may come back with another window, never with one that overlaps:
// which of the two keys or windows would count then?
func (r *reader) logs(dst *[]Log) func() error {
	return func() error {
		return r.Array(maxList, func(i int) error {
			l, err := r.log()
			if err != nil {
				return err
			}
			for j, other := range *dst {
				if bytes.Equal(other.KeyID, l.KeyID) && other.ValidFor.overlaps(l.ValidFor) {
					return fmt.Errorf("same log id as [%d], and their windows overlap", j)
				}
			}
			*dst = append(*dst, l)
			return nil
		})
	}
}

// log reads one TransparencyLogInstance.
func (r *reader) log() (Log, error) {
	var l Log
	var hashAlgorithm string
	var raw []byte
	publicKey := func() error {
		return r.Object(
			required("rawBytes", r.base64(&raw)),
			required("keyDetails", r.text(&l.KeyDetails)),
			required("validFor", r.window(&l.ValidFor)),
		)
	}
	logID := func() error {
		return r.Object(required("keyId", r.base64(&l.KeyID)))
	}
	err := r.Object(
		optional("baseUrl", r.text(&l.BaseURL)),
		required("hashAlgorithm", r.text(&hashAlgorithm)),
		required("publicKey", publicKey),
		required("logId", logID),
	)
	if err != nil {
		return Log{}, err
	}

	host, err := checkURL(l.BaseURL)
	if err != nil {
		return Log{}, at("baseUrl", err)
	}
	if hashAlgorithm != "SHA2_256" {
		return Log{}, at("hashAlgorithm", fmt.Errorf("unsupported algorithm %q", hashAlgorithm))
	}
	l.PublicKey, l.SPKI, err = parseKey(l.KeyDetails, raw)
	if err != nil {
		return Log{}, at("publicKey", err)
	}
	if err := checkLogID(l.KeyID, host, l.PublicKey, l.SPKI); err != nil {
		return Log{}, at("logId.keyId", err)
	}
	return l, nil
}

// authorities reads a list of dev.sigstore.trustroot.v1.CertificateAuthority.
func (r *reader) authorities(dst *[]Authority) func() error {
	return func() error {
		return r.Array(maxList, func(i int) error {
			a, err := r.authority()
			if err != nil {
				return err
			}
			*dst = append(*dst, a)
			return nil
		})
	}
}

// authority reads one CertificateAuthority.
func (r *reader) authority() (Authority, error) {
	var a Authority
	subject := func() error {
		return r.Object(
			optional("organization", r.text(&a.Organization)),
			optional("commonName", r.text(&a.CommonName)),
		)
	}
	certificates := func() error {
		return r.Array(maxChain, func(i int) error {
			var der []byte
			if err := r.Object(required("rawBytes", r.base64(&der))); err != nil {
				return err
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return err
			}
			a.Chain = append(a.Chain, cert)
			return nil
		})
	}
	certChain := func() error {
		return r.Object(required("certificates", certificates))
	}
	err := r.Object(
		optional("subject", subject),
		optional("uri", r.text(&a.URI)),
		required("certChain", certChain),
		required("validFor", r.window(&a.ValidFor)),
		optional("operator", r.text(&a.Operator)),
	)
	if err != nil {
		return Authority{}, err
	}

	if _, err := checkURL(a.URI); err != nil {
		return Authority{}, at("uri", err)
	}
	if err := checkChain(a.Chain); err != nil {
		return Authority{}, at("certChain.certificates", err)
	}
	return a, nil
}

// checkChain checks that each certificate names the next as its issuer.
// Signatures are left to the verifier, which builds paths with crypto/x509.
func checkChain(chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("no certificate")
	}
	for i := range len(chain) - 1 {
		if !bytes.Equal(chain[i].RawIssuer, chain[i+1].RawSubject) {
			return at(index(i), fmt.Errorf("issuer is not the subject of %s", index(i+1)))
		}
	}
	return nil
}

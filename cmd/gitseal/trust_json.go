package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"time"

	sigstore "gitseal/internal/trust"
	"gitseal/verifier"
)

// The JSON document of trust show. Times are RFC 3339.
type (
	trustJSON struct {
		Schema       string       `json:"schema"`
		Instance     instanceJSON `json:"instance"`
		TrustedRoots []rootJSON   `json:"trustedRoots"`
		Signing      *signingJSON `json:"signing"` // null: the instance has an authority of its own, or cannot sign
	}
	instanceJSON struct {
		Name       string          `json:"name"` // value of gitseal.instance
		Directory  string          `json:"directory"`
		Authority  bool            `json:"authority"` // signs by itself
		Repository *repositoryJSON `json:"repository"`
	}
	repositoryJSON struct {
		URL       string `json:"url"`
		UpdatedAt string `json:"updatedAt,omitempty"` // not there: never
		Expires   string `json:"expires,omitempty"`
		Expired   bool   `json:"expired"` // signing updates it first
		Root      uint32 `json:"root,omitempty"`
		Timestamp uint32 `json:"timestamp,omitempty"`
		Snapshot  uint32 `json:"snapshot,omitempty"`
		Targets   uint32 `json:"targets,omitempty"`
	}
	rootJSON struct {
		Digest                 string           `json:"digest"`
		Source                 string           `json:"source"`             // a file, or what is built in
		Modified               string           `json:"modified,omitempty"` // when the file was
		CertificateAuthorities []authorityJSON  `json:"certificateAuthorities"`
		Logs                   []trustedLogJSON `json:"logs"`
		CTLogs                 []trustedLogJSON `json:"ctLogs"`
		TimestampAuthorities   []authorityJSON  `json:"timestampAuthorities"`
	}
	windowJSON struct {
		Start string `json:"start"`
		End   string `json:"end,omitempty"` // not there: open
	}
	authorityJSON struct {
		URL         string     `json:"url,omitempty"`
		Subject     string     `json:"subject"` // of the certificate that issues
		Root        string     `json:"root"`    // subject of the trust anchor
		Fingerprint string     `json:"fingerprint"`
		ValidFor    windowJSON `json:"validFor"`
	}
	trustedLogJSON struct {
		URL        string     `json:"url,omitempty"`
		ID         string     `json:"id"`
		Origin     string     `json:"origin,omitempty"`
		Generation int        `json:"generation,omitempty"`
		Key        string     `json:"key"`
		ValidFor   windowJSON `json:"validFor"`
	}
	signingJSON struct {
		CertificateAuthorities []serviceJSON `json:"certificateAuthorities"`
		Logs                   []serviceJSON `json:"logs"`
		LogSelection           selectionJSON `json:"logSelection"`
		TimestampAuthorities   []serviceJSON `json:"timestampAuthorities"`
		TimestampSelection     selectionJSON `json:"timestampSelection"`
		OIDCProviders          []serviceJSON `json:"oidcProviders"`
	}
	selectionJSON struct {
		Selector string `json:"selector,omitempty"` // ANY one, EXACT count of them, ALL; not there: there are none
		Count    uint32 `json:"count,omitempty"`
	}
	serviceJSON struct {
		URL             string `json:"url"`
		MajorAPIVersion uint32 `json:"majorApiVersion"`
		Operator        string `json:"operator,omitempty"`
	}
)

func (in *instance) json(now time.Time) (instanceJSON, error) {
	doc := instanceJSON{Name: in.setting.Value, Directory: in.dir, Authority: in.hasAuthority()}
	url, err := in.repository()
	if err != nil || url == "" {
		return doc, err
	}
	doc.Repository = &repositoryJSON{URL: url, Expired: true}
	last, err := in.lastUpdate()
	if last != nil {
		doc.Repository = &repositoryJSON{
			url, rfc3339(last.UpdatedAt), rfc3339(last.Expires), now.After(last.Expires),
			last.Root, last.Timestamp, last.Snapshot, last.Targets,
		}
	}
	return doc, err
}

func newRootJSON(root *verifier.TrustedRoot, source string, config *sigstore.SigningConfig) rootJSON {
	generation := func(l *sigstore.Log) int { return generationOf(l, config) }
	digest := root.Digest()
	return rootJSON{
		Digest:                 "sha256:" + hex.EncodeToString(digest[:]),
		Source:                 source,
		Modified:               modified(source),
		CertificateAuthorities: newAuthoritiesJSON(root.CertificateAuthorities),
		Logs:                   newLogsJSON(root.TLogs, generation),
		CTLogs:                 newLogsJSON(root.CTLogs, func(*sigstore.Log) int { return 0 }),
		TimestampAuthorities:   newAuthoritiesJSON(root.TimestampAuthorities),
	}
}

// modified returns when a file was modified; "" if it is none.
func modified(file string) string {
	info, err := os.Stat(file)
	if err != nil {
		return ""
	}
	return rfc3339(info.ModTime())
}

func newAuthoritiesJSON(authorities []sigstore.Authority) []authorityJSON {
	list := []authorityJSON{}
	for _, a := range authorities {
		fingerprint := sha256.Sum256(a.Chain[0].Raw)
		list = append(list, authorityJSON{
			a.URI, a.Chain[0].Subject.String(), a.Chain[len(a.Chain)-1].Subject.String(),
			hex.EncodeToString(fingerprint[:]), newWindowJSON(a.ValidFor),
		})
	}
	return list
}

func newLogsJSON(logs []sigstore.Log, generation func(*sigstore.Log) int) []trustedLogJSON {
	list := []trustedLogJSON{}
	for i := range logs {
		l := &logs[i]
		doc := trustedLogJSON{
			URL: l.BaseURL, ID: hex.EncodeToString(l.KeyID), Generation: generation(l), Key: l.KeyDetails, ValidFor: newWindowJSON(l.ValidFor),
		}
		if doc.Generation == 2 {
			doc.Origin = l.Origin()
		}
		list = append(list, doc)
	}
	return list
}

// generationOf returns the API generation of a log of signatures, or 0 if that
// is left open. It shows in the log id: only that of a Rekor v1 log is the hash
// of the key alone, but for ECDSA keys, of which either's is. Then servers that
// sign may tell.
func generationOf(l *sigstore.Log, config *sigstore.SigningConfig) int {
	if id := sha256.Sum256(l.SPKI); !bytes.Equal(id[:], l.KeyID) {
		return 2
	}
	if _, ok := l.PublicKey.(*ecdsa.PublicKey); !ok {
		return 1
	}
	if config != nil {
		for _, s := range config.TLogs {
			if s.URL == l.BaseURL {
				return int(s.MajorAPIVersion)
			}
		}
	}
	return 0
}

func newWindowJSON(w sigstore.Window) windowJSON { return windowJSON{rfc3339(w.Start), rfc3339(w.End)} }

// newSigningJSON describes the servers that are valid now.
func newSigningJSON(config *sigstore.SigningConfig, now time.Time) *signingJSON {
	if config == nil {
		return nil
	}
	valid := func(services []sigstore.Service) []serviceJSON {
		list := []serviceJSON{}
		for _, s := range services {
			if s.ValidFor.Contains(now) {
				list = append(list, serviceJSON{s.URL, s.MajorAPIVersion, s.Operator})
			}
		}
		return list
	}
	return &signingJSON{
		valid(config.CAs), valid(config.TLogs), selectionJSON(config.TLogConfig), valid(config.TSAs), selectionJSON(config.TSAConfig), valid(config.OIDCProviders),
	}
}

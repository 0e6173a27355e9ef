package trust

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// Marshal formats r as a trusted root file. Of each log it writes SPKI, not
// PublicKey. What Parse would refuse is an error.
func (r *TrustedRoot) Marshal() ([]byte, error) {
	text, err := r.marshal()
	if err == nil {
		_, err = parseRoot(text)
	}
	if err != nil {
		return nil, fmt.Errorf("formatting trusted root: %w", err)
	}
	return text, nil
}

// Marshal formats c as a signing config file. What ParseSigningConfig would
// refuse is an error.
func (c *SigningConfig) Marshal() ([]byte, error) {
	text, err := c.marshal()
	if err == nil {
		_, err = parseConfig(text)
	}
	if err != nil {
		return nil, fmt.Errorf("formatting signing config: %w", err)
	}
	return text, nil
}

// The types below are the messages as ProtoJSON writes them: names in
// lowerCamelCase, fields in the order of the .proto files, zero values left
// out.
type (
	jsonRoot struct {
		MediaType              string          `json:"mediaType"`
		TLogs                  []jsonLog       `json:"tlogs,omitempty"`
		CertificateAuthorities []jsonAuthority `json:"certificateAuthorities,omitempty"`
		CTLogs                 []jsonLog       `json:"ctlogs,omitempty"`
		TimestampAuthorities   []jsonAuthority `json:"timestampAuthorities,omitempty"`
	}
	jsonLog struct {
		BaseURL       jsonText      `json:"baseUrl,omitempty"`
		HashAlgorithm string        `json:"hashAlgorithm"`
		PublicKey     jsonPublicKey `json:"publicKey"`
		LogID         jsonLogID     `json:"logId"`
	}
	jsonLogID struct {
		KeyID []byte `json:"keyId"`
	}
	jsonPublicKey struct {
		RawBytes   []byte     `json:"rawBytes"`
		KeyDetails string     `json:"keyDetails"`
		ValidFor   jsonWindow `json:"validFor"`
	}
	jsonWindow struct {
		Start string `json:"start"`
		End   string `json:"end,omitempty"`
	}
	jsonAuthority struct {
		Subject   jsonSubject `json:"subject"`
		URI       jsonText    `json:"uri,omitempty"`
		CertChain jsonChain   `json:"certChain"`
		ValidFor  jsonWindow  `json:"validFor"`
		Operator  jsonText    `json:"operator,omitempty"`
	}
	jsonSubject struct {
		Organization jsonText `json:"organization,omitempty"`
		CommonName   jsonText `json:"commonName,omitempty"`
	}
	jsonChain struct {
		Certificates []jsonCertificate `json:"certificates"`
	}
	jsonCertificate struct {
		RawBytes []byte `json:"rawBytes"`
	}
	jsonConfig struct {
		MediaType  string         `json:"mediaType"`
		CAs        []jsonService  `json:"caUrls,omitempty"`
		OIDC       []jsonService  `json:"oidcUrls,omitempty"`
		TLogs      []jsonService  `json:"rekorTlogUrls,omitempty"`
		TLogConfig *jsonSelection `json:"rekorTlogConfig,omitempty"`
		TSAs       []jsonService  `json:"tsaUrls,omitempty"`
		TSAConfig  *jsonSelection `json:"tsaConfig,omitempty"`
	}
	jsonService struct {
		URL             jsonText   `json:"url"`
		MajorAPIVersion uint32     `json:"majorApiVersion,omitempty"`
		ValidFor        jsonWindow `json:"validFor"`
		Operator        jsonText   `json:"operator,omitempty"`
	}
	jsonSelection struct {
		Selector string `json:"selector"`
		Count    uint32 `json:"count,omitempty"`
	}
)

// A jsonText is a string that must be Unicode text: encoding/json would put
// other characters in the place of what is not.
type jsonText string

// MarshalText returns the text of s.
func (s jsonText) MarshalText() ([]byte, error) {
	if !utf8.ValidString(string(s)) {
		return nil, fmt.Errorf("%q is not UTF-8", string(s))
	}
	return []byte(s), nil
}

func (r *TrustedRoot) marshal() ([]byte, error) {
	root := jsonRoot{
		MediaType:              RootMediaType,
		CertificateAuthorities: jsonAuthorities(r.CertificateAuthorities),
		TimestampAuthorities:   jsonAuthorities(r.TimestampAuthorities),
	}
	var err error
	if root.TLogs, err = jsonLogs(r.TLogs); err != nil {
		return nil, at("tlogs", err)
	}
	if root.CTLogs, err = jsonLogs(r.CTLogs); err != nil {
		return nil, at("ctlogs", err)
	}
	return indent(root)
}

func (c *SigningConfig) marshal() ([]byte, error) {
	return indent(jsonConfig{
		MediaType:  ConfigMediaType,
		CAs:        jsonServices(c.CAs),
		OIDC:       jsonServices(c.OIDCProviders),
		TLogs:      jsonServices(c.TLogs),
		TLogConfig: newJSONSelection(c.TLogConfig),
		TSAs:       jsonServices(c.TSAs),
		TSAConfig:  newJSONSelection(c.TSAConfig),
	})
}

func indent(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), err
}

func jsonLogs(logs []Log) ([]jsonLog, error) {
	var list []jsonLog
	for i, l := range logs {
		raw := l.SPKI
		if l.KeyDetails == pkcs1 {
			key, err := x509.ParsePKIXPublicKey(l.SPKI)
			if err != nil {
				return nil, at(index(i), err)
			}
			rsaKey, ok := key.(*rsa.PublicKey)
			if !ok {
				return nil, at(index(i), fmt.Errorf("%s does not describe this key", l.KeyDetails))
			}
			raw = x509.MarshalPKCS1PublicKey(rsaKey)
		}
		list = append(list, jsonLog{
			BaseURL:       jsonText(l.BaseURL),
			HashAlgorithm: "SHA2_256",
			PublicKey:     jsonPublicKey{raw, l.KeyDetails, newJSONWindow(l.ValidFor)},
			LogID:         jsonLogID{l.KeyID},
		})
	}
	return list, nil
}

func jsonAuthorities(authorities []Authority) []jsonAuthority {
	list := []jsonAuthority{}
	for _, a := range authorities {
		certificates := []jsonCertificate{}
		for _, cert := range a.Chain {
			certificates = append(certificates, jsonCertificate{cert.Raw})
		}
		list = append(list, jsonAuthority{
			Subject:   jsonSubject{jsonText(a.Organization), jsonText(a.CommonName)},
			URI:       jsonText(a.URI),
			CertChain: jsonChain{certificates},
			ValidFor:  newJSONWindow(a.ValidFor),
			Operator:  jsonText(a.Operator),
		})
	}
	return list
}

func jsonServices(services []Service) []jsonService {
	var list []jsonService
	for _, s := range services {
		list = append(list, jsonService{jsonText(s.URL), s.MajorAPIVersion, newJSONWindow(s.ValidFor), jsonText(s.Operator)})
	}
	return list
}

func newJSONSelection(s Selection) *jsonSelection {
	if s == (Selection{}) {
		return nil
	}
	return &jsonSelection{s.Selector, s.Count}
}

func newJSONWindow(w Window) jsonWindow {
	j := jsonWindow{Start: w.Start.UTC().Format(time.RFC3339Nano)}
	if !w.End.IsZero() {
		j.End = w.End.UTC().Format(time.RFC3339Nano)
	}
	return j
}

package sigstore

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gitseal/internal/strictjson"
	"gitseal/internal/transport"
)

// maxChain bounds the certificates in an answer. Real chains have two or
// three.
const maxChain = 8

// A fulcio is a certificate authority with Fulcio's API.
type fulcio struct {
	client *transport.Client
	url    string
}

// fulcioTimeout is for certificate authorities that wait for their CT log.
const fulcioTimeout = 30 * time.Second

// Certify implements signer.CertificateAuthority. The request is not repeated
// once it may have arrived: some issuers' tokens are good for one use.
func (f *fulcio) Certify(ctx context.Context, token string, publicKey, proof []byte) ([][]byte, error) {
	type key struct {
		Algorithm string `json:"algorithm"`
		Content   string `json:"content"`
	}
	type keyRequest struct {
		PublicKey         key    `json:"publicKey"`
		ProofOfPossession []byte `json:"proofOfPossession"`
	}
	body, err := json.Marshal(struct {
		PublicKeyRequest keyRequest `json:"publicKeyRequest"`
	}{keyRequest{key{"ECDSA", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicKey}))}, proof}})
	if err != nil {
		return nil, err
	}
	req := &transport.Request{
		Service: "Fulcio", URL: f.url + "/api/v2/signingCert", Bearer: token,
		ContentType: "application/json", Accept: "application/json", Body: body, Timeout: fulcioTimeout,
	}
	resp, err := f.client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	switch resp.Status {
	case http.StatusOK:
	case http.StatusNotFound:
		// No such path: a server that knows only the first version.
		return f.certifyV1(ctx, token, publicKey, proof)
	default:
		return nil, resp.Err(req)
	}
	chain, err := parseSigningCert(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of Fulcio at %s: %w", f.url, err)
	}
	return chain, nil
}

// certifyV1 asks for the certificate in the first version of the API, which
// answers with the chain in PEM.
func (f *fulcio) certifyV1(ctx context.Context, token string, publicKey, proof []byte) ([][]byte, error) {
	type key struct {
		Content   []byte `json:"content"`
		Algorithm string `json:"algorithm"`
	}
	body, err := json.Marshal(struct {
		PublicKey          key    `json:"publicKey"`
		SignedEmailAddress []byte `json:"signedEmailAddress"`
	}{key{publicKey, "ecdsa"}, proof})
	if err != nil {
		return nil, err
	}
	req := &transport.Request{
		Service: "Fulcio", URL: f.url + "/api/v1/signingCert", Bearer: token,
		ContentType: "application/json", Accept: "application/pem-certificate-chain", Body: body, Timeout: fulcioTimeout,
	}
	resp, err := f.client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusCreated {
		return nil, resp.Err(req)
	}
	chain, err := parseChain(resp.Body)
	if resp.Header.Get("SCT") != "" {
		err = errDetachedSCT
	}
	if err != nil {
		return nil, fmt.Errorf("reading the answer of Fulcio at %s: %w", f.url, err)
	}
	return chain, nil
}

// errDetachedSCT refuses certificates whose proof of logging a signature has
// no place for.
var errDetachedSCT = errors.New("the certificate has its signed certificate timestamp beside it, not in it: this authority's signatures cannot be verified offline")

// parseSigningCert reads
//
//	{"signedCertificateEmbeddedSct":{"chain":{"certificates":["<PEM>",…]}}}
//
// whose other form, signedCertificateDetachedSct, is refused.
func parseSigningCert(data []byte) ([][]byte, error) {
	answer, err := object(data)
	if err != nil {
		return nil, err
	}
	if _, ok := answer["signedCertificateDetachedSct"]; ok {
		return nil, errDetachedSCT
	}
	for _, name := range []string{"signedCertificateEmbeddedSct", "chain"} {
		if answer, err = object(answer[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	var texts []string
	if err := json.Unmarshal(answer["certificates"], &texts); err != nil || len(texts) == 0 || len(texts) > maxChain {
		return nil, fmt.Errorf("certificates: not an array of 1 to %d strings", maxChain)
	}
	var chain [][]byte
	for _, text := range texts {
		one, err := parseChain([]byte(text))
		if err != nil {
			return nil, err
		}
		if len(one) != 1 {
			return nil, errors.New("two certificates in one string")
		}
		chain = append(chain, one[0])
	}
	return chain, nil
}

// parseChain reads certificates in PEM and nothing else, in the one form that
// encoders write but for line ends.
func parseChain(text []byte) (chain [][]byte, err error) {
	const begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
	for text = bytes.TrimSpace(text); len(text) > 0 || chain == nil; text = bytes.TrimSpace(text) {
		body, ok := bytes.CutPrefix(text, []byte(begin))
		body, rest, found := bytes.Cut(body, []byte(end))
		if !ok || !found {
			return nil, errors.New("not certificates in PEM")
		}
		// The decoder skips line breaks and nothing else.
		der, err := base64.StdEncoding.Strict().DecodeString(string(body))
		if err != nil || len(der) == 0 {
			return nil, errors.New("malformed certificate in PEM")
		}
		if len(chain) == maxChain {
			return nil, fmt.Errorf("more than %d certificates", maxChain)
		}
		chain, text = append(chain, der), rest
	}
	return chain, nil
}

// maxMembers bounds the members of an object in an answer, which has one or two.
const maxMembers = 64

// object reads a JSON object with nothing after it, and leaves its values as
// they stand.
func object(data []byte) (map[string][]byte, error) {
	r := &strictjson.Reader{Text: data}
	if r.Next() != '{' {
		return nil, errors.New("not a JSON object")
	}
	members := make(map[string][]byte)
	err := r.Open(maxMembers, func(name string) (err error) {
		members[name], err = r.Value()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("malformed JSON object: %w", err)
	}
	if !r.AtEnd() {
		return nil, errors.New("something after the JSON object")
	}
	return members, nil
}

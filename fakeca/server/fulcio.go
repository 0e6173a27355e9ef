package server

import (
	"encoding/pem"
	"errors"
	"net/http"
	"strings"

	"gitseal/fakeca"
)

// What Fulcio answers to a request that it refuses.
const (
	badToken     = "There was an error processing the identity token"
	badPublicKey = "The public key supplied in the request could not be parsed"
	badSignature = "The signature supplied in the request could not be verified"
	badRequest   = "The certificate signing request could not be parsed"
)

// certify answers POST /api/v2/signingCert.
func (s *server) certify(w http.ResponseWriter, r *http.Request) {
	var request struct {
		PublicKeyRequest *struct {
			PublicKey struct {
				Algorithm string `json:"algorithm"`
				Content   string `json:"content"` // PEM
			} `json:"publicKey"`
			ProofOfPossession []byte `json:"proofOfPossession"`
		} `json:"publicKeyRequest"`
		CertificateSigningRequest []byte `json:"certificateSigningRequest"` // PEM
	}
	data, ok := read(w, r)
	if !ok {
		return
	}
	if err := decode(data, &request); err != nil {
		grpcError(w, http.StatusBadRequest, codeInvalidArgument, err.Error())
		return
	}
	token := bearer(r)
	var chain [][]byte
	var err error
	switch k := request.PublicKeyRequest; {
	case k != nil && request.CertificateSigningRequest != nil:
		grpcError(w, http.StatusBadRequest, codeInvalidArgument, "both a public key and a certificate signing request")
		return
	case k != nil:
		chain, err = s.a.Certify(r.Context(), token, decodePEM([]byte(k.PublicKey.Content), "PUBLIC KEY"), k.ProofOfPossession)
	case request.CertificateSigningRequest != nil:
		chain, err = s.a.CertifyRequest(r.Context(), token, decodePEM(request.CertificateSigningRequest, "CERTIFICATE REQUEST"))
	default: // the token is looked at first, whatever the rest is
		chain, err = s.a.Certify(r.Context(), token, nil, nil)
	}
	if err != nil {
		refuse(w, r, err)
		return
	}
	type certificates struct {
		Certificates []string `json:"certificates"`
	}
	type signed struct {
		Chain certificates `json:"chain"`
	}
	answer := struct {
		Signed signed `json:"signedCertificateEmbeddedSct"`
	}{}
	for _, der := range chain {
		answer.Signed.Chain.Certificates = append(answer.Signed.Chain.Certificates, strings.TrimSpace(certificatePEM(der)))
	}
	writeJSON(w, http.StatusOK, answer)
}

// certifyLegacy answers POST /api/v1/signingCert, which gitsign asks.
func (s *server) certifyLegacy(w http.ResponseWriter, r *http.Request) {
	var request struct {
		PublicKey struct {
			Algorithm string `json:"algorithm"`
			Content   []byte `json:"content"` // DER
		} `json:"publicKey"`
		SignedEmailAddress        []byte `json:"signedEmailAddress"`
		CertificateSigningRequest []byte `json:"certificateSigningRequest"` // PEM
	}
	data, ok := read(w, r)
	if !ok {
		return
	}
	if err := decode(data, &request); err != nil {
		grpcError(w, http.StatusBadRequest, codeInvalidArgument, err.Error())
		return
	}
	var chain [][]byte
	var err error
	if request.CertificateSigningRequest != nil {
		chain, err = s.a.CertifyRequest(r.Context(), bearer(r), decodePEM(request.CertificateSigningRequest, "CERTIFICATE REQUEST"))
	} else {
		chain, err = s.a.Certify(r.Context(), bearer(r), request.PublicKey.Content, request.SignedEmailAddress)
	}
	if err != nil {
		refuse(w, r, err)
		return
	}
	write(w, http.StatusCreated, "application/pem-certificate-chain", []byte(strings.TrimSpace(chainPEM(chain))))
}

// refuse answers in Fulcio's words. They say less than the error does: what is
// wrong with a token is for its owner to find out.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	var bad *fakeca.RequestError
	if !errors.As(err, &bad) {
		broken(w, r, err)
		return
	}
	message := badSignature
	switch bad.Part {
	case "token":
		message = badToken
	case "public key":
		message = badPublicKey
	case "signing request":
		message = badRequest
	}
	grpcError(w, http.StatusBadRequest, codeInvalidArgument, message)
}

// trustBundle answers GET /api/v2/trustBundle.
func (s *server) trustBundle(w http.ResponseWriter, r *http.Request) {
	type chain struct {
		Certificates []string `json:"certificates"`
	}
	var c chain
	for _, der := range s.a.CAChain() {
		c.Certificates = append(c.Certificates, certificatePEM(der))
	}
	writeJSON(w, http.StatusOK, struct {
		Chains []chain `json:"chains"`
	}{[]chain{c}})
}

// configuration answers GET /api/v2/configuration.
func (s *server) configuration(w http.ResponseWriter, r *http.Request) {
	type issuer struct {
		URL                   string `json:"issuerUrl"`
		Audience              string `json:"audience"`
		ChallengeClaim        string `json:"challengeClaim"`
		SPIFFETrustDomain     string `json:"spiffeTrustDomain"`
		Type                  string `json:"issuerType"`
		SubjectDomain         string `json:"subjectDomain"`
		SkipEmailVerification bool   `json:"skipEmailVerification"`
	}
	var list []issuer
	for _, url := range append([]string{s.a.Issuer()}, s.a.Issuers()...) {
		list = append(list, issuer{URL: url, Audience: "sigstore", ChallengeClaim: "email", Type: "email"})
	}
	writeJSON(w, http.StatusOK, struct {
		Issuers []issuer `json:"issuers"`
	}{list})
}

// bearer returns the token that a request carries; "" if there is none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// decodePEM returns what one block of PEM holds; nil if the text is anything
// else.
func decodePEM(text []byte, kind string) []byte {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != kind || strings.TrimSpace(string(rest)) != "" {
		return nil
	}
	return block.Bytes
}

func certificatePEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func chainPEM(chain [][]byte) string {
	var b strings.Builder
	for _, der := range chain {
		b.WriteString(certificatePEM(der))
	}
	return b.String()
}

package server

import "net/http"

// discovery answers GET /.well-known/openid-configuration (OpenID Connect
// Discovery, section 3). The issuer is that of the authority's tokens, which is
// no URL: what the document is for is to find the keys.
func (s *server) discovery(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	writeJSON(w, http.StatusOK, struct {
		Issuer        string   `json:"issuer"`
		KeySet        string   `json:"jwks_uri"`
		ResponseTypes []string `json:"response_types_supported"`
		SubjectTypes  []string `json:"subject_types_supported"`
		Algorithms    []string `json:"id_token_signing_alg_values_supported"`
		Claims        []string `json:"claims_supported"`
	}{
		Issuer:        s.a.Issuer(),
		KeySet:        scheme + "://" + r.Host + "/keys",
		ResponseTypes: []string{"id_token"},
		SubjectTypes:  []string{"public"},
		Algorithms:    []string{"ES256"},
		Claims:        []string{"iss", "sub", "aud", "iat", "nbf", "exp", "email", "email_verified"},
	})
}

// keys answers GET /keys.
func (s *server) keys(w http.ResponseWriter, r *http.Request) {
	set, err := s.a.KeySet()
	if err != nil {
		broken(w, r, err)
		return
	}
	write(w, http.StatusOK, "application/json", set)
}

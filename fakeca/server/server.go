// Package server answers for an embedded authority over HTTP as the servers of a
// Sigstore instance do: Fulcio (the second API and the legacy one), Rekor of the
// authority's generation, an RFC 3161 timestamp authority, and the discovery
// documents of an OpenID Connect provider. All of it is under one base URL: the
// paths of the services do not meet.
//
// Answers have the form of Fulcio 1.8, Rekor 1.5, rekor-tiles 2.4 and
// timestamp-authority 2.1, errors included, so that a client cannot tell the
// difference but by what the authority says of itself: that it is a local one.
//
// The package issues no tokens: whoever may open the authority gets one from it.
// Whom a token was given to is all that it asks of anyone. It keeps no state, and
// writes nothing but through the authority.
package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"gitseal/fakeca"
)

// maxBody bounds a request, in bytes: a DSSE envelope of a few hundred kilobytes
// in base64 is the largest that is accepted.
const maxBody = 1 << 20

// New returns the handler that answers for the authority. It expects to be
// mounted at the root of its base URL. The caller closes the authority when
// nothing asks the handler any more.
func New(a *fakeca.Authority) http.Handler {
	s := &server{a: a}
	s.exact = map[string]methods{
		"/api/v2/signingCert":   {http.MethodPost: s.certify},
		"/api/v2/trustBundle":   {http.MethodGet: s.trustBundle},
		"/api/v2/configuration": {http.MethodGet: s.configuration},
		"/api/v1/signingCert":   {http.MethodPost: s.certifyLegacy},

		"/api/v1/timestamp":           {http.MethodPost: s.timestamp},
		"/api/v1/timestamp/certchain": {http.MethodGet: s.timestampChain},

		"/.well-known/openid-configuration": {http.MethodGet: s.discovery},
		"/keys":                             {http.MethodGet: s.keys},
	}
	if a.Generation() == fakeca.RekorV1 {
		maps.Copy(s.exact, map[string]methods{
			"/api/v1/log":                  {http.MethodGet: s.logInfo},
			"/api/v1/log/proof":            {http.MethodGet: s.consistency},
			"/api/v1/log/publicKey":        {http.MethodGet: s.logKey},
			"/api/v1/log/entries":          {http.MethodGet: s.entryByIndex, http.MethodPost: s.enter},
			"/api/v1/log/entries/retrieve": {http.MethodPost: s.retrieve},
			"/api/v1/index/retrieve":       {http.MethodPost: s.search},
		})
		s.below = map[string]methods{"/api/v1/log/entries/": {http.MethodGet: s.entryByID}}
	} else {
		maps.Copy(s.exact, map[string]methods{
			"/api/v2/log/entries": {http.MethodPost: s.enterV2},
			"/api/v2/checkpoint":  {http.MethodGet: s.checkpoint},
		})
		s.below = map[string]methods{"/api/v2/tile/": {http.MethodGet: s.tile}}
	}
	return s
}

type server struct {
	a     *fakeca.Authority
	exact map[string]methods
	below map[string]methods // by prefix, which ends in a slash
}

// methods are what one path answers to.
type methods map[string]http.HandlerFunc

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	answers, ok := s.exact[r.URL.Path]
	for prefix, m := range s.below {
		if !ok && strings.HasPrefix(r.URL.Path, prefix) {
			answers, ok = m, true
		}
	}
	if !ok {
		notFound(w, r)
		return
	}
	answer, ok := answers[r.Method]
	if !ok {
		notAllowed(w, r, slices.Sorted(maps.Keys(answers)))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	answer(w, r)
}

// isREST reports whether a path belongs to one of the servers that OpenAPI was
// used for, Rekor v1 and the timestamp authority; the others are gRPC gateways.
// The two kinds put errors in different words.
func isREST(path string) bool {
	return path == "/api/v1/log" || strings.HasPrefix(path, "/api/v1/log/") ||
		strings.HasPrefix(path, "/api/v1/index/") || strings.HasPrefix(path, "/api/v1/timestamp")
}

func notFound(w http.ResponseWriter, r *http.Request) {
	if isREST(r.URL.Path) {
		restError(w, http.StatusNotFound, http.StatusNotFound, fmt.Sprintf("path %s was not found", r.URL.Path))
		return
	}
	grpcError(w, http.StatusNotFound, codeNotFound, "Not Found")
}

func notAllowed(w http.ResponseWriter, r *http.Request, allowed []string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	if isREST(r.URL.Path) {
		restError(w, http.StatusMethodNotAllowed, http.StatusMethodNotAllowed,
			fmt.Sprintf("method %s is not allowed, but [%s] are", r.Method, strings.Join(allowed, " ")))
		return
	}
	grpcError(w, http.StatusNotImplemented, codeUnimplemented, "Method Not Allowed")
}

// restError answers with an error as go-openapi writes it.
func restError(w http.ResponseWriter, status, code int, message string) {
	writeJSON(w, status, struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{code, message})
}

// Codes of gRPC (google.rpc.Code).
const (
	codeInvalidArgument = 3
	codeNotFound        = 5
	codeAlreadyExists   = 6
	codeUnimplemented   = 12
	codeInternal        = 13
)

// grpcError answers with an error as a gRPC gateway writes it.
func grpcError(w http.ResponseWriter, status, code int, message string) {
	writeJSON(w, status, struct {
		Code    int      `json:"code"`
		Message string   `json:"message"`
		Details []string `json:"details"`
	}{code, message, []string{}})
}

// broken answers for an authority that cannot.
func broken(w http.ResponseWriter, r *http.Request, err error) {
	message := fmt.Sprintf("the local authority cannot answer: %v", err)
	if isREST(r.URL.Path) {
		restError(w, http.StatusInternalServerError, http.StatusInternalServerError, message)
		return
	}
	grpcError(w, http.StatusInternalServerError, codeInternal, message)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic("server: " + err.Error()) // every v is made of strings, numbers and bytes
	}
	write(w, status, "application/json", data)
}

func write(w http.ResponseWriter, status int, contentType string, data []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(data) // an error is the client's, who has gone
}

// read reads a request's body. If it cannot, it answers that, and ok is false.
func read(w http.ResponseWriter, r *http.Request) (data []byte, ok bool) {
	data, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return data, true
	case errors.As(err, &tooLarge):
		message := fmt.Sprintf("a request of more than %d bytes", tooLarge.Limit)
		if isREST(r.URL.Path) {
			restError(w, http.StatusRequestEntityTooLarge, http.StatusRequestEntityTooLarge, message)
		} else {
			grpcError(w, http.StatusRequestEntityTooLarge, codeInvalidArgument, message)
		}
	case isREST(r.URL.Path):
		restError(w, http.StatusBadRequest, http.StatusBadRequest, "reading request: "+err.Error())
	default:
		grpcError(w, http.StatusBadRequest, codeInvalidArgument, "reading request: "+err.Error())
	}
	return nil, false
}

// isType checks the type of a request to a server that asks for one, and answers
// if it is another.
func isType(w http.ResponseWriter, r *http.Request, want string) bool {
	got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && got == want {
		return true
	}
	restError(w, http.StatusUnsupportedMediaType, http.StatusUnsupportedMediaType,
		fmt.Sprintf("unsupported media type %q, only [%s] are allowed", r.Header.Get("Content-Type"), want))
	return false
}

// decode decodes one JSON value with no fields but those of dst, and nothing
// after it.
func decode(data []byte, dst any) error {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(dst); err != nil {
		return err
	}
	if strings.TrimSpace(string(data[d.InputOffset():])) != "" {
		return errors.New("more than one JSON value")
	}
	return nil
}

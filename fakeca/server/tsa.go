package server

import "net/http"

// timestamp answers POST /api/v1/timestamp. A request that the authority does
// not meet is answered as RFC 3161 has it, by a TimeStampResp with a rejection.
func (s *server) timestamp(w http.ResponseWriter, r *http.Request) {
	if !isType(w, r, "application/timestamp-query") {
		return
	}
	request, ok := read(w, r)
	if !ok {
		return
	}
	response, err := s.a.AnswerTimestamp(r.Context(), request)
	if err != nil {
		broken(w, r, err)
		return
	}
	write(w, http.StatusOK, "application/timestamp-reply", response)
}

// timestampChain answers GET /api/v1/timestamp/certchain.
func (s *server) timestampChain(w http.ResponseWriter, r *http.Request) {
	write(w, http.StatusOK, "application/pem-certificate-chain", []byte(chainPEM(s.a.TSAChain())))
}

package sigstore_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitseal/fakeca"
	"gitseal/internal/trust"
	"gitseal/signer"
	"gitseal/signer/sigstore"
)

// TestAnswersToAnotherQuestion has each service give an answer that was good
// for the signature before.
func TestAnswersToAnotherQuestion(t *testing.T) {
	for _, generation := range generations {
		for path, want := range map[string]struct{ step, text string }{
			fulcioV2:           {"certifying the key", "the certificate is for another key"},
			upload(generation): {"recording the signature in the log", "its entry is not for this signature"},
			stampPath:          {"getting a time-stamp", "message imprint is not the one that was asked for"},
		} {
			s := newServers(t, generation)
			var before *httptest.ResponseRecorder
			s.between = func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
				if !is(r, path) {
					honest.ServeHTTP(w, r)
					return
				}
				if before == nil {
					before = httptest.NewRecorder()
					honest.ServeHTTP(before, r)
				}
				w.Header().Set("Content-Type", before.Header().Get("Content-Type"))
				w.WriteHeader(before.Code)
				if _, err := w.Write(before.Body.Bytes()); err != nil {
					t.Error(err)
				}
			}
			sg := s.signer(t)
			if _, err := sg.Sign(t.Context(), []byte("one")); err != nil {
				t.Fatal(err)
			}
			_, err := sg.Sign(t.Context(), []byte("two"))
			var step *signer.StepError
			if !errors.As(err, &step) || step.Step != want.step || !strings.Contains(err.Error(), want.text) {
				t.Errorf("%v, %s: %v, want %q", generation, path, err, want.text)
			}
		}
	}
}

// TestEnvelopeOfAnotherIsRefused gives the entry of another envelope.
func TestEnvelopeOfAnotherIsRefused(t *testing.T) {
	s := newServers(t, fakeca.RekorV1)
	in, err := sigstore.New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	sg := s.signer(t)
	cred, err := sg.NewCredential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	blob, err := sg.SignDSSE(t.Context(), cred, "text/plain", []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := sg.NewCredential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The log has the envelope already, and takes any other for it.
	var place string
	s.between = func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		if r.Method == http.MethodGet {
			honest.ServeHTTP(w, r)
			return
		}
		if place == "" {
			rec := httptest.NewRecorder()
			honest.ServeHTTP(rec, r)
			place = rec.Header().Get("Location")
		}
		w.Header().Set("Location", place)
		w.WriteHeader(http.StatusConflict)
	}
	log := in.Logs()[0].(signer.DSSELog)
	if _, err := log.AddDSSE(t.Context(), blob.Envelope, blob.Certificate); err != nil {
		t.Fatal(err)
	}
	for name, add := range map[string]func() ([]byte, error){
		"another envelope":    func() ([]byte, error) { return log.AddDSSE(t.Context(), append(blob.Envelope, ' '), blob.Certificate) },
		"another certificate": func() ([]byte, error) { return log.AddDSSE(t.Context(), blob.Envelope, other.Certificate()) },
	} {
		if _, err := add(); err == nil || !strings.Contains(err.Error(), "its entry is not for this envelope") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNonceIsTheOneOfTheRequest(t *testing.T) {
	s := newServers(t, fakeca.RekorV2)
	nonce := byte(1)
	s.config.Rand = readerFunc(func(p []byte) (int, error) {
		for i := range p {
			p[i] = nonce
		}
		return len(p), nil
	})
	var before []byte
	s.between = func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		if before != nil {
			w.WriteHeader(http.StatusCreated)
			if _, err := w.Write(before); err != nil {
				t.Error(err)
			}
			return
		}
		rec := httptest.NewRecorder()
		honest.ServeHTTP(rec, r)
		before = rec.Body.Bytes()
		w.WriteHeader(rec.Code)
		if _, err := w.Write(before); err != nil {
			t.Error(err)
		}
	}
	in, err := sigstore.New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	stamper := in.Timestampers()[0]
	for range 2 { // the same question has the same answer
		if _, err := stamper.Timestamp(t.Context(), [32]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	nonce++
	if _, err := stamper.Timestamp(t.Context(), [32]byte{1}); err == nil || !strings.Contains(err.Error(), "nonce is not the one") {
		t.Errorf("answer to an earlier request: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestTimeStampFarFromTheClock(t *testing.T) {
	s := newServers(t, fakeca.RekorV2)
	for _, tt := range []struct {
		drift time.Duration
		good  bool
	}{{0, true}, {4 * time.Minute, true}, {-4 * time.Minute, true}, {6 * time.Minute, false}, {-6 * time.Minute, false}, {-9000 * time.Hour, false}} {
		s.config.Now = func() time.Time { return time.Now().Add(tt.drift) }
		config := *s.config.Signing
		// The services are in service whatever the clock says.
		for _, list := range []*[]trust.Service{&config.CAs, &config.TLogs, &config.TSAs} {
			*list = append([]trust.Service(nil), *list...)
			for i := range *list {
				(*list)[i].ValidFor = trust.Window{}
			}
		}
		cfg := s.config
		cfg.Signing = &config
		in, err := sigstore.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = in.Timestampers()[0].Timestamp(t.Context(), [32]byte{1})
		if (err == nil) != tt.good || err != nil && !strings.Contains(err.Error(), "it says it is ") {
			t.Errorf("drift %v: %v", tt.drift, err)
		}
	}
}

func TestUnreadableAnswers(t *testing.T) {
	for _, generation := range generations {
		for path, service := range map[string]string{fulcioV2: "Fulcio", upload(generation): "Rekor", stampPath: "time-stamp authority"} {
			for name, change := range map[string]func(body []byte) []byte{
				"empty":    func([]byte) []byte { return nil },
				"cut":      func(b []byte) []byte { return b[:len(b)-2] },
				"trailing": func(b []byte) []byte { return append(b, '0') },
			} {
				s := newServers(t, generation)
				s.between = func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
					if !is(r, path) {
						honest.ServeHTTP(w, r)
						return
					}
					rec := httptest.NewRecorder()
					honest.ServeHTTP(rec, r)
					w.WriteHeader(rec.Code)
					if _, err := w.Write(change(bytes.TrimSpace(rec.Body.Bytes()))); err != nil {
						t.Error(err)
					}
				}
				_, err := s.signer(t).Sign(t.Context(), []byte("x"))
				if err == nil || !strings.Contains(err.Error(), "reading the answer of "+service) {
					t.Errorf("%v, %s, %s: %v", generation, service, name, err)
				}
			}
		}
	}
}

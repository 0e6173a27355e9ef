package sigstore_test

import (
	"bytes"
	"encoding/asn1"
	"net/http"
	"testing"
)

func timestampLies() []lie {
	// askInstead has the honest authority answer another question.
	type query struct {
		Version int
		Imprint struct {
			Algorithm struct{ ID asn1.ObjectIdentifier }
			Digest    []byte
		}
		Nonce       asn1.RawValue `asn1:"optional"`
		Certificate bool          `asn1:"optional"`
	}
	askInstead := func(change func(q *query)) func(*testing.T, *rig, http.ResponseWriter, *http.Request, http.Handler) {
		return func(t *testing.T, _ *rig, w http.ResponseWriter, r *http.Request, honest http.Handler) {
			var body bytes.Buffer
			if _, err := body.ReadFrom(r.Body); err != nil {
				t.Error(err)
			}
			var q query
			if rest, err := asn1.Unmarshal(body.Bytes(), &q); err != nil || len(rest) > 0 {
				t.Errorf("request %x: %v", body.Bytes(), err)
			}
			change(&q)
			der, err := asn1.Marshal(q)
			if err != nil {
				t.Error(err)
			}
			honest.ServeHTTP(w, withBody(r, der))
		}
	}
	return []lie{
		{
			name: "nonce not repeated", path: stampPath, step: stamping, words: "time-stamp authority http://127.0.0.1/api/v1/timestamp: checking time-stamp token: nonce is not the one that was asked for",
			answer: askInstead(func(q *query) { q.Nonce = asn1.RawValue{} }),
		}, {
			name: "another nonce", path: stampPath, step: stamping, words: "nonce is not the one that was asked for",
			answer: askInstead(func(q *query) { q.Nonce = asn1.RawValue{FullBytes: []byte{2, 1, 7}} }),
		}, {
			name: "another imprint", path: stampPath, step: stamping, words: "message imprint is not the one that was asked for",
			answer: askInstead(func(q *query) { q.Imprint.Digest[0] ^= 1 }),
		}, {
			name: "request rejected", path: stampPath, step: stamping, words: "rejected (badRequest): \"unknown version\"",
			answer: askInstead(func(q *query) { q.Version = 2 }),
		},
	}
}

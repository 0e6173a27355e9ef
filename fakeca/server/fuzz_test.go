package server

import (
	"encoding/json"
	"testing"

	"gitseal/fakeca"
)

// FuzzRequests sends anything to everything that takes a body. Whatever it is,
// it is the client's mistake or is answered, and a log takes in nothing that its
// clients could not have signed.
func FuzzRequests(f *testing.F) {
	paths := []string{
		"/api/v2/signingCert", "/api/v1/signingCert", "/api/v1/timestamp", "/api/v1/log/entries",
		"/api/v1/log/entries/retrieve", "/api/v1/index/retrieve", "/api/v2/log/entries",
	}
	var clients []*client
	for _, generation := range generations() {
		clients = append(clients, newClient(f, newAuthority(f, fakeca.Config{Log: generation})).signIn())
	}
	u := certified(f, clients[0].a, "alice@example.com")
	envelope, _ := dsse(u, "{}")
	for i, request := range []any{
		publicKeyRequest(u, "alice@example.com"), legacyRequest(u, "alice@example.com"), object{},
		rekord(u, "message", []byte("signature")), object{"logIndexes": []int{1}}, object{"hash": ""},
		rekordV2(u, "message", []byte("signature")), envelope,
	} {
		body, err := json.Marshal(request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint(i), body)
	}
	f.Fuzz(func(t *testing.T, i uint, body []byte) {
		for _, c := range clients {
			c.t = t
			path := paths[i%uint(len(paths))]
			c.header.Set("Content-Type", "application/json")
			if path == "/api/v1/timestamp" {
				c.header.Set("Content-Type", "application/timestamp-query")
			}
			if r := c.ask("POST", path, body); r.status >= 500 {
				t.Errorf("%s is answered by %d, %s", path, r.status, r.body)
			}
		}
	})
}

package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"gitseal/internal/transport"
	trusted "gitseal/internal/trust"
	"gitseal/signer/sigstore"
)

// A silentCA certifies nothing until all servers are connected to.
type silentCA struct{ connected chan string }

func (c silentCA) Certify(context.Context, string, []byte, []byte) ([][]byte, error) {
	for range 3 {
		<-c.connected
	}
	return nil, nil
}

// TestAskingForACertificateConnectsToAllServers, before the authority answers.
func TestAskingForACertificateConnectsToAllServers(t *testing.T) {
	connected := make(chan string, 16)
	service := func(version uint32) []trusted.Service {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connected <- s.URL
			}
		}
		s.Start()
		t.Cleanup(s.Close)
		return []trusted.Service{{URL: s.URL, MajorAPIVersion: version, ValidFor: always}}
	}
	one := trusted.Selection{Selector: "ANY"}
	servers, err := sigstore.New(sigstore.Config{
		Client: transport.New(transport.Config{UserAgent: "test"}),
		Signing: &trusted.SigningConfig{
			CAs: service(1), TLogs: service(2), TSAs: service(1), TLogConfig: one, TSAConfig: one,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (connectingCA{silentCA{connected}, servers}).Certify(t.Context(), "", nil, nil); err != nil {
		t.Error(err)
	}
}

package oidc

import (
	"net"
	"strings"
	"testing"
)

func TestSPIFFEAddress(t *testing.T) {
	for _, tt := range []struct{ uri, network, address string }{
		{"unix:///run/spire/agent.sock", "unix", "/run/spire/agent.sock"},
		{"unix:/run/spire/agent.sock", "unix", "/run/spire/agent.sock"},
		{"unix:///a%20b", "unix", "/a b"},
		{"tcp://127.0.0.1:8000", "tcp", "127.0.0.1:8000"},
		{"tcp://[::1]:8000", "tcp", "[::1]:8000"},
	} {
		network, address, err := spiffeAddress(tt.uri)
		if err != nil || network != tt.network || address != tt.address {
			t.Errorf("spiffeAddress(%q) = %q, %q, %v, want %q, %q", tt.uri, network, address, err, tt.network, tt.address)
		}
	}
	for _, uri := range []string{
		"", "/run/agent.sock", "unix://", "unix:agent.sock", "unix://host/agent.sock", "unix:///a?b", "unix:///a#b", "unix:///a?",
		"unix://u@/a", "tcp://127.0.0.1", "tcp://localhost:80", "tcp://127.0.0.1:80/", "tcp://u@127.0.0.1:80", "tcp://:80", "tcp:127.0.0.1:80",
		"http://127.0.0.1:80", "npipe:pipe", "unix:///%zz", "unix:///a\n",
	} {
		if network, address, err := spiffeAddress(uri); err == nil {
			t.Errorf("spiffeAddress(%q) = %q, %q, want an error", uri, network, address)
		} else {
			checkError(t, err, "")
		}
	}
}

func FuzzSPIFFEAddress(f *testing.F) {
	for _, uri := range []string{
		"unix:///run/spire/agent.sock", "unix:/a%20b", "unix:a", "tcp://127.0.0.1:8000", "tcp://[::1]:80", "tcp://localhost:80", "tcp://127.0.0.1:80/x", "",
	} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		network, address, err := spiffeAddress(uri)
		if err != nil {
			return
		}
		switch network {
		case "unix":
			if !strings.HasPrefix(address, "/") {
				t.Errorf("%q: got path %q, want an absolute one", uri, address)
			}
		case "tcp":
			host, port, err := net.SplitHostPort(address)
			if err != nil || net.ParseIP(host) == nil || port == "" {
				t.Errorf("%q: got %q (%v), want an IP address and a port", uri, address, err)
			}
		default:
			t.Errorf("%q: got network %q", uri, network)
		}
	})
}

package server

import (
	"testing"

	"gitseal/fakeca"
	"gitseal/internal/trust"
)

func TestSigningConfigNamesTheServer(t *testing.T) {
	for generation, version := range map[fakeca.Generation]uint32{fakeca.RekorV1: 1, fakeca.RekorV2: 2} {
		a := newAuthority(t, fakeca.Config{Log: generation})
		text, err := SigningConfig(a, "http://127.0.0.1:8080/")
		if err != nil {
			t.Fatal(err)
		}
		c, err := trust.ParseSigningConfig(text)
		if err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			got     []trust.Service
			url     string
			version uint32
		}{
			"CA":  {c.CAs, "http://127.0.0.1:8080", 1},
			"log": {c.TLogs, "http://127.0.0.1:8080", version},
			"TSA": {c.TSAs, "http://127.0.0.1:8080/api/v1/timestamp", 1},
		} {
			if len(test.got) != 1 || test.got[0].URL != test.url || test.got[0].MajorAPIVersion != test.version {
				t.Errorf("%v: %s is %v, want %s of version %d", generation, name, test.got, test.url, test.version)
			}
		}
		if len(c.OIDCProviders) != 0 {
			t.Errorf("%v: providers %v, want none", generation, c.OIDCProviders)
		}
	}
	a := newAuthority(t, fakeca.Config{})
	for _, url := range []string{"", "127.0.0.1:8080", "ftp://127.0.0.1"} {
		if text, err := SigningConfig(a, url); err == nil {
			t.Errorf("SigningConfig of %q = %s", url, text)
		}
	}
}

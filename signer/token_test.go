package signer_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"gitseal/signer"
)

// token returns a token with these claims and no signature worth it.
func token(claims string) string {
	return "eyJhbGciOiJFUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".AAAA"
}

func TestReadClaims(t *testing.T) {
	end := time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)
	for _, test := range []struct {
		claims   string
		audience string
		expires  time.Time
	}{
		{`{"iss":"https://i","sub":"s","aud":"sigstore","exp":1700000000}`, "sigstore", end},
		{`{"iss":"https://i","sub":"s","aud":["x","sigstore"],"exp":1.7e9}`, "x,sigstore", end},
		{`{"iss":"https://i","sub":"s","aud":[]}`, "", time.Time{}},
		{`{"iss":"https://i","sub":"s","exp":1e300}`, "", time.Time{}},
		{`{"iss":"https://i","sub":"s","exp":-1}`, "", time.Time{}},
	} {
		c, err := signer.ReadClaims(token(test.claims))
		if err != nil {
			t.Errorf("ReadClaims(%s): %v", test.claims, err)
			continue
		}
		if c.Issuer != "https://i" || c.Subject != "s" || strings.Join(c.Audience, ",") != test.audience || !c.Expires.Equal(test.expires) {
			t.Errorf("ReadClaims(%s) = %+v, want audience %q, expires %v", test.claims, c, test.audience, test.expires)
		}
	}
}

// What an authority could read otherwise is refused before it sees it.
func TestReadClaimsInOneWay(t *testing.T) {
	for _, more := range []string{`"email":"a@b"`, `"Email":"eve@b"`, `"ſub":"eve"`, `"EXP":1`, `"federated_claims":{"Connector_ID":"x"}`,
		`"federated_claims":{"connector_id":"x","connector_id":"y"}`, `"other":1,"other":2`} {
		c, err := signer.ReadClaims(token(`{"iss":"https://i","sub":"s","email":"a@b",` + more + `}`))
		if want := "the claims of the identity token can be read in two ways"; err == nil || err.Error() != want {
			t.Errorf("%s: %+v, %v, want %q", more, c, err, want)
		}
	}
}

func TestEmailCountsAsVerifiedIfTheIssuerSaysSo(t *testing.T) {
	for text, want := range map[string]bool{`true`: true, `"true"`: true, `false`: false, `"false"`: false, `1`: false, `null`: false} {
		c, err := signer.ReadClaims(token(`{"iss":"https://i","sub":"s","email":"a@b","email_verified":` + text + `}`))
		if err != nil || c.Email != "a@b" || c.EmailVerified != want {
			t.Errorf("email_verified %s: %+v, %v, want %v", text, c, err, want)
		}
	}
}

// FuzzReadClaims wants of every token claims with a time that can be shown, or
// one of the errors that say nothing of it.
func FuzzReadClaims(f *testing.F) {
	for _, claims := range []string{
		`{"iss":"https://i","sub":"s","email":"a@b","email_verified":"true","aud":["sigstore"],"exp":1700000000}`,
		`{"aud":null,"exp":-1}`, `{"aud":{}}`, `[]`, `{"exp":"soon"}`, `not JSON`,
	} {
		f.Add(token(claims))
	}
	f.Add("a.b")
	f.Add("a.!.c")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := signer.ReadClaims(token)
		if err != nil {
			var refused *signer.TokenError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), "the identity token") || len(err.Error()) > 80 {
				t.Errorf("ReadClaims(%q): %v, want fixed words", token, err)
			}
			return
		}
		if y := c.Expires.UTC().Year(); y > 9999 || c.Issuer == "" {
			t.Errorf("ReadClaims(%q) = %+v", token, c)
		}
	})
}

package main

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// unsignedToken returns a token with these claims and no signature worth it.
func unsignedToken(claims string) string {
	return "eyJhbGciOiJFUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".AAAA"
}

func TestReadClaims(t *testing.T) {
	for _, test := range []struct{ claims, who, audience, expires string }{
		{`{"iss":"https://i","sub":"s","email":"a@b","email_verified":true,"aud":"sigstore","exp":1700000000}`, "a@b (https://i)", "sigstore", "2023-11-14 22:13:20 UTC"},
		{`{"iss":"https://i","sub":"repo:o/r","aud":["x","sigstore"],"exp":1.7e9}`, "repo:o/r (https://i)", "x,sigstore", "2023-11-14 22:13:20 UTC"},
		{`{"iss":"https://i","sub":"a\nb","aud":[]}`, `a\x0ab (https://i)`, "", "0001-01-01 00:00:00 UTC"},
		{`{"iss":"https://i","sub":"s","aud":"sigstore","exp":1e300}`, "s (https://i)", "sigstore", "0001-01-01 00:00:00 UTC"},
	} {
		c, err := readClaims(unsignedToken(test.claims))
		if err != nil {
			t.Errorf("readClaims(%s): %v", test.claims, err)
			continue
		}
		if got := c.who(); got != test.who {
			t.Errorf("%s: for %q, want %q", test.claims, got, test.who)
		}
		if got := strings.Join(c.Audience, ","); got != test.audience {
			t.Errorf("%s: audience %q, want %q", test.claims, got, test.audience)
		}
		if got := formatTime(c.Expires); got != test.expires {
			t.Errorf("%s: expires %s, want %s", test.claims, got, test.expires)
		}
	}
}

func TestEmailCountsAsVerifiedIfTheIssuerSaysSo(t *testing.T) {
	for text, want := range map[string]bool{`true`: true, `"true"`: true, `false`: false, `"false"`: false, `1`: false, `null`: false} {
		c, err := readClaims(unsignedToken(`{"aud":"sigstore","email":"a@b","email_verified":` + text + `}`))
		if err != nil || c.Verified != want {
			t.Errorf("email_verified %s: %+v, %v, want %v", text, c, err, want)
		}
	}
}

// TestTokenIsGoodForAMomentLonger allows for clocks that differ a little.
func TestTokenIsGoodForAMomentLonger(t *testing.T) {
	end := time.Unix(1700000000, 0)
	c := &claims{Audience: []string{"sigstore"}, Expires: end}
	if err := c.check(end.Add(tokenSkew), "sigstore"); err != nil {
		t.Errorf("%v after its end: %v", tokenSkew, err)
	}
	if err := c.check(end.Add(tokenSkew+time.Second), "sigstore"); err == nil {
		t.Errorf("%v after its end: good, want an error", tokenSkew+time.Second)
	}
}

func TestWhatAnAuthorityWillRefuse(t *testing.T) {
	email := issuer{URL: "https://i", Challenge: "email"}
	for _, test := range []struct {
		name    string
		claims  claims
		issuers []issuer
		want    string // "": nothing
	}{
		{"it does not tell whose tokens it takes", claims{Issuer: "https://i"}, nil, ""},
		{"a verified address", claims{Issuer: "https://i", Email: "a@b", Verified: true}, []issuer{email}, ""},
		{"an unverified one", claims{Issuer: "https://i", Email: "a@b"}, []issuer{email}, "has not verified"},
		{"an unverified one that is enough", claims{Issuer: "https://i", Email: "a@b"}, []issuer{{URL: "https://i", Challenge: "email", AnyEmail: true}}, ""},
		{"no address", claims{Issuer: "https://i", Subject: "s"}, []issuer{email}, "no e-mail address"},
		{"a subject", claims{Issuer: "https://i", Subject: "s"}, []issuer{{URL: "https://i", Challenge: "sub"}}, ""},
		{"another issuer", claims{Issuer: "https://j"}, []issuer{email}, "takes no tokens of issuer https://j"},
		{"another issuer, perhaps", claims{Issuer: "https://j"}, []issuer{email, {Wildcard: "https://*"}}, ""},
		{"an issuer beside a pattern", claims{Issuer: "https://i", Email: "a@b"}, []issuer{{Wildcard: "https://*"}, email}, "has not verified"},
	} {
		hint, err := refusal(&test.claims, test.issuers)
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || hint == "") {
			t.Errorf("%s: %v, hint %q, want %q", test.name, err, hint, test.want)
		}
	}
	many := make([]issuer, 1000)
	for i := range many {
		many[i] = email
	}
	if hint, _ := refusal(&claims{Issuer: "https://j"}, many); !strings.HasSuffix(hint, " and 988 more") || len(hint) > 500 {
		t.Errorf("hint for a thousand issuers: %q", hint)
	}
}

// FuzzReadClaims wants of every token claims that can be shown, or one of the
// errors that say nothing of it.
func FuzzReadClaims(f *testing.F) {
	for _, claims := range []string{
		`{"iss":"https://i","sub":"s","email":"a@b","email_verified":"true","aud":["sigstore"],"exp":1700000000}`,
		`{"aud":null,"exp":-1}`, `{"aud":{}}`, `[]`, `{"exp":"soon"}`, `not JSON`,
	} {
		f.Add(unsignedToken(claims))
	}
	f.Add("a.b")
	f.Add("a.!.c")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := readClaims(token)
		if err != nil {
			if !strings.Contains(err.Error(), "the identity token") || len(err.Error()) > 80 {
				t.Errorf("readClaims(%q): %v, want fixed words", token, err)
			}
			return
		}
		if printable(c.who()) != c.who() {
			t.Errorf("who() = %q has characters that no terminal should get", c.who())
		}
		if y := c.Expires.UTC().Year(); y > 9999 {
			t.Errorf("expires in the year %d", y)
		}
	})
}

package oidctest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// deviceCode begins a login on another device (RFC 8628, section 3.1).
func (i *Issuer) deviceCode(w http.ResponseWriter, r *http.Request) {
	scopes := strings.Fields(r.Form.Get("scope"))
	if r.Form.Get("client_id") == "" || !slices.Contains(scopes, "openid") || r.Form.Get("client_secret") != i.cfg.Secret {
		refuse(w, "invalid_request")
		return
	}
	code, user := random(), random()
	user = user[:4] + "-" + user[4:8]
	i.devices[code] = &login{
		client: r.Form.Get("client_id"), challenge: r.Form.Get("code_challenge"),
		offline: slices.Contains(scopes, "offline_access"), user: user,
	}
	answer := map[string]any{
		"device_code": code, "user_code": user, "verification_uri": i.URL + "/device",
		"verification_uri_complete": i.URL + "/device?user_code=" + user, "expires_in": 300, "interval": 5,
	}
	if i.cfg.Code != nil {
		i.cfg.Code(answer)
	}
	writeJSON(w, http.StatusOK, answer)
}

// enter is the page on which a person enters a code. They do it by the
// parameters user_code, user and deny.
func (i *Issuer) enter(w http.ResponseWriter, r *http.Request) {
	for _, l := range i.devices {
		if l.user != r.Form.Get("user_code") {
			continue
		}
		if l.denied = r.Form.Get("deny") != ""; !l.denied {
			l.email = who(r.Form)
		}
		fmt.Fprintln(w, "done")
		return
	}
	http.Error(w, "there is no such code", http.StatusNotFound)
}

// token is the token endpoint.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	form := r.PostForm
	if id, secret, ok := r.BasicAuth(); ok {
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	}
	if form.Get("client_secret") != i.cfg.Secret {
		refuse(w, "invalid_client")
		return
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		l := i.codes[form.Get("code")]
		delete(i.codes, form.Get("code"))
		if l == nil || l.redirect != form.Get("redirect_uri") || l.client != form.Get("client_id") || !l.provedBy(form.Get("code_verifier")) {
			refuse(w, "invalid_grant")
			return
		}
		i.give(w, l)
	case "refresh_token":
		l := i.sessions[form.Get("refresh_token")]
		delete(i.sessions, form.Get("refresh_token"))
		if l == nil || l.client != form.Get("client_id") {
			refuse(w, "invalid_grant")
			return
		}
		i.give(w, l)
	case "urn:ietf:params:oauth:grant-type:device_code":
		i.poll(w, form.Get("device_code"), form.Get("client_id"), form.Get("code_verifier"))
	default:
		refuse(w, "unsupported_grant_type")
	}
}

// poll answers whether a person has logged in (RFC 8628, section 3.5).
func (i *Issuer) poll(w http.ResponseWriter, code, client, verifier string) {
	l := i.devices[code]
	if l == nil || l.client != client {
		refuse(w, "invalid_grant")
		return
	}
	l.polls++
	if i.cfg.Poll != nil {
		if refusal := i.cfg.Poll(l.polls); refusal != "" {
			refuse(w, refusal)
			return
		}
	}
	switch {
	case l.denied:
		refuse(w, "access_denied")
	case l.email == "":
		refuse(w, "authorization_pending")
	case !l.provedBy(verifier):
		refuse(w, "invalid_grant")
	default:
		delete(i.devices, code)
		i.give(w, l)
	}
}

// give answers with the tokens of a login.
func (i *Issuer) give(w http.ResponseWriter, l *login) {
	access := random()
	answer := map[string]any{
		"access_token": access, "token_type": "bearer", "expires_in": int(i.cfg.Lifetime.Seconds()), "id_token": i.identity(l, access),
	}
	if l.offline {
		refresh := random()
		session := *l
		session.nonce = "" // OpenID Connect Core, section 12.2
		i.sessions[refresh] = &session
		answer["refresh_token"] = refresh
	}
	if i.cfg.Tokens != nil {
		i.cfg.Tokens(answer)
	}
	writeJSON(w, http.StatusOK, answer)
}

// provedBy reports whether the verifier is that of the login's challenge (RFC
// 7636, section 4.6).
func (l *login) provedBy(verifier string) bool {
	h := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(h[:]) == l.challenge
}

//go:build unix

package agent

import (
	"context"
	"strings"
	"testing"

	"gitseal/signer"
)

// TestOnlyWhoWasAgreedToSigns: while a person thinks about it the certificate is
// forgotten, and there may be one of somebody who is called the same.
func TestOnlyWhoWasAgreedToSigns(t *testing.T) {
	for _, namesake := range []bool{false, true} {
		var w *world
		w = newWorld(t, func(_ *world, cfg *Config) {
			cfg.Confirm = func(ctx context.Context, _ string) error {
				if namesake {
					w.server.mu.Lock()
					defer w.server.mu.Unlock()
					sl := w.server.slots[w.server.recent[loginKey{w.instance.Digest(), source}]]
					other := *sl
					other.key.identity.Issuer = "https://other.example"
					other.cred = w.credential(t)
					w.server.slots[other.key] = &other
					w.server.drop(sl)
					return nil
				}
				_, err := w.client.Forget(ctx, nil, "")
				return err
			}
		})
		w.login(t, alice, "")
		w.needsLogin(t, "")
		if log := w.log.String(); strings.Contains(log, "panic") {
			t.Errorf("namesake %v: the log says\n%s", namesake, log)
		}
	}
}

// credential returns a certificate of alice's.
func (w *world) credential(t testing.TB) *signer.Credential {
	t.Helper()
	token, err := w.authority.Token(t.Context(), alice)
	must(t, err)
	s, err := w.open(nil, givenToken(token))
	must(t, err)
	cred, err := s.NewCredential(t.Context())
	must(t, err)
	return cred
}

package agent

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"gitseal/signer"
	"gitseal/signer/oidc"
	"gitseal/verifier"
)

// A slot is what one identity signs with at one instance. Server.mu guards all
// but the first two fields, which never change.
type slot struct {
	key      slotKey
	instance *instance

	order       int                // of logins: the latest has the highest
	cred        *signer.Credential // nil: expired, and there is a session to get another
	certificate *credentialMessage // of cred, or the last there was, as it is told of
	claims      signer.Claims      // of the token that it was issued for
	deadline    time.Duration      // end of cred by Uptime: a clock that is set back does not bring it back
	session     *oidc.Session      // nil: none
	renewal     *renewal           // under way; nil: none is
	retry       time.Duration      // Uptime before which nobody renews who has no need to
	signatures  int
	used        moment // of the last signature or login
	late        bool   // something was signed in the second half of the certificate's life
}

// A loginKey is what a login is for.
type loginKey struct {
	instance [32]byte
	source   string
}

// A slotKey is what distinguishes slots.
type slotKey struct {
	loginKey
	identity verifier.Identity
}

// An instance is one that signs.
type instance struct {
	*Instance
	signer *signer.Signer // its connections stay open
}

// A moment is by both clocks: that which people set, and goes on while the
// machine sleeps, and that which does neither.
type moment struct {
	wall time.Time
	up   time.Duration
}

func (s *Server) clock() moment { return moment{s.cfg.Now().Round(0), s.cfg.Uptime()} }

// since returns for how long it has been, by whichever clock says longer.
func (m moment) since(then moment) time.Duration {
	return max(m.wall.Sub(then.wall), m.up-then.up)
}

// minLeft is how much longer a certificate has to be valid to sign with: log and
// time-stamp authority have to get the signature before it ends.
const minLeft = 30 * time.Second

// left returns for how long there is a certificate, by whichever clock says
// shorter.
func (sl *slot) left(now moment) time.Duration {
	if sl.cred == nil {
		return 0
	}
	return min(sl.cred.NotAfter.Sub(now.wall), sl.deadline-now.up)
}

// renewable returns for how long it can be renewed.
func (s *Server) renewable(sl *slot, now moment) time.Duration {
	if sl.session == nil || s.cfg.Renew == nil {
		return 0
	}
	return max(0, s.cfg.Idle-now.since(sl.used))
}

// find returns the slot of the last login, of the subject expect if that is not
// "". The caller holds s.mu.
func (s *Server) find(key loginKey, expect string) *slot {
	if expect == "" {
		return s.slots[s.recent[key]]
	}
	for _, sl := range s.sorted() {
		if sl.key.loginKey == key && sl.key.identity.Subject == expect {
			return sl
		}
	}
	return nil
}

// sorted returns all slots, that of the last login first. The caller holds s.mu.
func (s *Server) sorted() []*slot {
	return slices.SortedFunc(maps.Values(s.slots), func(a, b *slot) int { return cmp.Compare(b.order, a.order) })
}

// credential returns what to sign with, renewed if need be. The error is
// ErrNoCredential if that takes a login.
func (s *Server) credential(ctx context.Context, t *talk, of [32]byte, source, expect string) (*slot, *signer.Credential, error) {
	for renewed := false; ; renewed = true {
		s.mu.Lock()
		now := s.clock()
		var r *renewal
		sl := s.find(loginKey{of, source}, expect)
		if sl != nil && sl.left(now) >= minLeft {
			defer s.mu.Unlock()
			return sl, sl.cred, nil
		}
		if sl != nil && !renewed {
			r = s.renew(sl, now)
		}
		s.mu.Unlock()
		if r == nil {
			return nil, nil, ErrNoCredential
		}
		t.step("getting a token")
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		if r.err != nil {
			return nil, nil, r.err
		}
	}
}

// maxSlots bounds how much there is to remember. One user has a few identities.
const maxSlots = 256

// keep puts a new credential into the slot it belongs to. session, if it is not
// nil, replaces the one there.
func (s *Server) keep(key loginKey, in *instance, cred *signer.Credential, session *oidc.Session) (*slot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		cred.Forget()
		return nil, errors.New("the agent is ending")
	}
	of := slotKey{key, cred.Identity()}
	sl := s.slots[of]
	if sl == nil {
		if len(s.slots) >= maxSlots {
			cred.Forget()
			return nil, errors.New("the agent has too many certificates")
		}
		sl = &slot{key: of, instance: in}
		s.slots[of] = sl
	}
	if session != nil {
		sl.session = session
	}
	s.logins++
	sl.order, sl.used = s.logins, s.clock()
	s.recent[key] = of
	s.put(sl, cred)
	s.poke()
	return sl, nil
}

// put replaces the credential of a slot. The caller holds s.mu.
func (s *Server) put(sl *slot, cred *signer.Credential) {
	if sl.cred != nil {
		sl.cred.Forget()
	}
	now := s.clock()
	// That a clock is slow makes no life longer than the authority meant.
	life := min(cred.NotAfter.Sub(cred.NotBefore()), cred.NotAfter.Sub(now.wall))
	sl.cred, sl.claims, sl.late, sl.deadline = cred, cred.Claims(), false, now.up+life
	sl.certificate = &credentialMessage{
		Instance: sl.instance.Name, Digest: sl.key.instance, Source: sl.key.source,
		Issuer: sl.key.identity.Issuer, Subject: sl.key.identity.Subject,
		Certificate: cred.Certificate(), NotAfter: cred.NotAfter.UTC(),
	}
}

// use takes note of a signature.
func (s *Server) use(sl *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl.signatures++
	sl.used = s.clock()
	if sl.cred != nil && !sl.late && sl.left(sl.used) < sl.cred.NotAfter.Sub(sl.cred.NotBefore())/2 {
		sl.late = true
		s.poke()
	}
}

// tell returns what a client is told of a slot. The caller holds s.mu.
func (s *Server) tell(sl *slot) credentialMessage {
	m := *sl.certificate
	m.Renewable, m.Signatures = s.renewable(sl, s.clock()) > 0, sl.signatures
	m.Current = s.recent[sl.key.loginKey] == sl.key
	return m
}

// forget forgets what there is for an instance, or all if that is nil, and a
// subject, or whomever if that is "". It returns how many identities that were.
func (s *Server) forget(of *[32]byte, subject string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, sl := range s.slots {
		if (of == nil || sl.key.instance == *of) && (subject == "" || sl.key.identity.Subject == subject) {
			s.drop(sl)
			n++
		}
	}
	s.cfg.Log.Info("forgot on demand", "identities", n)
	s.poke()
	return n
}

// drop forgets a slot. The caller holds s.mu.
func (s *Server) drop(sl *slot) {
	if sl.cred != nil {
		sl.cred.Forget()
	}
	delete(s.slots, sl.key)
	if s.recent[sl.key.loginKey] == sl.key {
		delete(s.recent, sl.key.loginKey)
	}
	s.busy = s.cfg.Uptime()
}

// forgetAll ends the use of all keys, for good.
func (s *Server) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, sl := range s.slots {
		s.drop(sl)
	}
}

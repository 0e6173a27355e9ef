package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gitseal/gitutil"
	"gitseal/signer"
	"gitseal/verifier"
)

// This file is about whom a person means to sign as. A certificate goes to a
// public log, where it stays, so what the settings do not want is refused while
// there is only a token, and once more of the certificate that came of it: an
// authority may name whom it certifies otherwise than the token does.
//
// Addresses and subjects are compared byte for byte, as policies and audits do.
// What differs in upper and lower case alone is the same mailbox nearly
// everywhere, but RFC 5321 (section 2.4) leaves that to the host, so it is
// refused too, and that is said.

// mayUse refuses an identity token that gitseal.expectIdentity or
// gitseal.matchCommitter does not want payload to be signed with. payload is as
// git hands it over; nil: it is no git object, and has no committer.
func (s *settings) mayUse(c *signer.Claims, payload []byte) error {
	// Where a token has an address that its issuer has not verified, the
	// authority may still take it for the identity.
	names := []string{c.Subject}
	if c.Email != "" {
		names = []string{c.Email}
	}
	if err := s.expected("the identity token is", names); err != nil {
		return err
	}
	if c.Email == "" {
		// A workflow's name is in its certificate, and only there.
		return nil
	}
	return s.committed(c.Email, true, payload)
}

// mayGive refuses a signature for the same reasons by the certificate it was
// made with.
func (s *settings) mayGive(cert *verifier.Certificate, payload []byte) error {
	isEmail := cert.SubjectType == "email"
	names := []string{cert.Identity.Subject}
	if !isEmail {
		for _, claim := range cert.Claims {
			if claim.Number == claimTokenSubject {
				names = append(names, claim.Value)
			}
		}
	}
	if err := s.expected("the certificate is", names); err != nil {
		return err
	}
	return s.committed(cert.Identity.Subject, isEmail, payload)
}

// claimTokenSubject is the certificate extension with the subject of the token
// (Fulcio's oid-info.md).
const claimTokenSubject = 24

// expectIdentity returns whom gitseal.expectIdentity allows to sign: what the
// user says, and what the repository says. Each is nil if it says nothing. One
// of either has to be the identity: a repository may narrow what the user
// allows, and not widen it.
func (s *settings) expectIdentity() (lists [][]setting, err error) {
	const key = "gitseal.expectIdentity"
	if v := s.getenv(envName(key)); v != "" {
		var list []setting
		for _, one := range strings.Fields(v) {
			list = append(list, setting{key, one, "environment " + envName(key)})
		}
		return [][]setting{list}, nil
	}
	var users, repositorys []setting
	for _, entry := range s.config(key).GetAll(key) {
		if entry.Value == "" {
			return nil, usage("reading %s (set in %s): it is empty", key, entry.Origin)
		}
		v := setting{key, entry.Value, entry.Origin}
		if ofRepository(entry) {
			repositorys = append(repositorys, v)
		} else {
			users = append(users, v)
		}
	}
	return [][]setting{users, repositorys}, nil
}

// expected refuses an identity, which may have several names, unless one of
// them is among those that gitseal.expectIdentity allows. what begins the error.
func (s *settings) expected(what string, names []string) error {
	lists, err := s.expectIdentity()
	if err != nil {
		return err
	}
	for _, list := range lists {
		if list == nil || slices.ContainsFunc(list, func(v setting) bool { return slices.Contains(names, v.Value) }) {
			continue
		}
		var wanted []string
		alike := ""
		for _, v := range list {
			wanted = append(wanted, fmt.Sprintf("%q", v.Value))
			if foldsTo(v.Value, names[0]) {
				alike = ", which differs in upper and lower case"
			}
		}
		return fail(exitUsage, fmt.Errorf("%s for %q, and gitseal.expectIdentity (set in %s) wants %s%s",
			what, names[0], list[0].Source, strings.Join(wanted, " or "), alike), s.otherIdentity()...)
	}
	return nil
}

// otherIdentity says how to sign as somebody else.
func (s *settings) otherIdentity() []string {
	if in, err := s.instance(); err == nil && in.hasAuthority() {
		return []string{"git config gitseal.identity ADDRESS   # whom the local authority certifies"}
	}
	return []string{
		"gitseal login   # as the other one; gitseal.connectorID says who is asked for it",
		"gitseal whoami   # says who would sign, and where that comes from",
	}
}

// matchCommitter returns whether the committer has to be the signer.
func (s *settings) matchCommitter() (bool, setting, error) {
	on, v, err := s.flag("gitseal.matchCommitter", false)
	if err != nil || !v.isDefault() {
		return on, v, err
	}
	const theirs, variable = "gitsign.matchCommitter", "GITSIGN_MATCH_COMMITTER"
	if value := s.getenv(variable); value != "" {
		if on, err = strconv.ParseBool(value); err != nil {
			return false, v, usage("reading %s: %q is not true or false", variable, value)
		}
		return on, setting{theirs, strconv.FormatBool(on), "environment " + variable}, nil
	}
	if on, err = s.config(theirs).Bool(theirs, false); err != nil {
		return false, v, fail(exitUsage, err)
	}
	if entry, ok := s.git.Get(theirs); ok {
		v = setting{theirs, strconv.FormatBool(on), entry.Origin}
	}
	return on, v, nil
}

// committed refuses an identity that is not the committer of payload, if
// gitseal.matchCommitter says so. As in gitsign, an address has to be the
// committer's, and what is none the committer's name.
func (s *settings) committed(who string, isEmail bool, payload []byte) error {
	on, v, err := s.matchCommitter()
	if err != nil || !on || payload == nil {
		return err
	}
	c, err := committerOf(payload)
	if err != nil {
		return fail(exitUsage, fmt.Errorf("comparing the signer with the committer (%s, set in %s): %w", v.Key, v.Source, err))
	}
	have, key := c.email, "user.email"
	if !isEmail {
		have, key = c.name, "user.name"
	}
	if have == who {
		return nil
	}
	alike := ""
	if foldsTo(have, who) {
		alike = ", which differs in upper and lower case"
	}
	hints := append([]string{fmt.Sprintf("git config %s %s   # commit as who signs", key, shellWord(who))}, s.otherIdentity()...)
	return fail(exitUsage, fmt.Errorf("the signer is %q, and the %s is %q%s (%s is set in %s)", who, c.role, have, alike, v.Key, v.Source), hints...)
}

// A committer is who a git object says made it.
type committer struct {
	role        string // "committer", "tagger" or "pusher"
	name, email string
}

// objectKind returns what git wants to have signed: "commit", "tag" or "push
// certificate"; "" for anything else.
func objectKind(payload []byte) string {
	for _, kind := range []struct{ prefix, name string }{
		{"tree ", "commit"}, {"object ", "tag"}, {"certificate version ", "push certificate"},
	} {
		if bytes.HasPrefix(payload, []byte(kind.prefix)) {
			return kind.name
		}
	}
	return ""
}

// payloadFormat returns the object format that the ids in a commit or tag are
// of: its first line ends in one.
func payloadFormat(payload []byte) gitutil.Format {
	line, _, _ := bytes.Cut(payload, []byte("\n"))
	_, id, _ := bytes.Cut(line, []byte(" "))
	if len(id) == hex.EncodedLen(sha256.Size) {
		return gitutil.SHA256
	}
	return gitutil.SHA1
}

// committerOf returns who is the committer of a commit, the tagger of a tag, or
// the pusher of a push certificate, as git has it signed.
func committerOf(payload []byte) (*committer, error) {
	switch objectKind(payload) {
	case "commit":
		commit, err := gitutil.ParseCommit(payload, payloadFormat(payload))
		if err != nil {
			return nil, err
		}
		return &committer{"committer", commit.Committer.Name, commit.Committer.Email}, nil
	case "tag":
		tag, err := gitutil.ParseTag(payload, payloadFormat(payload))
		if err != nil {
			return nil, err
		}
		if tag.Tagger == nil {
			return nil, errors.New("the tag names no tagger")
		}
		return &committer{"tagger", tag.Tagger.Name, tag.Tagger.Email}, nil
	case "push certificate":
		return pusherOf(payload)
	}
	return nil, errors.New("what is to be signed is no commit, tag or push certificate")
}

// pusherOf returns the pusher of a push certificate (generate_push_cert in
// git's send-pack.c):
//
//	"certificate version 0.1" LF
//	"pusher" SP key SP seconds SP zone LF
//
// where key is the committer, or what user.signingKey says instead.
func pusherOf(payload []byte) (*committer, error) {
	header, _, _ := strings.Cut(string(payload), "\n\n")
	_, rest, _ := strings.Cut(header, "\n")
	line, _, _ := strings.Cut(rest, "\n")
	key, ok := strings.CutPrefix(line, "pusher ")
	name, rest, hasEmail := strings.Cut(key, "<")
	email, _, closed := strings.Cut(rest, ">")
	if !ok || !hasEmail || !closed {
		return nil, errors.New("the push certificate names no pusher with an address: is user.signingKey set?")
	}
	return &committer{"pusher", strings.TrimSpace(name), email}, nil
}

// foldsTo reports whether two different texts are the same but for the case of
// ASCII letters.
func foldsTo(a, b string) bool {
	lower := func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}
	return a != b && strings.Map(lower, a) == strings.Map(lower, b)
}

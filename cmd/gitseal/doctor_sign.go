package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"gitseal/fakeca"
)

// sign makes a signature and verifies it, as git would have it done. Where
// servers sign it asks them first how they are.
func (d *doctor) sign(ctx context.Context, s *settings) {
	sig, err := s.openSigning(ctx, d.env)
	if err != nil {
		d.err(err)
		return
	}
	defer sig.Close() // what it has released is durable
	if sig.remote != nil {
		asking, cancel := context.WithTimeout(ctx, signTimeout)
		d.servers(asking, s, sig)
		cancel()
		if !d.signs {
			d.line("note", "no test signature made: the log would keep it")
			d.hint("gitseal doctor --sign")
			return
		}
	}
	sign, err := sig.signer(s, "")
	if err != nil {
		d.err(err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sig.wait)
	defer cancel()
	payload := []byte("gitseal doctor\n")
	begin := time.Now()
	made, err := sign.Sign(ctx, payload)
	if err != nil {
		d.unsigned(sig, err)
		return
	}
	took := time.Since(begin)
	id := made.Result.Certificate.Identity
	d.ok("signing works: as %s (%s), entry %d, in %.1f ms", printable(id.Subject), issuerLabel(id.Issuer), made.Result.Log.Index, float64(took.Microseconds())/1000)
	verdict, err := judge(ctx, d.env, payload, made.Armored)
	switch {
	case err != nil:
		d.err(err)
	case verdict.exit != exitGood:
		d.fail(verdict.hint, "verifying what you sign: %s", strings.Join(verdict.lines, "; "))
	default:
		d.ok("verifying works: what you sign is good")
	}
}

// unsigned reports that no signature could be made.
func (d *doctor) unsigned(sig *signing, err error) {
	if sig.remote != nil {
		d.err(sig.explain("signing does not work", err))
		return
	}
	hint := "check the clock, and that the authority's directory can be written"
	if errors.Is(err, fakeca.ErrCorrupt) {
		hint = replaceAuthority
	}
	d.fail(hint, "signing does not work: %v", err)
}

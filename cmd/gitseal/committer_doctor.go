package main

// identities says what settings want of the signer, what everybody will see of
// them, and how to have it otherwise.
func (d *doctor) identities(s *settings) {
	lists, err := s.expectIdentity()
	if err != nil {
		d.err(err)
	}
	expects := false
	for _, list := range lists {
		for _, v := range list {
			d.line("set ", "%s = %s (%s)", v.Key, v.Value, v.Source)
			expects = true
		}
	}
	on, v, err := s.matchCommitter()
	d.ifSet(on, v, err)
	on, v, err = s.flag("gitseal.verbose", false)
	d.ifSet(on, v, err)
	if v, err := s.failureLog(); err != nil {
		d.err(err)
	} else if v.Value == "" {
		d.line("note", "gitseal.logFile is %s (%s): why signing fails is not kept", off, v.Source)
	} else if !v.isDefault() {
		d.line("set ", "%s = %s (%s)", v.Key, v.Value, v.Source)
	}
	if in, err := s.instance(); err != nil || in.hasAuthority() || expects {
		return // nothing is shown to anyone, or only what is meant to be
	}
	d.line("note", "who signs can be read in the log for ever, with the e-mail address of the login if it has one, though the login may show it to nobody else")
	d.hint("git config --global gitseal.expectIdentity you@example.com   # no other address gets there")
	d.hint("which address that is, the issuer decides: docs/identity.md says how to have a no-reply one, or none")
}

// ifSet prints a setting that is off unless somebody turns it on.
func (d *doctor) ifSet(on bool, v setting, err error) {
	if err != nil {
		d.err(err)
	} else if on {
		d.line("set ", "%s = %s (%s)", v.Key, v.Value, v.Source)
	}
}

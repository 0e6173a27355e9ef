package policy

import (
	"strings"
	"sync"
	"unicode"

	"gitseal/verifier"
)

// A Near is an entry that an identity misses by little.
type Near struct {
	Entry Entry
	// OtherIssuer is true if the subject is the entry's and the issuer is
	// another one altogether. Otherwise the two identities differ only in
	// spelling: in the case of letters, in letters that look alike, or a slash
	// at the issuer's end.
	OtherIssuer bool
}

// Near returns the entries that id, of a keyless certificate, misses by
// little, in the order of the file. It is for hints: how near an identity
// comes is never a reason to allow it. Entries that match id, at whatever
// time, are not among them.
func (p *Policy) Near(id verifier.Identity) []Near {
	return p.near(verifier.Signer{Kind: verifier.Keyless, Identity: id})
}

// near is Near for all kinds of signers.
func (p *Policy) near(s verifier.Signer) []Near {
	if p == nil || s.Identity.Subject == "" || s.Kind == verifier.OpenPGP {
		return nil // keys that nearly agree are strangers
	}
	p.fold.Do(func() {
		for _, e := range p.entries {
			p.folded = append(p.folded, e.fold())
		}
	})
	subject, issuer := fold(s.Identity.Subject), foldIssuer(s.Identity.Issuer)
	var near []Near
	for i, e := range p.entries {
		f := &p.folded[i]
		if f.kind != s.Kind || !f.matches(subject) || e.issuer() == s.Identity.Issuer && e.matches(s.Identity.Subject) || e.SSHPrincipal != "" && e.SSHPrincipal == s.Identity.Subject {
			continue
		}
		near = append(near, Near{e.Entry.clone(), s.Kind != verifier.SSH && f.issuer != issuer})
	}
	return near
}

// A folded entry is what is left of one when letters that may be mistaken for
// one another are made one.
type folded struct {
	kind            verifier.Kind
	subject, issuer string
	pattern         verifier.Pattern
}

func (e *entry) fold() folded {
	f := folded{kind: e.Kind(), subject: fold(e.Subject + e.SSHPrincipal), issuer: foldIssuer(e.issuer())}
	if e.SubjectPattern != "" {
		// Folding leaves the stars and can add none, so this parses again; and
		// if it did not, the zero Pattern matches nothing.
		f.pattern, _ = verifier.ParsePattern(fold(e.SubjectPattern))
	}
	return f
}

// matches reports whether a folded subject is the entry's.
func (f *folded) matches(subject string) bool {
	return f.subject != "" && f.subject == subject || f.pattern.Match(subject)
}

func foldIssuer(s string) string {
	return strings.TrimSuffix(fold(s), "/")
}

// fold returns s in lower case, with the letters that look like ASCII ones
// made those and without what cannot be seen. The letters are those of
// Unicode's confusables (UTS #39) that names are most often forged with.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 {
			return unicode.ToLower(r)
		}
		if unicode.In(r, unicode.Mn, unicode.Cf, unicode.Variation_Selector) {
			return -1
		}
		if r >= 0xff01 && r <= 0xff5e && r != '＊' { // full width, but for what would be a star in a pattern
			r -= 0xff01 - '!'
		}
		r = unicode.ToLower(r)
		if ascii, ok := lookalikes()[r]; ok {
			return ascii
		}
		return r
	}, s)
}

// lookalikes are letters, in lower case, and the ASCII letters they are taken
// for.
var lookalikes = sync.OnceValue(func() map[rune]rune {
	m := make(map[rune]rune)
	for ascii, others := range map[rune]string{
		'a': "аɑα", 'b': "ьƅ", 'c': "сϲⅽ", 'd': "ԁⅾ", 'e': "еҽ", 'g': "ɡց", 'h': "һհ",
		'i': "іıɩιӏ", 'j': "јϳ", 'k': "кκ", 'l': "ⅼ", 'm': "мⅿ", 'n': "ոп", 'o': "оοօσ", 'p': "рρ",
		'q': "ԛզ", 'r': "гᴦ", 's': "ѕƽ", 't': "тτ", 'u': "υսʋ", 'v': "ѵνⅴ", 'w': "ԝѡ", 'x': "хχⅹ", 'y': "уγү", 'z': "ᴢ",
	} {
		for _, r := range others {
			m[r] = ascii
		}
	}
	return m
})

package sshsig

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gitseal/verifier"
)

func TestAsSSHKeygenKinds(t *testing.T) {
	t.Parallel()
	k := newKeygen(t)
	for _, args := range [][]string{{"-t", "ed25519"}, {"-t", "ecdsa", "-b", "256"}, {"-t", "ecdsa", "-b", "384"},
		{"-t", "ecdsa", "-b", "521"}, {"-t", "rsa", "-b", "2048"}} {
		name := strings.ReplaceAll(strings.Join(args[1:], ""), "-b", "")
		public := k.generate(name, args...)
		other := k.generate(name+".other", "-t", "ed25519")
		sig := k.sign(name)
		k.compare(keygenCase{name: name, sig: sig, allowed: "alice@example.com " + public + "\n", class: verifier.Verified})
		k.compare(keygenCase{name: name + " with SHA-256", sig: k.sign(name, "-O", "hashalg=sha256"), allowed: "alice@example.com " + public + "\n", class: verifier.Verified})
		k.compare(keygenCase{name: name + " not allowed", sig: sig, allowed: "bob " + other + "\n", class: verifier.IdentityNotAllowed})
		k.compare(keygenCase{name: name + " of other bytes", sig: k.signBytes(name, []byte("x")), allowed: "alice " + public + "\n", class: verifier.BadSignature})
	}
	// What it makes of ours.
	for name, key := range newKeys() {
		class, grade, differs := verifier.Verified, "", ""
		if name == "rsa1024" {
			class, grade, differs = verifier.WeakAlgorithm, "G", "RSA keys of 1024 bits are good enough for OpenSSH"
		}
		k.compare(keygenCase{name: name, sig: recipe{key: key}.make(t, payload), allowed: line("alice", "", key.PublicKey()), class: class, grade: grade, differs: differs})
	}
	untouched := newSecurityKey(newKey(t, algSKP256).(*securityKey).key, "ssh:", 0)
	k.compare(keygenCase{name: "not touched", sig: recipe{key: untouched}.make(t, payload), allowed: line("alice", "", untouched.PublicKey()), class: verifier.Verified})
}

func TestAsSSHKeygenLines(t *testing.T) {
	t.Parallel()
	k := newKeygen(t)
	key := k.generate("key", "-t", "ed25519")
	blob := strings.Fields(key)[1]
	sig := k.sign("key")
	const verified, notAllowed, expired = verifier.Verified, verifier.IdentityNotAllowed, verifier.ExpiredKey
	tests := []keygenCase{
		{allowed: "alice " + key, class: verified},
		{allowed: "alice " + key + " comment comment\n", class: verified},
		{allowed: " \t alice\t" + key + "\n", class: verified},
		{allowed: "alice " + key + "\r\n", class: verified},
		{allowed: "# x\n\n   # y\nnonsense\nalice " + key + "\n", class: verified},
		{allowed: "bob broken " + key + "\nalice " + key + "\n", class: verified},
		{allowed: `"Alice B" ` + key + "\n", class: verified},
		{allowed: `al,"Alice B" ` + key + "\n", class: verified},
		{allowed: "al,bob " + key + "\n", class: verified},
		{allowed: "!bob,alice " + key + "\n", class: verified},
		{allowed: "!bob@x,*@x " + key + "\n", class: verified, shows: "!bob@x", differs: "nobody is called by who is excluded"},
		{allowed: "alice,!alice,bob " + key + "\n", class: verified},
		{allowed: "*,!*@x " + key + "\n", class: verified},
		{allowed: "!alice,*x* " + key + "\n", class: verified},
		{allowed: "alice CERT-AUTHORITY " + key + "\n", class: notAllowed},
		{allowed: "alice namespaces=\"git\" " + key + "\n", class: verified},
		{allowed: "alice NameSpaces=\"fi?e,g*\"\t\t" + key + "\n", class: verified},
		{allowed: "alice namespaces=\"file\" " + key + "\n", class: notAllowed, grade: "B", differs: "the signature is right"},
		{allowed: "alice namespaces=\"*,!git\" " + key + "\n", class: notAllowed, grade: "B", differs: "the signature is right"},
		{allowed: "alice namespaces=\"file\" " + key + "\nalice " + key + "\n", class: verified},
		{allowed: "bob namespaces=\"file\" " + key + "\nalice " + key + "\n", class: verified, grade: "B",
			differs: "git asks about the principals of the first line only, and ssh-keygen finds that without the namespace"},
		{allowed: "alice namespaces=git " + key + "\n", class: notAllowed},
		{allowed: "alice namespaces=\"git " + key + "\n", class: notAllowed},
		{allowed: "alice namespaces=\"git\"x " + key + "\n", class: notAllowed},
		{allowed: "alice namespaces=\"git\",namespaces=\"git\" " + key + "\n", class: notAllowed},
		{allowed: "alice namespaces=\"git\", " + key + "\n", class: notAllowed},
		{allowed: "alice no-touch-required " + key + "\n", class: notAllowed},
		{allowed: "alice verify-required " + key + "\n", class: notAllowed},
		{allowed: "alice valid-after=\"20260101\" " + key + "\n", class: verified},
		{allowed: "alice valid-after=\"20260701120000\" " + key + "\n", class: verified},
		{allowed: "alice valid-after=\"20260701120001\" " + key + "\n", class: expired},
		{allowed: "alice valid-before=\"20260701120000Z\" " + key + "\n", class: verified},
		{allowed: "alice valid-before=\"20260701115959Z\" " + key + "\n", class: expired},
		{allowed: "alice valid-before=\"202607011159\" " + key + "\n", class: expired},
		{allowed: "alice valid-before=\"20260701\" " + key + "\n", class: expired},
		{allowed: "alice valid-before=\"20260701\" " + key + "\nbob " + key + "\n", class: verified},
		{allowed: "alice valid-before=\"2026-07-01\" " + key + "\n", class: notAllowed},
		{allowed: "alice valid-before=\"20261301\" " + key + "\n", class: notAllowed},
		{allowed: "alice valid-after=\"20260101\",valid-before=\"20260101\" " + key + "\n", class: notAllowed},
		{allowed: "alice ssh-ed25519 " + blob[:40] + "\n", class: notAllowed},
		{allowed: "alice ssh-rsa " + blob + "\n", class: notAllowed},
		{allowed: "alice " + blob + "\n", class: notAllowed},
		{allowed: key + "\n", class: notAllowed},
		{allowed: "\"alice " + key + "\n", class: notAllowed},
		{allowed: "", class: notAllowed},
		// What we leave out and ssh-keygen reads.
		{allowed: "a,,b " + key + "\n", class: notAllowed, grade: "G", differs: "an empty pattern"},
		{allowed: "alice namespaces=\"git\",,valid-after=\"20260101\" " + key + "\n", class: notAllowed, grade: "G", differs: "an empty option"},
		{allowed: "alice cert-authority,cert-authority " + key + "\nbob " + key + "\n", class: verified},
		{allowed: "\"alice\"" + key + "\n", class: notAllowed, grade: "G", differs: "no white space after the principals"},
	}
	for _, test := range tests {
		test.name, test.sig = strings.ReplaceAll(fmt.Sprintf("%q", test.allowed), blob, "…"), sig
		k.compare(test)
	}
}

func TestAsSSHKeygenArmor(t *testing.T) {
	t.Parallel()
	k := newKeygen(t)
	allowed := "alice " + k.generate("key", "-t", "ed25519") + "\n"
	good := string(k.sign("key"))
	blob, _, err := dearmor([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(enarmor(blob, 70)); got != good {
		t.Errorf("ssh-keygen writes %q, want %q", good, got)
	}
	trailing := append(slices.Clone(blob), 0)
	lines := strings.SplitAfter(good, "\n")
	for name, test := range map[string]struct {
		sig     string
		class   verifier.Class
		grade   string
		differs string
	}{
		"good":              {good, verifier.Verified, "", ""},
		"no final newline":  {strings.TrimSuffix(good, "\n"), verifier.Verified, "", ""},
		"64 columns":        {string(enarmor(blob, 64)), verifier.Verified, "", ""},
		"one line":          {string(enarmor(blob, 5000)), verifier.Verified, "", ""},
		"no END":            {strings.TrimSuffix(good, armorEnd+"\n"), verifier.MalformedSignature, "", ""},
		"CR LF":             {strings.ReplaceAll(good, "\n", "\r\n"), verifier.MalformedSignature, "", ""},
		"trailing byte":     {string(enarmor(trailing, 70)), verifier.MalformedSignature, "", ""},
		"truncated":         {string(enarmor(blob[:len(blob)-1], 70)), verifier.MalformedSignature, "", ""},
		"text after it":     {good + "text\n", verifier.MalformedSignature, "G", "ssh-keygen stops at the END line"},
		"text beside END":   {strings.TrimSuffix(good, "\n") + "x\n", verifier.MalformedSignature, "G", "ssh-keygen stops at the END line"},
		"a space":           {strings.Replace(good, lines[1], " "+lines[1], 1), verifier.MalformedSignature, "G", "ssh-keygen skips white space"},
		"text before it":    {"text\n" + good, verifier.Verified, "B", "git takes it for no SSH signature: the audit finds and notes it"},
		"of version 0":      {string(enarmor(append([]byte("SSHSIG\x00\x00\x00\x00"), blob[10:]...), 70)), verifier.MalformedSignature, "G", "ssh-keygen looks for versions above 1 only"},
		"of version 2":      {string(enarmor(append([]byte("SSHSIG\x00\x00\x00\x02"), blob[10:]...), 70)), verifier.UnsupportedSignature, "", ""},
		"reserved, changed": {string(enarmor(bytes.Replace(blob, []byte("git\x00\x00\x00\x00"), []byte("git\x00\x00\x00\x01x"), 1), 70)), verifier.UnsupportedSignature, "G", "ssh-keygen skips it: anyone can change it"},
	} {
		k.compare(keygenCase{name: name, sig: []byte(test.sig), allowed: allowed, class: test.class, grade: test.grade, differs: test.differs})
	}
}

func TestAsSSHKeygenCertificates(t *testing.T) {
	t.Parallel()
	k := newKeygen(t)
	ca := k.generate("ca", "-t", "ecdsa")
	key := k.generate("key", "-t", "ed25519")
	const during = "20260101Z:20261231Z"
	const verified, notAllowed, expired = verifier.Verified, verifier.IdentityNotAllowed, verifier.ExpiredKey
	all := []string{"-n", "alice@x,bob@y"}
	tests := []struct {
		name    string
		args    []string // of making the certificate
		allowed string
		keygenCase
	}{
		{"good", all, "*@x cert-authority " + ca, keygenCase{class: verified}},
		{"second principal", all, "*@y cert-authority " + ca, keygenCase{class: verified}},
		{"exact", all, "bob@y,alice@x cert-authority " + ca, keygenCase{class: verified}},
		{"neither", all, "*@z cert-authority " + ca, keygenCase{class: notAllowed}},
		{"one excluded", all, "*,!alice@x cert-authority " + ca, keygenCase{class: verified}},
		{"all excluded", all, "*,!*@? cert-authority " + ca, keygenCase{class: notAllowed, grade: "B", differs: "the signature is right"}},
		{"no principals", nil, "* cert-authority " + ca, keygenCase{class: notAllowed}},
		{"the authority as a key", all, "* " + ca, keygenCase{class: notAllowed}},
		{"the key alone", all, "* " + key, keygenCase{class: notAllowed}},
		{"the key as authority", all, "* cert-authority " + key, keygenCase{class: notAllowed}},
		{"host", append([]string{"-h"}, all...), "* cert-authority " + ca, keygenCase{class: notAllowed}},
		{"expired", all, "* cert-authority " + ca, keygenCase{class: expired, at: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)}},
		{"last second", all, "* cert-authority " + ca, keygenCase{class: verified, at: time.Date(2026, 12, 30, 23, 59, 59, 0, time.UTC)}},
		{"not yet valid", all, "* cert-authority " + ca, keygenCase{class: expired, at: time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC)}},
		{"first second", all, "* cert-authority " + ca, keygenCase{class: verified, at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{"line expired", all, `* cert-authority,valid-before="20260601" ` + ca, keygenCase{class: expired}},
		{"namespace", all, `* cert-authority,namespaces="git" ` + ca, keygenCase{class: verified}},
		{"other namespace", all, `* cert-authority,namespaces="file" ` + ca, keygenCase{class: notAllowed, grade: "B", differs: "the signature is right"}},
		{"source-address", append([]string{"-O", "source-address=10.0.0.0/8"}, all...), "* cert-authority " + ca,
			keygenCase{class: notAllowed, grade: "G", differs: "ssh-keygen looks at no critical option"}},
		{"force-command", append([]string{"-O", "force-command=true"}, all...), "* cert-authority " + ca,
			keygenCase{class: notAllowed, grade: "G", differs: "ssh-keygen looks at no critical option"}},
		{"unknown option", append([]string{"-O", "critical:x@example.com=y"}, all...), "* cert-authority " + ca,
			keygenCase{class: notAllowed, grade: "G", differs: "ssh-keygen looks at no critical option"}},
		{"unknown extension", append([]string{"-O", "extension:x@example.com=y"}, all...), "* cert-authority " + ca, keygenCase{class: verified}},
	}
	for _, test := range tests {
		k.must(slices.Concat([]string{"-q", "-s", "ca", "-I", test.name, "-V", during, "-z", "7"}, test.args, []string{"key.pub"})...)
		sig := k.sign("key-cert.pub")
		if !strings.Contains(string(k.read("key-cert.pub")), "cert-v01") {
			t.Fatal("ssh-keygen made no certificate")
		}
		test.keygenCase.name, test.sig, test.keygenCase.allowed = test.name, sig, test.allowed+"\n"
		k.compare(test.keygenCase)
	}
	// A line with a certificate in place of a key.
	k.compare(keygenCase{name: "certificate in a line", sig: k.sign("key-cert.pub"), allowed: "alice " + string(k.read("key-cert.pub")),
		class: notAllowed, grade: "G", differs: "we leave such lines out"})
}

func TestAsSSHKeygenRevocations(t *testing.T) {
	t.Parallel()
	k := newKeygen(t)
	ca, key, other := k.generate("ca", "-t", "ed25519"), k.generate("key", "-t", "ed25519"), k.generate("other", "-t", "ecdsa")
	k.must("-q", "-s", "ca", "-I", "the id", "-n", "alice", "-z", "1000", "key.pub")
	cert := string(k.read("key-cert.pub"))
	signed := map[string][]byte{"key": k.sign("key"), "certificate": k.sign("key-cert.pub")}
	if !bytes.Contains(signed["key"], []byte("BEGIN")) || bytes.Equal(signed["key"], signed["certificate"]) {
		t.Fatal("ssh-keygen signed with the key both times")
	}
	// spec returns the list that ssh-keygen makes of a specification.
	spec := func(text string, args ...string) []byte {
		k.write("spec", []byte(text))
		k.must(slices.Concat([]string{"-q", "-k", "-f", "list"}, args, []string{"spec"})...)
		return k.read("list")
	}
	var odd strings.Builder // serial numbers that make a bitmap
	for i := range 2000 {
		fmt.Fprintf(&odd, "serial: %d\n", 2*i)
	}
	fingerprint := strings.Fields(k.must("-l", "-f", "key.pub"))[1]
	tests := []struct {
		name      string
		data      []byte
		key, cert bool
	}{
		{"a list of another key", []byte(other + "\n"), false, false},
		{"the key", []byte("# x\n" + other + "\n" + key + " comment\n"), true, true},
		{"the authority", []byte(ca), false, true},
		{"the certificate", []byte(cert), true, true},
		{"empty", []byte{}, false, false},
		{"list: another key", spec(other + "\n"), false, false},
		{"list: the key", spec(key + "\n"), true, true},
		{"list: explicitly", spec("key: " + key + "\n"), true, true},
		{"list: by SHA-1", spec("sha1: " + key + "\n"), true, true},
		{"list: by SHA-256", spec("sha256: " + key + "\n"), true, true},
		{"list: by fingerprint", spec("hash: " + fingerprint + "\n"), true, true},
		{"list: the authority", spec(ca + "\n"), false, true},
		{"list: the certificate", spec(cert + "\n"), false, true},
		{"list: serial", spec("serial: 1000\n", "-s", "ca.pub"), false, true},
		{"list: other serials", spec("serial: 999\nserial: 1001\n", "-s", "ca.pub"), false, false},
		{"list: range", spec("serial: 900-2000\n", "-s", "ca.pub"), false, true},
		{"list: other range", spec("serial: 1001-2000\n", "-s", "ca.pub"), false, false},
		{"list: bitmap", spec(odd.String()[len("serial: 0\n"):], "-s", "ca.pub"), false, true},
		{"list: bitmap without it", spec(strings.Replace(odd.String()[len("serial: 0\n"):], "serial: 1000\n", "", 1), "-s", "ca.pub"), false, false},
		{"list: of another authority", spec("serial: 1000\nid: the id\n", "-s", "other.pub"), false, false},
		{"list: key id", spec("id: the id\n", "-s", "ca.pub"), false, true},
		{"list: key id of any authority", spec("id: the id\n", "-s", "none"), false, true},
		{"list: other key id", spec("id: the\n", "-s", "ca.pub"), false, false},
		{"list: much", spec("id: x\nserial: 5\nserial: 7-70\n"+odd.String()[len("serial: 0\n"):]+other+"\nsha256: "+other+"\n", "-s", "ca.pub"), false, true},
	}
	for _, test := range tests {
		for what, revoked := range map[string]bool{"key": test.key, "certificate": test.cert} {
			class := verifier.Verified
			if revoked {
				class = verifier.Revoked
			}
			k.compare(keygenCase{name: test.name + " and " + what, sig: signed[what], allowed: "alice " + key + "\nalice cert-authority " + ca + "\n",
				revoked: test.data, class: class})
		}
	}
	// git does not ask about revocations of keys that no line names.
	k.compare(keygenCase{name: "not allowed", sig: signed["key"], allowed: "bob " + other + "\n", revoked: []byte(key + "\n"),
		class: verifier.Revoked, grade: "U", differs: "git does not look"})
}

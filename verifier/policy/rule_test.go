package policy

import (
	"strings"
	"testing"
)

// people has four identities for rules to name.
const people = `version = 1
[identity.alice]
subject = "alice@example.com"
issuer = "https://accounts.example.com"
[identity.bob]
openpgp = "0123456789ABCDEF0123456789ABCDEF01234567"
[identity.carol]
ssh-principal = "carol@example.com"
[identity.forge]
openpgp = "968479A1AFF927E37D1A566BB5690EEEBB952194"
kind = "forge"
`

// TestParseRefusesInTables takes good tables and breaks one thing at a time.
func TestParseRefusesInTables(t *testing.T) {
	const good = people + `[[rule]]
name = "main"
refs = ["refs/heads/main"]
paths = ["infra/**"]
allow = ["alice", "forge"]
threshold = 1
match = "committer"
lightweight = true
immutable = false
[baseline]
after = ["1111111111111111111111111111111111111111"]
reason = "x"
[[exempt]]
object = "2222222222222222222222222222222222222222"
reason = "y"
until = 2027-01-01T00:00:00Z
`
	mustParse(t, good)
	replace := func(old, new string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("nothing to replace: %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	bob, carol := `openpgp = "`+fprAlice+`"`, `ssh-principal = "carol@example.com"`
	refs, paths, allow := `refs = ["refs/heads/main"]`, `paths = ["infra/**"]`, `allow = ["alice", "forge"]`
	for _, tt := range []struct{ name, data, want string }{
		{"key-time in other words", replace("version = 1", "version = 1\nkey-time = \"signing\""), `line 2: key-time "signing" is neither now nor claimed`},
		{"key-time as a bool", replace("version = 1", "version = 1\nkey-time = true"), "line 2: key-time is not a string"},
		{"key-time without version", strings.Replace(good, "version = 1", `key-time = "now"`, 1), "line 1: missing version = 1"},
		{"accept-weak without any", replace("version = 1", "version = 1\naccept-weak = []"), "line 2: accept-weak is empty"},
		{"accept-weak in upper case", replace("version = 1", "version = 1\naccept-weak = [\n\"sha1\",\n\"SHA-1\"]"), `line 4: accept-weak "SHA-1" is not the name`},
		{"key of the top in a table", replace("[baseline]", "[baseline]\nkey-time = \"now\""), "line 22: unknown key key-time: of the baseline"},

		{"short OpenPGP key id", replace(bob, `openpgp = "01234567"`), `line 6: openpgp "01234567" is not the fingerprint of a primary key`},
		{"long OpenPGP key id", replace(bob, `openpgp = "0x0123456789ABCDEF"`), "line 6: openpgp"},
		{"OpenPGP fingerprint with spaces", replace(bob, `openpgp = "0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567"`),
			`line 6: openpgp "0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567" has to be without spaces and 0x: "` + fprAlice + `"`},
		{"OpenPGP fingerprint with 0x", replace(bob, `openpgp = "0x`+fprAlice+`"`), `line 6: openpgp "0x` + fprAlice + `" has to be without spaces and 0x: "` + fprAlice + `"`},
		{"OpenPGP key id with spaces", replace(bob, `openpgp = "0123 4567 89ab cdef"`), `line 6: openpgp "0123 4567 89ab cdef" is not the fingerprint`},
		{"OpenPGP fingerprint that is not hexadecimal", replace(bob, `openpgp = "G123456789ABCDEF0123456789ABCDEF01234567"`), "line 6: openpgp"},
		{"no OpenPGP key", replace(bob, `openpgp = []`), "line 6: openpgp is empty"},
		{"number as OpenPGP key", replace(bob, `openpgp = 1`), "line 6: openpgp is not a string"},
		{"OpenPGP key twice", replace(bob, "openpgp = [\n\""+fprAlice+"\",\n\""+fprAlice+`"]`), `line 8: openpgp: "` + fprAlice + `" is there twice`},
		{"OpenPGP key twice, in other case", replace(bob, `openpgp = ["`+fprAlice+`", "`+strings.ToLower(fprAlice)+`"]`), "line 5: the key " + fprAlice + " is there twice"},
		{"OpenPGP key of another entry", replace(carol, bob), "line 7: the same key " + fprAlice + " and window as [identity.bob] in line 5"},
		{"SSH key without type", replace(bob, `ssh = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"`), "line 6: ssh \"AAAA"},
		{"SSH key with a comment of two lines", replace(bob, `ssh = "`+sshKeyText+` alice@host\n"`), "line 6: the comment of an SSH key"},
		{"SSH key with a comment that steers a terminal", replace(bob, `ssh = "`+sshKeyText+` \u001b[2J"`), "line 6: the comment of an SSH key"},
		{"SSH key with a comment before it", replace(bob, `ssh = "alice@host `+sshKeyText+`"`), "line 6: ssh \"alice@host ssh-ed25519"},
		{"SSH key with two spaces", replace(bob, `ssh = "`+strings.Replace(sshKeyText, " ", "  ", 1)+`"`), "line 6: ssh \"ssh-ed25519  AAAA"},
		{"SSH key with a space in it", replace(bob, `ssh = "`+sshKeyText[:40]+" "+sshKeyText[40:]+`"`), "line 6: ssh \"ssh-ed25519 AAAA"},
		{"SSH fingerprint with a comment", replace(bob, `ssh = "`+sshFingerprint+` alice@host"`), "line 6: ssh \"SHA256"},
		{"SSH key twice, once with a comment", replace(bob, `ssh = ["`+sshKeyText+`", "`+sshKeyText+` alice@host"]`), "line 5: the key " + sshFingerprint + " is there twice"},
		{"SSH key cut off", replace(bob, `ssh = "`+sshKeyText[:len(sshKeyText)-4]+`"`), "line 6: ssh \"ssh-ed25519 AAAA"},
		{"SSH key with more behind it", replace(bob, `ssh = "`+sshKeyText+`AAAA"`), "line 6: ssh \"ssh-ed25519 AAAA"},
		{"SSH key of another type", replace(bob, `ssh = "`+strings.Replace(sshKeyText, "ssh-ed25519", "ssh-rsa", 1)+`"`), "line 6: ssh \"ssh-rsa AAAA"},
		{"SSH key of a type alone", replace(bob, `ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"`), "line 6: ssh \"ssh-ed25519 AAAA"},
		{"SSH certificate", replace(bob, `ssh = "`+strings.Replace(sshKeyText, "ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", 1)+`"`), "line 6: ssh \"ssh-ed25519-cert-v01@openssh.com"},
		{"SSH fingerprint by MD5", replace(bob, `ssh = "MD5:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"`), "line 6: ssh \"MD5"},
		{"SSH fingerprint with padding", replace(bob, `ssh = "`+sshFingerprint+`="`), "line 6: ssh \"SHA256"},
		{"SSH fingerprint with spare bits", replace(bob, `ssh = "`+sshFingerprint[:len(sshFingerprint)-1]+`B"`), "line 6: ssh \"SHA256"},
		{"SSH fingerprint in two lines", replace(bob, `ssh = "`+sshFingerprint[:20]+`\n`+sshFingerprint[20:]+`"`), "line 6: ssh \"SHA256"},
		{"SSH key twice, once by fingerprint", replace(bob, `ssh = ["`+sshKeyText+`", "`+sshFingerprint+`"]`), "line 5: the key " + sshFingerprint + " is there twice"},
		{"principal twice", replace(bob, carol), "line 7: the same principal and window as [identity.bob] in line 5"},
		{"empty principal", replace(carol, `ssh-principal = ""`), "line 8: ssh-principal is empty"},
		{"two ways", replace(bob, bob+"\n"+carol), "line 5: both openpgp and ssh-principal: an identity is named in one way"},
		{"key and issuer", replace(bob, bob+"\nissuer = \"i\""), "line 5: both openpgp and issuer"},
		{"key and subject", replace(bob, bob+"\nsubject = \"s\""), "line 5: both openpgp and subject"},
		{"two issuers", replace(bob, "issuer = \"i\"\nx509-issuer = \"i\"\nsubject = \"s\""), "line 5: both x509-issuer and issuer"},
		{"X.509 issuer alone", replace(bob, `x509-issuer = "i"`), "line 5: missing subject or subject-pattern"},
		{"no way", replace(bob, `kind = "human"`), "line 5: missing subject or subject-pattern, or another way"},
		{"unknown kind", replace(bob, bob+"\nkind = \"robot\""), `line 7: kind "robot" is not human, bot or forge`},
		{"email that is a name", replace(bob, bob+"\nemail = \"bob\""), `line 7: email "bob" is not an address`},
		{"email with a name", replace(bob, bob+"\nemail = [\"Bob <bob@example.com>\"]"), "line 7: email \"Bob <"},
		{"email without a domain", replace(bob, bob+"\nemail = \"bob@\""), "line 7: email"},
		{"email without a local part", replace(bob, bob+"\nemail = \"@example.com\""), "line 7: email"},
		{"unknown key of an identity", replace(bob, bob+"\nsince = 1"), "line 7: unknown key since: of an identity this version of gitseal knows subject, "},

		{"empty name of a rule", replace(`name = "main"`, `name = ""`), "line 13: name is empty"},
		{"name of a rule with an escape", replace(`name = "main"`, `name = "\u001b"`), "line 13: the name"},
		{"second rule of a name", good + "[[rule]]\nname = \"main\"\n" + refs + "\n" + allow + "\n", `line 28: second rule "main", after line 12`},
		{"no refs", replace(refs, ""), "line 12: missing refs"},
		{"empty refs", replace(refs, "refs = []"), "line 14: refs is empty"},
		{"refs as a string", replace(refs, `refs = "refs/heads/main"`), "line 14: refs is not an array of strings"},
		{"short ref", replace(refs, `refs = ["main"]`), `line 14: refs "main" does not begin with "refs/"`},
		{"second ref is short", replace(refs, "refs = [\n  \"refs/heads/main\",\n  \"heads/x\"]"), `line 16: refs "heads/x" does not begin`},
		{"ref twice", replace(refs, `refs = ["refs/heads/main", "refs/heads/main"]`), `line 14: refs: "refs/heads/main" is there twice`},
		{"paths without any", replace(paths, "paths = []"), "line 15: paths is empty"},
		{"bad path", replace(paths, `paths = ["a", "a//b"]`), `line 15: paths "a//b" has nothing between two slashes`},
		{"no allow", replace(allow, ""), "line 12: missing allow"},
		{"empty allow", replace(allow, "allow = []"), "line 16: allow is empty"},
		{"allow as a string", replace(allow, `allow = "alice"`), "line 16: allow is not an array of strings"},
		{"unknown name", replace(allow, "allow = [\n\"alice\", \"forge\",\n\"mallory\"]"), `line 18: allow names "mallory", which is no identity of this policy`},
		{"name in other case", replace(allow, `allow = ["alice", "forge", "Bob"]`), `line 16: allow names "Bob", which`},
		{"name twice", replace(allow, `allow = ["alice", "forge", "alice"]`), `line 16: allow: "alice" is there twice`},
		{"unknown match", replace(`match = "committer"`, `match = ["committer", "tagger"]`), `line 18: match "tagger" is neither author nor committer`},
		{"empty match", replace(`match = "committer"`, `match = []`), "line 18: match is empty"},
		{"threshold 0", replace("threshold = 1", "threshold = 0"), "line 17: threshold is not a number from 1 on"},
		{"threshold -1", replace("threshold = 1", "threshold = -1"), "line 17: threshold is not a number from 1 on"},
		{"threshold in other writing", replace("threshold = 1", "threshold = 0x1"), "line 17: threshold is not a number from 1 on"},
		{"threshold as a string", replace("threshold = 1", `threshold = "1"`), "line 17: threshold is not a number from 1 on"},
		{"threshold that only forges fill", replace("threshold = 1", "threshold = 2"), "line 17: threshold 2 is never met: allow names 1 that count"},
		{"lightweight as a number", replace("lightweight = true", "lightweight = 1"), "line 19: lightweight is neither true nor false"},
		{"immutable as a string", replace("immutable = false", `immutable = "no"`), "line 20: immutable is neither true nor false"},
		{"unknown key of a rule", replace(refs, refs+"\nbranches = []"), "line 15: unknown key branches: of a rule this version of gitseal knows name, "},
		{"second key of a rule", replace(refs, refs+"\n"+refs), "line 15: second refs"},

		{"second baseline", good + "[baseline]\n", "line 28: second [baseline], after line 21"},
		{"no after", replace(`after = ["1111111111111111111111111111111111111111"]`, ""), "line 21: missing after"},
		{"empty after", replace(`after = ["1111111111111111111111111111111111111111"]`, "after = []"), "line 22: after is empty"},
		{"abbreviated object", replace(`"1111111111111111111111111111111111111111"`, `"1111111"`), `line 22: after "1111111" is not the id of an object`},
		{"object in upper case", replace(`"1111111111111111111111111111111111111111"`, `"A111111111111111111111111111111111111111"`), "line 22: after"},
		{"object of odd length", replace(`"1111111111111111111111111111111111111111"`, `"111111111111111111111111111111111111111111"`), "line 22: after"},
		{"object that is a ref", replace(`"1111111111111111111111111111111111111111"`, `"refs/heads/main"`), "line 22: after"},
		{"unknown key of the baseline", replace("[baseline]", "[baseline]\nuntil = 1"), "line 22: unknown key until: of the baseline"},
		{"exemption without object", replace(`object = "2222222222222222222222222222222222222222"`, ""), "line 24: missing object"},
		{"exemption without reason", replace(`reason = "y"`, ""), "line 24: missing reason"},
		{"exemption with an empty reason", replace(`reason = "y"`, `reason = ""`), "line 26: reason is empty"},
		{"reason with an escape", replace(`reason = "y"`, `reason = "\u009b"`), "line 26: reason"},
		{"exemption of a short id", replace(`object = "2222222222222222222222222222222222222222"`, `object = "2222"`), "line 25: object \"2222\" is not the id"},
		{"exemption until a date", replace("2027-01-01T00:00:00Z", "2027-01-01"), "line 27: until is not a time with a zone"},
		{"second exemption", good + "[[exempt]]\nobject = \"2222222222222222222222222222222222222222\"\nreason = \"z\"", "line 28: the same object as [[exempt]] in line 24"},
		{"unknown key of an exemption", replace("[[exempt]]", "[[exempt]]\nby = 1"), "line 25: unknown key by: of an exemption"},
	} {
		_, err := Parse("p.toml", []byte(tt.data))
		if err == nil || !strings.HasPrefix(err.Error(), "reading policy p.toml: "+tt.want) {
			t.Errorf("%s: Parse = %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestRuleMayStandBeforeItsIdentities(t *testing.T) {
	mustParse(t, strings.Replace(people, "version = 1\n", "version = 1\n[[rule]]\nrefs = [\"**\"]\nallow = [\"carol\"]\n", 1))
}

func TestThresholdCountsPersons(t *testing.T) {
	const rule = "[[rule]]\nrefs = [\"**\"]\nallow = [\"alice\", \"bob\"]\nthreshold = 2\n"
	mustParse(t, people+rule)
	for name, bob := range map[string]string{
		"an address that is a subject": "openpgp = \"" + fprAlice + "\"\nemail = \"alice@EXAMPLE.com\"",
		"the subject by itself":        "subject = \"alice@example.com\"\nissuer = \"https://accounts.example.com\"\nfrom = 2026-01-01T00:00:00Z",
		"a subject by another issuer":  "subject = \"alice@example.com\"\nissuer = \"https://forge.example.com\"",
	} {
		data := strings.Replace(people, `openpgp = "`+fprAlice+`"`, bob, 1) + rule
		if _, err := Parse("test", []byte(data)); err == nil || !strings.Contains(err.Error(), "threshold 2 is never met: allow names 1 that count") {
			t.Errorf("alice and bob share %s: Parse = %v, want an error", name, err)
		}
	}
}

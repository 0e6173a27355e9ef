package sshsig

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gitseal/verifier"
)

// krl returns a key revocation list of sections.
func krl(sections ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte(krlMagic), 1)
	b = append(b, make([]byte, 3*8)...) // version, date, flags
	b = appendString(b, "")
	b = appendString(b, "a comment")
	return append(b, slices.Concat(sections...)...)
}

// section returns a section, or a section in one about certificates.
func section(kind byte, parts ...[]byte) []byte {
	return appendString([]byte{kind}, slices.Concat(parts...))
}

// strs returns strings in their encoding.
func strs[T []byte | string](parts ...T) []byte {
	var b []byte
	for _, p := range parts {
		b = appendString(b, p)
	}
	return b
}

func numbers(ns ...uint64) []byte {
	var b []byte
	for _, n := range ns {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

// certSection returns a section about the certificates of an authority.
func certSection(ca ssh.PublicKey, sections ...[]byte) []byte {
	var blob []byte
	if ca != nil {
		blob = ca.Marshal()
	}
	return section(krlCertificates, append([][]byte{strs(blob, nil)}, sections...)...)
}

// mpint returns bits as an mpint.
func mpint(bits ...int) []byte {
	n := new(big.Int)
	for _, bit := range bits {
		n.SetBit(n, bit, 1)
	}
	return ssh.Marshal(struct{ N *big.Int }{n})
}

func TestRevocations(t *testing.T) {
	ca, key, other := newEd25519(t), newEd25519(t), newEd25519(t)
	cert := certify(t, ca, key, nil) // serial 5
	noSerial := certify(t, ca, key, func(c *ssh.Certificate) { c.Serial = 0; c.KeyId = "" })
	blob := key.PublicKey().Marshal()
	h1, h256 := sha1.Sum(blob), sha256.Sum256(blob)
	caH256 := sha256.Sum256(ca.PublicKey().Marshal())
	text := func(keys ...ssh.PublicKey) []byte {
		var b []byte
		for _, k := range keys {
			b = append(b, ssh.MarshalAuthorizedKey(k)...)
		}
		return b
	}
	with := func(sections ...[]byte) []byte { return krl(certSection(ca.PublicKey(), sections...)) }
	tests := []struct {
		name           string
		data           []byte
		key, cert, non bool // whether revoked: the key, its certificate, the one without a serial number
	}{
		{"nothing", nil, false, false, false},
		{"comments", []byte("# " + string(text(key.PublicKey())) + "\n \t\r\n"), false, false, false},
		{"the key", text(key.PublicKey()), true, true, true},
		{"the key after another", append([]byte("\n"), text(other.PublicKey(), key.PublicKey())...), true, true, true},
		{"another", text(other.PublicKey()), false, false, false},
		{"the authority", text(ca.PublicKey()), false, true, true},
		{"the certificate, and so the key", text(cert), true, true, true},
		{"an empty list", krl(), false, false, false},
		{"list: the key", krl(section(krlKeys, strs(other.PublicKey().Marshal(), blob))), true, true, true},
		{"list: the authority", krl(section(krlKeys, strs(ca.PublicKey().Marshal()))), false, true, true},
		{"list: SHA-1", krl(section(krlSHA1, strs(make([]byte, 20), h1[:]))), true, true, true},
		{"list: SHA-256", krl(section(krlSHA256, strs(h256[:]))), true, true, true},
		{"list: SHA-256 of the authority", krl(section(krlSHA256, strs(caH256[:]))), false, true, true},
		{"serial", with(section(krlSerialList, numbers(1, 5))), false, true, false},
		{"other serials", with(section(krlSerialList, numbers(4, 6))), false, false, false},
		{"serial 0", with(section(krlSerialList, numbers(0))), false, false, false},
		{"range", with(section(krlSerialRange, numbers(5, 5))), false, true, false},
		{"range from 0", with(section(krlSerialRange, numbers(0, 1<<63))), false, true, false},
		{"range before", with(section(krlSerialRange, numbers(0, 4))), false, false, false},
		{"range after", with(section(krlSerialRange, numbers(6, 1<<63))), false, false, false},
		{"ranges that overlap", with(section(krlSerialRange, numbers(2, 9)), section(krlSerialRange, numbers(1, 3)), section(krlSerialList, numbers(3))), false, true, false},
		{"bitmap", with(section(krlSerialBitmap, numbers(3), mpint(2, 15))), false, true, false},
		{"other bits", with(section(krlSerialBitmap, numbers(3), mpint(0, 1, 3, 15))), false, false, false},
		{"bitmap after", with(section(krlSerialBitmap, numbers(6), mpint(0))), false, false, false},
		{"bitmap before", with(section(krlSerialBitmap, numbers(1), mpint(0))), false, false, false},
		{"key id", with(section(krlKeyIDs, strs("x", "alice's key"))), false, true, false},
		{"other key id", with(section(krlKeyIDs, strs("alice"))), false, false, false},
		{"another authority", krl(certSection(other.PublicKey(), section(krlSerialList, numbers(5)), section(krlKeyIDs, strs("alice's key")))), false, false, false},
		{"any authority", krl(certSection(nil, section(krlKeyIDs, strs("alice's key")))), false, true, false},
		{"sections of one authority", krl(certSection(ca.PublicKey(), section(krlSerialList, numbers(1))), certSection(ca.PublicKey(), section(krlSerialList, numbers(5)))), false, true, false},
		{"signed", append(krl(section(krlKeys, strs(blob))), slices.Concat([]byte{krlSignature}, strs("key", "signature"), []byte{krlSignature}, strs("key", "signature"))...), true, true, true},
		{"extension", krl(section(krlExtension, strs("x"), []byte{0}, strs("y")), section(krlKeys, strs(blob))), true, true, true},
		{"extension about certificates", with(section(krlCertExtension, strs("x"), []byte{0}, strs("y")), section(krlSerialList, numbers(5))), false, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := ReadRevocations("revoked", test.data)
			if err != nil {
				t.Fatal(err)
			}
			v := newVerifier(t, line("alice", "", key.PublicKey())+line("*", "cert-authority", ca.PublicKey()), func(cfg *Config) { cfg.Revoked = []*Revocations{r} })
			for _, sig := range []struct {
				what    string
				cert    *ssh.Certificate
				revoked bool
			}{{"key", nil, test.key}, {"certificate", cert, test.cert}, {"certificate without serial", noSerial, test.non}} {
				_, err := v.Verify(payload, recipe{key: key, cert: sig.cert}.make(t, payload))
				if !sig.revoked {
					if err != nil {
						t.Errorf("%s: %v", sig.what, err)
					}
					continue
				}
				kerr := wantClass(t, err, verifier.Revoked, "is revoked")
				if kerr.Valid == nil || !strings.HasPrefix(kerr.Valid.Signer.Identity.Subject, "alice") {
					t.Errorf("%s: Valid = %+v, want alice's", sig.what, kerr.Valid)
				}
			}
		})
	}
}

func TestBitmap(t *testing.T) {
	b := bitmap{100, []byte{0x80, 0x01}} // bits 15 and 0
	for serial, want := range map[uint64]bool{0: false, 99: false, 100: true, 101: false, 114: false, 115: true, 116: false, math.MaxUint64: false} {
		if got := b.has(serial); got != want {
			t.Errorf("has(%d) = %v, want %v", serial, got, want)
		}
	}
}

func TestVerifyRevokedWhoeverItIs(t *testing.T) {
	key := newEd25519(t)
	r, err := ReadRevocations("revoked", ssh.MarshalAuthorizedKey(key.PublicKey()))
	if err != nil {
		t.Fatal(err)
	}
	for what, cfg := range map[string]Config{
		"nobody is known": {},
		"not allowed":     {AllowedSigners: []*AllowedSigners{readAllowed(t, "")}},
		"expired":         {AllowedSigners: []*AllowedSigners{readAllowed(t, line("a", `valid-before="20200101"`, key.PublicKey()))}},
	} {
		cfg.Rules.At, cfg.Revoked = judgedAt, []*Revocations{new(Revocations), r}
		v, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(what)
		_, err = v.Verify(payload, recipe{key: key}.make(t, payload))
		wantClass(t, err, verifier.Revoked, "is revoked")
	}
}

// To leave out a line would make a key good again.
func TestReadRevocationsRefuses(t *testing.T) {
	ca, key := newEd25519(t), newEd25519(t)
	blob := key.PublicKey().Marshal()
	k := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
	cert := certify(t, ca, key, nil).Marshal()
	with := func(sections ...[]byte) string { return string(krl(certSection(ca.PublicKey(), sections...))) }
	flags := krl()
	flags[8+4+16+7] = 1
	format := krl()
	format[8+3] = 2
	tests := []struct{ name, data, want string }{
		{"words", "nonsense\n", "line 1: no key after"},
		{"second line", k + "\nSHA256:abc\n", "line 2: no key after"},
		{"options", "cert-authority " + k, "line 1: key"},
		{"principals", "alice " + k, "line 1: key"},
		{"truncated", k[:len(k)-5], "line 1"},
		{"another name", strings.Replace(k, algEd25519, algRSA, 1), "is called"},
		{"empty key", "x AAAAAXg=", "without a key"},
		{"half a certificate", "ssh-ed25519-cert-v01@openssh.com " + base64.StdEncoding.EncodeToString(cert[:150]), "line 1: certificate: truncated"},
		{"certificate of an unknown kind", "x-cert-v01@openssh.com " + base64.StdEncoding.EncodeToString(strs("x-cert-v01@openssh.com", "", "")), `unknown kind of key "x"`},
		{"not text", k + "\x00", "not text"},
		{"too large", strings.Repeat("#", maxFile+1), "limit"},
		{"format", string(format), "format 2"},
		{"flags", string(flags), "flags 0x1"},
		{"header only in part", krlMagic + "\x00\x00\x00", "truncated"},
		{"truncated section", string(krl()) + "\x02\x00\x00", "truncated"},
		{"unknown section", string(krl(section(9))), "section 9: of an unknown kind"},
		{"no keys", string(krl(section(krlKeys))), "section 2: empty"},
		{"no hashes", string(krl(section(krlSHA256))), "section 5: empty"},
		{"half a key", string(krl(section(krlKeys, strs(blob), []byte{0, 0}))), "section 2: truncated"},
		{"a certificate", string(krl(section(krlKeys, strs(cert)))), "a certificate in place of a key"},
		{"an empty key", string(krl(section(krlKeys, strs("")))), "section 2: key"},
		{"short hash", string(krl(section(krlSHA1, strs(make([]byte, 19))))), "hash of 19 bytes"},
		{"SHA-256 as SHA-1", string(krl(section(krlSHA1, strs(make([]byte, 32))))), "hash of 32 bytes"},
		{"SHA-1 as SHA-256", string(krl(section(krlSHA256, strs(make([]byte, 20))))), "hash of 20 bytes"},
		{"critical extension", string(krl(section(krlExtension, strs("x"), []byte{1}, strs("y")))), `critical extension "x"`},
		{"long extension", string(krl(section(krlExtension, strs("x"), []byte{0}, strs("y", "z")))), "trailing bytes"},
		{"after the signature", string(krl([]byte{krlSignature}, strs("k", "s"), section(krlKeys, strs(blob)))), "after the signature"},
		{"half a signature", string(krl([]byte{krlSignature}, strs("k"))), "truncated"},
		{"no authority", string(krl(section(krlCertificates))), "section 1: truncated"},
		{"authority is none", string(krl(section(krlCertificates, strs("x", "")))), "the authority is not a key"},
		{"authority is a certificate", string(krl(section(krlCertificates, strs(string(cert), "")))), "the authority is not a key"},
		{"unknown certificate section", with(section(0x24)), "certificates 0x24: of an unknown kind"},
		{"half a section", with([]byte{krlSerialList, 0}), "truncated"},
		{"half a serial", with(section(krlSerialList, numbers(1), []byte{1})), "certificates 0x20: truncated"},
		{"range backwards", with(section(krlSerialRange, numbers(2, 1))), "ends before it begins"},
		{"half a range", with(section(krlSerialRange, numbers(2))), "truncated"},
		{"long range", with(section(krlSerialRange, numbers(2, 3, 4))), "trailing bytes"},
		{"bitmap beyond", with(section(krlSerialBitmap, numbers(1<<64-5), mpint(0))), "too large"},
		{"negative bitmap", with(section(krlSerialBitmap, numbers(1), strs("\x80"))), "truncated or wrongly"},
		{"long bitmap", with(section(krlSerialBitmap, numbers(1), strs("\x00\x01"))), "truncated or wrongly"},
		{"empty bitmap", with(section(krlSerialBitmap, numbers(1), strs(""))), "truncated or wrongly"},
		{"half a key id", with(section(krlKeyIDs, []byte{0, 0, 0, 5})), "truncated"},
		{"NUL in a key id", with(section(krlKeyIDs, strs("a\x00"))), "truncated or wrongly"},
		{"critical certificate extension", with(section(krlCertExtension, strs("x"), []byte{1}, strs("y"))), `critical extension "x"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := ReadRevocations("the file", []byte(test.data))
			if err == nil {
				t.Fatalf("ReadRevocations = %+v, want an error", r)
			}
			if got := err.Error(); r != nil || !strings.HasPrefix(got, "reading revocations the file: ") || !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
				t.Errorf("ReadRevocations = %q, want %q in it", got, test.want)
			}
		})
	}
}

// A key of a kind to come can be revoked, too.
func TestReadRevocationsOfUnknownKind(t *testing.T) {
	if _, err := ReadRevocations("revoked", []byte("ssh-new AAAAB3NzaC1uZXcAAAABeA==\n")); err != nil {
		t.Error(err)
	}
}

func FuzzReadRevocations(f *testing.F) {
	ca, key := newEd25519(f), newEd25519(f)
	cert := certify(f, ca, key, nil)
	f.Add(ssh.MarshalAuthorizedKey(key.PublicKey()))
	f.Add(ssh.MarshalAuthorizedKey(cert))
	f.Add(krl(section(krlKeys, strs(key.PublicKey().Marshal())), section(krlSHA1, strs(make([]byte, 20))), section(krlSHA256, strs(make([]byte, 32)))))
	f.Add(krl(certSection(ca.PublicKey(), section(krlSerialList, numbers(1, 5)), section(krlSerialRange, numbers(2, 1<<63)),
		section(krlSerialBitmap, numbers(3), mpint(2, 15)), section(krlKeyIDs, strs("x")), section(krlCertExtension, strs("x"), []byte{0}, strs("y")))))
	f.Add(krl([]byte{krlSignature}, strs("k", "s")))
	armored := recipe{key: key, cert: cert}.make(f, payload)
	allowed := readAllowed(f, line("*", "cert-authority", ca.PublicKey()))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ReadRevocations("f", data)
		if err != nil {
			if r != nil || !strings.HasPrefix(err.Error(), "reading revocations f: ") {
				t.Fatalf("ReadRevocations = %v, %v", r, err)
			}
			return
		}
		for _, c := range r.certs {
			for i, s := range c.ranges {
				if s.first > s.last || i > 0 && s.first <= c.ranges[i-1].last {
					t.Fatalf("ranges %v", c.ranges)
				}
			}
		}
		v, err := New(Config{AllowedSigners: []*AllowedSigners{allowed}, Revoked: []*Revocations{r}, Rules: verifier.KeyRules{At: judgedAt}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(payload, armored); err != nil {
			wantClass(t, err, verifier.Revoked, "is revoked")
		}
	})
}

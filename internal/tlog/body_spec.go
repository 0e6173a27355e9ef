package tlog

import (
	"bytes"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"

	"gitseal/internal/strictjson"
)

// What the entries of each kind record, under "spec". Rekor v1 writes bytes in
// hexadecimal and keys in PEM; Rekor v2 writes ProtoJSON.

// in returns a function that reads an object with one member.
func (r *reader) in(name string, read func() error) func() error {
	return func() error { return r.Object(required(name, read)) }
}

// {"data":{"hash":HASH},"signature":{"content":B64,"publicKey":{"content":PEM}}}
func (r *reader) hashedRekordV1(b *Body) error {
	b.Signatures = make([]BodySignature, 1)
	s := &b.Signatures[0]
	return r.Object(
		required("data", r.in("hash", func() error { return r.hashV1(&b.Hash, &b.Digest) })),
		required("signature", func() error {
			return r.Object(
				required("content", r.signature(&s.Signature)),
				required("publicKey", r.in("content", r.keyPEM(s))),
			)
		}),
	)
}

// {"envelopeHash":HASH,"payloadHash":HASH,"signatures":[{"signature":B64,"verifier":PEM},…]}
func (r *reader) dsseV1(b *Body) error {
	return r.Object(
		required("envelopeHash", r.sha256(&b.EnvelopeHash)),
		required("payloadHash", func() error { return r.hashV1(&b.Hash, &b.Digest) }),
		required("signatures", r.signatures(b, func(s *BodySignature) error {
			return r.Object(
				required("signature", r.signature(&s.Signature)),
				required("verifier", r.keyPEM(s)),
			)
		})),
	)
}

// {"content":{"hash":HASH,"payloadHash":HASH},"publicKey":PEM}
func (r *reader) intotoV1(b *Body) error {
	b.Signatures = make([]BodySignature, 1)
	return r.Object(
		required("content", func() error {
			return r.Object(
				required("hash", r.sha256(&b.EnvelopeHash)),
				optional("payloadHash", func() error { return r.hashV1(&b.Hash, &b.Digest) }),
			)
		}),
		required("publicKey", r.keyPEM(&b.Signatures[0])),
	)
}

// {"content":{"envelope":{"payloadType":…,"signatures":[{"keyid":…,"publicKey":PEM,"sig":B64},…]},"hash":HASH,"payloadHash":HASH}}
func (r *reader) intotoV2(b *Body) error {
	var payloadType, keyID string
	signature := func(s *BodySignature) error {
		return r.Object(
			optional("keyid", r.String(&keyID, maxPayloadType)),
			required("publicKey", r.clientPEM(s)),
			required("sig", r.encodedSignature(&s.Signature)),
		)
	}
	return r.in("content", func() error {
		return r.Object(
			required("envelope", func() error {
				return r.Object(
					required("payloadType", r.String(&payloadType, maxPayloadType)),
					required("signatures", r.signatures(b, signature)),
				)
			}),
			required("hash", r.sha256(&b.EnvelopeHash)),
			required("payloadHash", func() error { return r.hashV1(&b.Hash, &b.Digest) }),
		)
	})()
}

// {"hashedRekordV002":{"data":HASH,"signature":SIGNATURE}}
func (r *reader) hashedRekordV2(b *Body) error {
	b.Signatures = make([]BodySignature, 1)
	return r.in("hashedRekordV002", func() error {
		return r.Object(
			required("data", func() error { return r.hashV2(b) }),
			required("signature", func() error { return r.signatureV2(&b.Signatures[0]) }),
		)
	})()
}

// {"dsseV002":{"payloadHash":HASH,"signatures":[SIGNATURE,…]}}
func (r *reader) dsseV2(b *Body) error {
	return r.in("dsseV002", func() error {
		return r.Object(
			required("payloadHash", func() error { return r.hashV2(b) }),
			required("signatures", r.signatures(b, r.signatureV2)),
		)
	})()
}

// signatures returns a function that reads an array of them.
func (r *reader) signatures(b *Body, read func(*BodySignature) error) func() error {
	return func() error {
		err := r.Array(maxBodySignatures, func(int) error {
			var s BodySignature
			err := read(&s)
			b.Signatures = append(b.Signatures, s)
			return err
		})
		if err == nil && len(b.Signatures) == 0 {
			err = errors.New("none")
		}
		return err
	}
}

// signature returns a function that reads a signature in base64.
func (r *reader) signature(dst *[]byte) func() error {
	return func() error {
		err := r.Base64(dst, maxEntry)()
		if err == nil && *dst == nil {
			err = errors.New("empty")
		}
		return err
	}
}

// encodedSignature returns a function that reads the base64 of the base64 of
// a signature: intoto 0.0.2 encodes what an envelope has in base64 already.
func (r *reader) encodedSignature(dst *[]byte) func() error {
	return func() error {
		var text []byte
		err := r.signature(&text)()
		if err == nil {
			*dst, err = strictjson.DecodeBase64(text)
		}
		return err
	}
}

// {"content":B64,"verifier":{"keyDetails":…,"x509Certificate" or "publicKey":{"rawBytes":B64}}}
func (r *reader) signatureV2(s *BodySignature) error {
	return r.Object(
		required("content", r.signature(&s.Signature)),
		required("verifier", func() error {
			err := r.Object(
				required("keyDetails", r.String(&s.KeyDetails, maxString)),
				optional("publicKey", r.in("rawBytes", r.Base64(&s.PublicKey, maxEntry))),
				optional("x509Certificate", r.in("rawBytes", r.Base64(&s.Certificate, maxEntry))),
			)
			if err == nil && (s.PublicKey == nil) == (s.Certificate == nil) {
				err = errors.New("not one of a key and a certificate")
			}
			return err
		}),
	)
}

// keyPEM returns a function that reads the base64 of a key, a certificate or
// a chain of certificates in PEM, as Rekor v1 writes it.
func (r *reader) keyPEM(s *BodySignature) func() error {
	return func() error {
		var text []byte
		if err := r.Base64(&text, maxEntry)(); err != nil {
			return err
		}
		return s.parsePEM(text)
	}
}

// clientPEM is keyPEM for intoto 0.0.2, where Rekor keeps the PEM as its client
// sent it: without the last newline, for one.
func (r *reader) clientPEM(s *BodySignature) func() error {
	return func() error {
		var text []byte
		if err := r.Base64(&text, maxEntry)(); err != nil {
			return err
		}
		text = bytes.ReplaceAll(bytes.TrimSpace(text), []byte("\r\n"), []byte("\n"))
		return s.parsePEM(append(text, '\n'))
	}
}

func (s *BodySignature) parsePEM(text []byte) error {
	var again []byte
	for rest := text; len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch {
		case len(block.Headers) > 0 || len(block.Bytes) == 0:
			return errors.New("PEM with headers or without content")
		case block.Type == "PUBLIC KEY" && again == nil:
			s.PublicKey = block.Bytes
		case block.Type == "CERTIFICATE" && again == nil:
			s.Certificate = block.Bytes
		case block.Type != "CERTIFICATE" || s.Certificate == nil:
			return fmt.Errorf("unexpected PEM block %.40q", block.Type)
		}
		again = append(again, pem.EncodeToMemory(block)...)
	}
	if len(again) == 0 || !bytes.Equal(again, text) {
		return errors.New("not a key or certificates in canonical PEM")
	}
	return nil
}

// The hash functions, by their names in Rekor v1 and in
// dev.sigstore.common.v1.HashAlgorithm.
var (
	hashesV1 = map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}
	hashesV2 = map[string]crypto.Hash{"SHA2_256": crypto.SHA256, "SHA2_384": crypto.SHA384, "SHA2_512": crypto.SHA512}
)

// sha256 returns a function that reads a SHA-256 as Rekor v1 writes it.
func (r *reader) sha256(dst *[]byte) func() error {
	return func() error {
		var hash crypto.Hash
		err := r.hashV1(&hash, dst)
		if err == nil && hash != crypto.SHA256 {
			err = errors.New("not a SHA-256")
		}
		return err
	}
}

// {"algorithm":…,"value":HEX}
func (r *reader) hashV1(hash *crypto.Hash, dst *[]byte) error {
	return r.Object(
		required("algorithm", r.algorithm(hash, hashesV1)),
		required("value", func() error { return r.Hex(dst, hash.Size())() }),
	)
}

// {"algorithm":…,"digest":B64}
func (r *reader) hashV2(b *Body) error {
	err := r.Object(
		required("algorithm", r.algorithm(&b.Hash, hashesV2)),
		required("digest", r.Base64(&b.Digest, maxDigest)),
	)
	if err == nil && len(b.Digest) != b.Hash.Size() {
		err = fmt.Errorf("digest of %d bytes", len(b.Digest))
	}
	return err
}

// algorithm returns a function that reads the name of a hash function.
func (r *reader) algorithm(hash *crypto.Hash, known map[string]crypto.Hash) func() error {
	return func() error {
		var name string
		if err := r.String(&name, maxString)(); err != nil {
			return err
		}
		if *hash = known[name]; *hash == 0 {
			return fmt.Errorf("unknown hash function %q", name)
		}
		return nil
	}
}

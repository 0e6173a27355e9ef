package smime

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The largest files that are read, in bytes. All the roots that Mozilla trusts
// are 220 kB; the largest revocation lists in use have some 50 MB.
const (
	maxCertificateFile = 16 << 20
	maxListFile        = 128 << 20
)

// ReadCertificates reads certificates from a file of that name, which it does
// not open: PEM blocks with any text around them, or DER, one certificate after
// another. There is at least one. A file with anything else in it, such as a
// private key, is refused, and so is one with a block that cannot be read:
// fewer certificates than the user sees would be trusted, or revoked.
func ReadCertificates(name string, data []byte) ([]*x509.Certificate, error) {
	return read(name, data, maxCertificateFile, "CERTIFICATE", parseCertificate)
}

// ReadLists reads revocation lists (RFC 5280, section 5) like ReadCertificates.
func ReadLists(name string, data []byte) ([]*x509.RevocationList, error) {
	return read(name, data, maxListFile, "X509 CRL", func(der []byte) (*x509.RevocationList, error) {
		crl, err := x509.ParseRevocationList(der)
		// It passes over what follows the list, and the list's signature.
		if err == nil && !bytes.Equal(crl.Raw, der) {
			err = errors.New("bytes after the list")
		}
		return crl, err
	})
}

func read[T any](name string, data []byte, limit int, label string, parse func(der []byte) (T, error)) (all []T, err error) {
	if len(data) > limit {
		return nil, fmt.Errorf("reading %s: %d bytes, more than the limit of %d", name, len(data), limit)
	}
	blocks, err := split(data, label)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	for i, der := range blocks {
		one, err := parse(der)
		if err != nil {
			return nil, fmt.Errorf("reading %s: number %d: %w", name, i+1, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// split returns the DER of each part of a file.
func split(data []byte, label string) (blocks [][]byte, err error) {
	// What begins a block for a person has to be one for encoding/pem, which
	// passes over those that it cannot read.
	begins := bytes.Count(data, []byte("-----BEGIN "))
	if begins == 0 {
		return splitDER(data)
	}
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type != label {
			return nil, fmt.Errorf("block %d is a %q, want only %q", len(blocks)+1, clip(block.Type), label)
		}
		blocks = append(blocks, block.Bytes)
		data = rest
	}
	if len(blocks) != begins {
		return nil, fmt.Errorf("%d blocks begin, of which only %d can be read", begins, len(blocks))
	}
	return blocks, nil
}

// splitDER takes apart DER sequences that follow each other.
func splitDER(data []byte) (blocks [][]byte, err error) {
	for in := cryptobyte.String(data); !in.Empty(); {
		var element cryptobyte.String
		if !in.ReadASN1Element(&element, asn1.SEQUENCE) {
			return nil, errors.New("neither PEM nor DER")
		}
		blocks = append(blocks, element)
	}
	if blocks == nil {
		return nil, errors.New("it is empty")
	}
	return blocks, nil
}

// clip bounds what a message repeats of a file.
func clip(s string) string { return s[:min(len(s), 60)] }

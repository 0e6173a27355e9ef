package oidc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// spiffeTimeout bounds a question to the Workload API.
const spiffeTimeout = 10 * time.Second

// maxSVIDs bounds the answer of the Workload API, in bytes.
const maxSVIDs = 1 << 20

// A jwtSVID is a token by the name of a workload.
type jwtSVID struct {
	id    string // spiffe://…
	token string
}

// fetchJWTSVID asks the Workload API for a token for the audience. It is one
// call of gRPC over HTTP/2 in clear text, which is what an endpoint speaks to
// those who do not know whom to trust yet (SPIFFE Workload Endpoint, section
// 3.1; gRPC's PROTOCOL-HTTP2.md). The first of several is the default.
func fetchJWTSVID(ctx context.Context, network, address, audience string) (*jwtSVID, error) {
	var message []byte
	err := within(ctx, spiffeTimeout, func(ctx context.Context) (err error) {
		message, err = callGRPC(ctx, network, address, "/SpiffeWorkloadAPI/FetchJWTSVID", appendField(nil, 1, audience))
		return err
	})
	if err != nil {
		return nil, err
	}
	svids, err := parseJWTSVIDs(message)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if len(svids) == 0 {
		return nil, errors.New("no token for this process")
	}
	return &svids[0], nil
}

// appendField appends a string in protocol buffers.
func appendField(b []byte, num protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), value)
}

// callGRPC makes a call with one message each way.
func callGRPC(ctx context.Context, network, address, method string, message []byte) ([]byte, error) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		Protocols: &protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		DisableCompression:     true,
		MaxResponseHeaderBytes: 1 << 16,
	}
	defer transport.CloseIdleConnections()
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))) // 0: not compressed
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost"+method, bytes.NewReader(append(frame, message...)))
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{
		"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"gitseal"},
		// Against those who can make a server ask, but not with this (SPIFFE
		// Workload Endpoint, section 3).
		"Workload.spiffe.io": {"true"},
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || kind != "application/grpc" && kind != "application/grpc+proto" {
		return nil, fmt.Errorf("what answers is no gRPC server: status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSVIDs+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxSVIDs {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxSVIDs)
	}
	if err := grpcStatus(resp); err != nil {
		return nil, err
	}
	return parseFrame(body)
}

// grpcStatus returns the error that the trailer tells of, or the header of an
// answer that has nothing else.
func grpcStatus(resp *http.Response) error {
	from := resp.Trailer
	if len(from.Values("Grpc-Status")) == 0 {
		from = resp.Header
	}
	values := from.Values("Grpc-Status")
	if len(values) != 1 {
		return errors.New("the answer has no status, or several")
	}
	switch values[0] {
	case "0":
		return nil
	case "7": // PERMISSION_DENIED: SPIFFE Workload Endpoint, section 6
		return errors.New("it knows no identity for this process (permission denied)")
	case "12":
		return errors.New("it gives no JWT-SVIDs (unimplemented)")
	case "14":
		return errors.New("it is not ready (unavailable)")
	}
	if _, err := strconv.ParseUint(values[0], 10, 16); err != nil {
		return errors.New("the answer's status is no number")
	}
	text := "gRPC status " + values[0]
	// The message is percent-encoded.
	if said, err := url.PathUnescape(from.Get("Grpc-Message")); err == nil && said != "" {
		text += ": " + redact(said)
	}
	return errors.New(text)
}

// parseFrame returns the one message of a body: a byte that says whether it is
// compressed, its length, big-endian, and the message.
func parseFrame(body []byte) ([]byte, error) {
	switch {
	case len(body) < 5:
		return nil, errors.New("the answer has no message")
	case body[0] != 0:
		return nil, errors.New("the answer is compressed, which nobody asked for")
	case uint64(binary.BigEndian.Uint32(body[1:5])) != uint64(len(body)-5):
		return nil, errors.New("the answer is not one message of the length that it gives")
	}
	return body[5:], nil
}

// parseJWTSVIDs reads the answer of the Workload API:
//
//	message JWTSVIDResponse { repeated JWTSVID svids = 1; }
//	message JWTSVID { string spiffe_id = 1; string svid = 2; string hint = 3; }
//
// Fields of other numbers are later versions' and mean nothing here.
func parseJWTSVIDs(message []byte) ([]jwtSVID, error) {
	var svids []jwtSVID
	err := eachField(message, 1, func(num protowire.Number, value []byte) error {
		if num != 1 {
			return nil
		}
		var svid jwtSVID
		seen := make(map[protowire.Number]bool)
		err := eachField(value, 3, func(num protowire.Number, value []byte) error {
			switch {
			case num > 3:
				return nil
			case seen[num]:
				return errors.New("a field that is there twice")
			case !utf8.Valid(value):
				return errors.New("a string that is not UTF-8")
			}
			seen[num] = true
			switch num {
			case 1:
				svid.id = string(value)
			case 2:
				svid.token = string(value)
			}
			return nil
		})
		switch {
		case err != nil:
			return err
		case !strings.HasPrefix(svid.id, "spiffe://"):
			return errors.New("a token for no SPIFFE ID")
		case svid.token == "" || len(svid.token) > maxToken:
			return errors.New("a SPIFFE ID without a token, or with one that is none")
		}
		svids = append(svids, svid)
		return nil
	})
	return svids, err
}

// eachField calls do with each field of the message that is bytes, a string
// or a message, as all must be up to the number known.
func eachField(message []byte, known protowire.Number, do func(protowire.Number, []byte) error) error {
	for len(message) > 0 {
		num, kind, n := protowire.ConsumeTag(message)
		switch {
		case n < 0:
			return protowire.ParseError(n)
		case num > protowire.MaxValidNumber, n != protowire.SizeTag(num):
			return errors.New("a field's number is too large, or not written as it should be")
		case kind == protowire.StartGroupType:
			return errors.New("a group, which no version has")
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(num, kind, message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message)
			if err := do(num, value); err != nil {
				return err
			}
		} else if num <= known {
			return fmt.Errorf("field %d is of another type", num)
		}
		message = message[n:]
	}
	return nil
}

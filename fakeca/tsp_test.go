package fakeca

import (
	"bytes"
	"context"
	"encoding/asn1"
	"testing"
)

// requestFor returns a TimeStampReq with a nonce and certReq.
func requestFor(imprint []byte) []byte {
	return sequence(integer(1), sequence(algorithm(oidSHA256), octetString(imprint)), integer(5), boolean())
}

func TestTimestampNeedsItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if b, err := newTestAuthority(t, Config{}).AnswerTimestamp(ctx, requestFor(make([]byte, 32))); err != context.Canceled {
		t.Errorf("AnswerTimestamp = %x, %v, want context.Canceled", b, err)
	}
}

// FuzzTimestampRequest checks that every request gets an answer in DER, and that
// what is granted is what was asked for.
func FuzzTimestampRequest(f *testing.F) {
	f.Add(requestFor(make([]byte, 32)))
	f.Add(sequence(integer(1), sequence(algorithm(oidSHA256), octetString(make([]byte, 32))), oidTSAPolicy.der()))
	f.Add(sequence(integer(2)))
	f.Add([]byte{})
	a, err := New(Config{Clock: testTime})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		response, err := a.AnswerTimestamp(context.Background(), request)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Status struct {
				Status  int
				Text    []string       `asn1:"optional"`
				Failure asn1.BitString `asn1:"optional"`
			}
			Token asn1.RawValue `asn1:"optional"`
		}
		if rest, err := asn1.Unmarshal(response, &got); err != nil || len(rest) > 0 {
			t.Fatalf("answer %x: %v", response, err)
		}
		if got.Status.Status == 0 {
			r, _, _ := parseTimestampRequest(request)
			if !bytes.Contains(got.Token.FullBytes, r.imprint[:]) || !bytes.Contains(got.Token.FullBytes, r.nonce) {
				t.Errorf("the token for %x is over something else: %x", request, response)
			}
		} else if got.Token.FullBytes != nil || got.Status.Failure.BitLength == 0 {
			t.Errorf("rejection %x has a token, or no reason", response)
		}
	})
}

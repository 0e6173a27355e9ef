package sigstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"time"

	"gitseal/internal/cms"
	"gitseal/internal/transport"
)

// maxDrift is by how much a time-stamp may differ from this machine's clock. A
// certificate lives for ten minutes, and the time-stamp must fall into them.
const maxDrift = 5 * time.Minute

// A tsa is a time-stamp authority (RFC 3161, over HTTP as in section 3.4).
type tsa struct {
	client *transport.Client
	url    string
	rand   io.Reader
	now    func() time.Time
}

// Timestamp implements signer.Timestamper.
func (t *tsa) Timestamp(ctx context.Context, imprint [32]byte) ([]byte, error) {
	var nonce [8]byte
	if _, err := io.ReadFull(t.rand, nonce[:]); err != nil {
		return nil, fmt.Errorf("making a nonce: %w", err)
	}
	query := cms.TimeStampRequest{Imprint: imprint, Nonce: binary.BigEndian.Uint64(nonce[:])}
	body, err := query.Marshal()
	if err != nil {
		return nil, err
	}
	req := &transport.Request{
		Service: "time-stamp authority", URL: t.url, ContentType: "application/timestamp-query",
		Accept: "application/timestamp-reply", Body: body, Repeatable: true,
	}
	resp, err := t.client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	// Sigstore's authority says that it has created something.
	if resp.Status != http.StatusOK && resp.Status != http.StatusCreated {
		return nil, resp.Err(req)
	}
	token, err := t.read(resp.Body, query)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of time-stamp authority %s: %w", t.url, err)
	}
	return token, nil
}

// read returns the token of a response to query.
func (t *tsa) read(response []byte, query cms.TimeStampRequest) ([]byte, error) {
	der, err := cms.ParseTimeStampResponse(response)
	if err != nil {
		return nil, err
	}
	token, err := cms.ParseToken(der)
	if err != nil {
		return nil, err
	}
	if err := query.Check(token); err != nil {
		return nil, err
	}
	if at, now := token.Info.GenTime, t.now().UTC(); at.Sub(now).Abs() > maxDrift {
		return nil, fmt.Errorf("it says it is %s, this machine's clock says %s", at.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	return der, nil
}

package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// metadataTimeout bounds a question to a metadata service. It is next door.
const metadataTimeout = 5 * time.Second

// A metadata is a question to the metadata service of a cloud: a GET with one
// header of its own. It is asked by no proxy, whatever is set: the answer is
// about whoever asks, and is secret. No redirect is followed.
type metadata struct {
	service       string // in errors
	url           string
	header, value string
}

// ask returns the answer, whatever its status.
func (m *metadata) ask(ctx context.Context) (status int, header http.Header, body []byte, err error) {
	err = within(ctx, metadataTimeout, func(ctx context.Context) error {
		status, header, body, err = m.send(ctx)
		// net/http repeats the URL, which the name of the service stands for.
		if outer := (*url.Error)(nil); errors.As(err, &outer) {
			return outer.Err
		}
		return err
	})
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%s: %w", m.service, err)
	}
	return status, header, body, nil
}

func (m *metadata) send(ctx context.Context) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url, nil)
	if err != nil {
		return 0, nil, nil, errors.New("malformed URL")
	}
	req.Header.Set("User-Agent", "gitseal")
	req.Header.Set(m.header, m.value)
	client := http.Client{
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: metadataTimeout}).DialContext,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 1 << 16,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 2*maxToken+1))
	if err == nil && len(body) > 2*maxToken {
		err = fmt.Errorf("the answer is longer than %d bytes", 2*maxToken)
	}
	return resp.StatusCode, resp.Header, body, err
}

// refused returns the error for an answer with a status that is none of
// success.
func (m *metadata) refused(status int, header http.Header, body []byte) error {
	text := fmt.Sprintf("%s: status %d", m.service, status)
	if name := http.StatusText(status); name != "" {
		text += " " + name
	}
	said := redact(string(body), m.value)
	if strings.Contains(header.Get("Content-Type"), "html") {
		said = "a web page, not the service's own words"
	}
	if said != "" {
		text += ": " + said
	}
	return errors.New(text)
}

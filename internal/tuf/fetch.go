package tuf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"gitseal/internal/transport"
	"gitseal/internal/trust"
)

// A fetcher gets the files of a repository for go-tuf, which names them by URL
// and bounds them. Roots that were verified once are kept, and are not fetched
// again: the chain from the first to the newest is walked each time.
type fetcher struct {
	ctx     context.Context
	client  *transport.Client
	roots   string           // directory of the roots that were verified
	fetched map[int64][]byte // roots that were fetched, by version
	last    string           // the file that was asked for last, for errors
}

// DownloadFile returns a file of at most limit bytes. The timeout is go-tuf's,
// which gives it no meaning.
func (f *fetcher) DownloadFile(rawURL string, limit int64, _ time.Duration) ([]byte, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, unreachable(rawURL, errors.New("not a URL"))
	}
	f.last = path.Base(u.Path)
	version, isRoot := rootVersion(f.last)
	if isRoot {
		kept := f.rootFile(version)
		if data, err := readFile(kept, limit); !errors.Is(err, fs.ErrNotExist) {
			f.last = kept
			return data, err
		}
	}
	var data []byte
	if u.Scheme == "file" {
		data, err = readFile(localPath(u), limit)
	} else {
		data, err = f.get(rawURL, limit)
	}
	switch {
	case isRoot && errors.Is(err, fs.ErrNotExist):
		return nil, &metadata.ErrDownloadHTTP{StatusCode: http.StatusNotFound, URL: rawURL} // go-tuf's way to know the newest root
	case err != nil:
		return nil, unreachable(f.last, err)
	case isRoot:
		f.fetched[version] = data
	}
	return data, nil
}

// localPath returns the path of a file URL. On Windows it has a drive, which
// stands behind a slash in the URL.
func localPath(u *url.URL) string {
	name := filepath.FromSlash(u.Path)
	if name != "" && filepath.VolumeName(name[1:]) != "" {
		return name[1:]
	}
	return name
}

// get asks a server for a file. The error is fs.ErrNotExist if it says that
// there is none.
func (f *fetcher) get(rawURL string, limit int64) ([]byte, error) {
	if f.client == nil {
		return nil, errors.New("no way to ask servers was given")
	}
	req := &transport.Request{Service: "server", URL: rawURL, MaxBody: limit, Repeatable: true}
	resp, err := f.client.Do(f.ctx, req)
	if err != nil {
		return nil, err
	}
	switch resp.Status {
	case http.StatusOK:
		return resp.Body, nil
	case http.StatusNotFound, http.StatusForbidden: // storage services that list nothing answer 403
		return nil, &notFoundError{resp.Err(req)}
	}
	return nil, resp.Err(req)
}

// A notFoundError is a server's answer that there is no such file.
type notFoundError struct{ *transport.StatusError }

func (e *notFoundError) Is(target error) bool { return target == fs.ErrNotExist }

// unreachable returns the refusal for a file that could not be had. The
// repository and the file are named already, so only the cause is kept.
func unreachable(file string, err error) error {
	var tooLong *tooLongError
	var status *transport.StatusError
	var silent *transport.Error
	switch {
	case errors.As(err, &status):
		err = fmt.Errorf("status %d %s", status.Status, http.StatusText(status.Status))
	case errors.As(err, &silent):
		err = silent.Err
	}
	if errors.As(err, &tooLong) || errors.Is(err, transport.ErrTooLong) {
		return &trust.Refusal{Reason: trust.TooLarge, Err: fmt.Errorf("%s: %w", file, err)}
	}
	return &trust.Refusal{Reason: trust.Unreachable, Err: fmt.Errorf("%s: %w", file, err)}
}

// rootVersion returns the version in the name of a root, "15.root.json".
func rootVersion(name string) (int64, bool) {
	number, ok := strings.CutSuffix(name, ".root.json")
	version, err := strconv.ParseInt(number, 10, 64)
	return version, ok && err == nil && strconv.FormatInt(version, 10) == number
}

func (f *fetcher) rootFile(version int64) string {
	return filepath.Join(f.roots, fmt.Sprintf("%d.root.json", version))
}

// keepRoots keeps the roots that were fetched and verified: those up to the
// version that the client has come to trust.
func (f *fetcher) keepRoots(trusted int64) error {
	for version, data := range f.fetched {
		if version > trusted {
			continue
		}
		if err := os.MkdirAll(f.roots, 0o700); err != nil {
			return err
		}
		if err := writeFile(f.rootFile(version), data); err != nil {
			return err
		}
	}
	return nil
}

// A tooLongError is a file of more bytes than it may have.
type tooLongError struct{ limit int64 }

func (e *tooLongError) Error() string { return fmt.Sprintf("longer than %d bytes", e.limit) }

// readFile reads a regular file of at most limit bytes.
func readFile(name string, limit int64) ([]byte, error) {
	// Before it is opened: to open a pipe is to wait for its other end.
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &tooLongError{limit}
	}
	return data, nil
}

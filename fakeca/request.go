package fakeca

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// A RequestError says what is wrong with what somebody asked of the authority.
// Any other error is one of the authority itself.
type RequestError struct {
	Part string // what of the request it is: "token", "public key", "proof of possession", "signing request", "certificate", "signature" or "envelope"
	Err  error
}

func (e *RequestError) Error() string { return fmt.Sprintf("checking %s: %v", e.Part, e.Err) }
func (e *RequestError) Unwrap() error { return e.Err }

// A DuplicateError says that an entry is in the log already.
type DuplicateError struct {
	Index int64  // of the entry that is, as Entry.Index
	ID    string // as Entry.ID
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("an equivalent entry is in the log already, with index %d", e.Index)
}

// decodeJSON decodes one JSON value with no fields but those of dst, and nothing
// after it.
func decodeJSON(data []byte, dst any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(dst); err != nil {
		return err
	}
	if len(bytes.TrimSpace(data[d.InputOffset():])) > 0 {
		return errors.New("more than one JSON value")
	}
	return nil
}

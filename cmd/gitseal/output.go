package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// An output is where an answer goes, opened before the work begins: what is
// signed is on public record, and must not be lost for want of a place.
type output struct {
	env  *env
	file *os.File // nil: standard output
	made bool     // it was not there before
}

// openOutput opens a file, or standard output if its name is -. What is in the
// file stays there until write.
func openOutput(e *env, name string) (*output, error) {
	if name == "-" {
		return &output{env: e}, nil
	}
	_, err := os.Stat(name)
	made := errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	return &output{e, f, made}, nil
}

// write writes the answer, which replaces what was in the file.
func (o *output) write(data []byte) error {
	if o.file == nil {
		o.env.printf("%s", data)
		return nil
	}
	var err error
	if info, serr := o.file.Stat(); serr == nil && info.Mode().IsRegular() {
		err = o.file.Truncate(0)
	}
	if err == nil {
		_, err = o.file.Write(data)
	}
	err = errors.Join(err, o.file.Close())
	o.made = false
	if err != nil {
		return fail(exitUsage, fmt.Errorf("writing the answer: %w", err))
	}
	return nil
}

// abandon leaves the place as it was, unless the answer was written.
func (o *output) abandon() {
	if o.made {
		_ = o.file.Close()           // empty
		_ = os.Remove(o.file.Name()) // that nothing was written is told already
	}
}

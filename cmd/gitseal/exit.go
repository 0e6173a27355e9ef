package main

import (
	"errors"
	"fmt"
)

// The exit codes of every command. They are documented in the README.
const (
	exitGood         = 0
	exitFinding      = 1 // a finding, or a signature that is bad or not allowed
	exitUsage        = 2 // usage or configuration
	exitUnknown      = 3 // could not tell: a missing object, key or server
	exitEquivocation = 4 // the log contradicts itself
	exitInternal     = 5 // a bug

	exitInterrupted = 130 // by the user, as shells have it
)

// An exitError ends the program: it is printed as one line, with a hint line
// for each thing to do about it. A nil err prints nothing: the command has
// said all there is to say.
type exitError struct {
	code  int
	err   error
	hints []string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// fail returns an exitError.
func fail(code int, err error, hints ...string) error {
	return &exitError{code, err, hints}
}

// usage returns the error for a command line that says something wrong.
func usage(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// quiet returns the error that only sets the exit code.
func quiet(code int) error { return &exitError{code: code} }

// exitCode returns the code for err and what to print of it.
func exitCode(err error) (code int, message string, hints []string) {
	if err == nil {
		return exitGood, "", nil
	}
	var ee *exitError
	if !errors.As(err, &ee) {
		ee = explain(err)
		err = ee
	}
	if ee.err == nil {
		return ee.code, "", nil
	}
	return ee.code, err.Error(), ee.hints
}

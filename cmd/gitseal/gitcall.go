package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A gitCall is a parsed command line of git's.
type gitCall struct {
	sign, verify, detach, armor, locate bool
	key                                 string // -u; may be empty, and may be "Name <email>"
	statusFD                            int    // 0: none
	files                               []string
}

// isGitCall reports whether the arguments are git's rather than a person's:
// they begin with an option that no person's command line has.
func isGitCall(args []string) bool {
	if len(args) < 2 || !strings.HasPrefix(args[1], "-") {
		return false
	}
	switch args[1] {
	case "-h", "--help", "-help", "--version", "-v", "--", "-":
		return false
	}
	return true
}

// parseGitCall reads options as getopt does: letters may be joined, values
// may stand in the same word or the next. What it does not know it refuses,
// for an option that is ignored is a request that is not met.
func parseGitCall(args []string) (*gitCall, error) {
	call := new(gitCall)
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case arg == "--":
			call.files = append(call.files, args...)
			args = nil
		case strings.HasPrefix(arg, "--"):
			args, err = call.long(arg, args)
		case strings.HasPrefix(arg, "-") && arg != "-":
			args, err = call.short(arg[1:], args)
		default:
			call.files = append(call.files, arg)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := call.check(); err != nil {
		return nil, err
	}
	return call, nil
}

// long takes one option in words, and its value.
func (call *gitCall) long(arg string, rest []string) ([]string, error) {
	name, value, joined := strings.Cut(arg, "=")
	takeValue := func() error {
		if joined {
			return nil
		}
		if len(rest) == 0 {
			return fmt.Errorf("option %s wants a value", name)
		}
		value, rest = rest[0], rest[1:]
		joined = true
		return nil
	}
	switch name {
	case "--status-fd":
		if err := takeValue(); err != nil {
			return nil, err
		}
		fd, err := strconv.ParseUint(value, 10, 31)
		if err != nil || fd < 1 {
			return nil, fmt.Errorf("option --status-fd: %q is not a file descriptor to write to", value)
		}
		call.statusFD = int(fd)
		return rest, nil
	case "--local-user", "--keyid-format", "--output", "--include-certs":
		// --include-certs is smimesign's: how much of the chain to include.
		// The signer's own certificate always is, and nothing else is needed.
		if err := takeValue(); err != nil {
			return nil, err
		}
		if name == "--local-user" {
			call.key = value
		}
		if name == "--output" && value != "-" {
			return nil, fmt.Errorf("option --output: %q is not \"-\", and nothing else is supported", value)
		}
		return rest, nil
	}
	if joined {
		return nil, fmt.Errorf("unknown option %s", arg)
	}
	switch name {
	case "--verify":
		call.verify = true
	case "--sign":
		call.sign = true
	case "--detach-sign":
		call.sign, call.detach = true, true
	case "--armor":
		call.armor = true
	case "--locate-keys":
		call.locate = true
	case "--batch", "--no-tty", "--with-colons":
		// We never ask and never write to the terminal anyway.
	default:
		return nil, fmt.Errorf("unknown option %s", arg)
	}
	return rest, nil
}

// short takes a word of joined letters. -u takes the rest of the word, or the
// next word, even an empty one: user.signingKey may be set to nothing.
func (call *gitCall) short(letters string, rest []string) ([]string, error) {
	for i, letter := range letters {
		switch letter {
		case 'b':
			call.sign, call.detach = true, true
		case 's':
			call.sign = true
		case 'a':
			call.armor = true
		case 'u':
			if tail := letters[i+1:]; tail != "" {
				call.key = tail
				return rest, nil
			}
			if len(rest) == 0 {
				return nil, errors.New("option -u wants a value")
			}
			call.key = rest[0]
			return rest[1:], nil
		default:
			return nil, fmt.Errorf("unknown option -%c", letter)
		}
	}
	return rest, nil
}

// check refuses what would not do what its caller thinks.
func (call *gitCall) check() error {
	modes := 0
	for _, mode := range []bool{call.sign, call.verify, call.locate} {
		if mode {
			modes++
		}
	}
	switch {
	case modes != 1:
		return errors.New("want one of -bsa and --verify")
	case call.locate:
		return nil
	case call.verify:
		if len(call.files) != 2 {
			return errors.New("--verify wants a signature file and a payload, a file or \"-\"")
		}
		return nil
	case !call.detach || !call.armor:
		return errors.New("only detached, armored signatures are made: want -bsa")
	case len(call.files) > 1 || len(call.files) == 1 && call.files[0] != "-":
		return errors.New("the payload is read from standard input, not from a file")
	case call.statusFD == 1:
		return errors.New("--status-fd=1 would mix status lines into the signature")
	}
	return nil
}

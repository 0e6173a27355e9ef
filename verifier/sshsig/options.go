package sshsig

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// options are what restricts an allowed signers line.
type options struct {
	authority  bool        // it is about certificates by the key
	namespaces patternList // nil: all
	after      int64       // Unix seconds, of the window the first; 0: none
	before     int64       // Unix seconds, of the window the last; 0: none
}

// parseOptions parses options, commas between them, up to white space, and
// returns what stands after that (sshsigopt_parse in sshsig.c):
//
//	cert-authority
//	namespaces="patterns"
//	valid-after="time"
//	valid-before="time"
//
// An option that is not known could be a restriction, so it is an error.
func parseOptions(s string) (o options, rest string, err error) {
	seen := make(map[string]bool)
	for {
		name, value, after, err := cutOption(s)
		if err != nil {
			return options{}, "", err
		}
		if seen[name] {
			return options{}, "", fmt.Errorf("option %q appears twice", name)
		}
		seen[name] = true
		if err := o.set(name, value); err != nil {
			return options{}, "", err
		}
		s = after
		if s == "" || s[0] == ' ' || s[0] == '\t' {
			break
		}
		if s[0] != ',' {
			return options{}, "", fmt.Errorf("option %q is followed by %q", name, clip(s))
		}
		s = s[1:]
	}
	if o.after != 0 && o.before != 0 && o.before <= o.after {
		return options{}, "", errors.New("valid-before is not after valid-after")
	}
	return o, strings.TrimLeft(s, " \t"), nil
}

// cutOption cuts the first option off s. Its name is in lower case; value is
// nil if it has none.
func cutOption(s string) (name string, value *string, rest string, err error) {
	end := strings.IndexAny(s, "=, \t")
	if end < 0 {
		end = len(s)
	}
	name, rest = strings.ToLower(s[:end]), s[end:]
	if !strings.HasPrefix(rest, "=") {
		return name, nil, rest, nil
	}
	// The value is in quotes, and \" in it is one (opt_dequote in misc.c).
	if !strings.HasPrefix(rest, `="`) {
		return "", nil, "", fmt.Errorf("the value of option %q is not in quotes", clip(name))
	}
	rest = rest[2:]
	var text strings.Builder
	for i := 0; i < len(rest); i++ {
		if rest[i] == '\\' && i+1 < len(rest) && rest[i+1] == '"' {
			i++
		} else if rest[i] == '"' {
			unquoted := text.String()
			return name, &unquoted, rest[i+1:], nil
		}
		text.WriteByte(rest[i])
	}
	return "", nil, "", fmt.Errorf("the value of option %q has no end", clip(name))
}

// set sets an option.
func (o *options) set(name string, value *string) (err error) {
	if name == "cert-authority" && value == nil {
		o.authority = true
		return nil
	}
	if value == nil {
		return fmt.Errorf("unknown option %q", clip(name))
	}
	switch name {
	case "namespaces":
		o.namespaces, err = parsePatterns(*value)
	case "valid-after":
		o.after, err = parseTime(*value)
	case "valid-before":
		o.before, err = parseTime(*value)
	default:
		return fmt.Errorf("unknown option %q", clip(name))
	}
	if err != nil {
		return fmt.Errorf("option %q: %w", name, err)
	}
	return nil
}

// parseTime parses YYYYMMDD[HHMM[SS]][Z], in UTC with and without the Z, and
// returns Unix seconds (parse_absolute_time in misc.c).
func parseTime(s string) (int64, error) {
	digits := s
	if upper := strings.ToUpper(s); strings.HasSuffix(upper, "Z") {
		digits = s[:len(s)-1]
	} else if strings.HasSuffix(upper, "UTC") {
		digits = s[:len(s)-3]
	}
	layout := "20060102150405"
	switch len(digits) {
	case 8, 12, 14:
		layout = layout[:len(digits)]
	default:
		return 0, fmt.Errorf("%q is not a time of the form YYYYMMDD[HHMM[SS]][Z]", clip(s))
	}
	t, err := time.Parse(layout, digits)
	if err != nil || t.Unix() <= 0 {
		return 0, fmt.Errorf("%q is not a time after 1970 of the form YYYYMMDD[HHMM[SS]][Z]", clip(s))
	}
	return t.Unix(), nil
}

package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A baseline is where a history begins to be judged.
type baseline struct {
	after  []string
	reason string
}

// Baseline returns the ids of the objects after which history is judged: the
// commits that these reach, and they themselves, are exempt.
func (p *Policy) Baseline() []string { return slices.Clone(p.baseline.after) }

// BaselineReason returns why what is before the baseline is exempt; it may be
// empty.
func (p *Policy) BaselineReason() string { return p.baseline.reason }

func (b *baseline) set(key string, value *unstable.Node) (err error) {
	switch key {
	case "after":
		b.after, err = readStrings(key, value, array, objectID(key))
	case "reason":
		b.reason, err = readReason(key, value)
	default:
		err = unknownKey(key, "of the baseline ", "after", "reason")
	}
	return err
}

func (b *baseline) finish(*parser) error {
	if len(b.after) == 0 {
		return errors.New("missing after")
	}
	return nil
}

// An Exempt is an object that need not be signed as the policy has it.
type Exempt struct {
	Object string    // its id, in lower case hexadecimal
	Reason string    // for people
	Until  time.Time // when the exemption ends; zero: never
	Line   int       // the line of the file that it begins in, from 1
}

// An exempt is an Exempt that is read.
type exempt struct{ Exempt }

// Exemption reports whether an object is exempt at a time, and why.
func (p *Policy) Exemption(oid string, at time.Time) (reason string, ok bool) {
	x := p.exempted[oid]
	if x == nil || (Window{Until: x.Until}).expired(at) {
		return "", false
	}
	return x.Reason, true
}

// Exemptions returns all objects that are exempt or were, in the order of the
// file.
func (p *Policy) Exemptions() []Exempt {
	var list []Exempt
	for _, x := range p.exempt {
		list = append(list, x.Exempt)
	}
	return list
}

func (x *exempt) set(key string, value *unstable.Node) (err error) {
	switch key {
	case "object":
		if x.Object, err = readString(key, value); err == nil {
			_, err = objectID(key)(x.Object)
		}
	case "reason":
		x.Reason, err = readReason(key, value)
	case "until":
		x.Until, err = readTime(key, value)
	default:
		err = unknownKey(key, "of an exemption ", "object", "reason", "until")
	}
	return err
}

func (x *exempt) finish(ps *parser) error {
	switch {
	case x.Object == "":
		return errors.New("missing object")
	case x.Reason == "":
		return errors.New("missing reason")
	}
	p := ps.policy
	if first := p.exempted[x.Object]; first != nil {
		return fmt.Errorf("the same object as [[exempt]] in line %d", first.Line)
	}
	if p.exempted == nil {
		p.exempted = make(map[string]*exempt)
	}
	p.exempted[x.Object] = x
	p.exempt = append(p.exempt, x)
	return nil
}

// objectID returns a check for the ids of objects, SHA-1 or SHA-256, whole: an
// abbreviation could come to mean another object.
func objectID(key string) func(string) (string, error) {
	return func(s string) (string, error) {
		if len(s) != 40 && len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "" {
			return "", fmt.Errorf("%s %q is not the id of an object, of 40 or 64 hexadecimal digits in lower case", key, s)
		}
		return s, nil
	}
}

// readReason reads words for people.
func readReason(key string, value *unstable.Node) (string, error) {
	s, err := readString(key, value)
	if err == nil {
		err = checkShown(key, s)
	}
	return s, err
}

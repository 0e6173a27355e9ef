package policy

import (
	"fmt"
	"time"
)

// A Window is the span of time that begins at From and ends just before Until.
// A zero From or Until leaves it open on that side.
//
// Until is not in the window, so that one entry can end where the next
// begins. It also fits the times of logs, which are whole seconds rounded
// down: they are before Until exactly if the unrounded time is.
type Window struct {
	From, Until time.Time
}

// Contains reports whether t is in the window.
func (w Window) Contains(t time.Time) bool {
	return (w.From.IsZero() || !t.Before(w.From)) && (w.Until.IsZero() || t.Before(w.Until))
}

// covers reports whether every time in v is in w.
func (w Window) covers(v Window) bool {
	return (w.From.IsZero() || !v.From.IsZero() && !v.From.Before(w.From)) &&
		(w.Until.IsZero() || !v.Until.IsZero() && !v.Until.After(w.Until))
}

// expired reports whether no time from at on is in the window.
func (w Window) expired(at time.Time) bool {
	return !w.Until.IsZero() && !w.Until.After(at)
}

// utc returns the window with its times in UTC, and so comparable by ==.
func (w Window) utc() Window {
	return Window{From: w.From.UTC().Round(0), Until: w.Until.UTC().Round(0)}
}

// check reports whether no time is in the window, or a bound cannot be written.
func (w Window) check() error {
	for _, t := range []time.Time{w.From, w.Until} {
		if year := t.UTC().Year(); year < 0 || year > 9999 {
			return fmt.Errorf("the year %d is not of four digits", year)
		}
	}
	if !w.From.IsZero() && !w.Until.IsZero() && !w.Until.After(w.From) {
		return fmt.Errorf("until %s is not after from %s", formatTime(w.Until), formatTime(w.From))
	}
	return nil
}

// fields returns the sides of the window that are not open, as TOML.
func (w Window) fields() []string {
	var fields []string
	if !w.From.IsZero() {
		fields = append(fields, "from = "+formatTime(w.From))
	}
	if !w.Until.IsZero() {
		fields = append(fields, "until = "+formatTime(w.Until))
	}
	return fields
}

// String returns the window as in "from 2026-01-01T00:00:00Z until
// 2026-06-30T00:00:00Z", without the side that is open, or "always".
func (w Window) String() string {
	switch from, until := formatTime(w.From), formatTime(w.Until); {
	case w.From.IsZero() && w.Until.IsZero():
		return "always"
	case w.Until.IsZero():
		return "from " + from
	case w.From.IsZero():
		return "until " + until
	default:
		return "from " + from + " until " + until
	}
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

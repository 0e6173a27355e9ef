package sigstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitseal/internal/trust"
)

// The versions of the servers' APIs that this package speaks, the preferred
// first.
var (
	fulcioVersions = []uint32{1}
	rekorVersions  = []uint32{2, 1}
	tsaVersions    = []uint32{1}
)

// choose selects services as the Sigstore client specification has it: of the
// highest known version that has any, those in service at the time, of each
// operator the one that began last; of these, as many as selection says. Where
// that leaves a choice it is the services that began last, or else stand first
// in the file: the signatures of one repository are better found in one log
// than spread at random.
func choose(what string, services []trust.Service, selection trust.Selection, versions []uint32, now time.Time) ([]trust.Service, error) {
	var usable []trust.Service
	sorted := slices.Clone(services)
	slices.SortStableFunc(sorted, func(a, b trust.Service) int { return b.ValidFor.Start.Compare(a.ValidFor.Start) })
	for _, version := range versions {
		operators := make(map[string]bool)
		for _, s := range sorted {
			if s.MajorAPIVersion == version && s.ValidFor.Contains(now) && !operators[s.Operator] {
				operators[s.Operator] = true
				usable = append(usable, s)
			}
		}
		if len(usable) > 0 {
			break
		}
	}
	if len(usable) == 0 {
		return nil, unusable(what, services, versions, now)
	}
	n := len(usable)
	switch selection.Selector {
	case "ALL":
	case "ANY":
		n = 1
	case "EXACT":
		n = int(selection.Count)
		if n < 1 || n > len(usable) {
			return nil, fmt.Errorf("selecting servers: the signing config asks for %d of service %q, and %d are usable now", selection.Count, what, len(usable))
		}
	default:
		return nil, fmt.Errorf("selecting servers: unknown selector %q for service %q", selection.Selector, what)
	}
	return usable[:n], nil
}

// unusable says why none of the services can be used.
func unusable(what string, services []trust.Service, versions []uint32, now time.Time) error {
	if len(services) == 0 {
		return fmt.Errorf("selecting servers: the signing config names no %s", what)
	}
	var why []string
	for _, s := range services {
		reason := "ended at " + s.ValidFor.End.Format(time.RFC3339)
		if !slices.Contains(versions, s.MajorAPIVersion) {
			reason = fmt.Sprintf("has API version %d, which is not known", s.MajorAPIVersion)
		} else if now.Before(s.ValidFor.Start) {
			reason = "begins at " + s.ValidFor.Start.Format(time.RFC3339)
		}
		why = append(why, s.URL+" "+reason)
	}
	return errors.New("selecting servers: no usable " + what + " in the signing config: " + strings.Join(why, "; "))
}

// outlived says why nothing that the servers answer can be verified: all the
// logs, or time-stamp authorities, that the trusted root names have ended. To
// find that out at the end would be to leave an entry of no use in a log.
func outlived(root *trust.TrustedRoot, stamped bool, now time.Time) error {
	ended := func(w trust.Window) bool { return !w.End.IsZero() && now.After(w.End) }
	if !slices.ContainsFunc(root.TLogs, func(l trust.Log) bool { return !ended(l.ValidFor) }) {
		return errors.New("selecting servers: the trusted root names no log that is still in use")
	}
	if stamped && !slices.ContainsFunc(root.TimestampAuthorities, func(a trust.Authority) bool { return !ended(a.ValidFor) }) {
		return errors.New("selecting servers: the trusted root names no time-stamp authority that is still in use")
	}
	return nil
}

// base returns a base URL without the slash that it may end in.
func base(url string) string { return strings.TrimRight(url, "/") }

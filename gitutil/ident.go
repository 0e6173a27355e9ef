package gitutil

import (
	"bytes"
	"strconv"
	"time"
)

// An Ident is who git says made an object, and when. Nothing in it is proven:
// anyone can write any name and any date.
type Ident struct {
	Name  string // may be empty, and may not be UTF-8
	Email string // likewise
	// When has the zone that was written. It is the zero time if the line
	// holds no date, or one outside the years 1970 to 9999.
	When time.Time
}

// maxUnix is the last second of the year 9999, the last that RFC 3339 can
// write.
const maxUnix = 253402300799

// parseIdent parses "name <email> seconds zone". Real objects hold every
// variation of it, so like git (split_ident_line in ident.c) it never fails:
// the e-mail address is what stands between the first "<" and the next ">",
// the date is what follows the last ">", and what is not there is empty.
func parseIdent(line []byte) Ident {
	open := bytes.IndexByte(line, '<')
	if open < 0 {
		return Ident{Name: string(bytes.TrimSpace(line))}
	}
	id := Ident{Name: string(bytes.TrimSpace(line[:open]))}
	length := bytes.IndexByte(line[open+1:], '>')
	if length < 0 {
		return id
	}
	id.Email = string(line[open+1 : open+1+length])
	id.When = parseDate(line[bytes.LastIndexByte(line, '>')+1:])
	return id
}

// parseDate parses "seconds zone", for instance "1319256362 -0700". A zone
// that is not sign, hours and minutes is read as UTC: it does not change the
// instant.
func parseDate(date []byte) time.Time {
	fields := bytes.Fields(date)
	if len(fields) == 0 || fields[0][0] == '+' {
		return time.Time{}
	}
	seconds, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil || seconds < 0 || seconds > maxUnix {
		return time.Time{}
	}
	t := time.Unix(seconds, 0).UTC()
	if len(fields) < 2 {
		return t
	}
	zone := string(fields[1])
	if len(zone) != 5 || (zone[0] != '+' && zone[0] != '-') {
		return t
	}
	hhmm, err := strconv.ParseUint(zone[1:], 10, 16)
	if err != nil || hhmm/100 > 23 || hhmm%100 > 59 || hhmm == 0 {
		return t
	}
	offset := int(hhmm/100)*3600 + int(hhmm%100)*60
	if zone[0] == '-' {
		offset = -offset
	}
	return t.In(time.FixedZone(zone, offset))
}

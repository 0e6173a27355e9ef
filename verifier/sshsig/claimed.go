package sshsig

import (
	"bytes"
	"strconv"
	"time"
)

// maxUnix is the last second of the year 9999, the last that RFC 3339 can
// write.
const maxUnix = 253402300799

// claimedTime returns the date that a payload claims, in UTC: of a commit the
// committer's, of a tag the tagger's, as git hands it to ssh-keygen
// (parse_payload_metadata in gpg-interface.c). It is the zero time if the
// payload is neither, has no such header or several, or its date is not
// written as git writes it.
func claimedTime(payload []byte) time.Time {
	header := []byte("committer ")
	if bytes.HasPrefix(payload, []byte("object ")) {
		header = []byte("tagger ")
	} else if !bytes.HasPrefix(payload, []byte("tree ")) {
		return time.Time{}
	}
	var ident []byte
	for rest := payload; ; {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if len(line) == 0 || !found {
			break // what follows is message
		}
		if value, ok := bytes.CutPrefix(line, header); ok {
			if ident != nil {
				return time.Time{}
			}
			ident = value
		}
		rest = after
	}
	return parseDate(ident)
}

// parseDate parses the end of "name <address> seconds zone". The zone does
// not change the instant, so it only has to be one.
func parseDate(ident []byte) time.Time {
	end := bytes.LastIndexByte(ident, '>')
	date, found := bytes.CutPrefix(ident[end+1:], []byte(" "))
	if end < 0 || !found {
		return time.Time{}
	}
	digits, zone, _ := bytes.Cut(date, []byte(" "))
	seconds, err := strconv.ParseUint(string(digits), 10, 63)
	if err != nil || seconds > maxUnix || strconv.FormatUint(seconds, 10) != string(digits) {
		return time.Time{}
	}
	if len(zone) != 5 || zone[0] != '+' && zone[0] != '-' || len(bytes.Trim(zone[1:], "0123456789")) > 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

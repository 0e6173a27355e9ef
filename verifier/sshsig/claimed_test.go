package sshsig

import (
	"testing"
	"time"
)

func TestClaimedTime(t *testing.T) {
	tests := []struct {
		name, payload string
		want          int64 // -1: none
	}{
		{"commit", "tree x\ncommitter A <a@b> 1700000000 +0100\n\n", 1700000000},
		{"tag", "object x\ntype commit\ntag v1\ntagger A <a@b> 1700000000 -0000\n\n", 1700000000},
		{"the epoch", "tree x\ncommitter A <a@b> 0 +0000\n\n", 0},
		{"last second", "tree x\ncommitter A <a@b> 253402300799 +0000\n\n", 253402300799},
		{"too late", "tree x\ncommitter A <a@b> 253402300800 +0000\n\n", -1},
		{"before 1970", "tree x\ncommitter A <a@b> -1 +0000\n\n", -1},
		{"empty name", "tree x\ncommitter  <> 5 +0000\n\n", 5},
		{"brackets in the name", "tree x\ncommitter A <x> 1 +0000 <a@b> 7 +0000\n\n", 7},
		{"author only", "tree x\nauthor A <a@b> 1 +0000\n\n", -1},
		{"in the message", "tree x\n\ncommitter A <a@b> 1 +0000\n", -1},
		{"two", "tree x\ncommitter A <a@b> 1 +0000\ncommitter A <a@b> 2 +0000\n\n", -1},
		{"tagger of a commit", "tree x\ntagger A <a@b> 1 +0000\n\n", -1},
		{"committer of a tag", "object x\ncommitter A <a@b> 1 +0000\n\n", -1},
		{"tag without tagger", "object x\ntype commit\ntag v1\n\n", -1},
		{"neither", "hello\ncommitter A <a@b> 1 +0000\n\n", -1},
		{"empty", "", -1},
		{"no address", "tree x\ncommitter A 1 +0000\n\n", -1},
		{"leading zero", "tree x\ncommitter A <a@b> 01 +0000\n\n", -1},
		{"plus", "tree x\ncommitter A <a@b> +1 +0000\n\n", -1},
		{"no zone", "tree x\ncommitter A <a@b> 1\n\n", -1},
		{"odd zone", "tree x\ncommitter A <a@b> 1 +1x00\n\n", -1},
		{"long zone", "tree x\ncommitter A <a@b> 1 +00000\n\n", -1},
		{"no space", "tree x\ncommitter A <a@b>1 +0000\n\n", -1},
		{"trailing text", "tree x\ncommitter A <a@b> 1 +0000 x\n\n", -1},
		{"continuation", "tree x\nmergetag object y\n committer A <a@b> 1 +0000\n\n", -1},
	}
	for _, test := range tests {
		got := claimedTime([]byte(test.payload))
		want := time.Time{}
		if test.want >= 0 {
			want = time.Unix(test.want, 0)
		}
		if !got.Equal(want) || got.IsZero() != want.IsZero() {
			t.Errorf("%s: claimedTime(%q) = %v, want %v", test.name, test.payload, got, want)
		}
	}
}

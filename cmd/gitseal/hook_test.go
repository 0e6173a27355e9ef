package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gitseal/gitutil"
)

var (
	anID = strings.Repeat("a", 40)
	noID = strings.Repeat("0", 40)
)

func TestPrePushLinesAreTakenApart(t *testing.T) {
	input := "refs/heads/main " + anID + " refs/heads/main " + noID + "\n" +
		"(delete) " + noID + " refs/heads/old " + anID + "\n" +
		"HEAD^{/two words} " + anID + " refs/heads/x " + anID + "\n"
	updates, local, err := parsePrePush([]byte(input), gitutil.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	if want := []gitutil.PushUpdate{{Ref: "refs/heads/main", New: anID}, {Ref: "refs/heads/old", Old: anID},
		{Ref: "refs/heads/x", Old: anID, New: anID}}; !slices.Equal(updates, want) {
		t.Errorf("parsePrePush: updates %v, want %v", updates, want)
	}
	if want := map[string]string{"refs/heads/main": "refs/heads/main", "refs/heads/old": "(delete)", "refs/heads/x": "HEAD^{/two words}"}; !maps.Equal(local, want) {
		t.Errorf("parsePrePush: local names %v, want %v", local, want)
	}
	for _, bad := range []string{
		"\n", "refs/heads/main " + anID + " refs/heads/main\n",
		"refs/heads/main " + anID + " refs/heads/main " + noID,
		"refs/heads/main " + anID[1:] + " refs/heads/main " + noID + "\n",
		"refs/heads/main " + anID + " main " + noID + "\n",
		input + input,
	} {
		if updates, _, err := parsePrePush([]byte(bad), gitutil.SHA1); err == nil {
			t.Errorf("parsePrePush(%q) = %v, want an error", bad, updates)
		}
	}
}

func FuzzParsePrePush(f *testing.F) {
	f.Add([]byte("refs/heads/main " + anID + " refs/heads/main " + noID + "\n"))
	f.Add([]byte("(delete) " + noID + " refs/heads/old " + anID + "\nHEAD^{/a b} " + anID + " refs/tags/x " + noID + "\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		updates, local, err := parsePrePush(data, gitutil.SHA1)
		if err != nil {
			return
		}
		orZeros := func(oid string) string {
			if oid == "" {
				return noID
			}
			return oid
		}
		var b strings.Builder
		for _, u := range updates {
			fmt.Fprintf(&b, "%s %s %s %s\n", local[u.Ref], orZeros(u.New), u.Ref, orZeros(u.Old))
		}
		if b.String() != string(data) || len(local) != len(updates) {
			t.Errorf("parsePrePush(%q) = %v, %v", data, updates, local)
		}
	})
}

func TestNamesThatLookWhole(t *testing.T) {
	for ref, want := range map[string]bool{
		"refs/heads/main": false, "refs/tags/v1": false, "refs/heads/refs": false, "refs/heads/a/refs/b": false,
		"refs/refs/heads/main": true, "refs/tags/refs/heads/main": true, "refs/heads/refs/heads/main": true, "refs/remotes/refs/heads/main": true,
	} {
		if got := looksWhole(ref); got != want {
			t.Errorf("looksWhole(%s) = %v, want %v", ref, got, want)
		}
	}
}

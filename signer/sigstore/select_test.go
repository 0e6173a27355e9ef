package sigstore

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"

	"gitseal/internal/trust"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// service returns a service that began some hours before noon and, if open is
// not negative, ended so many after it began.
func service(url, operator string, version uint32, began, open int) trust.Service {
	s := trust.Service{URL: "https://" + url, Operator: operator, MajorAPIVersion: version}
	s.ValidFor.Start = noon.Add(-time.Duration(began) * time.Hour)
	if open >= 0 {
		s.ValidFor.End = s.ValidFor.Start.Add(time.Duration(open) * time.Hour)
	}
	return s
}

func TestChoose(t *testing.T) {
	a1, a2 := service("a1", "a", 1, 9, -1), service("a2", "a", 2, 9, -1)
	newer, b2, old := service("a2n", "a", 2, 3, -1), service("b2", "b", 2, 5, -1), service("old", "c", 2, 9, 5)
	future, v3 := service("future", "d", 2, -1, -1), service("v3", "e", 3, 9, -1)
	ends, begins := service("ends", "f", 2, 5, 5), service("begins", "g", 2, 0, -1)
	for _, tt := range []struct {
		name      string
		services  []trust.Service
		selection trust.Selection
		want      string
	}{
		{"highest version", []trust.Service{a1, a2}, trust.Selection{Selector: "ANY"}, "a2"},
		{"known version only", []trust.Service{v3, a1}, trust.Selection{Selector: "ANY"}, "a1"},
		{"newest of an operator", []trust.Service{a2, newer}, trust.Selection{Selector: "ALL"}, "a2n"},
		{"one of each operator, of one version", []trust.Service{a2, newer, b2, a1}, trust.Selection{Selector: "ALL"}, "a2n b2"},
		{"exactly", []trust.Service{a2, b2}, trust.Selection{Selector: "EXACT", Count: 1}, "b2"},
		{"in service only", []trust.Service{old, future, a2}, trust.Selection{Selector: "ALL"}, "a2"},
		{"windows are inclusive", []trust.Service{ends, begins}, trust.Selection{Selector: "ALL"}, "begins ends"},
		{"the old version where the new one is over", []trust.Service{old, a1}, trust.Selection{Selector: "ANY"}, "a1"},
		{"first in the file", []trust.Service{service("x", "x", 1, 1, -1), service("y", "y", 1, 1, -1)}, trust.Selection{Selector: "ANY"}, "x"},
	} {
		got, err := choose("log", tt.services, tt.selection, rekorVersions, noon)
		var urls []string
		for _, s := range got {
			urls = append(urls, strings.TrimPrefix(s.URL, "https://"))
		}
		if err != nil || strings.Join(urls, " ") != tt.want {
			t.Errorf("%s: %v, %v, want %s", tt.name, urls, err, tt.want)
		}
	}
	for _, tt := range []struct {
		name      string
		services  []trust.Service
		selection trust.Selection
		want      string
	}{
		{"none", nil, trust.Selection{}, "names no log"},
		{"unusable", []trust.Service{old, future, v3}, trust.Selection{Selector: "ANY"},
			"no usable log in the signing config: https://old ended at 2026-05-04T08:00:00Z; https://future begins at 2026-05-04T13:00:00Z; https://v3 has API version 3, which is not known"},
		{"more than there are", []trust.Service{a2, newer}, trust.Selection{Selector: "EXACT", Count: 2}, "asks for 2 of service \"log\", and 1 are usable"},
		{"exactly none", []trust.Service{a2}, trust.Selection{Selector: "EXACT"}, "asks for 0"},
		{"no selector", []trust.Service{a2}, trust.Selection{}, "unknown selector"},
	} {
		if got, err := choose("log", tt.services, tt.selection, rekorVersions, noon); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v, want an error with %q", tt.name, got, err, tt.want)
		}
	}
}

// TestChooseAgreesWithSigstoreGo compares random configurations. Where
// sigstore-go picks at random, what is chosen here must be one of its picks:
// as many, from those that it has for "ALL".
func TestChooseAgreesWithSigstoreGo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	selectors := map[string]prototrustroot.ServiceSelector{
		"ANY": prototrustroot.ServiceSelector_ANY, "ALL": prototrustroot.ServiceSelector_ALL, "EXACT": prototrustroot.ServiceSelector_EXACT,
	}
	good := 0
	for range 5000 {
		var ours []trust.Service
		var theirs []root.Service
		for i := range rng.IntN(7) {
			// Times that differ, for its order among equals is not ours.
			s := service(string(rune('a'+i)), string(rune('p'+rng.IntN(3))), uint32(rng.IntN(4)), rng.IntN(5)*10+i, rng.IntN(50)-5)
			ours = append(ours, s)
			theirs = append(theirs, root.Service{
				URL: s.URL, MajorAPIVersion: s.MajorAPIVersion, Operator: s.Operator,
				ValidityPeriodStart: s.ValidFor.Start, ValidityPeriodEnd: s.ValidFor.End,
			})
		}
		for selector, theirSelector := range selectors {
			selection := trust.Selection{Selector: selector}
			if selector == "EXACT" {
				selection.Count = uint32(1 + rng.IntN(3))
			}
			config := root.ServiceConfiguration{Selector: theirSelector, Count: selection.Count}
			got, err := choose("log", ours, selection, rekorVersions, noon)
			want, wantErr := root.SelectServices(theirs, config, rekorVersions, noon)
			if (err == nil) != (wantErr == nil) || len(got) != len(want) {
				t.Fatalf("%s %d of %+v: %d services, %v; sigstore-go: %d, %v", selector, selection.Count, ours, len(got), err, len(want), wantErr)
			}
			if err != nil {
				continue
			}
			good++
			all, err := root.SelectServices(theirs, root.ServiceConfiguration{Selector: prototrustroot.ServiceSelector_ALL}, rekorVersions, noon)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range got {
				if s.URL != all[i].URL {
					t.Fatalf("%s %d of %+v: %s, want %s", selector, selection.Count, ours, s.URL, all[i].URL)
				}
			}
		}
	}
	if good < 1000 {
		t.Errorf("only %d selections were good: the test compares errors", good)
	}
	if !slices.Equal(rekorVersions, []uint32{2, 1}) {
		t.Errorf("versions are now %v", rekorVersions)
	}
}

package report

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gitseal/verifier"
)

// voidElements have no end tag.
var voidElements = []string{"meta", "br", "input", "rect", "line"}

var (
	tag       = regexp.MustCompile(`<(/?)([a-zA-Z0-9!]+)((?: [a-zA-Z0-9:-]+(?:="[^"<>]*")?)*)(/?)>`)
	attribute = regexp.MustCompile(` ([a-zA-Z0-9:-]+)(?:="[^"]*")?`)
)

// checkHTML checks what can be told without a browser: that every element ends
// where it should, and that no attribute and no element is there but those that
// the page is made of.
func checkHTML(t *testing.T, out string) {
	t.Helper()
	_, page, ok := strings.Cut(out, "</style>")
	if !ok {
		t.Fatal("no style")
	}
	open := []string{"html", "head"}
	if left := tag.ReplaceAllString(page, ""); strings.ContainsAny(left, "<>") {
		i := strings.IndexAny(left, "<>")
		t.Fatalf("a bracket that is in no tag: %q", left[max(0, i-50):min(len(left), i+50)])
	}
	attributes := map[string]bool{}
	elements := map[string]bool{}
	for _, m := range tag.FindAllStringSubmatch(page, -1) {
		name := m[2]
		elements[name] = true
		for _, a := range attribute.FindAllStringSubmatch(m[3], -1) {
			attributes[a[1]] = true
		}
		switch {
		case m[1] == "/":
			if open[len(open)-1] != name {
				t.Fatalf("</%s> where %v are open", name, open)
			}
			open = open[:len(open)-1]
		case slices.Contains(voidElements, name), m[4] == "/":
		default:
			open = append(open, name)
		}
	}
	if len(open) != 0 {
		t.Errorf("%v never end", open)
	}
	for name := range attributes {
		if strings.HasPrefix(name, "on") || slices.Contains([]string{"href", "src", "style", "action", "srcset", "xlink:href"}, name) {
			t.Errorf("there is an attribute %s", name)
		}
	}
	for _, name := range []string{"script", "a", "img", "iframe", "form", "object", "base", "link"} {
		if elements[name] {
			t.Errorf("there is an element %s", name)
		}
	}
}

func TestHTMLIsWellFormed(t *testing.T) {
	empty := new(Report)
	for _, reports := range [][]*Report{{sample()}, set(), {}, {empty}} {
		checkHTML(t, written(t, WriteHTML, reports...))
	}
	for _, out := range hostileOutput(t, "html") {
		checkHTML(t, out)
	}
}

// TestHTMLAllowsItsOwnStyleOnly checks the policy that keeps browsers from
// loading or running anything.
func TestHTMLAllowsItsOwnStyleOnly(t *testing.T) {
	for _, out := range append(hostileOutput(t, "html"), written(t, WriteHTML, sample())) {
		_, rest, _ := strings.Cut(out, "<style>")
		style, _, ok := strings.Cut(rest, "</style>")
		if !ok || strings.Count(out, "<style") != 1 {
			t.Fatal("not one style")
		}
		digest := sha256.Sum256([]byte(style))
		want := `content="default-src 'none'; style-src 'sha256-` + base64.StdEncoding.EncodeToString(digest[:]) + `'; base-uri 'none'; form-action 'none'"`
		if !strings.Contains(out, want) {
			t.Errorf("the page lacks %s", want)
		}
		if strings.Contains(style, "url(http") || strings.Contains(style, "@import") {
			t.Error("the style loads something")
		}
	}
}

// TestHTMLFiltersAreWhole checks that every box has a rule, every finding is
// hidden by the boxes of its severity and id, and counts are right.
func TestHTMLFiltersAreWhole(t *testing.T) {
	r := sample()
	r.Findings.Add(Finding{"unheard-of", Note, Object{"commit", sha1OID}, nil, "x", ""})
	out := written(t, WriteHTML, r)
	for _, want := range []string{
		`id="s-all" checked><label for="s-all">all <b>6</b>`, `id="s-error"><label for="s-error">error <b>3</b>`,
		`id="s-warning"><label for="s-warning">warning <b>1</b>`, `id="s-note"><label for="s-note">note <b>2</b>`,
		`id="i-unsigned" checked><label for="i-unsigned">unsigned <b>2</b>`, `id="i-other" checked><label for="i-other">other <b>1</b>`,
		`<tr class="f s-error i-unsigned">`, `<tr class="f s-note i-other">`,
		`#s-error:checked~.list .f:not(.s-error),`, `#i-unsigned:not(:checked)~.list .i-unsigned,`, `#i-other:not(:checked)~.list .i-other{display:none}`,
	} {
		if strings.Count(out, want) == 0 {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, id := range regexp.MustCompile(`<input [^>]*id="([^"]+)"`).FindAllStringSubmatch(out, -1) {
		if id[1] != "s-all" && !strings.Contains(out, "#"+id[1]+":") {
			t.Errorf("box %s hides nothing", id[1])
		}
	}
}

func TestHTMLShowsSoManyFindings(t *testing.T) {
	r := sample()
	for range 3000 {
		r.Findings.Add(Finding{"unsigned", Error, Object{"commit", sha1OID}, nil, "no signature", "sign"})
	}
	out := written(t, WriteHTML, r)
	rows, cut := strings.Count(out, `<tr class="f `), strings.Count(out, ` cut">`)
	if rows-cut != maxHTML || cut != 1 {
		t.Errorf("%d findings shown and %d ids cut, want %d and 1", rows-cut, cut, maxHTML)
	}
	if !strings.Contains(out, "3,002, of which the first 997; ") {
		t.Error("what is not shown is not said")
	}
	for _, want := range []string{
		`id="s-all" checked><label for="s-all">all <b>3,005</b>`, `<label for="s-error">error <b>3,003</b>`, `<label for="i-unsigned">unsigned <b>3,002</b>`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("a box does not count all findings: no %s", want)
		}
	}
}

func TestHTMLSaysThatItIsIncomplete(t *testing.T) {
	r := sample()
	if out := written(t, WriteHTML, r); strings.Contains(out, `class="incomplete"`) {
		t.Error("a complete audit is said not to be")
	}
	r.Complete = false
	if out := written(t, WriteHTML, r); !strings.Contains(out, `<p class="incomplete">INCOMPLETE: 1,203 commits`) {
		t.Error("not said")
	}
}

// TestTimelineFitsAnyClock has dates as clocks may show them.
func TestTimelineFitsAnyClock(t *testing.T) {
	month := func(m string, n int) Month { return Month{Month: m, Good: map[verifier.Kind]int{"keyless": n}} }
	var centuries []Month
	for y := 1000; y < 3000; y++ {
		centuries = append(centuries, month(fmt.Sprintf("%04d-06", y), y%7+1))
	}
	for _, tt := range []struct {
		name        string
		months      []Month
		columns     int
		first, last string
		unknown     int
	}{
		{"none", nil, 0, "", "", 0},
		{"one", []Month{month("2026-01", 1)}, 1, "2026-01", "2026-01", 0},
		{"a gap", []Month{month("2025-11", 1), month("2026-02", 1)}, 4, "2025-11", "2026-02", 0},
		{"ten years", []Month{month("2016-02", 1), month("2026-01", 1)}, 120, "2016-02", "2026-01", 0},
		{"longer: by years", []Month{month("2016-01", 1), month("2026-01", 1)}, 11, "2016", "2026", 0},
		{"a clock far off", []Month{month("0001-01", 1), month("2026-01", 1), month("9999-12", 1)}, 3, "0001", "9999", 0},
		{"no date", []Month{month("unknown", 3), month("2026-13", 1), month("2026-1", 1), month("26-01", 1)}, 0, "", "", 6},
		{"more than fit", centuries, 120, "", "", 0},
	} {
		h := &page{set: Merge([]*Report{{Months: tt.months}})}
		columns, unknown := h.columns()
		sum := unknown
		for i := range columns {
			sum += columns[i].sum()
		}
		want := 0
		for _, m := range tt.months {
			want += m.Good["keyless"]
		}
		if sum != want {
			t.Errorf("%s: %d commits, want %d", tt.name, sum, want)
		}
		if len(columns) != tt.columns || tt.first != "" && (columns[0].label != tt.first || columns[len(columns)-1].label != tt.last) {
			t.Errorf("%s: columns %v, want %d from %s to %s", tt.name, columns, tt.columns, tt.first, tt.last)
		}
		if tt.name != "more than fit" && unknown != tt.unknown {
			t.Errorf("%s: %d in no column, want %d", tt.name, unknown, tt.unknown)
		}
	}
}

package audit

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"gitseal/gitutil"
)

// FuzzParseState has what is parsed be what Marshal writes of the same refs.
func FuzzParseState(f *testing.F) {
	oid := strings.Repeat("a", 40)
	f.Add(fmt.Appendf(nil, `{"schema": "gitseal.audit-state/1", "refs": {"refs/heads/main": %q, "refs/tags/v\u0031": %q}}`, oid, oid))
	f.Add(fmt.Appendf(nil, `{"refs": {"refs/heads/a\\xff\\xfe<": %q}, "schema": "gitseal.audit-state/1"}`, oid+oid[:24]))
	f.Add([]byte(`{"schema": "gitseal.audit-state/1", "refs": {}}`))
	f.Add([]byte(`{"refs": {}, "refs": {}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseState(data)
		if err != nil {
			return
		}
		if s.Changed() {
			t.Error("what was only parsed was changed")
		}
		for name, oid := range s.refs {
			s.now = append(s.now, gitutil.Ref{Name: name, OID: oid})
		}
		written, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseState(written)
		if err != nil || !maps.Equal(again.refs, s.refs) {
			t.Errorf("%q is written %q, which is parsed as %+v, %v", data, written, again, err)
		}
	})
}

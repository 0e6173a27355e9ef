package monitor

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitseal/internal/rekor"
	"gitseal/internal/trust"
)

// corpusLog returns the log of the shared corpus that Rekor v2 wrote.
func corpusLog(t *testing.T) *Log {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "corpus", "keyless")
	data, err := os.ReadFile(filepath.Join(dir, "trust", "trusted_root.json"))
	if err != nil {
		t.Skip("the shared corpus is not here: ", err)
	}
	root, err := trust.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(_ context.Context, path string) ([]byte, error) {
		return os.ReadFile(filepath.Join(dir, "rekor2-tiles", filepath.FromSlash(strings.TrimPrefix(path, "tile/"))))
	}
	for i := range root.TLogs {
		if l := NewTiled(&root.TLogs[i], fetch); root.TLogs[i].KeyDetails == "PKIX_ED25519" {
			return l
		}
	}
	t.Fatal("no Rekor v2 log in the corpus")
	return nil
}

func TestRealLogIsPinnedAndIndexed(t *testing.T) {
	l := corpusLog(t)
	sight := update(t, newPins(t), l, FirstSeen)
	x := openTestIndex(t, t.TempDir(), l)
	defer closeIndex(t, x)
	if err := x.Update(t.Context(), sight.Shown, nil); err != nil {
		t.Fatal(err)
	}
	if x.Size() != sight.Shown.Checkpoint.Size || x.Size() < 70 {
		t.Fatalf("index of %d entries, want %d", x.Size(), sight.Shown.Checkpoint.Size)
	}
	for r, err := range x.Records() {
		if err != nil {
			t.Fatal(err)
		}
		if r.Problem != "" || r.Digest == "" || len(r.Keys) == 0 || len(r.Certificates) > 0 && len(r.Identities) == 0 {
			t.Errorf("record %+v", r)
		}
	}
}

// TestRealLogIsOneHistory holds every size of a real log against the last: it
// was published at all of them.
func TestRealLogIsOneHistory(t *testing.T) {
	l := corpusLog(t)
	shown, err := l.Checkpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := rekor.NewTree(l.server.(tiles).fetch, shown[0].Checkpoint.Size, shown[0].Checkpoint.Root)
	if err != nil {
		t.Fatal(err)
	}
	var seen []Seen
	for size := range shown[0].Checkpoint.Size {
		s := shown[0]
		s.Checkpoint.Size = size
		if s.Checkpoint.Root, err = tree.Root(t.Context(), size); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, s)
	}
	if err := newPins(t).CheckAll(t.Context(), l, seen, nil); err != nil {
		t.Error(err)
	}
	seen[30].Checkpoint.Root[0] ^= 1
	wantFork(t, newPins(t).CheckAll(t.Context(), l, seen, nil), seen[30], shown[0])
}

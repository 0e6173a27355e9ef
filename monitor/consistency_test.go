package monitor

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"

	"gitseal/internal/tlog"
	"gitseal/internal/trust"
)

func TestCheckAll(t *testing.T) {
	l := newLog(t, 1, 6)
	var seen []Seen
	for _, size := range []int{6, 7, 9, 256, 300} {
		l.grow(size)
		s := l.now()
		s.Where = fmt.Sprintf("commit %d", size)
		seen = append(seen, s, s)
	}
	l.grow(310)
	slices.Reverse(seen)
	if err := newPins(t).CheckAll(t.Context(), l.Log, seen, nil); err != nil {
		t.Fatal(err)
	}
	if err := newPins(t).CheckAll(t.Context(), l.Log, nil, nil); err != nil {
		t.Errorf("nothing seen: %v", err)
	}

	other := newLog(t, 1, 6)
	other.grow(9)
	nine := other.now()
	nine.Where = "commit other"
	fork := wantFork(t, newPins(t).CheckAll(t.Context(), l.Log, append(slices.Clone(seen), nine), nil), nine, seen[5])
	if fork.First.Where+fork.Second.Where != "commit 9commit other" {
		t.Errorf("fork of %v and %v, want both commits named", fork.First, fork.Second)
	}
	other.grow(20)
	twenty := other.now()
	fork = wantFork(t, newPins(t).CheckAll(t.Context(), l.Log, append(slices.Clone(seen), twenty), nil), twenty, l.now())
	if fork.First.Where != "asked for" || fork.Second.Where != "shown by the log" {
		t.Errorf("fork of %v and %v", fork.First, fork.Second)
	}
	// One that is larger than all that the log shows.
	other.grow(400)
	wantFork(t, newPins(t).CheckAll(t.Context(), l.Log, append(slices.Clone(seen), other.now()), nil), other.now(), l.now())
}

func TestCheckAllTellsNoAnswerFromAFork(t *testing.T) {
	l := newLog(t, 1, 7)
	seen := l.now()
	l.grow(9)
	l.spoil["tile/0/000.p/9"] = func([]byte) ([]byte, error) { return nil, errors.New("down") }
	err := newPins(t).CheckAll(t.Context(), l.Log, []Seen{seen}, nil)
	if err == nil || errors.As(err, new(*ForkError)) {
		t.Errorf("CheckAll = %v, want an error that is no fork", err)
	}
}

// TestLogOfTwoFacesIsFound shows one history to be pinned and the other
// whenever it is asked again: that which the signatures are from.
func TestLogOfTwoFacesIsFound(t *testing.T) {
	l, other, p := newLog(t, 1, 7), newLog(t, 1, 6), newPins(t)
	other.grow(9)
	seen := other.now()
	other.grow(12)
	asked := 0
	faces := NewTiled(l.trusted, func(ctx context.Context, path string) ([]byte, error) {
		if path == "checkpoint" {
			asked++
		}
		if asked == 1 {
			return l.fetch(ctx, path)
		}
		return other.fetch(ctx, path)
	})
	err := p.CheckAll(t.Context(), faces, []Seen{seen}, nil)
	if !errors.As(err, new(*ForkError)) {
		t.Errorf("CheckAll = %v, want that the log contradicts itself", err)
	}
}

// TestCheckAllAsksAServerThatLagsAgain has seen a checkpoint that the server
// which answers first does not have yet.
func TestCheckAllAsksAServerThatLagsAgain(t *testing.T) {
	l := newLog(t, 1, 7)
	old := l.copy()
	l.grow(9)
	asked := 0
	lagging := NewTiled(l.trusted, func(ctx context.Context, path string) ([]byte, error) {
		if path == "checkpoint" {
			asked++
		}
		if asked == 1 {
			return old.server.(tiles).fetch(ctx, path)
		}
		return l.fetch(ctx, path)
	})
	if err := newPins(t).CheckAll(t.Context(), lagging, []Seen{l.now()}, nil); err != nil {
		t.Errorf("CheckAll = %v, want that it asks again", err)
	}
	if asked != 2 {
		t.Errorf("asked %d times, want twice", asked)
	}
}

func TestCheckAllPinsWhatItSees(t *testing.T) {
	l, p := newLog(t, 1, 7), newPins(t)
	if err := p.CheckAll(t.Context(), l.Log, nil, nil); err != nil {
		t.Fatal(err)
	}
	stale := l.now().Note
	l.grow(9)
	update(t, p, l.Log, Grown)

	// An older checkpoint than the pinned one is not the measure of anything.
	nine := l.now()
	l.spoil["checkpoint"] = func([]byte) ([]byte, error) { return stale, nil }
	if sight := update(t, p, l.Log, Stale); sight.Newest().Checkpoint.Size != 9 {
		t.Errorf("newest of %+v is not that of 9 leaves", sight)
	}
	if err := p.CheckAll(t.Context(), l.Log, []Seen{nine}, nil); err != nil {
		t.Errorf("CheckAll of a checkpoint that is pinned = %v", err)
	}
}

// notes are a server that shows these checkpoints.
type notes [][]byte

func (n notes) checkpoints(context.Context) ([][]byte, error) { return n, nil }

func (n notes) consistent(context.Context, []tlog.Checkpoint, func(int, int)) error {
	return errors.New("nothing is proven here")
}

func TestTreeIsShownUnderOneName(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id := sha256.Sum256(pub)
	sign := func(name, tree string, root byte) []byte {
		c := tlog.Checkpoint{Origin: name + " - " + tree, Size: 7, Root: tlog.Hash{root}}
		return (&tlog.SignedCheckpoint{Text: c.Marshal(), Signatures: []tlog.NoteSignature{
			{Name: name, KeyID: [4]byte(id[:]), Signature: ed25519.Sign(key, c.Marshal())},
		}}).Marshal()
	}
	l := &Log{trusted: &trust.Log{KeyID: id[:], PublicKey: pub}, server: notes{sign("a", "1", 1), sign("b", "1", 2)}}
	if sights, err := newPins(t).Update(t.Context(), l); err == nil {
		t.Errorf("Update = %+v, want that two roots of one tree are refused", sights)
	}
	l.server = notes{sign("a", "1", 1), sign("a", "2", 2)}
	if _, err := newPins(t).Update(t.Context(), l); err != nil {
		t.Errorf("Update of two trees: %v", err)
	}
}

func TestEmptyTreeHasOneRoot(t *testing.T) {
	l := newLog(t, 1, 7)
	bad := Seen{Checkpoint: tlog.Checkpoint{Origin: l.trusted.Origin(), Root: tlog.Hash{1}}, Where: "here"}
	wantFork(t, newPins(t).CheckAll(t.Context(), l.Log, []Seen{bad}, nil), bad, l.now())
	bad.Checkpoint.Root = emptyRoot
	if err := newPins(t).CheckAll(t.Context(), l.Log, []Seen{bad}, nil); err != nil {
		t.Errorf("CheckAll = %v for the empty tree", err)
	}
}

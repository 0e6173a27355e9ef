package main

import (
	"bufio"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestSpinnerShowsTheStepAndTakesItAway(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() // only read from
	p := &spinner{open: func() (*os.File, error) { return w, nil }}
	p.show("certifying the key")
	tty := bufio.NewReader(r)
	line := "\r\x1b[Kgitseal: certifying the key |"
	got := make([]byte, len(line))
	if _, err := io.ReadFull(tty, got); err != nil || string(got) != line {
		t.Fatalf("shows %q, %v, want %q", got, err, line)
	}
	p.show("recording the signature in the log")
	p.stop()
	p.stop() // there is nothing left to stop
	rest, err := io.ReadAll(tty)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(rest), "gitseal: recording the signature in the log ") || !strings.HasSuffix(string(rest), "\r\x1b[K") {
		t.Errorf("then shows %q, want the next step, and the line taken away", rest)
	}
}

func TestSpinnerIsSilentWhereSigningIsFast(t *testing.T) {
	p := &spinner{delay: time.Hour, open: func() (*os.File, error) {
		t.Error("the terminal is opened")
		return nil, os.ErrNotExist
	}}
	p.show("certifying the key")
	p.show("recording the signature in the log")
	p.stop()
	p.tick() // as a timer does that fires at that moment
	(*spinner)(nil).show("nothing")
	(*spinner)(nil).stop()
}

func TestSpinnerWithoutTerminal(t *testing.T) {
	opened := make(chan bool)
	p := &spinner{open: func() (*os.File, error) {
		close(opened)
		return nil, os.ErrNotExist
	}}
	p.show("certifying the key")
	<-opened
	p.stop()
}

func TestSpinnerCanBeTurnedOff(t *testing.T) {
	for _, test := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, true},
		{map[string]string{"GITSEAL_PROGRESS": "false"}, false},
		{map[string]string{"TERM": "dumb"}, false},
	} {
		s := &settings{getenv: func(name string) string { return test.env[name] }}
		p, err := s.newSpinner()
		if err != nil || (p != nil) != test.want {
			t.Errorf("with %v: spinner %v, %v, want one: %t", test.env, p, err, test.want)
		}
	}
}

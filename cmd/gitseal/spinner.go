package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// A spinner says on the terminal what signing waits for, once a step has
// taken so long that a person wonders. Git keeps our standard error until we
// are done, so it is the terminal itself that is written to, where there is
// one; nothing is ever read from it.
type spinner struct {
	open  func() (*os.File, error) // the terminal
	delay time.Duration            // how long a step may take in silence

	mu    sync.Mutex  // guards the fields below
	timer *time.Timer // shows the step when it fires, and again; nil: no step
	tty   *os.File    // nil: nothing is shown
	step  string
	turn  int
}

// How long a step may take in silence, and how often the line then moves.
const (
	spinnerDelay = 500 * time.Millisecond
	spinnerPace  = 125 * time.Millisecond
)

// newSpinner returns a spinner on the controlling terminal, or nil if there
// should be none: gitseal.progress is false, or the terminal cannot move its
// cursor.
func (s *settings) newSpinner() (*spinner, error) {
	on, _, err := s.flag("gitseal.progress", true)
	if err != nil || !on || s.getenv("TERM") == "dumb" {
		return nil, err
	}
	return &spinner{open: openTerminal, delay: spinnerDelay}, nil
}

// show begins a step.
func (p *spinner) show(step string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step = step
	switch {
	case p.tty != nil:
		p.draw()
	case p.timer == nil:
		p.timer = time.AfterFunc(p.delay, p.tick)
	default:
		p.timer.Reset(p.delay)
	}
}

// tick draws the line, and again after a while.
func (p *spinner) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil {
		return // stopped meanwhile
	}
	if p.tty == nil {
		tty, err := p.open()
		if err != nil {
			return // nobody is watching
		}
		p.tty = tty
	}
	p.draw()
	p.timer.Reset(spinnerPace)
}

func (p *spinner) draw() {
	fmt.Fprintf(p.tty, "\r\x1b[Kgitseal: %s %c", p.step, `|/-\`[p.turn%4])
	p.turn++
}

// stop takes the line away.
func (p *spinner) stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if p.tty != nil {
		fmt.Fprint(p.tty, "\r\x1b[K")
		_ = p.tty.Close() // nothing was to be kept
		p.tty = nil
	}
}

// openTerminal opens the controlling terminal for writing, if a person would
// read there what is written: not while it shows the screen of an editor or
// another program that called git, and not from the background, where a shell
// may be waiting for a command, or the terminal stop who writes.
func openTerminal() (*os.File, error) {
	tty, err := os.OpenFile(terminalDevice, os.O_WRONLY, 0)
	if err == nil && !(isTerminal(tty) && showsLines(tty)) {
		_ = tty.Close() // not what it seemed
		err = os.ErrNotExist
	}
	return tty, err
}

//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
)

// measureStart measures what every call of gitseal costs before it does
// anything.
func (b *bench) measureStart(ctx context.Context) error {
	empty, err := b.build(ctx, "./bench/empty")
	if err != nil {
		return err
	}
	samples, err := b.inTurn(ctx, b.starts, []contender{
		{"gitseal", b.scratch, []string{b.gitseal, "version"}},
		{"empty", b.scratch, []string{empty}},
		{"git", b.scratch, []string{"git", "--version"}},
	})
	if err != nil {
		return err
	}
	ms := func(i int) float64 { return median(walls(samples[i])) }
	b.table.most("gitseal version, beside an empty Go program", ratio(samples[0], samples[1]), 2, " x",
		fmt.Sprintf("%.2f and %.2f ms; git --version %.2f ms", ms(0), ms(1), ms(2)))
	used, _, err := b.watch(ctx, b.scratch, b.gitseal, "version")
	if err != nil {
		return err
	}
	b.table.most("gitseal version, memory", used.Most, 10, " MiB", "")
	info, err := os.Stat(b.gitseal)
	if err != nil {
		return err
	}
	b.table.most("the program, stripped", float64(info.Size())/1e6, 15, " MB", "")
	return nil
}

#!/bin/sh
# Measures bin/gitseal, which make bench builds first, and prints a table. It
# always succeeds: a missed target is a measurement. Options go to the program;
# see go run ./bench -h.
cd "$(dirname "$0")/.." || exit
mkdir -p bench/out
go run ./bench "$@" | tee bench/out/table.txt
exit 0

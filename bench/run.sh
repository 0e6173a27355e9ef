#!/bin/sh
# Measures bin/gitseal, which make bench builds first, and prints a table. It
# always succeeds: a missed target is a measurement. Options go to the program;
# see go run ./bench -h. The table is kept in bench/out, in table.txt or $TABLE.
cd "$(dirname "$0")/.." || exit
mkdir -p bench/out
go run ./bench "$@" | tee "bench/out/${TABLE:-table.txt}"
exit 0

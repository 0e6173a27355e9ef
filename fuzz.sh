#!/bin/sh
# Runs every fuzz target of the module for the given time each (default 10s).
set -eu
time=${1:-10s}
for package in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		if ! out=$(go test -run '^$' -fuzz "^$target\$" -fuzzminimizetime 10x -fuzztime "$time" "$package" 2>&1); then
			printf '%s\n' "$out"
			exit 1
		fi
		printf '%s %s: %s\n' "$package" "$target" "$(printf '%s\n' "$out" | grep -o 'execs: [0-9]*' | tail -n 1)"
	done
done

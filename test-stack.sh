#!/usr/bin/env bash
# Runs the tests that need a real Sigstore, TestStack*, against the one on
# loopback that ../shared/stack starts. One that runs already is used and left
# running. Where there is none to start, it says so and succeeds.
set -euo pipefail
cd "$(dirname "$0")"
stack=../shared/stack
if [ ! -x "$stack/up.sh" ]; then
	echo "test-stack: skipped: there is no Sigstore to start in $stack"
	exit 0
fi
export STACK_DIR=${STACK_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sigstack}

up() {
	[ -s "$STACK_DIR/env" ] && . "$STACK_DIR/env" && curl -fsS -o /dev/null --max-time 5 "$STACK_FULCIO_URL/healthz" 2>/dev/null
}
if ! up; then
	trap '"$stack/down.sh"' EXIT
	"$stack/up.sh"
	. "$STACK_DIR/env"
fi
GITSEAL_STACK=$STACK_DIR/env ${GO:-go} test -count=1 -run '^TestStack' "$@" ./...

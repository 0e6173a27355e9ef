#!/usr/bin/env bash
# The last step of action.yml: audits, and hands over the reports.
set -u

gitseal=$RUNNER_TEMP/gitseal-bin/gitseal
out=$(mktemp -d "$RUNNER_TEMP/gitseal-XXXXXX") || exit 2
output() { printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; }
refuse() {
	output result error
	output exit-code 2
	printf 'gitseal: %s\n' "$1" >&2
	exit 2
}

# A file in the work tree is what the change makes of it, so it says nothing
# about who may make the change.
outside() { # NAME VALUE
	case $2 in
	/*) ;;
	refs/*:?*) ;;
	*) refuse "$1: want REF:PATH with the full name of a ref, such as refs/remotes/origin/main:$2, or an absolute path" ;;
	esac
}

args=(audit --format github -o "$out/gitseal.sarif" -o "$out/gitseal.md" -o "$out/gitseal.json")

base=$INPUT_BASE
revision=$INPUT_REVISION
if [ -z "$base" ] && [ -n "$PULL_BASE" ]; then
	base=refs/remotes/origin/$PULL_BASE
fi
if [ -z "$revision" ]; then
	revision=${PULL_HEAD:-HEAD}
	# A tag that is checked out is no branch: the ref says whose rules apply.
	if [ -z "$base" ]; then
		args+=(--ref "$GITHUB_REF")
	fi
fi
if [ -n "$base" ]; then
	args+=(--base "$base")
fi
if [ -n "$INPUT_POLICY" ]; then
	outside policy "$INPUT_POLICY"
	args+=(--policy "$INPUT_POLICY")
fi
if [ -n "$INPUT_TRUSTED_ROOT" ]; then
	outside trusted-root "$INPUT_TRUSTED_ROOT"
	root=$INPUT_TRUSTED_ROOT
	if [ "${root#/}" = "$root" ]; then
		git cat-file blob "$root" >"$out/trusted_root.json" || refuse "trusted-root: $root cannot be read"
		root=$out/trusted_root.json
	fi
	args+=(--trusted-root "$root")
fi
while IFS= read -r arg; do
	if [ -n "$arg" ]; then
		args+=("$arg")
	fi
done <<<"$INPUT_ARGS"
while IFS= read -r arg; do
	case $arg in
	'') ;;
	-*) refuse "revision: $arg is an option" ;;
	*) args+=("$arg") ;;
	esac
done <<<"$revision"

"$gitseal" "${args[@]}"
code=$?
case $code in
0) result=pass ;;
1) result=violation ;;
3) result=indeterminate ;;
4) result=equivocation ;;
*) result=error ;;
esac
output exit-code "$code"
# Exit 3 is also what an error is that left no report.
for name in sarif:gitseal.sarif markdown:gitseal.md json:gitseal.json; do
	if [ -f "$out/${name#*:}" ]; then
		output "${name%%:*}" "$out/${name#*:}"
	else
		result=error
	fi
done
output result "$result"
if [ -f "$out/gitseal.md" ]; then
	cat "$out/gitseal.md" >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"

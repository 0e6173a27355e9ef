#!/bin/sh
# Signs, verifies, tampers and audits in a scratch repository. It touches
# nothing of yours: home, configuration and authority are scratch too.
set -eu
cd "$(dirname "$0")"
gitseal=$PWD/bin/gitseal
[ -x "$gitseal" ] || { echo "run: make quickstart" >&2; exit 2; }

scratch=$(mktemp -d "${TMPDIR:-/tmp}/gitseal-quickstart.XXXXXX")
for variable in $(env | sed -n -e 's/^\(GIT[A-Z_0-9]*\)=.*/\1/p' -e 's/^\(XDG_[A-Z_]*\)=.*/\1/p'); do unset "$variable"; done
export HOME="$scratch/home" GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat PATH="$(dirname "$gitseal"):$PATH"
mkdir -p "$HOME"

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n# %s\n' "$*"; }
# Prints a command as one would type it, and runs it.
run() {
	printf '$'
	for word; do
		case $word in
		*[!A-Za-z0-9@%+=:,./_-]*) printf " '%s'" "$word" ;;
		*) printf ' %s' "$word" ;;
		esac
	done
	printf '\n'
	"$@"
}

say 'A new repository, set up with one command.'
git init -q -b main "$scratch/project"
cd "$scratch/project"
git config --global user.name 'Alice'
git config --global user.email alice@example.com
run gitseal init

say 'From here on it is plain git: every commit and tag is signed with a key that lives for one signature.'
for n in 1 2 3; do
	echo "line $n" >> notes.txt
	git add notes.txt
	run git commit -q -m "Add line $n"
done
run git tag -s v1.0 -m 'First release'

say 'Git verifies, with gitseal.'
run git log --show-signature --oneline
run git verify-tag v1.0

say 'Somebody changes a commit and keeps its signature.'
echo "$ git cat-file commit HEAD | sed 's/^Add line 3\$/Add line 4/' > ../forged"
git cat-file commit HEAD | sed 's/^Add line 3$/Add line 4/' > ../forged
echo '$ git branch forged $(git hash-object -t commit -w ../forged)'
git branch forged "$(git hash-object -t commit -w ../forged)"
run git log -1 --format='%h "%s" is graded %G? (B: bad signature)' forged
if run git verify-commit forged; then
	echo 'the forged commit passed: this is a bug' >&2
	exit 1
fi

say 'An audit verifies the whole history offline, from the proofs in the commits.'
run gitseal audit
say 'With the forged branch it fails, and says why.'
if run gitseal audit --all; then
	echo 'the audit passed: this is a bug' >&2
	exit 1
fi

say 'What next'
cat <<EOF
The scratch repository stays in $scratch/project; remove it with: rm -rf $scratch
  make install                 installs gitseal into ~/.local/bin
  gitseal init                 in a repository of yours, or with --global for all of them
  gitseal doctor               says what is set, where, and whether it works
  gitseal init --undo          puts git's configuration back
These signatures were made by the local authority, which vouches for nobody:
see "What the local authority proves" in README.md.
EOF

#!/bin/bash
# Sourced by the acceptance scripts: binary, work directory, a repository with a key file.
set -Eeuo pipefail
trap 'printf "FAILED: %s, line %s: %s\n" "$0" "$LINENO" "$BASH_COMMAND" >&2' ERR # never in silence
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VARVE=${VARVE:-$here/../../build/varve}
WORK=${WORK:-$(mktemp -d "${TMPDIR:-/tmp}/varve-acceptance-XXXXXX")}
mkdir -p "$WORK"
export VARVE_STATE_DIR=$WORK/state VARVE_CACHE_DIR=$WORK/cache
export VARVE_KEY_FILE=$WORK/key
unset VARVE_REPO VARVE_PASSPHRASE VARVE_PASSPHRASE_FILE VARVE_PASSPHRASE_COMMAND

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "FAILED: $*"
    exit 1
}

# new_repository DIR: make one, without space set aside so that sizes compare.
new_repository() {
    rm -rf "$1" "$VARVE_STATE_DIR" "$VARVE_CACHE_DIR" "$VARVE_KEY_FILE"
    "$VARVE" -r "$1" init --key-file "$VARVE_KEY_FILE" --reserve 0 >/dev/null
}

# seconds COMMAND...: run it quietly and print its wall time.
seconds() {
    local from to
    from=$(date +%s%N)
    "$@" >/dev/null
    to=$(date +%s%N)
    awk -v a="$from" -v b="$to" 'BEGIN { printf "%.3f\n", (b - a) / 1e9 }'
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# json FILE EXPRESSION: a Python expression over d, the decoded document.
json() { /usr/bin/python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$1" "$2"; }

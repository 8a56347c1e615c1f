#!/bin/bash
# SIGINT at 20 random moments of a first backup: gone within a second with exit 130, and the next
# command needs nothing.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
[ $# = 1 ] || fail "usage: interrupt.sh TREE"
set -m # else the shell starts background commands with SIGINT ignored
tree=$(realpath "$1")
for round in $(seq 20); do
    new_repository "$WORK/repo"
    "$VARVE" -r "$WORK/repo" backup --quiet "$tree" 2>/dev/null &
    pid=$!
    sleep "$(awk -v seed="$round$$" 'BEGIN { srand(seed); printf "%.3f", rand() * 4 }')"
    from=$(date +%s%N)
    kill -INT $pid 2>/dev/null || continue
    rc=0
    wait $pid || rc=$?
    took=$((($(date +%s%N) - from) / 1000000))
    say "round $round: exit $rc after $took ms"
    [ "$took" -lt 1000 ] || fail "it took $took ms to stop"
    [ "$rc" = 130 ] || [ "$rc" = 0 ] || fail "exit $rc, not 130"
    "$VARVE" -r "$WORK/repo" snapshots --quiet >/dev/null || fail "the next command: exit $?"
done
"$VARVE" -r "$WORK/repo" backup --quiet "$tree" || fail "the next backup: exit $?"
"$VARVE" -r "$WORK/repo" verify --data --quiet || fail "verify: exit $?"
rm -rf "$WORK"

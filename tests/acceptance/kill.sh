#!/bin/bash
# Killed at half of a first backup (half of the packs of a whole one are there), the next run reads at
# most 60 % of the source's bytes and adds at most 55 % of the data packs.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
[ $# = 1 ] || fail "usage: kill.sh TREE"
tree=$(realpath "$1")
stored() { find "$WORK/repo/packs" -type f -printf '%s\n' | awk '{ s += $1 } END { print s + 0 }'; }
new_repository "$WORK/repo"
"$VARVE" -r "$WORK/repo" backup --json "$tree" >"$WORK/whole.json"
whole=$(stored)
bytes=$(json "$WORK/whole.json" 'd["bytes_read"]')
packs=$(json "$WORK/whole.json" 'd["packs_data"]')
new_repository "$WORK/repo"
"$VARVE" -r "$WORK/repo" backup --quiet "$tree" &
pid=$!
while kill -0 $pid 2>/dev/null && [ $(($(stored) * 2)) -lt "$whole" ]; do sleep 0.05; done
kill -9 $pid 2>/dev/null || fail "it had ended before it was killed"
wait $pid 2>/dev/null || true
"$VARVE" -r "$WORK/repo" backup --json "$tree" >"$WORK/next.json"
next_bytes=$(json "$WORK/next.json" 'd["bytes_read"]')
next_packs=$(json "$WORK/next.json" 'd["packs_data"]')
say "bytes read: $next_bytes of $bytes; data packs: $next_packs of $packs"
awk -v a="$next_bytes" -v b="$bytes" 'BEGIN { exit !(a <= 0.60 * b) }' || fail "it read too much again"
awk -v a="$next_packs" -v b="$packs" 'BEGIN { exit !(a <= 0.55 * b) }' || fail "it stored too much again"
"$VARVE" -r "$WORK/repo" verify --data --quiet || fail "verify: exit $?"
rm -rf "$WORK"

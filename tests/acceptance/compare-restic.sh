#!/bin/bash
# Interleaved runs of varve and restic on one tree: first backup, unchanged backup, restore to tmpfs
# (varve with its verify pass, restic without), repository size.  Unlocking is measured on both sides
# and subtracted.  varve stores parity, as it does by default; restic has none, so that sizes are
# compared without it, and with it beside.  Medians of ratios; the source is read once before so that it is in the cache.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
[ $# -ge 1 ] || fail "usage: compare-restic.sh TREE [ROUNDS]"
tree=$(realpath "$1")
rounds=${2:-3}
target=/dev/shm/varve-acceptance-$$
export RESTIC_PASSWORD=x RESTIC_CACHE_DIR=$WORK/restic-cache
finish() { rm -rf "$target"; }
trap finish EXIT
find "$tree" -type f -print0 | xargs -0 cat >/dev/null

ratio() { awk -v a="$1" -v ua="$2" -v b="$3" -v ub="$4" 'BEGIN { printf "%.3f\n", (a - ua) / (b - ub) }'; }
: >"$WORK/first" && : >"$WORK/unchanged" && : >"$WORK/restore"
for round in $(seq "$rounds"); do
    new_repository "$WORK/repo"
    rm -rf "$WORK/restic" "$RESTIC_CACHE_DIR"
    restic init -q -r "$WORK/restic"
    ours_open=$(seconds "$VARVE" -r "$WORK/repo" key list)
    theirs_open=$(seconds restic -q -r "$WORK/restic" key list)
    ours=$(seconds "$VARVE" -r "$WORK/repo" backup --quiet "$tree")
    theirs=$(seconds restic -q -r "$WORK/restic" backup "$tree")
    ratio "$ours" "$ours_open" "$theirs" "$theirs_open" >>"$WORK/first"
    say "round $round first: $ours / $theirs s (unlocking $ours_open / $theirs_open)"
    ours=$(seconds "$VARVE" -r "$WORK/repo" backup --quiet "$tree")
    theirs=$(seconds restic -q -r "$WORK/restic" backup "$tree")
    ratio "$ours" "$ours_open" "$theirs" "$theirs_open" >>"$WORK/unchanged"
    say "round $round unchanged: $ours / $theirs s"
    rm -rf "$target"
    ours=$(seconds "$VARVE" -r "$WORK/repo" restore "latest:$tree" --target "$target" --quiet)
    rm -rf "$target"
    theirs=$(seconds restic -q -r "$WORK/restic" restore latest --target "$target")
    rm -rf "$target"
    ratio "$ours" "$ours_open" "$theirs" "$theirs_open" >>"$WORK/restore"
    say "round $round restore: $ours / $theirs s"
done
with=$(du -sb "$WORK/repo" | cut -f1)
a=$((with - $(du -sb "$WORK/repo/parity" | cut -f1)))
b=$(du -sb "$WORK/restic" | cut -f1)
printf 'first backup  %s\nunchanged     %s\nrestore       %s\nsize          %s (%s / %s bytes; with parity %s)\n' \
    "$(median <"$WORK/first")" "$(median <"$WORK/unchanged")" "$(median <"$WORK/restore")" \
    "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.3f", a / b }')" "$a" "$b" "$with"
finish
rm -rf "$WORK"

#!/bin/bash
# An unchanged second run stores under 100 KiB and adds no data pack; a file rewritten with the same
# size and its mtime put back (only ctime differs) is stored.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
[ $# = 1 ] || fail "usage: unchanged.sh TREE"
cp -a "$1" "$WORK/tree"
new_repository "$WORK/repo"
sleep 3 # files younger than two seconds are read again by design
"$VARVE" -r "$WORK/repo" backup --quiet "$WORK/tree"
before=$(du -sb "$WORK/repo" | cut -f1)
"$VARVE" -r "$WORK/repo" backup --json "$WORK/tree" >"$WORK/second.json"
after=$(du -sb "$WORK/repo" | cut -f1)
say "second run: $((after - before)) bytes more, data packs: $(json "$WORK/second.json" 'd["packs_data"]')"
[ $((after - before)) -lt 102400 ] || fail "the unchanged run stored too much"
[ "$(json "$WORK/second.json" 'd["packs_data"]')" = 0 ] || fail "a data pack was added"
file=$(find "$WORK/tree" -type f -size +1k | sort | sed -n 100p)
stamp=$(stat -c %y "$file")
size=$(stat -c %s "$file")
head -c "$size" /dev/urandom >"$WORK/new"
cat "$WORK/new" >"$file"
touch -d "$stamp" "$file"
"$VARVE" -r "$WORK/repo" backup --quiet "$WORK/tree"
"$VARVE" -r "$WORK/repo" cat "latest:$file" | cmp - "$WORK/new" || fail "the new content was missed"
say "ok: same size and mtime, new content stored"
rm -rf "$WORK"

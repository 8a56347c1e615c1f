#!/bin/bash
# A thief with a writer's key file, its local state and cache, and all memory of its running backup,
# with candidates at every fourth byte: nothing opens any older block.  Needs root and some minutes.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
[ $# = 1 ] || fail "usage: stolen-writer.sh TREE"
tree=$(realpath "$1")
hunt=$(dirname "$VARVE")/tests/key_hunt
[ -x "$hunt" ] || fail "build the tests first: '$hunt' is missing"
new_repository "$WORK/repo"
export VARVE_REPO=$WORK/repo
admin=$VARVE_KEY_FILE
writer() { VARVE_KEY_FILE=$WORK/web.key VARVE_STATE_DIR=$WORK/web/state VARVE_CACHE_DIR=$WORK/web/cache "$VARVE" "$@"; }
rm -f "$WORK/web.key"
"$VARVE" --quiet key add --role writer --name web --new-key-file "$WORK/web.key"
"$VARVE" --quiet backup "$tree" || [ $? = 3 ]
"$VARVE" --quiet key rotate
writer --quiet backup "$tree" || [ $? = 3 ]
find "$WORK/repo/packs" -type f -printf '%f\n' >"$WORK/old-packs"
rm -f "$WORK/feed"
mkfifo "$WORK/feed"
VARVE_KEY_FILE=$WORK/web.key VARVE_STATE_DIR=$WORK/web/state VARVE_CACHE_DIR=$WORK/web/cache \
    "$VARVE" --quiet backup --stdin feed "$tree" <"$WORK/feed" &
pid=$!
exec 9>"$WORK/feed"
head -c 40000000 /dev/urandom >&9
until [ "$(find "$WORK/repo/packs" -type f | wc -l)" -gt "$(wc -l <"$WORK/old-packs")" ]; do sleep 0.1; done
kill -STOP $pid
sleep 0.2
python3 "$here/../tools/dump-memory.py" $pid "$WORK/memory" >/dev/null
kill -CONT $pid
exec 9>&-
wait $pid || [ $? = 3 ]
mapfile -t files < <(find "$WORK/web" -type f)
"$hunt" "$WORK/repo" "$admin" "$WORK/web.key" "$WORK/old-packs" 4 "$WORK/web.key" "$WORK/memory" "${files[@]}" ||
    fail "something opens"
rm -rf "$WORK"

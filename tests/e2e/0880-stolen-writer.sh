# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: serial slow
# A thief with a writer's key file, its local state and cache, and all memory of its running backup:
# everything derivable is tried on every older block, and none opens.
need_root
[ -x "$VARVE_TOOLS/key_hunt" ] || skip "needs the test tool key_hunt"
# shellcheck source=tests/e2e/stolen-writer.sh
. "$E2E/stolen-writer.sh"
hunt()
{
    "$VARVE_TOOLS/key_hunt" "$VARVE_REPO" "$VARVE_KEY_FILE" web.key old-packs "$@"
}

make_older_blocks
dump_running memory VARVE_KEY_FILE=web.key VARVE_STATE_DIR="$WORK/web/state" \
    VARVE_CACHE_DIR="$WORK/web/cache"
find "$WORK/web" -type f >files
mapfile -t files <files
assert_ge "${#files[@]}" 4 "files of state and cache"
assert_exit 0 hunt 64 web.key memory "${files[@]}" >verdict
assert_grep "older blocks: none opens" verdict
# It looked in the right place: what a writer does have is there.
assert_grep "its own keys: [3-9]" verdict

# And it would have found what opens something: an administrator's key file, and the memory of an
# administrator's backup.
assert_exit 1 hunt 16 "$VARVE_KEY_FILE" >verdict
assert_grep "FOUND: something that opens key slot" verdict
dump_running memory-admin VARVE_KEY_FILE="$VARVE_KEY_FILE"
assert_exit 1 hunt 4096 memory-admin >verdict
assert_grep "FOUND: master key" verdict

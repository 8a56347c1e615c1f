# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# An older copy of the repository put back under the program: exit 14 on the host that has state and
# on a fresh one that was given the fingerprint; never stops a restore or a backup; --accept-head
# ends it.
new_repo
make_tree source
fresh()
{
    # as a machine that has never seen the repository
    rm -rf "$WORK/fresh"
    VARVE_STATE_DIR=$WORK/fresh/state VARVE_CACHE_DIR=$WORK/fresh/cache varve "$@"
}
put_back()
{
    rm -rf "$VARVE_REPO"
    cp -a "$1" "$VARVE_REPO"
}

assert_exit 0 varve backup source >/dev/null
cp -a "$VARVE_REPO" "$WORK/older"
cp -a source at-the-first
echo more >>source/sizes/text-16
assert_exit 0 varve backup source >printed
head=$(sed -n 's/^head //p' printed)
assert_exit 0 varve --json backup source >json
assert_eq "$(json json 'd["head"].split(":")[1]')" 3
latest=$(json json 'd["head"]')

# All is well: on the host itself, and elsewhere by the fingerprint, also an older one.
assert_exit 0 varve snapshots >/dev/null
assert_exit 0 fresh --expect-head "$head" --json snapshots >list
assert_eq "$(json list 'd["freshness"]')" ok
assert_exit 0 fresh --expect-head "$latest" snapshots >/dev/null
assert_exit 0 fresh --json snapshots >list
assert_eq "$(json list 'd["freshness"]')" not-checked
assert_exit 2 varve --expect-head nonsense snapshots 2>errors

# The older copy is put back.
put_back "$WORK/older"
assert_exit 14 varve --json snapshots >list 2>errors
assert_eq "$(json list 'd["freshness"]')" rolled-back
assert_eq "$(json list 'len(d["snapshots"])')" 1
assert_grep "this host has seen here is missing" errors
assert_grep "hint: .*--accept-head" errors
assert_exit 14 fresh --expect-head "$latest" snapshots >/dev/null 2>errors
assert_grep "expected head is not in this repository" errors
assert_exit 0 fresh snapshots >/dev/null 2>errors
assert_grep "freshness not checked" errors
# Every command that reads the list says so.
assert_exit 14 varve ls "latest:$PWD/source" >/dev/null 2>&1
assert_exit 14 varve cat "latest:$PWD/source/sizes/text-16" >/dev/null 2>&1
assert_exit 14 varve verify >/dev/null 2>&1
# It never stops a restore ...
assert_exit 14 varve restore "latest:$PWD/source" --target out >/dev/null 2>&1
assert_same_tree at-the-first out
assert_exit 14 fresh --expect-head "$latest" restore "latest:$PWD/source" --target out2 >/dev/null 2>&1
assert_same_tree at-the-first out2
# ... nor a backup, and the alarm stays.
assert_exit 14 varve backup source >/dev/null 2>&1
assert_exit 14 varve restore "latest:$PWD/source" --target out3 >/dev/null 2>&1
assert_same_tree source out3
assert_exit 14 varve snapshots >/dev/null 2>&1
# Until somebody accepts it: here; other machines that see the hole, for themselves.
assert_exit 0 varve --accept-head snapshots >/dev/null 2>errors
assert_grep "accepted: a snapshot of client" errors
assert_exit 0 varve snapshots >/dev/null 2>errors
refute_grep "accepted" errors
assert_exit 0 varve backup source >/dev/null
assert_exit 14 fresh snapshots >/dev/null 2>&1

# Accepted before the next backup, no hole remains for anybody.
put_back "$WORK/older"
assert_exit 14 varve snapshots >/dev/null 2>&1
assert_exit 0 varve snapshots --accept-head >/dev/null 2>&1
assert_exit 0 varve backup source >/dev/null
assert_exit 0 varve snapshots >/dev/null
assert_exit 0 fresh snapshots >/dev/null 2>&1

# A single slot withheld, and one replayed under another name.
slot=$(find "$VARVE_REPO/snapshots" -type f -printf '%T@ %p\n' | sort -n | sed -n '$s/^[^ ]* //p')
cp -p "$slot" "$WORK/slot"
assert_exit 0 varve backup source >/dev/null
rm -f "$slot"
assert_exit 14 varve snapshots >/dev/null 2>errors
assert_grep "before this one is missing" errors
cp -p "$WORK/slot" "$VARVE_REPO/snapshots/0123456789abcdef0123456789abcdef"
assert_exit 12 varve snapshots >/dev/null 2>errors # it belongs to another session
rm -f "$VARVE_REPO/snapshots/0123456789abcdef0123456789abcdef"
cp -p "$WORK/slot" "$slot"
assert_exit 0 varve snapshots >/dev/null

# A writer's key has a memory of its own.
assert_exit 0 varve key add --role writer --name web --new-key-file web.key >/dev/null
web()
{
    VARVE_STATE_DIR=$WORK/web/state VARVE_CACHE_DIR=$WORK/web/cache VARVE_KEY_FILE=web.key varve "$@"
}
assert_exit 0 web backup source >/dev/null
cp -a "$VARVE_REPO" "$WORK/older-2"
assert_exit 0 web backup source >printed
head=$(sed -n 's/^head //p' printed)
put_back "$WORK/older-2"
assert_exit 14 web backup source >/dev/null 2>errors
assert_grep "this host has seen here is missing" errors
assert_exit 14 fresh --expect-head "$head" snapshots >/dev/null 2>&1
assert_exit 0 web backup --accept-head source >/dev/null 2>&1
assert_exit 0 web backup source >/dev/null

# A snapshot whose successors are all deleted is still missed, on a machine that has never seen the
# repository as well, and what only it needs stays: forget and prune refuse until it is back.
new_repo second
make_tree other
for night in 1 2 3 4; do
    random_file other/own "$((300000 + night))" "$night"
    assert_exit 0 varve backup other >/dev/null
    [ "$night" = 2 ] && cp -a other at-the-second
done
assert_exit 0 varve --json snapshots >json
read -r -a nights <<<"$(json json '" ".join(s["id"] for s in d["snapshots"])')"
slots=("$VARVE_REPO"/snapshots/*)
second=""
for slot in "${slots[@]}"; do # the slot without which the second one is not there
    mv "$slot" "$WORK/withheld"
    (varve --json snapshots 2>/dev/null || true) >json
    json json '" ".join(s["id"] for s in d["snapshots"])' | grep -q "${nights[1]}" || second=$slot
    mv "$WORK/withheld" "$slot"
done
[ -n "$second" ] || fail "no slot holds the second snapshot"
assert_exit 0 varve forget "${nights[2]}" >/dev/null
assert_exit 0 varve prune --grace 0 >/dev/null
mv "$second" "$WORK/withheld"
packs=$(find "$VARVE_REPO/packs" -type f | sort)
assert_exit 14 fresh snapshots >/dev/null 2>errors
assert_grep "before a deleted one is missing" errors
assert_exit 14 fresh prune --grace 0 >/dev/null 2>&1
assert_exit 14 varve prune --grace 0 >/dev/null 2>&1
assert_exit 14 fresh forget "${nights[0]}" >/dev/null 2>&1
assert_eq "$(find "$VARVE_REPO/packs" -type f | sort)" "$packs"
mv "$WORK/withheld" "$second"
assert_exit 0 fresh snapshots >/dev/null 2>&1
assert_exit 0 varve prune --grace 0 >/dev/null
assert_exit 0 varve restore "${nights[1]}:$PWD/other" --target out4 >/dev/null
assert_same_tree at-the-second out4

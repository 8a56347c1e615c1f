# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain memory
# A list of what a prune was deleting is damaged: backups go on and refer to nothing that may be
# deleted, deleting stops and names the remedy, which is one command.
new_repo
make_tree source
random_file source/own 2000000 1
assert_exit 0 varve backup source >/dev/null
# A prune that was killed when it had registered and published its list, which has rotted since.
prune=0123456789abcdef0123456789abcdef
list=$VARVE_REPO/condemned/$prune
head -c 300 /dev/urandom >"$list"
echo >"$VARVE_REPO/sessions/$prune"
before=$(object_bytes packs)
assert_exit 3 varve backup source >/dev/null 2>errors
assert_grep "varve repair" errors
[ "$(object_bytes packs)" -gt $((before + 2000000)) ] || fail "the backup refers to old packs"
assert_exit 12 varve prune >/dev/null 2>errors
assert_grep "varve repair" errors
assert_exit 12 varve verify >/dev/null 2>&1
assert_exit 3 varve repair >printed 2>errors
refute_exists "$list"
assert_exit 0 varve backup source >/dev/null
assert_exit 0 varve verify --data >/dev/null
assert_exit 0 varve prune --fence >/dev/null
assert_exit 0 varve verify --data >/dev/null
assert_exit 0 varve restore "latest:$PWD/source" --target out >/dev/null
assert_same_tree source out
# A replica with such a list takes new snapshots, and does not take old packs for granted.
assert_exit 0 varve replicate --to "$WORK/replica" >/dev/null
head -c 300 /dev/urandom >"$WORK/replica/condemned/$prune"
echo >"$WORK/replica/sessions/$prune"
echo more >>source/own
assert_exit 0 varve backup source >/dev/null
code=0
timeout 60 varve replicate --to "$WORK/replica" >printed 2>errors || code=$?
[ "$code" = 3 ] || fail "replicate: exit $code: $(cat errors)"
assert_grep "varve repair" errors
rm -rf out
varve -r "$WORK/replica" restore "latest:$PWD/source" --target out >/dev/null 2>&1 || [ $? = 3 ]
assert_same_tree source out
# Rubbish under a name that no prune has, costs nothing.
echo rubbish >"$VARVE_REPO/condemned/rubbish"
echo rubbish >"$VARVE_REPO/condemned/00112233445566778899aabbccddeeff"
before=$(object_bytes packs)
varve backup source >/dev/null 2>errors || [ $? = 3 ]
assert_grep "ignored" errors
[ "$(object_bytes packs)" -lt $((before + 200000)) ] || fail "rubbish stops deduplication"

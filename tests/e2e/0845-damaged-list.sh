# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A list of what a prune was deleting is damaged: backups go on and refer to nothing that may be
# deleted, deleting stops and names the remedy, which is one command.
new_repo
make_tree source
random_file source/own 2000000 1
assert_exit 0 varve backup source >/dev/null
list=$VARVE_REPO/condemned/0123456789abcdef0123456789abcdef
head -c 300 /dev/urandom >"$list"
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
# What somebody else signed, or nobody, under a name no prune has, costs nothing.
echo rubbish >"$VARVE_REPO/condemned/rubbish"
before=$(object_bytes packs)
varve backup source >/dev/null 2>errors || [ $? = 3 ]
assert_grep "ignored" errors
[ "$(object_bytes packs)" -lt $((before + 200000)) ] || fail "rubbish stops deduplication"

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A repository of the released format restores for ever, by each of its keys.
golden=$VARVE_SOURCE/tests/golden
tar -xzf "$golden/version-1.tar.gz"
export VARVE_REPO=$PWD/repository
unset VARVE_KEY_FILE
chmod 400 key words passphrase

for secret in "--key-file key" "--recovery-file words" "--passphrase-file passphrase"; do
    # shellcheck disable=SC2086 # two words
    assert_exit 0 varve $secret verify --data
    rm -rf restored
    # shellcheck disable=SC2086
    assert_exit 0 varve $secret restore latest@golden:/tmp/varve-golden/tree --target restored --no-owner
    (cd restored && bash "$golden/describe.sh") >found
    diff "$golden/version-1.txt" found || fail "restored by $secret, the tree differs"
done
assert_exit 0 varve --key-file key cat latest~1@golden:/database/dump.sql >dump
seq 1000 | cmp - dump || fail "the command's output differs"
assert_exit 0 varve --key-file key cat latest~1@golden:/tmp/varve-golden/tree/directory/deep/007 >old
assert_eq "$(cat old)" 7

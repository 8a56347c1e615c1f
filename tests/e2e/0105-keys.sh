# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# Key slots: each opens the repository alone; they are listed, added, changed, removed, checked.
new_repo
mkdir source && echo content >source/file
assert_exit 0 varve -q backup source

assert_exit 0 varve --json key list >list.json
assert_eq "$(json list.json 'sorted(s["kind"] for s in d["slots"])')" '["key file", "recovery words"]'
assert_eq "$(json list.json '[s["copies"] for s in d["slots"]]')" '[2, 2]'

# Listing needs no key; everything else does.
(
    unset VARVE_KEY_FILE
    assert_exit 0 varve key list >/dev/null
    assert_exit 11 varve key check 2>errors
    assert_exit 11 varve key add --new-key-file other 2>errors
    refute_exists other
)

# A passphrase is added, opens, is changed, and the old one is worth nothing afterwards.
echo first >first && echo second >second && chmod 600 first second
assert_exit 0 varve key add --new-passphrase-file first --label office >/dev/null
assert_exit 0 varve --passphrase-file first snapshots
assert_exit 0 varve --passphrase-file first key passwd --new-passphrase-file second >/dev/null
assert_exit 11 varve --passphrase-file first snapshots 2>errors
assert_grep "passphrase +'office'" errors
assert_grep "key file +'" errors
assert_exit 0 varve --passphrase-file second --json key check >check.json
assert_eq "$(json check.json 'd["kind"]')" passphrase
assert_eq "$(json check.json 'd["label"]')" office
assert_exit 1 varve key passwd --new-passphrase-file first 2>errors # opened by the key file

# A second key file; the slot one opens with cannot be removed, the other one can.
assert_exit 0 varve --json key add --new-key-file key2 >added.json
slot=$(json added.json 'd["id"]')
assert_eq "$(stat -c %a key2)" 400
assert_exit 1 varve --key-file key2 key remove "$slot" 2>errors
assert_grep "is the one you opened this with" errors
assert_exit 0 varve key remove "${slot:0:6}" >/dev/null
assert_exit 11 varve --key-file key2 snapshots 2>errors
assert_exit 1 varve key remove 0000000000000000 2>errors
assert_exit 2 varve key add --new-key-file a --new-recovery-file b 2>errors
refute_exists a b

# A key file of another repository is told apart from a wrong one.
assert_exit 0 varve -r "$WORK/run/foreign" init --key-file foreign.key >/dev/null
assert_exit 11 varve --key-file foreign.key snapshots 2>errors
assert_grep "another repository" errors

# One copy of a slot lost: it still opens, and check says so.
rm "$VARVE_REPO"/keys/*-a
assert_exit 12 varve key check 2>errors
assert_grep "one copy of key slot" errors
assert_exit 0 varve snapshots >/dev/null

# The kit: words that open it, and commands that restore.
assert_exit 0 varve key export --kit kit >/dev/null
assert_eq "$(stat -c %a kit)" 400
sed -n '/^Recovery words/,/^Key slots/p' kit | grep -E '^ +[0-9]+\.' >kit.words
chmod 600 kit.words
assert_exit 0 varve --recovery-file kit.words restore "latest:$PWD/source" --target back >/dev/null
cmp source/file back/file
assert_exit 1 varve key export --kit kit 2>errors
assert_exit 2 varve key export 2>errors
# Opened by the kit's words, a second kit has the same ones.
assert_exit 0 varve --recovery-file kit.words key export --kit kit2 >/dev/null
assert_eq "$(grep -E '^ +[0-9]+\. [a-z]' kit2 | grep -v '  [12]\.  *S' | head -4)" \
    "$(grep -E '^ +[0-9]+\. [a-z]' kit | head -4)"

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# init makes a repository, its key file and its recovery words, and never overwrites anything.
repo=$PWD/repo

assert_exit 0 varve -r "$repo" init --key-file key --recovery-file words >summary
assert_eq "$(stat -c %a key)" 400 "mode of the key file"
assert_eq "$(stat -c %a words)" 400 "mode of the recovery file"
assert_grep "^made repository [0-9a-f]{32} at $repo$" summary
assert_grep "varve backup PATH" summary
assert_ge "$(du -sk --apparent-size "$repo" | cut -f1)" 65536 "size with the reserve"

# Each of them opens it.
assert_exit 0 varve -r "$repo" --key-file key snapshots
assert_exit 0 varve -r "$repo" --recovery-file words snapshots
tr '[:lower:]' '[:upper:]' <words | grep -v '^#' | tr -d '0-9.\n' >typed
chmod 600 typed
assert_exit 0 varve -r "$repo" --recovery-file typed snapshots

# An existing repository is refused and nothing is changed or left behind.
find "$repo" -type f | sort | xargs sha256sum >before
assert_exit 1 varve -r "$repo" init --key-file key2 --recovery-file words2 2>errors
assert_grep "already a varve repository" errors
refute_exists key2 words2
find "$repo" -type f | sort | xargs sha256sum >after
cmp before after

# Existing files are refused, and then no repository is made.
assert_exit 1 varve -r "$PWD/other" init --key-file key 2>errors
assert_grep "key file 'key' exists already" errors
refute_exists other
assert_exit 1 varve -r "$PWD/other" init --key-file key3 --recovery-file words 2>errors
refute_exists other key3

# A place that is not empty, or whose parent is missing.
mkdir full && touch full/file
assert_exit 1 varve -r full init --key-file key4 2>errors
refute_exists key4
assert_exit 1 varve -r missing/repo init --key-file key4 2>errors
refute_exists key4 missing

# A passphrase; without a terminal and --recovery-file there are no words, and that is said.
VARVE_PASSPHRASE='correct horse' assert_exit 0 varve --json -r pass init --reserve 0 >init.json 2>errors
assert_eq "$(json init.json 'd["recovery_words"]')" false
assert_eq "$(json init.json 'd["key_file"]')" null
assert_eq "$(json init.json 'len(d["id"])')" 32
assert_le "$(du -sk --apparent-size pass | cut -f1)" 4096 "size without a reserve"
echo file >file
VARVE_PASSPHRASE='correct horse' assert_exit 0 varve -r pass backup file >summary 2>errors
assert_grep "note: no recovery words exist" summary
VARVE_PASSPHRASE='correct horse' assert_exit 0 varve -q -r pass backup file >summary 2>errors
assert_eq "$(cat summary errors)" "" "output of a clean, quiet run"

# No terminal and nothing given: says what to do, makes nothing.
assert_exit 11 varve -r nothing init 2>errors
assert_grep "hint: .*--key-file" errors
refute_exists nothing

# Secrets appear nowhere but in their files.
secret=$(sed -n 's/^key //p' key)
refute_grep "$secret" summary
refute_grep "$secret" before

# What to type next names the key so that it is found from any directory.
assert_exit 0 varve -r "$PWD/anywhere" init --reserve 0 --no-parity --key-file anywhere.key >made 2>/dev/null
assert_grep "VARVE_KEY_FILE=$PWD/anywhere.key" made

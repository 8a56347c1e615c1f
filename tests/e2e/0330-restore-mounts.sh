# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A restore into a directory on which other file systems are mounted, as onto a new machine's disks:
# each of them is written out, and the summary tells if one of them has no device to read from.
need_command grep
new_repo
mkdir -p source/disk source/memory
seq -f 'marker %.0f is on the disk' 20000 >source/disk/file
echo memory >source/memory/file
touch source/file
assert_exit 0 varve backup --quiet source
mount_ext4 "$WORK/image" "$PWD/target/disk" 32M

assert_exit 0 varve restore "latest:$PWD/source" --target target --no-verify >/dev/null
# What is written out is in the image; what only waits in the page cache is not.
grep -qa 'marker 20000 is on the disk' "$WORK/image" || fail "the mounted disk was not written out"
cmp source/disk/file target/disk/file

rm -rf target/disk/file target/memory
varve --json restore "latest:$PWD/source" --target target >restore.json
assert_eq "$(json restore.json '[d["verified"], d["verified_from_memory"]]')" \
    "$(stat -f -c %T target | grep -q tmpfs && echo '[true, true]' || echo '[true, false]')"
rm -rf target/memory
mount_tmpfs "$PWD/target/memory" 1M
assert_exit 0 varve --json restore "latest:$PWD/source" --target target >restore.json
assert_eq "$(json restore.json '[d["verified"], d["verified_from_memory"]]')" '[true, true]'
assert_same_tree source target --no-mtime

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# The repository's disk has no byte left: forget and repair work out of the reserve and set it aside
# again; without one they end with exit code 15, say what to do, and nothing is lost.
need_root
fill()
{
    # fill DIR: to the last byte
    dd if=/dev/zero of="$1/ballast" bs=64k 2>/dev/null || true
    dd if=/dev/zero of="$1/ballast-2" bs=512 2>/dev/null || true
    assert_eq "$(df --output=avail "$1" | tail -n 1 | tr -d ' ')" 0 'bytes free'
}
src=$PWD/source
make_tree source
mount_tmpfs "$WORK/small" 48M
new_repo "$WORK/small/repo" --reserve 4M
for n in 1 2 3 4; do
    random_file source/own-large 6000000 "$n"
    assert_exit 0 varve -q backup source
done
fill "$WORK/small"
assert_exit 15 varve -q backup --full --tag none --host other source 2>errors
assert_grep 'no space left|No space left' errors

# With the reserve.
assert_exit 0 varve --json forget --grace 0 latest~1 latest~2 >forgotten.json 2>errors
assert_eq "$(json forgotten.json 'len(d["snapshots"]) and d["forgotten"]')" 2
assert_grep 'the reserve was given up' errors
assert_exists "$VARVE_REPO/reserve"
assert_ge "$(stat -c %s "$VARVE_REPO/reserve")" 2000000 'bytes set aside again'
assert_exit 0 varve --json snapshots >list.json
assert_eq "$(json list.json 'len(d["snapshots"])')" 2
rm "$WORK/small/ballast-2"
fill "$WORK/small"
printf x | dd of="$(find "$VARVE_REPO/index" -type f | head -n 1)" bs=1 seek=100 conv=notrunc 2>/dev/null
assert_exit 3 varve repair --no-files >/dev/null 2>errors
assert_grep 'the reserve was given up' errors
assert_exists "$VARVE_REPO/reserve"
fill "$WORK/small"
assert_exit 0 varve -q prune --max-waste 0
assert_exists "$VARVE_REPO/reserve"
assert_exit 0 varve verify --data >/dev/null
assert_exit 0 varve -q restore "latest:$src" --target out
assert_same_tree source out

# Without.
rm "$WORK/small"/ballast*
rm "$VARVE_REPO/reserve"
fill "$WORK/small"
find "$VARVE_REPO" -type f | sort >before
assert_exit 15 varve forget --grace 0 latest~1 2>errors
assert_grep 'nothing is lost; there is no space set aside here' errors
find "$VARVE_REPO" -type f | sort >after
cmp before after
assert_exit 0 varve verify --data >/dev/null
assert_exit 0 varve --json snapshots >list.json
assert_eq "$(json list.json 'len(d["snapshots"])')" 2
truncate -s -64k "$WORK/small/ballast"
assert_exit 0 varve -q forget --grace 0 latest~1

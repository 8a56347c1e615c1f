# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# A cache that is full, read-only or damaged costs time: it is told, and backup and restore go on.
need_root
new_repo
admin=$VARVE_KEY_FILE
mkdir source
python3 - <<'EOF'
for i in range(2500):
    with open(f"source/{i}", "w") as f:
        f.write(f"file {i}\n")
EOF
assert_exit 0 varve backup source >/dev/null

# Full: there is room for the directory, not for the index.
mount_tmpfs "$WORK/full" 64k
export VARVE_CACHE_DIR=$WORK/full
dd if=/dev/zero of="$WORK/full/ballast" bs=4k 2>/dev/null || true
truncate -s -16k "$WORK/full/ballast"
for command in "restore latest:$PWD/source --target restored" "verify --data" "backup --full source" \
    "find 17" "replicate --to $WORK/replica"; do
    rm -rf restored
    # shellcheck disable=SC2086
    assert_exit 0 varve $command >/dev/null 2>errors
    assert_eq "$(grep -c 'going on without a cache' errors)" 1 "notes of '$command'"
    [ ! -d restored ] || diff -r source restored
done
assert_exit 0 varve --json verify >verified.json 2>/dev/null
assert_eq "$(json verified.json '[w["name"] for w in d["warnings"]]')" '["cache-unusable"]'

# The first ids fit, then the disk is full: all 2500 new chunks are claimed in memory.
python3 - <<'EOF'
for i in range(2500):
    with open(f"source/{i}", "w") as f:
        f.write(f"other {i}\n")
EOF
assert_exit 0 varve --json backup source >summary 2>/dev/null
assert_eq "$(json summary 'd["files_changed"]')" 2500
assert_exit 0 varve restore "latest:$PWD/source" --target restored-2 >/dev/null 2>&1
diff -r source restored-2
umount "$WORK/full"

# Read-only.
mount_tmpfs "$WORK/read-only" 1m
export VARVE_CACHE_DIR=$WORK/read-only
assert_exit 0 varve snapshots >/dev/null
mount -o remount,ro "$WORK/read-only"
assert_exit 0 varve backup source >/dev/null 2>errors
assert_eq "$(grep -c 'going on without a cache' errors)" 1
assert_exit 0 varve restore "latest:$PWD/source" --target restored-3 >/dev/null 2>errors
assert_eq "$(grep -c 'going on without a cache' errors)" 1
diff -r source restored-3
umount "$WORK/read-only"

# A writer's next run finds the tree of its last one damaged, or none because there was no room for it.
export VARVE_CACHE_DIR=$WORK/writer-cache VARVE_STATE_DIR=$WORK/writer-state
assert_exit 0 varve key add --role writer --name web --new-key-file web.key >/dev/null
export VARVE_KEY_FILE=$PWD/web.key
assert_exit 0 varve backup source >/dev/null
parent=$(find "$WORK/writer-cache" -name 'parent-*')
printf x | dd of="$parent" bs=1 seek=40 conv=notrunc 2>/dev/null
assert_exit 0 varve --json backup source >summary
assert_eq "$(json summary '[w["name"] for w in d["warnings"]]')" '["parent-damaged"]'
assert_eq "$(json summary 'd["bytes_read"] > 20000 and d["committed"]')" true
# What was read within two seconds of its last change is read again, once: until the files are that old.
bytes=1
while [ "$bytes" != 0 ]; do
    assert_exit 0 varve --json backup source >summary
    assert_eq "$(json summary 'd["warnings"]')" '[]'
    bytes=$(json summary 'd["bytes_read"]')
done
mount_tmpfs "$WORK/full" 64k
export VARVE_CACHE_DIR=$WORK/full
dd if=/dev/zero of="$WORK/full/ballast" bs=4k 2>/dev/null || true
truncate -s -16k "$WORK/full/ballast"
assert_exit 0 varve --json backup source >summary 2>/dev/null
assert_eq "$(json summary 'd["committed"] and [w["name"] for w in d["warnings"]][-1]')" parent-not-kept
VARVE_KEY_FILE=$admin VARVE_CACHE_DIR=$WORK/cache assert_exit 0 varve verify --data >/dev/null

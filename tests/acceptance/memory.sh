#!/bin/bash
# Peak memory of a first backup at 100,000 and at 1,000,000 small files: at most 1.1 times as much.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
make_files() {
    /usr/bin/python3 - "$1" "$2" <<'PY'
import os, sys
base, count = sys.argv[1], int(sys.argv[2])
for d in range(count // 1000):
    path = f"{base}/{d:04}"
    os.makedirs(path)
    fd = os.open(path, os.O_RDONLY)
    for i in range(1000):
        f = os.open(f"file-{i:04}", os.O_WRONLY | os.O_CREAT, dir_fd=fd)
        os.write(f, f"{d} {i} {os.urandom(12).hex()}\n".encode() * 4)
        os.close(f)
    os.close(fd)
PY
}
peak() { # of a first and of an unchanged backup, in KiB
    local tree=$1
    new_repository "$WORK/repo"
    /usr/bin/time -f %M -o "$WORK/peak" "$VARVE" -r "$WORK/repo" backup --quiet "$tree" >/dev/null
    /usr/bin/time -f %M -o "$WORK/peak2" "$VARVE" -r "$WORK/repo" backup --quiet "$tree" >/dev/null
    echo "$(cat "$WORK/peak") $(cat "$WORK/peak2")"
}
base=$(mktemp -d /dev/shm/varve-acceptance-XXXXXX)
trap 'rm -rf "$base"' EXIT
make_files "$base/small" 100000
read -r small small_again <<<"$(peak "$base/small")"
rm -rf "$base/small"
make_files "$base/large" 1000000
read -r large large_again <<<"$(peak "$base/large")"
say "first: $small KiB at 100,000 files, $large KiB at 1,000,000 ($(awk -v a="$large" -v b="$small" 'BEGIN { printf "%.3f", a / b }'))"
say "unchanged: $small_again KiB, $large_again KiB ($(awk -v a="$large_again" -v b="$small_again" 'BEGIN { printf "%.3f", a / b }'))"
awk -v a="$large" -v b="$small" 'BEGIN { exit !(a <= 1.1 * b) }' || fail "memory grows with the number of files"
rm -rf "$WORK"

#!/bin/bash
# Content that changes behind unchanged metadata (edited through the device of an unmounted file
# system, as bit rot would) is reported by --full with exit 3, and not noticed without it.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
[ "$(id -u)" = 0 ] || fail "must run as root"
mkdir "$WORK/mnt"
truncate -s 32M "$WORK/disk"
mkfs.ext4 -q "$WORK/disk"
finish() { umount "$WORK/mnt" 2>/dev/null || true; }
trap finish EXIT
mount -o loop "$WORK/disk" "$WORK/mnt"
/usr/bin/python3 -c 'print("MARKER-OF-THIS-FILE\n" * 1000, end="")' >"$WORK/mnt/victim"
echo other >"$WORK/mnt/other"
sync
sleep 3
new_repository "$WORK/repo"
"$VARVE" -r "$WORK/repo" backup --quiet "$WORK/mnt"
umount "$WORK/mnt"
/usr/bin/python3 - "$WORK/disk" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    data = f.read()
    at = data.index(b"MARKER-OF-THIS-FILE\nMARKER")
    f.seek(at)
    f.write(b"ROTTEN")
PY
mount -o loop "$WORK/disk" "$WORK/mnt"
"$VARVE" -r "$WORK/repo" backup --quiet "$WORK/mnt" || fail "the incremental run should see nothing"
rc=0
"$VARVE" -r "$WORK/repo" backup --full --quiet "$WORK/mnt" 2>"$WORK/err" || rc=$?
cat "$WORK/err" >&2
[ "$rc" = 3 ] || fail "--full: exit $rc, not 3"
grep -q victim "$WORK/err" || fail "the file is not named"
grep -q other "$WORK/err" && fail "a healthy file is named"
say "ok: reported by --full"
finish
rm -rf "$WORK"

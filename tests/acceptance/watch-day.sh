#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# watch-day.sh [HOURS [SPEED [SEED]]]: a day of a watched job (24 hours, 60 times as fast as the clock).
#
# The job's clocks run fast (tests/tools/preload/fast_clock.c), so that its daily full walk, the thinning out by
# its rules and the hours between happen as in a day.  Bursts of random changes below its path (files, links,
# modes, directories renamed with all in them, and as root mounts and unmounts of tmpfs, or of a directory
# elsewhere), in between restarts, kills, reloads, changes of the way (fanotify, inotify), prunes and runs of the
# job.  After each burst it is quiet until the newest snapshot, restored, is the tree, by rsync with checksums,
# numbers of hard links, owners, modes, times, attributes and all.
#
# Prints a line an hour, and figures; ends with 1 if a burst is in no snapshot after LIMIT (default 180) seconds,
# if there was no full walk at its time, or if nothing was thinned out.  The same seed makes the same choices as
# long as the tree can take them; what the watch made of them depends on when it ran.  KEEP=1 leaves everything.
set -euo pipefail
if [ "$(id -u)" = 0 ] && [ -z "${WATCH_DAY_ALONE:-}" ] && unshare --mount true 2>/dev/null; then
    WATCH_DAY_ALONE=1 exec unshare --mount --propagation private "$0" "$@" # no mount outlives it
fi
hours=${1:-24}
speed=${2:-60}
seed=${3:-$RANDOM}
top=$(cd "$(dirname "$0")/../.." && pwd)
VARVE=$(realpath "${VARVE:-$top/build/varve}")
work=$(mktemp -d "${TMPDIR:-/tmp}/varve-watch-day-XXXXXX")
restored=$(mktemp -d /dev/shm/varve-watch-day-XXXXXX)
clean_up()
{
    if [ -e "$work/pid" ]; then kill -KILL "$(cat "$work/pid")" 2>/dev/null || true; fi
    if [ -n "${KEEP:-}" ]; then echo "left: $work, $restored" && return; fi
    umount --lazy --recursive "$work/disk" 2>/dev/null || true
    rm -rf "$work" "$restored"
}
trap clean_up EXIT
for tool in rsync cc; do command -v $tool >/dev/null || { echo "needs $tool" && exit 2; }; done
unset VARVE_REPO VARVE_KEY_FILE VARVE_PASSPHRASE VARVE_PASSPHRASE_FILE VARVE_PASSPHRASE_COMMAND
export VARVE VARVE_STATE_DIR=$work/state VARVE_CACHE_DIR=$work/cache VARVE_CONFIG=$work/varve.conf
cc -std=gnu17 -D_GNU_SOURCE -O2 -shared -fPIC -o "$work/fast_clock.so" "$top/tests/tools/preload/fast_clock.c"

# A file system of its own: nobody else's doings, and inode numbers that come back at once.
mkdir "$work/disk"
truncate -s 256M "$work/image"
if [ "$(id -u)" = 0 ] && mkfs.ext4 -q -F "$work/image" && mount -o loop "$work/image" "$work/disk"; then
    rmdir "$work/disk/lost+found"
fi
mkdir "$work/disk/tree" "$work/elsewhere"
"$VARVE" -r "$work/repo" init --no-parity --reserve 0 --key-file "$work/key" >/dev/null
start=$(date +%s)
cat >"$VARVE_CONFIG" <<END
[repository main]
url = $work/repo
key-file = $work/key
[job tree]
repository = main
path = $work/disk/tree
watch-quiet = 20s
watch-delay = 4min
watch-full-walk = $(date -d "@$((start + hours * 1800))" +%H:%M)
keep-last = 10
keep-hourly = 6
END
chmod 600 "$VARVE_CONFIG"
python3 -B "$top/tests/acceptance/watch-day.py" "$work" "$restored" "$hours" "$speed" "$seed"

#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run-one.sh SCRIPT: run one end-to-end test in a fresh directory and clean up behind it.
#
# The script is sourced after lib.sh under `set -euo pipefail`, with the working directory, HOME,
# TMPDIR and varve's cache and state below one temporary directory ($WORK), and `varve` in PATH.
# VARVE names the binary to test (default: the one in build/), VARVE_SOURCE the source tree.
# VARVE_KEEP=1 keeps the directory.  Exit code: that of the script; 77 means skipped.
#
# The directory is below TMPDIR, or else /tmp.  A script with the label "memory" (# labels: memory) has
# thousands of small files come and go, which takes a disk most of the time, and nothing in it is about
# disks: unless TMPDIR is set it works in /dev/shm, if there is room.
set -u

here=$(cd "$(dirname "$0")" && pwd)
if [ $# -ne 1 ] || [ ! -f "$1" ]; then
    echo "usage: run-one.sh SCRIPT" >&2
    exit 2
fi
script=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
export VARVE_SOURCE=${VARVE_SOURCE:-$(cd "$here/../.." && pwd)}
export VARVE=${VARVE:-$VARVE_SOURCE/build/varve}
if [ ! -x "$VARVE" ] && [ -x "$VARVE_SOURCE/build/cmd/varve" ]; then
    VARVE=$VARVE_SOURCE/build/cmd/varve
fi
export VARVE_TOOLS=${VARVE_TOOLS:-$(dirname "$VARVE")/tests}
if [ ! -x "$VARVE" ]; then
    echo "run-one.sh: '$VARVE' is not there; build first, or set VARVE" >&2
    exit 2
fi

# What the caller has set for their own repositories must not leak into a test.
for name in ${!VARVE_*}; do
    case $name in
    VARVE_SOURCE | VARVE_TOOLS | VARVE_KEEP | VARVE_TESTS_SET_UP | VARVE_SWEEP) ;;
    *) unset "$name" ;;
    esac
done

# has_room DIR: a tmpfs with 4 GiB to spare.
has_room()
{
    [ -w "$1" ] && [ "$(stat -f -c %T "$1")" = tmpfs ] &&
        [ $(($(stat -f -c '%a * %S' "$1"))) -ge $((4 << 30)) ]
}
base=${TMPDIR:-/tmp}
if [ -z "${TMPDIR:-}" ] && grep -q '^# labels:.* memory' "$script" && has_room /dev/shm; then
    base=/dev/shm
fi
WORK=$(mktemp -d "$base/varve-e2e.XXXXXX") || exit 2
# Ordinary users that a test becomes must get in.
chmod 755 "$WORK"
export WORK
mkdir -m 755 "$WORK/home" "$WORK/bin" "$WORK/cache" "$WORK/state" "$WORK/run"
mkdir -m 1777 "$WORK/tmp" "$WORK/sanitizer"
# A copy, since an ordinary user may not be able to reach the build directory (/root, say).
cp "$VARVE" "$WORK/bin/varve"
export HOME=$WORK/home TMPDIR=$WORK/tmp
export VARVE_CACHE_DIR=$WORK/cache VARVE_STATE_DIR=$WORK/state
# As debian_first does (examples/setup.sh), for a test that is run alone.
export PATH=$WORK/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export LC_ALL=C.UTF-8 TZ=UTC
# Reports of an instrumented binary go to files, so that none is missed where a test expects failure.
logs="log_path=$WORK/sanitizer/report"
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}$logs:exitcode=99"
# To look for leaks takes as long as starting does, and unit tests look for the library's: where sweeps are
# sparse it is done by the tests that go through all commands.
if [ "${VARVE_SWEEP:-}" = sparse ] && [[ ${script##*/} != 0[1-3]* ]]; then
    ASAN_OPTIONS+=:detect_leaks=0
fi
export UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}$logs:exitcode=99:print_stacktrace=1"
export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}$logs:exitcode=99"
umask 022
ulimit -c 0

child=
# shellcheck disable=SC2317 # the trap calls it
# clean_up: end what the test left running below its directory, unmount, remove.
clean_up()
{
    trap '' INT TERM HUP
    if [ -n "$child" ]; then
        kill -TERM -- "-$child" 2>/dev/null
    fi
    if [ "${VARVE_KEEP:-0}" = 1 ]; then
        echo "kept: $WORK" >&2
        return
    fi
    # Only root can have mounted anything; deepest mounts first.
    if [ "$EUID" = 0 ]; then
        awk '{print $2}' /proc/self/mounts | grep -F "$WORK/" | sort -r | while read -r mounted; do
            mounted=$(printf '%b' "$mounted")
            umount "$mounted" 2>/dev/null || umount -l "$mounted" 2>/dev/null
        done
        if command -v losetup >/dev/null; then
            losetup -nO NAME,BACK-FILE 2>/dev/null | while read -r device file; do
                case $file in "$WORK"/*) losetup -d "$device" 2>/dev/null ;; esac
            done
        fi
    fi
    rm -rf "$WORK" 2>/dev/null && return
    if [ "$EUID" = 0 ] && command -v chattr >/dev/null; then
        chattr -R -f -i -a "$WORK" 2>/dev/null
    fi
    chmod -R u+rwX "$WORK" 2>/dev/null
    rm -rf "$WORK"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cd "$WORK/run" || exit 2
# A process group of its own, so that whatever the test left in the background can be ended.
set -m
bash -c 'set -euo pipefail; source "$1"; source "$2"' "$script" "$here/lib.sh" "$script" </dev/null &
child=$!
set +m
wait "$child"
status=$?

reports=$(find "$WORK/sanitizer" -type f -size +0 2>/dev/null)
if [ -n "$reports" ]; then
    echo "sanitizer reports:" >&2
    find "$WORK/sanitizer" -type f -size +0 -exec cat {} + >&2
    status=99
fi
case $status in
0) echo "ok: $(basename "$script" .sh)" ;;
77) ;;
*) echo "FAILED ($status): $(basename "$script" .sh)" >&2 ;;
esac
exit "$status"

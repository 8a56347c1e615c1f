#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# sh examples/quickstart.sh [PATH]: from a bare Debian 12 to a verified restore, in a few minutes.
#
# Installs what is missing, builds, makes a repository on the local disk, backs up PATH (default
# /usr/share/doc), takes an incremental snapshot of a changed copy, lists, compares, restores with
# verification, and checks the result with diff(1).  PATH itself is only read.
#
#   VARVE_BUILD_DIR        where to build (default: build/ in the source tree)
#   VARVE_QUICKSTART_DIR   where to work: missing or empty (default: a new one below $TMPDIR or /tmp)
set -eu

top=$(cd "$(dirname "$0")/.." && pwd -P)
. "$top/examples/setup.sh"

usage()
{
    echo "usage: sh examples/quickstart.sh [PATH]" >&2
    exit 2
}

newline='
'
title()
{
    printf '\n%s== %s%s\n' "$bold" "$*" "$plain"
}

# run COMMAND...: show a varve command as one would type it, then run it.
run()
{
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    "$@"
}

# pick_source [PATH]: set $source, the real path of what to back up.
pick_source()
{
    if [ $# -eq 0 ]; then
        source=/usr/share/doc
        [ -d "$source" ] || source=$top/lib
    else
        source=$1
    fi
    [ -d "$source" ] || die "'$source' is not a directory"
    source=$(cd "$source" && pwd -P) || die "cannot enter '$1'"
}

# pick_work: set $work, an empty directory outside $source with room for two copies.
pick_work()
{
    if [ -n "${VARVE_QUICKSTART_DIR:-}" ]; then
        work=$VARVE_QUICKSTART_DIR
        mkdir -p "$work" || die "cannot create '$work'"
        [ -z "$(ls -A "$work")" ] || die "'$work' is not empty; remove it, or name another"
    else
        work=$(mktemp -d "${TMPDIR:-/tmp}/varve-quickstart.XXXXXX")
    fi
    work=$(cd "$work" && pwd -P)
    case $work/ in
    "${source%/}"/*)
        rmdir "$work"
        die "'$source' contains the working directory '$work'; set VARVE_QUICKSTART_DIR elsewhere"
        ;;
    esac
    need=$(du -sk "$source" 2>/dev/null | awk '{ print $1 * 3 + 200000 }')
    free=$(df -Pk "$work" | awk 'NR == 2 { print $4 }')
    [ "${need:-0}" -le "$free" ] ||
        die "'$source' and two copies need $((need / 1024)) MiB below '$work', which has $((free / 1024)) MiB"
}

# change_copy: what a day's work does to files: one changed, one grown, one gone, some new.
change_copy()
{
    candidates=$(find "$work/copy" -type f -size +0 -links 1 ! -path "*$newline*" | sort)
    changed=$(printf '%s\n' "$candidates" | head -n 1)
    removed=$(printf '%s\n' "$candidates" | tail -n 1)
    if [ -n "$changed" ]; then
        chmod u+w "$changed"
        echo "a line added by the quickstart" >>"$changed"
    fi
    if [ -n "$removed" ] && [ "$removed" != "$changed" ]; then
        rm -f "$removed"
    else
        removed=
    fi
    mkdir "$work/copy/new"
    echo "a new file" >"$work/copy/new/file with spaces"
    ln -s "file with spaces" "$work/copy/new/link"
    ln "$work/copy/new/file with spaces" "$work/copy/new/hard link"
    dd if=/dev/urandom of="$work/copy/new/random" bs=1024 count=300 2>/dev/null
}

# compare A B: with diff(1), which knows nothing of varve.  It calls two FIFOs, devices or sockets
# of one name different; those lines mean nothing.
compare()
{
    diff -r --no-dereference "$1" "$2" >"$work/diff.out" 2>&1 || true
    grep -Ev ' is a (fifo|socket|(character|block) special file) while file .* is a \1$' \
        "$work/diff.out" >"$work/diff.left" || true
    if [ -s "$work/diff.left" ]; then
        head -n 20 "$work/diff.left" >&2
        return 1
    fi
    rm -f "$work/diff.out" "$work/diff.left"
}

next_steps()
{
    title "What happened"
    cat <<END
The repository $work/repository holds three snapshots: '$source',
a copy of it (stored once: the same bytes take no room twice), and the copy after some changes.
The last one was restored to $work/restored, read back and compared with the
snapshot by varve, and with the copy by diff -r: no difference.

The key is in $work/key and the recovery words are in $work/recovery-words.
Either opens the repository; without one of them nobody can. Keep both somewhere else.

== What to type next
END
    cat <<END
export PATH="$(dirname "$varve"):\$PATH"
export VARVE_REPO="$VARVE_REPO" VARVE_KEY_FILE="$VARVE_KEY_FILE"
export VARVE_CACHE_DIR="$VARVE_CACHE_DIR" VARVE_STATE_DIR="$VARVE_STATE_DIR"
varve snapshots                      # what there is
varve ls latest                      # what is in the last one
varve find '*copyright*'             # in which snapshots a name occurs
varve restore latest~2 --target DIR  # bring back the first one
varve verify --data                  # read and check every byte
varve init --help                    # a repository of your own; README.md goes on from here

rm -rf "$work"   # when you have seen enough
END
}

# shellcheck disable=SC2317 # the trap calls it
at_exit()
{
    status=$?
    trap - EXIT
    case $status in
    0) ;;
    3) echo "quickstart: something was skipped (named above); as root, or on another PATH, it will not be" >&2 ;;
    *) echo "quickstart: failed ($status); what there is so far: $work" >&2 ;;
    esac
    exit "$status"
}

[ $# -le 1 ] || usage
case ${1:-} in -*) usage ;; esac
bold='' plain=''
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi

pick_source "$@"
pick_work
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

title "Setting up"
# shellcheck disable=SC2086 # a list of words
install_packages $packages_build
if [ -e "$build/CMakeCache.txt" ]; then
    configure_varve
else
    configure_varve -DVARVE_TESTS=OFF
fi
build_varve varve-command
varve=$build/varve

# The caller's own repositories have no place here.
unset VARVE_PASSPHRASE VARVE_PASSPHRASE_FILE VARVE_PASSPHRASE_COMMAND VARVE_REPLICAS
PATH=$(dirname "$varve"):$PATH
VARVE_REPO=$work/repository
VARVE_KEY_FILE=$work/key
VARVE_CACHE_DIR=$work/cache
VARVE_STATE_DIR=$work/state
export PATH VARVE_REPO VARVE_KEY_FILE VARVE_CACHE_DIR VARVE_STATE_DIR

title "A repository on the local disk"
run varve init --key-file "$work/key" --recovery-file "$work/recovery-words"

title "First backup: $source"
run varve backup "$source"

title "A copy of it, which takes next to no room"
cp -a "$source" "$work/copy"
run varve backup "$work/copy"

title "Some changes, and an incremental snapshot"
change_copy
say "changed: ${changed:-nothing}"
say "removed: ${removed:-nothing}"
say "added:   $work/copy/new"
run varve backup "$work/copy"

title "What there is, and what changed"
run varve snapshots
run varve diff latest~1 latest
if [ -n "$removed" ]; then
    say "The removed file is still in the snapshot before:"
    printf '$ varve cat %s\n' "latest~1:$removed"
    varve cat "latest~1:$removed" >"$work/removed"
    cmp "$work/removed" "$source${removed#"$work/copy"}" ||
        die "'$removed' came back different from '$source${removed#"$work/copy"}'"
    say "$(wc -c <"$work/removed") bytes, equal to the original"
fi

title "Restore, verified by reading back"
run varve restore "latest:$work/copy" --target "$work/restored"

title "An independent comparison"
printf '$ diff -r --no-dereference %s %s\n' "$work/copy" "$work/restored"
compare "$work/copy" "$work/restored" ||
    die "the restored tree differs from what was backed up"
say "diff -r finds no difference"

next_steps

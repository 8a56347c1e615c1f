# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Receivers of WAL and recoveries from it, for end-to-end tests; sourced after postgres.sh.
#
#   wal_export                 the repository of new_repo can be read by the server's user
#   wal_start URL [OPTION...]  varve wal receive in the background; its id in $WAL_PID
#   wal_stop, wal_kill         SIGTERM and SIGKILL to it, and wait
#   wal_count                  publications in the repository
#   wal_base DIR BASE          a base backup by the server's own tools
#   wal_newest BASE DIR [SETTING...]  restore BASE to DIR/data and recover to the newest moment
#   wal_discard DIR            stop and remove it

WAL_PID=

wal_export()
{
    mkdir -p "$WORK/reader"
    cp "$VARVE_KEY_FILE" "$WORK/reader/key"
    pg_own "$WORK/reader"
    WAL_GET="env VARVE_STATE_DIR=$WORK/reader/state VARVE_CACHE_DIR=$WORK/reader/cache"
    WAL_GET+=" $(command -v varve) -r $WORK/reader/repo --key-file $WORK/reader/key -q wal get %f %p"
}

# Objects are mode 0400 and of who published them, which may go on: the server's user reads those that
# are there now.  Slots come first, so that all they need is there.
wal_lend()
{
    local name
    rm -rf "$WORK/reader/repo"
    mkdir -p "$WORK/reader/repo/tmp"
    cp -al "$VARVE_REPO/snapshots" "$WORK/reader/repo/"
    for name in "$VARVE_REPO"/*; do
        case ${name##*/} in
        snapshots | tmp) ;;
        sessions) cp -al "$name" "$WORK/reader/repo/" 2>/dev/null || true ;; # they come and go
        *) cp -al "$name" "$WORK/reader/repo/" ;;
        esac
    done
    chmod -R a+rX "$WORK/reader/repo"
}

wal_start()
{
    local url=$1
    shift
    varve wal receive "$@" "$url" >>"$WORK/receiver.log" 2>&1 &
    WAL_PID=$!
}

# wal_connected DIR: is a receiver connected to that server?
wal_connected()
{
    [ "$(pg_sql "$1" "select count(*) from pg_stat_replication where state = 'streaming'")" = 1 ]
}

wal_stop()
{
    local got=0
    kill -TERM "$WAL_PID"
    wait "$WAL_PID" || got=$?
    [ "$got" = 130 ] || { cat "$WORK/receiver.log" >&2; fail "the receiver ends with $got"; }
}

wal_kill()
{
    kill -KILL "$WAL_PID"
    wait "$WAL_PID" || true
}

wal_count()
{
    varve --json wal list 2>/dev/null | python3 -c '
import json, sys
print(sum(w["publications"] for w in json.load(sys.stdin)["wal"]))'
}

wal_base()
{
    pg_run pg_basebackup -D "$WORK/reader/base" -h "$(realpath "$1")/socket" -U postgres \
        -X none -c fast 2>/dev/null || fail "pg_basebackup"
    mv "$WORK/reader/base" "$2"
}

wal_in_production()
{
    [ "$(pg_sql "$1" "select pg_is_in_recovery()" 2>/dev/null)" = f ]
}

wal_newest()
{
    local base=$1 dir=$2 setting
    shift 2
    wal_lend
    mkdir -p "$dir/socket"
    cp -a "$base" "$dir/data"
    pg_own "$dir"
    pg_configure "$dir"
    pg_set "$dir" "restore_command = '$WAL_GET'"
    pg_set "$dir" "archive_mode = off"
    pg_set "$dir" "synchronous_standby_names = ''"
    for setting in "$@"; do pg_set "$dir" "$setting"; done
    pg_as touch "$dir/data/recovery.signal"
    pg_as sed -i '/synchronous_standby_names/d' "$dir/data/postgresql.auto.conf"
    pg_start "$dir"
    wait_for 600 wal_in_production "$dir" || fail "recovery in $dir does not end"
}

wal_discard()
{
    pg_stop "$1" immediate
    rm -r "$1"
}

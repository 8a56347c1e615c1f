# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Throw-away PostgreSQL servers for end-to-end tests; sourced by those that need one, after lib.sh.
# Each listens on a Unix socket in a directory of its own only, runs as an ordinary user, and ends with
# the test.
#
#   pg_need                     skip unless PostgreSQL's programs and libpq are there
#   pg_init DIR [OPTION...]     make a cluster in DIR/data (options for initdb), with checksums
#   pg_set DIR 'NAME = VALUE'   append to its configuration
#   pg_start DIR                start it, and wait until it answers
#   pg_stop DIR [MODE]          stop it: fast (default), immediate, smart
#   pg_kill DIR                 SIGKILL to the postmaster, and wait until its children are gone
#   pg_sql DIR STATEMENT...     run as superuser in database 'postgres', print bare rows
#   pg_run PROGRAM...           run one of PostgreSQL's programs as the server's user
#   pg_url DIR [ROLE]           postgres:// URL of the socket (role: backup)
#   pg_shop DIR                 role 'backup' with REPLICATION, and the schema of examples/shop
#   pg_load DIR LIST [OPTION...] examples/shop/load.py in the background; its id in $PG_LOAD; 120 orders a
#                               second, since as many as possible take all processors (PG_LOAD_RATE)
#   pg_load_stop
#   pg_check_shop DIR LIST [UNTIL] every order in LIST (acknowledged before UNTIL) is there, and the
#                               shop's questions return nothing

PG_BIN=${PG_BIN:-$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)}
PG_USER=
PG_GROUP=
PG_LOAD=
PG_RUNNING=()

pg_need()
{
    if [ ! -x "$PG_BIN/initdb" ]; then
        [ -z "${VARVE_TESTS_SET_UP:-}" ] || fail "PostgreSQL is missing: is it in examples/setup.sh?"
        skip "needs PostgreSQL's server programs"
    fi
    if varve backup -r "$WORK/none" postgres:// 2>&1 | grep -q 'no PostgreSQL'; then
        skip "varve was built without libpq"
    fi
    export PSQL=$PG_BIN/psql
    unset PGHOST PGPORT PGUSER PGDATABASE PGSERVICE PGPASSFILE PGPASSWORD PGOPTIONS
    if [ "$EUID" = 0 ]; then
        PG_USER=postgres
        PG_GROUP=$(id -gn "$PG_USER" 2>/dev/null) || { PG_USER=nobody && PG_GROUP=$(id -gn nobody); }
    fi
    trap pg_clean_up EXIT
}

# pg_as COMMAND...: as the server's user, who may be somebody else than who runs the test.
pg_as()
{
    if [ -n "$PG_USER" ]; then
        setpriv --reuid="$PG_USER" --regid="$PG_GROUP" --clear-groups -- "$@"
    else
        "$@"
    fi
}

pg_run()
{
    local program=$1
    shift
    (cd / && pg_as "$PG_BIN/$program" "$@")
}

pg_clean_up()
{
    local dir pid
    trap - ERR
    [ -z "$PG_LOAD" ] || kill "$PG_LOAD" 2>/dev/null || true
    for dir in "${PG_RUNNING[@]}"; do
        pid=$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null) || continue
        kill -QUIT "$pid" 2>/dev/null || true
    done
    for dir in "${PG_RUNNING[@]}"; do
        pid=$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null) || continue
        wait_for 20 pg_gone "$pid" || true
    done
}

# pg_gone PROCESS: it has ended; also if nobody has asked how (the first process of a container may not).
pg_gone()
{
    ! kill -0 "$1" 2>/dev/null || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}

# pg_own DIR: give a directory, and what is in it, to the server's user.
pg_own()
{
    [ -z "$PG_USER" ] || chown -R -h "$PG_USER:$PG_GROUP" "$1"
}

pg_init()
{
    local dir=$1
    shift
    mkdir -p "$dir/socket"
    pg_own "$dir"
    pg_run initdb -D "$(realpath "$dir")/data" -U postgres -A trust -k --no-sync --no-locale -E UTF8 \
        "$@" >"$dir/initdb.log" 2>&1 || fail "initdb: $(cat "$dir/initdb.log")"
    pg_configure "$dir"
}

# pg_configure DIR: what makes a cluster (a new one, or one restored to DIR/data) a test's own.
pg_configure()
{
    local dir
    dir=$(realpath "$1")
    mkdir -p "$dir/socket"
    cat >>"$dir/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$dir/socket'
port = 5432
fsync = off
max_wal_senders = 10
max_replication_slots = 10
shared_buffers = 32MB
max_connections = 40
autovacuum = off
log_min_messages = warning
timezone = 'UTC'
END
    pg_own "$dir/socket"
    pg_own "$dir/data/postgresql.conf"
}

pg_set()
{
    echo "$2" >>"$1/data/postgresql.conf"
}

# pg_answers DIR: ... a whole path.
pg_answers()
{
    "$PG_BIN/pg_isready" -q -h "$1/socket" -t 1 >/dev/null
}

# In this test's group of processes, so that it cannot outlive the test.
pg_start()
{
    local dir pid
    dir=$(realpath "$1")
    (cd / && pg_as "$PG_BIN/postgres" -D "$dir/data" >>"$WORK/$(basename "$dir").log" 2>&1) &
    PG_RUNNING+=("$dir")
    pid=$!
    for ((i = 0; i < 600; i++)); do
        pg_answers "$dir" && return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    fail "the server in $dir does not start: $(tail -n 20 "$WORK/$(basename "$dir").log")"
}

pg_stop()
{
    pg_run pg_ctl -D "$(realpath "$1")/data" -w -t 60 -s -m "${2:-fast}" stop ||
        fail "the server in $1 does not stop"
}

pg_kill()
{
    local pid
    pid=$(head -n 1 "$1/data/postmaster.pid")
    kill -KILL "$pid"
    wait_for 20 pg_gone "$pid"
    # Its children notice; as long as one is attached to the shared memory no server can start here.
    wait_for 20 pg_no_children "$(realpath "$1")/data"
}

pg_no_children()
{
    ! find /proc -maxdepth 2 -name cwd -lname "$1" 2>/dev/null | grep -q .
}

# pg_psql DIR OPTION...: psql as superuser in database 'postgres', with bare rows.  No process but itself:
# tests ask by it until something is so.
pg_psql()
{
    local dir=$1
    shift
    [ "${dir#/}" != "$dir" ] || dir=$PWD/$dir
    "$PG_BIN/psql" -qAtX -v ON_ERROR_STOP=1 -h "$dir/socket" -U postgres -d postgres "$@"
}

pg_sql()
{
    local dir=$1 statement arguments=()
    shift
    for statement in "$@"; do arguments+=(-c "$statement"); done
    pg_psql "$dir" "${arguments[@]}"
}

pg_url()
{
    local path
    path=$(realpath "$1")/socket
    echo "postgres://${2:-backup}@${path//\//%2F}/"
}

pg_shop()
{
    pg_sql "$1" "create role backup login replication"
    pg_psql "$1" -f "$VARVE_SOURCE/examples/shop/schema.sql"
}

pg_load()
{
    local dir=$1 list=$2
    shift 2
    python3 "$VARVE_SOURCE/examples/shop/load.py" --list "$list" --rate "${PG_LOAD_RATE:-120}" "$@" "$(pg_url "$dir" postgres)postgres" &
    PG_LOAD=$!
}

pg_load_stop()
{
    kill -TERM "$PG_LOAD" 2>/dev/null || true
    wait "$PG_LOAD" || true
    PG_LOAD=
}

pg_check_shop()
{
    local dir=$1 list=$2 until=${3:-99999999999} rows
    awk -v until="$until" '$3 < until {print $1 " " $2}' "$list" | LC_ALL=C sort >"$WORK/orders-want"
    pg_sql "$dir" "copy (select number || ' ' || cents from orders) to stdout" |
        LC_ALL=C sort >"$WORK/orders-got"
    rows=$(LC_ALL=C comm -23 "$WORK/orders-want" "$WORK/orders-got")
    [ -z "$rows" ] || fail "orders that were acknowledged are lost: $(echo "$rows" | head -n 5)"
    rows=$(pg_psql "$dir" -f "$VARVE_SOURCE/examples/shop/check.sql")
    [ -z "$rows" ] || fail "the shop's questions have answers: $rows"
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow memory
# varve wal receive: server and receiver are killed at random moments under load, and what was acknowledged
# comes back; idle, nothing is published; the journal holds what the repository cannot take.
. "$E2E/postgres.sh"
. "$E2E/wal.sh"
pg_need
need_command python3
# tests/acceptance/wal-kills.sh: more rounds, and 2 s, which a busy machine may not keep.
ROUNDS=${WAL_ROUNDS:-5}
MARGIN=${WAL_MARGIN:-4} # s: what was acknowledged longer ago than that at a kill is in the repository

new_repo
wal_export
pg_init "$WORK/one" --wal-segsize=1
pg_start "$WORK/one"
pg_shop "$WORK/one"
URL=$(pg_url "$WORK/one")

# A slot without bound may fill the server's disk.
assert_exit 1 varve wal receive --once "$URL" >/dev/null 2>"$WORK/err"
assert_grep 'max_slot_wal_keep_size' "$WORK/err"
assert_eq "$(pg_sql "$WORK/one" "select count(*) from pg_replication_slots")" 0 "slots"
assert_exit 2 varve wal receive "postgres://u:secret@host/" >/dev/null 2>"$WORK/err"
refute_grep secret "$WORK/err"
pg_sql "$WORK/one" "alter system set max_slot_wal_keep_size = '1GB'" "select pg_reload_conf()" >/dev/null
assert_exit 0 varve wal receive --once "$URL" >"$WORK/out"
assert_grep 'received up to 0/.* on timeline 1' "$WORK/out"
wal_base "$WORK/one" "$WORK/base"

# --- idle: nothing is published
wal_start "$URL"
sleep 2
before=$(wal_count)
sleep 4
assert_eq "$(wal_count)" "$before" "publications of an idle server"

# --- under load: about one a second
pg_load "$WORK/one" "$WORK/orders" --clients 4
sleep 6
pg_load_stop
sleep 2
after=$(wal_count)
assert_ge $((after - before)) 3 "publications under load"
assert_le $((after - before)) 9 "publications under load"
assert_exit 0 varve wal list >"$WORK/list"
wal_newest "$WORK/base" "$WORK/restored"
pg_check_shop "$WORK/restored" "$WORK/orders"
wal_discard "$WORK/restored"

# --- kills
first=1000000
for ((round = 1; round <= ROUNDS; round++)); do
    rm -f "$WORK/orders"
    pg_load "$WORK/one" "$WORK/orders" --clients 4 --first $((first * round))
    sleep "$(python3 -c 'import random; print(random.uniform(2.2, 4) - 2 + '"$MARGIN"')')"
    killed=$(python3 -c 'import time; print(time.time())')
    case $((round % 3)) in
    0) pg_kill "$WORK/one" ;;
    1) wal_kill && pg_kill "$WORK/one" ;;
    2) wal_kill ;;
    esac
    pg_load_stop
    case $((round % 3)) in
    0) sleep 3 ;; # the receiver publishes what it has
    *) ;;
    esac
    wal_newest "$WORK/base" "$WORK/restored"
    pg_check_shop "$WORK/restored" "$WORK/orders" "$(python3 -c "print($killed - $MARGIN)")"
    wal_discard "$WORK/restored"
    pg_gone "$(head -n 1 "$WORK/one/data/postmaster.pid")" && pg_start "$WORK/one"
    kill -0 "$WAL_PID" 2>/dev/null || wal_start "$URL"
    wait_for 30 wal_connected "$WORK/one" || fail "the receiver does not come back"
    # Now and then a new base, as at night: recovery would take longer with every round.
    if [ $((round % 8)) -eq 0 ]; then
        rm -r "$WORK/base"
        wal_base "$WORK/one" "$WORK/base"
    fi
done
wal_stop
assert_exit 0 varve wal receive --once "$URL" >/dev/null
assert_exit 0 varve wal list >/dev/null
wal_newest "$WORK/base" "$WORK/restored"
pg_check_shop "$WORK/restored" "$WORK/orders"
wal_discard "$WORK/restored"

# --- synchronous: what was told as committed is here, whatever dies
pg_sql "$WORK/one" "alter system set synchronous_standby_names = 'varve'" "select pg_reload_conf()" >/dev/null
wal_start "$URL"
wait_for 30 wal_connected "$WORK/one" || fail "the receiver does not connect"
rm -f "$WORK/orders"
pg_load "$WORK/one" "$WORK/orders" --clients 4 --first $((first * 100))
sleep 3
wal_kill && pg_kill "$WORK/one"
pg_load_stop
assert_ge "$(wc -l <"$WORK/orders")" 20 "orders placed"
# The server is gone: the journal goes into the repository all the same.
assert_exit 13 varve wal receive --once "$URL" >/dev/null
wal_newest "$WORK/base" "$WORK/restored"
pg_check_shop "$WORK/restored" "$WORK/orders"
wal_discard "$WORK/restored"
pg_start "$WORK/one"

# --- the repository is away: the journal grows, and is published when it is back
wal_start "$URL"
wait_for 30 wal_connected "$WORK/one" || fail "the receiver does not connect"
rm -f "$WORK/orders"
mv "$WORK/repo" "$WORK/away"
pg_load "$WORK/one" "$WORK/orders" --clients 4 --first $((first * 101))
sleep 2
# ... also if it is started only then, but not where it never was: it says what it lacks.
wal_kill
wal_start "$URL"
wait_for 60 wal_connected "$WORK/one" || fail "the receiver does not start while the repository is away"
assert_grep 'opened on this host before' "$WORK/receiver.log"
VARVE_STATE_DIR=$WORK/never assert_exit 10 varve wal receive --once "$URL" >/dev/null 2>"$WORK/err"
placed=$(wc -l <"$WORK/orders")
more() { [ "$(wc -l <"$WORK/orders")" -gt $((placed + 20)) ]; }
wait_for 60 more
wait_for 60 grep -q 'WAL stays in the journal' "$WORK/receiver.log"
pg_load_stop
before=$(cat "$WORK"/state/*/wal-*-varve/position) # up to where all is published
published() { [ "$(cat "$WORK"/state/*/wal-*-varve/position)" != "$before" ]; }
mv "$WORK/away" "$WORK/repo"
wait_for 120 published
wal_stop
assert_exit 0 varve wal receive --once "$URL" >/dev/null
wal_newest "$WORK/base" "$WORK/restored"
pg_check_shop "$WORK/restored" "$WORK/orders"
wal_discard "$WORK/restored"

# --- a full disk under the journal: nothing more is acknowledged, nothing is dropped, and when the
# repository is back it goes on.
if [ "$EUID" = 0 ] && mkdir "$WORK/small" && mount -t tmpfs -o size=5m tmpfs "$WORK/small" 2>/dev/null; then
    export VARVE_STATE_DIR=$WORK/small
    assert_exit 0 varve wal receive --once --slot small "$URL" >/dev/null
    rm -f "$WORK/orders" "$WORK/receiver.log"
    mv "$WORK/repo" "$WORK/away" # before: who has it open would publish into it wherever it is
    wal_start "$URL" --slot small
    wait_for 60 wal_connected "$WORK/one"
    pg_load "$WORK/one" "$WORK/orders" --clients 4 --first $((first * 102))
    wait_for 60 grep -q 'WAL stays in the journal' "$WORK/receiver.log"
    # A transaction of its own fills the disk; synchronous_standby_names holds back what is not here.
    pg_sql "$WORK/one" "set synchronous_commit = off" \
        "create table much as select generate_series(1, 300000) n" >/dev/null
    wait_for 120 grep -q 'no more WAL is taken from the server' "$WORK/receiver.log"
    # What reached the journal before is still told; then there is silence.
    silent() { placed=$(wc -l <"$WORK/orders") && sleep 3 && [ "$(wc -l <"$WORK/orders")" = "$placed" ]; }
    wait_for 60 silent || fail "orders are told as committed while the disk is full"
    mv "$WORK/away" "$WORK/repo"
    wait_for 120 more
    pg_load_stop
    wal_stop
    assert_exit 0 varve wal receive --once --slot small "$URL" >/dev/null
    unset VARVE_STATE_DIR
    umount "$WORK/small"
    pg_sql "$WORK/one" "set synchronous_commit = off" "drop table much" "select pg_drop_replication_slot('small')" >/dev/null
    wal_newest "$WORK/base" "$WORK/restored"
    pg_check_shop "$WORK/restored" "$WORK/orders"
    wal_discard "$WORK/restored"
    assert_exit 0 varve wal receive --once "$URL" >/dev/null
fi

# --- retention: pieces go, one publication a finished segment stays (and at most one piece)
assert_exit 0 varve --json wal list >"$WORK/list.json"
assert_exit 0 varve forget --keep-last 1 --grace 0 >/dev/null
assert_exit 0 varve --json wal list >"$WORK/list2.json"
python3 - "$WORK/list.json" "$WORK/list2.json" <<'END'
import json, sys
a, b = (json.load(open(p)) for p in sys.argv[1:])
assert not a["gaps"] and not b["gaps"]
assert [(w["from"], w["to"]) for w in a["wal"]] == [(w["from"], w["to"]) for w in b["wal"]]
w = b["wal"][0]
assert w["publications"] <= w["bytes"] // w["segment_size"] + 1, (w, a["wal"][0])
assert a["wal"][0]["publications"] > w["publications"]
END
wal_newest "$WORK/base" "$WORK/restored"
pg_check_shop "$WORK/restored" "$WORK/orders"

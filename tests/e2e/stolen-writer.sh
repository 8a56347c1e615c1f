# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests about a stolen backup host: a repository with older packs, a writer's backup stopped in the
# middle with its memory dumped.  Sourced after lib.sh; works in the current directory.

# feed MIB: that much text on standard output, half compressible, each time another.
feed()
{
    python3 -c 'import random, sys
r = random.Random()
for _ in range(int(sys.argv[1])):
    sys.stdout.write(r.randbytes(1 << 19).hex())' "$1"
}

# make_older_blocks: packs of an administrator, of the writer itself and of another one, in two epochs.
# Leaves web.key and old-packs.
make_older_blocks()
{
    make_tree source
    new_repo
    assert_exit 0 varve -q backup source
    assert_exit 0 varve key add --role writer --name web --new-key-file web.key >/dev/null
    assert_exit 0 varve key add --role writer --name mail --new-key-file mail.key >/dev/null
    assert_exit 0 varve key add --role reader --name drill --new-key-file drill.key >/dev/null
    random_file source/web-only 200000 11
    assert_exit 0 as_thief varve -q backup source
    assert_exit 0 varve key rotate >/dev/null
    random_file source/web-later 200000 12
    assert_exit 0 as_thief varve -q backup source
    random_file source/mail-only 200000 13
    VARVE_KEY_FILE=mail.key VARVE_STATE_DIR=$WORK/mail/state VARVE_CACHE_DIR=$WORK/mail/cache \
        assert_exit 0 varve -q backup source
    rm source/mail-only
    find "$VARVE_REPO/packs" -type f -printf '%f\n' >old-packs
}

# as_thief COMMAND...: as the backup host that will be stolen.
as_thief()
{
    VARVE_KEY_FILE=web.key VARVE_STATE_DIR=$WORK/web/state VARVE_CACHE_DIR=$WORK/web/cache "$@"
}

# dump_running MEMORY [VARIABLE=VALUE]...: run a backup with that environment, stop it when it has
# published a pack and is in the middle of its work, copy all its memory, and let it end.
dump_running()
{
    local memory=$1 pid
    shift
    find "$VARVE_REPO/packs" -type f -printf '%f\n' | sort >before-run
    rm -f feed
    mkfifo feed
    env "$@" varve -q backup --threads 1 --stdin feed source <feed &
    pid=$!
    exec 9>feed
    feed 14 >&9
    wait_for 20 new_pack
    kill -STOP "$pid"
    wait_for 10 grep -q '^State:.T' "/proc/$pid/status"
    assert_ge "$(python3 "$VARVE_SOURCE/tests/tools/dump-memory.py" "$pid" "$memory")" 1000000 "bytes dumped"
    kill -CONT "$pid"
    exec 9>&-
    wait "$pid" || fail "the backup ends with $?"
}
new_pack()
{
    find "$VARVE_REPO/packs" -type f -printf '%f\n' | sort | comm -13 before-run - | grep -q .
}

#!/bin/bash
# replicate-restic.sh TREE [DELAY-MS [ROUNDS]] (0, 1): the first replication of a repository of TREE
# over SFTP, and a restore from the replica, against restic's backup straight to SFTP and its
# restore, over loopback (DELAY 0) or a line with DELAY ms each way (50: a round trip of 100 ms);
# repositories and targets on tmpfs, default encryption and compression (restic: max 0.14 has none
# before `--repository-version 2`), key file or password from a file on both sides.  Bytes that went
# over the line beside it.  On loopback varve is never slower; at a delay it takes at most half the
# time, each way, medians of the rounds.  What varve's local backup takes is told, and counted as
# well in a line of its own.
# shellcheck source=tests/acceptance/sftp-common.sh
. "$(dirname "$0")/sftp-common.sh"
[ $# -ge 1 ] || fail "usage: replicate-restic.sh TREE [DELAY-MS [ROUNDS]]"
tree=$(realpath "$1") delay=${2:-0} rounds=${3:-1}
command -v restic >/dev/null || fail "restic is not installed"
start_sshd
start_proxy "$delay" # with 0 too: it counts bytes
repo=$SITE/repo
echo secret >"$SITE/password"
export RESTIC_PASSWORD_FILE=$SITE/password RESTIC_CACHE_DIR=$SITE/restic-cache
unset RESTIC_PASSWORD RESTIC_REPOSITORY
words=$(ssh_words "$SLOW_PORT")
restic_there() { restic -q -r "sftp:$(id -un)@127.0.0.1:$SITE/restic" -o "sftp.command=ssh $words $(id -un)@127.0.0.1 -s sftp" "$@"; }
options=(--ssh-identity "$KEY" --known-hosts "$KNOWN_HOSTS")
there=$(url "$SLOW_PORT" "$SITE/replica")

passed_before=0
# line_bytes: MiB that passed since the last time.
line_bytes() {
    local passed
    kill -USR1 "$PROXY_OUT_PID"
    read -r _ passed _ <&"${PROXY_OUT[0]}"
    mib=$(((passed - passed_before) >> 20))
    passed_before=$passed
}
note() { # FILE SECONDS
    line_bytes
    echo "$2" >>"$WORK/$1"
    say "round $round $1: $2 s, $mib MiB over the line"
}
local_backup() {
    new_repository "$repo"
    "$VARVE" -r "$repo" backup --quiet "$tree"
}
ours_restore() {
    # a rescue machine: no state, no cache, no source
    VARVE_STATE_DIR=$SITE/rescue VARVE_CACHE_DIR=$SITE/rescue "$VARVE" "${options[@]}" -r "$there" restore --quiet --no-verify "latest:$tree" --target "$SITE/out"
}
for round in $(seq "$rounds"); do
    rm -rf "$SITE/restic" "$SITE/restic-cache" "$SITE/replica" "$SITE/out" "$SITE/rescue"
    restic_there init >/dev/null
    line_bytes
    note restic-backup "$(seconds restic_there backup "$tree")"
    rm -rf "$SITE/restic-cache"
    note restic-restore "$(seconds restic_there restore latest --target "$SITE/out")"
    rm -rf "$SITE/out"
    echo "$(seconds local_backup)" >>"$WORK/local-backup"
    say "round $round varve's local backup: $(tail -n 1 "$WORK/local-backup") s"
    note varve-replicate "$(seconds "$VARVE" "${options[@]}" -r "$repo" replicate --quiet --verify-share none --to "$there")"
    note varve-restore "$(seconds ours_restore)"
    [ "$round" != 1 ] || diff -r --no-dereference "$tree" "$SITE/out" || fail "the restored tree differs"
done
middle() { median <"$WORK/$1"; }
limit=1
[ "$delay" = 0 ] || limit=0.5
bad=0
compare() { # WHAT OURS THEIRS
    local ratio
    ratio=$(awk -v a="$2" -v b="$3" 'BEGIN { printf "%.2f", a / b }')
    if awk -v a="$ratio" -v b="$limit" 'BEGIN { exit !(a <= b) }'; then
        say "pass: $1: $2 s against $3 s, $ratio times (at most $limit)"
    else
        say "FAIL: $1: $2 s against $3 s, $ratio times (at most $limit)"
        bad=1
    fi
}
compare "first replication against restic backup" "$(middle varve-replicate)" "$(middle restic-backup)"
compare "restore from the replica against restic restore" "$(middle varve-restore)" "$(middle restic-restore)"
awk -v a="$(middle local-backup)" -v b="$(middle varve-replicate)" -v c="$(middle restic-backup)" \
    'BEGIN { printf "local backup and first replication together: %.1f s, %.2f times restic\n", a + b, (a + b) / c }' >&2
rm -rf "$WORK"
exit "$bad"

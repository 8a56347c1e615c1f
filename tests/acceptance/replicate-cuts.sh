#!/bin/bash
# replicate-cuts.sh [CUTS [SIZE-MIB [SEED]]] (500, 512, 1): replications of a repository of SIZE MiB in
# eight snapshots over a line that is cut after random numbers of bytes between 0 and 64 MiB, again
# and again to a fresh place until there were CUTS cuts; in between the client and the server's
# processes are killed at random moments, 50 times each, and the client begun again.  All the while
# the replica, as it lies there, is opened and verified: at no moment may that fail.  At the end it
# verifies with all data and restores; and not more than one pack for each cut or kill and channel
# was sent again.
# shellcheck source=tests/acceptance/sftp-common.sh
. "$(dirname "$0")/sftp-common.sh"
cuts=${1:-500} size=${2:-512} seed=${3:-1}
kills=$((cuts / 10)) # of each side
RANDOM=$seed
start_sshd
start_proxy 0 $((64 << 20)) "$seed"
repo=$SITE/repo replica=$SITE/replica
new_repository "$repo"
mkdir "$SITE/tree"
for i in 1 2 3 4 5 6 7 8; do
    head -c $((size * 131072)) /dev/urandom >"$SITE/tree/$i"
    "$VARVE" -r "$repo" backup --quiet "$SITE/tree"
done
options=(--ssh-identity "$KEY" --known-hosts "$KNOWN_HOSTS")

# The checker: whatever of the replica is visible is complete.  Before `config` is there it is no
# repository (10).  Its state and cache are its own.
checker() {
    local code before n=0
    export VARVE_STATE_DIR=$SITE/checker VARVE_CACHE_DIR=$SITE/checker
    while [ ! -e "$SITE/stop" ]; do
        sleep 0.1
        before=$(cat "$SITE/wiped")
        [ -e "$replica/config" ] || continue
        code=0
        "$VARVE" -r "$replica" verify >"$SITE/checked" 2>&1 || code=$?
        # unless it was wiped under the checker's hands
        if [ "$code" != 0 ] && [ "$(cat "$SITE/wiped")" = "$before" ]; then
            { echo "exit $code"; cat "$SITE/checked"; } >>"$SITE/check-failed"
        fi
        n=$((n + 1))
        echo "$n" >"$SITE/checks"
    done
}
echo 0 >"$SITE/wiped"
checker &
children+=($!)

# asked: bytes passed and cuts so far, from the proxy.
asked() {
    kill -USR1 "$PROXY_OUT_PID"
    read -r _ passed _ cut _ <&"${PROXY_OUT[0]}"
}
passed=0 cut=0 rounds=0 restarts=0 sent_again=0 killed_client=0 killed_server=0 before=0
bytes=$(find "$repo/packs" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')
while [ "$cut" -lt "$cuts" ]; do
    rounds=$((rounds + 1))
    echo "$rounds begins" >"$SITE/wiped"
    rm -rf "$replica"
    echo "$rounds" >"$SITE/wiped"
    while :; do
        "$VARVE" "${options[@]}" -r "$repo" replicate --quiet --verify-share none \
            --to "$(url "$SLOW_PORT" "$replica")" >"$SITE/run" 2>&1 &
        client=$!
        if [ $((killed_client + killed_server)) -lt $((2 * kills)) ]; then
            sleep "0.$((RANDOM % 9 + 1))"
            if [ $((RANDOM % 2)) = 0 ] && [ "$killed_client" -lt "$kills" ]; then
                if kill -KILL "$client" 2>/dev/null; then killed_client=$((killed_client + 1)); fi
            else
                # sessions of our sshd only
                for pid in $(ps -o pid= --ppid "${children[0]}"); do
                    kill -KILL "$pid" 2>/dev/null && killed_server=$((killed_server + 1))
                done
            fi
        fi
        code=0
        wait "$client" 2>/dev/null || code=$?
        case $code in
        0) break ;;
        137) restarts=$((restarts + 1)) ;;
        13) restarts=$((restarts + 1)) ;; # the server was gone before a first connection
        *)
            cat "$SITE/run" >&2
            fail "replicate: exit $code"
            ;;
        esac
    done
    asked
    sent_again=$((sent_again + passed - before - bytes))
    before=$passed
    "$VARVE" -r "$replica" verify --data --quiet >/dev/null || fail "the replica of round $rounds does not verify"
    say "round $rounds: $cut cuts, $killed_client clients and $killed_server sessions killed, $restarts restarts, $(cat "$SITE/checks") checks"
done
touch "$SITE/stop"
"$VARVE" -r "$replica" restore "latest:$SITE/tree" --target "$SITE/out" --quiet >/dev/null
diff -r "$SITE/tree" "$SITE/out"
bad=0
if [ -s "$SITE/check-failed" ]; then
    cat "$SITE/check-failed" >&2
    say "FAIL: at some moment the replica did not open or verify"
    bad=1
else
    say "pass: $(cat "$SITE/checks") times the replica opened and verified meanwhile"
fi
# 32 MiB and a little more is a pack; 8 channels at most, but cuts come before more than a few open
events=$((cut + killed_client + killed_server))
per=$((sent_again / events))
if [ "$per" -le $((33 << 20)) ]; then
    say "pass: $((per >> 10)) KiB sent again for each of $events cuts and kills (at most a pack)"
else
    say "FAIL: $((per >> 10)) KiB sent again for each of $events cuts and kills (at most a pack)"
    bad=1
fi
say "$rounds replications, $cut cuts"
rm -rf "$WORK"
exit "$bad"

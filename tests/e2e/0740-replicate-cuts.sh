# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A line that is cut 25 times at random moments, and a client and a server that are killed: the
# replication completes, and the replica is at every moment one that opens and verifies.
# labels: slow
need_command sshd ssh
unset SSH_AUTH_SOCK
proxy=$(dirname "$VARVE")/tests/bench/delay_proxy
[ -x "$proxy" ] || skip "needs '$proxy'"
start_sshd plain
sshd=$SSHD_PID
seed=$RANDOM
echo "seed $seed"
"$proxy" 0 "$SSHD_PORT" 0 $((16 << 20)) "$seed" >proxy.out &
proxy_pid=$!
wait_for 10 grep -q port proxy.out
port=$(cut -d' ' -f2 proxy.out)
printf '[127.0.0.1]:%s %s\n' "$port" "$(cut -d' ' -f1,2 "$WORK/sshd/host.pub")" >>"$VARVE_SSH_KNOWN_HOSTS"
url=sftp://$(id -un)@127.0.0.1:$port

new_repo
for i in 1 2 3 4 5 6 7 8; do
    mkdir -p source
    random_file "source/$i" 2500000 "$i"
    assert_exit 0 varve -q backup source
done

round=0
echo "$round" >"$WORK/round"
# Whatever of the replica is visible is complete, at any moment; an older one does not change any more.
(
    export VARVE_STATE_DIR=$WORK/checker VARVE_CACHE_DIR=$WORK/checker
    while [ ! -e "$WORK/stop" ]; do
        sleep 0.5
        replica=$WORK/replica-$(<"$WORK/round")
        [ -e "$replica/config" ] || continue # it is being made
        code=0
        varve -r "$replica" verify >"$WORK/checked" 2>&1 || code=$?
        if [ "$code" != 0 ]; then
            { echo "$replica: exit $code"; cat "$WORK/checked"; } >>"$WORK/check-failed"
        fi
        echo >>"$WORK/checks"
    done
) &
checker=$!

cuts_so_far()
{
    local lines
    lines=$(wc -l <proxy.out)
    kill -USR1 "$proxy_pid"
    wait_for 10 test "$(wc -l <proxy.out)" -gt 0
    until [ "$(wc -l <proxy.out)" -gt "$lines" ]; do sleep 0.02; done
    cuts=$(tail -n 1 proxy.out | cut -d' ' -f4)
}
cuts=0
while [ "$cuts" -lt 25 ]; do
    round=$((round + 1))
    echo "$round" >"$WORK/round"
    # The first run loses its client, then one the server's sessions.
    varve -q replicate --to "$url$WORK/replica-$round" --verify-share none >/dev/null 2>run.err &
    client=$!
    sleep 0.3
    if [ "$round" = 1 ]; then
        kill -KILL "$client" 2>/dev/null || true
    else
        for pid in $(ps -o pid= --ppid "$sshd"); do kill -KILL "$pid" 2>/dev/null || true; done
    fi
    code=0
    wait "$client" 2>/dev/null || code=$?
    if [ "$code" != 0 ]; then
        [ "$code" = 137 ] || [ "$code" = 13 ] || { cat run.err >&2; fail "replicate: exit $code"; }
        assert_exit 0 varve -q replicate --to "$url$WORK/replica-$round" --verify-share none
    fi
    cuts_so_far
done
touch "$WORK/stop"
wait "$checker"
if [ -s "$WORK/check-failed" ]; then
    cat "$WORK/check-failed" >&2
    fail "the replica was not whole at some moment"
fi
assert_ge "$(wc -l <"$WORK/checks")" 5 "checks"
for replica in "$WORK"/replica-*; do
    assert_exit 0 varve -r "$replica" verify --data >/dev/null
    rm -rf out
    assert_exit 0 varve -r "$replica" -q restore "latest:$PWD/source" --target out >/dev/null
    diff -r source out
done
kill -TERM "$proxy_pid"

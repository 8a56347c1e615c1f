#!/bin/bash
# One file of SIZE MiB up and down by `sftp put -f` and `get`, and a repository of as much by
# `replicate --to` and `--from`, interleaved, same server and cipher; both transports.  With a third
# argument through a line with that many ms of delay each way.
# shellcheck source=tests/acceptance/sftp-common.sh
. "$(dirname "$0")/sftp-common.sh"
size=${1:-1024} rounds=${2:-3} delay=${3:-0}
start_sshd
port=$PORT
if [ "$delay" != 0 ]; then
    start_proxy "$delay"
    port=$SLOW_PORT
fi
cipher=aes128-gcm@openssh.com
mkdir "$SITE/tree"
for i in $(seq 8); do head -c $((size * 131072)) /dev/urandom >"$SITE/tree/$i"; done
cat "$SITE"/tree/* >"$SITE/file"
repo=$SITE/repo
new_repository "$repo"
"$VARVE" -r "$repo" backup --quiet "$SITE/tree"
rm -rf "$SITE/tree"
options=(--ssh-identity "$KEY" --known-hosts "$KNOWN_HOSTS")
rate() { awk -v s="$1" -v m="$size" 'BEGIN { printf "%.0f", m / s }'; }
# shellcheck disable=SC2046 # words are wanted
their() { sftp -q $(ssh_words "$port" | sed 's/-p /-P /') -c "$cipher" -b - "$(id -un)@127.0.0.1" <<<"$1"; }
for round in $(seq "$rounds"); do
    if [ "$delay" = 0 ] || [ "$round" = 1 ]; then
        up=$(seconds their "put -f $SITE/file $SITE/copy")
        rm -f "$SITE/back"
        down=$(seconds their "get $SITE/copy $SITE/back")
        rm -f "$SITE/back" "$SITE/copy"
        say "round $round sftp: up $(rate "$up") MiB/s, down $(rate "$down") MiB/s"
    fi
    for transport in ssh libssh2; do
        our_up=$(seconds "$VARVE" "${options[@]}" --ssh-transport "$transport" -r "$repo" replicate --quiet --verify-share none --to "$(url "$port" "$SITE/replica")")
        our_down=$(seconds "$VARVE" "${options[@]}" --ssh-transport "$transport" -r "$SITE/third" replicate --quiet --verify-share none --from "$(url "$port" "$SITE/replica")")
        rm -rf "$SITE/replica" "$SITE/third"
        say "round $round $transport: up $(rate "$our_up") MiB/s, down $(rate "$our_down") MiB/s"
        awk -v a="$up" -v b="$our_up" 'BEGIN { printf "%.3f\n", a / b }' >>"$WORK/$transport-up"
        awk -v a="$down" -v b="$our_down" 'BEGIN { printf "%.3f\n", a / b }' >>"$WORK/$transport-down"
    done
done
for transport in ssh libssh2; do
    say "$transport, times as fast as sftp: up $(median <"$WORK/$transport-up"), down $(median <"$WORK/$transport-down")"
done
rm -rf "$WORK"

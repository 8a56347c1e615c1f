#!/bin/bash
# sftp-throughput.sh [SIZE-MIB [ROUNDS [DELAY-MS]]] (1024, 3, 0): SIZE MiB in packs of 32 MiB up and
# down through the SFTP storage, files on tmpfs on both sides, connecting included.
#
# DELAY 0, loopback: interleaved with `sftp put -f` and `get` of one file of that size, same server
# and cipher: with the ssh transport at least 0.8 times as fast, medians of the rounds' ratios;
# libssh2's figures beside it.  Else through a line with DELAY ms each way (50: a round trip of
# 100 ms): with the channels the driver chooses at least 60 MiB/s up, with four 50, down 50, 256
# objects of 1 MiB 40 up, medians.  Beside it what `replicate` takes for a repository as large.
# shellcheck source=tests/acceptance/sftp-common.sh
. "$(dirname "$0")/sftp-common.sh"
size=${1:-1024} rounds=${2:-3} delay=${3:-0}
bench=$(dirname "$VARVE")/tests/bench/bench_storage
[ -x "$bench" ] || fail "'$bench' is missing: ninja bench"
start_sshd
port=$PORT
if [ "$delay" != 0 ]; then
    start_proxy "$delay"
    port=$SLOW_PORT
fi
cipher=aes128-gcm@openssh.com
options=(--ssh-identity "$KEY" --known-hosts "$KNOWN_HOSTS")
rate() { awk -v s="$1" -v m="$size" 'BEGIN { printf "%.1f", m / s }'; }
# shellcheck disable=SC2046 # words are wanted
their() { sftp -q $(ssh_words "$port" | sed 's/-p /-P /') -c "$cipher" -b - "$(id -un)@127.0.0.1" <<<"$1"; }

# ours NAME COUNT KIB THREADS [OPTION...]: note the rates as NAME-up and NAME-down.
ours() {
    local name=$1 line
    shift
    line=$("$bench" "$(url "$port" "$SITE/storage")" "$@" "identity=$KEY" "known-hosts=$KNOWN_HOSTS")
    rm -rf "$SITE/storage"
    say "round $round $name: $line"
    awk '{ print $2 }' <<<"$line" >>"$WORK/$name-up"
    awk '{ print $5 }' <<<"$line" >>"$WORK/$name-down"
}
# last NAME, middle NAME: of the figures noted.
last() { tail -n 1 "$WORK/$1"; }
middle() { median <"$WORK/$1"; }
# at_least WHAT GOT WANTED
bad=0
at_least() {
    if awk -v a="$2" -v b="$3" 'BEGIN { exit !(a >= b) }'; then
        say "pass: $1: $2 (at least $3)"
    else
        say "FAIL: $1: $2 (at least $3)"
        bad=1
    fi
}

head -c "${size}M" /dev/urandom >"$SITE/file"
for round in $(seq "$rounds"); do
    if [ "$delay" = 0 ] || [ "$round" = 1 ]; then
        rate "$(seconds their "put -f $SITE/file $SITE/copy")" >>"$WORK/sftp-up"
        echo >>"$WORK/sftp-up"
        rate "$(seconds their "get $SITE/copy $SITE/back")" >>"$WORK/sftp-down"
        echo >>"$WORK/sftp-down"
        rm -f "$SITE/back" "$SITE/copy"
        say "round $round sftp: up $(last sftp-up) MiB/s  down $(last sftp-down) MiB/s"
    fi
    for transport in ssh libssh2; do
        ours "$transport" $((size / 32)) 32768 8 "transport=$transport"
        if [ "$delay" = 0 ]; then
            for way in up down; do
                awk -v a="$(last "$transport-$way")" -v b="$(last "sftp-$way")" \
                    'BEGIN { printf "%.3f\n", a / b }' >>"$WORK/$transport-$way-ratio"
            done
        else
            ours "$transport-4" $((size / 32)) 32768 8 "transport=$transport" channels=4
            ours "$transport-small" 256 1024 64 "transport=$transport"
        fi
    done
done

# The same through `replicate`, once: making the replica, its session, index and final listing too.
mkdir "$SITE/tree"
mv "$SITE/file" "$SITE/tree/file"
new_repository "$SITE/repo"
"$VARVE" -r "$SITE/repo" backup --quiet "$SITE/tree"
rm -rf "$SITE/tree"
for transport in ssh libssh2; do
    up=$(seconds "$VARVE" "${options[@]}" --ssh-transport "$transport" -r "$SITE/repo" replicate --quiet --verify-share none --to "$(url "$port" "$SITE/replica")")
    down=$(seconds "$VARVE" "${options[@]}" --ssh-transport "$transport" -r "$SITE/third" replicate --quiet --verify-share none --from "$(url "$port" "$SITE/replica")")
    rm -rf "$SITE/replica" "$SITE/third"
    say "replicate, $transport: up $(rate "$up") MiB/s  down $(rate "$down") MiB/s"
done

if [ "$delay" = 0 ]; then
    say "libssh2, times as fast as sftp: up $(middle libssh2-up-ratio), down $(middle libssh2-down-ratio)"
    at_least "ssh transport up, times as fast as sftp put" "$(middle ssh-up-ratio)" 0.8
    at_least "ssh transport down, times as fast as sftp get" "$(middle ssh-down-ratio)" 0.8
else
    # libssh2 is what `auto` takes; the ssh command has the smaller window downwards
    for transport in libssh2 ssh; do
        at_least "$transport up, channels as chosen, MiB/s" "$(middle "$transport-up")" 60
        at_least "$transport up, four channels, MiB/s" "$(middle "$transport-4-up")" 50
        at_least "$transport down, MiB/s" "$(middle "$transport-down")" 50
        at_least "$transport up, 256 objects of 1 MiB, MiB/s" "$(middle "$transport-small-up")" 40
    done
fi
rm -rf "$WORK"
exit "$bad"

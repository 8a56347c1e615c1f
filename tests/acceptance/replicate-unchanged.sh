#!/bin/bash
# replicate-unchanged.sh [PACKS [DELAY-MS]] (1000, 50): a replication with nothing to do of a
# repository of PACKS packs through a line with DELAY ms each way (50: a round trip of 100 ms): at
# most 3 s, connecting included, the median of five; at most 40 round trips one after the other, by
# sftp-round-trips.py; and a pack cut short at the site is named by such a run.
# shellcheck source=tests/acceptance/sftp-common.sh
. "$(dirname "$0")/sftp-common.sh"
packs=${1:-1000} delay=${2:-50}
start_sshd
start_proxy "$delay"
repo=$SITE/repo
new_repository "$repo"
mkdir "$SITE/tree"
count() { find "$1/packs" -type f | wc -l; }
say "making $packs packs, two each backup"
while [ "$(count "$repo")" -lt "$packs" ]; do
    head -c 20000 /dev/urandom >"$SITE/tree/file"
    "$VARVE" -r "$repo" backup --quiet "$SITE/tree"
done
options=(--ssh-identity "$KEY" --known-hosts "$KNOWN_HOSTS")
# without a key, so that all packs are copied, also those no snapshot needs
replicate() { "$VARVE" "${options[@]}" -r "$repo" --json "$@" replicate --keyless --verify-share none --to "$(url "$SLOW_PORT" "$SITE/replica")"; }
say "first replication: $(seconds replicate) s"
bad=0
verdict() { # WHAT CONDITION...
    local what=$1
    shift
    if "$@"; then say "pass: $what"; else
        say "FAIL: $what"
        bad=1
    fi
}
at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'; }
for transport in libssh2 ssh; do
    for _ in 1 2 3 4 5; do
        from=$(date +%s%N)
        replicate --ssh-transport "$transport" >"$WORK/run.json"
        to=$(date +%s%N)
        awk -v a="$from" -v b="$to" 'BEGIN { printf "%.3f\n", (b - a) / 1e9 }' >>"$WORK/$transport"
        [ "$(json "$WORK/run.json" 'd["destinations"][0]["batches"]')" = 0 ] || fail "there was something to do"
    done
    middle=$(median <"$WORK/$transport")
    verdict "$transport: $middle s for $(json "$WORK/run.json" 'd["destinations"][0]["packs_there"]') packs (at most 3)" at_most "$middle" 3
done
replicate --ssh-command "$here/sftp-round-trips.py $WORK/trips ssh" --ssh-transport ssh >/dev/null
sleep 1 # the counter writes when ssh has ended
trips=$(awk '{ n += $2 } END { print n }' "$WORK/trips")
say "round trips and requests of the channels: $(tr '\n' ' ' <"$WORK/trips")"
verdict "$trips round trips one after the other (at most 40)" at_most "$trips" 40
victim=$(find "$SITE/replica/packs" -type f | sort | sed -n 7p)
chmod u+w "$victim"
truncate -s -1 "$victim"
code=0
replicate >"$WORK/run.json" 2>"$WORK/errors" || code=$?
verdict "the pack that was cut short is named (exit $code)" grep -q "$(basename "$victim")" "$WORK/errors"
verdict "and replaced" [ "$(json "$WORK/run.json" 'd["destinations"][0]["packs_healed"]')" = 1 ]
rm -rf "$WORK"
exit "$bad"

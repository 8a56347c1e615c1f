#!/bin/bash
# restore-round-trips.sh [DELAY-MS] (50): a restore of a few small files from a replica, by a machine
# that knows nothing of it, through a line with DELAY ms each way: at most 18 round trips one after the
# other behind the connection, by sftp-round-trips.py, of which two are the end of the registration.
# shellcheck source=tests/acceptance/sftp-common.sh
. "$(dirname "$0")/sftp-common.sh"
start_sshd
start_proxy "${1:-50}"
mkdir "$SITE/tree"
cp -r "$here" "$SITE/tree"
new_repository "$SITE/repo"
"$VARVE" -r "$SITE/repo" backup --quiet "$SITE/tree"
options=(--ssh-identity "$KEY" --known-hosts "$KNOWN_HOSTS")
"$VARVE" "${options[@]}" -r "$SITE/repo" replicate --quiet --to "$(url "$PORT" "$SITE/replica")"
export VARVE_STATE_DIR=$SITE/rescue VARVE_CACHE_DIR=$SITE/rescue
took=$(seconds "$VARVE" "${options[@]}" --ssh-command "$here/sftp-round-trips.py $WORK/trips ssh" \
    --ssh-transport ssh -r "$(url "$SLOW_PORT" "$SITE/replica")" restore --quiet "latest:$SITE/tree" --target "$SITE/out")
diff -r "$SITE/tree" "$SITE/out" || fail "the restored tree differs"
sleep 1 # the counter writes when ssh has ended
read -r requests trips <"$WORK/trips"
say "$took s, $requests requests"
if [ "$trips" -gt 18 ]; then
    say "FAIL: $trips round trips one after the other (at most 18)"
    exit 1
fi
say "pass: $trips round trips one after the other (at most 18)"
rm -rf "$WORK"

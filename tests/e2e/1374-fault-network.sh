# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034
# Jobs whose line to a site is cut in the middle of the copy, once or for good, and with a site that is full or whose
# quota is used up, over SFTP: everything else is done, everybody is told, the site is whole at every moment, and the
# next run completes the copy.
# labels: slow
need_command sshd ssh
unset SSH_AUTH_SOCK
proxy=$(dirname "$VARVE")/tests/bench/delay_proxy
[ -x "$proxy" ] || skip "needs '$proxy'"
cd "$WORK" || exit
source "$E2E/faults.sh"
start_sshd plain
sshd=$SSHD_PORT
login=sftp://$(id -un)@127.0.0.1
lines=("path = $WORK/data" 'replicate-to = far' 'replicate-to = near' 'keep-last = 3' 'scrub-budget = 100%'
    "after = echo after >>$WORK/hooks")
rest=(forget prune scrub after)

# line PORT [CUT-BYTES once|end]: one to the server, on that port (0: a free one, then in $port).
line()
{
    rm -f proxy.out # that of the line before would do
    "$proxy" "$1" "$sshd" 0 "${@:2}" >proxy.out &
    proxy_pid=$!
    wait_for 60 grep -q port proxy.out
    port=$(sed -n 's/^port //p' proxy.out)
}
hang_up()
{
    kill -TERM "$proxy_pid" 2>/dev/null || true
    wait "$proxy_pid" || true
}
# logged EVENT SITE CODE: the log has it.
logged()
{
    python3 - "$@" <<'PY' || fail "the log has no $*: $(cat log)"
import json, sys
wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
assert any(("" + e["event"], e["site"].rsplit("/", 1)[1], e.get("code", 0)) == wanted
           for e in map(json.loads, open("log")) if "site" in e)
PY
}
# whole DIR: what is at the site now is all there, and of the newest snapshot nothing is half there.
whole()
{
    assert_exit 0 env VARVE_STATE_DIR="$WORK/elsewhere" varve -r "$1" --key-file "$WORK/key" verify --data >/dev/null
}

line 0
printf '[127.0.0.1]:%s %s\n' "$port" "$(cut -d' ' -f1,2 "$WORK/sshd/host.pub")" >>"$VARVE_SSH_KNOWN_HOSTS"
far=$login:$port$WORK/far
conf "${lines[@]}"
run 0
green
hang_up

# ---- the line is cut, and comes back: nobody need know ----
for transport in ssh libssh2; do
    repositories="ssh-transport = $transport"
    conf "${lines[@]}"
    random_file data/first 6000000 "1${#transport}"
    line "$port" 3000000 once
    run 0
    hang_up
    assert_grep '^passed [0-9]+ in 1 cuts$' proxy.out
    assert_eq "$(state backup replicate "${rest[@]}")" 'ok ok ok ok ok ok'
    [ ! -s told ] || fail "told: $(cat told)"
    assert_eq "$(newest "$WORK/far")" "$(newest main)"
done

# ---- it is cut, and stays so ----
before=$(newest main)
random_file data/second 6000000 2
line "$port" 3000000 end
fast_from proxy.out ^passed run 13
assert_grep '^passed [0-9]+ in 1 cuts$' proxy.out
assert_eq "$(state backup replicate "${rest[@]}")" 'ok failed ok ok ok ok'
assert_eq "$(newest near)" "$(newest main)" 'what the other site has'
assert_eq "$(newest "$WORK/far")" "$before" 'what is at the site whose line is cut'
whole "$WORK/far"
assert_grep "127.0.0.1:$port" told
logged replicate.done near 0
logged replicate.failed far 13
assert_exit 0 varve runs --replications --json -n 2 >list.json
assert_eq "$(json list.json 'sorted((r["destination"], r["exit_code"]) for r in d["replications"])')" \
    '[["far", 13], ["near", 0]]'
status CRITICAL:run WARNING:reach:far OK:copy:near
hang_up
line "$port"
well
assert_eq "$(newest "$WORK/far")" "$(newest main)"
hang_up
repositories=

# ---- a site is full ----
if [ "$EUID" = 0 ]; then
    mount_tmpfs "$WORK/small" 64M
    far=$login:$sshd$WORK/small/far
    conf "${lines[@]}"
    run 0
    before=$(newest main)
    fill "$WORK/small"
    random_file data/third 3000000 3
    run 15
    assert_eq "$(state backup replicate "${rest[@]}")" 'ok failed ok ok ok ok'
    assert_eq "$(newest near)" "$(newest main)"
    assert_eq "$(newest "$WORK/small/far")" "$before" 'what the full site has'
    whole "$WORK/small/far"
    assert_grep "127.0.0.1:$sshd" told
    assert_grep '[Nn]o space left' told
    assert_grep '^hint: nothing is lost, and the next replication' told
    logged replicate.done near 0
    logged replicate.failed far 15
    status CRITICAL:run CRITICAL:space:far OK:copy:near
    rm "$WORK"/small/ballast*
    well
    assert_eq "$(newest "$WORK/small/far")" "$(newest main)"
else
    echo 'not root: no site is full'
fi

# ---- its quota is used up: there is space, and every write fails (a limit on files looks the same from here) ----
server=/usr/lib/openssh/sftp-server
if [ -x "$server" ]; then
    printf '#!/bin/bash\ntrap "" XFSZ\n[ ! -e %s ] || ulimit -f 1024\nexec %s\n' "$WORK/limited" "$server" >quota.sh
    chmod +x quota.sh
    start_sshd quota "ForceCommand $PWD/quota.sh"
    far=$login:$SSHD_PORT$WORK/far
    conf "${lines[@]}"
    before=$(newest "$WORK/far")
    random_file data/fourth 3000000 4
    touch limited
    run 15
    assert_eq "$(state backup replicate "${rest[@]}")" 'ok failed ok ok ok ok'
    assert_eq "$(newest near) $(newest "$WORK/far")" "$(newest main) $before"
    whole "$WORK/far"
    assert_grep 'most likely because of a quota' told
    logged replicate.failed far 15
    status CRITICAL:run OK:copy:near
    rm limited
    well
    assert_eq "$(newest "$WORK/far")" "$(newest main)"
fi

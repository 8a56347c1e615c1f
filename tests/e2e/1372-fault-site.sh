# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034
# Jobs with a site that is not there: the other site gets its copy, everybody is told, and the next run makes up
# for it.
# labels: slow
need_command sshd ssh
unset SSH_AUTH_SOCK
cd "$WORK" || exit
source "$E2E/faults.sh"
start_sshd plain
closed=$(python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
login=sftp://$(id -un)@127.0.0.1
lines=("path = $WORK/data" 'replicate-to = far' 'replicate-to = near' 'keep-last = 3')

# ---- nothing listens there ----
far=$login:$SSHD_PORT$WORK/far
conf "${lines[@]}"
run 0
green
far=$login:$closed$WORK/far
conf "${lines[@]}"
echo news >data/news
fast run 13
assert_eq "$(state backup replicate forget prune)" 'ok failed ok ok'
assert_eq "$(newest near)" "$(newest main)"
assert_grep "127.0.0.1:$closed" told
assert_exit 0 varve runs --replications --json -n 2 >list.json
assert_eq "$(json list.json 'sorted((r["destination"], r["exit_code"]) for r in d["replications"])')" \
    '[["far", 13], ["near", 0]]'
status CRITICAL:run OK:copy:near UNKNOWN:reach:far # at this address nothing was ever seen
far=$login:$SSHD_PORT$WORK/far
conf "${lines[@]}"
well
assert_eq "$(newest "$WORK/far")" "$(newest main)"

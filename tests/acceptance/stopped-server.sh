#!/bin/bash
# stopped-server.sh: two destinations; in the middle of the transfer the sessions of one server are
# stopped (SIGSTOP) and its listener as well.  That must be noticed within 60 s of silence (the
# message is told by then or a few seconds later), and the other destination must be complete long
# before.  When the server goes on, everything completes.
# shellcheck source=tests/acceptance/sftp-common.sh
. "$(dirname "$0")/sftp-common.sh"
start_sshd
first=$PORT first_pid=${children[0]}
sed "s/^Port .*/Port $(free_port)/" "$SITE/ssh/sshd_config" >"$SITE/ssh/second_config"
second=$(sed -n 's/^Port //p' "$SITE/ssh/second_config")
"$(command -v sshd || echo /usr/sbin/sshd)" -D -f "$SITE/ssh/second_config" -E "$SITE/second.log" &
children+=($!)
await_port "$second"
know_port "$second"
new_repository "$SITE/repo"
mkdir "$SITE/tree"
head -c 600M /dev/urandom >"$SITE/tree/file"
"$VARVE" -r "$SITE/repo" backup --quiet "$SITE/tree"
# slow enough to be caught in the middle: 100 MiB/s for both together
"$VARVE" --ssh-identity "$KEY" --known-hosts "$KNOWN_HOSTS" --json -r "$SITE/repo" replicate \
    --verify-share none --limit 100M --to "$(url "$first" "$SITE/a")" --to "$(url "$second" "$SITE/b")" \
    >"$WORK/run.json" 2> >(while read -r line; do echo "$(date +%s) $line"; done >"$WORK/said") &
client=$!
until [ "$(find "$SITE/a/packs" -type f 2>/dev/null | wc -l)" -ge 3 ]; do sleep 0.1; done
sessions=$(ps -o pid= --ppid "$first_pid")
# shellcheck disable=SC2086 # words are wanted
kill -STOP "$first_pid" $sessions
stopped=$(date +%s)
until [ "$(find "$SITE/b/snapshots" -type f 2>/dev/null | wc -l)" -ge 1 ]; do
    sleep 0.1
    [ $(($(date +%s) - stopped)) -lt 50 ] || fail "the other destination waits for the stopped one"
done
say "pass: the other destination was complete $(($(date +%s) - stopped)) s after the stop"
until grep -q 'not answered' "$WORK/said"; do
    sleep 0.2
    [ $(($(date +%s) - stopped)) -lt 75 ] || fail "nothing was noticed for 75 s"
done
noticed=$(($(grep -m 1 'not answered' "$WORK/said" | cut -d' ' -f1) - stopped))
say "noticed after $noticed s: $(grep -m 1 'not answered' "$WORK/said" | cut -d' ' -f2-)"
# shellcheck disable=SC2086
kill -CONT "$first_pid" $sessions
code=0
wait "$client" || code=$?
[ "$code" = 0 ] || fail "exit $code once the server went on"
"$VARVE" -r "$SITE/a" verify --data --quiet >/dev/null
[ "$noticed" -le 63 ] || fail "noticed only after $noticed s"
say "pass: noticed, and complete when the server went on"
rm -rf "$WORK"

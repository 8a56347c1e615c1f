# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# Runs that wait for a random time, and those that make up what was missed.
unset VARVE_REPO VARVE_KEY_FILE
cd "$WORK" || exit
export VARVE_CONFIG=$WORK/varve.conf
mkdir -p data
seq 1000 >data/numbers
assert_exit 0 varve -r "$WORK/repo" init --key-file "$WORK/key" >/dev/null
# conf LINE...: a job with these lines, and one without a schedule.
conf()
{
    printf '%s\n' '[repository main]' "url = $WORK/repo" "key-file = $WORK/key" '[job by-hand]' \
        'repository = main' "after = echo by-hand >>$WORK/ran" '[job web]' 'repository = main' \
        "after = echo web >>$WORK/ran" "$@" >varve.conf
    chmod 600 varve.conf
}
# assert_ran JOBS COMMAND...: it succeeds, and these jobs ran.  Not in "$(...)", where a failure would only end the
# subshell, and a command that crashes would pass for one that runs nothing.
assert_ran()
{
    local want=$1
    shift
    : >ran
    "$@" >out 2>problems || fail "exit code $?: $* $(cat problems)"
    assert_eq "$(paste -sd' ' ran)" "$want" "what ran of '$*'"
}
record=$VARVE_STATE_DIR/runs.db
# sql STATEMENT: of the history of runs, what it yields.
sql()
{
    python3 -c 'import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as c:
    for row in c.execute(sys.argv[2]):
        print("|".join(map(str, row)))' "$record" "$1"
}
# last NS: the job last ran then.
last() { sql "DELETE FROM run" && sql "INSERT INTO run (id, job, began, ended, exit_code) VALUES ('r', 'web', $1, $1, 0)" >/dev/null; }
now=$(date +%s)000000000
day=86400000000000

# ---- missed ----
conf 'schedule = every 1h'
assert_ran web varve run --missed --all # never run, so missed; without a schedule nothing is
assert_eq "$(stat -c %a "$record")" 600 mode
assert_ge "$(sql 'SELECT began FROM run')" "$now" "when it began"
# Not again, unless a full hour has just passed.
conf 'schedule = daily 00:00'
last $((now + 3 * 1000000000))
if [ "$(date +%H)" != 23 ]; then # it is neither midnight now nor soon
    last "$(($(date +%s) - $(date +%s) % 86400))000000001"
    assert_ran '' varve run --missed web # it has run today
    assert_grep "^job 'web': nothing was missed$" out
    assert_ran '' varve run --missed --quiet --all
    [ ! -s out ] || fail "--quiet says: $(cat out)"
    last "$(($(date +%s) - $(date +%s) % 86400 - 1))000000000"
    assert_ran web varve run --missed web # it has not run since midnight
fi
last $((now - 2 * day))
assert_ran web varve run --missed --all
# By hand, it runs whatever the schedule says; and that counts.
assert_ran web varve run web
last $((now - 2 * day))
assert_ran "by-hand web" varve run --all
conf 'schedule = monthly 1'
[ "$(date +%d)" = 01 ] || assert_ran '' varve run --missed --all
# A run in the future tells nothing; of what the history does not know, it never ran.
last $((now + day))
assert_ran web varve run --missed --all
echo nonsense >"$record"
assert_ran web varve run --missed --all
# A failed run has run; one that was stopped is made up.
conf 'before = exit 1' 'schedule = monthly 1'
rm "$record"
assert_exit 1 varve run web >/dev/null 2>&1
assert_eq "$(sql 'SELECT exit_code FROM run')" 1
assert_ran '' varve run --missed web
rm "$record"
conf "before = touch $WORK/began; sleep 1007" 'schedule = monthly 1'
varve run --missed web >out 2>problems &
child=$!
wait_for 20 test -e began
kill -TERM "$child"
status=0
wait "$child" || status=$?
assert_eq "$status" 130 "exit code after SIGTERM"
assert_eq "$(sql 'SELECT exit_code FROM run')" 130
conf 'schedule = monthly 1'
assert_ran web varve run --missed web # one that was stopped is made up
# One that goes on is not missed; one that was cut off is.
last $((now - 40 * day))
sql "INSERT INTO run (id, job, began, ended, exit_code) VALUES ('cut', 'web', $now, 0, 0)"
assert_ran web varve run --missed web # one that was cut off is made up
rm -f began
conf "before = touch $WORK/began; sleep 1007" 'schedule = monthly 1'
varve run web >out 2>problems &
child=$!
wait_for 20 test -e began
last $((now - 40 * day))
sql "INSERT INTO run (id, job, began, ended, exit_code) VALUES ('on', 'web', $now, 0, 0)"
assert_exit 0 varve run --missed web >out2
assert_grep 'nothing was missed' out2
kill -TERM "$child"
wait "$child" || true
# A history that cannot be kept is told, and does not fail the run.
conf
rm "$record"
mkdir "$record"
touch "$record/x"
assert_exit 0 varve run web >out 2>problems
assert_grep 'warning: this run does not get into the history' problems
rm -r "$record"

# ---- jitter ----
assert_ran web varve run --jitter 0 web
assert_ran web varve run --jitter=1s web
for wrong in soon 10 -1s 1.5h; do
    assert_exit 2 varve run "--jitter=$wrong" web 2>problems
    assert_grep "jitter: '$wrong' is not a duration" problems
done
# Of a day it waits for long enough to be seen waiting, but for one time in ten thousand; it ends at once.
: >ran
varve run --jitter 1d web >out 2>problems &
child=$!
sleep 0.5
kill -TERM "$child"
status=0
began=$SECONDS
wait "$child" || status=$?
assert_eq "$status" 130 "exit code after SIGTERM"
assert_le $((SECONDS - began)) 5 "seconds until it ended"
[ ! -s ran ] || fail "it has run"

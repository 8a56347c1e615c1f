# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Who is told what becomes of a job: pings, mail, a command; the same trouble once; secrets stay secrets.
cd "$WORK" || exit
source "$E2E/wait.sh"
source "$E2E/notify.sh"
everything="ping-url = $address/secret-4711?create=1
mail-to = root
mail-to = admin@example.org
mail-from = varve@example.org
command = echo \"\$VARVE_EVENT \$VARVE_JOB \$VARVE_CODE '\$VARVE_FAILED' \$VARVE_RUN\" >>$WORK/told; cat >>$WORK/told"

# ---- all is well: only the dead-man service wants to know ----
conf "$everything"
fresh
run 0
[ ! -s problems ] || fail "on stderr: $(cat problems)"
assert_eq "$(paths)" "POST /secret-4711/start?create=1, POST /secret-4711?create=1"
body 0 | grep -q "job 'web' begins" || fail "the first ping says: $(body 0)"
body 1 | grep -Eq '^  backup +ok ' || fail "the second ping says: $(body 1)"
[ ! -s mail ] && [ ! -s told ] || fail "said without need: $(cat mail told)"
assert_grep '^  notify +sent +ping' out

# ---- a failure: everybody, with the end of the log, and mail only once ----
mv data away
fresh
run 1 --json
mv out out.json
assert_eq "$(paths)" "POST /secret-4711/start?create=1, POST /secret-4711/fail?create=1"
body 1 | grep -q 'FAILED, exit code 1$' || fail "the ping says: $(body 1)"
body 1 | grep -q 'none of the paths' || fail "no end of the log in the ping: $(body 1)"
assert_grep 'none of the paths' problems # it still is where it always was
assert_eq "$(mails)" "FAILED, exit code 1"
assert_eq "$(sed -n 1p mail)" "arguments -i -f varve@example.org -- root admin@example.org"
assert_grep '^From: varve@example.org$' mail
assert_grep '^To: root,$' mail
assert_grep '^Auto-Submitted: auto-generated$' mail
assert_grep '^  backup +failed +.*exit code 1$' mail
assert_grep 'varve: .*none of the paths' mail
run=$(python3 - <<'END'
import json
job = json.load(open("out.json"))["jobs"][0]
assert [(n["channel"], n["about"], n["state"]) for n in job["notifications"]] == [
    ("ping", "start", "sent"), ("ping", "failure", "sent"), ("mail", "failure", "sent"),
    ("command", "failure", "sent")], job["notifications"]
print(job["run"])
END
)
assert_grep ", run $run\$" mail
assert_eq "$(head -n 1 told)" "failure web 1 'backup' $run"
assert_grep 'none of the paths' told
run 1
assert_eq "$(mails)" "FAILED, exit code 1"
assert_eq "$(paths | grep -o /fail | wc -l)" 2 "pings are never held back; failures"
assert_grep '^  notify +held back mail, it was told before' out
# Another failure is another one.
conf "$everything" "after = exit 1"
run 1
assert_eq "$(mails)" "FAILED, exit code 1,FAILED, exit code 1"
conf "$everything
repeat-after = 0" "after = exit 1"
run 1
assert_eq "$(mails | grep -o FAILED | wc -l)" 3 "mails"
# What was remembered is damaged: one mail too many is better than none.
conf "$everything" "after = exit 1"
echo damaged >"$VARVE_STATE_DIR/notify-web.state"
run 1
run 1
assert_eq "$(mails | grep -o FAILED | wc -l)" 4 "mails"
# Well again: told once.
mv away data
conf "$everything"
run 0
run 0
assert_eq "$(mails | grep -o 'went well again' | wc -l)" 1 "recoveries"
assert_grep '^recovery web 0' told

# ---- status tells, too: a dead-man service every time, but never that a run went well; others once ----
fresh
mv repo repo-away
assert_exit 2 varve status --notify >out
assert_exit 2 varve status --notify >out
mv repo-away repo
assert_exit 0 varve status --notify >out
assert_exit 0 varve status --notify >out
assert_eq "$(paths)" "POST /secret-4711/fail?create=1, POST /secret-4711/fail?create=1"
assert_eq "$(mails)" "is CRITICAL,is well again"
# Whose secrets others can read is said by runs, and when somebody is told: not every hour.
chmod 644 varve.conf
assert_exit 0 varve status --notify --quiet >out 2>problems
[ ! -s problems ] || fail "on stderr: $(cat problems)"
chmod 600 varve.conf

# ---- a run that cannot even begin is a failure as well ----
fresh
chmod 644 key
run 2
assert_eq "$(paths)" "POST /secret-4711/fail?create=1"
assert_grep "others can read '$WORK/key'" mail
chmod 600 key

# ---- which events, which addresses, who ----
conf "ping-success = $address/up
ping-method = get
command = echo \$VARVE_EVENT >>$WORK/told
on = start, success"
fresh
run 0
assert_eq "$(paths)" "GET /up"
assert_eq "$(paste -sd, told)" "start,success"
conf "ping-url = $address/default
[notify other]
ping-url = $address/other" "notify = other"
fresh
run 0
assert_eq "$(paths)" "POST /other/start, POST /other"
conf "ping-url = $address/default
[notify nobody]" "notify = nobody"
fresh
run 0
assert_eq "$(paths)" ""
refute_grep notify out

# ---- nothing that goes wrong with it is a failure of the backup, and nothing hangs ----
# Not there; broken; hanging; a mail program and a command that fail, or hang.
cat >silent <<'END'
#!/bin/sh
sleep 1010
END
chmod 755 silent
newest() { varve -r main snapshots --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["snapshots"]))'; }
trouble()
{
    local before
    before=$(newest)
    conf "ping-timeout = 1s
command-timeout = 1s
on = success
$1"
    fresh
    run 3
    assert_grep "$2" problems
    assert_grep "^job 'web', .*: done, with problems" out
    assert_grep '^  backup +ok ' out
    assert_grep '^  notify +failed ' out
    refute_grep secret problems
    refute_grep secret out
    assert_eq "$(newest)" $((before + 1)) "snapshots"
}
trouble "ping-success = http://127.0.0.1:1/secret" "'127.0.0.1:1': .*onnect"
trouble "ping-success = $address/gone/secret" 'answers with status 404'
trouble "ping-success = $address/broken/secret" 'answers with status 500'
SECONDS=0
trouble "ping-success = $address/hang/secret" 'imeout'
assert_le "$SECONDS" 40 "seconds, of which a ping may take one"
trouble "mail-to = root
command = exit 7" 'the command about its success could not be sent: the command ended with exit code 7'
assert_eq "$(mails)" "went well" # the others are told all the same
trouble "command = sleep 1011" 'took longer than 1 s'
conf "command-timeout = 1s
on = success
mail-to = root"
sed -i "s,^sendmail = .*,sendmail = $WORK/silent," varve.conf
run 3
assert_grep "'$WORK/silent' took longer than 1 s" problems
sed -i "s,^sendmail = .*,sendmail = $WORK/missing," varve.conf
run 3
assert_grep "'$WORK/missing' is not there, or cannot be run" problems
# Only the ping at the start.
conf "ping-start = $address/gone"
run 3
assert_grep 'the ping about its start could not be sent' problems
# A worse code stays.
mv data away
conf "ping-failure = $address/gone"
run 1
mv away data

# ---- stopping is told, too ----
conf "ping-url = $address/stopped" "before = touch $WORK/begun; sleep 1012"
fresh
rm -f begun
varve run web >/dev/null 2>&1 &
child=$!
wait_for 60 test -e begun
kill -TERM "$child"
status=0
wait "$child" || status=$?
assert_eq "$status" 130
assert_eq "$(paths)" "POST /stopped/start, POST /stopped/fail"
body 1 | grep -q "job 'web' was stopped" || fail "the ping says: $(body 1)"

# ---- secrets ----
conf "ping-url = $address/secret-4711"
chmod 644 varve.conf
assert_exit 2 varve config check >problems
assert_grep 'ping-url is a secret, and others can read this file .mode 0644.' problems
fresh
run 3 # told, and used: silence would be worse
assert_grep 'others can read this file .*chmod go=' problems
assert_eq "$(paths)" "POST /secret-4711/start, POST /secret-4711"
chmod 600 varve.conf
assert_exit 0 varve config show >out
assert_exit 0 varve config show --json >>out
refute_grep secret-471 out
assert_grep '^ping-url = .not shown.$' out
for wrong in 'ping-url = secret-4711' 'ping-success = ftp://secret-4711/' 'mail-to = a b' 'mail-to = -oQ/tmp' \
    'on = sucess' 'on = ,' 'ping-timeout = 0s' 'ping-timeout = 2h' 'ping-timeout = soon' \
    'command-timeout = -1s' 'ping-method = put' 'repeat-after = often'; do
    conf "$wrong"
    assert_exit 2 varve config check >out
    assert_grep "varve.conf:6: ${wrong%% =*}: .*is not " out
    refute_grep secret-471 out
done
conf ""
sed -i 's,^sendmail = /.*,sendmail = sendmail,' varve.conf
assert_exit 2 varve config check >out
assert_grep "sendmail: 'sendmail' is not an absolute path" out
conf "" "notify = nobody"
assert_exit 2 varve config check >out
assert_grep 'notify: there is no \[notify nobody\]' out

# ---- varve notify test ----
conf "ping-url = $address/secret-4711
mail-to = root
[notify other]
ping-success = $address/gone/secret-4712" "notify = other"
fresh
assert_exit 1 varve notify test >out 2>problems
assert_grep '^\[notify\] ping +sent$' out
assert_grep '^\[notify\] mail +sent$' out
assert_grep '^\[notify other\] ping +failed: .*status 404' out
assert_grep '^    is the URL the one that the service gave' out
refute_grep secret-471 out
assert_eq "$(paths)" "POST /secret-4711/fail, POST /gone/secret-4712"
assert_grep '^Subject: .*: sends a test: nothing has happened$' mail
assert_exit 1 varve notify test web --json >out.json
python3 - <<'END'
import json
tests = json.load(open("out.json"))["tests"]
assert [(t["notify"], t["channel"], t["state"]) for t in tests] == [("other", "ping", "failed")], tests
END
refute_exists "$VARVE_STATE_DIR/notify-web.state"
assert_exit 2 varve notify test wbe 2>problems
assert_grep 'there are: web' problems
conf ""
assert_exit 2 varve notify test 2>problems
assert_grep 'this section tells nobody' problems
sed -i '/^\[notify\]/d; /^sendmail/d' varve.conf
assert_exit 2 varve notify test 2>problems
assert_grep 'there is no section \[notify\]' problems
assert_grep 'mail-to = root' problems
run 0
refute_grep notify out

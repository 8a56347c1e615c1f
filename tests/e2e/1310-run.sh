# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# Jobs: every part, in an order in which no failure skips the copy elsewhere, one exit code, one at a time.
unset VARVE_REPO VARVE_KEY_FILE
cd "$WORK" || exit
export VARVE_CONFIG=$WORK/varve.conf
mkdir -p data
seq 1000 >data/numbers
assert_exit 0 varve -r "$WORK/repo" init --key-file "$WORK/key" >/dev/null

base="[repository main]
url = $WORK/repo
key-file = $WORK/key
[repository site]
url = $WORK/site
[repository gone]
url = $WORK/missing/site
[job web]
repository = main
path = $WORK/data"
# conf LINE...: the base, and in the job these.
conf()
{
    printf '%s\n' "$base" "$@" >varve.conf
    chmod 600 varve.conf
}
# state PART: of the last run (out.json); code: its exit code.
state()
{
    python3 -c 'import json, sys
job = json.load(open("out.json"))["jobs"][0]
print(" ".join(p["state"].replace(" ", "-") for p in job["parts"] if p["part"] == sys.argv[1]))' "$1"
}
run() { # EXIT
    assert_exit "$1" varve run --json web >out.json 2>problems
}

# ---- everything, and all is well ----
hooks=("before = echo before \$VARVE_JOB \$VARVE_MOMENT >>$WORK/hooks"
    "on-success = echo success >>$WORK/hooks" "on-error = echo error >>$WORK/hooks"
    "after = echo \"after '\$VARVE_FAILED'\" >>$WORK/hooks")
conf 'exec = kernel=uname -s' 'keep-last = 2' 'replicate-to = site' 'scrub-budget = 100%' \
    'verify-budget = 100%' 'tag = nightly' \
    "${hooks[@]}"
assert_exit 0 varve run web >out 2>problems
[ ! -s problems ] || fail "on stderr: $(cat problems)"
assert_grep "^job 'web', .*: all went well" out
for part in before backup replicate forget prune scrub verify on-success after; do
    assert_grep "^  $part +ok " out
done
assert_grep '^      snapshot [0-9a-f]{8} of ' out
assert_eq "$(cat hooks)" "before web before
success
after ''" "what the hooks wrote"
assert_exit 0 varve -r main cat latest:kernel >kernel
assert_eq "$(cat kernel)" "$(uname -s)"
assert_exists site/packs
assert_exit 0 varve -r main snapshots --json >list
python3 - <<'END'
import json
s = json.load(open("list"))["snapshots"][0]
assert sorted(s["tags"]) == ["job:web", "nightly"], s
END
assert_exit 0 varve run --quiet web >out
[ ! -s out ] || fail "--quiet says: $(cat out)"

# Other snapshots in the repository are not the job's to forget, nor another host's of a job of that name.
assert_exit 0 varve -r main backup data >/dev/null
assert_exit 0 varve -r main backup --tag job:web --host elsewhere data >/dev/null
assert_exit 0 varve -r main backup --tag job:web --host elsewhere data >/dev/null
assert_exit 0 varve -r main backup --tag job:web --host elsewhere data >/dev/null
for _ in 1 2 3; do
    echo more >>data/numbers
    run 0
done
assert_exit 0 varve -r main snapshots --json >list
python3 - <<'END'
import json
tags = [s["tags"] for s in json.load(open("list"))["snapshots"]]
assert sum("job:web" in t for t in tags) == 2 + 3 and sum(t == [] for t in tags) == 1, tags
END
python3 - <<'END'
import json
job = json.load(open("out.json"))["jobs"][0]
backup = [p for p in job["parts"] if p["part"] == "backup"][0]
assert backup["output"]["files_changed"] == 1 and backup["seconds"] >= 0, backup
END

# ---- a part that fails keeps no other from running ----
# The source is gone: nothing is given up, but what is there goes to the site.
conf 'keep-last = 2' 'replicate-to = site' 'scrub-budget = 100%' "${hooks[@]}"
: >hooks
mv data data-away
run 1
assert_eq "$(state backup) $(state replicate) $(state forget) $(state prune) $(state scrub)" \
    "failed ok left-out left-out ok"
assert_eq "$(cat hooks)" "before web before
error
after 'backup'"
assert_exit 1 varve run web >out 2>problems
assert_grep "^job 'web', .*: FAILED" out
assert_grep '^  backup +failed +.*exit code 1' out
assert_grep '^  forget +left out +the backup failed' out
assert_grep 'none of the paths' problems
mv data-away data
# A command whose output fails; the site unreachable; a hook behind that fails.
conf 'exec = dump=echo half; exit 1' 'replicate-to = site'
run 1
assert_eq "$(state backup) $(state replicate)" "failed ok"
conf 'keep-last = 5' 'replicate-to = gone' 'replicate-to = site'
rm -rf site
run 1
assert_eq "$(state backup) $(state replicate) $(state forget)" "ok failed ok"
assert_exists site/packs # the other one is up to date
conf 'after = exit 7'
run 1
assert_eq "$(state backup) $(state after)" "ok failed"
# Problems are no failure, but are told, and count.
if [ "$EUID" != 0 ]; then
    touch data/secret && chmod 0 data/secret
    # Without prune, which would wait for the session of the backup that failed.
    conf 'keep-last = 5' 'prune = no' 'on-error = echo "$VARVE_FAILED" >failed'
    run 3
    assert_eq "$(state backup) $(state forget) $(cat failed)" "problems ok backup"
    rm -f data/secret
fi
# A wrong key: 11, and nothing else is thought to have worked.
cp key key-kept
assert_exit 0 varve -r "$WORK/other" init --key-file "$WORK/key-other" >/dev/null
cp --remove-destination key-other key
conf 'keep-last = 5' 'scrub-budget = 10%'
run 11
assert_eq "$(state backup) $(state forget)" "failed left-out"
cp --remove-destination key-kept key
# A database that is down.
if ! varve backup -r none postgres:// 2>&1 | grep -q 'no PostgreSQL'; then
    conf "database = db=postgres://backup@%2Fnowhere/" 'replicate-to = site'
    run 13
    assert_eq "$(state backup) $(state replicate)" "failed ok"
fi

# ---- 'before' decides ----
: >hooks
conf 'before = exit 3' 'before = echo second >>hooks' 'replicate-to = site' 'keep-last = 3' \
    "on-error = echo \"\$VARVE_FAILED\" >>$WORK/hooks"
count() { varve -r main snapshots --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["snapshots"]))'; }
before=$(count)
run 1
assert_eq "$(state before) $(state backup) $(state replicate)" "failed left-out left-out left-out"
assert_eq "$(cat hooks) $(count)" "before $before"
# A request to stop ends it, with what it has started.
conf 'before = sleep 1003 & sleep 1003; true'
varve run web >out 2>problems &
child=$!
hangs() { pgrep -f 'sleep 1003' >/dev/null; }
wait_for 20 hangs
kill -TERM "$child"
status=0
wait "$child" || status=$?
assert_eq "$status" 130 "exit code after SIGTERM"
ended() { ! hangs; }
wait_for 15 ended
assert_grep "^job 'web', .*: stopped" out
assert_grep '^  backup +left out +stopped' out

# ---- one at a time; a killed one leaves nothing ----
conf "before = touch $WORK/begun; sleep 3"
rm -f begun
varve run web >/dev/null 2>&1 &
child=$!
wait_for 20 test -e begun
assert_exit 1 varve run web >/dev/null 2>problems
assert_grep "job 'web' is running already: process $child, since " problems
assert_exit 0 varve run --wait web >out
wait "$child"
rm -f begun
varve run web >/dev/null 2>&1 &
child=$!
wait_for 20 test -e begun
kill -KILL "$child"
wait "$child" 2>/dev/null || true
assert_exit 0 varve run web >/dev/null

# ---- rehearsing, when it is time ----
mkdir scratch others
echo other >others/file
conf 'rehearse-every = 30d' "rehearse-scratch = $WORK/scratch"
assert_exit 0 varve -r main backup others >/dev/null # newer, but not the job's
run 0
assert_eq "$(state rehearse)" ok
python3 - <<'END' || fail "the snapshot that was rehearsed"
import json
part = [p for p in json.load(open("out.json"))["jobs"][0]["parts"] if p["part"] == "rehearse"][0]
job = [p for p in json.load(open("out.json"))["jobs"][0]["parts"] if p["part"] == "backup"][0]
assert part["output"]["snapshot"] == job["output"]["snapshot"], (part["output"], job["output"])
END
[ -z "$(ls scratch)" ] || fail "left behind: $(ls scratch)"
run 0
assert_eq "$(state rehearse)" '' 'rehearsed again'
rm "$VARVE_STATE_DIR/runs.db"
run 0
assert_eq "$(state rehearse)" ok
assert_exit 1 varve -r main rehearse --tag job:nosuch latest >out 2>problems
assert_grep "job:nosuch" problems

# ---- a site's key that is missing, or open to others, keeps nobody from backing up ----
printf '%s\n' "${base/"url = $WORK/site"/"url = $WORK/site
ssh-identity = $WORK/id"}" 'replicate-to = site' >varve.conf
chmod 600 varve.conf
run 3
assert_eq "$(state backup) $(json out.json 'd["jobs"][0]["exit_code"]')" 'ok 3'
assert_grep "ssh-identity: cannot look at '$WORK/id'" problems
: >id
chmod 644 id
run 3
assert_eq "$(state backup) $(state replicate)" 'ok ok'
assert_grep "others can read '$WORK/id'.*chmod go=" problems
chmod 600 id
run 0

# ---- several, and what is no job ----
base="$base
[job etc]
repository = main
exec = etc=echo etc"
conf
assert_exit 0 varve run --all >out
assert_grep "^job 'web'" out
assert_grep "^job 'etc'" out
assert_exit 2 varve run 2>problems
assert_grep 'there are: web, etc' problems
assert_exit 2 varve run wbe 2>problems
assert_grep "no job 'wbe'" problems
assert_exit 2 varve run --all web 2>problems
assert_exit 2 varve -r main run web 2>problems
assert_exit 2 varve --key-file key run web 2>problems
assert_grep 'stands in the configuration' problems
# Another job's missing key is not this one's business.
base="$base
[repository usb]
url = /nowhere
key-file = /nowhere/key
[job usb]
repository = usb
exec = a=echo a
[repository tape]
url = /nowhere
key-file = /nowhere/tape
[job tape]
repository = tape
exec = a=echo a"
conf
assert_exit 0 varve run web >/dev/null
assert_exit 2 varve run --all >out 2>problems
assert_grep "nowhere/key'" problems
assert_grep "nowhere/tape'" problems # each is told what is wrong with its own
assert_grep "^job 'etc', .*: all went well" out
conf 'pth = /x'
assert_exit 2 varve run web 2>problems
assert_grep "did you mean 'path'" problems
# What is said to us is said to the parts.
conf
echo news >>data/numbers
assert_exit 0 varve --verbose run web >/dev/null 2>said
assert_grep 'data/numbers' said
# Started by somebody who does not care for the end of its children.
assert_exit 0 bash -c "trap '' CHLD; exec varve run web" >/dev/null
# As cron runs it.
assert_exit 0 env -i VARVE_STATE_DIR="$VARVE_STATE_DIR" VARVE_CACHE_DIR="$VARVE_CACHE_DIR" \
    "$(command -v varve)" --config "$WORK/varve.conf" run web >/dev/null

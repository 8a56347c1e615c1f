# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# How jobs are doing: green is earned, everything that goes wrong is told, and when nothing can be asked, what
# was known.  The history of runs beside it.
# labels: slow
# (Not for the sanitizers: faketime comes before them, and their children hang.)
need_command faketime
unset VARVE_REPO VARVE_KEY_FILE
cd "$WORK" || exit
export VARVE_CONFIG=$WORK/varve.conf
mkdir -p data
seq 1000 >data/numbers
assert_exit 0 varve -r "$WORK/repo" init --key-file "$WORK/key" --reserve 1M >/dev/null

base="[repository main]
url = $WORK/repo
key-file = $WORK/key
[repository site]
url = $WORK/site
[job web]
repository = main
path = $WORK/data
replicate-to = site"
conf()
{
    printf '%s\n' "$base" "$@" >varve.conf
    chmod 600 varve.conf
}
# expect LEVEL CODE TEXT [OPTION...]: the first line, the exit code, and the same from JSON.
expect()
{
    local level=$1 code=$2 text=$3
    shift 3
    assert_exit "$code" varve status "$@" >out 2>problems
    assert_grep "^VARVE $level: .*$text" <(head -n 1 out)
    assert_exit "$code" varve status --json "$@" >out.json 2>problems
    assert_eq "$(json out.json 'd["level"]')" "$level"
    assert_eq "$(json out.json 'd["exit"]')" "$code"
}

# ---- before the first run, and after it ----
conf
expect CRITICAL 2 "main: there is no snapshot of this job"
assert_grep 'WARNING +history .*no run of this job' out
assert_exit 0 varve runs >out 2>problems
assert_grep 'there are none' problems
assert_exit 0 varve run -q web
expect OK 0 '1 job'
assert_grep '^  OK +copy +site +the newest of 1 snapshot is [0-9]+ s old' out
assert_grep '^  OK +copies .*3 copies with the data itself, on 1 host, 0 off this one' out
assert_exit 0 varve status --quiet >out
[ ! -s out ] || fail "--quiet says: $(cat out)"
assert_exit 0 varve status --nagios >out
assert_eq "$(wc -l <out)" 1
assert_grep "^VARVE OK: 1 job \\| 'web main age'=[0-9]+s;;93600;0 'web site age'=[0-9]+s;;93600;0$" out

# ---- metrics: a parser of the format takes them, and a monitoring system may read them ----
assert_exit 0 varve status -q --prometheus metrics.prom
assert_eq "$(stat -c %a metrics.prom)" 644
/usr/bin/python3 - <<'END' || fail "metrics"
import time
from prometheus_client.parser import text_string_to_metric_families
found = {}
for family in text_string_to_metric_families(open("metrics.prom").read()):
    assert family.documentation and family.type == "gauge", family
    assert family.name not in found, family.name
    found[family.name] = {tuple(sorted(s.labels.items())): s.value for s in family.samples}
job, site = (("job_name", "web"),), (("job_name", "web"), ("repository", "site"))
assert found["varve_job_status"][job] == 0
assert found["varve_job_last_run_exit_code"][job] == 0
assert found["varve_repository_reached"][site] == 1
assert found["varve_repository_snapshots"][site] == 1
assert found["varve_repository_behind_seconds"][site] == 0
assert abs(found["varve_repository_newest_snapshot_timestamp_seconds"][site] - time.time()) < 600
assert abs(found["varve_status_timestamp_seconds"][()] - time.time()) < 600
END
assert_exit 3 varve status --prometheus "$WORK/nowhere/metrics.prom" >out 2>problems
assert_grep 'nowhere' problems

# ---- silence ----
assert_exit 2 faketime -f +8d "$VARVE" status >out
assert_grep '^VARVE CRITICAL: .*the newest snapshot is 8 d' out
assert_grep 'CRITICAL +copy +site .*8 d' out
assert_exit 0 faketime -f +20h "$VARVE" status >out
conf 'schedule = hourly'
assert_exit 0 faketime -f +2h "$VARVE" status >out
assert_exit 2 faketime -f +4h "$VARVE" status >out
assert_grep 'more than 3 h' out
conf 'max-age = 12h'
assert_exit 2 faketime -f +20h "$VARVE" status >out
conf

# ---- whoever is to be told of trouble is told of silence, and of the same one once ----
printf '%s\n' "$base" '[notify]' "command = cat >>$WORK/told" >varve.conf
assert_exit 0 varve status --notify >out
refute_exists told
assert_exit 2 faketime -f +8d "$VARVE" status --notify --quiet >out 2>problems
[ ! -s problems ] || fail "on stderr: $(cat problems)"
assert_grep "job 'web'" told
assert_grep 'CRITICAL copy site: the newest snapshot is 8 d 0 h old' told
lines=$(wc -l <told)
assert_exit 2 faketime -f +8d "$VARVE" status --notify >out
assert_eq "$(wc -l <told)" "$lines" 'told again'
assert_exit 2 faketime -f +10d "$VARVE" status --notify >out
assert_grep 'CRITICAL copy site: the newest snapshot is 10 d' told
# Another one at once, and again when that is over; the order of the configuration is none of it.
printf '%s\n' "$base" '[notify]' "command = cat >/dev/null; echo \"\$VARVE_EVENT: \$VARVE_FAILED\" >>$WORK/events" >varve.conf
mv site site-away
assert_exit 2 faketime -f +10d "$VARVE" status --notify >out
assert_eq "$(cat events)" "silence: copy site, reach site, snapshot main"
assert_exit 2 faketime -f +10d "$VARVE" status --notify >out
assert_eq "$(wc -l <events)" 1 'told again'
mv site-away site
assert_exit 2 faketime -f +10d "$VARVE" status --notify >out
assert_eq "$(tail -n +2 events)" "silence: copy site, snapshot main"
conf

# ---- places that do not answer ----
expect OK 0 '1 job'
expect WARNING 1 'main: no answer \(not asked' --offline
assert_grep 'OK +copy +site .*the newest of 1 snapshot' out
mv site site-away
expect CRITICAL 2 'site: cannot be used: there is no varve repository'
assert_grep 'OK +copy +site +the newest of 1 snapshot' out # as it was known
assert_exit 0 varve -r main backup --tag job:web data >/dev/null
expect CRITICAL 2 'site: cannot be used'
assert_grep 'copy +site +.* behind' out
mv site-away site
mv key key-away
expect CRITICAL 2 'main: cannot be used'
mv key-away key
sed -i "s|$WORK/site|sftp://127.0.0.1:1/site|" varve.conf
expect UNKNOWN 3 'site: no answer, and nothing is known of it'
conf
expect OK 0 '1 job'

# ---- runs that went wrong ----
conf 'after = false'
assert_exit 1 varve run -q web >out 2>problems
expect CRITICAL 2 'the last run FAILED .* exit code 1: after'
conf "path = $WORK/missing"
assert_exit 3 varve run -q web >out 2>problems
expect WARNING 1 'had problems: backup'
conf 'before = kill -9 $PPID'
varve run -q web >out 2>problems || true
expect CRITICAL 2 'was cut off'
assert_grep 'the newest of 4 snapshots' out
conf 'before = touch started; while [ ! -e go ]; do sleep 0.1; done'
varve run -q web >out 2>problems &
runner=$!
until [ -e started ]; do sleep 0.1; done
assert_exit 2 varve status >out # that the one before was cut off is not over
assert_grep 'was cut off' out
assert_grep 'OK +run +a run goes on since' out
touch go
wait "$runner"
conf
assert_exit 0 varve run -q web
expect OK 0 '1 job'

# ---- the history ----
assert_exit 0 varve runs web >out
assert_eq "$(grep -c '^20' out)" 6
assert_grep '^20.* web .* ok' out
assert_grep '^20.* web .*FAILED \(1\) +after: failed' out
assert_grep '^20.* web .*problems \(3\) +backup: problems' out
assert_grep '^20.* web .*no end' out
assert_exit 0 varve runs --json --last 1 >out.json
python3 - <<'END' || fail "runs --json"
import json
runs = json.load(open("out.json"))["runs"]
assert len(runs) == 1 and runs[0]["exit_code"] == 0 and runs[0]["job"] == "web", runs
assert [p["part"] for p in runs[0]["parts"]] == ["backup", "replicate"], runs
assert all(p["state"] == "ok" for p in runs[0]["parts"]), runs
END
assert_exit 0 varve runs --replications --json --all >out.json
python3 - <<'END' || fail "runs --replications"
import json
items = json.load(open("out.json"))["replications"]
assert len(items) >= 4 and all(r["destination"] == "site" for r in items), items
assert all(r["run"] and r["job"] == "web" and r["repository"] == "main" for r in items), items
assert sum(r["bytes"] for r in items) > 0
END
# Those of a job are so many of its own, whatever was done since.
assert_exit 0 varve -r main replicate --to site >/dev/null
assert_exit 0 varve runs web --replications --json --last 1 >out.json
assert_eq "$(json out.json '[(r["job"], r["destination"]) for r in d["replications"]]')" '[["web", "site"]]'
assert_exit 0 varve -r main rehearse latest --json >out.json
assert_exit 0 varve runs --rehearsals >out
assert_grep ' main .* ok +proven' out
conf 'max-rehearsal-age = 30d'
expect OK 0 '1 job'
assert_grep 'OK +rehearsal .*took' out
assert_exit 2 faketime -f +31d "$VARVE" status >out
assert_grep 'WARNING +rehearsal .*31 d .* more than 30 d' out
conf
assert_exit 0 varve runs nobody >out 2>problems
assert_exit 2 varve runs --incidents --rehearsals >out 2>problems
pack=$(find repo/packs -type f | head -n 1)
cp "$pack" pack.saved
chmod u+w "$pack"
printf X | dd of="$pack" bs=1 seek=200 conv=notrunc 2>/dev/null
assert_exit 12 varve -r main verify --data >out 2>problems
assert_exit 0 varve runs --incidents --json >out.json
python3 - <<'END' || fail "runs --incidents"
import json
items = json.load(open("out.json"))["incidents"]
assert len(items) == 1 and items[0]["command"] == "verify" and items[0]["exit_code"] == 12, items
assert items[0]["repository"] == "main" and items[0]["run"] is None, items
END
cp pack.saved "$pack"

# Only a part was rehearsed, or another's snapshot: that is nobody's rehearsal.
rm "$VARVE_STATE_DIR/runs.db"
assert_exit 0 varve run -q web
conf 'max-rehearsal-age = 30d'
assert_exit 0 varve -r main rehearse "latest:$WORK/data/numbers" >out
assert_exit 0 varve -r main backup data >/dev/null
assert_exit 0 varve -r main rehearse latest >out
expect WARNING 1 'a restore was never rehearsed'
assert_exit 0 varve -r main rehearse --tag job:web latest >out
expect OK 0 '1 job'
conf
# What cannot be written to is no green.
if [ "$EUID" = 0 ]; then
    mkdir full
    mount_tmpfs full 256k
    cp "$VARVE_STATE_DIR/runs.db" full/
    cp -r "$VARVE_STATE_DIR"/*/ full/ 2>/dev/null || true
    dd if=/dev/zero of=full/filler bs=4k 2>/dev/null || true
    assert_exit 3 env VARVE_STATE_DIR="$WORK/full" "$VARVE" status >out 2>problems
    assert_grep '^VARVE UNKNOWN: .*cannot be written' out
    umount full
fi

# ---- a history that is damaged, or gone, is no green, and stands in nobody's way ----
cp "$VARVE_STATE_DIR/runs.db" good.db
head -c 5000 /dev/urandom >"$VARVE_STATE_DIR/runs.db"
expect UNKNOWN 3 'the history of runs cannot be read'
rm "$VARVE_STATE_DIR/runs.db"
expect WARNING 1 'no run of this job is in the history'
head -c 5000 /dev/urandom >"$VARVE_STATE_DIR/runs.db"
assert_exit 1 varve runs >out 2>problems
assert_grep 'runs.db' problems
assert_exit 0 varve run -q web >out 2>problems
assert_grep 'a new one is begun' problems
assert_exists "$VARVE_STATE_DIR/runs.db.damaged"
expect OK 0 '1 job'
mv good.db "$VARVE_STATE_DIR/runs.db"
expect OK 0 '1 job'

# ---- snapshots by hand, or of another host, are not the job's ----
assert_exit 0 varve -r main backup --tag job:web --host elsewhere data >/dev/null
assert_exit 0 varve -r main inspect >out
assert_grep "job 'web' on elsewhere: 1 snapshot, " out
assert_exit 0 varve -r main inspect --json >out.json
python3 - <<'END' || fail "inspect"
import json
d = json.load(open("out.json"))
by = {(g["job"], g["host"]): g["snapshots"] for g in d["jobs"]}
assert by[("web", "elsewhere")] == 1 and by[("web", [h for j, h in by if h != "elsewhere"][0])] >= 5, by
assert d["objects"] > 0 and 0 < d["space_free"] <= d["space_total"], d
END

# ---- silence is over when status says so, not when a run goes well; failures the other way round ----
printf '%s\n' "$base" '[notify]' \
    "command = cat >>$WORK/told; echo \"\${VARVE_RUN:+run }\$VARVE_EVENT: \$VARVE_FAILED\" >>$WORK/events" >varve.conf
rm -f events told "$VARVE_STATE_DIR"/notify-*
assert_exit 0 varve status --notify >out # nobody was told of a trouble
assert_exit 2 faketime -f +8d "$VARVE" status --notify >out
sed -i 's/^\[notify\]/after = false\n&/' varve.conf
assert_exit 1 varve run -q web >out 2>problems
sed -i '/^after = false/d' varve.conf
assert_exit 0 varve run -q web
told="silence: copy site, snapshot main
run failure: after
run recovery: "
assert_eq "$(cat events)" "$told" 'the silence goes on'
assert_exit 2 faketime -f +8d "$VARVE" status --notify >out
assert_eq "$(cat events)" "$told" 'the same silence'
# What could not be looked at is not well again.
assert_exit 1 varve status --notify --offline >out
mv "$VARVE_STATE_DIR/runs.db" history
assert_exit 1 varve status --notify >out
head -c 5000 /dev/urandom >"$VARVE_STATE_DIR/runs.db"
assert_exit 3 varve status --notify >out
mv history "$VARVE_STATE_DIR/runs.db"
assert_eq "$(cat events)" "$told" 'nothing is known'
: >told
assert_exit 0 varve status --notify --quiet >out 2>problems
[ ! -s problems ] || fail "on stderr: $(cat problems)"
assert_eq "$(cat events)" "$told
recovery: " 'well again'
assert_grep "job 'web' is well again$" told
assert_grep '^it is not CRITICAL any more$' told
assert_exit 0 varve status --notify >out
assert_eq "$(wc -l <events)" 4 'told again'
assert_exit 2 faketime -f +8d "$VARVE" status --notify >out
assert_eq "$(wc -l <events)" 5 'a new one'
# With warnings, which are told.
sed -i 's/^\[notify\]/max-unread-age = 1s\n&/' varve.conf
assert_exit 1 varve status --notify >out
assert_eq "$(wc -l <events)" 6 'well again'
assert_grep '^WARNING read-back site: ' told

# ---- mistakes ----
assert_exit 3 varve status nosuch >out 2>problems
assert_grep "no job 'nosuch'" problems
assert_grep 'there are: web' problems
assert_exit 3 varve status --timeout never >out 2>problems
conf 'max-age = soon'
assert_exit 3 varve status >out 2>problems
assert_grep 'max-age' problems

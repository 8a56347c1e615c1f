# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What tests of faults share: a job 'web' with a repository and two sites, a dead-man service and a command that
# are told, a log for programs.  Source it in $WORK, and see that no fault is green, and that its end is told.
need_command faketime
# shellcheck source=tests/e2e/wait.sh
source "$E2E/wait.sh"
# shellcheck source=tests/e2e/notify.sh
source "$E2E/notify.sh"
# shellcheck disable=SC2034 # tests set them anew, and conf reads them
main=$WORK/repo near=$WORK/near far=$WORK/far

# conf LINE...: the configuration, with these lines in the job; $repositories: sections more.  (What is asked
# under another clock leaves samples of free space behind, which are no growth.)
conf()
{
    cat >varve.conf <<END
[repository main]
url = $main
key-file = $WORK/key
[repository near]
url = $near
[repository far]
url = $far
${repositories:-}
[notify]
ping-url = $address/job
command = echo "\$VARVE_EVENT \$VARVE_JOB \$VARVE_CODE '\$VARVE_FAILED' \$VARVE_RUN" >>$WORK/told; cat >>$WORK/told
[job web]
repository = main
space-lasts = 1h
END
    printf '%s\n' "$@" >>varve.conf
    chmod 600 varve.conf
}
# run CODE: the job; its document in out.json, its log in log, what it says in problems, what is told in told.
# Everything that is kept of it agrees.
run()
{
    local got=0
    rm -f log
    : >told
    : >requests
    varve --log-file log --log-format json run --json web >out.json 2>problems || got=$?
    [ "$got" = "$1" ] || {
        cat out.json problems >&2
        fail "exit $got, not $1"
    }
    assert_exit 0 varve runs --json --last 1 web >runs.json
    python3 - "$1" <<'END' || fail "what is kept of the run does not agree"
import json, sys
code = int(sys.argv[1])
job = json.load(open("out.json"))["jobs"][0]
run, parts = job["run"], job["parts"]
assert job["exit_code"] == code, job
log = [json.loads(line) for line in open("log")]
assert all(e["run"] == run and e["job"] == "web" for e in log), log
assert log[0]["event"] == "run.begin" and log[-1]["event"] == "run.end" and log[-1]["code"] == code, log
ends = [(e.get("part") or e["moment"], e["state"]) for e in log if e["event"] in ("part.end", "hook.end")]
assert ends == [(p["part"], p["state"]) for p in parts], (ends, parts)
assert [e["level"] for e in log if e["event"] == "run.end"] == ["error" if code else "info"], log
kept = json.load(open("runs.json"))["runs"][0]
assert kept["run"] == run and kept["exit_code"] == code and kept["ended"], kept
facts = ("part", "state", "why", "exit_code")
assert [[p.get(f) for f in facts] for p in kept["parts"]] == [[p.get(f) for f in facts] for p in parts], kept
pings = [json.loads(line)["path"] for line in open("requests")]
assert pings == ["/job/start", "/job/fail" if code else "/job"], pings
told = open("told").read().split("\n")
if code:
    failed = " ".join(p["part"] for p in parts if p["state"] in ("failed", "problems"))
    assert told[0] == "failure web %d '%s' %s" % (code, failed, run), told
    assert any(e["level"] in ("error", "warning") for e in log[1:-1]), log
END
}
# fast COMMAND...: under a clock by which ten minutes of patience pass in seconds.
fast()
{
    varve() { faketime -f '+0 x100' "$VARVE" "$@"; }
    "$@"
    unset -f varve
}
# fast_from FILE TEXT COMMAND...: the same, from when that file has the text on: not before, since answers that take
# their time are no trouble by an ordinary clock.
fast_from()
{
    local file=$1 text=$2 preload
    shift 2
    preload=$(faketime -f +0 bash -c 'echo "$LD_PRELOAD"')
    echo '+0' >clock
    (wait_for 300 grep -q "$text" "$file" && echo '+0 x100' >clock-fast && mv clock-fast clock) &
    # shellcheck disable=SC2317
    varve()
    {
        LD_PRELOAD=$preload FAKETIME_TIMESTAMP_FILE=$WORK/clock FAKETIME_CACHE_DURATION=1 "$VARVE" "$@"
    }
    "$@"
    unset -f varve
}
# state PART...: what became of these parts of the last run.
state()
{
    python3 -c 'import json, sys
parts = json.load(open("out.json"))["jobs"][0]["parts"]
print(*(p["state"].replace(" ", "-") for name in sys.argv[1:] for p in parts if p["part"] == name))' "$@"
}
# status LEVEL...: not OK, now and after 8 days of silence; among its findings is each LEVEL:TOPIC[:PLACE].
status()
{
    local got=0
    varve status --json --timeout 20s >status.json 2>status.problems || got=$?
    [ "$got" != 0 ] || fail "green: $(cat status.json)"
    python3 - "$got" "$@" <<'END' || fail "status says otherwise"
import json, sys
d = json.load(open("status.json"))
assert ["OK", "WARNING", "CRITICAL", "UNKNOWN"].index(d["level"]) == int(sys.argv[1]) != 0, d["level"]
found = [(f["level"], f["topic"], f["about"]) for f in d["jobs"][0]["findings"]]
for wanted in sys.argv[2:]:
    level, topic, place = (wanted.split(":") + [None])[:3]
    assert (level, topic, place) in found, (wanted, d["jobs"][0]["findings"])
END
    got=0
    faketime -f +8d "$VARVE" status --json --timeout 20s >later.json 2>status.problems || got=$?
    assert_eq "$got" 2 "exit code of status after 8 days of silence"
    assert_eq "$(json later.json 'd["level"]')" CRITICAL
}
# well: the fault is gone; so it is in the next run, which is told, and then all is green, but for silence.
well()
{
    run 0
    assert_eq "$(head -n 1 told | cut -d' ' -f1-3)" 'recovery web 0'
    green
}
green()
{
    varve status --json --timeout 20s >status.json 2>status.problems || fail "not green: $(cat status.json)"
    assert_eq "$(json status.json 'd["level"]')" OK
    assert_exit 2 faketime -f +8d "$VARVE" status >later
}
# snapshots NAME: how many the repository of that name holds; newest NAME: the id of its newest one.
snapshots()
{
    varve -r "$1" --key-file "$WORK/key" snapshots --json >list.json
    json list.json 'len(d["snapshots"])'
}
newest()
{
    varve -r "$1" --key-file "$WORK/key" snapshots --json >list.json
    json list.json 'max(d["snapshots"], key=lambda s: s["time"])["id"]'
}
# fill DIR: to the last byte.
fill()
{
    dd if=/dev/zero of="$1/ballast" bs=64k 2>/dev/null || true
    dd if=/dev/zero of="$1/ballast-2" bs=512 2>/dev/null || true
}

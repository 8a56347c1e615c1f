# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# The log for programs: one line an event, with run, job and process; from hooks' and parts' processes, too.
cd "$WORK" || exit
source "$E2E/wait.sh"
source "$E2E/notify.sh"

# events FILE [PROCESS]: "event" of each line, all of them JSON with what every line has.
events()
{
    python3 - "$@" <<'END'
import json, re, sys
out = []
for line in open(sys.argv[1]):
    d = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", d["time"]), d
    assert d["level"] in ("debug", "info", "warning", "error"), d
    assert re.fullmatch("[0-9a-f]{12}", d["run"]) and d["pid"] > 1, d
    if len(sys.argv) < 3 or d["process"] == sys.argv[2]:
        out.append(d["event"])
print(*out)
END
}
# field FILE EVENT NAME: of the first line of that event.
field()
{
    python3 -c 'import json, sys
print(next(d[sys.argv[3]] for d in map(json.loads, open(sys.argv[1])) if d["event"] == sys.argv[2]))' "$@"
}

# ---- a job in a file: its own steps, and those of its parts, under one run ----
conf "ping-url = $address/secret-4711" "before = echo said by the hook; cd / && varve -r main snapshots --quiet >/dev/null
after = env | grep ^VARVE_RUN= >$WORK/hook-run; : secret-4712
replicate-to = site
keep-last = 3
[repository site]
url = $WORK/site"
(mkdir here && cd here && assert_exit 0 varve run --json --log-format json --log-file ../log web >../out.json 2>../said)
assert_eq "$(cat said)" "said by the hook" "standard error is as ever"
assert_eq "$(events log run)" "run.begin notify.sent hook.begin hook.end part.begin part.end part.begin part.end \
part.begin part.end part.begin part.end hook.begin hook.end notify.sent run.end"
assert_eq "$(events log backup)" "command.begin backup.saved command.end"
assert_eq "$(events log replicate)" "command.begin notice replicate.done command.end"
assert_eq "$(events log forget)" "command.begin forget.done command.end"
assert_eq "$(events log prune)" "command.begin prune.done command.end"
assert_eq "$(events log snapshots)" "command.begin command.end" # of the hook
python3 - <<'END'
import json
lines = [json.loads(line) for line in open("log")]
assert {d["job"] for d in lines} == {"web"}, lines
assert len({d["run"] for d in lines}) == 1, lines
assert len({d["pid"] for d in lines}) == 6, lines
job = json.load(open("out.json"))["jobs"][0]
assert job["run"] == lines[0]["run"], job
assert open("hook-run").read() == "VARVE_RUN=%s\n" % job["run"]
saved = next(d for d in lines if d["event"] == "backup.saved")
output = next(p for p in job["parts"] if p["part"] == "backup")["output"]
assert saved["snapshot"] == output["snapshot"] and saved["files"] == 1 and saved["bytes"] == 5, saved
part = next(d for d in lines if d["event"] == "part.end")
assert part["part"] == "backup" and part["state"] == "ok" and part["code"] == 0, part
END
assert_eq "$(stat -c %a log)" 600
refute_grep secret log
refute_grep 'said by' log
first=$(field log run.begin run)
conf ""
assert_exit 0 varve --log-format json --log-file log run web >/dev/null # behind what is there
assert_eq "$(events log run | grep -o run.begin | wc -l)" 2
refute_grep "$first" <(tail -n 1 log)

# ---- by the environment; several jobs have a run each ----
conf "" "[job other]
repository = main
exec = a=echo a"
rm log
VARVE_LOG_FORMAT=json VARVE_LOG_FILE=log assert_exit 0 varve run --all >/dev/null
python3 - <<'END'
import json
runs = {(d["job"], d["run"]) for d in map(json.loads, open("log"))}
assert sorted(job for job, _ in runs) == ["other", "web"] and len({run for _, run in runs}) == 2, runs
END
rm log
VARVE_LOG_FORMAT=xml assert_exit 2 varve run web 2>problems
assert_grep 'VARVE_LOG_FORMAT' problems
assert_exit 2 varve --log-format xml run web 2>problems
# A log that cannot be written is no reason not to back up.
assert_exit 0 varve --log-file /nowhere/log run web >/dev/null 2>problems
assert_grep "warning: cannot write the log '/nowhere/log'" problems
assert_exit 0 varve --log-file /dev/full run web >/dev/null 2>problems
assert_grep 'lines of the log were lost' problems
# A FIFO that nobody reads holds nothing up; one that somebody reads, slowly, gets every line.
mkfifo log-fifo
assert_exit 0 timeout 60 "$VARVE" --log-file log-fifo run web >/dev/null 2>problems
assert_grep "warning: cannot write the log 'log-fifo' .*nobody reads it" problems
mkdir many
for i in {1..100}; do mkfifo "many/$i"; done # each is worth a line
cat >slow-reader <<'END'
import fcntl, os, struct, sys, termios, time
log = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
size = fcntl.fcntl(log, 1031, 4096)  # F_SETPIPE_SZ
open("ready", "w").close()
full = lambda: struct.unpack("i", fcntl.ioctl(log, termios.FIONREAD, b"0000"))[0] > size - 512
end = time.monotonic() + 40
while not full():
    assert time.monotonic() < end, "the log never fills the FIFO"
    time.sleep(0.05)
time.sleep(0.3)
os.set_blocking(log, True)
with open(log, "rb") as lines, open(sys.argv[2], "wb") as out:
    out.write(lines.read())
END
timeout 60 python3 slow-reader log-fifo log-read &
reader=$!
wait_for 30 test -e ready
assert_exit 0 timeout 60 "$VARVE" -v --log-file log-fifo --log-format json -r main backup many >/dev/null 2>problems
wait "$reader"
refute_grep 'were lost' problems
assert_eq "$(grep -c 'many/' log-read)" 100 "lines about FIFOs"
rm -r many log-fifo

# ---- on standard error, in place of the messages: problems once, with the part's process ----
conf "" "after = varve -r /nowhere snapshots"
mv data away
for format in text json; do
    assert_exit 1 varve --log-format "$format" run web >/dev/null 2>said-$format
    assert_eq "$(grep -c 'none of the paths' said-$format)" 1 "lines about it"
    assert_eq "$(grep -c '^varve:' said-$format || true)" 0 "lines in words"
done
assert_eq "$(events said-json run)" "run.begin part.begin part.end hook.begin hook.end run.end"
assert_eq "$(events said-json backup)" "command.begin problem error command.end"
assert_eq "$(events said-json snapshots)" "command.begin error command.end"
assert_eq "$(field said-json run.end code) $(field said-json run.end level)" "1 error"
assert_eq "$(field said-json error job)" web
assert_grep '^[0-9T:.-]{26}Z error   error run=[0-9a-f]{12} job=web process=backup pid=[0-9]+ reason=[a-z-]+ text="none' \
    said-text
# Notifications have the end of it whatever its form.
conf "ping-url = $address/x"
fresh
assert_exit 1 varve --log-format json run web >/dev/null 2>said
body 1 | grep -q '"event": "error"' || fail "the ping says: $(body 1)"
mv away data
# A problem has its name; a command by itself has a run of its own, and no job.
rm -f log
if [ "$EUID" != 0 ]; then
    touch data/closed && chmod 0 data/closed
    assert_exit 3 varve --log-file log --log-format json -r main backup data >/dev/null 2>problems
    assert_grep closed problems
    assert_eq "$(events log)" "command.begin problem backup.saved command.end"
    assert_eq "$(field log problem path)" "$PWD/data/closed"
    refute_grep '"job"' log
    rm -f data/closed
fi
# Names of others cannot make lines, nor close quotes.
rm -f log
evil=$'data/evil" run=0\nrun.end'
mkfifo "$evil"
touch "$evil.txt"
assert_exit 0 varve -v --log-file log --log-format text -r main backup data >/dev/null 2>&1
refute_grep '^run.end' log
python3 - <<'END'
import re
value = r'(?:[^ "=]+|"(?:[^"\\]|\\.)*")'
lines = open("log", encoding="utf-8").read().splitlines()
for line in lines:
    assert re.fullmatch(r"[0-9T:.-]+Z (debug|info ) +[a-z.]+( [a-z_]+=%s)+" % value, line), line
assert any(r'data/evil\" run=0\nrun.end"' in line for line in lines), lines
END
rm -f "$evil" "$evil.txt"

# ---- the journal ----
# journal COMMAND...: with standard error in the file 'said', which is the journal, they say.
journal()
{
    : >said
    "$@" >/dev/null 2>>said
}
: >said
JOURNAL_STREAM=$(stat -c %d:%i said)
export JOURNAL_STREAM
assert_eq "$(journal varve -r /nowhere snapshots || cat said)" "<3>varve: there is no varve repository at '/nowhere'
<3>hint: 'varve -r /nowhere init' makes one"
journal varve --log-format json -r main snapshots
assert_eq "$(cut -c 1-4 said | sort -u)" '<6>{'
# Parts behind a pipe know it, too; what a hook says is passed on as it is; in mail there is no priority.
mv data away
conf "mail-to = root" "before = echo by the hook >&2"
fresh
journal varve run web || true
assert_grep '^<3>varve: .*none of the paths' said
assert_grep '^by the hook$' said
assert_grep '^varve: .*none of the paths' mail
refute_grep '^<3>' mail
mv away data
# Something else than what is named there.
assert_exit 10 varve -r /nowhere snapshots 2>problems
assert_grep '^varve: there is no' problems

# ---- on a terminal it is as pleasant as ever, with notifications as well ----
unset JOURNAL_STREAM
conf "mail-to = root
on = success" "exec = slow=sleep 2; echo a"
fresh
assert_exit 0 python3 "$E2E/pty-run.py" -- varve --config "$VARVE_CONFIG" run web >terminal
assert_grep $'\033\\[K' terminal
refute_grep 'run\.begin' terminal
assert_grep 'backup +ok' mail
refute_grep $'\033' mail

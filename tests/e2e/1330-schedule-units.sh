# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# Schedules as units of systemd: written, checked by systemd itself, brought up to date, removed.
unset VARVE_REPO VARVE_KEY_FILE
cd "$WORK" || exit
export VARVE_CONFIG=$WORK/varve.conf

base="[repository main]
url = $WORK/repo \$1%d
key-file = $WORK/key
[repository site]
url = $WORK/site
[job web]
repository = main
path = $WORK/data"
# conf LINE...: the base, and behind it these.
conf()
{
    printf '%s\n' "$base" "$@" >varve.conf
    chmod 600 varve.conf
}
schedule() { varve schedule "$@"; }
mkdir units
install() { assert_exit "$1" varve schedule install --directory units >out 2>problems; }

# ---- wrong values ----
# wrong TEXT LINE...: told with file and line, by every command that reads the configuration.
wrong()
{
    local text=$1
    shift
    conf "$@"
    assert_exit 2 varve config check >problems
    assert_grep "^$WORK/varve.conf:9: .*$text" problems
    assert_exit 2 varve schedule install --directory units 2>problems
    assert_grep "varve.conf:9: $text" problems
}
wrong "schedule: 'nightly' is not a schedule such as daily 03:30" 'schedule = nightly'
wrong "schedule: 'daily 25:00' is not a schedule" 'schedule = daily 25:00'
wrong "schedule: 'every 7h' is not a schedule" 'schedule = every 7h'
wrong "schedule: 'weekly 03:00' is not a schedule" 'schedule = weekly 03:00'
wrong "schedule: 'monthly 31' is not a schedule" 'schedule = monthly 31'
wrong "schedule-jitter: 'some' is not a duration such as 90s" 'schedule-jitter = some'
conf 'schedule = every 15min' 'schedule-jitter = 15min'
install 2
assert_grep "varve.conf:10: schedule-jitter: '15min' is not shorter than" problems
[ -z "$(ls units)" ] || fail "something was written: $(ls units)"
conf 'schedule = daily'
assert_exit 2 varve schedule install --systemd --crontab 2>problems
assert_grep 'either --systemd or --crontab' problems
assert_exit 2 varve schedule install --system --user 2>problems
assert_exit 2 varve schedule install --directory nowhere 2>problems
assert_grep "'nowhere' is no directory" problems
assert_exit 2 varve schedule install --directory units --crontab --user 2>problems
assert_exit 2 varve --config nowhere.conf schedule list 2>problems

# ---- written ----
conf 'schedule = daily 02:30 14:45' "replicate-to = site" \
    '[job x.y_z]' 'repository = site' 'exec = kernel=uname -s' 'schedule = every 15min' \
    '[job by-hand]' 'repository = main' "path = $WORK/data"
assert_exit 0 varve schedule install --directory units --dry-run >out
assert_grep '^# would be written: units/varve-run-web.timer$' out
assert_grep '^OnCalendar=\*-\*-\* 14:45:00$' out
[ -z "$(ls units)" ] || fail "a dry run has written $(ls units)"
umask 077
install 0
umask 022
assert_eq "$(cd units && echo *)" \
    "varve-run-web.service varve-run-web.timer varve-run-x.y_z.service varve-run-x.y_z.timer" files
assert_eq "$(stat -c %a units/varve-run-web.service)" 644 "mode"
assert_grep '^written units/varve-run-web.timer$' out
assert_grep '^2 jobs, for systemd' out
assert_grep "^ExecStart=$WORK/bin/varve --config=$WORK/varve.conf run --quiet --wait web$" \
    units/varve-run-web.service
assert_grep 'run --quiet --wait x.y_z$' units/varve-run-x.y_z.service
assert_grep "^Environment=VARVE_STATE_DIR=$VARVE_STATE_DIR VARVE_CACHE_DIR=$VARVE_CACHE_DIR$" \
    units/varve-run-web.service
assert_grep "^ReadWritePaths=\"-$WORK/repo \\\$1%%d\" -$WORK/site -$WORK/state -$WORK/cache$" \
    units/varve-run-web.service
assert_grep '^RandomizedDelaySec=600$' units/varve-run-web.timer
assert_grep '^RandomizedDelaySec=225$' units/varve-run-x.y_z.timer # a quarter of the time between
# Somebody is to be told, and a job is watched: a timer for the status of all, a service that stays.
conf 'schedule = daily 02:30' 'watch = yes' '[job x.y_z]' 'repository = site' 'watch = yes' \
    'exec = kernel=uname -s' '[notify]' 'mail-to = root'
mkdir more
assert_exit 0 varve schedule install --directory more >out
assert_eq "$(cd more && echo *)" "varve-run-web.service varve-run-web.timer varve-status.service \
varve-status.timer varve-watch-web.service varve-watch-x.y_z.service" files
assert_grep '^3 jobs, for systemd' out
assert_grep 'varve.conf status --quiet --notify$' more/varve-status.service
assert_grep '^ProtectSystem=full$' more/varve-run-web.service # mail goes into a spool
assert_grep '^Type=notify$' more/varve-watch-web.service
assert_grep '^ExecReload=/bin/sh -c "kill -HUP \$\$MAINPID"$' more/varve-watch-web.service # no procps
assert_grep 'varve.conf watch --quiet web$' more/varve-watch-web.service
assert_grep '^WantedBy=multi-user.target$' more/varve-watch-web.service
assert_exit 0 varve schedule list --directory more >out
assert_grep '^web +daily 02:30 .* systemd$' out
assert_grep '^x.y_z +continuously .* systemd$' out
mkdir cron
assert_exit 0 varve schedule install --crontab --directory cron >out 2>problems
assert_grep "job 'web' is to be watched, which cron cannot do" problems
refute_grep 'watch' cron/varve
assert_grep '^25 \* \* \* \* root .* status --quiet --notify$' cron/varve
# Without any of it, that goes.
conf 'schedule = daily 02:30 14:45' "replicate-to = site" \
    '[job x.y_z]' 'repository = site' 'exec = kernel=uname -s' 'schedule = every 15min' \
    '[job by-hand]' 'repository = main' "path = $WORK/data"
cp -r more less
assert_exit 0 varve schedule install --directory less >out
assert_grep '^removed less/varve-status.timer$' out
assert_grep '^removed less/varve-watch-web.service$' out
assert_eq "$(cd less && echo *)" "$(cd units && echo *)" files
# Without anything in the environment, systemd makes the directories.
mkdir plain
assert_exit 0 env -u VARVE_STATE_DIR -u VARVE_CACHE_DIR "$VARVE" schedule install \
    --directory plain >/dev/null
assert_grep '^StateDirectory=varve$' plain/varve-run-web.service
refute_grep '^Environment=VARVE' plain/varve-run-web.service
# For a user's own manager: nothing that it could not do.
mkdir own
assert_exit 0 varve schedule install --user --directory own >/dev/null
refute_grep '^(Protect|Capability|After)' own/varve-run-web.service

# ---- nothing is hidden from a backup ----
cp varve.conf conf.before
# Whatever job it is: with commands or not, rehearsing, watching, of a user.
conf 'schedule = daily 02:30' 'watch = yes' 'rehearse-every = 30d' "rehearse-scratch = $WORK" \
    '[job x.y_z]' 'repository = site' 'watch = yes' 'schedule = daily' 'rehearse-every = 30d' 'path = /' \
    'exec = kernel=uname -s' 'before = true' '[notify]' 'ping-url = http://127.0.0.1:1/'
mkdir rehearsed
assert_exit 0 varve schedule install --directory rehearsed >/dev/null
assert_grep 'CAP_CHOWN' rehearsed/varve-run-web.service
assert_grep '^ProtectSystem=strict$' rehearsed/varve-run-web.service
assert_grep '^ProtectSystem=full$' rehearsed/varve-run-x.y_z.service
# To become another user is only for what has a command, or a server, to run.
assert_eq "$(grep -L CAP_SETUID units/*.service rehearsed/*.service)" "units/varve-run-web.service
rehearsed/varve-watch-web.service" "units without CAP_SETUID"
cat units/* more/* plain/* own/* rehearsed/* "$VARVE_SOURCE"/examples/systemd/* >all
hides='ProtectKernelModules|ProtectKernelLogs|ProtectProc|ProcSubset|InaccessiblePaths'
hides="$hides|InaccessibleDirectories|NoExecPaths|ExecPaths|PrivateTmp|PrivateDevices|PrivateUsers|PrivateIPC"
hides="$hides|PrivateNetwork|TemporaryFileSystem|Bind[A-Za-z]*Paths|Root[A-Za-z]*|Mount[A-Z][A-Za-z]*"
hides="$hides|ExtensionImages|ExtensionDirectories|DynamicUser|User|Group"
refute_grep "^($hides)=" all
mv conf.before varve.conf
# As long as what is left is no more than what was looked at: each of these leaves what is read as it is.
assert_eq "$(grep -E '^(Protect|Private)' all | sort -u | tr '\n' ' ')" "PrivateMounts=yes \
ProtectClock=yes ProtectControlGroups=yes ProtectHome=read-only ProtectHostname=yes ProtectKernelTunables=yes ProtectSystem=full \
ProtectSystem=strict " "what units protect"
# ProtectClock= allows the devices of DeviceAllow= alone: there is a list in each, and disks for commands.
assert_eq "$(grep -l '^ProtectClock=yes$' ./*/*.service)" "$(grep -l '^DevicePolicy=closed$' ./*/*.service)" \
    "units with a list of devices"
assert_eq "$(grep -l '^ProtectSystem=full$' ./*/*.service)" "$(grep -l '^DeviceAllow=block-\* rwm$' ./*/*.service)" \
    "units that have disks"

# ---- where the program is gone, or jobs are not well ----
assert_eq "$(grep -L "^ConditionFileIsExecutable=/.*/varve$" {units,more,plain,own,rehearsed}/*.service)" \
    '' "units without a condition"
assert_eq "$(grep -l '^SuccessExitStatus=1 2 3$' {units,more,plain,own,rehearsed}/*)" "more/varve-status.service
rehearsed/varve-status.service" "units that may find something"

# ---- what systemd says of them ----
need_systemd()
{
    command -v systemd-analyze >/dev/null && return 0
    [ -z "${VARVE_TESTS_SET_UP:-}" ] || fail "systemd-analyze is missing: is it in examples/setup.sh?"
    echo "without systemd-analyze, units are not verified"
    return 1
}
if need_systemd; then
    for directory in units plain own more rehearsed; do
        for unit in "$directory"/*; do
            systemd-analyze verify --man=no "./$unit" >verified 2>&1 ||
                fail "$unit: $(cat verified)"
            [ ! -s verified ] || fail "$unit: $(cat verified)"
        done
    done
    # What hides is not set, but what it forbids is forbidden: by a system call filter and by capabilities.
    refute_grep 'CAP_(SYS_MODULE|SYS_RAWIO|SYSLOG|MKNOD)' all
    # Every kind: with hooks, rehearsing, both, watching, and for the status of all.
    for unit in {units,plain,more,rehearsed}/*.service; do
        assert_grep '^SystemCallFilter=~.* @module .* syslog$' "$unit"
        systemd-analyze security --offline=true --threshold=40 "./$unit" >score 2>&1 ||
            fail "$unit: $(tail -n 1 score)"
    done
    # It finds the program where it is, whatever its path, and notices when it is gone.
    odd=$WORK/"odd 100%d\"q'\\x\$HOME"
    mkdir "$odd" odd-units
    cp "$VARVE" "$odd/varve"
    assert_exit 0 "$odd/varve" schedule install --directory odd-units >/dev/null
    condition=$(grep '^Condition' odd-units/varve-run-web.service)
    assert_exit 0 systemd-analyze condition "$condition" >/dev/null 2>&1
    rm "$odd/varve"
    assert_exit 1 systemd-analyze condition "$condition" >/dev/null 2>&1
    # It reads our expressions as we do.
    for unit in units/*.timer; do
        sed -n 's/^OnCalendar=//p' "$unit" | while read -r calendar; do
            systemd-analyze calendar "$calendar" >calendar
            grep -q 'Next elapse' calendar || fail "$calendar: $(cat calendar)"
        done
    done
fi

# ---- listed ----
assert_exit 0 varve schedule list --directory units >out
assert_grep '^web +daily 02:30 14:45 +20[0-9-]+ (02:30|14:45):00\+00:00 +10 min 00 s +systemd$' out
assert_grep '^x.y_z +every 15min +20[0-9-]+ [0-9:]+:00\+00:00 +3 min 45 s +systemd$' out
assert_grep '^by-hand +- +- +- +-$' out
assert_exit 0 varve schedule list --directory units --json >list
assert_eq "$(json list '[(j["job"], j.get("state"), j.get("by"), j.get("longest_seconds")) for j in d["jobs"]]')" \
    '[["web", "installed", "systemd", 44100], ["x.y_z", "installed", "systemd", 900], ["by-hand", null, null, null]]'
mkdir empty
assert_exit 0 varve schedule list --directory empty >out
assert_grep '^web .* not installed$' out

# ---- brought up to date ----
cp -a units before
install 0
refute_grep '^(written|removed)' out
diff -r before units
conf 'schedule = daily 02:30' "replicate-to = site" '[job x.y_z]' 'repository = site' \
    'exec = kernel=uname -s'
assert_exit 0 varve schedule list --directory units >out 2>problems
assert_grep '^web .* systemd, not up to date$' out
assert_grep "'units/varve-run-x.y_z.timer' is for no schedule" problems
assert_exit 0 varve schedule install --directory units --dry-run --json >list
assert_eq "$(json list '[(f["path"], f["state"]) for f in d["files"] if f["state"] != "unchanged"]')" \
    '[["units/varve-run-x.y_z.service", "would be removed"], ["units/varve-run-x.y_z.timer", "would be removed"], ["units/varve-run-web.timer", "would be written"]]'
install 0
assert_eq "$(grep -c '^written' out) $(grep -c '^removed' out)" "1 2" "files written, removed"
assert_eq "$(cd units && echo *)" "varve-run-web.service varve-run-web.timer" files
refute_grep '14:45' units/varve-run-web.timer

# ---- what is not ours stays ----
printf '[Timer]\nOnCalendar=daily\n' >units/varve-run-mine.timer
printf 'mine\n' >units/other.service
ln -s nowhere units/varve-run-link.service
conf 'schedule = daily 04:30' '[job mine]' 'repository = main' 'schedule = daily'
cp -a units before2
install 1
assert_grep "'units/varve-run-mine.timer' is not from 'varve schedule install'" problems
assert_grep 'hint: move it away, or give the job another name' problems
diff -r --no-dereference before2 units # nothing was changed before that was noticed
conf 'schedule = daily 04:30'
install 0
assert_grep '04:30:00' units/varve-run-web.timer
assert_exit 0 varve schedule remove --directory units --dry-run >out
assert_grep '^would be removed units/varve-run-web.timer$' out
assert_exists units/varve-run-web.timer
assert_exit 0 varve schedule remove --directory units >out
assert_eq "$(cd units && echo *)" "other.service varve-run-link.service varve-run-mine.timer" files
assert_eq "$(head -n 1 units/varve-run-mine.timer)" '[Timer]'
assert_exit 0 varve schedule remove --directory units >out
assert_grep '^nothing is installed$' out
# Without any schedule, what there was goes.
install 0
conf 'tag = x'
install 0
assert_grep '^removed units/varve-run-web.timer$' out
assert_grep "^no job of the configuration has a key 'schedule'$" out
refute_exists units/varve-run-web.timer

# What cannot stand in a unit file is refused.
conf 'schedule = daily'
newline=$WORK/new$'\n'line
mkdir "$newline"
cp varve.conf "$newline/"
assert_exit 1 varve --config "$newline/varve.conf" schedule install --directory units 2>problems
assert_grep 'control character' problems
# From one manager to the other: never both.
install 0
assert_exit 0 varve schedule install --crontab --directory units >out
assert_grep '^removed units/varve-run-web.timer$' out
assert_exists units/varve
install 0
refute_exists units/varve
assert_exists units/varve-run-web.timer

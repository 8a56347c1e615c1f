# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# Schedules as lines of crontabs: they run under an empty environment, and others' lines stay.
unset VARVE_REPO VARVE_KEY_FILE
cd "$WORK" || exit
mkdir -p data "odd 100%'s \$HOME" cron
seq 1000 >data/numbers
config="$WORK/odd 100%'s \$HOME/varve.conf"
assert_exit 0 varve -r "$WORK/repo" init --key-file "$WORK/key" >/dev/null
# conf LINE...: a job with these lines.
conf()
{
    printf '%s\n' '[repository main]' "url = $WORK/repo" "key-file = $WORK/key" \
        '[job web]' 'repository = main' "path = $WORK/data" "$@" >"$config"
    chmod 600 "$config"
}
count() { varve -r repo --key-file key snapshots --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["snapshots"]))'; }
install() { assert_exit "$1" varve --config "$config" schedule install --crontab "${@:2}" >out 2>problems; }

# run_lines FILE FIELDS: as cron(8) does: what is behind so many fields, '%' with a backslash before it is
# one, any other ends the line; by the shell and with the variables that the file sets, and no others.
run_lines()
{
    python3 - "$@" <<'END'
import re, subprocess, sys
fields, settings, count = int(sys.argv[2]), {"HOME": "/nonexistent"}, 0
for line in open(sys.argv[1]).read().splitlines():
    if line.startswith("#") or not line:
        continue
    setting = re.match(r"^([A-Z_]+)=(.*)$", line)
    if setting:
        settings[setting.group(1)] = setting.group(2)
        continue
    n = fields - 4 if line.startswith("@") else fields
    command = line.split(None, n)[n]
    assert not re.search(r"(?<!\\)%", command), command
    command = command.replace("\\%", "%")
    shell = settings.pop("SHELL", "/bin/sh")
    r = subprocess.run(["env", "-i", *["%s=%s" % s for s in settings.items()], shell, "-c", command],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/")
    if r.returncode != 0 or r.stdout or r.stderr:
        sys.exit("%s\nends with %d: %s%s" % (command, r.returncode, r.stdout, r.stderr))
    count += 1
print(count)
END
}

# ---- a file for /etc/cron.d ----
conf 'schedule = daily 02:30 14:45' 'schedule-jitter = 1s'
install 0 --directory cron
assert_eq "$(stat -c %a cron/varve)" 644 mode
assert_eq "$(tail -c 1 cron/varve | od -An -tx1)" " 0a" "the last byte"
assert_grep '^30 2 \* \* \* root ' cron/varve
assert_grep '^45 14 \* \* \* root ' cron/varve
assert_grep '^@reboot root .* --missed --all --jitter=1s$' cron/varve
refute_grep 'MAILTO' cron/varve
before=$(count)
# Two runs; what was missed is nothing then.
assert_eq "$(run_lines cron/varve 6)" 3 "lines"
assert_eq $(($(count) - before)) 2 "snapshots"
assert_exit 0 varve --config "$config" schedule list --directory cron >out
assert_grep '^web .* crontab$' out
# The package was removed: nothing to do, nothing to mail.
mv bin/varve bin/away
assert_eq "$(run_lines cron/varve 6)" 3 "lines without the program"
mv bin/away bin/varve
assert_eq $(($(count) - before)) 2 "snapshots"
# A failing run is told by what cron mails, and by its exit code.
conf 'schedule = daily' 'schedule-jitter = 0' 'before = exit 1'
install 0 --directory cron
sed -i '/@reboot/d' cron/varve
if run_lines cron/varve 6 >said 2>&1; then fail "a failing run has exit code 0"; fi
assert_grep 'ends with 1' said
assert_grep "job 'web'.*FAILED" said
# What is changed by hand is not up to date, and goes; what is of others does not.
assert_exit 0 varve --config "$config" schedule list --directory cron >out
assert_grep '^web .* crontab, not up to date$' out
install 0 --directory cron
assert_grep '^written cron/varve$' out
assert_exit 0 varve schedule remove --directory cron >out
refute_exists cron/varve
echo '1 2 * * * root true' >cron/varve
install 1 --directory cron
assert_grep "'cron/varve' is not from 'varve schedule install'" problems
assert_exit 0 varve schedule remove --directory cron >out
assert_eq "$(cat cron/varve)" '1 2 * * * root true' "what is of others"

# ---- the crontab of a user ----
# crontab(1) of this test's own: its crontab is the file $WORK/crontab.
cat >bin/crontab <<END
#!/bin/sh
case \$1 in
-l)
    if [ -e "$WORK/denied" ]; then echo "you are not allowed to use this program" >&2; exit 1; fi
    if [ ! -e "$WORK/crontab" ]; then echo "no crontab for \$(id -un)" >&2; exit 1; fi
    cat "$WORK/crontab" ;;
*)
    if grep -q refuse-me "\$1"; then echo "bad minute" >&2; exit 1; fi
    cat "\$1" >"$WORK/crontab" ;;
esac
END
chmod 755 bin/crontab
conf 'schedule = hourly :15' 'schedule-jitter = 0'
install 0 --user
assert_grep '^1 job, run by cron$' out
assert_eq "$(head -n 1 crontab)" \
    "# BEGIN varve schedule: written by 'varve schedule install', changes are lost"
assert_eq "$(tail -n 1 crontab)" "# END varve schedule"
assert_grep "^15 \* \* \* \* \[ ! -x $WORK/bin/varve ] \|\| /usr/bin/env PATH=" crontab
before=$(count)
mv bin/varve bin/away
assert_eq "$(run_lines crontab 5)" 2 "lines without the program"
mv bin/away bin/varve
assert_eq "$(count)" "$before" "snapshots without the program"
assert_eq "$(run_lines crontab 5)" 2 lines
assert_eq $(($(count) - before)) 1 "snapshots"
assert_exit 0 varve --config "$config" schedule list --user >out
assert_grep '^web .* crontab$' out
# Lines of others stay, before and behind.
{
    echo '0 1 * * * before'
    cat crontab
    printf '0 2 * * * behind'
} >new && mv new crontab
conf 'schedule = daily 05:30'
install 0 --user
assert_eq "$(head -n 1 crontab) $(tail -n 1 crontab)" '0 1 * * * before 0 2 * * * behind'
assert_grep '^30 5 \* \* \* ' crontab
refute_grep '^15 ' crontab
cp crontab before-crontab
install 0 --user
cmp crontab before-crontab
refute_grep '^written' out
install 0 --user --dry-run
cmp crontab before-crontab
# One that cannot be read is not taken for an empty one.
touch denied
install 1 --user
assert_grep "cannot read this user's crontab: you are not allowed" problems
cmp crontab before-crontab
rm denied
# A mark that is gone: where do our lines end?
sed -i '/END varve/d' crontab
cp crontab before-crontab
install 1 --user
assert_grep 'marks around .* are damaged' problems
cmp crontab before-crontab
printf '0 1 * * * before\n' >"crontab"
echo '0 1 * * * refuse-me' >"crontab"
install 1 --user
assert_grep 'crontab refuses the new crontab' problems
assert_grep 'bad minute' problems
assert_eq "$(cat crontab)" '0 1 * * * refuse-me'
printf '0 1 * * * before\n' >"crontab"
install 0 --user
assert_exit 0 varve schedule remove --user --crontab >out
assert_eq "$(cat crontab)" '0 1 * * * before' "after removing"
assert_exit 0 varve schedule remove --user --crontab >out
assert_grep 'nothing is installed' out
[ -z "$(ls "$TMPDIR")" ] || fail "left behind: $(ls "$TMPDIR")"
rm crontab
install 0 --user
assert_exists crontab # there was none

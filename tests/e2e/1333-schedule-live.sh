# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# Schedules where systemd and cron read them: in mounts of this test's own over the real places, with a
# systemctl that writes down what it is told.
need_root
need_command unshare
if [ -z "${SCHEDULE_LIVE_INSIDE:-}" ]; then
    unshare --mount --propagation private true 2>"$STDERR" ||
        skip "no mount namespace: $(cat "$STDERR")"
    [ -d /etc/systemd/system ] && [ -d /etc/cron.d ] || skip "needs /etc/systemd/system, /etc/cron.d"
    SCHEDULE_LIVE_INSIDE=yes unshare --mount --propagation private \
        bash -c 'set -euo pipefail; source "$1"; source "$2"' live "$E2E/lib.sh" \
        "$E2E/1333-schedule-live.sh" || fail "inside of the mounts"
    return 0
fi
cd "$WORK" || exit
for directory in /run /etc/systemd/system /etc/cron.d; do
    mount -t tmpfs tmpfs "$directory"
done
units=/etc/systemd/system
cat >bin/systemctl <<END
#!/bin/sh
echo "\$*" >>$WORK/told
case "\$*" in
*"\$(cat $WORK/fails 2>/dev/null || echo nothing)"*) echo "no bus" >&2; exit 1 ;;
--user*) ;;
*enable*varve-run-web.timer*)
    mkdir -p $units/timers.target.wants
    ln -sf ../varve-run-web.timer $units/timers.target.wants/ ;;
esac
END
chmod 755 bin/systemctl
export VARVE_CONFIG=$WORK/varve.conf
conf()
{
    printf '%s\n' '[repository main]' "url = $WORK/repo" '[job web]' 'repository = main' \
        "path = $WORK" "$@" >varve.conf
    chmod 600 varve.conf
}
told() { if [ -e told ]; then cat told; fi; rm -f told; }
install() { assert_exit "$1" varve schedule install "${@:2}" >out 2>problems; }
conf 'schedule = daily 03:30' '[job db]' 'repository = main' 'schedule = hourly'

# ---- neither ----
if ! (PATH=/usr/sbin:/usr/bin:/sbin:/bin; command -v cron || command -v crond || command -v crontab) >/dev/null; then
    install 1
    assert_grep 'neither systemd is running nor cron installed: nothing would run a job' problems
    assert_grep 'hint: install cron' problems
fi

# ---- cron, since systemd is not running ----
printf '#!/bin/sh\n' >bin/cron
chmod 755 bin/cron
install 0
assert_grep '^2 jobs, run by cron$' out
assert_grep '^30 3 \* \* \* root ' /etc/cron.d/varve
assert_eq "$(told)" ''

# ---- systemd is running: what cron would do as well goes ----
mkdir -p /run/systemd/system
install 0
assert_grep '^removed /etc/cron.d/varve$' out
assert_grep "^2 jobs, run by systemd: 'systemctl list-timers' shows them$" out
refute_exists /etc/cron.d/varve
assert_eq "$(told)" "daemon-reload
--quiet --now enable varve-run-db.timer varve-run-web.timer
restart varve-run-db.timer varve-run-web.timer"
assert_exit 0 varve schedule list >out
assert_grep '^web .* systemd$' out
assert_grep '^db .* systemd, not enabled$' out # our systemctl links web only
# Again: nothing is written, but that the timers are enabled is seen to.
install 0
assert_eq "$(told)" "--quiet --now enable varve-run-db.timer varve-run-web.timer"
# One goes, the other changes.
conf 'schedule = daily 04:30'
install 0
assert_eq "$(told)" "--quiet --now disable varve-run-db.timer
daemon-reload
--quiet --now enable varve-run-web.timer
restart varve-run-web.timer"
refute_exists "$units/varve-run-db.timer" "$units/varve-run-db.service"
# A dry run tells nobody.
conf 'schedule = daily 05:30'
install 0 --dry-run
assert_eq "$(told)" ''
assert_grep '04:30' "$units/varve-run-web.timer"
# systemctl fails: told, and the next time it is done.
echo daemon-reload >fails
install 1
assert_grep "'systemctl daemon-reload' fails \(exit code 1\)" problems
assert_grep 'no bus' problems
rm fails told
printf '\n' >>"$units/varve-run-web.timer"
install 0
assert_grep 'restart varve-run-web.timer' told
told >/dev/null

# ---- directories that a unit may not make ----
missing() { sed -n "s/^varve: warning: '\([^']*\)' does not exist, and systemd does not let job '\([^']*\)' .*/\2 \1/p" problems; }
conf 'schedule = daily 04:30' 'replicate-to = site' 'watch = yes' '[repository site]' "url = $WORK/site" \
    '[repository far]' 'url = sftp://localhost/far' '[job db]' 'repository = main' 'replicate-to = far' \
    'replicate-to = site' 'schedule = hourly' '[job hooks]' 'repository = main' 'replicate-to = site' \
    'exec = a=true' 'schedule = daily'
rm -rf repo site
mkdir -p "$VARVE_STATE_DIR" "$VARVE_CACHE_DIR"
install 0
assert_eq "$(missing)" "web $WORK/repo
web $WORK/site
db $WORK/repo
db $WORK/site" "what is missing"
assert_grep "make it first by 'varve run web' by hand, once" problems
# That is what helps.
assert_exit 0 varve -r repo init --key-file "$WORK/key" >/dev/null
sed -i "/^url = .*repo$/a key-file = $WORK/key" varve.conf
sed -i "s,^path = .*,path = $WORK/bin," varve.conf
install 0
assert_eq "$(missing)" "web $WORK/site
db $WORK/site" "what is missing"
assert_exit 0 varve run web >/dev/null 2>&1
install 0
assert_eq "$(missing)" '' "what is missing"
rm -rf site
# Nobody else is kept from making it: cron, a user's manager, or whoever gets a directory of units.
mkdir -p elsewhere nobody/runtime/systemd
assert_exit 0 varve schedule install --directory elsewhere >/dev/null 2>problems
assert_eq "$(missing)" ''
install 0 --dry-run --crontab
assert_eq "$(missing)" ''
install 0 --dry-run --systemd --user
assert_eq "$(missing)" ''
install 0 --dry-run
assert_eq "$(missing)" "web $WORK/site
db $WORK/site" "what is missing, by a dry run"
conf 'schedule = daily 05:30'
rm -rf repo
install 0
told >/dev/null

# ---- removed: from everywhere ----
install 0 --crontab
assert_grep "^removed $units/varve-run-web.timer$" out
assert_eq "$(told)" "--quiet --now disable varve-run-web.timer
daemon-reload"
assert_exit 0 varve schedule remove >out
assert_grep '^removed /etc/cron.d/varve$' out
# For a system that is not running: enabled only.
rm -r /run/systemd
install 0 --systemd
assert_grep '^1 job, run by systemd when it is started$' out
assert_eq "$(told)" "--quiet enable varve-run-web.timer"
assert_exit 0 varve schedule remove --systemd >out
assert_eq "$(told)" "--quiet disable varve-run-web.timer"
assert_eq "$(find "$units" /etc/cron.d -type f)" ''

# ---- an ordinary user ----
mkdir -p /run/systemd/system nobody/runtime/systemd
chown -R nobody:nogroup nobody
chmod 644 varve.conf
mkdir -p nobody/cache nobody/state && chown nobody:nogroup nobody/cache nobody/state
assert_exit 0 as_user env XDG_RUNTIME_DIR="$WORK/nobody/runtime" "$WORK/bin/varve" schedule install \
    --dry-run >out 2>problems
assert_grep "^# would be written: $WORK/nobody/.config/systemd/user/varve-run-web.timer$" out
touch told && chmod 666 told
assert_exit 0 as_user env XDG_RUNTIME_DIR="$WORK/nobody/runtime" "$WORK/bin/varve" schedule install >out
assert_grep "loginctl enable-linger" out
assert_exists nobody/.config/systemd/user/varve-run-web.service
assert_eq "$(head -n 1 told)" "--user daemon-reload"

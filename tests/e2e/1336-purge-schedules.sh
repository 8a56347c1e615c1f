# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Purging the package takes away the schedules that 'schedule install' has written, and nothing of others: its
# script, in mounts of this test's own over the real places, with a systemctl that writes down what it is told.
# labels: slow
need_root
need_command unshare
if [ -z "${PURGE_SCHEDULES_INSIDE:-}" ]; then
    unshare --mount --propagation private true 2>"$STDERR" ||
        skip "no mount namespace: $(cat "$STDERR")"
    [ -d /etc/systemd/system ] && [ -d /etc/cron.d ] || skip "needs /etc/systemd/system, /etc/cron.d"
    PURGE_SCHEDULES_INSIDE=yes unshare --mount --propagation private \
        bash -c 'set -euo pipefail; source "$1"; source "$2"' purge "$E2E/lib.sh" \
        "$E2E/1336-purge-schedules.sh" || fail "inside of the mounts"
    return 0
fi
cd "$WORK" || exit
units=/etc/systemd/system
for directory in /run $units /etc/cron.d /var/cache /var/lib; do
    mount -t tmpfs tmpfs "$directory"
done
mkdir empty
[ ! -d /etc/varve ] || mount --bind empty /etc/varve
export VARVE_CONFIG=$WORK/varve.conf
unset VARVE_STATE_DIR VARVE_CACHE_DIR
printf '%s\n' '[repository main]' "url = $WORK/repo" '[job web]' 'repository = main' "path = $WORK" \
    'schedule = daily 03:30' 'watch = yes' '[job x.y_z]' 'repository = main' 'path = /srv' \
    'schedule = hourly' '[notify]' 'mail-to = root' >varve.conf
chmod 600 varve.conf
cat >bin/systemctl <<END
#!/bin/sh
echo "\$*" >>$WORK/told
case "\$*" in
*"\$(cat $WORK/fails 2>/dev/null || echo nothing)"*) echo "no bus" >&2; exit 1 ;;
esac
END
chmod 755 bin/systemctl
told() { if [ -e told ]; then cat told; fi; rm -f told; }
postrm() { assert_exit 0 sh "$VARVE_SOURCE/.package/postrm" "$@" >out 2>problems; }

# install: schedules of both kinds, as if both were there; timers enabled; and what is of others.
install()
{
    local unit
    rm -rf "${units:?}"/* /etc/cron.d/*
    assert_exit 0 varve schedule install --crontab --directory /etc/cron.d >/dev/null 2>&1
    mv /etc/cron.d/varve cron.varve # the command leaves one of both
    assert_exit 0 varve schedule install --directory $units >/dev/null
    mv cron.varve /etc/cron.d/varve
    mkdir -p $units/timers.target.wants $units/multi-user.target.wants $units/varve-run-web.service.d
    for unit in varve-run-web varve-run-x.y_z varve-status; do
        ln -s ../$unit.timer $units/timers.target.wants/$unit.timer
    done
    ln -s $units/varve-watch-web.service $units/multi-user.target.wants/
    printf '[Service]\nNice=0\n' >$units/varve-run-web.service.d/override.conf
    # Of others: another first line, the mark further behind, a link to a file with it, other names.
    printf '[Timer]\nOnCalendar=daily\n' >$units/varve-run-mine.timer
    printf '[Unit]\n%s\n' "# Written by 'varve schedule install'" >$units/varve-run-mine.service
    printf '# Not "%s"\n' "# Written by 'varve schedule install'" >$units/varve-run-cited.service
    : >$units/varve-run-empty.service
    cp $units/varve-run-web.service kept
    ln -s "$WORK/kept" $units/varve-run-link.service
    cp kept $units/varve-other.service
    cp kept /etc/cron.d/other
    mkdir $units/varve-run-directory.timer
    ln -s ../varve-run-mine.timer $units/timers.target.wants/
}
others="/etc/cron.d/other
$units/multi-user.target.wants
$units/timers.target.wants
$units/timers.target.wants/varve-run-mine.timer
$units/varve-other.service
$units/varve-run-cited.service
$units/varve-run-directory.timer
$units/varve-run-empty.service
$units/varve-run-link.service
$units/varve-run-mine.service
$units/varve-run-mine.timer
$units/varve-run-web.service.d
$units/varve-run-web.service.d/override.conf"
left() { find $units /etc/cron.d -mindepth 1 | sort; }

# ---- removed only: it is configuration ----
install
left >before
assert_grep "^$units/varve-status.timer$" before
assert_grep '^/etc/cron.d/varve$' before
for what in remove upgrade failed-upgrade abort-install abort-upgrade disappear; do
    postrm "$what"
done
left | diff before -
assert_eq "$(told)" ''

# ---- purged, for a system that is not running ----
postrm purge
[ ! -s problems ] || fail "it says: $(cat problems)"
assert_eq "$(left)" "$others" "what is left"
assert_eq "$(told)" "--quiet disable varve-run-web.timer
--quiet disable varve-run-x.y_z.timer
--quiet disable varve-status.timer
--quiet disable varve-watch-web.service"

# ---- where systemd runs ----
install
mkdir -p /run/systemd/system
postrm purge
assert_eq "$(left)" "$others" "what is left"
assert_eq "$(told)" "--quiet --now disable varve-run-web.timer
--quiet --now disable varve-run-x.y_z.timer
--quiet --now disable varve-status.timer
--quiet --now disable varve-watch-web.service
daemon-reload"
# Again: nobody is told of nothing.
postrm purge
assert_eq "$(told)" ''
assert_eq "$(left)" "$others" "what is left"
# A systemd that does not answer is no reason to leave anything, or to fail.
for call in disable daemon-reload; do
    install
    echo $call >fails
    postrm purge
    assert_eq "$(left)" "$others" "what is left after a failing $call"
    cp out "out.$call"
done
assert_grep "'varve-watch-web.service' may still be active" out.disable
rm fails

# ---- where there is none ----
install
rm -r /run/systemd told
mkdir tools
for tool in sh rm rmdir; do ln -s "$(command -v $tool)" tools/; done
assert_exit 0 env PATH="$WORK/tools" sh "$VARVE_SOURCE/.package/postrm" purge >out 2>problems
[ ! -s problems ] || fail "it says: $(cat problems)"
assert_eq "$(told)" ''
assert_eq "$(left)" "$others" "what is left"
# What is not ours in cron's place stays.
echo '1 2 * * * root true' >/etc/cron.d/varve
postrm purge
assert_exists /etc/cron.d/varve

#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# lifecycle.sh DEB NEXT: as root in a Debian that may be spoilt (.ci/package makes one): install the package
# DEB of the command with what it depends on, use it, upgrade it to NEXT, remove it, purge it; what is left must
# be what README.Debian and varve(1) say.
set -euo pipefail
trap 'echo "line $LINENO: failed: $BASH_COMMAND" >&2' ERR

this=$1 next=$2
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
fail()
{
    trap - ERR
    echo "FAIL: $*" >&2
    exit 1
}
# expect GOT WANT WHAT
expect()
{
    [ "$1" = "$2" ] || fail "$3 is '$1', not '$2'"
}
apt()
{
    apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@" >/tmp/apt.log 2>&1 ||
        { cat /tmp/apt.log; fail "apt-get $*"; }
}
# files: all there are, but what dpkg, apt and ldconfig keep for themselves.
files()
{
    find / \( -path /proc -o -path /sys -o -path /dev -o -path /packages -o -path /tmp -o -path /run \
        -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache/apt -o -path /var/log \
        -o -path /var/cache/debconf -o -path /var/cache/ldconfig -o -path /etc/ld.so.cache \) -prune \
        -o -print | sort
}
mode()
{
    stat -c '%a %U' "$1"
}

files >/tmp/before
apt update

echo "== install, and purge what was never used"
apt install "$this"
dpkg --purge varve >/tmp/dpkg.log 2>&1
if grep stays /tmp/dpkg.log; then
    fail "nothing is there that could stay"
fi
files >/tmp/with-libraries

echo "== install"
dpkg --install "$this" >/tmp/dpkg.log
version=$(dpkg-query -W -f '${Version}' varve)
expect "$(dpkg --verify varve)" '' "what dpkg finds changed"
[ -z "$(ldd /usr/bin/varve | grep 'not found')" ] || fail "libraries are missing"
varve version
for directory in /etc/varve /var/lib/varve /var/cache/varve; do
    expect "$(mode "$directory")" '700 root' "mode of $directory"
    expect "$(ls -A "$directory")" '' "content of $directory"
done
for page in man1/varve.1 man1/varve-run.1 man5/varve.conf.5 man7/varve-repository.7; do
    gzip -t "/usr/share/man/$page.gz"
done
for script in bash-completion/completions/varve zsh/vendor-completions/_varve fish/vendor_completions.d/varve.fish; do
    [ -s "/usr/share/$script" ] || fail "no /usr/share/$script"
done
got=0
varve config check >/tmp/out 2>&1 || got=$?
expect "$got" 2 "exit code without a configuration"
grep -q 'there is no configuration' /tmp/out

echo "== use"
mkdir -p /srv/shop
seq 100000 >/srv/shop/orders
ln -s orders /srv/shop/link
# As README.Debian says.
cp /usr/share/doc/varve/examples/varve.conf /etc/varve/varve.conf
sed -i '/^path = /d; s|^\[job server\]|&\npath = /srv/shop|' /etc/varve/varve.conf
sed -i '/^\[repository site\]/,/^$/d; /^replicate-to = /d' /etc/varve/varve.conf # there is none
varve -r main init --key-file /etc/varve/key --recovery-file /root/varve.words >/dev/null
varve config check
varve run server
varve -r main snapshots
varve -r main restore latest:/srv/shop --target /srv/restored >/dev/null
diff -r --no-dereference /srv/shop /srv/restored
# shellcheck disable=SC2016 # the inner shell expands
replies=$(bash -c 'source /usr/share/bash-completion/completions/varve
    complete -p varve
    COMP_LINE="varve run se" COMP_POINT=12 COMP_WORDS=(varve run se) COMP_CWORD=2
    _varve varve se run
    printf "%s\n" "${COMPREPLY[@]}"')
expect "$replies" "complete -F _varve varve
server" "completion"
[ -n "$(ls -A /var/lib/varve)" ] && [ -n "$(ls -A /var/cache/varve)" ] || fail "no state or no cache"

echo "== schedules"
# As somebody has both who went from one to the other by hand: the command itself leaves one of them.
mkdir -p /etc/cron.d /etc/systemd/system
varve schedule install --crontab >/dev/null
mv /etc/cron.d/varve /root/varve.cron
varve schedule install --systemd >/dev/null
mv /root/varve.cron /etc/cron.d/varve
[ -e /etc/systemd/system/varve-run-server.timer ] || fail "no timer"
printf '[Timer]\nOnCalendar=daily\n' >/etc/systemd/system/varve-run-mine.timer
schedules()
{
    find /etc/cron.d /etc/systemd/system -name '*varve*' -exec sha256sum {} + | sort
}
schedules >/tmp/schedules
expect "$(grep -c ' /etc/cron.d/varve$' /tmp/schedules)" 1 "number of schedules for cron"
# cron_line: the command that cron runs for the job.
cron_line()
{
    sed -n 's/--jitter=600s/--jitter=0/; s/^\([^ ]* \)\{5\}root \(.* server\)$/\2/p' /etc/cron.d/varve
}
[ -n "$(cron_line)" ] || fail "no line for cron"

echo "== upgrade"
chmod 750 /etc/varve
content()
{
    find /etc/varve /var/lib/varve /var/backups/varve /root/varve.words -type f -exec sha256sum {} + | sort
}
content >/tmp/content
apt install "$next"
expect "$(dpkg-query -W -f '${Version}' varve)" "$version+next" "version"
content | diff /tmp/content - >&2 || fail "an upgrade has changed something"
expect "$(mode /etc/varve)" '750 root' "mode of /etc/varve after an upgrade"
expect "$(mode /var/lib/varve)" '700 root' "mode of /var/lib/varve after an upgrade"
[ -e /usr/share/doc/varve/NEWS ] && [ ! -e /usr/share/doc/varve/README.md ] || fail "files of the old version"
varve run --quiet server
varve -r main verify --data
schedules | diff /tmp/schedules - >&2 || fail "an upgrade has changed schedules"
seq 10 >/srv/shop/more
sh -c "$(cron_line)"
varve -r main cat latest:/srv/shop/more | cmp - /srv/shop/more || fail "the line for cron backs up nothing"

echo "== remove"
content >/tmp/content
dpkg --remove varve >/tmp/dpkg.log 2>&1
[ ! -e /usr/bin/varve ] || fail "the command is still there"
content | diff /tmp/content - >&2 || fail "removing has taken something away"
[ -n "$(ls -A /var/cache/varve)" ] || fail "removing has taken the cache away"
expect "$(find /usr -name '*varve*')" '' "what is left in /usr"
schedules | diff /tmp/schedules - >&2 || fail "removing has taken schedules away"
# They are left, and do nothing: cron mails what is said, and a condition that is not met is no failure.
expect "$(sh -c "$(cron_line)" 2>&1; echo $?)" 0 "what the line for cron says"
grep -q '^ConditionFileIsExecutable=/usr/bin/varve$' /etc/systemd/system/varve-run-server.service

echo "== purge"
dpkg --purge varve >/tmp/dpkg.log 2>&1
grep stays /tmp/dpkg.log
expect "$(grep -c "varve: '/\(etc\|var/lib\)/varve' stays" /tmp/dpkg.log)" 2 "number of directories named"
content | diff /tmp/content - >&2 || fail "purging has taken away what stays"
[ ! -e /var/cache/varve ] || fail "purging leaves the cache"
expect "$(find /etc/cron.d /etc/systemd/system -name '*varve*')" /etc/systemd/system/varve-run-mine.timer \
    "what is left of schedules"
rm /etc/systemd/system/varve-run-mine.timer
for directory in /etc/cron.d /etc/systemd/system /etc/systemd; do
    grep -qx "$directory" /tmp/before || rmdir "$directory"
done
files | comm -13 /tmp/with-libraries - >/tmp/left
grep -vE '^/(etc/varve|var/lib/varve|var/backups/varve|srv/shop|srv/restored|root/varve\.words)(/|$)' /tmp/left &&
    fail "left behind: see above"
# shellcheck disable=SC2016 # dpkg's own variables
expect "$(dpkg-query -W -f '${db:Status-Status}' varve 2>/dev/null || true)" '' "what dpkg knows"

echo "== what the system was"
rm -rf /etc/varve /var/lib/varve /var/backups/varve /srv/shop /srv/restored /root/varve.words
apt autoremove --purge
files | diff /tmp/before - >&2 || fail "left behind (>), or gone (<): see above"
echo "installed, used, upgraded, removed, purged: nothing is left but what stays"

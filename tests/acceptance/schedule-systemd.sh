#!/bin/bash
# schedule-systemd.sh DEB: jobs of every kind under a systemd that is really there, as process 1 of a Debian 12
# of its own with the package DEB of the command (cpack -G DEB): they score at most 4.0, nothing is hidden from
# them, their hooks can do what hooks do, rehearsals prove; what watches is reloaded, and started anew; what
# was due while the machine was off is made up.  Needs root, debootstrap, cgroup2, and half a gigabyte.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
[ -f "${1:-}" ] || fail "usage: schedule-systemd.sh DEB"
control=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)
[ -n "$control" ] || fail "needs cgroup2"
work=$WORK
# shellcheck source=.ci/bare-root.sh
. "$top/.ci/bare-root.sh"
root=$work/root
group=$control/varve-schedule-$$
launcher=
init=

# ---- a machine ----
# Mounts, devices and a root of its own, then systemd.
# shellcheck disable=SC2016 # the inner shell expands
begin='set -e
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
while read -r name mode type major minor; do
    mknod -m "$mode" "dev/$name" "$type" "$major" "$minor"
done <<END
null 666 c 1 3
zero 666 c 1 5
full 666 c 1 7
random 666 c 1 8
urandom 666 c 1 9
kmsg 644 c 1 11
tty 666 c 5 0
loop-control 600 c 10 237
END
for i in 0 1 2 3 4 5 6 7; do mknod -m 660 "dev/loop$i" b 7 "$i"; done
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p old
pivot_root . old
cd /
umount -l /old
exec env -i container=varve PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=null'

# inside_it COMMAND...: in the machine.
inside_it() {
    timeout 120 nsenter -t "$init" --mount --uts --ipc --net --pid --cgroup --root --wd env -i \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 SYSTEMD_PAGER=cat "$@" </dev/null
}
boot() {
    local i
    mkdir -p "$group"
    (
        echo "$BASHPID" >"$group/cgroup.procs"
        exec unshare --mount --propagation private --pid --fork --kill-child --ipc --uts --net --cgroup \
            bash -c "$begin" sh "$root"
    ) </dev/null >"$work/boot.log" 2>&1 &
    launcher=$!
    for ((i = 0; i < 300; i++)); do
        init=$(cat "/proc/$launcher/task/$launcher/children" 2>/dev/null) || fail "$(cat "$work/boot.log")"
        init=${init% }
        if [ -n "$init" ] && [ "$(cat "/proc/$init/comm")" = systemd ] && [ -S "/proc/$init/root/run/systemd/private" ]; then
            [ "$(inside_it systemctl is-system-running --wait)" = running ] ||
                fail "$(inside_it systemctl --failed)"
            return 0
        fi
        sleep 0.2
    done
    fail "it does not come up: $(cat "$work/boot.log")"
}
power_off() {
    local i
    if [ -n "$launcher" ]; then
        kill -KILL "$launcher" 2>/dev/null || true
        wait "$launcher" 2>/dev/null || true
        for ((i = 0; i < 50; i++)); do
            ! grep -q 'populated 1' "$group/cgroup.events" || sleep 0.1
        done
        find "$group" -depth -type d -exec rmdir {} + || true
    fi
    launcher=
}
trap 'power_off; rm -rf --one-file-system "$work"' EXIT
# start UNIT [ACTION]: it must end well.
start() {
    inside_it systemctl "${2:-start}" "$1" || fail "$1: $(inside_it journalctl -o cat -n 30 -u "$1")"
}
# property UNIT NAME
property() { inside_it systemctl show -P "$2" "$1"; }
# until_done COMMAND...: within half a minute.
until_done() {
    local i
    for ((i = 0; i < 150; i++)); do
        ! "$@" || return 0
        sleep 0.2
    done
    fail "'$*' does not come true"
}

bare_root "$root"
cp "$1" "$root/root/varve.deb"
mkdir -p "$root/etc/systemd/system"
# Without hardware and network; nothing that happens by itself meanwhile.
for unit in systemd-udevd.service systemd-logind.service console-getty.service getty@tty1.service \
    systemd-modules-load.service systemd-sysctl.service apt-daily.timer apt-daily-upgrade.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer; do
    ln -s /dev/null "$root/etc/systemd/system/$unit"
done
inside "$root" sh -c 'set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y --no-install-recommends install /root/varve.deb systemd-sysv dbus postgresql btrfs-progs attr libcap2-bin' \
    >"$work/apt.log" 2>&1 || fail "$(tail -n 20 "$work/apt.log")"
boot
say "systemd $(inside_it systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p') runs"

# ---- jobs of every kind ----
cat >"$root/etc/before" <<'END'
#!/bin/bash
set -eux
exec >/run/before.log 2>&1
ionice -c3 nice -n 19 taskset -c 0 chrt -b 0 true
runuser -u postgres -- psql -qc 'select 1'
su - nobody -s /bin/sh -c id
systemctl stop shop
btrfs subvolume snapshot -r /mnt/volume/shop /mnt/volume/now
mount --bind /mnt/volume/now /mnt/now
systemctl start shop
mount -o loop /srv/image /mnt/image
umount /mnt/image
kill -HUP "$(head -n 1 /var/lib/postgresql/15/main/postmaster.pid)"
if mknod /run/device b 7 7 || head -c 1 /dev/kmsg; then exit 1; fi
END
cat >"$root/etc/after" <<'END'
#!/bin/bash
set -eux
exec >/run/after.log 2>&1
umount /mnt/now
btrfs subvolume delete /mnt/volume/now
END
cat >"$root/root/prepare" <<'END'
set -eux
mkdir -p /etc/varve /srv/data/private /srv/data/sgid /usr/lib/modules/1 /mnt/volume /mnt/now /mnt/image
chmod 755 /etc/before /etc/after
echo module >/usr/lib/modules/1/module.ko
echo private >/srv/data/private/file
chown -R nobody:nogroup /srv/data/private
chmod 700 /srv/data/private
cp /bin/true /srv/data/suid
chmod 4755 /srv/data/suid
chmod 2775 /srv/data/sgid
cp /bin/true /srv/data/tool
setcap cap_net_raw+ep /srv/data/tool
setfattr -n trusted.note -v kept /srv/data/tool
mknod /srv/data/disk b 7 200
echo temporary >/tmp/file
printf '[Service]\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/shop.service
systemctl daemon-reload
systemctl start shop
truncate -s 120M /srv/disk
truncate -s 20M /srv/image
mkfs.btrfs -q /srv/disk
mkfs.ext4 -q /srv/image
mount -o loop /srv/disk /mnt/volume
btrfs subvolume create /mnt/volume/shop
echo order >/mnt/volume/shop/order
runuser -u postgres -- psql -qc "create role backup login superuser password 'secret'"
echo '127.0.0.1:*:*:backup:secret' >/root/.pgpass
chmod 600 /root/.pgpass
varve -r /var/backups/varve init --key-file /etc/varve/key
cat >/etc/varve/varve.conf <<'CONF'
[repository main]
url = /var/backups/varve
key-file = /etc/varve/key
[job plain]
repository = main
path = /usr/lib/modules
path = /dev/kmsg
path = /srv/data
path = /tmp
schedule = daily
schedule-jitter = 0s
[job rehearsing]
repository = main
path = /srv/data
schedule = daily
rehearse-every = 30d
[job hooks]
repository = main
path = /mnt/now
before = /etc/before
after = /etc/after
exec = who=runuser -u nobody -- id -un
schedule = daily
[job both]
repository = main
path = /usr/lib/modules
path = /dev/kmsg
path = /srv/data
path = /tmp
database = shop=postgres://backup@127.0.0.1/
before = /etc/before
after = /etc/after
schedule = daily
rehearse-every = 30d
[job continuous]
repository = main
path = /usr/lib/modules
watch = yes
[job failing]
repository = main
path = /nowhere
on-error = touch /run/failed
schedule = monthly
CONF
chmod 600 /etc/varve/varve.conf
varve schedule install
END
inside_it bash /root/prepare >"$work/prepare.log" 2>&1 || fail "$(tail -n 20 "$work/prepare.log")"
for job in plain rehearsing hooks both; do
    start "varve-run-$job.service"
    inside_it systemd-analyze security --threshold=40 "varve-run-$job.service" >"$work/score" ||
        fail "varve-run-$job.service: $(tail -n 1 "$work/score")"
    say "pass: $job: $(tail -n 1 "$work/score" | sed 's/.*: //')"
done
inside_it systemd-analyze security --threshold=40 varve-watch-continuous.service >"$work/score" ||
    fail "$(tail -n 1 "$work/score")"
[ "$(inside_it varve runs --rehearsals | grep -c 'ok *proven')" = 2 ] || fail "$(inside_it varve runs --rehearsals)"
say "pass: both rehearsals prove"

# ---- nothing is hidden ----
inside_it varve -r main backup --quiet --full --tag by-hand /usr/lib/modules /dev/kmsg /srv/data /tmp
inside_it varve -r main snapshots --json >"$work/list"
for job in plain both; do
    ids=$(json "$work/list" "' '.join([s['id'] for s in d['snapshots'] if 'job:$job' in s['tags']][-1:] + [s['id'] for s in d['snapshots'] if 'by-hand' in s['tags']])")
    # shellcheck disable=SC2086 # two words
    inside_it varve -r main diff $ids >"$work/diff"
    # But what one of both has alone, and what comes and goes in /tmp.
    ! grep -E '^. *"?/(usr|dev|srv)' "$work/diff" || fail "$job: a unit does not see what is there"
done
say "pass: a unit sees the modules, the devices and everybody's files"

# ---- what watches ----
watch=varve-watch-continuous.service
# restarted N: so often at least, and it is there again.
restarted() {
    [ "$(property $watch NRestarts)" -ge "$1" ] && [ "$(property $watch ActiveState)" = active ]
}
is_stored() {
    [ "$(inside_it varve -r main cat latest:/usr/lib/modules/1/module.ko 2>/dev/null | tail -n 1)" = more ]
}
start $watch reload
printf '[Service]\nRestartSec=1s\nWatchdogSec=5s\n' >"$root/quick"
inside_it sh -c "mkdir -p /etc/systemd/system/$watch.d && mv /quick /etc/systemd/system/$watch.d/quick.conf && systemctl daemon-reload"
start $watch restart
inside_it sh -c "kill -KILL $(property $watch MainPID)"
until_done restarted 1
inside_it sh -c "kill -STOP $(property $watch MainPID)"
until_done restarted 2
inside_it sh -c 'echo more >>/usr/lib/modules/1/module.ko'
until_done is_stored
say "pass: watching is reloaded, and started anew when it dies or hangs"

# ---- a job that fails, and who is told ----
! inside_it systemctl start varve-run-failing.service 2>/dev/null || fail "no failed unit"
[ "$(property varve-run-failing.service Result)" = exit-code ] || fail "how it failed"
inside_it test -e /run/failed || fail "on-error did not run"
printf '[notify]\ncommand = cat >/run/told\n' >>"$root/etc/varve/varve.conf"
inside_it varve schedule install --quiet
start varve-status.service
inside_it grep -q "job 'failing'" /run/told || fail "nobody was told"
say "pass: a job that fails is a failed unit, and somebody is told"

# ---- off, and on again ----
[ "$(inside_it varve runs | grep -c plain)" = 1 ] || fail "$(inside_it varve runs)"
inside_it touch -d '-3 days' /var/lib/systemd/timers/stamp-varve-run-plain.timer
inside_it sync
power_off
boot
is_made_up() { [ "$(inside_it varve runs | grep -c 'plain .* ok')" = 2 ]; }
until_done is_made_up
[ "$(property $watch ActiveState)" = active ] || fail "nothing watches after a start"
say "pass: what was due while the machine was off is made up"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# nightly.sh [SETTINGS]: what cron runs: a full backup on Sundays, an incremental one otherwise.
#
# "Full" reads every byte of every file again, and tells of content that changed although size and
# times did not.  Either way the snapshot is complete: one restores any of them alone.
#
# Set up once, as root:
#   varve -r /backup/varve init --key-file /root/admin.key --recovery-file /root/recovery-words
#   mkdir -m 700 /etc/varve
#   varve -r /backup/varve --key-file /root/admin.key \
#       key add --role writer --name "$(hostname)" --new-key-file /etc/varve/key
#       (then take the administrator's key and the recovery words away from this machine: with the
#       writer's key that stays it can add backups, and neither read nor delete any; to restore,
#       bring one of them back)
#   install -m 755 nightly.sh /usr/local/sbin/varve-nightly
#   put settings that differ from those below into /etc/varve/nightly.conf
#   echo '30 2 * * * root /usr/local/sbin/varve-nightly' >/etc/cron.d/varve
#
# Needs nothing of its environment (cron's is nearly empty), not even HOME.  A night on which all went
# well prints nothing, so cron sends mail only when there is something to read.
#
# Exit codes, those of varve:
#   0   a complete snapshot is stored durably
#   3   a snapshot is stored, but what standard error names was skipped or changed while it was read:
#       look at it today, the rest is safe; or far more than usual changed, and older snapshots are kept
#       until you have looked
#   14  records of the repository are missing or forged
#   1   no snapshot: a path or the repository cannot be read, the disk is full, the database dump
#       failed.  A dump that fails, also in the middle of a pipe, never becomes a snapshot
#   2   no snapshot: a mistake in the settings
#   10  no snapshot: there is no repository (not mounted?)
#   11  no snapshot: the key does not open it
#   14  a snapshot is stored, but earlier ones are missing, or somebody put an older copy back
#   others: see varve(1).  What is not 0 or 3 must wake somebody up.
set -u
umask 077

PATH=${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
export PATH

# ---- settings; each can be set again in the settings file, which is a piece of shell ----

repository=/backup/varve
key_file=/etc/varve/key
# What to back up, separated by blanks; a PostgreSQL cluster by its URL: postgres://backup@db/
paths="/etc /home /root /srv /usr/local /var"
# One pattern a line, as in .gitignore; empty: none.
exclude_from=
# Files that change all the time are stored as they are when read, without a complaint.
may_change="*.log"
# A MariaDB or MySQL database to dump into the snapshot (as databases/NAME.sql); empty: none.  The
# dump goes straight into the repository; there it shares what has not changed since yesterday.
database=
dump_command()
{
    # --single-transaction: one consistent state without locking tables (InnoDB).
    # --skip-dump-date: the same data gives the same bytes.
    printf 'mariadb-dump --single-transaction --routines --skip-dump-date -- %s' "$1"
}
# Day of the week for full backups: 0 is Sunday.
full_day=0
# What varve forget keeps of this machine's snapshots, see varve-forget(1); empty: all of them.  For
# example: "--keep-daily 14 --keep-weekly 8 --keep-monthly 24 --keep-yearly 10".  It needs an
# administrator's key: where the key here only writes, run it on the administrator's machine.
keep=

settings=${1:-/etc/varve/nightly.conf}
if [ $# -gt 0 ] || [ -e "$settings" ]; then
    if [ ! -r "$settings" ]; then
        echo "nightly: cannot read '$settings'" >&2
        exit 2
    fi
    case $settings in
    */*) ;;
    *) settings=./$settings ;; # '.' would search PATH for it
    esac
    # shellcheck source=/dev/null
    . "$settings"
fi

# ---- the backup ----

# The words of varve's command line are put together behind the paths' place.
set -f # no '*' in the settings means a file here
set -- backup --quiet --exclude-caches
if [ "$(date +%w)" = "$full_day" ]; then
    set -- "$@" --full --tag full
fi
if [ -n "$exclude_from" ]; then
    set -- "$@" --exclude-from "$exclude_from"
fi
for pattern in $may_change; do
    set -- "$@" --may-change "$pattern"
done
if [ -n "$database" ]; then
    set -- "$@" --exec "databases/$database.sql=$(dump_command "$database")"
fi
# shellcheck disable=SC2086 # a list of words
set -- "$@" -- $paths

status=0
varve -r "$repository" --key-file "$key_file" "$@" || status=$?

case $status in
0) ;;
3) echo "nightly: a snapshot was made, but look at what is named above" >&2 ;;
14) echo "nightly: a snapshot was made, but earlier ones are MISSING or not genuine" >&2 ;;
10) echo "nightly: NO BACKUP tonight: no repository at '$repository' (not mounted?)" >&2 ;;
11) echo "nightly: NO BACKUP tonight: '$key_file' does not open '$repository'" >&2 ;;
*) echo "nightly: NO BACKUP tonight (exit code $status)" >&2 ;;
esac

# ---- what is not kept any longer ----

if [ -n "$keep" ] && { [ "$status" = 0 ] || [ "$status" = 3 ]; }; then
    forgotten=0
    # shellcheck disable=SC2086 # a list of words
    varve -r "$repository" --key-file "$key_file" forget --quiet --host "$(uname -n)" $keep ||
        forgotten=$?
    if [ "$forgotten" != 0 ]; then
        echo "nightly: a snapshot was made, but look at what forget says (exit code $forgotten)" >&2
        status=3
        [ "$forgotten" != 14 ] || status=14
    fi
fi
exit "$status"

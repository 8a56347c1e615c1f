# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A job under the restrictions of its unit, as far as they can be had without systemd: the capabilities that
# are left, no new privileges, a read-only system; and no system call that the unit forbids is made.
# labels: slow
need_root
need_command unshare setpriv strace getfattr setfattr setcap
unset VARVE_REPO VARVE_KEY_FILE
unshare --mount --propagation private true 2>"$STDERR" || skip "no mount namespace: $(cat "$STDERR")"
cd "$WORK" || exit
export VARVE_CONFIG=$WORK/varve.conf
# /tmp may be written under the unit: what may not is elsewhere.
elsewhere=$(mktemp -d /var/varve-restricted.XXXXXX)
trap 'rm -rf "$elsewhere"' EXIT
mkdir -p "$elsewhere/data/private" units
seq 1000 >"$elsewhere/data/private/numbers"
cp /bin/true "$elsewhere/data/tool"
setcap cap_net_raw+ep "$elsewhere/data/tool" 2>/dev/null || echo "no file capabilities here"
setfattr -n trusted.note -v kept "$elsewhere/data/tool" 2>/dev/null || echo "no trusted.* here"
chmod 4755 "$elsewhere/data/private/numbers"
chown -R nobody:nogroup "$elsewhere/data/private"
chmod 700 "$elsewhere/data/private"
make_tree "$elsewhere/data/tree"
assert_exit 0 varve -r "$elsewhere/repo" init --key-file "$WORK/key" >/dev/null
chown -R nobody "$elsewhere/repo" # of another owner, which root may write

# conf LINE...: a job with these lines.
conf()
{
    printf '%s\n' '[repository main]' "url = $elsewhere/repo" "key-file = $WORK/key" \
        '[repository site]' "url = $elsewhere/site" '[job web]' 'repository = main' \
        "path = $elsewhere/data" 'schedule = daily' 'replicate-to = site' 'keep-last = 3' \
        'scrub-budget = 100%' 'verify-budget = 100%' "$@" >varve.conf
    chmod 600 varve.conf
    assert_exit 0 varve schedule install --directory units >/dev/null
}
value() { sed -n "s/^$1=//p" units/varve-run-web.service; }
mkdir "$elsewhere/site" "$elsewhere/other"

# restricted COMMAND...: with the system read-only, but for ReadWritePaths=, and with these rights.
restricted()
{
    local rights=-all name
    for name in $(value CapabilityBoundingSet); do
        name=${name#CAP_}
        rights=$rights,+${name,,}
    done
    assert_eq "$(value NoNewPrivileges)" yes "NoNewPrivileges"
    PATHS=$(value ReadWritePaths | tr ' ' '\n' | sed 's/^-//') unshare --mount --propagation private \
        bash -c 'set -e
for path in $PATHS; do
    if [ -e "$path" ]; then mount --bind "$path" "$path"; fi
done
mount -o remount,bind,ro / 2>/dev/null || { mount --rbind / / && mount -o remount,bind,ro /; }
exec setpriv --no-new-privs --bounding-set "$0" "$@"' "$rights" "$@"
}
read -r -a command <<<"$(conf; value ExecStart)"
assert_eq "${command[*]: -4}" "run --quiet --wait web"

# ---- a job without commands of its own ----
conf
# That this test restricts anything at all.
if restricted touch "$elsewhere/other/file" 2>/dev/null; then skip "the system cannot be made read-only"; fi
touch probe
assert_exit 1 restricted chown nobody probe >/dev/null 2>&1 # a right it does not have
assert_exit 0 restricted "${command[@]}" >out 2>problems
[ ! -s out ] && [ ! -s problems ] || fail "it says: $(cat out problems)"
assert_exit 0 varve -r "$elsewhere/site" --key-file "$WORK/key" restore latest --target back >/dev/null
assert_same_tree "$elsewhere/data" "back$elsewhere/data"
getfattr --absolute-names -d -m - "$elsewhere/data/tool" | sed 1d >want
getfattr --absolute-names -d -m - "back$elsewhere/data/tool" | sed 1d | diff -u want -

# ---- the system calls ----
if command -v systemd-analyze >/dev/null && strace -o /dev/null true 2>/dev/null; then
    # calls GROUP: what a group of systemd's stands for; a call for itself.
    calls()
    {
        case $1 in
        @*) ;;
        *)
            echo "$1"
            return
            ;;
        esac
        systemd-analyze syscall-filter "$1" | sed -n 's/^ *\([a-z0-9_@]*\)$/\1/p' |
            while read -r call; do
                case $call in
                "$1") ;;
                @*) calls "$call" ;;
                *) echo "$call" ;;
                esac
            done
    }
    value SystemCallFilter | tr -d '~' | tr ' ' '\n' | sed 's/:0$//' >groups
    assert_ge "$(wc -l <groups)" 10 "groups that are forbidden"
    while read -r group; do calls "$group"; done <groups | sort -u >forbidden
    assert_grep '^mount$' forbidden
    assert_grep '^finit_module$' forbidden
    assert_grep '^syslog$' forbidden
    echo more >>"$elsewhere/data/tree/more"
    # A leak checker traces its process itself.
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -f -qq \
        -e trace='!read,write,pread64,pwrite64,futex' -o trace "${command[@]}" ||
        fail "under strace"
    sed -n 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' trace | sort -u >made
    assert_ge "$(wc -l <made)" 40 "different calls made"
    comm -12 forbidden made >both
    [ ! -s both ] || fail "calls that the unit forbids: $(cat both)"
    # Nor are there sockets of other families.
    sed -n 's/^[0-9]* *socket(\([A-Z0-9_]*\),.*/\1/p' trace | sort -u >families
    value RestrictAddressFamilies | tr ' ' '\n' | sort -u >allowed
    comm -23 families allowed >both
    [ ! -s both ] || fail "sockets that the unit forbids: $(cat both)"
fi

# ---- one with hooks: another user for a command, and writing what it likes ----
conf 'exec = who=runuser -u nobody -- id -un' "before = mkdir -p $elsewhere/other/dump && date >$elsewhere/other/dump/now"
assert_eq "$(value ProtectSystem)" full
value SystemCallFilter >groups
refute_grep '@mount' groups
rights=$(value CapabilityBoundingSet | tr ' ' '\n' | sed 's/^CAP_/+/' | tr 'A-Z\n' 'a-z,')
# Reading leaves no trace in the time of access of another's file, either.
echo more >>"$elsewhere/data/private/numbers"
touch -a -d '2020-01-01 00:00:00' "$elsewhere/data/private/numbers"
assert_exit 0 setpriv --no-new-privs --bounding-set "-all,${rights%,}" "${command[@]}" >out 2>problems
assert_eq "$(stat -c %X "$elsewhere/data/private/numbers")" "$(date -d '2020-01-01 00:00:00' +%s)" \
    "time of access"
[ ! -s out ] && [ ! -s problems ] || fail "it says: $(cat out problems)"
assert_exists "$elsewhere/other/dump/now"
assert_exit 0 varve -r main cat latest:who >"who"
assert_eq "$(cat who)" nobody "who ran the command"

# ---- one that rehearses: owners, modes, attributes and file capabilities are set, devices are not made ----
mkdir "$elsewhere/scratch"
mknod "$elsewhere/data/disk" b 7 200
conf 'rehearse-every = 30d' "rehearse-scratch = $elsewhere/scratch"
assert_exit 0 restricted "${command[@]}" >out 2>problems
[ ! -s out ] && [ ! -s problems ] || fail "it says: $(cat out problems)"
assert_exit 0 varve runs --rehearsals >out
assert_grep 'ok +proven' out

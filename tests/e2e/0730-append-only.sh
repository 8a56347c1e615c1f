# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# An append-only site as examples/append-only-site.sh makes it: a thief of the backup host's key, with
# every request of SFTP, changes nothing that is stored; backups and replications go on.
need_root
need_command sshd ssh setpriv
id nobody >/dev/null 2>&1 || skip "needs the account nobody"

# sshd locks accounts only into directories that nobody but root can change the way to.
top=$(mktemp -d /run/varve-append-only.XXXXXX)
at_end() { rm -rf "$top"; }
trap at_end EXIT
chmod 755 "$top"
ssh-keygen -q -t ed25519 -N '' -C '' -f thief
ssh-keygen -q -t ed25519 -N '' -C '' -f admin
site() { sh "$VARVE_SOURCE/examples/append-only-site.sh" --no-reload --user nobody --directory "$top/site" \
    --config "$top/site.conf" --keys "$top/site.keys" "$@"; }
assert_exit 1 site --backup-key thief.pub --admin-key thief.pub >/dev/null
assert_exit 1 site --backup-key thief --admin-key admin.pub >/dev/null
assert_exit 2 site --backup-key thief.pub >/dev/null
assert_exit 0 site --backup-key thief.pub --admin-key admin.pub >/dev/null
start_sshd site "Include $top/site.conf"
url=sftp://nobody@127.0.0.1:$SSHD_PORT/repository

make_tree source
new_repo
assert_exit 0 varve -q backup source
assert_exit 0 varve key add --role writer --name host --new-key-file writer.key >/dev/null
assert_exit 0 varve --ssh-identity admin replicate --to "$url" >/dev/null
assert_exit 0 varve --ssh-identity thief replicate --to "$url" --check-append-only >/dev/null
# The administrator may do everything, so that is no append-only place.
code=0
varve --ssh-identity admin replicate --to "$url" --check-append-only >/dev/null 2>&1 || code=$?
assert_ge "$code" 1 "exit code of --check-append-only with the administrator's key"

# The host that backs up straight to it has a writer's key.
writer() { VARVE_STATE_DIR=$WORK/writer/state VARVE_CACHE_DIR=$WORK/writer/cache \
    varve --ssh-identity thief -r "$url" --key-file writer.key "$@"; }
assert_exit 0 writer -q backup source
assert_exit 11 writer snapshots 2>/dev/null
assert_exit 11 writer key remove 0123 2>/dev/null

stored() { (cd "$top/site/repository" && find . -type f ! -path './tmp/*' -exec sha256sum {} + | LC_ALL=C sort); }
stored >before
python3 "$E2E/sftp-attack.py" /repository ssh -F none -i thief -p "$SSHD_PORT" -oBatchMode=yes \
    -oUserKnownHostsFile="$WORK/sshd/known_hosts" -s nobody@127.0.0.1 sftp >attack
if grep -q '^granted' attack; then
    cat attack >&2
    fail "the site lets a thief change what is stored"
fi
assert_ge "$(grep -c '^planted' attack)" 7 "files that were planted"
stored >after
assert_eq "$(LC_ALL=C comm -23 before after)" "" "objects that changed"

# What was planted does no harm, and is told; what is stored is whole; backups go on.
code=0
varve --ssh-identity thief -r "$url" --key-file "$WORK/repo.key" verify --data >verified 2>&1 || code=$?
assert_grep 'forged|damaged|not what|misnamed|no name' verified
assert_exit 3 varve --ssh-identity thief -r "$url" --key-file "$WORK/repo.key" cat "latest:$PWD/source/sizes/text-16" >text
cmp text source/sizes/text-16
if grep -q 'repository itself' "$STDERR"; then fail "a remembered replica that is worked on is no news"; fi
echo more >>source/sizes/text-16
assert_exit 0 varve -q backup source
code=0
varve --ssh-identity thief replicate --to "$url" >/dev/null 2>replicated || code=$?
[ "$code" = 0 ] || [ "$code" = 3 ] || [ "$code" = 14 ] || { cat replicated >&2; fail "replicate: exit $code"; }
code=0
writer backup source >/dev/null 2>written || code=$?
[ "$code" = 0 ] || [ "$code" = 3 ] || [ "$code" = 14 ] || { cat written >&2; fail "writer's backup: exit $code"; }
# Not even with an administrator's key does the thief's account remove a key slot.
slot=$(varve --json key list | python3 -c 'import json,sys
print([s["id"] for s in json.load(sys.stdin)["slots"] if s["role"] == "writer"][0])')
code=0
varve --ssh-identity thief -r "$url" --key-file "$WORK/repo.key" key remove "$slot" >/dev/null 2>&1 || code=$?
assert_ge "$code" 1 "exit code of removing a key slot there"
assert_exists "$top/site/repository/keys/$slot-a" "$top/site/repository/keys/$slot-b"
rm -rf back
code=0
varve --ssh-identity thief -r "$url" --key-file "$WORK/repo.key" restore "latest:$PWD/source" --target back >/dev/null 2>restored || code=$?
diff -r --no-dereference source back || fail "the restored tree differs"

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# What stands in the way of a site is told with what to do and with its exit code, by both transports:
# passphrase, key type, host keys (both fingerprints, file and line, the command that mends it), paths,
# rights, quota.
need_root
need_command sshd ssh ssh-keygen setpriv
unset SSH_AUTH_SOCK
id nobody >/dev/null 2>&1 || skip "needs the account nobody"
start_sshd plain
port=$SSHD_PORT
user=$(id -un)
known=$VARVE_SSH_KNOWN_HOSTS
url=sftp://$user@127.0.0.1:$port$WORK/remote
# as a pattern: + means itself
fingerprint_of() { ssh-keygen -lf "$1" | cut -d' ' -f2 | sed 's/+/[+]/g'; }
host_fingerprint=$(fingerprint_of "$WORK/sshd/host.pub")
new_repo "$url" --key-file "$WORK/key" --recovery-file "$WORK/words" >/dev/null
export VARVE_KEY_FILE=$WORK/key
ssh-keygen -q -t ed25519 -N '' -C '' -f other # a stranger's, and a host's that was before
ssh-keygen -q -t ed25519 -N 'right horse' -C '' -f locked
cat locked.pub >>"$WORK/sshd/authorized"
ssh-keygen -q -t rsa -b 2048 -N '' -C '' -f old
cat old.pub >>"$WORK/sshd/authorized"
echo 'wrong horse' >wrong
echo 'right horse' >right

# refused EXIT PATTERN [OPTION...]: a look at the repository ends so, and says that.
refused()
{
    local want=$1 pattern=$2 code=0
    shift 2
    varve --ssh-transport "$transport" "$@" snapshots >out 2>errors || code=$?
    if [ "$code" != "$want" ] || ! grep -Eq -- "$pattern" errors; then
        cat errors >&2
        fail "$transport $*: exit $code, wanted $want and '$pattern'"
    fi
}

for transport in libssh2 ssh; do
    # passphrase of a key
    refused 16 'passphrase|locked' --ssh-identity "$PWD/locked" --ssh-passphrase-file wrong
    assert_grep 'hint:' errors
    # host keys: unknown, with the fingerprint and what to do
    : >unknown
    refused 16 "$host_fingerprint" --known-hosts "$PWD/unknown"
    assert_grep 'hint:.*accept-new-host-key' errors
    assert_eq "$(cat unknown)" '' 'known_hosts after a refusal'
    # changed: both fingerprints, file and line, and the exact command
    { echo '# first line'; printf '[127.0.0.1]:%s %s\n' "$port" "$(cut -d' ' -f1,2 other.pub)"; } >changed
    cp changed changed-before
    refused 16 "$host_fingerprint" --known-hosts "$PWD/changed"
    assert_grep "$(fingerprint_of other.pub)" errors
    assert_grep "'$PWD/changed' line 2 " errors
    assert_grep "ssh-keygen -f '$PWD/changed' -R '.127[.]0[.]0[.]1.:$port'" errors
    cmp changed changed-before
    # also when new hosts are accepted
    refused 16 "$host_fingerprint" --known-hosts "$PWD/changed" --accept-new-host-key
    cmp changed changed-before
    # revoked, in spite of a line that knows it
    { cat "$known"; printf '@revoked * %s\n' "$(cut -d' ' -f1,2 "$WORK/sshd/host.pub")"; } >revoked
    refused 16 'revoked' --known-hosts "$PWD/revoked" --accept-new-host-key
    # a key nobody there knows
    refused 16 'hint:' --ssh-identity "$PWD/other"
    # nothing there; no repository there; no directory above it
    refused 10 'no varve repository' -r "sftp://$user@127.0.0.1:$port$WORK/nothing"
    code=0
    varve --ssh-transport "$transport" -r "sftp://$user@127.0.0.1:$port$WORK/no/where" \
        init --key-file new.key --recovery-file new.words >/dev/null 2>errors || code=$?
    assert_eq "$code" 1 'exit code of init where no directory is'
    assert_grep 'hint: the directory above it must exist' errors
    refute_exists new.key new.words
    # a port nobody listens on
    refused 13 "." -r "sftp://$user@127.0.0.1:1$WORK/remote"
done
# the right passphrase opens
assert_exit 0 varve --ssh-transport libssh2 --ssh-identity "$PWD/locked" --ssh-passphrase-file right snapshots >/dev/null

# A key type that libssh2 1.10 cannot use: told so, with the way out; auto takes it by itself.
code=0
varve --ssh-transport libssh2 --ssh-identity "$PWD/old" snapshots >/dev/null 2>errors || code=$?
if [ "$code" != 0 ]; then
    assert_eq "$code" 16 'exit code for an RSA key by libssh2'
    assert_grep 'ssh-transport ssh' errors
fi
assert_exit 0 varve --ssh-identity "$PWD/old" snapshots >/dev/null

# No rights: another account's directory.
chmod 700 "$WORK/remote"
chmod 711 "$WORK" "$WORK/run"
for transport in libssh2 ssh; do
    refused 1 'hint: check what the account may do' -r "sftp://nobody@127.0.0.1:$port$WORK/remote"
done

# Quota: no bytes left for this account, though the disk has them: as a full disk.
mkdir site
if mount -t tmpfs -o size=64m,usrquota tmpfs site 2>/dev/null && command -v setquota >/dev/null &&
    setquota -u nobody 0 1000 0 0 "$PWD/site" 2>/dev/null; then
    chown nobody site
    make_tree source
    random_file source/much 3000000
    new_repo
    assert_exit 0 varve -q backup source
    assert_exit 15 varve -q replicate --to "sftp://nobody@127.0.0.1:$port$PWD/site/replica"
fi

# A name server that does not answer: the wait for it can be interrupted.
python3 -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.53", 53))
print("ready", flush=True); time.sleep(60)' >silent 2>/dev/null &
printf 'nameserver 127.0.0.53\noptions timeout:30 attempts:1\n' >resolv.conf
sleep 0.5
# shellcheck disable=SC2016 # for the inner shell
if grep -q ready silent && unshare -m sh -c 'mount --bind resolv.conf /etc/resolv.conf' 2>/dev/null; then
    code=0
    unshare -m sh -c 'mount --bind resolv.conf /etc/resolv.conf
        varve --ssh-transport libssh2 -r sftp://nobody@far.example/x snapshots 2>errors &
        sleep 1
        kill -0 $! || exit 99 # it waits
        kill -INT $!
        wait $!' || code=$?
    assert_eq "$code" 130 'exit code of a wait that was interrupted'
fi

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A repository on another host, over SFTP with a real sshd: everything works over both transports,
# what is in the way is told with its exit code, and an append-only account cannot harm what is there.
need_command sshd ssh
unset SSH_AUTH_SOCK
start_sshd plain
plain=$SSHD_PID
user=$(id -un)
base=sftp://$user@127.0.0.1:$SSHD_PORT
make_tree source

# --- both transports, from init to restore ---
for transport in libssh2 ssh; do
    export VARVE_SSH_TRANSPORT=$transport
    new_repo "$base$WORK/repo-$transport" --key-file "$WORK/$transport.key" \
        --recovery-file "$WORK/$transport.words" >/dev/null
    export VARVE_KEY_FILE=$WORK/$transport.key
    assert_eq "$(stat -c %a "$WORK/repo-$transport/packs/00")" 700
    rm -f source/new-file
    assert_exit 0 varve --json backup "$PWD/source" >first.json
    assert_eq "$(json first.json 'd["durable"]')" true
    echo "changed by $transport" >source/new-file
    assert_exit 0 varve --json backup "$PWD/source" >second.json
    assert_eq "$(json second.json 'd["files_new"]')" 1
    assert_exit 0 varve snapshots >snapshots
    assert_eq "$(grep -c "$PWD/source" snapshots)" 2
    assert_exit 0 varve restore "latest:$PWD/source" --target "out-$transport" >/dev/null
    assert_same_tree source "out-$transport"
    assert_exit 0 varve verify --data >verified
    assert_grep '^verified: all data' verified
    assert_exit 0 varve stats --storage >stats
    assert_grep 'transport: ' stats
    assert_grep 'hardlink@openssh.com' stats
    assert_exit 0 varve --json stats --storage >stats.json
    assert_eq "$(json stats.json 'any("fsync@openssh.com" in line for line in d["storage"])')" true
    assert_eq "$(find "$WORK/repo-$transport/tmp" -type f | wc -l)" 0 "temporaries left"
    # what lies there is a repository as any other
    assert_exit 0 varve -r "$WORK/repo-$transport" verify >/dev/null
done
unset VARVE_SSH_TRANSPORT
remote=$VARVE_REPO
known=$VARVE_SSH_KNOWN_HOSTS

# --- a second init is refused and changes nothing ---
assert_exit 1 varve init --key-file other.key --recovery-file other.words 2>errors
assert_grep 'already a varve repository' errors
refute_exists other.key other.words

# --- what is in the way ---
assert_exit 2 varve -r "sftp://$user:secret@127.0.0.1/x" snapshots 2>errors
assert_grep 'password in the sftp URL' errors
refute_grep secret errors
assert_exit 2 varve -r "sftp://127.0.0.1:x/y" snapshots 2>errors
assert_grep 'hint: the form is sftp://' errors
assert_exit 2 env VARVE_SSH_TRANSPORT=telnet varve snapshots 2>errors
assert_exit 10 varve -r "$base$WORK/nothing" snapshots 2>errors
assert_grep 'no varve repository' errors

free_port=$(python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
for transport in libssh2 ssh; do
    assert_exit 13 varve --ssh-transport $transport -r "sftp://$user@127.0.0.1:$free_port/x" \
        snapshots 2>errors
    assert_grep '^varve: ' errors
    assert_exit 13 varve --ssh-transport $transport -r "sftp://$user@127.0.0.1:$free_port/x" \
        init --key-file no.key --recovery-file no.words 2>errors
    refute_exists no.key no.words

    : >empty
    assert_exit 16 varve --ssh-transport $transport --known-hosts "$PWD/empty" snapshots 2>errors
    assert_eq "$(cat empty)" "" "an unknown host was remembered"
    assert_exit 0 varve --ssh-transport $transport --known-hosts "$PWD/accepted-$transport" \
        --accept-new-host-key snapshots >/dev/null
    assert_exit 0 varve --ssh-transport $transport --known-hosts "$PWD/accepted-$transport" \
        snapshots >/dev/null
    ssh-keygen -q -t ed25519 -N '' -C '' -f stranger <<<y >/dev/null
    assert_exit 16 varve --ssh-transport $transport --ssh-identity "$PWD/stranger" snapshots 2>errors
    rm stranger stranger.pub
done
fingerprint=$(ssh-keygen -lf "$WORK/sshd/host.pub" | cut -d' ' -f2)
assert_exit 0 varve --known-hosts "$PWD/empty" --host-key-fingerprint "$fingerprint" snapshots >/dev/null
assert_exit 16 varve --host-key-fingerprint "SHA256:${fingerprint:8:42}A" snapshots 2>errors
export VARVE_SSH_KNOWN_HOSTS=$known

# --- an append-only account ---
start_sshd append "ForceCommand internal-sftp -P remove,rmdir,rename,posix-rename,setstat,fsetstat,lsetstat,symlink,copy-data"
local_repo=$WORK/repo-$transport
find "$local_repo" -type f ! -path "$local_repo/tmp/*" -exec sha256sum {} + | sort >before
export VARVE_REPO=sftp://$user@127.0.0.1:$SSHD_PORT$local_repo
echo more >source/more
assert_exit 0 varve backup "$PWD/source" >/dev/null
assert_exit 0 varve restore "latest:$PWD/source" --target out-append >/dev/null
assert_same_tree source out-append
sha256sum -c --quiet before || fail "a stored object has changed"
printf '%s\n' "rm $local_repo/config" "rename $local_repo/config $local_repo/x" \
    "rmdir $local_repo/tmp" "chmod 600 $local_repo/config" "put $PWD/source/more $local_repo/config" \
    >attack
while read -r line; do
    # as root every file can be written to, whatever its mode: there put would overwrite
    if [ "$EUID" = 0 ] && [ "${line%% *}" = put ]; then continue; fi
    if sftp -q -b - -P "$SSHD_PORT" -i "$WORK/sshd/user" -o "UserKnownHostsFile=$known" \
        "$user@127.0.0.1" <<<"$line" >attack.out 2>&1; then
        fail "the account can: $line"
    fi
done <attack
sha256sum -c --quiet before || fail "a stored object has changed"
stop_sshd "$SSHD_PID"

# --- the server goes away: an error in time, and the next run goes on ---
export VARVE_REPO=$remote
stop_sshd "$plain"
assert_exit 13 varve snapshots 2>errors
assert_exit 0 varve -r "$local_repo" verify >/dev/null

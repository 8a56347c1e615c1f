# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What end-to-end tests share; sourced by run-one.sh before the test.
#
#   $WORK           this test's directory; the test starts in $WORK/run, which is empty
#   $STDOUT $STDERR what the last assert_exit printed
#   varve           the binary under test

STDOUT=$WORK/stdout
STDERR=$WORK/stderr
E2E=$VARVE_SOURCE/tests/e2e
: >"$STDOUT"
: >"$STDERR"

trap 'echo "line ${BASH_LINENO[0]:-?} of $0: failed: $BASH_COMMAND" >&2' ERR
set -E

# fail MESSAGE: end the test, showing what the last command printed.
fail()
{
    trap - ERR
    {
        echo "FAIL: $*"
        local depth
        for ((depth = 1; depth < ${#FUNCNAME[@]}; depth++)); do
            echo "  at $(basename "${BASH_SOURCE[depth]}"):${BASH_LINENO[depth - 1]}"
        done
        local file
        for file in "$STDOUT" "$STDERR"; do
            if [ -s "$file" ]; then
                echo "--- last $(basename "$file"):"
                tail -n 40 "$file"
            fi
        done
    } >&2
    exit 1
}

# skip REASON: this test cannot run here.
skip()
{
    trap - ERR
    echo "skipped: $*"
    exit 77
}

# need_root, need_user, need_command NAME...: skip unless we are, or have, that.  Where set-up has
# installed what the tests need (tests/run.sh on Debian), a missing command is a failure of set-up.
need_root()
{
    [ "$EUID" = 0 ] || skip "needs root"
}
need_user()
{
    [ "$EUID" != 0 ] || skip "needs an ordinary user"
}
need_command()
{
    local name
    for name in "$@"; do
        command -v "$name" >/dev/null && continue
        [ -z "${VARVE_TESTS_SET_UP:-}" ] || fail "'$name' is missing: is it in examples/setup.sh?"
        skip "needs '$name'"
    done
}

# assert_exit CODE COMMAND...: the command must end with that code.  Both its streams pass through
# (so they can be redirected) and are kept in $STDOUT and $STDERR.
assert_exit()
{
    local want=$1 got=0
    shift
    "$@" >"$STDOUT" 2>"$STDERR" || got=$?
    if [ "$got" != "$want" ]; then
        fail "exit $got, not $want: $*"
    fi
    # Most have said nothing, or nobody looks.
    if [ -s "$STDOUT" ] && ! [ /dev/stdout -ef /dev/null ]; then cat "$STDOUT"; fi
    if [ -s "$STDERR" ]; then cat "$STDERR" >&2; fi
}

# assert_eq GOT WANT [WHAT]
assert_eq()
{
    [ "$1" = "$2" ] || fail "${3:-value} is '$1', not '$2'"
}

# assert_le GOT LIMIT [WHAT], assert_ge GOT LIMIT [WHAT]: integers.
assert_le()
{
    [ "$1" -le "$2" ] || fail "${3:-value} is $1, over $2"
}
assert_ge()
{
    [ "$1" -ge "$2" ] || fail "${3:-value} is $1, under $2"
}

# assert_grep PATTERN FILE, refute_grep PATTERN FILE: extended regular expression, some or no line.
assert_grep()
{
    grep -Eqa -- "$1" "$2" || {
        cat "$2" >&2
        fail "no line matches '$1' in $2"
    }
}
refute_grep()
{
    if grep -Ea -- "$1" "$2" >&2; then
        fail "a line matches '$1' in $2"
    fi
}

# assert_exists PATH..., refute_exists PATH...: a dangling symbolic link exists.
assert_exists()
{
    local path
    for path in "$@"; do
        [ -e "$path" ] || [ -L "$path" ] || fail "'$path' is not there"
    done
}
refute_exists()
{
    local path
    for path in "$@"; do
        if [ -e "$path" ] || [ -L "$path" ]; then fail "'$path' is there"; fi
    done
}

# assert_same_tree A B [describe option...]: content and every attribute equal, by a description
# made by describe-tree.py (types, modes, owners, mtime to the nanosecond, hard links, xattrs, ACLs,
# capabilities, inode flags, holes, SHA-256) and, independently, by rsync.  An ordinary user cannot
# restore owners: there they are left out.  The top directories themselves are not compared, nor
# are whatever the options leave out (--no-owner, --no-holes, --no-flags, --no-mtime, --no-xattr).
assert_same_tree()
{
    local a=$1 b=$2 owner=()
    shift 2
    [ "$EUID" = 0 ] || owner=(--no-owner)
    python3 "$E2E/describe-tree.py" "${owner[@]}" "$@" "$a" >"$WORK/tree-a" ||
        fail "cannot describe '$a'"
    python3 "$E2E/describe-tree.py" "${owner[@]}" "$@" "$b" >"$WORK/tree-b" ||
        fail "cannot describe '$b'"
    if ! diff -u "$WORK/tree-a" "$WORK/tree-b" >"$WORK/tree-diff"; then
        head -n 60 "$WORK/tree-diff" >&2
        fail "'$a' and '$b' differ"
    fi
    if [ $# -eq 0 ]; then
        assert_same_by_rsync "$a" "$b"
    fi
}

# assert_same_by_rsync A B: rsync would have nothing to do (as root: nothing at all).  It reads files up
# to 64 MiB; the larger ones of the tests are holes, which it would read too, for most of the time.
assert_same_by_rsync()
{
    local flags=-rlptDHAXni
    need_command rsync
    if [ "$EUID" = 0 ]; then flags=-aHAXni; fi
    # The top directory's own line (cd / .d) is not the question.
    # Paths over PATH_MAX (make_torture_tree's long-ppp...) are beyond rsync.
    find "$1" "$2" -type f -size +64M -printf '/%P\n' >"$WORK/rsync-large" 2>/dev/null || true
    { rsync "$flags" --checksum --exclude-from="$WORK/rsync-large" --exclude='/long-ppp*' "$1/" "$2/" &&
        rsync "$flags" --delete --exclude='/long-ppp*' "$1/" "$2/"; } >"$WORK/rsync-out" 2>&1 ||
        { cat "$WORK/rsync-out" >&2; fail "rsync failed"; }
    if grep -Ev '^\.d[^ ]* +\./$' "$WORK/rsync-out" >"$WORK/rsync-left"; then
        head -n 40 "$WORK/rsync-left" >&2
        fail "rsync finds differences between '$1' and '$2'"
    fi
}

# make_tree DIR [SEED]: a small tree (some 60 files, 3 MiB) that any user can make and restore.
make_tree()
{
    python3 "$E2E/make-tree.py" --seed "${2:-1}" "$1"
}

# make_torture_tree DIR [SEED]: everything the file system allows this user: all types, odd names,
# paths over PATH_MAX, holes, hard links, xattrs, ACLs; as root also devices, capabilities, owners,
# inode flags.  What could not be made is listed on standard error.
make_torture_tree()
{
    python3 "$E2E/make-tree.py" --torture --seed "${2:-1}" "$1"
}

# random_file PATH BYTES [SEED]: incompressible bytes, the same for the same seed.
random_file()
{
    python3 -c 'import random,sys
r=random.Random(int(sys.argv[3])); left=int(sys.argv[2])
with open(sys.argv[1],"wb") as f:
    while left:
        n=min(left,1<<20); f.write(r.randbytes(n)); left-=n' "$1" "$2" "${3:-1}"
}

# new_repo [DIR [init option...]]: make a repository opened by a key file, and point varve at it.
# Without parity, so that damage stays damage: 'varve parity add' where a test is about that.
new_repo()
{
    local directory=${1:-$WORK/repo}
    [ $# -eq 0 ] || shift
    assert_exit 0 varve -r "$directory" init --no-parity --reserve 1M --key-file "$directory.key" \
        --recovery-file "$directory.words" "$@" >/dev/null
    export VARVE_REPO=$directory VARVE_KEY_FILE=$directory.key
}

# json FILE EXPRESSION: a Python expression over the document d, printed.
json()
{
    python3 -c 'import json,sys
with open(sys.argv[1], encoding="utf-8", errors="surrogateescape") as f:
    d = json.load(f)
value = eval(sys.argv[2])
print(json.dumps(value) if isinstance(value, (dict, list, bool)) or value is None else value)' "$@"
}

# object_count FOLDER, object_bytes FOLDER: files below a folder of the repository.
object_count()
{
    find "$VARVE_REPO/$1" -type f | wc -l
}
object_bytes()
{
    find "$VARVE_REPO/$1" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}

# as_user COMMAND...: as root only: run as 'nobody' with a home, cache and state of its own.
as_user()
{
    local home=$WORK/nobody
    if [ ! -d "$home" ]; then
        mkdir -p "$home/cache" "$home/state"
        chown -R nobody:nogroup "$home"
    fi
    setpriv --reuid nobody --regid nogroup --clear-groups \
        env HOME="$home" VARVE_CACHE_DIR="$home/cache" VARVE_STATE_DIR="$home/state" "$@"
}

# mount_ext4 IMAGE DIR SIZE: make an ext4 image (if it is not there) and mount it.  Needs root and
# loop devices, else the test is skipped.  run-one.sh unmounts what is left.
mount_ext4()
{
    need_root
    need_command mkfs.ext4 losetup mount
    mkdir -p "$2"
    if [ ! -e "$1" ]; then
        truncate -s "$3" "$1"
        mkfs.ext4 -q -F "$1"
    fi
    mount -o loop "$1" "$2" 2>"$STDERR" || skip "cannot mount a loop device: $(cat "$STDERR")"
    rmdir "$2/lost+found" 2>/dev/null || true
}

# mount_tmpfs DIR SIZE: likewise.
mount_tmpfs()
{
    need_root
    mkdir -p "$1"
    mount -t tmpfs -o "size=$2" tmpfs "$1" 2>"$STDERR" || skip "cannot mount a tmpfs"
}

# wait_for SECONDS COMMAND...
# shellcheck source=tests/e2e/wait.sh
. "$E2E/wait.sh"

# start_sshd NAME [LINE...]: an sshd of this test's own on a port of loopback, with further lines of
# sshd_config; this user may log in with $WORK/sshd/user.  Sets SSHD_PORT and SSHD_PID, and points
# varve at keys: VARVE_SSH_IDENTITY, VARVE_SSH_KNOWN_HOSTS (which knows all servers started so).
# run-one.sh ends it with the test.
start_sshd()
{
    local name=$1 directory=$WORK/sshd
    shift
    need_command sshd ssh-keygen ssh
    if [ "$EUID" = 0 ]; then mkdir -p /run/sshd; fi # where it leaves its privileges
    mkdir -p "$directory"
    if [ ! -e "$directory/user" ]; then
        ssh-keygen -q -t ed25519 -N '' -C '' -f "$directory/host"
        ssh-keygen -q -t ed25519 -N '' -C '' -f "$directory/user"
        cp "$directory/user.pub" "$directory/authorized"
    fi
    for _ in 1 2 3 4 5; do # somebody may take the port first
        SSHD_PORT=$(python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        {
            printf '%s\n' "Port $SSHD_PORT" 'ListenAddress 127.0.0.1' "HostKey $directory/host" \
                "AuthorizedKeysFile $directory/authorized" 'StrictModes no' 'UsePAM no' \
                'PermitRootLogin yes' 'PasswordAuthentication no' 'PidFile none' \
                'KbdInteractiveAuthentication no' 'Subsystem sftp internal-sftp' "$@"
        } >"$directory/$name.conf"
        : >"$directory/$name.log"
        "$(command -v sshd)" -D -e -f "$directory/$name.conf" 2>"$directory/$name.log" &
        SSHD_PID=$!
        while kill -0 "$SSHD_PID" 2>/dev/null; do
            if grep -q 'Server listening' "$directory/$name.log"; then
                printf '[127.0.0.1]:%s %s\n' "$SSHD_PORT" "$(cut -d' ' -f1,2 "$directory/host.pub")" \
                    >>"$directory/known_hosts"
                export VARVE_SSH_IDENTITY=$directory/user
                export VARVE_SSH_KNOWN_HOSTS=$directory/known_hosts
                return
            fi
            sleep 0.05
        done
    done
    cat "$directory/$name.log" >&2
    fail "sshd does not start"
}

# stop_sshd PID: end a server, and the connections it has.
stop_sshd()
{
    pkill -TERM -P "$1" 2>/dev/null || true
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

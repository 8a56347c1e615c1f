# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# A child of 'varve wal get' is killed, or the command itself: a server is told the truth or nothing, never
# that a segment is not there; and no half of a segment lies where it looks.  (Slow, since a sanitizer takes SIGSEGV
# for a fault of ours.)
need_command sshd ssh python3
unset SSH_AUTH_SOCK
SYSTEM=7777777777
new_repo
mkdir segments pg_wal
python3 -B "$E2E/make-wal.py" segments 1 2 >names
first=$(sed -n 1p names)
second=$(sed -n 2p names)
none=0000000100000000000000EE
for name in "$first" "$second"; do assert_exit 0 varve -q wal push "segments/$name"; done
start_sshd plain
url=sftp://$(id -un)@127.0.0.1:$SSHD_PORT$VARVE_REPO

# get NAME OPTION...: as a server runs it, with a shell of its own; its exit code is in $code.
get()
{
    local name=$1
    shift
    code=0
    sh -c '"$@" && :' sh timeout 100 varve "$@" wal get --system "$SYSTEM" --no-prefetch "$name" pg_wal/RECOVERYXLOG \
        >out 2>err || code=$?
}
# never WHAT: that ended neither with success nor with what a server takes for "there is none".
never()
{
    [ "$code" -ge 126 ] || { cat err >&2; fail "exit code $code, $1"; }
    [ -z "$(ls -A pg_wal)" ] || fail "$1: left behind: $(ls pg_wal)"
}
# whole NAME: it was delivered, and it is that.
whole()
{
    assert_eq "$code" 0 "exit code: $(cat err)"
    cmp "segments/$1" pg_wal/RECOVERYXLOG
    rm pg_wal/RECOVERYXLOG
    [ -z "$(ls -A pg_wal)" ] || fail "left behind: $(ls pg_wal)"
}
get "$first"
whole "$first"
get "$none"
assert_eq "$code" 1 "of a segment that is not there"

# --- the program that tells the secret
key=$VARVE_KEY_FILE
unset VARVE_KEY_FILE
for signal in KILL SEGV TERM; do
    for name in "$first" "$none"; do
        get "$name" --passphrase-command "kill -$signal \$\$"
        never "the passphrase command ended by SIG$signal"
    done
done
# --- the command itself, by whatever signal; here a child of it sends it.
for signal in KILL TERM INT HUP QUIT PIPE ABRT SEGV USR1 ALRM; do
    get "$none" --passphrase-command "kill -$signal \$PPID; sleep 5"
    never "ended by SIG$signal"
done
export VARVE_KEY_FILE=$key

# --- ssh: killed when so many bytes have come from it, so many times
mkdir killed
real=$(command -v ssh)
cat >killed/ssh <<END
#!/usr/bin/env python3
import os, signal, subprocess, sys
if "-G" not in sys.argv or os.environ["KILLED_AFTER"] == "-1":
    left = int(os.environ["KILLED_AFTER"])
    for i in range(int(os.environ["KILLED_TIMES"])):
        try:
            os.close(os.open("$PWD/killed/%d" % i, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            pass
    else:
        os.execv("$real", sys.argv)
    child = subprocess.Popen(["$real"] + sys.argv[1:], stdout=subprocess.PIPE) if left > 0 else None
    while left > 0:
        data = os.read(child.stdout.fileno(), left)
        if not data:
            break
        os.write(1, data)
        left -= len(data)
    if child:
        child.kill()
        child.wait()
    os.kill(os.getpid(), signal.SIGKILL)
os.execv("$real", sys.argv)
END
chmod 755 killed/ssh
export KILLED_AFTER KILLED_TIMES
# killed AFTER TIMES NAME [OPTION...]
killed()
{
    KILLED_AFTER=$1 KILLED_TIMES=$2
    rm -f killed/[0-9]*
    (PATH=$PWD/killed:$PATH get "$3" --ssh-transport ssh -r "$url" "${@:4}"; echo "$code" >code)
    code=$(cat code)
    assert_exists killed/0
}
for name in "$second" "$none"; do # each time, before there is a connection
    killed 30 1000 "$name"
    never "ssh killed after 30 bytes, each time"
done
# once AFTER NAME: another connection may bring it.
once()
{
    killed "$1" 1 "$2"
    case $code in
    0) whole "$2" ;;
    1) assert_eq "$2" "$none" "said not to be there" ;;
    *) never "ssh killed after $1 bytes, once" ;;
    esac
}
once 0 "$second"
once 3000 "$none"
once 60000 "$second"
# While it waits for a server that comes back it may be interrupted.
KILLED_AFTER=3000 KILLED_TIMES=1000
rm -f killed/[0-9]*
(PATH=$PWD/killed:$PATH exec varve --ssh-transport ssh -r "$url" wal get --system "$SYSTEM" --no-prefetch \
    "$none" pg_wal/RECOVERYXLOG >out 2>err) &
wait_for 30 test -e killed/1
kill -TERM $!
code=0
wait $! || code=$?
never "interrupted while every ssh is killed"
# Killed while it waits and the segment is half there: nothing is left of it.
KILLED_AFTER=40000
rm -f killed/[0-9]*
(PATH=$PWD/killed:$PATH exec varve --ssh-transport ssh -r "$url" wal get --system "$SYSTEM" --no-prefetch \
    "$second" pg_wal/RECOVERYXLOG >out 2>err) &
child=$!
writes() { find "/proc/$child/fd" -lname "$PWD/pg_wal/*" 2>/dev/null | grep -q .; }
wait_for 60 writes || fail "$(cat err)"
kill -KILL "$child"
code=0
wait "$child" || code=$?
assert_eq "$code" 137
never "killed while it wrote"
killed -1 1000 "$none" # also the one that only tells the configuration
never "every ssh killed"
get "$second" --ssh-transport ssh -r "$url"
whole "$second"

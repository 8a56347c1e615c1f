# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A site that stops answering holds nobody else up; one that is full ends with exit 15 and nothing
# half published; and what the server does, as strace sees it: fsync of the file before it gets its
# name, of the directory before anything that depends on it is published.
# labels: slow
need_command sshd ssh
unset SSH_AUTH_SOCK
start_sshd first
first_pid=$SSHD_PID first=$SSHD_PORT
start_sshd second
second=$SSHD_PORT
user=$(id -un)
new_repo
mkdir source
for i in 1 2 3; do
    random_file "source/$i" 3000000 "$i"
    assert_exit 0 varve -q backup source
done

# --- a server that was stopped (SIGSTOP): the other destination is served meanwhile ---------------
kill -STOP "$first_pid"
varve --json replicate --to "sftp://$user@127.0.0.1:$first$WORK/stopped" \
    --to "sftp://$user@127.0.0.1:$second$WORK/other" >run.json 2>errors &
client=$!
complete() { [ -e "$WORK/other/config" ] && varve -r "$WORK/other" --json snapshots >list.json 2>/dev/null &&
    [ "$(json list.json 'len(d["snapshots"])')" = 3 ]; }
wait_for 25 complete
refute_exists "$WORK/stopped/config"
kill -CONT "$first_pid"
code=0
wait "$client" || code=$?
assert_eq "$code" 0 "exit code once the server goes on"
assert_eq "$(json run.json '[x["snapshots_there"] for x in d["destinations"]]')" '[3, 3]'

# --- what the server does -------------------------------------------------------------------------
server=/usr/lib/openssh/sftp-server
# (sftp-server forbids others to read its memory: only root sees names in its calls.)
if [ "$EUID" = 0 ] && [ -x "$server" ] && strace -o /dev/null true 2>/dev/null; then
    # One file for each channel, of which there are several on a long line: their calls are put in order by
    # the time at which they began and ended.
    cat >server.sh <<END
#!/bin/sh
exec strace -f -qq -s 4096 -ttt -T -e trace=openat,link,linkat,fsync,close -o "$WORK/trace.\$\$" $server
END
    chmod +x server.sh
    start_sshd traced "ForceCommand $PWD/server.sh"
    proxy=$(dirname "$VARVE")/tests/bench/delay_proxy
    if [ -x "$proxy" ]; then
        "$proxy" 0 "$SSHD_PORT" 15 >proxy.out &
        wait_for 10 grep -q port proxy.out
        SSHD_PORT=$(cut -d' ' -f2 proxy.out)
        printf '[127.0.0.1]:%s %s\n' "$SSHD_PORT" "$(cut -d' ' -f1,2 "$WORK/sshd/host.pub")" \
            >>"$VARVE_SSH_KNOWN_HOSTS"
    fi
    for i in 4 5 6 7; do random_file "source/$i" 16000000 "$i"; done
    assert_exit 0 varve -q backup source
    assert_exit 0 varve -q replicate --to "sftp://$user@127.0.0.1:$SSHD_PORT$WORK/traced" 2>errors
    python3 - "$WORK/traced" "$WORK"/trace.* <<'END'
import re, sys
root, files = sys.argv[1], sys.argv[2:]
syncs, links = {}, []  # path: [(begin, end)]; (begin, end, channel, temporary, final)
for name in files:
    handles = {}
    for line in open(name, errors="replace"):
        m = re.match(r"(?:\d+ +)?(\d+\.\d+) (.*) <(\d+\.\d+)>$", line.strip())
        if not m:
            continue
        begin, call, end = float(m.group(1)), m.group(2), float(m.group(1)) + float(m.group(3))
        m = re.match(r'openat\(AT_FDCWD, "([^"]*)",.*\) = (\d+)$', call)
        if m:
            handles[m.group(2)] = m.group(1)
        m = re.match(r"fsync\((\d+)\) += 0$", call)
        if m:
            syncs.setdefault(handles.get(m.group(1), ""), []).append((begin, end))
        m = re.match(r"close\((\d+)\)", call)
        if m:
            handles.pop(m.group(1), None)
        m = re.match(r'link(?:at)?\((?:AT_FDCWD, )?"([^"]*)", (?:AT_FDCWD, )?"([^"]*)".*\) = 0$', call)
        if m and m.group(2).startswith(root + "/") and not m.group(2).startswith(root + "/tmp/"):
            links.append((begin, end, name) + m.groups())
links.sort()

def synced(path, after, before):
    """Whether an fsync of it began after one moment and ended before another."""
    return any(after <= begin and end <= before for begin, end in syncs.get(path, []))

def durable(link, before):
    return synced(link[4].rsplit("/", 1)[0], link[1], before)

def kind(link):
    return link[4][len(root) + 1:].split("/")[0]

def pack_hash(link):
    return bytes.fromhex(link[4].rsplit("/", 1)[1].split("-")[0])

listed = {x[4]: open(x[4], "rb").read() for x in links if kind(x) == "index"}
packs = [x for x in links if kind(x) == "packs"]
across = 0  # a segment waited for a pack of another channel
for link in links:
    begin, _, channel, temporary, final = link
    if not synced(temporary, 0, begin):
        sys.exit("%s got its name before its bytes were synced" % final)
    if not durable(link, float("inf")):
        sys.exit("the name of %s was never made durable" % final)
    # an index segment counts on the packs it lists, by the hash in their names; a slot on all before it
    counts_on = []
    if kind(link) == "index":
        counts_on = [x for x in packs if pack_hash(x) in listed[final]]
    elif kind(link) == "snapshots":
        counts_on = [x for x in links if x[0] < begin and kind(x) in ("packs", "index")]
    for other in counts_on:
        if not durable(other, begin):
            sys.exit("%s was published before the name of %s was durable" % (final, other[4]))
        across += kind(link) == "index" and other[2] != channel
if not packs or not all(any(pack_hash(x) in segment for segment in listed.values()) for x in packs):
    sys.exit("a pack's hash is in no index segment")
slots = sum(kind(x) == "snapshots" for x in links)
channels = len({x[2] for x in links})
if len(links) < 10 or slots < 1:
    sys.exit("only %d publications seen, %d slots" % (len(links), slots))
if channels > 1 and across == 0:
    sys.exit("of %d channels none had a segment that lists another's packs" % channels)
print("%d publications in %d channels, %d times a segment lists a pack of another one"
      % (len(links), channels, across))
END
fi

# --- a full disk at the site ----------------------------------------------------------------------
mount_tmpfs "$WORK/small" 5m
assert_exit 15 varve --json replicate --to "sftp://$user@127.0.0.1:$second$WORK/small/replica" >run.json 2>errors
assert_grep 'no space left' errors
# Nothing under its name is half there: packs have the hash in their names, snapshots are complete.
find "$WORK/small/replica/packs" -type f | while read -r pack; do
    name=${pack##*/}
    assert_eq "$(sha256sum <"$pack" | cut -d' ' -f1)" "${name%%-*}" "hash of a pack at the full site"
done
assert_exit 0 env VARVE_STATE_DIR="$WORK/elsewhere" varve -r "$WORK/small/replica" verify --data >/dev/null
mount -o remount,size=200m "$WORK/small"
assert_exit 0 varve -q replicate --to "sftp://$user@127.0.0.1:$second$WORK/small/replica" >/dev/null
assert_exit 0 env VARVE_STATE_DIR="$WORK/elsewhere" varve -r "$WORK/small/replica" verify --data >/dev/null
assert_exit 0 varve -r "$WORK/small/replica" -q restore "latest:$PWD/source" --target out >/dev/null
diff -r source out

# --- a quota there: the disk has space, and every write fails ---------------------------------------
# (A limit on the size of files looks the same from here: EFBIG, like EDQUOT, is "Failure" in SFTP.)
if [ -x "$server" ]; then
    cat >quota.sh <<END
#!/bin/bash
trap '' XFSZ
ulimit -f 1024
exec $server
END
    chmod +x quota.sh
    start_sshd quota "ForceCommand $PWD/quota.sh"
    assert_exit 15 varve --json replicate --to "sftp://$user@127.0.0.1:$SSHD_PORT$WORK/limited" >run.json 2>errors
    assert_grep 'most likely because of a quota' errors
    assert_eq "$(json run.json 'd["destinations"][0]["done"]')" false
    assert_eq "$(find "$WORK/limited/tmp" -type f | wc -l)" 0 "temporaries left"
    assert_exit 0 env VARVE_STATE_DIR="$WORK/elsewhere" varve -r "$WORK/limited" verify --data >/dev/null
    # once there is room
    assert_exit 0 varve -q replicate --to "sftp://$user@127.0.0.1:$second$WORK/limited" >/dev/null
    assert_exit 0 env VARVE_STATE_DIR="$WORK/elsewhere" varve -r "$WORK/limited" verify --data >/dev/null
fi

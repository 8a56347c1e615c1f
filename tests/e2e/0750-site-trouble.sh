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
if [ "$(id -u)" = 0 ] && [ -x "$server" ] && strace -o /dev/null true 2>/dev/null; then
    # one file for each channel
    cat >server.sh <<END
#!/bin/sh
exec strace -f -qq -s 4096 -e trace=openat,link,linkat,fsync,close -o "$WORK/trace.\$\$" $server
END
    chmod +x server.sh
    start_sshd traced "ForceCommand $PWD/server.sh"
    assert_exit 0 varve -q replicate --to "sftp://$user@127.0.0.1:$SSHD_PORT$WORK/traced" 2>errors
    python3 - "$WORK/traced" "$WORK"/trace.* <<'END'
import re, sys
root, files = sys.argv[1], sys.argv[2:]
published = slots = 0
packs, segments = [], []
for name in files:
    handles, synced, waiting, linked = {}, set(), set(), set()
    for line in open(name, errors="replace"):
        line = re.sub(r"^\d+ +", "", line.strip())
        m = re.match(r'openat\(AT_FDCWD, "([^"]*)",.*\) = (\d+)$', line)
        if m:
            handles[m.group(2)] = m.group(1)
            continue
        m = re.match(r"fsync\((\d+)\) += 0$", line)
        if m:
            path = handles.get(m.group(1), "")
            synced.add(path)
            waiting.discard(path)
            linked = {x for x in linked if x[0] != path}
            continue
        m = re.match(r"close\((\d+)\)", line)
        if m:
            handles.pop(m.group(1), None)
            continue
        m = re.match(r'link(?:at)?\((?:AT_FDCWD, )?"([^"]*)", (?:AT_FDCWD, )?"([^"]*)".*\) = 0$', line)
        if not m or not m.group(2).startswith(root + "/") or m.group(2).startswith(root + "/tmp/"):
            continue
        temporary, final = m.groups()
        folder, kind = final.rsplit("/", 1)[0], final[len(root) + 1:].split("/")[0]
        if temporary not in synced:
            sys.exit("%s got its name before its bytes were synced" % final)
        # an index segment counts on the packs it lists, by the hash in their names; a slot on all
        listed = open(final, "rb").read() if kind == "index" else b""
        for other in waiting:
            part = other[len(root) + 1:].split("/")[0]
            if part == "packs" and kind == "index":
                count_on = any(f == other and bytes.fromhex(leaf.split("-")[0]) in listed
                               for f, leaf in linked)
            else:
                count_on = (kind, part) in (("snapshots", "packs"), ("snapshots", "index"))
            if count_on:
                sys.exit("%s was published before names in %s were durable" % (final, other))
        waiting.add(folder)
        if kind == "packs":
            leaf = final.rsplit("/", 1)[1]
            linked.add((folder, leaf))
            packs.append(bytes.fromhex(leaf.split("-")[0]))
        segments.append(listed)
        published += 1
        slots += kind == "snapshots"
    if waiting:
        sys.exit("never made durable: %s" % waiting)
if not packs or not all(any(pack in segment for segment in segments) for pack in packs):
    sys.exit("a pack's hash is in no index segment")
if published < 10 or slots < 1:
    sys.exit("only %d publications seen, %d slots" % (published, slots))
print("%d publications in %d channels" % (published, len(files)))
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
mount -o remount,size=64m "$WORK/small"
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

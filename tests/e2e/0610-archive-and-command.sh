# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Members of archives and the output of commands: there and back, or no snapshot at all.
need_command tar cpio gzip python3
make_tree source
new_repo
count()
{
    assert_exit 0 varve --json snapshots >list
    json list 'len(d["snapshots"])'
}

# ---- archives ----
tar --format=pax --sparse -cf plain.tar -C source .
gzip -k plain.tar
assert_exit 0 varve backup --archive plain.tar >/dev/null
assert_exit 0 varve restore latest --target from-tar >/dev/null
assert_same_tree source from-tar --no-holes
assert_exit 0 varve backup --archive - <plain.tar.gz >/dev/null
assert_exit 0 varve restore latest --target from-stdin >/dev/null
assert_same_tree source from-stdin --no-holes
(cd source && find . -mindepth 1 -print0 | cpio --quiet -0 -o -H newc) >plain.cpio
assert_exit 0 varve backup --archive plain.cpio >/dev/null
assert_exit 0 varve restore latest --target from-cpio >/dev/null
assert_same_tree source from-cpio --no-holes --no-mtime
assert_eq "$(stat -c %h from-cpio/hard-link)" 2 "names of a hard link from a cpio archive"
assert_exit 0 varve backup --archive plain.tar source >/dev/null
assert_exit 0 varve verify --data >/dev/null

python3 - <<'END'
import io, tarfile
with tarfile.open("odd.tar", "w") as t:
    def add(name, kind=tarfile.REGTYPE, link="", data=b"data"):
        i = tarfile.TarInfo(name)
        i.type, i.linkname, i.size = kind, link, len(data) if kind == tarfile.REGTYPE else 0
        t.addfile(i, io.BytesIO(data))
    add("../../escape")
    add("/absolute")
    add("link", tarfile.SYMTYPE, "/tmp")
    add("link/through")
    add("file")
    add("file/below")
    add("twice", data=b"first")
    add("twice", data=b"second")
    add("hard", tarfile.LNKTYPE, "nowhere")
END
assert_exit 3 varve backup --archive odd.tar >/dev/null 2>problems
for name in ../../escape link/through file/below hard; do
    assert_grep "$name" problems
done
# Its members belong to root, whom an ordinary user cannot give anything to.
assert_exit "$([ "$EUID" = 0 ] && echo 0 || echo 3)" varve restore latest --target odd >/dev/null
assert_eq "$(cat odd/twice)" second "the member that came twice"
assert_eq "$(cd odd && find . -mindepth 1 | LC_ALL=C sort | tr '\n' ' ')" \
    "./absolute ./file ./link ./twice " "what was kept"

# Cut off, damaged, or no archive at all: nothing is committed.
before=$(count)
for size in 0 100 1024 100000 $(($(stat -c %s plain.tar.gz) - 3)); do
    head -c "$size" plain.tar.gz >part
    assert_exit 1 varve backup --archive part source >/dev/null 2>&1
done
assert_exit 1 varve backup --archive source/sizes/text-65536 >/dev/null 2>&1
head -c 10240 /dev/zero >nothing.tar
assert_exit 1 varve backup --archive nothing.tar >/dev/null 2>problems
assert_grep 'no members' problems
assert_exit 1 varve backup --archive not-there >/dev/null 2>&1
assert_eq "$(count)" "$before" "number of snapshots"

assert_exit 0 varve backup --archive nothing.tar --allow-empty source >/dev/null

# ---- commands ----
assert_exit 0 varve backup --exec 'db/numbers=seq 300000' --exec 'db/words=echo word' source \
    >/dev/null
assert_exit 0 varve cat latest:db/numbers >numbers
seq 300000 | cmp - numbers
assert_exit 0 varve cat latest:db/words >words
assert_eq "$(cat words)" word
seq 5 | assert_exit 0 varve backup --stdin list >/dev/null
assert_exit 0 varve cat latest:list >words
assert_eq "$(tr '\n' ' ' <words)" "1 2 3 4 5 "

before=$(count)
assert_exit 1 varve backup --exec 'x=echo half; echo "disk on fire" >&2; (exit 7) | cat' source \
    >/dev/null 2>problems
assert_grep "command for 'x' failed: exit status 7" problems
assert_grep 'disk on fire' problems
assert_exit 1 varve backup --exec 'x=echo half; kill -KILL $$' source >/dev/null 2>problems
assert_grep 'SIGKILL' problems
# shellcheck disable=SC2016
assert_exit 1 varve backup --exec 'x=PASSWORD=s3cret false' source >/dev/null 2>problems
refute_grep 's3cret' problems
status=0
varve backup --exec 'x=true' source >/dev/null 2>problems || status=$?
[ "$status" = 1 ] || fail "an empty output ended with $status"
assert_grep 'without any output' problems
assert_exit 2 varve backup --exec '../x=echo' source >/dev/null 2>&1
assert_exit 2 varve backup --exec '/x=echo' source >/dev/null 2>&1
assert_eq "$(count)" "$before" "number of snapshots"
assert_exit 0 varve backup --allow-empty --exec 'x=true' source >/dev/null

# Where two things would have one place, none is lost in silence: names of outputs are refused...
assert_exit 2 varve backup --exec 'x=echo 1' --exec 'x=echo 2' >/dev/null 2>problems
assert_grep "'x'" problems
assert_exit 2 varve backup --exec 'x/y=echo 1' --stdin x </dev/null >/dev/null 2>problems
assert_grep "'x/y'" problems
# ... and an output, which may be nowhere else, comes before files and members, which are named.
mkdir -p clash/directory/deep
echo file >clash/file
echo inner >clash/directory/deep/inner
echo other >clash/other
top=${PWD#/}/clash
tar -cf clash.tar clash
assert_exit 3 varve backup --exec "$top/file/dump=echo 1" --exec "$top/directory=echo 2" clash \
    >/dev/null 2>problems
assert_grep "clash/file'" problems
assert_grep "clash/directory'" problems
refute_grep inner problems
assert_exit 0 varve restore "latest:$PWD/clash" --target clashed >/dev/null
assert_eq "$(cd clashed && find . -type f | LC_ALL=C sort | tr '\n' ' ')" \
    "./directory ./file/dump ./other " "what was kept"
rm -rf clashed
assert_exit 3 varve backup --exec "clash/file/dump=echo 1" --exec "clash/directory=echo 2" \
    --archive clash.tar >/dev/null 2>problems
assert_grep "clash/file'" problems
assert_exit 0 varve restore "latest:clash" --target clashed >/dev/null
assert_eq "$(cd clashed && find . -type f | LC_ALL=C sort | tr '\n' ' ')" \
    "./directory ./file/dump ./other " "what was kept"

# Under half of the last time: stored, but somebody should look.
assert_exit 0 varve backup --exec 'db/numbers=seq 300000' >/dev/null
assert_exit 3 varve backup --exec 'db/numbers=seq 100000' >/dev/null 2>problems
assert_grep 'db/numbers' problems

# Interrupted: gone within a second, and everything it has started with it.
before=$(count)
varve backup --exec "x=echo \$\$ >pid; exec sleep 1000" source >/dev/null 2>&1 &
child=$!
wait_for 20 test -s pid
kill -INT "$child"
status=0
wait "$child" || status=$?
assert_eq "$status" 130 "exit code when interrupted"
if kill -0 "$(cat pid)" 2>/dev/null; then fail "the command is still running"; fi
assert_eq "$(count)" "$before" "number of snapshots"

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow memory
# What varve writes is what varve-format(5) says: examples/varve-read.py, written from that page
# alone, extracts it bit for bit, finds nothing wrong with it, and notices a flipped byte.

need_command tar rsync
/usr/bin/python3 -c 'import nacl, cryptography, zstandard' 2>/dev/null ||
    skip "needs python3-nacl, python3-cryptography and python3-zstandard"

# reader ARGUMENT...: on the repository at hand, opened as $secret says.
secret=()
reader()
{
    /usr/bin/python3 "$VARVE_SOURCE/examples/varve-read.py" -r "$VARVE_REPO" "${secret[@]}" "$@"
}

# assert_reads TREE [option of assert_same_tree...]: the last snapshot, a backup of TREE, comes back.
# Each goes to a new directory: what has immutable files cannot just be removed.
turn=0
assert_reads()
{
    local tree=$1
    shift
    turn=$((turn + 1))
    assert_exit 0 reader extract latest "$WORK/out-$turn" "$tree"
    assert_same_tree "$tree" "$WORK/out-$turn$tree" "$@"
}

# flip FILE OFFSET: change one bit.
flip()
{
    chmod u+w "$1"
    python3 -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2])); byte = f.read(1)[0]; f.seek(-1, 1); f.write(bytes([byte ^ 1]))' "$@"
}

# A small tree at every kind of level; several snapshots in one repository.
make_tree "$WORK/tree"
new_repo "$WORK/repo"
secret=(--key-file "$VARVE_KEY_FILE")
for level in off 1 19; do
    random_file "$WORK/tree/new-at-$level" 300000 "${level/off/0}"
    seq 1 20000 >"$WORK/tree/text-at-$level"
    assert_exit 0 varve backup --compression "$level" --tag "level-$level" "$WORK/tree" >/dev/null
    assert_reads "$WORK/tree"
done
assert_eq "$(reader snapshots | wc -l)" 3 "number of snapshots"
first=$(reader snapshots | sed -n '1s, .*,,p')
assert_exit 0 reader ls "$first" "$WORK/tree" >/dev/null
assert_grep 'new-at-off$' "$STDOUT"
refute_grep 'new-at-1$' "$STDOUT"

# A reader's key, too, before and after another epoch; a writer's reads nothing.
admin=$VARVE_KEY_FILE
assert_exit 0 varve key add --role reader --name drill --new-key-file "$WORK/drill.key" >/dev/null
assert_exit 0 varve key add --role writer --name web --new-key-file "$WORK/web.key" >/dev/null
secret=(--key-file "$WORK/drill.key")
assert_reads "$WORK/tree"
assert_exit 0 varve key rotate >/dev/null
random_file "$WORK/tree/of-the-second-epoch" 300000 77
assert_exit 0 varve backup "$WORK/tree" >/dev/null
assert_reads "$WORK/tree"
assert_exit 0 reader check >/dev/null
assert_eq "$(reader snapshots | wc -l)" 4 "number of snapshots"
secret=(--key-file "$WORK/web.key")
assert_exit 2 reader snapshots 2>errors
assert_grep 'role 3: it opens nothing' errors
# What came after it was revoked is not for it, though its slot survived; what was before still is.
mkdir "$WORK/slots"
cp -p "$VARVE_REPO"/keys/* "$WORK/slots/"
assert_exit 0 varve key revoke drill >/dev/null
cp -pf "$WORK"/slots/* "$VARVE_REPO/keys/"
assert_exit 0 varve backup "$WORK/tree" >/dev/null
secret=(--key-file "$WORK/drill.key")
assert_exit 1 reader snapshots >listed 2>errors
assert_eq "$(wc -l <listed)" 4 "number of snapshots"
assert_grep 'no key of epoch 2' errors
assert_exit 0 varve key remove "$(varve --json key list | python3 -c 'import json, sys
print([s["id"] for s in json.load(sys.stdin)["slots"] if s["role"] == "reader"][0])')" >/dev/null
secret=(--key-file "$admin")

# Everything a file system holds, with holes, a big sparse file, many and large attributes.
make_torture_tree "$WORK/torture" 2>/dev/null
# What its owner cannot read is not backed up.
[ "$EUID" = 0 ] || rm -f "$WORK/torture/modes/0000"
python3 -c 'import os, sys
top = sys.argv[1]
with open(top + "/sparse-big", "wb") as f:
    for i in range(300):
        f.seek(i * 100_000 + 4096 * i)
        f.write(b"%05d" % i * 1000)
    f.truncate(40_000_000)
with open(top + "/many-attributes", "w") as f:
    for i in range(60):
        os.setxattr(f.fileno(), "user.a%02d" % i, os.urandom(30))' "$WORK/torture"
# What a backup leaves out: sockets, and files with the flag that says so.
rm -f "$WORK/torture/flags/d"
find "$WORK/torture" -type s -delete
got=0
varve backup "$WORK/torture" >"$STDOUT" 2>"$STDERR" || got=$?
case $got in 0 | 3) ;; *) fail "backup of the torture tree: $got" ;; esac
assert_reads "$WORK/torture"

# Big enough for lists of chunks.
random_file "$WORK/tree/huge" 16000000 5
assert_exit 0 varve backup "$WORK/tree" >/dev/null
assert_reads "$WORK/tree"

# The output of a command, standard input, an archive.
assert_exit 0 varve backup --exec 'dump.sql=seq 1 30000' >/dev/null
assert_exit 0 reader extract latest "$WORK/exec"
seq 1 30000 | cmp - "$WORK/exec/dump.sql"
head -c 300000 "$WORK/tree/huge" | varve backup --stdin stream >"$STDOUT" 2>"$STDERR"
assert_exit 0 reader extract latest "$WORK/stdin"
head -c 300000 "$WORK/tree/huge" | cmp - "$WORK/stdin/stream"
make_tree "$WORK/packed/inside" 2
tar -C "$WORK/packed" --format=posix -cf "$WORK/archive.tar" inside
assert_exit 0 varve backup --archive "$WORK/archive.tar" >/dev/null
assert_exit 0 reader extract latest "$WORK/archive"
assert_same_by_rsync "$WORK/packed/inside" "$WORK/archive/inside"
assert_exit 0 reader check >/dev/null

# One flipped byte: check names the object, extract the file and the range, and restores the rest.
mkdir "$WORK/three"
for i in 1 2 3; do random_file "$WORK/three/$i" 2000000 "$i"; done
new_repo "$WORK/damaged"
secret=(--key-file "$VARVE_KEY_FILE")
assert_exit 0 varve backup "$WORK/three" >/dev/null
pack=$(find "$VARVE_REPO/packs" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
half=$(($(stat -c %s "$pack") / 2))
flip "$pack" "$half"
assert_exit 1 reader check >/dev/null 2>&1
assert_grep "^varve-read: ${pack#"$VARVE_REPO/"}: .*bytes [0-9]+-[0-9]+" "$STDERR"
assert_exit 1 reader extract latest "$WORK/out" >/dev/null 2>&1
assert_grep "^varve-read: ${WORK#/}/three/[123]: bytes [0-9]+-[0-9]+ lost" "$STDERR"
damaged=0
for i in 1 2 3; do
    assert_eq "$(stat -c %s "$WORK/out$WORK/three/$i")" 2000000 "size of file $i"
    cmp -s "$WORK/three/$i" "$WORK/out$WORK/three/$i" || damaged=$((damaged + 1))
done
assert_le "$damaged" 2 "number of damaged files"
assert_ge "$damaged" 1 "number of damaged files"
flip "$pack" "$half"
assert_exit 0 reader check >/dev/null
# The same for one object of every other kind.
for object in config site keys admin sessions snapshots index; do
    file=$(find "$VARVE_REPO/$object" -type f | sort | head -n 1)
    flip "$file" 70
    assert_exit 1 reader check >/dev/null 2>&1
    assert_grep "^varve-read: ${file#"$VARVE_REPO/"}: " "$STDERR"
    flip "$file" 70
done
assert_exit 0 reader check >/dev/null

# A passphrase instead of a key file.
unset VARVE_KEY_FILE
export VARVE_REPO=$WORK/passphrase
(umask 077 && echo 'pässword with blanks' >"$WORK/phrase")
assert_exit 0 varve init --passphrase-file "$WORK/phrase" >/dev/null 2>&1
assert_exit 0 varve backup --passphrase-file "$WORK/phrase" "$WORK/three" >/dev/null 2>&1
secret=(--passphrase-file "$WORK/phrase")
assert_reads "$WORK/three"
(umask 077 && echo 'another' >"$WORK/other")
secret=(--passphrase-file "$WORK/other")
assert_exit 2 reader snapshots >/dev/null 2>&1

# Recovery words.
export VARVE_REPO=$WORK/repo
secret=(--recovery-file "$WORK/repo.words")
assert_exit 0 reader snapshots >/dev/null

#!/bin/bash
# Make the golden repository of the current format anew: only when the format changes (before it is
# frozen), in the commit that changes varve-format(5).  usage: make.sh VARVE
set -euo pipefail
varve=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
work=/tmp/varve-golden # part of the paths in the snapshots
rm -rf "$work"
mkdir -p "$work/tree/directory/deep"
trap 'rm -rf "$work"' EXIT
cd "$work"
export VARVE_REPO=$work/repository VARVE_STATE_DIR=$work/state VARVE_CACHE_DIR=$work/cache
/usr/bin/python3 - tree <<'PY'
import os, random, sys
os.chdir(sys.argv[1])
r = random.Random(1)
def write(name, data):
    with open(name, "wb") as f:
        f.write(data)
write("empty", b"")
write("small", b"a small file\n")
write("text", b"".join(b"line %d of a text\n" % i for i in range(20000)))
write("noise", r.randbytes(300000))
write("lists", b"".join(r.randbytes(1000) * 400 for _ in range(10)))  # more chunks than fit inline
write(b"bytes\xff\n", b"a name that is not UTF-8\n")
for i in range(300):
    write(f"directory/deep/{i:03}", b"%d\n" % i)
os.symlink("small", "link")
os.link("small", "hard link")
os.mkfifo("fifo")
with open("sparse", "wb") as f:
    f.truncate(8 << 20)
    f.seek(3 << 20)
    f.write(b"data between holes")
os.chmod("small", 0o640)
os.chmod("directory", 0o750)
for top, names, files in os.walk(".", topdown=False):
    for name in names + files:
        os.utime(os.path.join(top, name), ns=(0, 1_500_000_000_123_456_789), follow_symlinks=False)
os.utime(".", ns=(0, 1_500_000_000_123_456_789))
PY
"$varve" init --key-file key --recovery-file words --reserve 0 >/dev/null
printf 'golden passphrase' >passphrase
"$varve" --key-file key key add --new-passphrase-file passphrase --label golden >/dev/null
"$varve" --key-file key backup --host golden --exec 'database/dump.sql=seq 1000' "$work/tree" >/dev/null
echo changed >>tree/directory/deep/007
touch -d @1600000000 tree/directory/deep/007
"$varve" --key-file key backup --host golden --full --tag second --compression off "$work/tree" >/dev/null
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -cf - repository key words passphrase |
    gzip -9n >"$here/version-1.tar.gz"
(cd tree && bash "$here/describe.sh") >"$here/version-1.txt"
ls -l "$here"

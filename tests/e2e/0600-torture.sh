# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# Everything a file system holds, there and back: as root, after an incremental, after a full backup,
# over what is there already; and as an ordinary user.
need_command rsync lsattr getcap getfacl python3

# compare_all A B: describe-tree.py and rsync (assert_same_tree), and the tools people trust.
compare_all()
{
    assert_same_tree "$1" "$2"
    same_by_tool "$1" "$2" getfacl -P -n -p --
    same_by_tool "$1" "$2" getcap
    same_by_tool "$1" "$2" file_flags
}

# The flags people set: not those by which ext4 says how it stores a file (e: extents, I: index, ...).
file_flags()
{
    lsattr -d -- "$@" 2>/dev/null | sed 's/^[^ ]*/&:/; :a; s/^\([^:]*\)[eINEVh]/\1-/; ta'
}

# same_by_tool A B TOOL...: what the tool says of each name, links left alone.
same_by_tool()
{
    local a=$1 b=$2 tree names=()
    shift 2
    # Paths over PATH_MAX are beyond these tools; describe-tree.py has seen them.
    mapfile -d '' -t names < <(cd "$a" && find . -path './long-*' -prune -o \
        \( -type f -o -type d \) -print0 | LC_ALL=C sort -z)
    [ "${#names[@]}" -gt 300 ] || fail "only ${#names[@]} names to compare"
    for tree in "$a" "$b"; do
        (cd "$tree" && "$@" "${names[@]}") >"$WORK/by-tool-$(basename "$tree")" || true
    done
    [ -s "$WORK/by-tool-$(basename "$a")" ] || [ "$EUID" != 0 ] || fail "$1 says nothing"
    diff -u "$WORK/by-tool-$(basename "$a")" "$WORK/by-tool-$(basename "$b")" ||
        fail "$* differs"
}

# What make-tree.py leaves out.
make_more()
{
    mkdir "$1/more" "$1/more/set-group" "$1/more/no-entry" "$1/more/no-entry/below"
    echo hidden >"$1/more/no-entry/file"
    chmod 2770 "$1/more/set-group"
    python3 - "$1/more" <<'END'
import os, sys
top = os.fsencode(sys.argv[1])
os.chdir(top)
names = [b"n" * 255, b"\xf0\x9f\x92\xbe" * 63, b"\x01\x02\x1b[31mred\x1b[0m", b" ", b"~", b"#", b"*",
         b"\xe2\x80\xae\xe2\x80\x8b", b"\xed\xa0\x80surrogate", b"a\rb", b"%s%n", b"--help", b"$(id)",
         b"...", b"..a", b"CON", b"\x7f"]
for name in names:
    with open(name, "wb") as f:
        f.write(name)
os.makedirs(b"d" * 255 + b"/" + b"e" * 255)
os.link(b"n" * 255, b"d" * 255 + b"/" + b"e" * 255 + b"/" + b"f" * 255)
os.symlink(b".", b"loop")
os.symlink(b"/", b"root")
os.mkdir(b"crowd")
for i in range(3000):
    os.close(os.open(b"crowd/%d" % i, os.O_CREAT | os.O_WRONLY, 0o644))
# Many extents, more than fit into an entry; data up to the last byte; a hole at the end.
with open(b"comb", "wb") as f:
    for i in range(500):
        f.seek(i * 16384)
        f.write(b"%d" % i)
    f.truncate(500 * 16384 + 1)
with open(b"setuid-sparse", "wb") as f:
    f.truncate(1 << 29)
    f.seek((1 << 29) - 1)
    f.write(b"x")
os.chmod(b"setuid-sparse", 0o6755)
os.utime(b"comb", ns=(1, 4_102_444_800_999_999_999))       # in the year 2100
os.utime(b"crowd/1", ns=(-1, -1))                            # 1 ns before 1970
END
    touch -h -d '2001-02-03 04:05:06.789012345 UTC' "$1/more/loop"
    chmod 0 "$1/more/no-entry"
}

# forget_unkept DIR: what is not kept by design.  At the top, whose own mtime is not compared.
forget_unkept()
{
    rm -f "$1/socket" "$1/nodump"
}

# inodes DIR: what would show that anything at all was done to a file.
inodes()
{
    find "$1" -mindepth 1 -path "$1/long-*" -prune -o ! -type d -printf '%P %i %s %C@\n' | sort
}

as_root()
{
    make_torture_tree source
    make_more source
    [ ! -e source/flags/d ] || mv source/flags/d source/nodump
    cap=$(command -v setcap || true)
    [ -z "$cap" ] || { cp /bin/true source/more/program && setcap cap_net_bind_service+ep source/more/program; }
    setfacl -m d:u:1234:rwx,u:5678:-w- source/more/set-group
    chown 1234:2345 source/more/set-group source/more/loop
    mknod source/more/device c 10 229
    setfattr -n trusted.test -v yes source/more/device

    new_repo
    assert_exit 0 varve --json backup source >summary
    assert_eq "$(json summary 'd["statistics"]["sockets"] if "statistics" in d else d["sockets"]')" 1 \
        "sockets"
    forget_unkept source
    assert_exit 0 varve restore "latest:$PWD/source" --target restored >/dev/null
    compare_all source restored

    # Restoring again changes nothing, and is no problem.
    inodes restored >before
    assert_exit 0 varve restore "latest:$PWD/source" --target restored >/dev/null
    inodes restored | diff before - || fail "restoring again changed something"

    # 5 GiB of zeros take long to compare.
    rm source/holes/five-gigabytes

    # Only metadata changes; then an incremental backup, and a full one.
    chmod 0751 source/more
    chmod 04111 source/more/program
    setfattr -x user.text source/xattr/file
    setfattr -n user.new -v value source/xattr/file
    setfacl -b source/acl/file
    setfacl -k source/acl/directory
    chown -h 7:8 source/more/root
    touch -d '2000-01-01 00:00:00.000000001 UTC' source/fifo
    chattr -A source/flags/A
    chattr +A source/more/comb
    printf x | dd of=source/holes/middle bs=1 seek=500000 conv=notrunc 2>/dev/null
    rm source/more/crowd/17
    mv source/more/crowd/18 source/more/crowd/eighteen
    assert_exit 0 varve backup source >/dev/null
    assert_exit 0 varve restore "latest:$PWD/source" --target second >/dev/null
    compare_all source second
    assert_exit 0 varve backup --full source >/dev/null
    assert_exit 0 varve restore "latest:$PWD/source" --target third >/dev/null
    compare_all source third

    # The first restore brought up to date in place: everything different is made equal.
    assert_exit 0 varve restore "latest:$PWD/source" --target restored --overwrite changed --delete \
        >/dev/null
    compare_all source restored
    assert_exit 0 varve verify --data >/dev/null
}

# The same as somebody who may not do everything: run by as_user or by an ordinary user.
ordinary()
{
    local status=0
    make_torture_tree source 2>/dev/null
    make_more source
    rm source/holes/five-gigabytes
    [ ! -e source/flags/d ] || mv source/flags/d source/nodump
    new_repo "$PWD/repo"
    # Two things cannot be read: that is told and does not stop the rest.
    assert_exit 3 varve backup source >/dev/null 2>problems
    assert_grep 'modes/0000' problems
    assert_grep 'more/no-entry' problems
    assert_eq "$(grep -c 'more/no-entry\|modes/0000' problems)" "$(grep -c source problems)" \
        "problems named"
    forget_unkept source
    varve restore "latest:$PWD/source" --target restored >/dev/null 2>problems || status=$?
    [ "$status" = 0 ] || { cat problems >&2; fail "restore ended with $status"; }
    rm -f source/modes/0000
    chmod 700 source/more/no-entry
    rm -rf source/more/no-entry/*
    chmod 0 source/more/no-entry
    # Owners are the user's own; mtime of the directories above what was removed has changed.
    assert_same_tree source restored --no-owner --no-mtime
    assert_exit 0 varve verify --data >/dev/null
}

if [ "$EUID" = 0 ]; then
    as_root
    # Below /root nobody can read neither this nor varve; an ordinary user's own run does it then.
    if ! setpriv --reuid nobody --regid nogroup --clear-groups test -r "$E2E/lib.sh"; then exit 0; fi
    # nobody does it all over in a directory of its own ...
    mkdir -m 755 "$WORK/user"
    chown nobody:nogroup "$WORK/user"
    export -f ordinary make_more forget_unkept
    # shellcheck disable=SC2016 # expanded by that shell
    as_user bash -c 'set -euo pipefail; cd "$WORK/user"; STDOUT=$WORK/user/stdout
        STDERR=$WORK/user/stderr; WORK=$WORK/user; source "$VARVE_SOURCE/tests/e2e/lib.sh"; ordinary'
    # ... and restores what root has saved: what it may not set is told by kind, once.
    cp -a "$VARVE_REPO" "$WORK/user/root-repo"
    cp "$VARVE_KEY_FILE" "$WORK/user/root-key"
    chown -R nobody:nogroup "$WORK/user/root-repo" "$WORK/user/root-key"
    assert_exit 3 as_user varve -r "$WORK/user/root-repo" --key-file "$WORK/user/root-key" \
        restore "latest:$PWD/source" --target "$WORK/user/from-root" >/dev/null 2>problems
    assert_le "$(wc -l <problems)" 20 "lines about what may not be set"
    assert_same_tree "$PWD/source/sizes" "$WORK/user/from-root/sizes" --no-owner
    assert_same_tree "$PWD/source/bytes" "$WORK/user/from-root/bytes" --no-owner
else
    ordinary
fi

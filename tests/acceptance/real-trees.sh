#!/bin/bash
# Back up whole trees, restore them as root and find no difference: content, owners, modes, times,
# hard links, ACLs, attributes, capabilities, inode flags and holes.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "$0")/common.sh"
[ "$(id -u)" = 0 ] || fail "must run as root"
[ $# -ge 1 ] || fail "usage: real-trees.sh TREE..."

# compare A B: everything rsync, lsattr, getcap, getfacl and SEEK_DATA can tell.
compare() {
    local a=$1 b=$2
    rsync -aHAXni --checksum --delete --exclude=/proc --exclude=/sys "$a/" "$b/" >"$WORK/rsync.out"
    # rsync lists sockets, which are never backed up
    grep -v '^cS' "$WORK/rsync.out" >"$WORK/rsync.diff" || true
    [ ! -s "$WORK/rsync.diff" ] || fail "rsync finds differences: $(head -5 "$WORK/rsync.diff")"
    for tool in attributes capabilities acls holes; do
        (cd "$a" && "describe_$tool") >"$WORK/$tool.a"
        (cd "$b" && "describe_$tool") >"$WORK/$tool.b"
        cmp -s "$WORK/$tool.a" "$WORK/$tool.b" ||
            fail "$tool differ: $(diff "$WORK/$tool.a" "$WORK/$tool.b" | head -5)"
    done
}
# e (extents) and I (hash-indexed) are the file system's own business
describe_attributes() { lsattr -R -a . 2>/dev/null | grep -v ':$' | grep . | awk '{ gsub(/[eI]/, "-", $1); print }' | sort; }
describe_capabilities() { getcap -r . 2>/dev/null | sort; }
describe_acls() { getfacl -R -n -p --skip-base . 2>/dev/null; }
describe_holes() { /usr/bin/python3 "$here/holes.py" .; }

new_repository "$WORK/repo"
for tree in "$@"; do
    tree=$(realpath "$tree")
    for mode in first incremental full; do
        option=
        [ "$mode" = full ] && option=--full
        # exit 3 would mean that something could not be read
        "$VARVE" -r "$WORK/repo" backup --quiet $option "$tree" || fail "backup ($mode) of $tree: exit $?"
        rm -rf "$WORK/restored"
        "$VARVE" -r "$WORK/repo" restore "latest:$tree" --target "$WORK/restored" --quiet ||
            fail "restore ($mode) of $tree: exit $?"
        compare "$tree" "$WORK/restored"
        say "ok: $tree, $mode"
    done
done
rm -rf "$WORK"

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A bare Debian 12 to try things in: sourced by .ci/fresh and .ci/package, which set $work, a directory for
# what is temporary.  Needs root, debootstrap, and mount name spaces.
#
# Making one takes a minute, so it is kept, for a week, where .ci/run keeps its records.

# has_room DIR BYTES: a tmpfs with so much to spare.
has_room()
{
    [ -w "$1" ] && [ "$(stat -f -c %T "$1")" = tmpfs ] && [ $(($(stat -f -c '%a * %S' "$1"))) -ge "$2" ]
}

bare_root_kept=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/varve-ci/bookworm.tar

# This machine's own sources of Debian packages, and its proxies.
# shellcheck disable=SC2016 # apt's own variables
sources()
{
    apt-get indextargets --format '$(CREATED_BY)|$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' |
        awk -F'|' '$1 == "Packages" && $2 == "Debian" && $3 ~ /^bookworm/ { print "deb", $4, $5, $6 }' |
        sort -u
}

# bare_root DIR: make it there.
bare_root()
{
    local mirror list
    list=$(sources)
    if [ -z "$list" ]; then
        apt-get -q update
        list=$(sources)
    fi
    mirror=$(awk '$3 == "bookworm" { print $2; exit }' <<<"$list")
    mirror=${mirror:-http://deb.debian.org/debian}
    echo "mirror: $mirror"
    if [ -z "$(find "$bare_root_kept" -mtime -7 2>/dev/null)" ]; then
        debootstrap --variant=minbase bookworm "$work/made" "$mirror" >"$work/debootstrap.log" 2>&1 ||
            { tail -n 30 "$work/debootstrap.log"; exit 1; }
        # Bare: what debootstrap has left behind is not there in a freshly made image either.
        rm -rf "$work/made"/var/lib/apt/lists/* "$work/made"/var/cache/apt/archives/*.deb
        mkdir -p "${bare_root_kept%/*}"
        find "${bare_root_kept%/*}" -name 'bookworm.tar.*' -mmin +60 -delete # of one that was interrupted
        # Under its name at once and whole, whoever else makes one.
        tar -C "$work/made" --numeric-owner --xattrs -cf "$bare_root_kept.$$" .
        mv "$bare_root_kept.$$" "$bare_root_kept"
        rm -rf "$work/made"
    fi
    mkdir -p "$1"
    tar -C "$1" --numeric-owner --xattrs --xattrs-include='*' -xpf "$bare_root_kept"
    echo "${list:-deb $mirror bookworm main}" >"$1/etc/apt/sources.list"
    apt-config dump --no-empty --format '%f "%v";%n' Acquire |
        { grep -iE '^Acquire::[a-z]+::proxy' || true; } >"$1/etc/apt/apt.conf.d/90proxy"
}

# inside ROOT COMMAND...: run in the root, which gets a /proc, pseudo terminals and shared memory of
# its own; processes left behind end with it.
inside()
{
    local root=$1
    shift
    # shellcheck disable=SC2016 # the inner shell expands
    unshare --mount --propagation private --pid --fork --kill-child bash -c '
        set -e
        root=$1
        shift
        mount -t proc proc "$root/proc"
        mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
        mkdir -p "$root/dev/shm"
        mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb chroot "$root" "$@"
    ' sh "$root" "$@" </dev/null
}

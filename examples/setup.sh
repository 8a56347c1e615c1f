# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034
# What a Debian 12 needs to build and test varve, and how it is built: sourced by
# examples/quickstart.sh, tests/run.sh and .ci/run.  Expects $top, the source tree.  POSIX sh.
#
#   VARVE_BUILD_DIR   where to build (default: build/ in the source tree)

# To build the command.
packages_build="gcc libc6-dev cmake ninja-build pkgconf libsodium-dev libssl-dev libzstd-dev \
libxxhash-dev libarchive-dev libjansson-dev libssh2-1-dev libisal-dev libqrencode-dev \
libsqlite3-dev libpq-dev libcurl4-openssl-dev"

# Beyond those, to run the tests: cmocka for the unit tests, the rest is what the end-to-end tests
# compare with, what the independent reader (examples/varve-read.py) is written in, and Spin, which
# checks the models (with gcc).  Of PostgreSQL only the programs are wanted: see no_database_cluster.
packages_test="libcmocka-dev python3 python3-nacl python3-cryptography python3-zstandard rsync \
attr acl libcap2-bin e2fsprogs mount util-linux procps tar cpio zip unzip gzip bzip2 xz-utils zstd \
tzdata openssh-server openssh-sftp-server openssh-client spin strace systemd postgresql-15 \
faketime python3-prometheus-client"

# shellcheck disable=SC2154 # whoever sources this file sets it
build=${VARVE_BUILD_DIR:-$top/build}

say()
{
    printf '%s\n' "$*"
}

die()
{
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# missing_packages NAME...: print those that are not installed.
missing_packages()
{
    for package in "$@"; do
        # shellcheck disable=SC2016 # dpkg-query's own variables
        case " $(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null)" in
        *" installed "*) ;; # not 'not-installed', which names that others recommend have
        *) printf '%s ' "$package" ;;
        esac
    done
}

# as_root COMMAND...: run it with root's rights; asks for a password only on a terminal.
as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ] && [ -t 2 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# debian_first: what Debian has is found before what the caller has.  Tests are for its python3 and its
# modules; that of a version manager lacks them, and its wrapper may start thirty processes each time.
debian_first()
{
    PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
    export PATH
}

# apt_get ARGUMENT...: without questions, waiting its turn if another apt is at work.
apt_get()
{
    as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -q -y \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@" </dev/null
}

# Debian makes and starts a database cluster when a server's package is installed.  Where there is no
# PostgreSQL yet, tell it not to; no_database_cluster_end takes that back for clusters made later.
cluster_config=/etc/postgresql-common/createcluster.conf
no_database_cluster()
{
    case " $missing" in
    *" postgresql"*) ;;
    *) return 0 ;;
    esac
    [ ! -e "$cluster_config" ] || return 0
    cluster_prevented=yes
    as_root mkdir -p "${cluster_config%/*}"
    echo "create_main_cluster = false" | as_root tee "$cluster_config" >/dev/null
}
no_database_cluster_end()
{
    [ "${cluster_prevented:-}" = yes ] || return 0
    if [ -e /usr/share/postgresql-common/createcluster.conf ]; then
        as_root cp /usr/share/postgresql-common/createcluster.conf "$cluster_config"
    else
        as_root rm -f "$cluster_config"
    fi
    cluster_prevented=
}

# install_missing: install $missing, log to $apt_log.  In a subshell, whose traps are its own: whatever
# interrupts it, Debian is told again what it was, and the caller's traps stay as they are.
install_missing()
{
    (
        trap 'install_interrupted 129' HUP
        trap 'install_interrupted 130' INT
        trap 'install_interrupted 143' TERM
        no_database_cluster || exit
        status=0
        # Package lists may be absent (a bare system) or too old (the versions they name are gone).
        # shellcheck disable=SC2086 # a list of words
        { have_package_lists &&
            apt_get install --no-install-recommends $missing >"$apt_log" 2>&1; } ||
            { apt_get update >>"$apt_log" 2>&1 &&
                apt_get install --no-install-recommends $missing >>"$apt_log" 2>&1; } || status=$?
        no_database_cluster_end
        exit "$status"
    )
}
# shellcheck disable=SC2317 # traps call it
install_interrupted()
{
    trap '' HUP INT TERM
    no_database_cluster_end
    exit "$1"
}

# install_packages NAME...: install what is missing; nothing missing needs no rights.
install_packages()
{
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "This is no Debian: install what corresponds to these packages, if the build misses it:"
        say "  $*"
        return 0
    fi
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            die "missing packages, and neither root nor sudo to install them with; as root run:
  apt-get install --no-install-recommends $missing"
        as_root true 2>/dev/null ||
            die "missing packages, and sudo refuses (a password without a terminal?); as root run:
  apt-get install --no-install-recommends $missing"
    fi
    say "Installing: $missing"
    apt_log=$(mktemp "${TMPDIR:-/tmp}/varve-apt.XXXXXX")
    status=0
    install_missing || status=$?
    case $status in
    0)
        rm -f "$apt_log"
        return 0
        ;;
    129 | 130 | 143) exit "$status" ;; # interrupted
    esac
    tail -n 40 "$apt_log" >&2
    die "installing packages failed; the whole log: $apt_log"
}

have_package_lists()
{
    for list in /var/lib/apt/lists/*_Packages*; do
        [ -e "$list" ] && return 0
    done
    return 1
}

# quietly LOG COMMAND...: append its output to the log; show the log's end if it fails.
quietly()
{
    log=$1
    shift
    if "$@" >>"$log" 2>&1 </dev/null; then
        return 0
    fi
    tail -n 60 "$log" >&2
    die "failed: $*; the whole log: $log"
}

# configure_varve [CMake option...]: configure $build.
configure_varve()
{
    { mkdir -p "$build" 2>/dev/null && [ -w "$build" ]; } ||
        die "cannot write to '$build'; set VARVE_BUILD_DIR to a directory of your own"
    build=$(cd "$build" && pwd -P)
    : >"$build/setup.log" 2>/dev/null ||
        die "'$build' belongs to somebody else; set VARVE_BUILD_DIR to a directory of your own"
    say "Building in $build (log: $build/setup.log)"
    # A directory configured for a tree that has moved is of no use; another generator is kept.
    if ! grep -qsxF "CMAKE_HOME_DIRECTORY:INTERNAL=$top" "$build/CMakeCache.txt"; then
        set -- --fresh -G Ninja "$@"
    fi
    quietly "$build/setup.log" cmake -S "$top" -B "$build" "$@"
}

# build_varve TARGET...: build there.
build_varve()
{
    quietly "$build/setup.log" cmake --build "$build" --target "$@"
}

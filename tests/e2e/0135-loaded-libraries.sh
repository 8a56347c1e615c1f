# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# Libraries that few commands need are opened by these alone; where one is damaged, they say so, and nobody else
# notices.
need_command tar
new_repo
mkdir files damaged
echo data >files/file
tar -cf files.tar files

# Nothing asks for them at the start, not even another library.
LD_TRACE_LOADED_OBJECTS=1 varve >needed
assert_grep 'libc\.so' needed
refute_grep 'lib(archive|pq|curl)\.so' needed

# Under these names they are asked for; what this build is without is not there.
grep -aoE 'lib(archive|pq|curl)\.so\.[0-9]+' "$WORK/bin/varve" | sort -u >libraries
assert_grep '^libarchive' libraries
while read -r library; do
    echo "this is no library" >"damaged/$library"
done <libraries
damaged()
{
    LD_LIBRARY_PATH=$PWD/damaged varve "$@"
}
count()
{
    assert_exit 0 damaged --json snapshots >list
    json list 'len(d["snapshots"])'
}
# says LIBRARY PURPOSE FILE: that file has the error, and what to do about it.
says()
{
    assert_grep "cannot open the library '$1\.so\.[0-9]+', for $2: $PWD/damaged/$1\.so.*file too short" "$3"
    assert_grep "^ *hint: is the package [^ ]*$1[^ ]* installed, and whole\?" "$3"
}

# ---- whoever needs none ----
assert_exit 0 damaged backup files >/dev/null
assert_exit 0 damaged verify --data >/dev/null
assert_exit 0 damaged restore "latest:$PWD/files" --target restored >/dev/null
assert_same_tree files restored
assert_eq "$(count)" 1

# ---- libarchive: no snapshot, no archive ----
assert_exit 1 damaged backup --archive files.tar 2>problems
says libarchive archives problems
assert_grep "archive 'files.tar'" problems
assert_exit 1 damaged backup files --archive files.tar 2>problems
assert_eq "$(count)" 1
assert_exit 1 damaged export latest -o out.tar 2>problems
says libarchive archives problems
refute_exists out.tar
assert_exit 3 damaged backup --keep-going files --archive files.tar >/dev/null 2>problems
assert_grep "'/files.tar': .*cannot open the library 'libarchive" problems
assert_exit 0 varve backup --archive files.tar >/dev/null
assert_exit 0 varve export latest -o out.tar >/dev/null
assert_eq "$(tar -tf out.tar | grep -c file)" 2 "members of the archive"
assert_eq "$(count)" 3

# ---- libpq ----
if grep -q '^libpq' libraries; then
    assert_exit 1 damaged backup files postgres://backup@db/ 2>problems
    says libpq PostgreSQL problems
    assert_exit 13 varve backup files postgres://backup@%2Fnonexistent/ 2>problems
    assert_eq "$(count)" 3
fi

# ---- libcurl: the run goes on, and tells ----
if grep -q '^libcurl' libraries; then
    unset VARVE_REPO VARVE_KEY_FILE
    cat >varve.conf <<END
[repository main]
url = $WORK/repo
key-file = $WORK/repo.key
[notify]
ping-url = http://127.0.0.1:9/secret-4711
[job web]
repository = main
path = $PWD/files
END
    export VARVE_CONFIG=$PWD/varve.conf
    chmod 600 varve.conf
    assert_exit 3 damaged run web >out 2>problems
    says libcurl 'requests to web servers' problems
    refute_grep secret-4711 problems
    assert_grep '^  backup +ok ' out
    assert_grep '^  notify +failed +ping' out
fi

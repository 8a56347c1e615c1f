# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# ls, find, history, diff, cat, export, stats: what they print, as text and as JSON.
new_repo
mkdir -p source/sub
src=$PWD/source
echo good >source/conf
echo lost >source/sub/gone
echo same >source/same
ln -s conf source/link
assert_exit 0 varve -q backup --tag first source
echo "bad bad" >source/conf
rm source/sub/gone
echo new >source/new
chmod 600 source/same
assert_exit 0 varve -q backup source

assert_exit 0 varve ls "latest:$src" >out
assert_eq "$(cat out)" "$(printf '%s\n' "$src"/{conf,link,new,same,sub})"
assert_exit 0 varve ls -lR "latest~1:$src/sub" >out
assert_grep "^-rw-r--r-- .* 5 [0-9-]+ [0-9:]+\+00:00 $src/sub/gone$" out
assert_exit 0 varve ls -l "latest:$src/link" >out
assert_grep "^lrwxrwxrwx .* $src/link -> conf$" out

assert_exit 0 varve find gone >out
assert_grep " $src/sub/gone  \(deleted since\)$" out
assert_exit 0 varve --json find '*e*' >out.json
assert_eq "$(json out.json '{f["path"].split("/")[-1]: f["deleted"] for f in d["found"] if f["type"] == "file"}')" \
    '{"new": false, "same": false, "gone": true}'
assert_exit 0 varve find --deleted '*e*' 'gone' >out
assert_eq "$(wc -l <out)" 1

assert_exit 0 varve history "$src/conf" >out
assert_eq "$(wc -l <out)" 2
assert_exit 0 varve --json history "$src/conf" >out.json
assert_eq "$(json out.json '[v["size"] for v in d["versions"]]')" '[8, 5]'
# The newest version that passes; the file has its own name.
# shellcheck disable=SC2016 # the command expands it
assert_exit 0 varve --json history --test 'basename "$1" >&2; grep -q good "$1"' "$src/conf" >out.json 2>errors
assert_eq "$(json out.json '[v["passed"] for v in d["versions"]]')" '[false, true]'
assert_grep '^conf$' errors
assert_exit 1 varve history --test false "$src/conf" >out 2>errors
assert_exit 1 varve history --test /no/such/command "$src/conf" >out 2>errors
assert_grep 'cannot be run' errors
assert_eq "$(find "$TMPDIR" -name 'varve-test*')" ""

assert_exit 0 varve diff "latest~1:$src" latest >out
assert_grep "^~ $src/conf  \(content, size, mtime\)$" out
assert_grep "^~ $src/same  \(mode\)$" out
assert_grep "^- $src/sub/gone$" out
assert_grep "^\+ $src/new$" out
assert_grep '^1 added, 1 removed, [0-9] changed$' out
assert_exit 0 varve diff latest latest >out
assert_eq "$(cat out)" "0 added, 0 removed, 0 changed"
echo again >>source/new
assert_exit 0 varve --json diff "latest:$src" >out.json
assert_eq "$(json out.json '[(x["path"].split("/")[-1], x["change"]) for x in d["differences"]]')" '[["new", "changed"]]'
# Same size and times, other content: only reading tells.  (ctime does tell; ls of it does not.)
assert_exit 0 varve -q backup source
assert_exit 2 varve diff --content latest latest 2>errors

assert_exit 0 varve cat "latest~2:$src/conf" >out
assert_eq "$(cat out)" good
assert_exit 0 varve --json cat "latest~2:$src/conf" >out.json
assert_eq "$(json out.json 'd["content_base64"]')" "$(printf 'good\n' | base64)"
assert_exit 2 varve cat latest 2>errors

assert_exit 0 varve export "latest:$src" --format tar -o one.tar
assert_exit 0 varve export "latest:$src" --format tar >two.tar
cmp one.tar two.tar
mkdir x && tar -C x -xpf one.tar
cmp source/conf "$(find x -name conf)"
assert_exit 0 varve export "latest:$src" --format zip -o one.zip
python3 -c 'import zipfile; assert zipfile.ZipFile("one.zip").testzip() is None'
assert_exit 1 varve export latest -o one.tar 2>errors # an existing file is left alone
cmp one.tar two.tar
assert_exit 2 varve --json export latest 2>errors

assert_exit 0 varve stats >out
assert_grep '^logical ' out
assert_exit 0 varve --json stats >out.json
assert_eq "$(json out.json 'd["snapshot_count"], len(d["snapshots"])')" "(3, 3)"
assert_eq "$(json out.json 'd["snapshots"][0]["unique_bytes"] > 0')" true
assert_exit 0 varve --json stats --storage >out.json
assert_eq "$(json out.json 'd["stored_bytes"]')" "$(object_bytes packs)"

assert_exit 0 varve verify latest >out
assert_grep '^verified: structure and metadata, without the data' out
assert_exit 0 varve verify --data >out
assert_grep "^verified: all data, .* read from '$VARVE_REPO', .*\+00:00$" out

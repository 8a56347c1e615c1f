# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# The configuration: mistakes are told with place and remedy, and a repository is opened by its name.
unset VARVE_REPO VARVE_KEY_FILE
cd "$WORK" || exit
key=$WORK/key

# conf TEXT: a configuration with that text, for all commands from now on.
conf()
{
    printf '%s\n' "$1" >"$WORK/varve.conf"
    chmod 600 "$WORK/varve.conf"
    export VARVE_CONFIG=$WORK/varve.conf
}

# ---- none ----
assert_exit 2 varve --config nowhere.conf config check 2>problems
assert_grep "cannot read the configuration 'nowhere.conf'" problems
assert_exit 2 varve --config . config check 2>problems
assert_grep 'is no file' problems

# ---- what 'example' prints is right, as it is and with every key ----
assert_exit 0 varve config example >example
: >key && chmod 600 key
sed "s,/etc/varve/key,$key," example >"$WORK/varve.conf"
export VARVE_CONFIG=$WORK/varve.conf
assert_exit 0 varve config check >out
assert_grep '^1 repository, 1 job: no mistake found' out
assert_exit 0 varve config show >shown
assert_grep '^keep-daily = 14$' shown
assert_exit 0 varve config show --json >list
python3 - <<'END'
import json
d = json.load(open("list"))
assert [s["kind"] + " " + s["name"] for s in d["sections"]] == ["repository main", "job server"], d
assert {"key": "path", "value": "/srv"}.items() <= d["sections"][1]["values"][2].items(), d
assert d["sections"][1]["values"][2]["line"] > d["sections"][1]["line"]
END

# ---- mistakes ----
# wrong LINE TEXT HINT [CONFIGURATION] (else standard input): exactly this one is told.
good="[repository main]
url = $WORK/repo
key-file = $key"
count=0
wrong()
{
    conf "$4"
    assert_exit 2 varve config check >problems
    assert_eq "$(grep -c "^$WORK/varve.conf:[0-9]*: " problems)" 1 "mistakes in: $4: $(cat problems)"
    assert_grep "^$WORK/varve.conf:$1: .*$2" problems
    [ -z "$3" ] || assert_grep "^    .*$3" problems
    count=$((count + 1))
}
in_repository() { wrong "$1" "$2" "$3" "[repository main]
url = /x
$4"; }
in_job() { wrong "$1" "$2" "$3" "$good
[job web]
repository = main
$4"; }

wrong 1 'a value outside of a section' 'comes first' 'url = /x'
wrong 1 "does not end with ']'" 'write \[KIND NAME\]' '[repository main'
wrong 1 'there is no section \[repositry\]' "did you mean 'repository'" '[repositry main]'
wrong 1 'there is no section \[database\]' 'sections are \[repository NAME\], \[job NAME\]' '[database x]'
wrong 1 '\[repository\] has no name' 'letters, digits' '[repository]'
wrong 1 'that is no name' 'letters, digits' '[repository a/b]'
wrong 1 'that is no name' 'letters, digits' '[job a b]'
wrong 1 "\[repository main\] has no 'url'" 'add: url = ' '[repository main]'
wrong 2 "'url' has no value" 'or leave the line out' '[repository main]
url ='
wrong 2 "url: 'relative/path' is not an absolute path" '' '[repository main]
url = relative/path'
wrong 2 "url: 'http://host/' is not an absolute path or sftp" '' '[repository main]
url = http://host/'
wrong 4 '\[repository main\] is there already: .*varve.conf:1' 'another name' '[repository main]
url = /x

[repository main]
url = /y'
in_repository 3 "\[repository\] has no key 'ulr'" "did you mean 'url'" 'ulr = /y'
in_repository 3 "'url' is given twice: line 2" 'leave one' 'url = /y'
in_repository 3 "has no key 'path'" 'it belongs into \[job NAME\]' 'path = /srv'
in_repository 3 'neither a section nor a value' "a comment begins with '#'" 'just words'
in_repository 3 "key-file: 'key' is no absolute path" 'from the root' 'key-file = key'
in_repository 3 "key-file: cannot look at '/nowhere/key'" 'put a copy of it back; .* makes a key file' 'key-file = /nowhere/key'
in_repository 3 "ssh-transport: 'rsync' is not auto, libssh2 or ssh" '' 'ssh-transport = rsync'
in_repository 3 "known-hosts: 'hosts' is not an absolute path" '' 'known-hosts = hosts'
in_repository 3 'replica: there is no \[repository mian\]' "did you mean 'main'" 'replica = mian'
in_job 6 "path: 'srv' is not an absolute path" '' 'path = srv'
in_job 6 "\[job\] has no key 'keep-dayly'" "did you mean 'keep-daily'" 'keep-dayly = 3'
in_job 6 "keep-daily: '0' is not 1 to 1000000, or all" '' 'keep-daily = 0'
in_job 6 "keep-weekly: 'many' is not" '' 'keep-weekly = many'
in_job 7 "keep-wal-days: '0' is not a number of days" '' 'keep-last = 1
keep-wal-days = 0'
in_job 6 "'keep-wal-days' says nothing by itself" 'another key that begins with keep-' 'keep-wal-days = 14'
in_job 6 "keep-within: '30' is not a duration such as" '' 'keep-within = 30'
in_job 6 "exclude-larger-than: 'big' is not a size" '' 'exclude-larger-than = big'
in_job 6 "exclude-caches: 'true' is not yes or no" 'write yes or no' 'exclude-caches = true'
in_job 6 "exclude-from: 'list' is not an absolute path" '' 'exclude-from = list'
in_job 6 "compression: '20' is not 1 to 19, or off" '' 'compression = 20'
in_job 6 "exec: 'pg_dump' is not NAME=COMMAND" '' 'exec = pg_dump'
in_job 6 "exec: '/abs=pg_dump' is not NAME=COMMAND" '' 'exec = /abs=pg_dump'
in_job 6 "database: this is not a database such as" '' 'database = mysql://db/'
in_job 6 "database-limit: 'fast' is not a size" '' 'database-limit = fast'
in_job 6 'replicate-to: there is no \[repository site\]' 'there are: main' 'replicate-to = site'
in_job 6 "replicate-limit: '25:00-26:00=1M' is not a rate" '' 'replicate-limit = 25:00-26:00=1M'
in_job 6 "scrub-budget: '200%' is not a budget" '' 'scrub-budget = 200%'
in_job 6 "verify-budget: 'some' is not a budget" '' 'verify-budget = some'
in_job 6 "hook-timeout: '0' is not a duration" '' 'hook-timeout = 0'
in_job 6 "max-runtime: '6' is not a duration such as 90min" '' 'max-runtime = 6'
in_job 6 "tag: 'job:other' is not a tag one may choose" '' 'tag = job:other'
in_job 6 "'before' has no value" '' 'before ='
in_job 7 "'prune' is given twice" '' 'prune = no
prune = yes'
wrong 1 "\[job web\] has no 'repository'" 'add: repository = NAME' '[job web]'
wrong 2 'repository: there is no \[repository main\]' 'add a section \[repository main\]' '[job web]
repository = main'
for name in max-age max-full-age max-unread-age max-rehearsal-age space-lasts rehearse-every; do
    in_job 6 "$name: 'soon' is not a duration" '' "$name = soon"
done
in_job 6 "rehearse-scratch: 'tmp' is not an absolute path" '' 'rehearse-scratch = tmp'
in_job 6 "schedule: 'nightly' is not a schedule such as daily 03:30" '' 'schedule = nightly'
in_job 6 "schedule: 'daily 25:00' is not a schedule" '' 'schedule = daily 25:00'
in_job 6 "schedule: 'every 7min' is not a schedule" '' 'schedule = every 7min'
in_job 6 "schedule: 'monthly 31' is not a schedule" '' 'schedule = monthly 31'
in_job 7 "schedule-jitter: 'some' is not a duration such as 90s" '' 'schedule = hourly
schedule-jitter = some'
in_job 6 'notify: there is no \[notify admins\]' 'add a section \[notify admins\]' 'notify = admins'
in_job 6 "\[job\] has no key 'schedul'" "did you mean 'schedule'" 'schedul = hourly'
in_job 6 "\[job\] has no key 'mail-to'" 'it belongs into \[notify' 'mail-to = root'
in_notify() { wrong 2 "$1" "$2" "[notify]
$3"; }
in_notify "ping-method: 'put' is not post or get" '' 'ping-method = put'
in_notify "ping-timeout: '2h' is not a time such as 10s" '' 'ping-timeout = 2h'
in_notify "command-timeout: '0' is not a time such as 60s" '' 'command-timeout = 0'
in_notify "on: 'sucess' is not a list of start, success" '' 'on = sucess'
in_notify "repeat-after: 'often' is not a duration" '' 'repeat-after = often'
in_notify "mail-to: 'a b' is not an address such as root" '' 'mail-to = a b'
in_notify "mail-from: '<x>' is not an address" '' 'mail-from = <x>'
in_notify "sendmail: 'sendmail' is not an absolute path" '' 'sendmail = sendmail'
in_notify "\[notify\] has no key 'mailto'" "did you mean 'mail-to'" 'mailto = root'
in_notify 'ping-url: this is not an address such as https' '' 'ping-url = hc-ping.com/secret-4711'
refute_grep secret-4711 problems
if varve backup -r none postgres:// 2>&1 | grep -q 'no PostgreSQL'; then
    echo "built without libpq: passwords in URLs are not looked for"
else
    in_job 6 "database: .*without a password" '' 'database = postgres://backup:secret@db/'
    refute_grep secret problems
fi
assert_ge "$count" 70 "wrong files"

# Permissions.
conf "$good"
chmod 640 key
assert_exit 2 varve config check >problems
assert_grep "varve.conf:3: key-file: others can read '$key' .mode 0640." problems
assert_grep "chmod go= '$key'" problems
chmod 600 key
chmod 666 "$WORK/varve.conf"
assert_exit 2 varve config check >problems
assert_grep 'can be written by others' problems
chmod 600 "$WORK/varve.conf"
printf 'a\0b' >"$WORK/varve.conf"
assert_exit 2 varve config check >problems
assert_grep 'NUL byte' problems
# Several at once, for programs too.
conf "[repository main]
ulr = x
[job web]
paht = /x"
assert_exit 2 varve config check --json >list
python3 - <<'END'
import json
d = json.load(open("list"))
assert [m["line"] for m in d["mistakes"]] == [2, 4, 1, 3], d
assert all(m["file"].endswith("varve.conf") and m["text"] for m in d["mistakes"])
END
assert_exit 2 varve -r main snapshots 2>problems
assert_grep 'varve.conf:2: ' problems
assert_grep "3 more: 'varve config check' tells all" problems

# ---- repositories by name ----
rm key
conf "[repository main]
url = $WORK/repo
key-file = $key
replica = second
[repository second]
url = $WORK/second"
assert_exit 0 varve -r main init >/dev/null
assert_exists key
echo one >file
assert_exit 0 varve -r main backup file >/dev/null
assert_exit 0 varve -r main replicate --to second >/dev/null
assert_exists second/packs
assert_exit 0 varve -r main snapshots >out
assert_exit 0 env VARVE_REPO=main "$VARVE" snapshots >out2
cmp out out2
# Its key opens the copy too, where the command line says so; a wrong one there is wrong.
assert_exit 0 varve -r second --key-file "$key" snapshots >/dev/null
assert_exit 11 varve -r second snapshots 2>/dev/null
# Damage is healed from the replica that is configured.
find repo/packs -type f | while read -r pack; do
    chmod u+w "$pack"
    printf 'damage' | dd of="$pack" bs=1 seek=300 conv=notrunc status=none
done
rm -rf repo/parity
assert_exit 3 varve -r main restore "latest:$PWD/file" --target back 2>problems >/dev/null
assert_eq "$(cat back/file)" one "the restored file"
# What is no name is a path, configuration or not; a path of a name's form is one with './'.
assert_exit 10 varve -r nobody snapshots 2>/dev/null
mkdir main
assert_exit 10 varve -r ./main snapshots 2>/dev/null
unset VARVE_CONFIG
assert_exit 10 varve -r main snapshots 2>/dev/null

# ---- where it is looked for ----
if [ "$EUID" != 0 ]; then
    mkdir -p "$HOME/.config/varve/conf.d"
    printf '%s\n' "[repository own]" "url = $WORK/repo" >"$HOME/.config/varve/varve.conf"
    printf '%s\n' "[repository more]" "url = $WORK/second" >"$HOME/.config/varve/conf.d/more.conf"
    assert_exit 0 varve config show >shown
    assert_grep '^\[repository more\]' shown
    assert_exit 0 varve -r own --key-file "$key" snapshots >/dev/null
    rm "$HOME/.config/varve/varve.conf" # what is in conf.d counts all the same
    assert_exit 0 varve -r more --key-file "$key" snapshots >/dev/null
fi

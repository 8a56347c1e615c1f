# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What tests of notifications share: a job 'web', a web server, a sendmail, a command.  Source it in $WORK.
unset VARVE_REPO VARVE_KEY_FILE http_proxy all_proxy ALL_PROXY
export VARVE_CONFIG=$WORK/varve.conf
python3 "$E2E/ping-server.py" "$WORK" &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
wait_for 60 test -e port
# shellcheck disable=SC2034 # whoever sources this
address=http://127.0.0.1:$(cat port)
mkdir -p data
echo data >data/file
assert_exit 0 varve -r "$WORK/repo" init --key-file "$WORK/key" >/dev/null
# A sendmail that keeps what it gets.
cat >sendmail <<END
#!/bin/sh
echo "arguments \$*" >>"$WORK/mail"
cat >>"$WORK/mail"
END
chmod 755 sendmail

# conf NOTIFY JOB: a configuration with that in [notify] and in the job.
conf()
{
    cat >varve.conf <<END
[repository main]
url = $WORK/repo
key-file = $WORK/key
[notify]
sendmail = $WORK/sendmail
$1
[job web]
repository = main
path = $WORK/data
${2:-}
END
    chmod 600 varve.conf
}
# run CODE OPTION...: the job; what it prints in out, what it complains about in problems.
run()
{
    local want=$1 got=0
    shift
    varve run "$@" web >out 2>problems || got=$?
    [ "$got" = "$want" ] || {
        cat out problems >&2
        fail "exit $got, not $want"
    }
}
# Built without libcurl there are no pings, and little to see here.
conf "ping-url = $address/probe"
if ! varve notify test >out && grep -q 'speaks no HTTP' out; then
    skip "built without libcurl"
fi
# fresh: nobody has heard anything.
fresh()
{
    rm -f requests mail told "$VARVE_STATE_DIR"/notify-*
    touch requests mail told
}
# paths: of all pings so far, in one line.
paths()
{
    python3 -c 'import json
print(*(r["method"] + " " + r["path"] for r in map(json.loads, open("requests"))), sep=", ")'
}
# body NUMBER: of that ping, the first is 0.
body()
{
    python3 -c 'import json, sys
print([json.loads(line) for line in open("requests")][int(sys.argv[1])]["body"], end="")' "$1"
}
# mails: the subjects of all mails so far.
mails()
{
    sed -n "s/^Subject: .*: job 'web' //p" mail | paste -sd,
}

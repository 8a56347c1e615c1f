#!/bin/bash
# Sourced by acceptance scripts that need an SSH server: common.sh, and an sshd of our own on
# loopback, reached directly or through tests/bench/delay_proxy.
# shellcheck source=tests/acceptance/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
PROXY=${PROXY:-$(dirname "$VARVE")/tests/bench/delay_proxy}
# Files on tmpfs on both sides, so that the line is what is measured.
SITE=$(mktemp -d /dev/shm/varve-site-XXXXXX)
children=()
stop_all() {
    local pid
    for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$SITE"
}
trap stop_all EXIT

free_port() { /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# start_sshd: PORT, and ~/.ssh-like files in $SITE/ssh: key, known_hosts, config.
start_sshd() {
    local ssh=$SITE/ssh
    mkdir -p "$ssh" /run/sshd
    chmod 700 "$ssh"
    ssh-keygen -q -t ed25519 -N '' -f "$ssh/host"
    ssh-keygen -q -t ed25519 -N '' -f "$ssh/key"
    cp "$ssh/key.pub" "$ssh/authorized"
    PORT=$(free_port)
    cat >"$ssh/sshd_config" <<END
Port $PORT
ListenAddress 127.0.0.1
HostKey $ssh/host
AuthorizedKeysFile $ssh/authorized
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
END
    "$(command -v sshd || echo /usr/sbin/sshd)" -D -f "$ssh/sshd_config" -E "$SITE/sshd.log" &
    children+=($!)
    await_port "$PORT"
    KEY=$ssh/key KNOWN_HOSTS=$ssh/known_hosts
    know_port "$PORT"
}

await_port() {
    local try
    for try in $(seq 100); do
        if (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return 0; fi
        sleep 0.05
    done
    fail "nothing listens on port $1 after $try tries"
}

know_port() { echo "[127.0.0.1]:$1 $(cut -d ' ' -f 1,2 "$SITE/ssh/host.pub")" >>"$KNOWN_HOSTS"; }

# start_proxy DELAY-MS [CUT-BYTES]: SLOW_PORT.
start_proxy() {
    coproc PROXY_OUT { exec "$PROXY" 0 "$PORT" "$@"; }
    children+=("$PROXY_OUT_PID")
    local word
    read -r word SLOW_PORT <&"${PROXY_OUT[0]}"
    [ "$word" = port ] || fail "the proxy does not start"
    know_port "$SLOW_PORT"
}

# ssh_words PORT: the options every ssh client needs.
ssh_words() { echo "-F none -p $1 -i $KEY -oUserKnownHostsFile=$KNOWN_HOSTS -oBatchMode=yes"; }
# url PORT PATH
url() { echo "sftp://$(id -un)@127.0.0.1:$1$2"; }

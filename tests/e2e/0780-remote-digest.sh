# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# Digests that the site's host computes: told apart from what was read, and only where the account may
# run commands.
need_command sshd ssh sha256sum
unset SSH_AUTH_SOCK
start_sshd free
free=$SSHD_PORT
start_sshd bound 'ForceCommand internal-sftp'
bound=$SSHD_PORT
user=$(id -un)
new_repo
mkdir source
for i in 1 2 3; do
    random_file "source/$i" 3000000 "$i"
    assert_exit 0 varve -q backup source
done
site="$WORK/a site"
url="sftp://$user@127.0.0.1:$free$WORK/a%20site"

# figures KEY...: of the one destination of run.json.
figures() { json run.json "[d['destinations'][0][k] for k in '$*'.split()]"; }

# --- an account that may run commands; a path with a blank -----------------------------------------
assert_exit 0 varve -q replicate --to "$url" --verify-share none
packs=$(find "$site/packs" -type f | wc -l)
assert_exit 0 varve --json replicate --to "$url" --verify-share all --verify-by digest >run.json
assert_eq "$(figures packs_digested packs_read_back bytes_read_back)" "[$packs, 0, 0]"
assert_exit 0 varve replicate --to "$url" --verify-share all --verify-by auto >text
assert_grep "right digest, computed by the site's host, not read from here" text
assert_grep 'nothing read back in this run' text
# By default bytes are read, also those whose digests were told a moment ago.
assert_exit 0 varve --json replicate --to "$url" --verify-share all >run.json
assert_eq "$(figures packs_digested packs_read_back)" "[0, $packs]"

# --- rot is found, read to be sure, and healed -----------------------------------------------------
flipped=$(find "$site/packs" -type f | sort | head -n 1)
chmod u+w "$flipped"
printf '\377\376\375' | dd of="$flipped" bs=1 seek=5000 conv=notrunc status=none
assert_exit 3 varve --json replicate --to "$url" --verify-share all --verify-by digest >run.json 2>errors
assert_grep "${flipped##*/}" errors
assert_eq "$(figures packs_digested packs_read_back packs_healed)" "[$((packs - 1)), 1, 1]"

# --- an account that is bound to SFTP ---------------------------------------------------------------
there="sftp://$user@127.0.0.1:$bound$WORK/bound"
assert_exit 0 varve -q replicate --to "$there" --verify-share none
assert_exit 0 varve --json replicate --to "$there" --verify-share all --verify-by auto >run.json 2>errors
assert_eq "$(figures packs_digested packs_read_back)" "[0, $packs]"
assert_exit 1 varve -q replicate --to "$there" --verify-share all --verify-by digest 2>errors
assert_grep 'is the account bound to SFTP' errors
assert_grep 'verify-by auto' errors

# --- a path that is not given to a shell -------------------------------------------------------------
odd="$WORK/a'; touch $WORK/pwned; '"
encoded=$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$odd")
mkdir -p "$(dirname "$odd")"
assert_exit 0 varve --json replicate --to "sftp://$user@127.0.0.1:$free$encoded" --verify-share all \
    --verify-by auto >run.json 2>errors
assert_eq "$(figures packs_digested packs_read_back)" "[0, $packs]"
refute_exists "$WORK/pwned"

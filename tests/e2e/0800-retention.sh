# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: plain
# forget by policy and by id, dry run, undelete, pin, marked snapshots, replicas, what is refused.
make_tree source
new_repo
for i in 1 2 3 4 5; do
    echo "$i" >source/counter
    assert_exit 0 varve -q backup --tag "run$i" source
done
src=$PWD/source
ids()
{
    assert_exit 0 varve --json snapshots >ids.json
    json ids.json '" ".join(s["id"] for s in d["snapshots"])'
}
read -r -a all <<<"$(ids)"
assert_eq "${#all[@]}" 5

# --- what is refused ---
assert_exit 2 varve forget
assert_exit 2 varve forget --keep-daily 0
assert_exit 2 varve forget --keep-daily 1 latest
assert_exit 2 varve forget --keep-daily 1 --group-by colour
assert_exit 2 varve forget --keep-within 3 --dry-run
assert_exit 2 varve undelete
assert_exit 2 varve pin --until tomorrow latest
assert_exit 1 varve forget --keep-tag nowhere 2>errors
assert_grep 'no snapshot would be left' errors
assert_exit 1 varve forget "${all[@]}" 2>errors
assert_grep 'no snapshot would be left' errors
assert_exit 1 varve undelete "${all[0]}"
assert_exit 1 varve pin --unpin latest
assert_exit 1 varve snapshots --accept latest
assert_eq "$(ids)" "${all[*]}" "after all that was refused"

# --- a dry run says for each what keeps it ---
assert_exit 0 varve forget --keep-last 2 --keep-tag run1 --dry-run >out
assert_grep "^keep    ${all[4]:0:8} .* last " out
assert_grep "^keep    ${all[0]:0:8} .* tag " out
assert_grep "^forget  ${all[1]:0:8} " out
assert_grep "^2 snapshots would be forgotten, 3 kept$" out
assert_exit 0 varve --json forget --keep-daily 1 -n --tag run3 >out.json
assert_eq "$(json out.json '[s["considered"] for s in d["snapshots"]]')" \
    "[false, false, true, false, false]"
assert_eq "$(json out.json 'd["snapshots"][2]["reasons"]')" '["daily"]'
assert_eq "$(json out.json '[d["considered"], d["to_forget"], d["forgotten"], d["until"]]')" \
    '[1, 0, 0, null]'
assert_eq "$(ids)" "${all[*]}" "after dry runs"

# --- pins, and the policy for real ---
assert_exit 0 varve pin --until 1y "${all[2]}" >out
assert_grep '^1 snapshot pinned until ' out
assert_exit 0 varve forget --keep-last 1 >out
assert_grep "^3 snapshots forgotten, 2 kept; 'varve undelete' brings them back until " out
assert_eq "$(ids)" "${all[2]} ${all[4]}"
assert_exit 0 varve snapshots >out
assert_grep "${all[2]:0:8} .*\(pinned until" out
assert_exit 1 varve forget "${all[2]}" 2>errors
assert_grep 'is pinned' errors

# --- hidden is hidden, and says so ---
assert_exit 1 varve restore "${all[0]}:$src" --target nothing 2>errors
assert_grep "snapshot ${all[0]:0:8} was forgotten on" errors
assert_grep "varve undelete ${all[0]:0:8}" errors
assert_exit 1 varve restore "latest~2:$src" --target nothing
assert_exit 0 varve snapshots --forgotten >out
assert_eq "$(grep -c "$src" out)" 3
assert_exit 0 varve --json snapshots --forgotten >out.json
assert_eq "$(json out.json '[f["snapshot"]["id"] for f in d["forgotten"]][0]')" "${all[0]}"
assert_eq "$(json out.json 'd["forgotten"][0]["until"] > d["forgotten"][0]["forgotten"]')" true
# Nothing was removed.
assert_exit 0 varve verify --data >/dev/null
# Whoever reads by the specification sees the same.
if /usr/bin/python3 -c 'import nacl, cryptography, zstandard' 2>/dev/null; then
    assert_exit 0 /usr/bin/python3 "$VARVE_SOURCE/examples/varve-read.py" -r "$VARVE_REPO" \
        --key-file "$VARVE_KEY_FILE" snapshots >out
    assert_eq "$(grep -c forgotten out)" 3
fi

# --- undelete: one of a run, then another; restores as it was ---
assert_exit 0 varve undelete "${all[0]:0:10}" >out
assert_eq "$(ids)" "${all[0]} ${all[2]} ${all[4]}"
assert_exit 0 varve --json undelete "${all[1]}" >out.json
assert_eq "$(json out.json 'd["undeleted"]')" "[\"${all[1]}\"]"
assert_exit 0 varve -q restore "${all[1]}:$src" --target restored
assert_eq "$(cat restored/counter)" 2
assert_exit 0 varve undelete "${all[3]}" >/dev/null
assert_eq "$(ids)" "${all[*]}"
assert_exit 0 varve pin --unpin "${all[2]}" >/dev/null

# --- a window beside a name is not passed over ---
assert_exit 2 varve forget -n --keep-wal-days 7 latest 2>/dev/null

# --- by id; backups go on behind it ---
assert_exit 0 varve forget --grace 0 latest >/dev/null
echo 6 >source/counter
assert_exit 0 varve -q backup source
read -r -a all <<<"$(ids)"
assert_eq "${#all[@]}" 5
assert_exit 0 varve verify >/dev/null

# --- a replica: its own forgets; what is forgotten here is not sent ---
assert_exit 0 varve forget "${all[0]}" >/dev/null
assert_exit 0 varve -q replicate --to "$WORK/replica"
assert_exit 0 varve -r "$WORK/replica" --json snapshots >out.json
assert_eq "$(json out.json 'len(d["snapshots"])')" 4
# A fresh host of the administrator and a fresh copy keep what the old ones would have kept.
assert_exit 0 varve --json forget --keep-daily 7 --keep-last 2 -n >here.json
assert_exit 0 env VARVE_STATE_DIR="$WORK/fresh" varve -r "$WORK/replica" --json forget \
    --keep-daily 7 --keep-last 2 -n >there.json
kept='[s["id"] for s in d["snapshots"] if s["kept"]]'
assert_eq "$(json there.json "$kept")" "$(json here.json "$kept")"
assert_exit 0 varve -r "$WORK/replica" forget --keep-last 2 >/dev/null
assert_eq "$(ids)" "${all[*]:1}" "here nothing changed"
assert_exit 0 varve -q replicate --to "$WORK/replica"
assert_exit 0 varve -r "$WORK/replica" --json snapshots >out.json
assert_eq "$(json out.json 'len(d["snapshots"])')" 2

# --- somebody encrypts everything ---
python3 - source <<'END'
import hashlib, os, sys

for folder, _, names in os.walk(os.fsencode(sys.argv[1])):
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) > 0:
            os.chmod(path, 0o600)
            with open(path, "r+b") as file:
                file.write(hashlib.sha256(path + file.read(64)).digest())
END
assert_exit 0 varve -q backup source
echo 7 >source/counter
assert_exit 0 varve -q backup source
read -r -a now <<<"$(ids)"
assert_exit 0 varve snapshots >out
assert_grep "${now[4]:0:8} .*\(MARKED: " out
assert_exit 3 varve forget --keep-last 1 --keep-tag none 2>errors
assert_grep "${now[4]:0:8}.*varve snapshots --accept ${now[4]:0:8}" errors
assert_eq "$(ids)" "${now[*]}" "everything older is kept"
assert_exit 1 varve forget "${now[0]}" 2>errors
assert_grep 'older than a marked one' errors
assert_exit 3 varve --json forget --keep-last 1 -n >out.json
assert_eq "$(json out.json 'd["snapshots"][0]["reasons"]')" '["older-than-marked"]'
assert_eq "$(json out.json 'd["marked"]')" 1
assert_exit 0 varve snapshots --accept "${now[4]}" >/dev/null
assert_exit 0 varve -q forget --keep-last 1
assert_eq "$(ids)" "${now[5]}"

# --- a slot is gone: nothing more is forgotten ---
assert_exit 0 varve undelete "${now[3]}" >/dev/null
for slot in "$VARVE_REPO"/snapshots/*; do
    mv "$slot" "$WORK/slot"
    code=0
    varve --json snapshots >out.json 2>/dev/null || code=$?
    # The one whose loss shows and that leaves two to choose from.
    if [ "$code" = 14 ] && [ "$(json out.json 'len(d["snapshots"])')" = 2 ]; then
        assert_exit 14 varve forget --keep-last 1 2>errors
        assert_grep 'nothing is forgotten' errors
        found=yes
    fi
    mv "$WORK/slot" "$slot"
done
assert_eq "${found:-no}" yes "a hole was noticed"

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Content that changes behind unchanged metadata, here through the device of an unmounted file
# system as bit rot would: not seen by an incremental run, named by --full, and stored as it is now.
need_root
mount_ext4 disk mnt 32M
yes MARKER-OF-THIS-FILE | head -c 20000 >mnt/victim || true
echo other >mnt/other
touch -d '2020-01-01 00:00:00' mnt/victim mnt/other
sync -f mnt
sleep 2.1 # What changed less than two seconds before it was read is read again.
new_repo
assert_exit 0 varve --json backup mnt >backup.json
cp mnt/victim healthy

umount mnt
python3 - disk <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    at = f.read().index(b"MARKER-OF-THIS-FILE\nMARKER")
    f.seek(at)
    f.write(b"ROTTEN")
PY
mount_ext4 disk mnt 32M
cmp -s mnt/victim healthy && fail "the file has not changed"

assert_exit 0 varve --json backup mnt >backup.json
assert_eq "$(json backup.json '[d["bytes_read"], d["silent_changes"]]')" '[0, 0]'
assert_exit 0 varve cat "latest:$PWD/mnt/victim" >got
cmp got healthy

assert_exit 3 varve --json backup --full mnt >backup.json 2>errors
assert_eq "$(json backup.json '[d["committed"], d["silent_changes"], d["problem_count"]]')" '[true, 1, 1]'
assert_grep "/mnt/victim'" errors
refute_grep "/mnt/other" errors
assert_exit 0 varve cat "latest:$PWD/mnt/victim" >got
cmp got mnt/victim
assert_exit 0 varve cat "latest~1:$PWD/mnt/victim" >got
cmp got healthy

# It has been told; the next one has nothing to tell.
assert_exit 0 varve -q backup --full mnt

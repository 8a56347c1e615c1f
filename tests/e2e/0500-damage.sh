# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: memory
# 200 random bytes of a repository damaged, one after the other: reported by verify --data or restore, or
# harmless; never wrong bytes with exit 0.
mkdir source
/usr/bin/python3 - <<'PY'
import random
r = random.Random(7)
for i in range(12):
    with open(f"source/{i}", "wb") as f:
        f.write(r.randbytes(i * 700))
PY
new_repo
assert_exit 0 varve backup --quiet "$PWD/source"
touch -d @1500000000 source/3
assert_exit 0 varve backup --quiet "$PWD/source"
cat >damage.py <<'PY'
import os, random, subprocess, sys
varve, repo, source, rounds = os.environ["VARVE"], sys.argv[1], sys.argv[2], int(sys.argv[3])
seed = int(os.environ.get("SEED", "20261122"))
print("seed", seed)
r = random.Random(seed)
objects = sorted(os.path.join(d, n) for d, _, names in os.walk(repo) for n in names)
whole = {os.path.join(source, n): open(os.path.join(source, n), "rb").read() for n in os.listdir(source)}
missed = 0
for round in range(rounds):
    path = r.choice(objects)
    data = bytearray(open(path, "rb").read())
    at = r.randrange(len(data))
    before = bytes(data)
    data[at] ^= r.randrange(1, 256)
    os.chmod(path, 0o600)
    open(path, "wb").write(data)
    verify = subprocess.run([varve, "verify", "--data", "--quiet"], capture_output=True).returncode
    wrong = False
    for name in r.sample(sorted(whole), 2):
        out = subprocess.run([varve, "cat", "latest:" + name], capture_output=True)
        if out.returncode == 0 and out.stdout != whole[name]:
            wrong = True
    open(path, "wb").write(before)
    os.chmod(path, 0o400)
    relative = os.path.relpath(path, repo)
    # sessions/ has ended ones only
    harmless = relative.split("/")[0] in ("README", "site", "sessions", "tmp", "reserve")
    if verify not in (0, 1, 3, 10, 11, 12, 14):
        sys.exit(f"{relative} byte {at}: verify ended with {verify}")
    if wrong:
        sys.exit(f"{relative} byte {at}: wrong bytes with exit 0")
    if verify == 0 and not harmless:
        missed += 1
        print(f"not noticed: {relative} byte {at}")
sys.exit(1 if missed else 0)
PY
rounds=200
if grep -qa "__[at]san_init" "$VARVE"; then rounds=20; fi
assert_exit 0 /usr/bin/python3 damage.py "$VARVE_REPO" "$PWD/source" "$rounds"
assert_exit 0 varve verify --data --quiet

# A pack that is gone, or shorter than its record says, is no reason to leave anything out: what it
# held is stored anew, for files that are new as for those that --full reads again.  (The damaged
# pack is named when a restore comes upon it.)
restored()
{
    local got=0
    varve restore --quiet "latest:$1" --target back >/dev/null 2>errors || got=$?
    [ "$got" = 0 ] || [ "$got" = 3 ] || fail "exit $got of a restore beside a damaged pack"
    diff -r source back || fail "'$1' stored after '$damage' came back different"
    rm -rf back
}
pack=$(find "$VARVE_REPO/packs" -type f -size +20k -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
for damage in "truncate -s 1000" "rm -f"; do
    rm -rf copy
    cp -a "$VARVE_REPO" spare
    cp -a source copy
    chmod u+w "$pack"
    $damage "$pack"
    assert_exit 0 varve backup --quiet "$PWD/copy"
    restored "$PWD/copy"
    assert_exit 0 varve backup --quiet --full "$PWD/source"
    restored "$PWD/source"
    rm -rf "$VARVE_REPO" "$WORK/state" "$WORK/cache"
    mv spare "$VARVE_REPO"
done

# A copy without its identity is not written to, and says so without talk of a prune.
mv "$VARVE_REPO/site" site
assert_exit 1 varve backup --quiet "$PWD/source" 2>errors
assert_grep "'site' is missing" errors
refute_grep 'prune' errors
mv site "$VARVE_REPO/site"

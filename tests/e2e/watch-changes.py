#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""watch-changes.py DIR SEED STEPS: that many random changes below DIR, the same for the same seed.

Files are made, written to, replaced, truncated, moved, linked and removed; directories are made, moved
with all that is in them, emptied and removed; modes and times change.
"""
import os
import random
import shutil
import sys


def paths(top):
    files, directories = [], [top]
    for where, names, others in os.walk(top):
        directories += [os.path.join(where, n) for n in sorted(names)]
        files += [os.path.join(where, n) for n in sorted(others)]
    return files, directories


def fresh(r, directories):
    while True:
        path = os.path.join(r.choice(directories), r.choice(["", "-", " ", "."]) + "n%d" % r.randrange(10**9))
        if not os.path.lexists(path):
            return path


def move_directory(r, directories):
    old = r.choice(directories[1:]) if len(directories) > 1 else None
    new = fresh(r, directories)
    if old and not (new + "/").startswith(old + "/") and len(new) < 2000:
        os.rename(old, new)


def step(r, top):
    files, directories = paths(top)
    kind = r.randrange(14)
    some = r.choice(files) if files else None
    if kind < 3 or not some:
        with open(fresh(r, directories), "wb") as f:
            f.write(r.randbytes(r.randrange(5000)))
    elif kind == 3:
        with open(some, "ab") as f:
            f.write(r.randbytes(r.randrange(1, 3000)))
    elif kind == 4:
        with open(some, "r+b") as f:
            f.write(r.randbytes(16))
    elif kind == 5:
        os.truncate(some, r.randrange(100))
    elif kind == 6:
        new = some + ".new"
        with open(new, "wb") as f:
            f.write(r.randbytes(r.randrange(3000)))
        os.replace(new, some)
    elif kind == 7:
        os.rename(some, fresh(r, directories))
    elif kind == 8:
        os.unlink(some)
    elif kind == 9:
        os.link(some, fresh(r, directories))
    elif kind == 10:
        os.makedirs(os.path.join(fresh(r, directories), "deep", "er"))
    elif kind == 11:
        move_directory(r, directories)
    elif kind == 12:
        os.chmod(r.choice(files + directories[1:] + [some]), r.choice([0o600, 0o700, 0o755]))
    elif len(directories) > 8:
        shutil.rmtree(r.choice(directories[1:]))


def main():
    top, seed, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    r = random.Random(seed)
    for _ in range(steps):
        step(r, top)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""watch-day.py WORK RESTORED HOURS SPEED SEED: the day of watch-day.sh, which has prepared WORK."""
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

work, restored = sys.argv[1], sys.argv[2]
hours, speed, seed = float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
limit = int(os.environ.get("LIMIT", "180"))
varve = os.environ["VARVE"]
tree, elsewhere, words = work + "/disk/tree", work + "/elsewhere", work + "/out"
r = random.Random(seed)
is_root = os.geteuid() == 0
origin = time.time_ns()
fast = dict(os.environ, LD_PRELOAD=work + "/fast_clock.so", FAST_CLOCK_SPEED=str(speed),
            FAST_CLOCK_ORIGIN=str(origin), FAST_CLOCK_MONOTONIC=str(time.monotonic_ns()))
spec = importlib.util.spec_from_file_location(
    "changes", os.path.join(os.path.dirname(__file__), "../e2e/watch-changes.py"))
changes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(changes)

FILES_LEAST, FILES_MOST = 200, 800
watcher = None
way = "--inotify" if not is_root else ""
mounts = []  # mount points below the tree, as they were made
counts = {}


def count(what, n=1):
    counts[what] = counts.get(what, 0) + n


def simulated():
    """Seconds of the job's clock since the beginning."""
    return (time.time_ns() - origin) / 1e9 * speed


def run(*arguments, good=(0,)):
    done = subprocess.run([varve, "-r", "main", *arguments], env=fast, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if good is not None and done.returncode not in good:
        fail("varve %s: exit code %d: %s" % (" ".join(arguments), done.returncode, done.stdout))
    return done.stdout


def fail(text):
    print("NOT   %s (seed %d, after %.2f hours)" % (text, seed, simulated() / 3600))
    with open(words, errors="replace") as f:
        print("".join(f.readlines()[-15:]), end="")
    sys.exit(1)


def lines(what):
    with open(words, errors="replace") as f:
        return sum(1 for line in f if what in line)


# ---- the watch ----
def start():
    global watcher
    before = lines("watching job") if os.path.exists(words) else 0
    with open(words, "a") as out:
        watcher = subprocess.Popen([varve, "watch", *way.split(), "tree"], env=fast, stdout=out, stderr=out)
    with open(work + "/pid", "w") as f:
        f.write("%d\n" % watcher.pid)
    wait_until(lambda: lines("watching job") > before, "the watch does not begin")


def end(number):
    watcher.send_signal(number)
    code = watcher.wait(60)
    if code not in (0, -number if number == signal.SIGKILL else 0):
        fail("the watch has ended with %d" % code)


def wait_until(condition, text):
    end_at = time.monotonic() + limit
    while not condition():
        if watcher is not None and watcher.poll() is not None:
            fail("the watch has ended with %d" % watcher.returncode)
        if time.monotonic() > end_at:
            fail(text)
        time.sleep(0.05)


def restart():
    global way
    kind = r.randrange(4)
    if kind == 0:
        before = lines("watching job")
        watcher.send_signal(signal.SIGHUP)
        wait_until(lambda: lines("watching job") > before, "the watch is not reloaded")
        return "reloads"
    end(signal.SIGKILL if kind == 1 else signal.SIGTERM)
    if kind == 3 and is_root:
        way = "" if way else "--inotify"
    if r.randrange(2):
        burst()  # while nobody watches
    start()
    return ["", "kills", "restarts", "changes of the way"][kind]


# ---- what is done to the tree ----
def mount():
    directories = [d for d in changes.paths(tree)[1][1:] if not os.path.ismount(d)]
    if not directories or len(mounts) >= 3:
        return
    point = r.choice(directories)
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "none", point]
    if r.randrange(2):  # a directory that nobody removes: it may be at two places at once
        command = ["mount", "--bind", elsewhere, point]
    if subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0:
        mounts.append(point)
        count("mounts")


def mounted():
    """Where something is mounted below the tree by now: directories above may have been moved."""
    with open("/proc/self/mountinfo") as f:
        points = [line.split(" ")[4] for line in f]
    points = [p.encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")
              for p in points]
    return [p for p in points if p.startswith(tree + "/")]


def unmount():
    global mounts
    points = mounted()
    if points:
        subprocess.run(["umount", r.choice(points[-2:])], stderr=subprocess.DEVNULL)
        count("unmounts")
    mounts = mounted()


def grow():
    """Removals win in the long run: a small tree in one of the directories."""
    directory = r.choice(changes.paths(tree)[1])
    for name in ["a", "a/b", "a/b/c", "d"]:
        path = "%s/grown-%d/%s" % (directory, r.randrange(10**9), name)
        os.makedirs(path)
        for i in range(12):
            with open("%s/%d" % (path, i), "wb") as f:
                f.write(r.randbytes(r.randrange(3000)))


def burst():
    try:
        if len(changes.paths(tree)[0]) < FILES_LEAST:
            grow()
    except OSError:
        count("refused")
    for _ in range(r.choice([1, 1, 5, 20, 60])):
        try:
            changes.step(r, tree)
        except OSError:  # of mounts: busy, another device
            count("refused")
        count("changes")
        if is_root and r.randrange(40) == 0:
            r.choice([mount, unmount])()
    try:
        if len(changes.paths(tree)[0]) > FILES_MOST:
            for name in sorted(os.listdir(tree))[::2]:
                path = os.path.join(tree, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    except OSError:
        count("refused")
    count("bursts")


# ---- and what is asked ----
def differences():
    target = restored + "/r"
    shutil.rmtree(target, ignore_errors=True)
    run("restore", "--no-verify", "--target", target, "latest:" + tree, good=None)
    flags = "-aHAXni" if is_root else "-rlptDHAXni"
    out = subprocess.run(["rsync", flags, "--checksum", "--delete", tree + "/", target + "/"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return [line for line in out.stdout.splitlines() if not (line.startswith(".d") and line.endswith(" ./"))]


def quiet():
    """Until the newest snapshot is the tree."""
    began = time.monotonic()
    while True:
        said = lines("snapshot")
        different = differences()
        if not different:
            break
        if time.monotonic() - began > limit:
            fail("after %d seconds the newest snapshot is not the tree: %s" % (limit, different[:10]))
        if watcher.poll() is not None:
            fail("the watch has ended with %d" % watcher.returncode)
        wait = time.monotonic() + 5
        while lines("snapshot") == said and time.monotonic() < wait:
            time.sleep(0.05)
    count("compared")


def at_the_slot():
    """The full walk of the day comes at its time, and is a snapshot though nothing has changed."""
    quiet()
    before = lines("all files looked at")
    wait_until(lambda: simulated() > hours * 1800, "the time does not come")
    # In whole minutes: it may have come already.
    wait_until(lambda: lines("all files looked at") > before or simulated() > hours * 1800 + 3600,
               "the day's full walk does not come")
    if lines("all files looked at") == before:
        fail("there was no full walk at its time")
    print("ok    the day's full walk came %.0f minutes after its time" % (simulated() / 60 - hours * 30))


accepted = set()


def accept():
    """What an operator does who knows that the changes were meant: else nothing older is forgotten."""
    with open(words, errors="replace") as f:
        named = set(re.findall(r"varve snapshots --accept ([0-9a-f]+)", f.read()))
    for name in sorted(named - accepted):
        run("snapshots", "--accept", name, good=None)
        count("accepted")
    accepted.update(named)


def left():
    return len(json.loads(run("snapshots", "--json"))["snapshots"])


def main():
    print("seed %d, %g hours, %d times as fast" % (seed, hours, speed), flush=True)
    for _ in range(120):
        changes.step(r, tree)
    start()
    quiet()
    walked = False
    told = 0
    while simulated() < hours * 3600:
        if not walked and simulated() > hours * 1800 - 600:
            at_the_slot()
            walked = True
        burst()
        if r.randrange(25) == 0:
            count(restart())
        if r.randrange(40) == 0:
            run("prune", good=(0, 3))
            count("prunes")
        if r.randrange(60) == 0:
            subprocess.run([varve, "run", "--wait", "tree"], env=fast, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            count("runs")
        quiet()
        time.sleep(r.random())
        if simulated() / 3600 >= told + 1:
            told = int(simulated() / 3600)
            accept()
            print("hour %d: %s; %d snapshots said, %d there, %d files" %
                  (told, ", ".join("%d %s" % (n, what) for what, n in sorted(counts.items())),
                   lines("snapshot "), left(), len(changes.paths(tree)[0])), flush=True)
    end(signal.SIGTERM)
    made, there = lines("snapshot "), left()
    run("verify", "--data")
    print("%s" % ", ".join("%d %s" % (n, what) for what, n in sorted(counts.items())))
    print("%d snapshots said, %d of them of all files; %d are there" % (made, lines("all files looked at"), there))
    if hours >= 2 and there > max(40, made // 3): # a change that looks suspicious holds it up until accepted
        fail("nothing was thinned out")
    print("ok    after each of %d quiet periods the newest snapshot was the tree" % counts["compared"])


main()

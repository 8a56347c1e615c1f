#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""process-rounds.py VARVE DIRECTORY ROUNDS SEED: real processes on one repository and its replica.

Each round starts backups of three hosts, prunes, forgets and replications at once, stops, continues and
kills some of them at random moments, waits for the rest, and then asks whether everything that was
committed and not forgotten is there and restores.  Prints what happened; exit code 1 and the round's
number if something was lost.  The same seed makes the same choices (not the same interleavings)."""
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

HOSTS = 3
FILES = 6
CONTENTS = 12
SNAPSHOTS = 30  # about as many are kept: each tenth round restores all
WAIT_SECONDS = 120

VARVE, TOP, ROUNDS = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
choose = random.Random(int(sys.argv[4]))
counts = collections.Counter()
key_file = TOP / "key"
repository, replica = TOP / "repo", TOP / "replica"
runs = {}  # tag -> {"host", "files", "reported"}
forgotten = set()  # tags somebody began to forget


def content(number):
    """Noise that is the same for the same number."""
    return random.Random(number).randbytes(5000 + number * number * 2500)


def environment(who):
    """As one host, with a memory of its own."""
    home = TOP / f"home-{who}"
    return dict(os.environ, HOME=str(home), VARVE_STATE_DIR=f"{home}/state",
                VARVE_CACHE_DIR=f"{home}/cache", VARVE_KEY_FILE=str(key_file))


def varve(who, *arguments, where=repository, check=True):
    """Run it to its end; its output."""
    done = subprocess.run([VARVE, "-r", str(where), *arguments], env=environment(who), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_SECONDS,
                          check=False)
    if check and done.returncode != 0:
        lose(f"varve {' '.join(arguments)}: exit {done.returncode}: {done.stderr}")
    return done


def lose(what):
    """Something that must hold does not."""
    print(f"round {counts['rounds']}: {what}", flush=True)
    sys.exit(1)


# --- what processes do ----------------------------------------------------------------------------


def change_source(host):
    """Other files; contents are few, so that snapshots share and lose chunks."""
    source = TOP / f"source-{host}"
    source.mkdir(exist_ok=True)
    for n in range(FILES):
        if choose.random() < 0.5:
            continue
        file = source / f"file{n}"
        number = choose.randrange(CONTENTS)
        file.unlink(missing_ok=True)
        if number > 0:
            file.write_bytes(content(number))
            then = time.time() - choose.choice([0, 3600])
            os.utime(file, (then, then))


def start(kind, who, *arguments, where=repository, tag=None):
    """A process at work."""
    counts[kind] += 1
    output = TOP / f"output-{counts['processes']}"
    counts["processes"] += 1
    with open(output, "wb") as out:
        process = subprocess.Popen([VARVE, "-r", str(where), *arguments], env=environment(who),
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    return {"kind": kind, "process": process, "output": output, "tag": tag, "killed": False}


def start_backup(host):
    """A backup of a host's source."""
    tag = f"run-{len(runs)}"
    change_source(host)
    source = TOP / f"source-{host}"
    runs[tag] = {"host": host, "reported": False,
                 "files": {f.name: f.read_bytes() for f in source.iterdir()}}
    return start("backups", host, "backup", "--quiet", "--host", f"host{host}", "--tag", tag,
                 str(source), tag=tag)


def snapshots(where):
    """What is visible: (id, tag)."""
    listed = json.loads(varve("check", "snapshots", "--json", where=where).stdout)
    return [(s["id"], s["tags"][0]) for s in listed["snapshots"]]


def start_forget():
    """Forget one of those that are there, or what is too many."""
    there = snapshots(repository)
    if len(there) < 3:
        return []
    some = choose.sample(there, max(1, len(there) - SNAPSHOTS))
    forgotten.update(tag for _, tag in some)
    return [start("forgets", "admin", "forget", "--quiet", "--grace", choose.choice(["0", "1d"]),
                  "--max-loss", "100", *(identity for identity, _ in some))]


def start_prune(who, where):
    """Patient or not."""
    arguments = ["prune", "--quiet", "--max-waste", choose.choice(["0", "5"])]
    arguments += ["--fence"] if choose.random() < 0.4 else ["--wait", "0"]
    return start("prunes", who, *arguments, where=where)


def start_all():
    """The processes of one round, in any order."""
    starters = [lambda h=h: [start_backup(h)] for h in range(HOSTS) if choose.random() < 0.6]
    starters += [lambda: [start_prune("admin", repository)]] * choose.choice([1, 1, 2])
    starters += [start_forget] * choose.choice([0, 1])
    if choose.random() < 0.4:
        starters.append(lambda: [start("replications", "replicator", "replicate", "--quiet",
                                       "--accept-shrunken-source", "--to", str(replica))])
        if (replica / "config").exists():
            starters.append(lambda: [start_prune("replicator", replica)])
    choose.shuffle(starters)
    at_work = []
    for starter in starters:
        at_work += starter()
        time.sleep(choose.random() * 0.05)
    return at_work


def disturb(at_work):
    """Stop, kill and continue them at random moments."""
    stopped = []
    for _ in range(choose.randrange(1, 6)):
        time.sleep(choose.random() * 0.06)
        victim = choose.choice(at_work)
        if victim["process"].poll() is not None or victim["killed"]:
            continue
        if choose.random() < 0.5:
            victim["process"].send_signal(signal.SIGSTOP)
            counts["stopped"] += 1
            stopped.append(victim)
        else:
            victim["process"].kill()
            victim["killed"] = True
            counts["killed"] += 1
    time.sleep(choose.random() * 0.3)
    for victim in stopped:
        victim["process"].send_signal(signal.SIGCONT)


def settle(job):
    """Its end."""
    try:
        code = job["process"].wait(WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        job["process"].kill()
        lose(f"{job['kind']} did not end: {job['output'].read_text(errors='replace')}")
    said = job["output"].read_text(errors="replace")
    job["output"].unlink()
    counts["fenced"] += "session-fenced" in said or "it was ended from outside" in said
    if code == 0 and job["tag"] is not None:
        runs[job["tag"]]["reported"] = True
        counts["backups that reported success"] += 1
    elif code == -signal.SIGKILL and job["killed"]:
        pass
    elif "fenced" in said or "another prune" in said or "overtaken by another" in said:
        counts["refused"] += 1
    elif job["kind"] == "forgets" and code == 1:
        counts["forgets refused"] += 1
    elif code != 0:
        lose(f"{job['kind']}: exit {code}: {said}")


# --- the question ---------------------------------------------------------------------------------


def check_restore(where, identity, tag):
    """One snapshot, byte for byte."""
    source = TOP / f"source-{runs[tag]['host']}"
    target = TOP / "target"
    shutil.rmtree(target, ignore_errors=True)
    varve("check", "restore", "--quiet", f"{identity}:{source}", "--target", str(target),
          where=where)
    found = {f.name: f.read_bytes() for f in target.iterdir()}
    if found != runs[tag]["files"]:
        lose(f"{tag} in {where.name} is not what was stored")
    counts["restored"] += 1


def verify(where, *options):
    """The index is a hint: a prune that was stopped and fenced may publish a segment that names packs
    another one has deleted.  verify tells of them until the next prune; nothing else may be wrong."""
    done = varve("check", "verify", "--quiet", *options, where=where, check=False)
    lines = done.stderr.splitlines()
    stale = [line for line in lines if "the index names it, but it is not there" in line]
    if done.returncode == 12 and stale and len(stale) == len(lines):
        counts["deleted packs that the index names"] += len(stale)
    elif done.returncode != 0:
        lose(f"verify: exit {done.returncode}: {done.stderr}")


def check(everything):
    """Nothing that was committed and not forgotten is lost, on either site."""
    for where in (repository, replica):
        if not (where / "config").exists():
            continue
        there = snapshots(where)
        if where == repository:
            missing = {t for t, r in runs.items() if r["reported"] and t not in forgotten}
            missing -= {tag for _, tag in there}
            if missing:
                lose(f"reported success, and gone: {sorted(missing)}")
        verify(where, *(["--data"] if everything else []))
        some = there if everything else choose.sample(there, min(2, len(there)))
        for identity, tag in some:
            check_restore(where, identity, tag)


def tell_counts():
    """What has happened so far."""
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())), flush=True)


def main():
    """All rounds; what happened is told, too, if somebody interrupts them."""
    TOP.mkdir(exist_ok=True)
    subprocess.run([VARVE, "-r", str(repository), "init", "--key-file", str(key_file), "--reserve",
                    "0"], check=True, env=environment("admin") | {"VARVE_KEY_FILE": ""},
                   stdout=subprocess.DEVNULL)
    at_work = []
    try:
        for n in range(ROUNDS):
            counts["rounds"] = n + 1
            at_work = start_all()
            disturb(at_work)
            for job in at_work:
                settle(job)
            check(n % 10 == 9 or n == ROUNDS - 1)
    except KeyboardInterrupt:
        for job in at_work:
            job["process"].kill()  # also one that was stopped
        counts["rounds"] -= 1  # this one did not end
        tell_counts()
        return 130
    tell_counts()
    return 0


if __name__ == "__main__":
    sys.exit(main())

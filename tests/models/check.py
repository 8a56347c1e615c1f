#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check.py [--long] [--jobs N] [--traces DIRECTORY]: check prune.pml with Spin.

Every configuration is searched exhaustively and must show no loss; every mutant leaves out one rule
of the protocol and must lose data.  --long adds configurations that take minutes and gigabytes.
--traces writes the shortest way to each mutant's loss, a plain list of steps, which
tests/simulation/replay.c follows with the real code.  Exit code 0, 1, or 77 where Spin
is missing."""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

MODEL = pathlib.Path(__file__).resolve().parent / "prune.pml"
STEP = re.compile(r"^\s*((?:session|prune) \d+|administrator): (.+)$")
MEMORY_MIB = 6000

# What is searched to the end: (size, options).
CONFIGURATIONS = [
    "WRITERS=1 PRUNES=2",
    "WRITERS=0 REPLICATIONS=1 PRUNES=2",
    "WRITERS=3",
    "WRITERS=2 REPLICATIONS=1",
    "WRITERS=1 REPLICATIONS=2",
    "WRITERS=1 REPLICATIONS=1 CYCLES=2",
    "WRITERS=2 CYCLES=3",
    "WRITERS=1 PRUNES=2 ROTTEN",
    "WRITERS=1 PRUNES=2 UNDELETE",
    "WRITERS=2 CYCLES=2 CONDEMN_OPEN",
]
LONG_CONFIGURATIONS = [
    "WRITERS=1 REPLICATIONS=1 PRUNES=2",
    "WRITERS=2 PRUNES=2",
    "WRITERS=1 PRUNES=2 CYCLES=2",
    "WRITERS=3 CYCLES=2",
]
# Too large for any memory here: searched in part, by a hash of two bits a state.
BITSTATE_CONFIGURATIONS = ["WRITERS=2 REPLICATIONS=1 PRUNES=2"]

# The rule that is left out, the size that shows the loss, and the rule in words.
MUTANTS = [
    ("REGISTERING_FIRST", "", "W1: register before the first look"),
    ("LISTS_BEFORE_LISTING", "", "W2: condemned lists are read before packs are listed"),
    ("SUSPECTS", "ROTTEN", "W2: packs known to be bad answer no look-up"),
    ("LISTING", "WRITERS=2 CYCLES=2", "W4: an index record counts only if its pack is listed"),
    ("FRESH_NAME", "WRITERS=0 REPLICATIONS=1", "W5: a pack is never published under a name it had"),
    ("RECORD_OF_INSTANCE", "WRITERS=0 REPLICATIONS=1",
     "W5: each instance of a pack gets an index record of its own"),
    ("EXCLUSIVE_SLOT", "", "W6: a slot is created exclusively"),
    ("OWN_SLOT", "WRITERS=0 REPLICATIONS=1", "W6: a replication publishes only in its own slot"),
    ("READING_GRAVES", "", "W7: graves are read before success is reported"),
    ("NO_LIST_PENDING", "", "W8: no parent is reused while a condemned list is pending"),
    ("PARENT_AFTER_REGISTERING", "", "W8: the parent is seen live after registering"),
    ("COPY_READ", "ROTTEN", "P2, P4: a copy counts only if it was read"),
    ("IRREVOCABILITY", "WRITERS=0 PRUNES=2 CYCLES=2", "P2: what is condemned is never taken back"),
    ("WAITING", "", "P3: sessions that are open end or are fenced"),
    ("MARKING_AGAIN", "", "P4: snapshots are listed and marked again after waiting"),
    ("COPY_LISTED", "WRITERS=2 CYCLES=3", "P4: a copy counts only if its pack is listed"),
    ("FRESH_COPY", "CYCLES=3", "P4: copies go to packs with new names"),
    ("INSTANCES_IN_MERGING", "WRITERS=0 REPLICATIONS=1",
     "P5: other instances of a condemned pack keep their records"),
    ("INSTANCES_IN_DELETING", "WRITERS=0 REPLICATIONS=1",
     "P6: other instances of a condemned pack are not deleted"),
    ("LATE_RETIRING", "", "P7: a list goes after its packs are gone"),
    ("GRAVE", "", "P7: a slot is deleted only after a grave names what it held"),
    ("EXCLUSIVE_END", "UNDELETE", "undelete and carrying out a forget exclude each other"),
]


def options_of(size):
    """-D options for words like WRITERS=2 or ROTTEN."""
    return ["-D" + word for word in size.split()]


# States are looked up all over the memory: with large pages in three quarters of the time.
ENVIRONMENT = os.environ | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def command(arguments, where, seconds=None):
    """Run one command; its output."""
    done = subprocess.run(arguments, cwd=where, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=seconds, check=False)
    return done.stdout


def search(size, mutant=None, bitstate=False, shortest=False):
    """Search one configuration; {states, depth, seconds, lost, complete, steps}."""
    with tempfile.TemporaryDirectory(prefix="varve-model-") as where:
        shutil.copy(MODEL, where)
        begin = time.monotonic()
        options = options_of(size) + (["-DOMIT_" + mutant] if mutant else [])
        out = command(["spin", *options, "-a", MODEL.name], where)
        if not os.path.exists(f"{where}/pan.c"):
            raise RuntimeError(f"spin: {out}")
        kind = ["-DBITSTATE"] if bitstate else ["-DCOLLAPSE"] + (["-DBFS"] if shortest else [])
        out = command(["gcc", "-O1" if mutant else "-O2", "-w", "-DSAFETY", "-DNOFAIR", f"-DMEMLIM={MEMORY_MIB}", *kind,
                       "-o", "pan", "pan.c"], where)
        if not os.path.exists(f"{where}/pan"):
            raise RuntimeError(f"gcc: {out}")
        # -E: a process that waits for ever is one that stopped.
        out = command(["./pan", "-E", "-m100000", *(["-w32"] if bitstate else [])], where)
        errors = re.search(r"errors: (\d+)", out)
        states = re.search(r"^\s*([\d.e+]+) states, stored", out, re.M)
        depth = re.search(r"depth reached (\d+)", out)
        if not errors or not states:
            raise RuntimeError(f"pan: {out}")
        partly = ("out of memory" in out or "max search depth too small" in out or
                  "Search not completed" in out)
        steps = []
        if errors.group(1) != "0":
            steps = [m.group(0).strip() for m in map(STEP.match, command(
                ["./pan", "-r", "-E"], where).splitlines()) if m]
        return {"states": int(float(states.group(1))), "depth": int(depth.group(1)),
                "seconds": time.monotonic() - begin, "lost": errors.group(1) != "0",
                "complete": not partly and not bitstate, "steps": steps}


# Sizes for the traces, where what the code's own policy would do (REPLAY) needs more to lose data.
# IRREVOCABILITY does not within any size tried.
REPLAY_SIZES = {
    "SUSPECTS": "ROTTEN UNMARKS",
    "NO_LIST_PENDING": "WRITERS=2",
    "IRREVOCABILITY": None,
}


# Traces of the model as it is, which the code must follow to their ends.
EXAMPLES = [
    ("example-copy-out", "EXAMPLE_COPY_OUT",
     "a backup commits while a prune copies out"),
    ("example-fence", "EXAMPLE_FENCE", "a prune fences a session and buries it"),
    ("example-replica", "WRITERS=0 REPLICATIONS=1 EXAMPLE_REPLICA",
     "a replication brings a pack again that a prune has deleted"),
]


def replayed():
    """The mutants with the sizes of their traces."""
    return [(m, REPLAY_SIZES.get(m, size), rule) for m, size, rule in MUTANTS
            if REPLAY_SIZES.get(m, size) is not None]


def write_trace(directory, mutant, size, rule, steps):
    """tests/models/traces/MUTANT.trace"""
    name = mutant.lower().replace("_", "-")
    what = ("an example" if name.startswith("example") else
            "how the model loses data without this rule")
    text = (f"# Made by tests/models/check.py --traces: {what}.\n"
            f"# {rule}\n# size: {size or 'WRITERS=1'}\n" + "\n".join(steps) + "\n")
    (pathlib.Path(directory) / f"{name}.trace").write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--traces")
    arguments = parser.parse_args()
    if shutil.which("spin") is None or shutil.which("gcc") is None:
        print("spin or gcc is missing")
        return 1 if os.environ.get("VARVE_TESTS_SET_UP") else 77

    failed = 0
    states = 0
    configurations = [] if arguments.traces else CONFIGURATIONS[:]
    if arguments.long:
        configurations += LONG_CONFIGURATIONS
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        sized = [(size, pool.submit(search, size)) for size in configurations]
        replay = " REPLAY" if arguments.traces else ""
        mutants = replayed() if arguments.traces else MUTANTS
        mutated = [(m, pool.submit(search, m[1] + replay, m[0], shortest=True)) for m in mutants]
        for size, future in sized:
            r = future.result()
            good = not r["lost"] and r["complete"]
            failed += not good
            states += r["states"]
            verdict = "nothing lost" if good else "LOST" if r["lost"] else "NOT SEARCHED TO THE END"
            print(f"{size:<42} {verdict:<13} {r['states']:>11} states, depth {r['depth']}, "
                  f"{r['seconds']:.1f} s", flush=True)
            for step in r["steps"]:
                print("    " + step)
        caught = 0
        for (mutant, size, rule), future in mutated:
            r = future.result()
            caught += r["lost"]
            print(f"without {mutant.lower().replace('_', ' '):<34} "
                  f"{'caught' if r['lost'] else 'NOT CAUGHT':<13} {r['states']:>11} states, "
                  f"{len(r['steps'])} steps  ({rule})", flush=True)
            if r["lost"] and arguments.traces:
                write_trace(arguments.traces, mutant, size, rule, r["steps"])
    if arguments.traces:
        for name, size, what in EXAMPLES:
            r = search(size + " REPLAY", shortest=True)
            failed += not r["lost"]
            write_trace(arguments.traces, name, size, what, r["steps"])
    failed += len(mutants) - caught
    if arguments.long:
        for size in BITSTATE_CONFIGURATIONS:
            r = search(size, bitstate=True)
            failed += r["lost"]
            print(f"{size:<42} {'LOST' if r['lost'] else 'nothing lost'}  {r['states']:>11} states "
                  f"(in part: two bits a state), {r['seconds']:.1f} s")
    print(f"{len(configurations)} configurations searched to the end, {states} states; "
          f"{caught} of {len(mutants)} mutants caught")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

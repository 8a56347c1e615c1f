#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""load.py --list FILE [--seconds S] [--rate N] [--clients N] [--first NUMBER] CONNECTION

Place orders in the shop of schema.sql through psql, and write down every order the server has
acknowledged: one line "NUMBER CENTS UNIX-TIME" in FILE, outside of the database, flushed as soon as
COMMIT was answered.  What is in FILE must be in any database restored to a later moment.

Ends after S seconds (default: never), on SIGTERM or SIGINT, or when the server is gone, with exit
code 0; nothing is tried again, so that no order is counted whose fate is not known.
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time

STOP = threading.Event()


def statements(number, cents):
    customer = "customer %d" % random.randrange(1000)
    article = "article %d" % random.randrange(100)
    return ("begin;\n"
            "insert into orders (number, customer, article, cents) values (%d, '%s', '%s', %d);\n"
            "insert into payments (order_number, cents) values (%d, %d);\n"
            "commit;\n"
            "\\echo placed %d\n" % (number, customer, article, cents, number, cents, number))


def client(which, args, out, lock):
    """Orders which, which + clients, ... one after the other."""
    psql = subprocess.Popen(
        [args.psql, "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", args.connection],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=None if args.verbose else subprocess.DEVNULL, text=True, bufsize=1)
    number = args.first + which
    begin = time.monotonic()
    done = 0
    try:
        while not STOP.is_set():
            cents = random.randrange(1, 100000)
            psql.stdin.write(statements(number, cents))
            psql.stdin.flush()
            if psql.stdout.readline() != "placed %d\n" % number:
                break
            with lock:
                out.write("%d %d %.6f\n" % (number, cents, time.time()))
                out.flush()
            number += args.clients
            done += 1
            if args.rate > 0:
                STOP.wait(max(0, begin + done * args.clients / args.rate - time.monotonic()))
    except (BrokenPipeError, OSError):
        pass
    try:
        psql.stdin.close()
    except OSError:
        pass
    psql.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", required=True)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--rate", type=float, default=0, help="orders a second, all clients together")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--psql", default=os.environ.get("PSQL", "psql"))
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("connection")
    args = parser.parse_args()
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda *_: STOP.set())
    lock = threading.Lock()
    with open(args.list, "a", encoding="ascii") as out:
        threads = [threading.Thread(target=client, args=(i, args, out, lock))
                   for i in range(args.clients)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + args.seconds
        while any(thread.is_alive() for thread in threads):
            if args.seconds > 0 and time.monotonic() >= end:
                STOP.set()
            time.sleep(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""sftp-round-trips.py FILE COMMAND...: run COMMAND (ssh -s HOST sftp) and hand SFTP packets on between
it and standard input and output; at the end append to FILE "REQUESTS TRIPS": how many requests there
were, and the longest chain of requests each of which was sent after the answer to the one before had
come: the round trips one has to wait for.  `--ssh-command "sftp-round-trips.py FILE ssh"` measures
each channel of a run of varve.
"""
import os
import struct
import subprocess
import sys
import threading


class Trips:
    def __init__(self):
        self.lock = threading.Lock()
        self.chain = 0      # longest that ends in an answer which has come
        self.under_way = {}
        self.requests = 0

    def sent(self, number):
        with self.lock:
            self.requests += 1
            self.under_way[number] = self.chain + 1

    def came(self, number):
        with self.lock:
            self.chain = max(self.chain, self.under_way.pop(number, 0))


def read_exactly(stream, size):
    data = b""
    while len(data) < size:
        piece = stream.read(size - len(data))
        if not piece:
            return None
        data += piece
    return data


def pump(source, target, note):
    try:
        while True:
            head = read_exactly(source, 4)
            packet = head and read_exactly(source, struct.unpack(">I", head)[0])
            if packet is None:
                break
            # INIT and VERSION have no number; theirs is the version, as good as any
            note(struct.unpack_from(">I", packet, 1)[0] if packet[0] not in (1, 2) else -1)
            target.write(head + packet)
            target.flush()
    except OSError:
        pass
    try:
        target.close()
    except OSError:
        pass


def main():
    file, command = sys.argv[1], sys.argv[2:]
    if "-G" in command:
        os.execvp(command[0], command)
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    trips = Trips()
    threading.Thread(target=pump, args=(os.fdopen(0, "rb"), child.stdin, trips.sent),
                     daemon=True).start()
    pump(child.stdout, os.fdopen(1, "wb"), trips.came)
    with open(file, "a", encoding="ascii") as out:
        out.write("%d %d\n" % (trips.requests, trips.chain))
    os._exit(child.wait() & 255)


main()

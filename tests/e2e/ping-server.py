#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""ping-server.py DIRECTORY: what a dead-man service would see.

Writes its port to DIRECTORY/port, and each request as one JSON line (method, path, body) to DIRECTORY/requests.
A path that begins with /hang is not answered, one with /broken with status 500, one with /gone with 404.
"""
import http.server
import json
import os
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock, open(os.path.join(self.server.directory, "requests"), "a",
                                    encoding="utf-8") as f:
            f.write(json.dumps({"method": self.command, "path": self.path,
                                "body": body.decode("utf-8", "replace")}) + "\n")
        if self.path.startswith("/hang"):
            self.rfile.read(1)  # until the other one has had enough
            return
        status = 500 if self.path.startswith("/broken") else 404 if self.path.startswith("/gone") else 200
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    do_GET = do_POST = answer

    def log_message(self, *arguments):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.directory = sys.argv[1]
    server.lock = threading.Lock()
    path = os.path.join(sys.argv[1], "port")
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write(str(server.server_port))
    os.rename(path + ".new", path)
    server.serve_forever()


main()

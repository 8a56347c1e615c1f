#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""manual_pages.py VARVE: the manual pages and the option tables must tell the same.

`varve COMMAND --help` is printed from the table that also parses the options.  Each option in it must
be an item of man/varve-COMMAND.1, and each item there an option of the command, or one of those that
varve(1) describes for all.  Each command has a page and each page a command.  The keys of
varve.conf(5) are those of `varve config example`.
"""
import glob
import os
import re
import subprocess
import sys

MAN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "man")
# Pages that are about no single command.
GENERAL = {"varve"}


def help_text(varve, *words):
    result = subprocess.run([varve, *words, "--help"], capture_output=True, text=True,
                            stdin=subprocess.DEVNULL, check=False)
    if result.returncode != 0:
        return None
    return result.stdout


def help_options(text):
    """Long options at the beginning of a line, after at most a short one."""
    found = re.findall(r"^\s+(?:-\w,?\s+)?--([a-z][a-z0-9-]*)", text, re.M)
    return set(found) - {"help"}


def help_commands(text):
    """Words at the beginning of an indented line that is followed by a description."""
    section = re.split(r"^commands?:.*$", text, flags=re.M | re.I)
    if len(section) < 2:
        return set()
    body = re.split(r"^\S", section[1], flags=re.M)[0]
    return set(re.findall(r"^\s+([a-z]+)\b", body, re.M))


def page_options(path):
    options = set()
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith(".It"):
                options.update(re.findall(r"\bFl\s+(?:\\-|-)([a-z][a-z0-9-]*)", line))
    return options - {"help"}


def check_keys(varve):
    """Keys of the configuration, section by section: in the example and in the manual."""
    result = subprocess.run([varve, "config", "example"], capture_output=True, text=True,
                            stdin=subprocess.DEVNULL, check=False)
    known = set(re.findall(r"^#?([a-z][a-z-]*) = ", result.stdout, re.M))
    with open(os.path.join(MAN, "varve.conf.5"), encoding="utf-8") as f:
        described = set(re.findall(r"^\.It Ic ([a-z-]+) No =", f.read(), re.M))
    return (["varve.conf.5 lacks the key " + key for key in sorted(known - described)] +
            ["varve.conf.5 describes the key %s, which is none" % key
             for key in sorted(described - known)] +
            (["'varve config example' shows no keys"] if not known else []))


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: manual_pages.py VARVE")
    varve = sys.argv[1]
    pages = {os.path.basename(p)[:-2]: p for p in glob.glob(os.path.join(MAN, "varve*.1"))}
    problems = []
    top = help_text(varve)
    if top is None:
        sys.exit("'varve --help' failed")
    commands = help_commands(top)
    if not commands:
        problems.append("'varve --help' lists no commands")
    for command in sorted(commands - {"help"}):
        if "varve-" + command not in pages:
            problems.append("there is no man/varve-%s.1" % command)
    common = page_options(pages["varve"]) if "varve" in pages else set()
    for option in sorted(help_options(top) - common):
        problems.append("varve.1 lacks --" + option)
    for page in sorted(set(pages) - GENERAL):
        command = page[len("varve-"):]
        text = help_text(varve, command)
        if text is None or command not in commands:
            problems.append("%s.1 describes a command that is not there" % page)
            continue
        known = help_options(text)
        # A command with subcommands (key) has one page for all of them.
        for subcommand in sorted(help_commands(text)):
            known |= help_options(help_text(varve, command, subcommand) or "")
        described = page_options(pages[page])
        for option in sorted(known - described - common):
            problems.append("%s.1 lacks --%s" % (page, option))
        for option in sorted(described - known - common):
            problems.append("%s.1 describes --%s, which the command does not know" % (page, option))
    problems += check_keys(varve)
    print("\n".join(problems) if problems else "%d commands, %d pages" % (len(commands), len(pages)))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

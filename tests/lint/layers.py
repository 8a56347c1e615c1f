#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""layers.py [TREE]: check the rules of lib/README.md that a compiler does not know.

Prints one line 'path:line: what is wrong' for each violation; exit code 1 if there is any.
Tested by layers_test.py, which breaks every rule on purpose.
"""
import os
import re
import sys

# Layers, lowest first.  A module includes itself and lower layers, never its neighbours, except
# that storage, source and sink may use the pure encoders and decoders of format, and ssh the hashes
# of crypto.
LAYERS = [
    ["core"],
    ["crypto", "compress", "chunker", "parity", "ssh", "http", "archive", "sqlite", "config",
     "report", "postgres"],
    ["format", "storage", "source", "sink"],
    ["repo"],
    ["engine"],
    ["service"],
]
MAY_ALSO = {"ssh": ["crypto"], "storage": ["format"], "source": ["format"], "sink": ["format"]}
LEVEL = {module: level for level, modules in enumerate(LAYERS) for module in modules}

# Headers of other projects and the one folder each may appear in.
THIRD_PARTY = [
    (r"sodium(/.*|\.h)$|sodium\.h$", "crypto"),
    (r"openssl/", "crypto"),
    (r"zstd.*\.h$|zdict\.h$", "compress"),
    (r"xxhash\.h$", "core"),
    (r"archive(_entry)?\.h$", "archive"),
    (r"jansson\.h$", "report"),
    (r"qrencode\.h$", "report"),
    (r"libssh2.*\.h$", "ssh"),
    (r"curl/", "http"),
    (r"sqlite3\.h$", "sqlite"),
    (r"(isa-l/)?erasure_code\.h$|isa-l\.h$", "parity"),
    (r"ini\.h$", "config"),
    (r"libpq-fe\.h$", "postgres"),
    (r"(mariadb|mysql)/", "source"),
]
# What lib/load_later.cmake makes, which stands for headers of other projects, and the folder of each.
LOADED = {"loaded/archive_functions.h": "archive", "loaded/pq_functions.h": "postgres",
          "loaded/curl_functions.h": "http"}
# What the C library, the kernel and the compiler bring.
SYSTEM = re.compile(r"""(sys|linux|netinet|arpa|asm|bits)/|
    (assert|byteswap|cpuid|ctype|dirent|dlfcn|endian|errno|fcntl|features|float|fnmatch|ftw|getopt|
    glob|grp|immintrin|wmmintrin|x86intrin|arm_neon|inttypes|langinfo|libgen|limits|locale|malloc|
    math|mntent|netdb|poll|pthread|pty|pwd|regex|sched|semaphore|setjmp|signal|spawn|stdalign|
    stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdio_ext|stdlib|stdnoreturn|string|strings|
    sysexits|syslog|termios|time|unistd|utime|utmp|wchar|wctype)\.h$""", re.X)

# Unsafe, locale-bound, not thread-safe, or silent about errors.
BANNED = re.compile(r"""\b(strcpy|strcat|strncpy|strncat|stpcpy|sprintf|vsprintf|gets|strtok|
    localtime|gmtime|asctime|ctime|asctime_r|ctime_r|atoi|atol|atoll|atof|rand|srand|random|srandom|
    drand48|tmpnam|tempnam|mktemp|tmpfile|alloca|strerror|setjmp|longjmp|gethostbyname|readdir_r|
    getpwuid|getpwnam|getgrgid|getgrnam|system|popen)\s*\(""", re.X)
ALLOCATION = re.compile(r"""(?<![>.\w])(malloc|calloc|realloc|reallocarray|free|strdup|strndup|
    asprintf|vasprintf|getline|getdelim|open_memstream|posix_memalign|aligned_alloc|memalign|
    valloc)\s*\(""", re.X)
PRINTING = re.compile(r"""(?<![>.\w])(printf|vprintf|puts|putchar|perror|psignal|warn|warnx|err|errx|
    dprintf)\s*\(|\b(stdout|stderr)\b""", re.X)
STREAMING = re.compile(r"(?<![>.\w])(fprintf|vfprintf|fputs|fputc|putc)\s*\(")
ENDING = re.compile(r"(?<![>.\w])(exit|_exit|_Exit|quick_exit|abort|raise|atexit)\s*\(")
# A child between fork and exec may only _exit; a cipher library that fails on memory it has is not an
# error to go on from.
MAY_END = {"source": ["_exit"], "engine": ["_exit"], "service": ["_exit"], "crypto": ["abort"]}
LOADING = re.compile(r"\b(dlm?open|dlv?sym|dlclose)\s*\(")
THREADS = re.compile(r"\b(pthread_\w+|thrd_\w+|mtx_\w+|cnd_\w+|sem_(init|wait|post))\b")

TOP = re.compile(r"^(cmd|lib|man|tests|examples|CMakeLists\.txt|README\.md|COPYING|\..*|build.*)$")
LICENCE = "/* SPDX-License-Identifier: BSD-2-Clause */"


def loaded_header(module):
    return next(header for header, folder in LOADED.items() if folder == module)


def strip(text):
    """Blank out comments and the insides of literals; lines and columns stay."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(pattern, blank, text, flags=re.S)


class Lint:
    def __init__(self, tree):
        self.tree = tree
        self.count = 0

    def say(self, path, line, message):
        self.count += 1
        print("%s:%d: %s" % (path, line, message))

    def sources(self):
        for top in ("cmd", "lib", "tests"):
            for folder, subfolders, files in os.walk(os.path.join(self.tree, top)):
                subfolders.sort()
                for name in sorted(files):
                    if name.endswith((".c", ".h")):
                        yield os.path.relpath(os.path.join(folder, name), self.tree)

    def check_top(self):
        for name in sorted(os.listdir(self.tree)):
            if not TOP.match(name):
                self.say(name, 1, "not in the agreed top level")

    def check_names(self, paths):
        seen = {}
        for path in paths:
            other = seen.setdefault(os.path.basename(path), path)
            if other != path:
                self.say(path, 1, "has the file name of '%s'" % other)

    def check_beginning(self, path, text):
        if not text.startswith(LICENCE + "\n"):
            self.say(path, 1, "does not begin with '%s'" % LICENCE)
        if path.endswith(".h") and path.startswith("lib/"):
            words = re.sub(r"[^A-Za-z0-9]", "_", path[len("lib/"):]).upper()
            guard = "VARVE_" + words
            if "#ifndef %s\n#define %s\n" % (guard, guard) not in text:
                self.say(path, 1, "has no include guard %s" % guard)

    def check_include(self, path, module, number, kind, name):
        """module: the folder below lib, "" for lib itself, None outside."""
        if kind == "<":
            for pattern, folder in THIRD_PARTY:
                if re.match(pattern, name):
                    if module is not None and module != folder:
                        self.say(path, number, "<%s> belongs in lib/%s only" % (name, folder))
                    elif module in LOADED.values():
                        self.say(path, number, "include \"%s\" instead of <%s>"
                                 % (loaded_header(module), name))
                    elif path.startswith("cmd/"):
                        self.say(path, number, "<%s> belongs in lib/%s only" % (name, folder))
                    return
            if not SYSTEM.match(name) and not path.startswith("tests/"):
                self.say(path, number, "<%s> is unknown: add it to THIRD_PARTY or SYSTEM of "
                         "tests/lint/layers.py" % name)
            return
        if name in LOADED:
            if module != LOADED[name]:
                self.say(path, number, "\"%s\" belongs in lib/%s only" % (name, LOADED[name]))
            return
        target, _, rest = name.partition("/")
        if module is None:
            if path.startswith("cmd/") and rest.endswith("_internal.h"):
                self.say(path, number, "'%s' is internal to lib/%s" % (name, target))
            return
        if not rest or target not in LEVEL:
            self.say(path, number, "include \"%s\" as \"module/file.h\"" % name)
            return
        if not os.path.exists(os.path.join(self.tree, "lib", name)):
            self.say(path, number, "there is no lib/%s" % name)
        if module == "" or target == module:
            return
        if rest.endswith("_internal.h"):
            self.say(path, number, "'%s' is internal to lib/%s" % (name, target))
        if LEVEL[target] == LEVEL[module] and target not in MAY_ALSO.get(module, []):
            self.say(path, number, "'%s' and '%s' are of one layer and must not know each other"
                     % (module, target))
        elif LEVEL[target] > LEVEL[module]:
            self.say(path, number, "'%s' is above '%s': include downwards only" % (target, module))

    def check_calls(self, path, module, stripped):
        rules = [(BANNED, "is banned")]
        if module is not None:
            if path != "lib/core/alloc.c":
                rules.append((ALLOCATION, "bypasses core/alloc.h"))
            if module != "core":
                rules.append((THREADS, "belongs in lib/core only (core/thread.h)"))
                rules.append((LOADING, "belongs in lib/core only (core/loaded_library.h)"))
                rules.append((ENDING, "ends the program: the library must not"))
            rules.append((PRINTING, "prints: the library must not"))
            if module != "report":
                rules.append((STREAMING, "prints: the library must not"))
        for number, line in enumerate(stripped.split("\n"), 1):
            for rule, what in rules:
                for match in rule.finditer(line):
                    if rule is ENDING and match.group(1) in MAY_END.get(module, []):
                        continue
                    self.say(path, number, "'%s' %s" % (match.group().rstrip("( \t"), what))

    def check_file(self, path):
        with open(os.path.join(self.tree, path), encoding="utf-8") as f:
            text = f.read()
        module = None
        if path.startswith("lib/"):
            parts = path.split("/")
            module = parts[1] if len(parts) > 2 else ""
            if module and module not in LEVEL:
                self.say(path, 1, "module '%s' has no layer" % module)
                return
        self.check_beginning(path, text)
        stripped = strip(text)
        include = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
        for number, line in enumerate(text.split("\n"), 1):
            match = include.match(line)
            # A directive inside a comment is blank in the stripped text.
            if match and stripped.split("\n")[number - 1].lstrip().startswith("#"):
                self.check_include(path, module, number, *match.groups())
        if not path.startswith("tests/"):
            self.check_calls(path, module, stripped)

    def run(self):
        paths = list(self.sources())
        self.check_top()
        self.check_names(paths)
        for path in paths:
            self.check_file(path)
        return self.count


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    tree = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "..")
    count = Lint(os.path.abspath(tree)).run()
    if count:
        print("%d violations" % count)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())

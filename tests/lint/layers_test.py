#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Break every rule of layers.py on purpose, one tree each, and see that it is named."""
import contextlib
import io
import os
import tempfile
import unittest

import layers


def header(guard, body=""):
    return "%s\n#ifndef %s\n#define %s\n%s#endif\n" % (layers.LICENCE, guard, guard, body)


def source(*lines):
    return layers.LICENCE + "\n" + "\n".join(lines) + "\n"


class LayersTest(unittest.TestCase):
    def lint(self, files):
        files = dict(files)
        files.setdefault("lib/core/error.h", header("VARVE_CORE_ERROR_H"))
        with tempfile.TemporaryDirectory() as tree:
            for name, text in files.items():
                path = os.path.join(tree, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                count = layers.Lint(tree).run()
            return count, out.getvalue()

    def reports(self, expected, files):
        count, text = self.lint(files)
        self.assertEqual(count, 1, text)
        self.assertIn(expected, text)

    def accepts(self, files):
        count, text = self.lint(files)
        self.assertEqual(count, 0, text)

    def test_clean_tree(self):
        self.accepts({"lib/repo/x.c": source('#include <stdio.h>', '#include "core/error.h"'),
                      "cmd/y.c": source('int printf(void);', 'int a(void) { return printf(); }')})

    def test_upward_include(self):
        self.reports("include downwards only", {
            "lib/repo/x.h": header("VARVE_REPO_X_H"),
            "lib/core/y.c": source('#include "repo/x.h"')})

    def test_same_layer(self):
        self.reports("of one layer", {
            "lib/crypto/x.h": header("VARVE_CRYPTO_X_H"),
            "lib/compress/y.c": source('#include "crypto/x.h"')})

    def test_format_is_for_storage_source_sink(self):
        x = header("VARVE_FORMAT_X_H")
        for module in ("storage", "source", "sink"):
            self.accepts({"lib/format/x.h": x,
                          "lib/%s/y.c" % module: source('#include "format/x.h"')})
        self.reports("of one layer", {
            "lib/sink/x.h": header("VARVE_SINK_X_H"),
            "lib/format/y.c": source('#include "sink/x.h"')})

    def test_internal_header(self):
        self.reports("internal to lib/core", {
            "lib/core/x_internal.h": header("VARVE_CORE_X_INTERNAL_H"),
            "lib/repo/y.c": source('#include "core/x_internal.h"')})
        self.reports("internal to lib/core", {
            "lib/core/x_internal.h": header("VARVE_CORE_X_INTERNAL_H"),
            "cmd/y.c": source('#include "core/x_internal.h"')})

    def test_include_form(self):
        self.reports('as "module/file.h"', {"lib/core/x.c": source('#include "error.h"')})
        self.reports("there is no lib/core/none.h",
                     {"lib/repo/x.c": source('#include "core/none.h"')})

    def test_third_party(self):
        self.accepts({"lib/crypto/x.c": source("#include <sodium.h>", "#include <openssl/evp.h>")})
        for module, name in (("repo", "sodium.h"), ("repo", "openssl/evp.h"), ("core", "zstd.h"),
                             ("repo", "xxhash.h"), ("source", "archive.h"),
                             ("sink", "archive_entry.h"), ("engine", "jansson.h")):
            self.reports("only", {"lib/%s/x.c" % module: source("#include <%s>" % name)})
        self.reports("only", {"cmd/x.c": source("#include <jansson.h>")})
        self.reports("is unknown", {"lib/core/x.c": source("#include <other.h>")})

    def test_loaded_header(self):
        text = source('#include "loaded/archive_functions.h"')
        self.accepts({"lib/archive/x.c": text})
        for path in ("lib/source/x.c", "lib/x.c", "cmd/x.c"):
            self.reports("belongs in lib/archive only", {path: text})
        self.reports('as "module/file.h"', {
            "lib/archive/x.c": source('#include "loaded/other_functions.h"')})
        # The library's own header would have the functions linked.
        self.reports('include "loaded/archive_functions.h"', {
            "lib/archive/x.c": source("#include <archive.h>")})

    def test_loading(self):
        text = source("void f(void) { dlopen(a, b); }")
        self.reports("lib/core only", {"lib/repo/x.c": text})
        self.accepts({"lib/core/x.c": text})

    def test_module_without_layer(self):
        self.reports("has no layer", {"lib/other/x.c": source()})

    def test_file_names(self):
        self.reports("has the file name of", {"lib/core/x.c": source(), "lib/repo/x.c": source()})

    def test_licence_and_guard(self):
        self.reports("does not begin", {"lib/core/x.c": "int a;\n"})
        self.reports("no include guard VARVE_CORE_X_H", {"lib/core/x.h": header("CORE_X_H")})

    def test_banned_calls(self):
        for call in ("strcpy(a, b)", "sprintf (a, b)", "gmtime(&t)", "atoi(s)", "system(s)"):
            self.reports("is banned", {"lib/core/x.c": source("void f(void) { %s; }" % call)})
            self.reports("is banned", {"cmd/x.c": source("void f(void) { %s; }" % call)})
        self.accepts({"lib/core/x.c": source("void f(void) { snprintf(a, 1, b); gmtime_r(a, b); }")})

    def test_comments_and_strings_do_not_count(self):
        self.accepts({"lib/core/x.c": source(
            "/* strcpy(a, b)", '#include "repo/x.h"', "*/", "// gets(a)",
            'const char *s = "system(1) \\" malloc(2)";')})

    def test_allocation(self):
        self.reports("'free' bypasses", {"lib/repo/x.c": source("void f(void) { free(p); }")})
        self.accepts({"lib/repo/x.c": source("void f(void) { s->free(s); vv_free(p); }"),
                      "lib/core/alloc.c": source("void g(void) { free(p); }")})

    def test_threads(self):
        text = source("void f(void) { pthread_create(a, b, c, d); }")
        self.reports("lib/core only", {"lib/repo/x.c": text})
        self.accepts({"lib/core/x.c": text})

    def test_printing_and_ending(self):
        for call in ("printf(a)", "fprintf(f, a)", "puts(a)", "perror(a)", "fflush(stderr)"):
            self.reports("prints", {"lib/repo/x.c": source("void f(void) { %s; }" % call)})
        for call in ("exit(1)", "abort()", "_exit(1)"):
            self.reports("ends the program",
                         {"lib/repo/x.c": source("void f(void) { %s; }" % call)})
        self.accepts({"lib/source/x.c": source("void f(void) { _exit(1); }"),
                      "lib/report/y.c": source("void f(void) { fputs(a, f); }")})

    def test_top_level(self):
        self.reports("not in the agreed top level", {"docs/x.txt": "text\n"})


if __name__ == "__main__":
    unittest.main()

/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of values: all that the tables use are in the vocabulary; arguments of a synopsis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "commands.h"
#include "completion.h"

static void
expect_options(const char *path, const struct option_spec *specs)
{
    for (const struct option_spec *s = specs; s->name != NULL; s++) {
        if (s->value != NULL && s->choices == NULL && value_name_find(s->value) == NULL) {
            fail_msg("varve %s --%s: cmd/value_names.c does not know '%s'", path, s->name,
                     s->value);
        }
    }
}

static void
expect_place(const struct completion_place *p, FILE *file)
{
    const char *at = p->subcommands == NULL ? p->command->arguments : "";
    struct synopsis_argument a;

    (void)file;
    if (at == NULL) {
        fail_msg("varve %s has no synopsis", p->path);
        return;
    }
    expect_options(p->path, p->specs);
    while (synopsis_next(&at, p->specs, &a)) {
        if (value_name_find(a.name) == NULL) {
            fail_msg("varve %s: cmd/value_names.c does not know '%.*s'", p->path, (int)a.len,
                     a.name);
        }
    }
}

static void
value_names__are_all_in_the_vocabulary(void **state)
{
    (void)state;
    completion_each(all_commands, expect_place, NULL);
    expect_options("", global_specs);
}

static void
value_name__is_what_stands_first(void **state)
{
    (void)state;
    assert_int_equal(value_name_find("SNAP[:PATH]")->kind, VALUE_SNAPSHOT);
    assert_int_equal(value_name_find("REPO")->kind, VALUE_REPOSITORY);
    assert_int_equal(value_name_find("DIR")->kind, VALUE_DIRECTORY);
    assert_int_equal(value_name_find("JOB...")->kind, VALUE_JOB);
    assert_int_equal(value_name_find("SHA256:...")->kind, VALUE_TEXT);
    assert_null(value_name_find("SNAPS"));
    assert_null(value_name_find("SNA"));
    assert_null(value_name_find("dir"));
    assert_null(value_name_find(""));
}

/* "NAME NAME*" */
static void
expect_synopsis(const char *synopsis, const char *want)
{
    static const struct option_spec specs[] = {
        {"all", '\0', OPTION_FLAG, 0, NULL, "", NULL},
        {"target", 't', OPTION_TEXT, 0, "DIR", "", NULL},
        OPTION_END,
    };
    struct synopsis_argument a;
    struct vv_buf got = {0};

    while (synopsis_next(&synopsis, specs, &a)) {
        vv_buf_printf(&got, "%s%.*s%s", got.len > 0 ? " " : "", (int)a.len, a.name,
                      a.repeated ? "*" : "");
    }
    assert_string_equal(vv_buf_text(&got), want);
    vv_buf_release(&got);
}

static void
synopsis__is_its_arguments_without_options(void **state)
{
    (void)state;
    expect_synopsis("", "");
    expect_synopsis("NAME FILE", "NAME FILE");
    expect_synopsis("PATH|URL...", "PATH*");
    expect_synopsis("SNAP[:PATH] [SNAP]", "SNAP SNAP");
    expect_synopsis("[SNAP...]", "SNAP*");
    expect_synopsis("SNAP[:PATH] --target DIR", "SNAP");
    expect_synopsis("--target DIR SNAP", "SNAP");
    expect_synopsis("JOB... | --all", "JOB*");
    expect_synopsis("--all | JOB...", "JOB*");
    expect_synopsis("--all JOB", "JOB");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value_names__are_all_in_the_vocabulary),
        cmocka_unit_test(value_name__is_what_stands_first),
        cmocka_unit_test(synopsis__is_its_arguments_without_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Command lines, SNAP:PATH arguments, exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "exit_code.h"
#include "options.h"

struct values {
    bool flag;
    unsigned count;
    const char *text;
    struct option_list list;
    uint64_t size;
    unsigned number;
    int choice;
};
static const char *const choices[] = {"never", "always", NULL};
static const struct option_spec specs[] = {
    {"flag", 'f', OPTION_FLAG, offsetof(struct values, flag), NULL, "a flag", NULL},
    {"count", 'c', OPTION_COUNT, offsetof(struct values, count), NULL, "more", NULL},
    {"text", 't', OPTION_TEXT, offsetof(struct values, text), "TEXT", "a text", NULL},
    {"exclude", 'e', OPTION_LIST, offsetof(struct values, list), "P", "a pattern", NULL},
    {"exclude-from", '\0', OPTION_LIST, offsetof(struct values, list), "F", "patterns", NULL},
    {"size", '\0', OPTION_SIZE, offsetof(struct values, size), "SIZE", "a size", NULL},
    {"number", '\0', OPTION_NUMBER, offsetof(struct values, number), "N", "a number", NULL},
    {"when", '\0', OPTION_CHOICE, offsetof(struct values, choice), "WHEN", "when", choices},
    OPTION_END,
};
static const struct option_spec more_specs[] = {
    {"text", '\0', OPTION_TEXT, offsetof(struct values, text), "OTHER", "hidden", NULL},
    {"other", 'o', OPTION_FLAG, offsetof(struct values, flag), NULL, "other", NULL},
    OPTION_END,
};

/** Parse a NULL-terminated list of words; the counts of the run come back. */
static enum vv_rc
parse(const char *const *words, bool stop, struct values *v, struct values *more,
      struct arguments *a, int *used, struct vv_error *err)
{
    const struct option_set sets[] = {{specs, v}, {more_specs, more}};
    char *argv[32];
    int argc = 0;
    enum vv_rc rc;

    for (; words[argc] != NULL; argc++) {
        argv[argc] = (char *)(uintptr_t)words[argc];
    }
    argv[argc] = NULL;
    memset(a, 0, sizeof(*a));
    rc = options_parse(sets, 2, argc, argv, stop, a, used, err);
    return rc;
}
#define WORDS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void
options__take_every_form(void **state)
{
    struct values v = {0};
    struct values more = {0};
    struct arguments a;
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(parse(WORDS("x", "--flag", "-cc", "--text=a=b", "-ep1", "--exclude-from", "-",
                                 "y", "-fe", "p3", "--size", "2K", "--number", "17", "--when",
                                 "always", "-o", "--", "--flag", "-"),
                           false, &v, &more, &a, NULL, &err),
                     VV_OK);
    assert_true(v.flag);
    assert_int_equal(v.count, 2);
    assert_string_equal(v.text, "a=b");
    assert_int_equal(v.list.count, 3);
    assert_string_equal(v.list.uses[0].value, "p1");
    assert_string_equal(v.list.uses[1].value, "-");
    assert_string_equal(v.list.uses[1].spec->name, "exclude-from");
    assert_string_equal(v.list.uses[2].value, "p3");
    assert_int_equal(v.size, 2048);
    assert_int_equal(v.number, 17);
    assert_int_equal(v.choice, 1);
    assert_true(more.flag);
    assert_int_equal(a.count, 4);
    assert_string_equal(a.items[0], "x");
    assert_string_equal(a.items[1], "y");
    assert_string_equal(a.items[2], "--flag");
    assert_string_equal(a.items[3], "-");
    arguments_release(&a);
    option_list_release(&v.list);
}

static void
options__of_earlier_sets_hide_later_ones(void **state)
{
    struct values v = {0};
    struct values more = {0};
    struct arguments a;
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(parse(WORDS("--text", "x"), false, &v, &more, &a, NULL, &err), VV_OK);
    assert_string_equal(v.text, "x");
    assert_null(more.text);
    arguments_release(&a);
}

static void
options__stop_before_the_command(void **state)
{
    struct values v = {0};
    struct values more = {0};
    struct arguments a;
    struct vv_error err = {0};
    int used = 0;

    (void)state;
    assert_int_equal(
        parse(WORDS("-f", "--text", "x", "backup", "--nonsense"), true, &v, &more, &a, &used, &err),
        VV_OK);
    assert_int_equal(used, 3);
    assert_int_equal(a.count, 0);
    arguments_release(&a);
}

static void
refuse(const char *const *words, const char *message, const char *hint)
{
    struct values v = {0};
    struct values more = {0};
    struct arguments a;
    struct vv_error err = {0};

    assert_int_equal(parse(words, false, &v, &more, &a, NULL, &err), VV_EUSAGE);
    assert_non_null(strstr(err.message, message));
    assert_string_equal(err.hint, hint);
    assert_null(a.items);
    option_list_release(&v.list);
}

static void
options__refuse_what_they_do_not_know(void **state)
{
    (void)state;
    refuse(WORDS("--exclud", "x"), "unknown option '--exclud'", "did you mean '--exclude'?");
    refuse(WORDS("--fla"), "unknown option '--fla'",
           "did you mean '--flag'?"); /* no abbreviation */
    refuse(WORDS("--zzzzzzzz=1"), "unknown option '--zzzzzzzz'", "");
    refuse(WORDS("-z"), "unknown option '-z'", "");
    refuse(WORDS("-fz"), "unknown option '-z' in '-fz'", "");
}

static void
options__refuse_bad_values(void **state)
{
    (void)state;
    refuse(WORDS("--text"), "needs a value", "");
    refuse(WORDS("-t"), "needs a value", "");
    refuse(WORDS("--text="), "must not be empty", "");
    refuse(WORDS("--flag=1"), "takes no value", "");
    refuse(WORDS("--size", "much"), "is not a size", "");
    refuse(WORDS("--number", "0"), "is not a number", "");
    refuse(WORDS("--number", "-1"), "is not a number", "");
    refuse(WORDS("--number", "1x"), "is not a number", "");
    refuse(WORDS("--number", "70000"), "is not a number", "");
    refuse(WORDS("--when", "later"), "is not one of: never, always", "");
}

static void
options__print_each_at_a_line_start(void **state)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);

    (void)state;
    options_print(more_specs, specs, file);
    assert_int_equal(fclose(file), 0);
    /* --text is hidden by the first set. */
    assert_string_equal(text, "  -o, --other                 other\n");
    free(text);
}

static void
snapshot_path__takes_snapshot_and_path_apart(void **state)
{
    static const struct {
        const char *text;
        const char *snapshot;
        const char *path;
        bool given;
    } cases[] = {
        {"latest", "latest", "", false},
        {"latest:", "latest", "", true},
        {"latest:/", "latest", "", true},
        {"latest~2@host:/etc/passwd", "latest~2@host", "etc/passwd", true},
        {"ab12:srv//shop/./x/", "ab12", "srv/shop/x", true},
        {"ab12:/a:b", "ab12", "a:b", true},
        {"ab12:...", "ab12", "...", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct snapshot_path p = {0};
        struct vv_error err = {0};
        assert_int_equal(snapshot_path_parse(cases[i].text, &p, &err), VV_OK);
        assert_string_equal(vv_buf_text(&p.snapshot), cases[i].snapshot);
        assert_string_equal(vv_buf_text(&p.path), cases[i].path);
        assert_int_equal(p.path_given, cases[i].given);
        snapshot_path_release(&p);
    }
}

static void
snapshot_path__refuses_what_leads_outside(void **state)
{
    struct snapshot_path p = {0};
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(snapshot_path_parse("latest:/a/../b", &p, &err), VV_EUSAGE);
    assert_int_equal(snapshot_path_parse("latest:..", &p, &err), VV_EUSAGE);
    assert_int_equal(snapshot_path_parse(":/etc", &p, &err), VV_EUSAGE);
    assert_int_equal(snapshot_path_parse("", &p, &err), VV_EUSAGE);
    assert_null(p.snapshot.data);
}

static void
exit_code__follows_the_documented_order(void **state)
{
    static const enum exit_code order[] = {130, 2, 10, 11, 16, 13, 15, 1, 12, 14, 3, 0};

    (void)state;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        for (size_t k = i; k < sizeof(order) / sizeof(order[0]); k++) {
            assert_int_equal(exit_code_worse(order[i], order[k]), order[i]);
            assert_int_equal(exit_code_worse(order[k], order[i]), order[i]);
        }
    }
}

static void
exit_code__of_results(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(VV_OK, VV_ORIGIN_NONE), 0);
    assert_int_equal(exit_code_of(VV_ENOTFOUND, VV_ORIGIN_REPOSITORY), 1);
    assert_int_equal(exit_code_of(VV_ENOMEM, VV_ORIGIN_NONE), 1);
    assert_int_equal(exit_code_of(VV_EUSAGE, VV_ORIGIN_NONE), 2);
    assert_int_equal(exit_code_of(VV_ENOREPO, VV_ORIGIN_REPOSITORY), 10);
    assert_int_equal(exit_code_of(VV_EKEY, VV_ORIGIN_NONE), 11);
    assert_int_equal(exit_code_of(VV_ECORRUPT, VV_ORIGIN_REPOSITORY), 12);
    assert_int_equal(exit_code_of(VV_ETRANSIENT, VV_ORIGIN_REPOSITORY), 13);
    assert_int_equal(exit_code_of(VV_EFORGED, VV_ORIGIN_REPOSITORY), 14);
    assert_int_equal(exit_code_of(VV_ENOSPACE, VV_ORIGIN_TARGET), 15);
    assert_int_equal(exit_code_of(VV_EAUTH, VV_ORIGIN_REPOSITORY), 16);
    assert_int_equal(exit_code_of(VV_ECANCELLED, VV_ORIGIN_NONE), 130);
    /* Trouble of the source or of this host is never called damage of the repository. */
    assert_int_equal(exit_code_of(VV_ECORRUPT, VV_ORIGIN_SOURCE), 1);
    assert_int_equal(exit_code_of(VV_ETRANSIENT, VV_ORIGIN_SOURCE), 13);
    assert_int_equal(exit_code_of(VV_ECORRUPT, VV_ORIGIN_LOCAL), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options__take_every_form),
        cmocka_unit_test(options__of_earlier_sets_hide_later_ones),
        cmocka_unit_test(options__stop_before_the_command),
        cmocka_unit_test(options__refuse_what_they_do_not_know),
        cmocka_unit_test(options__refuse_bad_values),
        cmocka_unit_test(options__print_each_at_a_line_start),
        cmocka_unit_test(snapshot_path__takes_snapshot_and_path_apart),
        cmocka_unit_test(snapshot_path__refuses_what_leads_outside),
        cmocka_unit_test(exit_code__follows_the_documented_order),
        cmocka_unit_test(exit_code__of_results),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

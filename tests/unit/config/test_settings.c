/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration: what is taken, and what is told about what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_sweep.h"
#include "config/settings.h"

static bool
is_small(const char *text)
{
    return strcmp(text, "small") == 0;
}

static const struct settings_key thing_keys[] = {
    {.name = "size", .check = is_small, .wanted = "small", .value = "small"},
    {.name = "word", .list = true, .value = "WORD"},
    {.name = "place", .required = true, .value = "PLACE"},
    {.name = "flag", .kind = SETTINGS_FLAG, .value = "yes"},
    {.name = "other", .kind = SETTINGS_REFERENCE, .list = true, .refers = "thing", .value = "NAME"},
    {.name = "secret", .kind = SETTINGS_SECRET, .value = "FILE"},
    {0},
};
static const struct settings_key lone_keys[] = {{.name = "sound", .value = "loud"}, {0}};
static const struct settings_key both_keys[] = {
    {.name = "token", .secret = true, .value = "TOKEN"},
    {.name = "more", .secret = true, .value = "TOKEN"},
    {.name = "plain", .value = "TEXT"},
    {0},
};
static const struct settings_spec specs[] = {
    {.kind = "thing", .named = true, .keys = thing_keys},
    {.kind = "lone", .keys = lone_keys},
    {.kind = "both", .named = true, .unnamed_too = true, .keys = both_keys},
};

static struct settings *
read_text(const char *text)
{
    struct settings *c = NULL;

    assert_int_equal(settings_new(specs, VV_COUNT(specs), &c, NULL), VV_OK);
    assert_int_equal(settings_add_text(c, "f", vv_span(text, strlen(text)), NULL), VV_OK);
    assert_int_equal(settings_check(c, NULL), VV_OK);
    return c;
}

static void
values(void **state)
{
    struct settings *c = read_text("\xef\xbb\xbf# a comment\n"
                                   "; another\r\n"
                                   "[thing one]\r\n"
                                   "  place\t=  here # and there ; too  \r\n"
                                   "word = a\n"
                                   "word = \" b \"\n"
                                   "word = c \\\n"
                                   "     d\\\n"
                                   "  e\n"
                                   "flag = yes\n"
                                   "\n"
                                   "[ thing  two ]\n"
                                   "place = a=b\n"
                                   "word = \"a b\" \"c\"\n"
                                   "other = one\n"
                                   "word = last\\");
    const struct settings_section *one = settings_find(c, "thing", "one");
    const struct settings_section *two = settings_find(c, "thing", "two");
    const struct settings_value *v;
    struct vv_buf names = {0};

    (void)state;
    assert_int_equal(settings_problem_count(c), 0);
    assert_non_null(one);
    assert_non_null(two);
    assert_ptr_equal(settings_sections(c), one);
    assert_int_equal(one->place.line, 3);
    assert_string_equal(settings_get(one, "place"), "here # and there ; too");
    v = settings_next(one, "word", NULL);
    assert_string_equal(v->text, "a");
    v = settings_next(one, "word", v);
    assert_string_equal(v->text, " b ");
    v = settings_next(one, "word", v);
    assert_string_equal(v->text, "c d e");
    assert_int_equal(v->place.line, 7);
    assert_null(settings_next(one, "word", v));
    assert_true(settings_flag(one, "flag", false));
    assert_true(settings_flag(two, "flag", true));
    assert_int_equal(two->place.line, 12);
    assert_string_equal(settings_get(two, "place"), "a=b");
    v = settings_next(two, "word", NULL);
    assert_string_equal(v->text, "\"a b\" \"c\""); /* as a shell wants it */
    assert_string_equal(settings_next(two, "word", v)->text, "last\\");
    assert_null(settings_get(two, "size"));
    assert_null(settings_find(c, "thing", "three"));
    assert_int_equal(settings_names(c, "thing", &names, NULL), VV_OK);
    assert_string_equal(vv_buf_text(&names), "one, two");
    vv_buf_release(&names);
    settings_free(c);
}

static void
mistakes(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *says;
        const char *hint;
    } cases[] = {
        {"place = x\n", 1, "outside of a section", "[job NAME]"},
        {"[thing\n", 1, "does not end with ']'", "[KIND NAME]"},
        {"[]\n", 1, "there is no section []", "sections are [thing NAME], [lone]"},
        {"[thnig one]\n", 1, "there is no section [thnig]", "did you mean 'thing'?"},
        {"[thing]\n", 1, "has no name", "a name has"},
        {"[thing a/b]\n", 1, "that is no name", "a name has"},
        {"[thing -a]\n", 1, "that is no name", ""},
        {"[thing a b]\n", 1, "that is no name", ""},
        {"[lone x]\n", 1, "[lone] has no name: 'x'", ""},
        {"[lone]\n[lone]\n", 2, "[lone] is there already: f:1", "join"},
        {"[lone]\nsuond = x\n", 2, "[lone] has no key 'suond'", "did you mean 'sound'?"},
        {"[lone]\nplace = x\n", 2, "[lone] has no key 'place'", "it belongs into [thing NAME]"},
        {"[lone]\nzzzzzz = x\n", 2, "[lone] has no key 'zzzzzz'", "config example"},
        {"[lone]\nsound\n", 2, "neither a section nor a value", "KEY = VALUE"},
        {"[lone]\nsound =\n", 2, "'sound' has no value", ""},
        {"[lone]\nsound = \"\"\n", 2, "'sound' has no value", ""},
        {"[lone]\nsound = a\n\nsound = b\n", 4, "given twice: line 2", "leave one"},
        {"[thing a]\n", 1, "[thing a] has no 'place'", "add: place = PLACE"},
        {"[thing a]\nplace = x\nsize = large\n", 3, "size: 'large' is not small", ""},
        {"[thing a]\nplace = x\nflag = true\n", 3, "flag: 'true' is not yes or no", ""},
        {"[thing abc]\nplace = x\nother = abd\n", 3, "there is no [thing abd]",
         "did you mean 'abc'?"},
        {"[thing abc]\nplace = x\nother = zzzz\n", 3, "there is no [thing zzzz]", "there are: abc"},
    };

    (void)state;
    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        struct settings *c = read_text(cases[i].text);
        const struct settings_problem *p = settings_problems(c);
        if (settings_problem_count(c) != 1 || p->place.line != cases[i].line ||
            strstr(p->text, cases[i].says) == NULL || strstr(p->hint, cases[i].hint) == NULL) {
            fail_msg("case %zu: %u problems, line %u: %s (%s)", i, settings_problem_count(c),
                     p != NULL ? p->place.line : 0, p != NULL ? p->text : "",
                     p != NULL ? p->hint : "");
        }
        assert_string_equal(p->place.file, "f");
        settings_free(c);
    }
}

/* One mistake hides no other, and a section that is wrong speaks once. */
static void
several_mistakes(void **state)
{
    struct settings *c = read_text("[nothing here]\nplace = a\nplace = b\n"
                                   "[thing a]\nflag = 1\nsize = x\nother = b\n");
    struct settings *nul = NULL;

    (void)state;
    assert_int_equal(settings_problem_count(c), 5); /* and there is no place */
    settings_free(c);
    assert_int_equal(settings_new(specs, VV_COUNT(specs), &nul, NULL), VV_OK);
    assert_int_equal(settings_add_text(nul, "f", vv_span("[lone]\0", 7), NULL), VV_OK);
    assert_int_equal(settings_problem_count(nul), 1);
    settings_free(nul);
}

static void
put_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void
files(void **state)
{
    char directory[] = "/tmp/varve-config-XXXXXX";
    char path[2][64];
    char text[256];
    struct settings *c = NULL;
    unsigned count = 0;

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path[0], sizeof(path[0]), "%s/b.conf", directory);
    (void)snprintf(path[1], sizeof(path[1]), "%s/a.conf", directory);
    (void)snprintf(text, sizeof(text), "[thing b]\nplace = b\nsecret = %s\n", path[1]);
    put_file(path[0], text, 0644);
    put_file(path[1], "[thing a]\nplace = a\nsecret = x\n", 0620);
    assert_int_equal(settings_new(specs, VV_COUNT(specs), &c, NULL), VV_OK);
    assert_int_equal(settings_add_file(c, "/nowhere/varve.conf", NULL), VV_ENOTFOUND);
    assert_int_equal(settings_add_file(c, directory, NULL), VV_EREFUSED);
    assert_int_equal(settings_add_directory(c, "/nowhere", false, &count, NULL), VV_OK);
    assert_int_equal(settings_add_directory(c, directory, false, &count, NULL), VV_OK);
    assert_string_equal(settings_sections(c)->name, "a"); /* by name */
    assert_int_equal(settings_problem_count(c), 1);       /* others can write a.conf */
    assert_non_null(strstr(settings_problems(c)->text, "written by others"));
    assert_int_equal(settings_check_secrets(c, NULL, NULL), VV_OK);
    assert_int_equal(settings_problem_count(c), 3);
    assert_non_null(strstr(settings_problems(c)->next->text, "no absolute path"));
    assert_non_null(strstr(settings_problems(c)->next->next->text, "others can read"));
    assert_non_null(strstr(settings_problems(c)->next->next->hint, "chmod go="));
    settings_free(c);
    assert_int_equal(unlink(path[0]), 0);
    assert_int_equal(unlink(path[1]), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* A kind of which one may have no name. */
static void
names_or_none(void **state)
{
    struct settings *c = read_text("[both]\ntoken = a\n[both x]\ntoken = b\n[ both\t]\n[both a/b]\n"
                                   "[both x]\n[bothe]\n[thing t]\nplace = p\nplain = 1\n");
    const struct settings_problem *p = settings_problems(c);
    struct vv_buf names = {0};

    (void)state;
    assert_string_equal(settings_get(settings_find(c, "both", ""), "token"), "a");
    assert_string_equal(settings_get(settings_find(c, "both", "x"), "token"), "b");
    assert_string_equal(p->text, "[both] is there already: f:1");
    p = p->next;
    assert_string_equal(p->text, "[both a/b]: that is no name");
    p = p->next;
    assert_string_equal(p->text, "[both x] is there already: f:3");
    p = p->next;
    assert_string_equal(p->hint, "did you mean 'both'?");
    p = p->next;
    assert_string_equal(p->hint, "it belongs into [both [NAME]]");
    assert_null(p->next);
    assert_int_equal(settings_names(c, "both", &names, NULL), VV_OK);
    assert_string_equal(vv_buf_text(&names), "x"); /* only names */
    vv_buf_release(&names);
    settings_free(c);
}

/* A secret in a file that others can read: once for a section, and only where there is one. */
static void
secrets_in_files(void **state)
{
    static const char text[] = "[thing a]\nplace = x\n[both]\nplain = x\ntoken = a\nmore = b\n"
                               "[both c]\nplain = y\n[both d]\nmore = c\n";
    static const mode_t modes[] = {0600, 0400, 0640, 0604, 0611};
    char path[] = "/tmp/varve-settings.XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    for (size_t i = 0; i < VV_COUNT(modes); i++) {
        struct settings *c = NULL;
        assert_int_equal(fchmod(fd, modes[i]), 0);
        assert_int_equal(settings_new(specs, VV_COUNT(specs), &c, NULL), VV_OK);
        assert_int_equal(settings_add_file(c, path, NULL), VV_OK);
        assert_int_equal(settings_check(c, NULL), VV_OK);
        assert_int_equal(settings_problem_count(c), 0);
        assert_int_equal(settings_check_secrets(c, settings_find(c, "both", "c"), NULL), VV_OK);
        assert_int_equal(settings_problem_count(c), 0);
        assert_int_equal(settings_check_secrets(c, NULL, NULL), VV_OK);
        assert_int_equal(settings_problem_count(c), i < 2 ? 0 : 2);
        if (i >= 2) {
            const struct settings_problem *p = settings_problems(c);
            assert_int_equal(p->place.line, 5);
            assert_non_null(strstr(p->text, "token is a secret, and others can read this file"));
            assert_non_null(strstr(p->hint, "chmod go= '"));
            assert_int_equal(p->next->place.line, 10);
        }
        settings_free(c);
    }
    (void)close(fd);
    (void)unlink(path);
}

static enum vv_rc
sweep_read(void *ctx, struct vv_error *err)
{
    static const char text[] = "[thing a]\nplace = x \\\n y\nsize = large\nother = b\n[x]\n";
    VV_CLEANUP(settings_freep) struct settings *c = NULL;

    (void)ctx;
    VV_TRY(settings_new(specs, VV_COUNT(specs), &c, err));
    VV_TRY(settings_add_text(c, "f", vv_span(text, sizeof(text) - 1), err));
    VV_TRY(settings_check(c, err));
    return settings_check_secrets(c, NULL, err);
}

static void
memory_runs_out(void **state)
{
    (void)state;
    assert_true(alloc_sweep(sweep_read, NULL) > 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),           cmocka_unit_test(mistakes),
        cmocka_unit_test(several_mistakes), cmocka_unit_test(files),
        cmocka_unit_test(names_or_none),    cmocka_unit_test(secrets_in_files),
        cmocka_unit_test(memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

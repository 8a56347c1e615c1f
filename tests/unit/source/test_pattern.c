/* SPDX-License-Identifier: BSD-2-Clause */
/* Patterns: the table below was checked against git check-ignore 2.39. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc_sweep.h"
#include "core/alloc.h"
#include "source/pattern.h"

static struct pattern_set *
set_of(const char *const *patterns)
{
    struct pattern_set *p = NULL;
    struct vv_error err = {0};
    assert_int_equal(pattern_set_new(&p, &err), VV_OK);
    for (; *patterns != NULL; patterns++) {
        if (pattern_set_add(p, *patterns, &err) != VV_OK) {
            fail_msg("%s", err.message);
        }
    }
    return p;
}
#define SET(...) set_of((const char *const[]){__VA_ARGS__, NULL})

static struct vv_span
span(const char *text)
{
    return vv_span(text, strlen(text));
}

static enum pattern_verdict
test_path(const struct pattern_set *p, const char *path)
{
    size_t len = strlen(path);
    bool directory = len > 0 && path[len - 1] == '/';
    return pattern_set_test(p, vv_span(path, directory ? len - 1 : len), directory);
}

/* Paths that end in '/' are directories. */
static const struct {
    const char *pattern;
    const char *path;
    bool matches;
} cases[] = {
    /* names at any depth */
    {"a", "a", true},
    {"a", "x/a", true},
    {"a", "x/y/a/", true},
    {"a", "ab", false},
    {"a", "a/b", false},
    {"core", "srv/core", true},
    {"core", "srv/Core", false},
    {"*.o", "x.o", true},
    {"*.o", "d/x.o", true},
    {"*.o", ".o", true},
    {"*.o", "x.oo", false},
    {"*", "x/y", true},
    {"**", "x/y", true},
    {"a**", "d/abc", true},
    {"?", "d/x", true},
    {"?", "d/xy", false},
    {"??", "d/xy", true},
    {"a?c", "abc", true},
    {"a*c*e", "abcde", true},
    {"a*c*e", "abcdef", false},
    {"*a*a*b", "aaaab", true},
    {"*a*a*b", "aaaa", false},
    /* directories only */
    {"a/", "a", false},
    {"a/", "a/", true},
    {"a/", "x/a/", true},
    {"*/", "x/", true},
    {"*/", "x", false},
    {"**/", "x/y/", true},
    {"**/", "x/y", false},
    {"a/b/", "a/b/", true},
    {"a/b/", "a/b", false},
    /* anchored */
    {"/a", "a", true},
    {"/a", "x/a", false},
    {"/a/", "a/", true},
    {"/*", "x", true},
    {"/*", "x/y", false},
    {"a/b", "a/b", true},
    {"a/b", "x/a/b", false},
    {"/a/b", "a/b", true},
    {"a/*", "a/b", true},
    {"a/*", "a/b/c", false},
    {"a/*/c", "a/b/c", true},
    {"a/*/c", "a/c", false},
    {"a/*/c", "a/b/b/c", false},
    {"a?b/c", "a/b/c", false},
    {"home/*/.cache", "home/u/.cache/", true},
    {"home/*/.cache", "home/u/v/.cache/", false},
    /* any number of directories */
    {"**/a", "a", true},
    {"**/a", "x/y/a", true},
    {"**/a", "x/ya", false},
    {"**/a/b", "x/a/b", true},
    {"**/a/b", "x/a/y/b", false},
    {"a/**", "a/b", true},
    {"a/**", "a/b/c", true},
    {"a/**", "a", false},
    {"a/**", "b/a/c", false},
    {"a/**/", "a/b/", true},
    {"a/**/", "a/b", false},
    {"a/**/b", "a/b", true},
    {"a/**/b", "a/x/b", true},
    {"a/**/b", "a/x/y/b", true},
    {"a/**/b", "x/a/b", false},
    {"a/**/b/**/c", "a/b/b/x/c", true},
    {"a/**/b/**/c", "a/x/c/b", false},
    {"**/a/**", "x/a/b", true},
    {"**/a/**", "x/a", false},
    {"/**", "x", true},
    {"/**/a", "x/a", true},
    {"a/***/b", "a/x/y/b", true},
    {"a/x**/b", "a/xy/b", true},
    {"a/x**/b", "a/x/y/b", false},
    {"a/**x", "a/yx", true},
    {"a/**x", "a/b/x", false},
    /* classes */
    {"[ab]", "a", true},
    {"[ab]", "c", false},
    {"[a-c]x", "bx", true},
    {"[a-c]x", "dx", false},
    {"[!a]", "b", true},
    {"[!a]", "a", false},
    {"[^a]", "b", true},
    {"[]a]", "]", true},
    {"[!]a]", "]", false},
    {"[a-]", "-", true},
    {"[-a]", "-", true},
    {"[a\\]]", "]", true},
    {"[\\-a]", "-", true},
    {"[[:digit:]]", "7", true},
    {"[[:digit:]]", "x", false},
    {"[[:alpha:][:digit:]_]", "_", true},
    {"[![:space:]]", " ", false},
    {"[[:upper:]-z]", "-", true},
    {"[[:]", ":", true},
    {"a[b/c]d", "acd", true},
    {"a[!b]c", "a/c", false},
    {"[\xc0-\xff]", "\xe9", true},
    {"[\xc0-\xff]", "a", false},
    /* quoting */
    {"\\*", "*", true},
    {"\\*", "x", false},
    {"\\a", "a", true},
    {"\\!x", "!x", true},
    {"\\#x", "#x", true},
    {"#x", "#x", true},
    {"a\\ ", "a ", true},
    {"a\\?", "a?", true},
    {"a\\?", "ab", false},
    {"\\[a]", "[a]", true},
    {"a\\\\b", "a\\b", true},
    {"a\\/b", "a/b", true},
    {" a", " a", true},
    {"\xff\n*", "d/\xff\nx", true},
};

static void
pattern__agrees_with_gitignore(void **state)
{
    (void)state;
    assert_true(VV_COUNT(cases) >= 80);
    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        struct pattern_set *p = SET(cases[i].pattern);
        if ((test_path(p, cases[i].path) == PATTERN_MATCH) != cases[i].matches) {
            fail_msg("pattern '%s', path '%s': expected %d", cases[i].pattern, cases[i].path,
                     cases[i].matches);
        }
        pattern_set_free(p);
    }
}

static void
pattern__refuses_what_never_matches(void **state)
{
    static const char *const never[] = {
        "",     "!",   "/",      "!/",      "//",       "a//b", "//a", "a//", ".",
        "..",   "./a", "a/../b", "a/.",     "[",        "[a",   "a[!", "[]",  "[[:digit:]",
        "[\\]", "a\\", "a\\/",   "[[:x:]]", "[[:digit", "[/]",  "a[",
    };
    (void)state;
    struct vv_error err = {0};
    struct pattern_set *p = NULL;
    assert_int_equal(pattern_set_new(&p, &err), VV_OK);
    for (size_t i = 0; i < VV_COUNT(never); i++) {
        if (pattern_set_add(p, never[i], &err) != VV_EUSAGE) {
            fail_msg("'%s' was accepted", never[i]);
        }
    }
    assert_true(pattern_set_empty(p));
    char *huge = calloc(1, 70000);
    memset(huge, 'a', 69999);
    assert_int_equal(pattern_set_add(p, huge, &err), VV_EUSAGE);
    free(huge);
    pattern_set_free(p);
}

static void
pattern__last_match_wins(void **state)
{
    (void)state;
    struct pattern_set *p = SET("*.log", "!keep.log", "/srv/keep.log");
    assert_int_equal(test_path(p, "a.log"), PATTERN_MATCH);
    assert_int_equal(test_path(p, "x/keep.log"), PATTERN_NEGATED);
    assert_int_equal(test_path(p, "srv/keep.log"), PATTERN_MATCH);
    assert_int_equal(test_path(p, "a.txt"), PATTERN_NONE);
    assert_int_equal(test_path(p, ""), PATTERN_NONE);
    struct pattern_match m = pattern_set_match(p, span("x/keep.log"), false);
    assert_int_equal(m.rank, 2);
    pattern_set_free(p);
}

static void
pattern__inherits_exclusion_until_a_later_negation(void **state)
{
    (void)state;
    const struct pattern_match none = {0};
    const struct pattern_match excluded = {.rank = 2, .verdict = PATTERN_MATCH};
    const struct pattern_match earlier = {.rank = 1, .verdict = PATTERN_NEGATED};
    const struct pattern_match later = {.rank = 3, .verdict = PATTERN_NEGATED};
    assert_int_equal(pattern_match_below(none, none).verdict, PATTERN_NONE);
    assert_int_equal(pattern_match_below(none, excluded).verdict, PATTERN_MATCH);
    assert_int_equal(pattern_match_below(excluded, none).verdict, PATTERN_MATCH);
    assert_int_equal(pattern_match_below(excluded, earlier).verdict, PATTERN_MATCH);
    assert_int_equal(pattern_match_below(excluded, later).verdict, PATTERN_NEGATED);
    assert_int_equal(pattern_match_below(later, excluded).verdict, PATTERN_MATCH);
}

static void
pattern__tells_what_may_match_below(void **state)
{
    (void)state;
    struct pattern_set *p = SET("/a/b/c", "!/x/*/z", "d/**", "/e/**/f");
    assert_true(pattern_set_may_match_below(p, span(""), false));
    assert_true(pattern_set_may_match_below(p, span("a"), false));
    assert_true(pattern_set_may_match_below(p, span("a/b"), false));
    assert_false(pattern_set_may_match_below(p, span("a/b/c"), false));
    assert_false(pattern_set_may_match_below(p, span("b"), false));
    assert_true(pattern_set_may_match_below(p, span("d/x/y"), false));
    assert_true(pattern_set_may_match_below(p, span("e/x/y"), false));
    assert_false(pattern_set_may_match_below(p, span("x"), false));
    assert_true(pattern_set_may_match_below(p, span("x"), true));
    assert_true(pattern_set_may_match_below(p, span("x/y"), true));
    assert_false(pattern_set_may_match_below(p, span("x/y/z"), true));
    assert_true(pattern_set_may_include_below(p, 1, span("x")));
    assert_false(pattern_set_may_include_below(p, 2, span("x")));
    pattern_set_free(p);
    p = SET("name");
    assert_true(pattern_set_may_match_below(p, span("any/where"), false));
    assert_false(pattern_set_may_match_below(p, span("any/where"), true));
    pattern_set_free(p);
}

static void
pattern__names_the_unused(void **state)
{
    (void)state;
    struct pattern_set *p = SET("a", "b/", "!c", "a*");
    assert_int_equal(test_path(p, "a"), PATTERN_MATCH);
    /* "a" is overruled by "a*" but has matched. */
    assert_string_equal(pattern_set_unused(p, 0), "b/");
    assert_string_equal(pattern_set_unused(p, 1), "!c");
    assert_null(pattern_set_unused(p, 2));
    assert_int_equal(test_path(p, "c"), PATTERN_NEGATED);
    assert_null(pattern_set_unused(p, 1));
    pattern_set_free(p);
}

static void
pattern__reads_files(void **state)
{
    static const char content[] = "\xef\xbb\xbf# comment\n"
                                  "\n"
                                  "   \n"
                                  "a   \n"
                                  "b\\  \n"
                                  "\\#c\n"
                                  "!\\!d\r\n"
                                  "e/\n"
                                  "last";
    (void)state;
    char name[] = "/tmp/varve-pattern-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, sizeof(content) - 1), (ssize_t)sizeof(content) - 1);
    struct pattern_set *p = NULL;
    struct vv_error err = {0};
    assert_int_equal(pattern_set_new(&p, &err), VV_OK);
    assert_int_equal(pattern_set_add_file(p, name, &err), VV_OK);
    assert_string_equal(pattern_set_unused(p, 0), "a");
    assert_string_equal(pattern_set_unused(p, 5), "last");
    assert_null(pattern_set_unused(p, 6));
    assert_int_equal(test_path(p, "a"), PATTERN_MATCH);
    assert_int_equal(test_path(p, "b "), PATTERN_MATCH);
    assert_int_equal(test_path(p, "#c"), PATTERN_MATCH);
    assert_int_equal(test_path(p, "!d"), PATTERN_NEGATED);
    assert_int_equal(test_path(p, "e"), PATTERN_NONE);
    assert_int_equal(test_path(p, "last"), PATTERN_MATCH);
    assert_int_equal(test_path(p, "# comment"), PATTERN_NONE);

    assert_int_equal(write(fd, "\nx[\n", 4), 4);
    assert_int_equal(pattern_set_add_file(p, name, &err), VV_EUSAGE);
    assert_non_null(strstr(err.message, "line 10"));
    unlink(name);
    assert_int_equal(pattern_set_add_file(p, name, &err), VV_ENOTFOUND);
    close(fd);
    pattern_set_free(p);
}

/* Matchers that go back to more than one star need longer than the universe for these. */
static void
pattern__needs_bounded_time(void **state)
{
    (void)state;
    enum { LEN = 4000 };
    static char path[LEN + 1];
    static char deep[LEN + 1];
    static char stars[602];
    static char deeps[1202];
    memset(path, 'a', LEN);
    for (size_t i = 0; i < LEN; i++) {
        deep[i] = i % 2 == 0 ? 'a' : '/';
    }
    deep[LEN - 1] = 'c';
    for (size_t i = 0; i < 600; i++) {
        stars[i] = i % 2 == 0 ? '*' : 'a';
    }
    stars[600] = 'b';
    for (size_t i = 0; i < 1200; i += 5) {
        memcpy(deeps + i, "**/a/", 5);
    }
    deeps[1200] = 'b';
    struct pattern_set *p = SET(stars);
    assert_int_equal(test_path(p, path), PATTERN_NONE);
    pattern_set_free(p);
    stars[600] = '*';
    p = SET(stars);
    assert_int_equal(test_path(p, path), PATTERN_MATCH);
    pattern_set_free(p);
    p = SET(deeps);
    assert_int_equal(test_path(p, deep), PATTERN_NONE);
    pattern_set_free(p);
    p = SET("**/*a*a*a*a*a*a*a*a*b/**/*a*a*a*b", "**/**/**/**/**/**/**/x");
    assert_int_equal(test_path(p, deep), PATTERN_NONE);
    pattern_set_free(p);
}

static enum vv_rc
build_set(void *arg, struct vv_error *err)
{
    (void)arg;
    VV_CLEANUP(pattern_set_freep) struct pattern_set *p = NULL;
    VV_TRY(pattern_set_new(&p, err));
    VV_TRY(pattern_set_add(p, "a/**/[b-d]*", err));
    VV_TRY(pattern_set_add(p, "!x[[:digit:]][!a]", err));
    assert_int_equal(test_path(p, "a/b/cx"), PATTERN_MATCH);
    assert_int_equal(test_path(p, "x7b"), PATTERN_NEGATED);
    return VV_OK;
}

static void
pattern__survives_lack_of_memory(void **state)
{
    (void)state;
    assert_true(alloc_sweep_coping(build_set, NULL) > 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pattern__agrees_with_gitignore),
        cmocka_unit_test(pattern__refuses_what_never_matches),
        cmocka_unit_test(pattern__last_match_wins),
        cmocka_unit_test(pattern__inherits_exclusion_until_a_later_negation),
        cmocka_unit_test(pattern__tells_what_may_match_below),
        cmocka_unit_test(pattern__names_the_unused),
        cmocka_unit_test(pattern__reads_files),
        cmocka_unit_test(pattern__needs_bounded_time),
        cmocka_unit_test(pattern__survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

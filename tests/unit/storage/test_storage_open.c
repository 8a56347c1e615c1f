/* SPDX-License-Identifier: BSD-2-Clause */
/* Which driver an argument for REPO leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "storage/conformance.h"
#include "storage/storage_internal.h"

static void
expect_local(const char *argument, const char *path)
{
    struct storage *s = NULL;
    struct vv_error err = {0};
    if (storage_open(argument, &(struct storage_options){0}, &s, &err) != VV_OK) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(s->ops->scheme, "local");
    assert_string_equal(s->url, path);
    storage_free(s);
}

static void
expect_refusal(const char *argument, enum vv_rc expected)
{
    struct storage *s = NULL;
    struct vv_error err = {0};
    must_fail(storage_open(argument, &(struct storage_options){0}, &s, &err), expected, &err);
    assert_null(s);
    assert_true(argument[0] == '\0' || err.hint[0] != '\0');
}

static void
storage_open__takes_paths(void **state)
{
    (void)state;
    expect_local("/backup/shop", "/backup/shop");
    expect_local("/backup/shop//", "/backup/shop");
    expect_local("/", "/");
    expect_local("///", "/");
    expect_local("/with:colon", "/with:colon");
    expect_local("/100%25", "/100%25");
}

static void
storage_open__takes_file_urls(void **state)
{
    (void)state;
    expect_local("file:///backup/shop", "/backup/shop");
    expect_local("FILE:///backup", "/backup");
    expect_local("file:///my%20repo/100%25/%C3%a4", "/my repo/100%/\xc3\xa4");
    expect_refusal("file://host/path", VV_EUSAGE);
    expect_refusal("file://", VV_EUSAGE);
    expect_refusal("file:///a%2", VV_EUSAGE);
    expect_refusal("file:///a%", VV_EUSAGE);
    expect_refusal("file:///a%zz", VV_EUSAGE);
    expect_refusal("file:///a%00b", VV_EUSAGE);
}

static void
storage_open__takes_sftp_urls(void **state)
{
    static const char *const urls[] = {"sftp://user@host/path", "SFTP://host/~/path/"};
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct storage *s = NULL;
        struct vv_error err = {0};
        assert_int_equal(storage_open(urls[i], &(struct storage_options){0}, &s, &err), VV_OK);
        assert_string_equal(s->ops->scheme, "sftp");
        assert_memory_equal(s->url, urls[i], strlen(s->url)); /* connects when first used */
        storage_free(s);
    }
    expect_refusal("sftp://host", VV_EUSAGE);
    expect_refusal("sftp://user:secret@host/path", VV_EUSAGE);
}

static void
storage_open__names_schemes_that_come_later(void **state)
{
    (void)state;
    expect_refusal("s3://bucket/prefix", VV_EUNSUPPORTED);
}

static void
storage_open__refuses_what_is_easily_mistaken(void **state)
{
    (void)state;
    expect_refusal("", VV_EUSAGE);
    expect_refusal("user@host:/backup", VV_EUSAGE);
    expect_refusal("sftp:user@host:/backup", VV_EUSAGE);
    expect_refusal("http://host/", VV_EUSAGE);
    expect_refusal("s4://host/", VV_EUSAGE);
    expect_refusal("://x", VV_EUSAGE);
}

static void
layout__names_and_membership_agree(void **state)
{
    (void)state;
    char name[STORAGE_LAYOUT_NAME];
    for (size_t i = 0; i < storage_layout_count(); i++) {
        storage_layout_name(i, name);
        assert_true(storage_layout_has(name, strlen(name)));
        /* a parent comes before its children */
        size_t parent = storage_directory_len(name);
        bool found = parent == 0;
        for (size_t k = 0; k < i && !found; k++) {
            char earlier[STORAGE_LAYOUT_NAME];
            storage_layout_name(k, earlier);
            found = strlen(earlier) == parent && strncmp(earlier, name, parent) == 0;
        }
        assert_true(found);
    }
    static const char *const others[] = {"",         "key",      "keyss",    "packs/",
                                         "packs/0",  "packs/AB", "packs/0g", "packs/000",
                                         "index/00", "pack/00"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(storage_layout_has(others[i], strlen(others[i])));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_open__takes_paths),
        cmocka_unit_test(storage_open__takes_file_urls),
        cmocka_unit_test(storage_open__takes_sftp_urls),
        cmocka_unit_test(storage_open__names_schemes_that_come_later),
        cmocka_unit_test(storage_open__refuses_what_is_easily_mistaken),
        cmocka_unit_test(layout__names_and_membership_agree),
    };
    return cmocka_run_group_tests_name("storage_open", tests, NULL, NULL);
}

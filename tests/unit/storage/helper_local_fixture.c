/* SPDX-License-Identifier: BSD-2-Clause */
/* Directories for the tests of the local driver. */
#include "storage/local_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
no_fsync(int fd)
{
    (void)fd;
    return 0;
}

static int
open_call(int directory, const char *name, int flags, mode_t mode)
{
    return local_system_calls.open(directory, name, flags, mode);
}

static int
link_call(int from_directory, const char *from, int to_directory, const char *to)
{
    return local_system_calls.link(from_directory, from, to_directory, to);
}

static int
unlink_call(int directory, const char *name)
{
    return local_system_calls.unlink(directory, name);
}

const struct local_calls calls_without_fsync = {
    .open = open_call,
    .write = write,
    .fsync = no_fsync,
    .close = close,
    .link = link_call,
    .unlink = unlink_call,
    .renameat2 = renameat2,
};

void
local_fixture_begin(struct local_fixture *f)
{
    local_fixture_begin_in(f, "/tmp");
}

void
local_fixture_begin_in(struct local_fixture *f, const char *directory)
{
    const char *tmp = getenv("TMPDIR");
    memset(f, 0, sizeof(*f));
    snprintf(f->base, sizeof(f->base), "%s/varve-storage-XXXXXX", tmp == NULL ? directory : tmp);
    assert_non_null(mkdtemp(f->base));
    snprintf(f->root, sizeof(f->root), "%s/repo", f->base);
    assert_int_equal(storage_local_new(f->root, &f->s, NULL), VV_OK);
}

void
local_fixture_layout(struct local_fixture *f)
{
    struct vv_error err = {0};
    local_fixture_begin(f);
    if (storage_make_layout(f->s, &err) != VV_OK) {
        fail_msg("%s", err.message);
    }
}

void
local_fixture_end(struct local_fixture *f)
{
    storage_free(f->s);
    f->s = NULL;
    delete_tree(f->base);
}

const char *
local_fixture_path(const struct local_fixture *f, const char *name, char out[600])
{
    snprintf(out, 600, "%s/%s", f->root, name);
    return out;
}

static int
delete_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)where;
    return kind == FTW_DP || kind == FTW_DNR ? rmdir(path) : unlink(path);
}

void
delete_tree(const char *path)
{
    (void)nftw(path, delete_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

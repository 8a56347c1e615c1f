/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks a file of WAL against its name, looks whether it is there already, and publishes it. */
#include "engine/wal_push.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "engine/closure_internal.h"
#include "engine/wal_fetch.h"
#include "format/wal.h"

#define OTHER_MOST (1u << 20)

/** What is being pushed. */
struct pushing {
    const struct wal_push_options *options;
    int fd;
    const char *name;
    struct wal_file_name parsed;
    struct wal_file file;
    struct snapshot_wal wal;
};

static enum vv_rc
read_file(void *ctx, uint64_t offset, uint8_t *buf, size_t len, struct vv_error *err)
{
    const struct pushing *p = ctx;
    size_t got = 0;
    enum vv_rc rc = vv_fd_pread_full(p->fd, buf, len, offset, p->options->path, &got, err);

    if (rc == VV_OK && got < len) {
        rc = vv_error_set(err, VV_EIO, "'%s' became shorter while it was read", p->options->path);
    }
    return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
}

static enum vv_rc
not_as_named(const struct pushing *p, const char *what, struct vv_error *err)
{
    (void)vv_error_set(err, VV_ECORRUPT, "'%s' %s", p->options->path, what);
    return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ECORRUPT);
}

/** A segment, whole or the last of its timeline. */
static enum vv_rc
check_segment(struct pushing *p, struct vv_error *err)
{
    uint8_t head[WAL_FIRST_PAGE];
    struct wal_first_page page;
    uint64_t number;

    if (p->file.size < sizeof(head)) {
        return not_as_named(p, "is too short for a segment of WAL", err);
    }
    VV_TRY(read_file(p, 0, head, sizeof(head), err));
    if (wal_first_page_decode(vv_span(head, sizeof(head)), &page, err) != VV_OK) {
        enum vv_rc rc = vv_error_prefix(err, "'%s'", p->options->path);
        return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
    }
    if (p->file.size != page.segment_size) {
        return not_as_named(p, "has not the length of a segment", err);
    }
    if (!wal_file_number(&p->parsed, page.segment_size, &number) ||
        page.start != number * page.segment_size || page.timeline > p->parsed.timeline) {
        return not_as_named(p, "holds another segment than its name says", err);
    }
    p->wal.system = page.system;
    p->wal.segment_size = page.segment_size;
    p->wal.from = page.start;
    p->wal.to = p->parsed.kind == WAL_FILE_SEGMENT ? page.start + page.segment_size : page.start;
    return VV_OK;
}

/** The cluster a file belongs to that does not say it: of the data directory it lies in. */
static enum vv_rc
ask_control(const struct pushing *p, uint64_t *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf control = {0};
    size_t directory = (size_t)(p->name - p->options->path);
    enum vv_rc rc;

    vv_buf_put(&path, p->options->path, directory);
    vv_buf_put_text(&path, "../global/pg_control");
    VV_TRY(vv_buf_check(&path, err));
    rc = vv_file_read(AT_FDCWD, vv_buf_text(&path), OTHER_MOST, &control, err);
    if (rc == VV_OK) {
        rc = wal_control_decode(vv_buf_span(&control), ret, err);
    }
    if (rc != VV_OK) {
        vv_error_hint(err, "give --system ID ('varve wal list', or pg_controldata, tells it)");
        return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
    }
    return VV_OK;
}

/** A history, or a backup's label: small, and text. */
static enum vv_rc
check_other(struct pushing *p, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf content = {0};
    struct vv_arena arena = {0};
    struct wal_history h;
    enum vv_rc rc;

    if (p->file.size > OTHER_MOST) {
        return not_as_named(p, "is too long", err);
    }
    p->wal.system = p->options->system;
    if (p->wal.system == 0) {
        VV_TRY(ask_control(p, &p->wal.system, err));
    }
    if (p->parsed.kind != WAL_FILE_HISTORY) {
        return VV_OK;
    }
    VV_TRY(vv_buf_reserve(&content, (size_t)p->file.size, err));
    VV_TRY(read_file(p, 0, content.data, (size_t)p->file.size, err));
    content.len = (size_t)p->file.size;
    rc = wal_history_parse(vv_buf_span(&content), p->parsed.timeline, &arena, &h, err);
    vv_arena_release(&arena);
    if (rc != VV_OK) {
        (void)vv_error_prefix(err, "'%s'", p->options->path);
    }
    return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
}

static enum vv_rc
open_file(struct pushing *p, struct vv_error *err)
{
    const char *path = p->options->path;
    const char *slash = strrchr(path, '/');
    struct stat st;

    p->name = slash != NULL ? slash + 1 : path;
    p->parsed = wal_file_name_parse(p->name);
    if (p->parsed.kind == WAL_FILE_OTHER) {
        (void)vv_error_set(err, VV_EUSAGE, "'%s' is no name of a file of WAL", p->name);
        vv_error_hint(err, "as archive_command: varve wal push %%p");
        return VV_EUSAGE;
    }
    p->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (p->fd < 0 || fstat(p->fd, &st) != 0) {
        enum vv_rc rc = vv_error_sys(err, errno, "cannot open '%s'", path);
        return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
    }
    if (!S_ISREG(st.st_mode)) {
        return not_as_named(p, "is no regular file", err);
    }
    p->file = (struct wal_file){
        .name = p->name, .size = (uint64_t)st.st_size, .read = read_file, .ctx = p};
    p->wal.timeline = p->parsed.timeline;
    p->wal.segment_size = WAL_SEGMENT_LEAST; /* of files that have none */
    return p->parsed.kind == WAL_FILE_SEGMENT || p->parsed.kind == WAL_FILE_PARTIAL
               ? check_segment(p, err)
               : check_other(p, err);
}

/** Is it there, and the same?  What is kept of slots serves to find it: only that it is there must not be
 *  believed from memory, since the server then throws its own away. */
static enum vv_rc
look_for_it(struct repo *r, const struct pushing *p, struct wal_push_summary *ret,
            struct vv_error *err)
{
    VV_CLEANUP(wal_fetcher_freep) struct wal_fetcher *f = NULL;
    VV_CLEANUP(snapshot_list_release) struct snapshot_list l = {0};
    struct wal_found found = {0};
    struct vv_error why = {0};
    bool same = false;
    enum vv_rc rc;

    VV_TRY(snapshot_list_read(r, &l, err));
    VV_TRY(wal_fetcher_open(r, &l, &f, err));
    if (!wal_catalog_knows(wal_fetcher_catalog(f), p->wal.system)) {
        return VV_OK;
    }
    rc = wal_fetch_find(f, p->wal.system, p->name, &found, &why);
    if (rc != VV_OK && !found.gap && rc != VV_ECORRUPT && rc != VV_EFORGED) {
        *err = why;
        return rc;
    }
    if (rc != VV_OK || found.absent) {
        return VV_OK; /* it is not there, or nobody can tell: it is published */
    }
    VV_TRY(wal_fetch_compare(f, p->wal.system, p->name, &found, &p->file, &same, err));
    if (!same) {
        (void)vv_error_set(err, VV_EREFUSED,
                           "'%s' is in the repository already, with another content", p->name);
        vv_error_hint(err, "has a second server, or a restored one, the same system identifier and "
                           "timeline? each archives to a repository of its own");
        return VV_EREFUSED;
    }
    if (found.stored >= p->file.size) { /* else the receiver has a piece of it */
        rc = snapshot_confirm(r, found.snapshot, &why);
        ret->already = rc == VV_OK;
    }
    if (rc != VV_OK && !damage_found(rc, &why)) { /* else it is published again */
        *err = why;
        return rc;
    }
    return VV_OK;
}

enum vv_rc
wal_push(struct repo *r, const struct wal_push_options *o, struct wal_push_summary *ret,
         struct vv_error *err)
{
    struct pushing p = {.options = o, .fd = -1};
    struct wal_push_summary summary = {0};
    struct vv_error own = {0};
    enum vv_rc rc = open_file(&p, &own);

    summary.system = p.wal.system;
    summary.bytes = p.file.size;
    summary.compared = keyring_may_read(repo_keyring(r));
    if (rc == VV_OK && summary.compared) {
        rc = look_for_it(r, &p, &summary, &own);
    }
    if (rc == VV_OK && !summary.already) {
        struct wal_publication publication = {.wal = p.wal,
                                              .files = &p.file,
                                              .count = 1,
                                              .host = o->host,
                                              .user = o->user,
                                              .level = o->level};
        rc = wal_publish(r, &publication, &summary.snapshot, &own);
    }
    vv_fd_close(p.fd);
    if (rc != VV_OK) {
        if (err != NULL) {
            *err = own;
        }
        return rc;
    }
    *ret = summary;
    return VV_OK;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A PostgreSQL cluster as a source: making and freeing it, and the verdict. */
#include "source/base_files.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "format/postgres_page.h"

/* A read that is slow on the server is no lost connection. */
#define SILENCE_SECONDS 600u
/* pg_backup_start says nothing until its checkpoint is done. */
#define CHECKPOINT_SECONDS 21600u

static void
base_item_release(struct source *s, struct source_item *item)
{
    (void)s;
    base_item_free(item);
}

static enum vv_rc
base_end(struct source *s, struct vv_error *err)
{
    struct base_source *b = (struct base_source *)s;
    struct vv_error local = {0};

    if (b->error.rc == VV_OK && b->phase == BASE_DONE) {
        return VV_OK;
    }
    (void)vv_error_set(&local, VV_EIO, "the base backup was not read to its end");
    (void)vv_error_origin(&local, VV_ORIGIN_SOURCE, VV_EIO);
    return base_fail(b, &local, err);
}

static void
base_free(struct source *s)
{
    struct base_source *b = (struct base_source *)s;

    for (size_t i = b->queue_at; i < b->queue_count; i++) {
        base_item_free(&b->queue[i]);
    }
    vv_free(b->queue);
    base_wal_free(b->wal);
    base_files_free(b->files);
    postgres_free(b->sql);
    postgres_free(b->server);
    base_members_release(&b->members);
    base_pages_release(&b->pages);
    vv_buf_release(&b->manifest);
    vv_buf_release(&b->map);
    vv_buf_release(&b->history);
    vv_buf_release(&b->control);
    vv_buf_release(&b->label);
    vv_buf_release(&b->previous);
    fs_names_release(&b->names);
    vv_free(b->target);
    vv_free(b->root);
    vv_free(b->temp_dir);
    vv_free(b);
}

static const struct source_ops base_ops = {
    .sequence = true,
    .next = base_next,
    .item_release = base_item_release,
    .open = base_open,
    .read = base_read,
    .close = base_close,
    .end = base_end,
    .free = base_free,
};

/* "0700" */
static enum vv_rc
ask_mode(struct base_source *b, uint64_t *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    char *end = NULL;

    VV_TRY(postgres_show(b->server, "data_directory_mode", &text, err));
    *ret = strtoull(vv_buf_text(&text), &end, 8);
    if (end == vv_buf_text(&text)) {
        (void)vv_error_set(err, VV_ECORRUPT, "the server's data_directory_mode is no mode");
        return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ECORRUPT);
    }
    return VV_OK;
}

static enum vv_rc
ask(struct base_source *b, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf checksums = {0};
    struct postgres_system system;
    uint64_t page = 0;
    uint64_t mode = 0;
    uint64_t in_segment = 0;

    VV_TRY(postgres_identify(b->server, &system, err));
    b->facts.system = system.system;
    VV_TRY(postgres_segment_size(b->server, &b->facts.segment_size, err));
    VV_TRY(postgres_show(b->server, "data_checksums", &checksums, err));
    b->checksums = strcmp(vv_buf_text(&checksums), "on") == 0;
    VV_TRY(postgres_show_size(b->server, "block_size", &page, err));
    VV_TRY(postgres_show_size(b->server, "segment_size", &in_segment, err));
    VV_TRY(ask_mode(b, &mode, err));
    if (page < POSTGRES_PAGE_SIZE_LEAST || page > POSTGRES_PAGE_SIZE_MOST ||
        (page & (page - 1)) != 0) {
        (void)vv_error_set(err, VV_EUNSUPPORTED, "the server has pages of %llu bytes",
                           (unsigned long long)page);
        return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_EUNSUPPORTED);
    }
    b->pages.page_size = (uint32_t)page;
    b->pages.relation_pages = (uint32_t)(in_segment / page);
    b->data_mode = (uint32_t)mode & 0777u;
    return VV_OK;
}

/* The files are here: the connection that holds the backup open, and where they are. */
static enum vv_rc
open_files(struct base_source *b, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf directory = {0};
    struct postgres_options connect = {.target = b->target,
                                       .use = POSTGRES_SQL,
                                       .silence_seconds = CHECKPOINT_SECONDS,
                                       .events = b->options.events,
                                       .cancel = b->options.cancel};
    enum vv_rc rc;

    VV_TRY(postgres_open(&connect, &b->sql, err));
    rc = postgres_show(b->sql, "data_directory", &directory, err);
    if (rc != VV_OK) {
        if (strcmp(postgres_sqlstate(b->sql), "42501") == 0) {
            vv_error_hint(err, "as a superuser: grant pg_read_all_settings to ROLE");
        }
        return rc;
    }
    return base_files_open(b, vv_buf_text(&directory), postgres_version(b->sql), &b->files, err);
}

enum vv_rc
source_postgres_new(const struct source_postgres_options *o, struct source **ret,
                    struct vv_error *err)
{
    struct base_source *b = vv_alloc_array(1, sizeof(*b));
    struct postgres_options connect = {.target = o->target,
                                       .use = POSTGRES_REPLICATION,
                                       .silence_seconds = SILENCE_SECONDS,
                                       .events = o->events,
                                       .cancel = o->cancel};

    if (b == NULL) {
        return vv_error_nomem(err);
    }
    b->base.ops = &base_ops;
    b->file.base.ops = &base_ops;
    b->file.source = b;
    fs_names_init(&b->names);
    VV_CLEANUP(source_freep) struct source *s = &b->base;
    b->options = *o;
    b->target = vv_strdup(o->target);
    b->root = vv_strdup(o->root);
    b->temp_dir = vv_strdup(o->temp_dir);
    if (b->target == NULL || b->root == NULL || b->temp_dir == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(postgres_open(&connect, &b->server, err));
    VV_TRY(ask(b, err));
    if (o->files) {
        VV_TRY(open_files(b, err));
    }
    *ret = TAKE(s);
    return VV_OK;
}

enum vv_rc
source_postgres_begin(struct source *s, struct vv_span previous, struct source **ret,
                      struct vv_error *err)
{
    struct base_source *b = (struct base_source *)s;
    struct vv_error local = {0};
    enum vv_rc rc;

    *ret = NULL;
    if (b->files == NULL) {
        return VV_OK; /* the first source_next begins it */
    }
    vv_buf_put(&b->previous, previous.data, previous.len);
    rc = vv_buf_check(&b->previous, &local);
    rc = rc == VV_OK ? base_files_begin(b, &local) : rc;
    if (rc != VV_OK) {
        return base_fail(b, &local, err);
    }
    *ret = &b->files->base;
    return VV_OK;
}

void
source_postgres_files_read(struct source *s)
{
    ((struct base_source *)s)->files_read = true;
}

struct source_postgres_facts
source_postgres_facts(const struct source *s)
{
    return ((const struct base_source *)s)->facts;
}

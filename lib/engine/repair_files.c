/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair: chunks that are lost, read again from the files of this host: A5. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compress/compress.h"
#include "core/alloc.h"
#include "core/file.h"
#include "engine/closure_internal.h"
#include "engine/id_table_internal.h"
#include "engine/look_internal.h"
#include "engine/repair_internal.h"
#include "repo/pack_writer.h"

#define SMALL_FILE (1u << 20)

enum chunk_state { CHUNK_LOST, CHUNK_FOUND };

struct rereading {
    struct repair *x;
    struct looker look;
    struct id_table lost; /* chunks of type data; value: enum chunk_state */
    struct writer_session *session;
    struct chunk_index *index; /* for writing */
    struct pack_writer *writer;
    struct block_builder *builder;
    struct vv_buf bytes;
    struct vv_arena arena;
    const struct entry *entry; /* the file at hand */
    int fd;                    /* -1: not opened yet; -2: cannot be used */
    uint64_t left;             /* chunks still lost */
};

static void
release(struct rereading *f)
{
    block_builder_free(f->builder);
    pack_writer_free(f->writer);
    chunk_index_free(f->index);
    writer_session_free(f->session);
    looker_close(&f->look);
    id_table_release(&f->lost);
    vv_buf_release(&f->bytes);
    vv_arena_release(&f->arena);
}

/* --- what is lost ------------------------------------------------------------------------------ */

static bool
is_lost_pack(const struct repair *x, const struct vv_id *hash)
{
    const struct vv_id *ids = (const struct vv_id *)(const void *)x->wanted.data;

    for (size_t i = 0; i < x->wanted.len / sizeof(*ids); i++) {
        if (vv_id_equal(&ids[i], hash)) {
            return true;
        }
    }
    return false;
}

static enum vv_rc
collect_lost(void *ctx, const struct pack_name *name, const struct index_body *body,
             struct vv_error *err)
{
    struct rereading *f = ctx;
    VV_CLEANUP(pack_directory_release) struct pack_directory d = {0};

    if (!is_lost_pack(f->x, &name->hash)) {
        return VV_OK;
    }
    VV_TRY(pack_directory_decode(body->directory, body->file_size, &d, err));
    for (uint32_t i = 0; i < d.chunk_count; i++) {
        struct id_slot *slot;
        struct vv_error why = {0};
        bool is_new;
        enum vv_rc rc;
        if (d.chunks[i].type != CHUNK_DATA) {
            continue;
        }
        VV_TRY(vv_cancel_check(repo_cancel(f->x->repo), err));
        vv_buf_reset(&f->bytes);
        rc = chunk_read_here(f->look.chunks, CHUNK_DATA, &d.chunks[i].id, &f->bytes, &why);
        if (rc != VV_OK && !damage_found(rc, &why)) {
            *err = why;
            return rc;
        }
        if (rc != VV_OK) {
            VV_TRY(id_table_put(&f->lost, &d.chunks[i].id, &slot, &is_new, err));
            f->left += is_new;
        }
    }
    return VV_OK;
}

/* --- reading again ----------------------------------------------------------------------------- */

/** The file an entry came from; it may be anything by now. */
static int
open_file(const struct entry *e)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    struct stat st;
    int fd;

    vv_buf_put_u8(&path, '/');
    vv_buf_put(&path, e->path.data, e->path.len);
    fd = open(vv_buf_text(&path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        vv_fd_close(fd);
        fd = -1;
    }
    return fd >= 0 ? fd : -2;
}

/** Stored content from ${offset}, ${len} bytes, out of the file, which may have holes. */
static bool
read_stored(struct rereading *f, uint64_t offset, size_t len)
{
    struct extent whole;
    const struct extent *extents;
    uint32_t count;

    look_extents(f->entry, &whole, &extents, &count);
    vv_buf_reset(&f->bytes);
    if (vv_buf_reserve(&f->bytes, len, NULL) != VV_OK) {
        return false;
    }
    for (uint32_t i = 0; i < count && f->bytes.len < len; i++) {
        uint64_t run = extents[i].len;
        size_t got = 0;
        if (offset >= run) {
            offset -= run;
            continue;
        }
        run -= offset;
        run = run < len - f->bytes.len ? run : len - f->bytes.len;
        if (vv_fd_pread_full(f->fd, f->bytes.data + f->bytes.len, (size_t)run,
                             extents[i].offset + offset, "file", &got, NULL) != VV_OK ||
            got != run) {
            return false;
        }
        f->bytes.len += got;
        offset = 0;
    }
    return f->bytes.len == len;
}

static enum vv_rc
begin_writing(struct rereading *f, struct vv_error *err)
{
    struct pack_writer_options options = {.level = COMPRESS_LEVEL, .threads = 1};
    struct repo *r = f->x->repo;

    if (f->builder != NULL) {
        return VV_OK;
    }
    VV_TRY(writer_session_begin(r, SESSION_REPAIR, &f->session, err));
    VV_TRY(chunk_index_open(r, &f->index, err));
    VV_TRY(pack_writer_new(r, f->session, f->index, &options, &f->writer, err));
    return block_builder_new(f->writer, &f->builder, err);
}

/** A chunk of the file at hand. */
static enum vv_rc
try_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    struct rereading *f = ctx;
    struct id_slot *slot = id_table_find(&f->lost, &chunk->id);
    struct vv_id id;
    bool is_new;

    if (slot == NULL || slot->value == CHUNK_FOUND || f->fd == -2) {
        return VV_OK;
    }
    if (f->fd == -1) {
        f->fd = open_file(f->entry);
    }
    if (f->fd < 0 || !read_stored(f, offset, (size_t)chunk->size)) {
        return VV_OK;
    }
    chunk_id(repo_keyring(f->x->repo), CHUNK_DATA, vv_buf_span(&f->bytes), &id);
    if (!vv_id_equal(&id, &chunk->id)) {
        return VV_OK; /* it has changed since */
    }
    VV_TRY(begin_writing(f, err));
    VV_TRY(block_builder_put(f->builder, f->entry->size <= SMALL_FILE ? BLOCK_SMALL : BLOCK_BULK,
                             CHUNK_DATA, &id, vv_buf_span(&f->bytes), &is_new, err));
    slot->value = CHUNK_FOUND;
    f->left--;
    f->x->s.chunks_reread++;
    f->x->s.bytes_reread += f->bytes.len;
    return VV_OK;
}

static enum vv_rc
pass_over(void *ctx, uint64_t offset, uint64_t len, const struct vv_error *why,
          struct vv_error *err)
{
    (void)ctx;
    (void)offset;
    (void)len;
    (void)why;
    (void)err;
    return VV_OK;
}

/** One entry of a snapshot. */
static enum vv_rc
try_entry(struct rereading *f, const struct entry *e, struct vv_error *err)
{
    struct entry complete = *e;
    struct vv_error why = {0};
    enum vv_rc rc;

    if (e->type != ENTRY_FILE || e->content.size == 0) {
        return VV_OK;
    }
    vv_arena_reset(&f->arena);
    if (e->extents_stream.size > 0 &&
        entry_complete(f->look.chunks, &complete, &f->arena, &why) != VV_OK) {
        return VV_OK; /* where its holes are is lost */
    }
    f->entry = &complete;
    f->fd = -1;
    rc = stream_each_chunk(f->look.chunks, &complete.content, try_chunk, pass_over, f, err);
    if (f->fd >= 0) {
        vv_fd_close(f->fd);
    }
    f->fd = -1;
    f->entry = NULL;
    return rc;
}

static enum vv_rc
try_snapshot(struct rereading *f, const struct snapshot *s, struct vv_error *err)
{
    VV_CLEANUP(tree_cursor_freep) struct tree_cursor *t = NULL;

    VV_TRY(tree_cursor_new(f->look.chunks, &s->body.root, vv_span(NULL, 0), &t, err));
    while (f->left > 0) {
        const struct entry *e;
        bool gap = false;
        VV_TRY(vv_cancel_check(repo_cancel(f->x->repo), err));
        VV_TRY(look_next(&f->look, t, s, &e, &gap, err));
        if (e == NULL) {
            break;
        }
        VV_TRY(try_entry(f, e, err));
    }
    return VV_OK;
}

static enum vv_rc
finish(struct rereading *f, struct vv_error *err)
{
    if (f->builder == NULL) {
        return VV_OK;
    }
    VV_TRY(block_builder_flush(f->builder, err));
    VV_TRY(pack_writer_flush(f->writer, err));
    VV_TRY(writer_session_commit(f->session, vv_span(NULL, 0), 0, err));
    vv_emit(repo_events(f->x->repo), VV_EVENT_PROBLEM, "chunks-reread", vv_span(NULL, 0),
            "%llu lost chunks were read again from the files of this host",
            (unsigned long long)f->x->s.chunks_reread);
    return VV_OK;
}

static enum vv_rc
work(struct rereading *f, struct vv_error *err)
{
    struct snapshot_list l = {0};
    enum vv_rc rc;

    VV_TRY(looker_open(&f->look, f->x->repo, err));
    VV_TRY(chunk_index_each_pack(f->look.index, collect_lost, f, err));
    if (f->left == 0) {
        return VV_OK;
    }
    VV_TRY(snapshot_list_read(f->x->repo, &l, err));
    rc = VV_OK;
    for (size_t i = l.count; i-- > 0 && rc == VV_OK && f->left > 0;) { /* the newest first */
        if (strcmp(l.snapshots[i].body.host, f->x->options->host) == 0) {
            rc = try_snapshot(f, &l.snapshots[i], err);
        }
    }
    snapshot_list_release(&l);
    VV_TRY(rc);
    return finish(f, err);
}

enum vv_rc
repair_files(struct repair *x, struct vv_error *err)
{
    struct rereading f = {.x = x, .fd = -1};
    enum vv_rc rc;

    if (x->wanted.len == 0 || x->options->host == NULL) {
        return VV_OK;
    }
    rc = work(&f, err);
    release(&f);
    return rc;
}

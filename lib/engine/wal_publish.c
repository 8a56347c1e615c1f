/* SPDX-License-Identifier: BSD-2-Clause */
/* Publishing WAL: files in pieces of a fixed size, a small tree, a snapshot. */
#include "engine/wal_publish.h"

#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "crypto/hash.h"
#include "repo/tree.h"

/* A piece of a segment that grew is published again: all of its chunks but the last are known.  Small
 * chunks keep what is stored twice small, large ones the lists. */
#define CHUNK_BYTES (128u << 10)
#define CHUNKS_AT_ONCE 16u

/** One publication. */
struct publishing {
    struct repo *repo;
    const struct wal_publication *p;
    struct writer_session *session;
    struct chunk_index *index;
    struct pack_writer *packs;
    struct block_builder *builder;
    struct stream_writer *stream;
    struct tree_writer *tree;
    struct vv_arena arena;
    uint8_t *buffer; /* CHUNKS_AT_ONCE * CHUNK_BYTES */
    int64_t start;
    uint64_t bytes;
};

void
wal_path(uint64_t system, const char *name, struct vv_buf *out)
{
    vv_buf_printf(out, "postgres/%llu/wal%s%s", (unsigned long long)system,
                  name[0] != '\0' ? "/" : "", name);
}

static void
release(struct publishing *g)
{
    vv_free(g->buffer);
    tree_writer_free(g->tree);
    stream_writer_free(g->stream);
    block_builder_free(g->builder);
    pack_writer_free(g->packs);
    chunk_index_free(g->index);
    writer_session_free(g->session);
    vv_arena_release(&g->arena);
}

static enum vv_rc
open_writers(struct publishing *g, struct vv_error *err)
{
    struct pack_writer_options packs = {.level = g->p->level, .threads = 1};

    VV_TRY(chunk_index_open(g->repo, &g->index, err));
    VV_TRY(writer_session_begin(g->repo, SESSION_BACKUP, &g->session, err));
    chunk_index_for_writing(g->index, writer_session_condemned(g->session),
                            writer_session_admin(g->session),
                            &writer_session_client(g->session)->id);
    VV_TRY(pack_writer_new(g->repo, g->session, g->index, &packs, &g->packs, err));
    VV_TRY(block_builder_new(g->packs, &g->builder, err));
    VV_TRY(stream_writer_new(g->repo, g->builder, true, &g->stream, err));
    VV_TRY(tree_writer_new(g->repo, g->builder, &g->tree, err));
    g->buffer = vv_alloc((size_t)CHUNKS_AT_ONCE * CHUNK_BYTES);
    return g->buffer != NULL ? VV_OK : vv_error_nomem(err);
}

void
wal_chunk_ids_release(struct wal_chunk_ids *c)
{
    vv_free(c->ids);
    memset(c, 0, sizeof(*c));
}

static void
remember(struct wal_chunk_ids *c, const struct vv_id *id)
{
    if (c->count == c->room) {
        size_t room = c->room == 0 ? 64 : c->room * 2;
        struct vv_id *grown = vv_realloc_array(c->ids, room, sizeof(*grown));
        if (grown == NULL) {
            return; /* then it is read again */
        }
        c->ids = grown;
        c->room = room;
    }
    c->ids[c->count++] = *id;
}

/** The whole chunks at the beginning that are known already; where they end. */
static enum vv_rc
put_known(struct publishing *g, const struct wal_file *f, uint64_t *ret_end, struct vv_error *err)
{
    size_t i = 0;

    while (f->known != NULL && i < f->known->count && (i + 1) * CHUNK_BYTES <= f->size) {
        struct chunk_ref ref = {.id = f->known->ids[i], .size = CHUNK_BYTES};
        bool known = false;
        VV_TRY(pack_writer_knows(g->packs, CHUNK_DATA, &ref.id, &known, err));
        if (!known) {
            break;
        }
        VV_TRY(stream_writer_add(g->stream, &ref, err));
        i++;
    }
    if (f->known != NULL) {
        f->known->count = i;
    }
    *ret_end = i * CHUNK_BYTES;
    return VV_OK;
}

/** Hash and store what is in the buffer. */
static enum vv_rc
put_chunks(struct publishing *g, const struct wal_file *f, size_t len, struct vv_error *err)
{
    struct hash_job jobs[CHUNKS_AT_ONCE] = {0};
    size_t count = 0;

    for (size_t at = 0; at < len; at += CHUNK_BYTES, count++) {
        jobs[count].data = g->buffer + at;
        jobs[count].len = len - at < CHUNK_BYTES ? len - at : CHUNK_BYTES;
    }
    blake2b_256_many(keyring_id_key(repo_keyring(g->repo), CHUNK_DATA), jobs, count);
    for (size_t i = 0; i < count; i++) {
        struct chunk_ref ref = {.size = jobs[i].len};
        bool is_new;
        memcpy(ref.id.b, jobs[i].out, sizeof(ref.id.b));
        VV_TRY(block_builder_put(g->builder, BLOCK_LOG, CHUNK_DATA, &ref.id,
                                 vv_span(jobs[i].data, jobs[i].len), &is_new, err));
        VV_TRY(stream_writer_add(g->stream, &ref, err));
        if (f->known != NULL && jobs[i].len == CHUNK_BYTES) {
            remember(f->known, &ref.id);
        }
    }
    return VV_OK;
}

static enum vv_rc
put_content(struct publishing *g, const struct wal_file *f, struct stream_root *ret,
            struct vv_error *err)
{
    size_t room = (size_t)CHUNKS_AT_ONCE * CHUNK_BYTES;
    uint64_t at;

    VV_TRY(put_known(g, f, &at, err));
    while (at < f->size) {
        size_t len = f->size - at < room ? (size_t)(f->size - at) : room;
        VV_TRY(vv_cancel_check(repo_cancel(g->repo), err));
        VV_TRY(f->read(f->ctx, at, g->buffer, len, err));
        VV_TRY(put_chunks(g, f, len, err));
        at += len;
    }
    g->bytes += f->size;
    return stream_writer_finish(g->stream, &g->arena, ret, err);
}

static struct entry
new_entry(const struct publishing *g, enum entry_type type, struct vv_span path)
{
    struct entry e = {.path = path, .type = type, .nlink = 1};

    e.flags = ENTRY_NO_OWNER | (type == ENTRY_DIRECTORY ? ENTRY_IMPLIED : ENTRY_PAGES);
    e.mode = type == ENTRY_DIRECTORY ? 0700 : 0600;
    e.mtime.sec = g->start / 1000000000;
    e.mtime.nsec = (uint32_t)(g->start % 1000000000);
    e.ctime = e.mtime;
    return e;
}

/** The root and the directories above the files. */
static enum vv_rc
put_directories(struct publishing *g, struct vv_span below, struct vv_error *err)
{
    struct entry e = new_entry(g, ENTRY_DIRECTORY, vv_span(below.data, 0));

    VV_TRY(tree_writer_add(g->tree, &e, err));
    for (size_t at = 1; at <= below.len; at++) {
        if (at == below.len || below.data[at] == '/') {
            e = new_entry(g, ENTRY_DIRECTORY, vv_span(below.data, at));
            VV_TRY(tree_writer_add(g->tree, &e, err));
        }
    }
    return VV_OK;
}

static enum vv_rc
put_file(struct publishing *g, const struct wal_file *f, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    struct entry e;

    wal_path(g->p->wal.system, f->name, &path);
    VV_TRY(vv_buf_check(&path, err));
    e = new_entry(g, ENTRY_FILE, vv_buf_span(&path));
    e.size = f->size;
    VV_TRY(put_content(g, f, &e.content, err));
    return tree_writer_add(g->tree, &e, err);
}

static enum vv_rc
put_tree(struct publishing *g, struct tree_root *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf directory = {0};

    wal_path(g->p->wal.system, "", &directory);
    VV_TRY(vv_buf_check(&directory, err));
    VV_TRY(put_directories(g, vv_buf_span(&directory), err));
    for (size_t i = 0; i < g->p->count; i++) {
        VV_TRY(put_file(g, &g->p->files[i], err));
    }
    VV_TRY(tree_writer_finish(g->tree, ret, err));
    return block_builder_flush(g->builder, err);
}

static int64_t
zone_of(int64_t time)
{
    time_t seconds = (time_t)(time / 1000000000);
    struct tm local;

    return localtime_r(&seconds, &local) != NULL ? local.tm_gmtoff : 0;
}

static enum vv_rc
fill_body(struct publishing *g, const struct tree_root *root, struct snapshot_body *body,
          struct vv_error *err)
{
    const struct pack_writer_counts *packs = pack_writer_counts(g->packs);
    struct snapshot_statistics *n = &body->statistics;

    body->root = *root;
    body->mode = SNAPSHOT_WAL;
    body->host = vv_strdup(g->p->host != NULL ? g->p->host : "");
    body->user = vv_strdup(g->p->user != NULL ? g->p->user : "");
    body->program = vv_strdup("varve " VARVE_VERSION);
    body->sources = vv_alloc_array(1, sizeof(*body->sources));
    body->wal = vv_alloc_array(1, sizeof(*body->wal));
    if (body->host == NULL || body->user == NULL || body->program == NULL ||
        body->sources == NULL || body->wal == NULL) {
        return vv_error_nomem(err);
    }
    body->source_count = 1;
    vv_buf_printf(&body->sources[0], "wal:%llu", (unsigned long long)g->p->wal.system);
    VV_TRY(vv_buf_check(&body->sources[0], err));
    body->wal[0] = g->p->wal;
    body->wal_count = 1;
    body->start = g->start;
    body->end = repo_clock(g->repo)->realtime(repo_clock(g->repo));
    body->zone = zone_of(body->end);
    n->files = g->p->count;
    n->files_new = g->p->count;
    n->directories = 4;
    n->bytes = g->bytes;
    n->bytes_read = g->bytes;
    n->bytes_new = atomic_load(&packs->bytes_new);
    n->bytes_stored = atomic_load(&packs->bytes_stored);
    n->chunks_new = atomic_load(&packs->chunks_new);
    n->duration_ns = body->end > body->start ? (uint64_t)(body->end - body->start) : 0;
    return VV_OK;
}

static enum vv_rc
publish(struct publishing *g, struct snapshot_body *body, struct snapshot *ret,
        struct vv_error *err)
{
    struct tree_root root = {0};

    VV_TRY(open_writers(g, err));
    VV_TRY(put_tree(g, &root, err));
    VV_TRY(pack_writer_flush(g->packs, err));
    VV_TRY(fill_body(g, &root, body, err));
    return snapshot_commit(g->repo, g->session, g->packs, g->builder, body, ret, err);
}

enum vv_rc
wal_publish(struct repo *r, const struct wal_publication *p, struct snapshot *ret,
            struct vv_error *err)
{
    struct publishing g = {.repo = r, .p = p};
    struct snapshot_body body = {0};
    enum vv_rc rc;

    if (repo_state(r) == NULL) {
        return vv_error_set(err, VV_EUSAGE, "publishing needs a state directory");
    }
    g.start = repo_clock(r)->realtime(repo_clock(r));
    rc = publish(&g, &body, ret, err);
    snapshot_body_release(&body);
    release(&g);
    return rc;
}

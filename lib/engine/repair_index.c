/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair: packs that no readable index segment names get a record: A3. */

#include <stdlib.h>
#include <string.h>

#include "engine/closure_internal.h"
#include "engine/repair_internal.h"
#include "repo/pack_reader.h"
#include "repo/writer_session.h"

struct indexing {
    struct repair *x;
    struct writer_session *session;
    struct chunk_index *index;
    struct pack_keys *keys;
    struct pack_reader *reader;
    struct index_writer *writer;
    struct vv_buf named; /* struct pack_name: what the index says */
};

static void
release(struct indexing *n)
{
    index_writer_free(n->writer);
    pack_reader_free(n->reader);
    pack_keys_free(n->keys);
    chunk_index_free(n->index);
    writer_session_free(n->session);
    vv_buf_release(&n->named);
}

static enum vv_rc
note_named(void *ctx, const struct pack_name *name, const struct index_body *body,
           struct vv_error *err)
{
    struct indexing *n = ctx;

    (void)body;
    vv_buf_put(&n->named, name, sizeof(*name));
    return vv_buf_check(&n->named, err);
}

static bool
contains(const struct vv_buf *names, const struct pack_name *name)
{
    return names->len > 0 && bsearch(name, names->data, names->len / sizeof(*name), sizeof(*name),
                                     pack_name_order) != NULL;
}

static bool
is_bad(const struct repair *x, const struct pack_name *name)
{
    const struct pack_name *bad = (const struct pack_name *)(const void *)x->bad.data;

    for (size_t i = 0; i < x->bad.len / sizeof(*bad); i++) {
        if (pack_name_compare(&bad[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/** Read one whole, check everything about it, and only then vouch for its directory. */
static enum vv_rc
index_pack(struct indexing *n, const struct pack_name *name, uint64_t size, struct vv_buf *image,
           struct vv_error *err)
{
    VV_CLEANUP(pack_directory_release) struct pack_directory directory = {0};
    struct pack_header header;
    char object[PACK_OBJECT_TEXT];

    pack_object_text(name, object);
    vv_buf_reset(image);
    VV_TRY(storage_read_all(repo_storage(n->x->repo), object, LIMIT_PACK, image, err));
    VV_TRY(pack_check(n->reader, name, vv_buf_span(image), err));
    VV_TRY(pack_read_directory(n->reader, name, size, &directory, &header, err));
    VV_TRY(index_writer_add(n->writer, name, size, header.class, &directory, err));
    n->x->s.packs_indexed++;
    return VV_OK;
}

static enum vv_rc
index_all(struct indexing *n, const struct pack_names *listed, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf image = {0};

    for (size_t i = 0; i < listed->count; i++) {
        const struct pack_name *name = &listed->names[i];
        enum vv_rc rc;
        if (contains(&n->named, name) || is_bad(n->x, name) ||
            condemned_contains(writer_session_condemned(n->session), name)) {
            continue;
        }
        VV_TRY(vv_cancel_check(repo_cancel(n->x->repo), err));
        rc = index_pack(n, name, listed->sizes[i], &image, err);
        if (rc != VV_OK && damage_found(rc, err)) { /* of another key, or gone */
            vv_error_clear(err);
            rc = VV_OK;
        }
        VV_TRY(rc);
    }
    return VV_OK;
}

static enum vv_rc
work(struct indexing *n, struct vv_error *err)
{
    struct repo *r = n->x->repo;
    struct pack_names listed = {0};
    enum vv_rc rc;

    VV_TRY(writer_session_begin(r, SESSION_REPAIR, &n->session, err));
    VV_TRY(chunk_index_open(r, &n->index, err));
    VV_TRY(chunk_index_each_pack(n->index, note_named, n, err));
    if (n->named.len > 0) {
        qsort(n->named.data, n->named.len / sizeof(struct pack_name), sizeof(struct pack_name),
              pack_name_order);
    }
    VV_TRY(pack_keys_new(r, &n->keys, err));
    VV_TRY(pack_reader_new(n->keys, &n->reader, err));
    VV_TRY(index_writer_new(r, writer_session_client(n->session), &n->writer, err));
    VV_TRY(pack_names_list(r, "packs", &listed, err));
    rc = index_all(n, &listed, err);
    pack_names_release(&listed);
    VV_TRY(rc);
    VV_TRY(index_writer_flush(n->writer, err));
    return writer_session_commit(n->session, vv_span(NULL, 0), 0, err);
}

enum vv_rc
repair_index(struct repair *x, struct vv_error *err)
{
    struct indexing n = {.x = x};
    enum vv_rc rc = work(&n, err);

    release(&n);
    if (rc == VV_OK && x->s.packs_indexed > 0) {
        vv_emit(repo_events(x->repo), VV_EVENT_PROBLEM, "index-mended", vv_span(NULL, 0),
                "%llu packs that no index segment named are indexed again",
                (unsigned long long)x->s.packs_indexed);
    }
    return rc;
}

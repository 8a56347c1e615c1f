/* SPDX-License-Identifier: BSD-2-Clause */
/* From the server's messages to the bytes of its tars. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/backup_manifest.h"
#include "source/base_source.h"

static enum vv_rc
broken(const char *what, struct vv_error *err)
{
    (void)vv_error_set(err, VV_ECORRUPT, "the server's base backup cannot be read: %s", what);
    return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ECORRUPT);
}

/* "16384.tar" or "base.tar". */
static enum vv_rc
begin_archive(struct base_source *b, const char *name, struct vv_error *err)
{
    struct base_feed *f = &b->feed;
    size_t digits = strspn(name, "0123456789");

    if (f->archive_open || f->is_base || f->manifest) {
        return broken("an archive begins inside of another, or behind the last", err);
    }
    f->is_base = strcmp(name, "base.tar") == 0;
    if (!f->is_base && (digits == 0 || digits > 10 || strcmp(name + digits, ".tar") != 0)) {
        return broken("an archive of another name", err);
    }
    f->tablespace = f->is_base ? 0 : (uint32_t)strtoul(name, NULL, 10);
    f->archive_open = true;
    f->archive_new = true;
    return VV_OK;
}

static void
show_progress(struct base_source *b, uint64_t done)
{
    struct vv_progress *p = b->options.progress;

    /* What the server has guessed may turn out too little. */
    if (p != NULL && atomic_load(&p->bytes_total) != 0) {
        uint64_t at = atomic_load(&p->bytes_done);
        if (at > atomic_load(&p->bytes_total)) {
            atomic_store(&p->bytes_total, at);
        }
    }
    (void)done;
}

enum vv_rc
base_feed_piece(struct base_source *b, struct vv_error *err)
{
    struct postgres_base_piece piece;

    VV_TRY(postgres_base_next(b->server, &piece, err));
    switch (piece.kind) {
    case POSTGRES_BASE_ARCHIVE:
        return begin_archive(b, piece.name, err);
    case POSTGRES_BASE_MANIFEST:
        if (b->feed.archive_open || !b->feed.is_base || b->feed.manifest) {
            return broken("the manifest comes before the end of the data", err);
        }
        b->feed.manifest = true;
        return VV_OK;
    case POSTGRES_BASE_DATA:
        b->feed.rest = piece.data;
        return VV_OK;
    case POSTGRES_BASE_PROGRESS:
        show_progress(b, piece.done);
        return VV_OK;
    case POSTGRES_BASE_WARNING:
        /* Which file is meant is told by where it stands: the text may be in any language. */
        if (b->checksums && strcmp(piece.function, "sendFile") == 0) {
            if (b->member_open) { /* else it sums up what was said */
                base_pages_complain(&b->pages, b->file.read);
            }
        } else {
            vv_emit(b->options.events, VV_EVENT_WARNING, "server-warning", vv_span(NULL, 0),
                    "'%s' warns: %s", postgres_name(b->server), piece.text);
        }
        return VV_OK;
    case POSTGRES_BASE_END:
        b->feed.at_end = true;
        return VV_OK;
    }
    return VV_OK;
}

/* Up to ${len} bytes of the archive that is open. */
static enum vv_rc
some_bytes(struct base_source *b, size_t len, struct vv_span *ret, struct vv_error *err)
{
    struct base_feed *f = &b->feed;

    while (f->rest.len == 0) {
        VV_TRY(base_feed_piece(b, err));
        if (f->at_end || f->manifest) {
            return broken("an archive was cut off", err);
        }
    }
    *ret = vv_span(f->rest.data, f->rest.len < len ? f->rest.len : len);
    f->rest = vv_span(f->rest.data + ret->len, f->rest.len - ret->len);
    return VV_OK;
}

static enum vv_rc
take_block(struct base_source *b, uint8_t block[USTAR_BLOCK], struct vv_error *err)
{
    size_t have = 0;

    while (have < USTAR_BLOCK) {
        struct vv_span some;
        VV_TRY(some_bytes(b, USTAR_BLOCK - have, &some, err));
        memcpy(block + have, some.data, some.len);
        have += some.len;
    }
    return VV_OK;
}

/* Behind the first block of zeros comes another, and then nothing. */
static enum vv_rc
end_archive(struct base_source *b, struct vv_error *err)
{
    uint8_t block[USTAR_BLOCK];
    struct ustar_member ignored;
    bool end = false;

    VV_TRY(take_block(b, block, err));
    if (ustar_decode(block, &end, &ignored, NULL) != VV_OK || !end || b->feed.rest.len > 0) {
        return broken("something comes behind the end of an archive", err);
    }
    b->feed.archive_open = false;
    return VV_OK;
}

enum vv_rc
base_feed_header(struct base_source *b, bool *ret_end, struct vv_error *err)
{
    struct base_feed *f = &b->feed;

    for (;;) {
        uint8_t block[USTAR_BLOCK];
        bool end = false;
        while (!f->archive_open) {
            VV_TRY(base_feed_piece(b, err));
            if (f->rest.len > 0 || f->at_end) {
                return broken(f->at_end ? "there is no manifest" : "data belong to no archive",
                              err);
            }
            if (f->manifest) {
                *ret_end = true;
                return VV_OK;
            }
        }
        VV_TRY(take_block(b, block, err));
        VV_TRY(vv_error_origin(err, VV_ORIGIN_SOURCE, ustar_decode(block, &end, &b->member, err)));
        if (!end) {
            f->archive_new = false;
            *ret_end = false;
            return VV_OK;
        }
        VV_TRY(end_archive(b, err));
    }
}

enum vv_rc
base_feed_content(struct base_source *b, uint8_t *buf, size_t len, struct vv_error *err)
{
    while (len > 0) {
        struct vv_span some;
        VV_TRY(some_bytes(b, len, &some, err));
        memcpy(buf, some.data, some.len);
        base_pages_feed(&b->pages, b->path, some);
        b->file.read += some.len;
        buf += some.len;
        len -= some.len;
    }
    return VV_OK;
}

enum vv_rc
base_feed_padding(struct base_source *b, struct vv_error *err)
{
    uint32_t left = ustar_padding(b->member.size);

    while (left > 0) {
        struct vv_span some;
        VV_TRY(some_bytes(b, left, &some, err));
        left -= (uint32_t)some.len;
    }
    return VV_OK;
}

enum vv_rc
base_feed_manifest(struct base_source *b, struct vv_error *err)
{
    struct base_feed *f = &b->feed;

    while (!f->at_end) {
        VV_TRY(base_feed_piece(b, err));
        if (b->manifest.len + f->rest.len > LIMIT_BACKUP_MANIFEST) {
            return broken("the manifest is too long", err);
        }
        vv_buf_put(&b->manifest, f->rest.data, f->rest.len);
        f->rest = (struct vv_span){0};
    }
    return vv_buf_check(&b->manifest, err);
}

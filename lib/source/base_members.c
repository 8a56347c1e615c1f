/* SPDX-License-Identifier: BSD-2-Clause */
/* The files that came, against the manifest that came behind them. */
#include <string.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "format/backup_manifest.h"
#include "source/base_source.h"

enum vv_rc
base_members_add(struct base_members *m, const char *path, uint64_t size, uint32_t crc32c,
                 struct vv_error *err)
{
    const char *copy = vv_arena_copy(&m->arena, path, strlen(path));

    if (m->count == m->room) {
        size_t room = m->room == 0 ? 256 : m->room * 2;
        struct base_member *grown = vv_realloc_array(m->items, room, sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        m->items = grown;
        m->room = room;
    }
    if (copy == NULL) {
        return vv_error_nomem(err);
    }
    m->items[m->count++] = (struct base_member){.path = copy, .size = size, .crc32c = crc32c};
    return VV_OK;
}

static size_t
slot_of(const struct base_members *m, const void *path, size_t len)
{
    size_t mask = m->table_size - 1;
    size_t at = (size_t)vv_hash64(path, len, 0) & mask;

    while (m->table[at] != 0) {
        const char *other = m->items[m->table[at] - 1].path;
        if (strlen(other) == len && memcmp(other, path, len) == 0) {
            break;
        }
        at = (at + 1) & mask;
    }
    return at;
}

enum vv_rc
base_members_index(struct base_members *m, struct vv_error *err)
{
    m->table_size = 64;
    while (m->table_size < m->count * 2) {
        m->table_size *= 2;
    }
    vv_free(m->table);
    m->table = vv_alloc_array(m->table_size, sizeof(*m->table));
    if (m->table == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < m->count; i++) {
        const char *path = m->items[i].path;
        size_t slot = slot_of(m, path, strlen(path));
        if (m->table[slot] != 0) {
            return vv_error_set(err, VV_ECORRUPT, "file '%s' came twice in the base backup", path);
        }
        m->table[slot] = i + 1;
    }
    return VV_OK;
}

struct base_member *
base_members_find(const struct base_members *m, struct vv_span path)
{
    size_t place = m->table[slot_of(m, path.data, path.len)];

    return place != 0 ? &m->items[place - 1] : NULL;
}

struct comparison {
    struct base_members *members;
    uint64_t start;
    uint64_t end;
    bool range_seen;
};

static enum vv_rc
compare_file(void *ctx, const struct manifest_file *f, struct vv_error *err)
{
    struct comparison *c = ctx;
    struct base_member *m = base_members_find(c->members, f->path);
    int len = (int)f->path.len;
    const char *path = (const char *)f->path.data;

    if (m == NULL || m->seen) {
        return vv_error_set(err, VV_ECORRUPT, "file '%.*s' is in the backup manifest%s", len, path,
                            m == NULL ? ", but was not sent" : " twice");
    }
    m->seen = true;
    if (m->size != f->size) {
        return vv_error_set(err, VV_ECORRUPT,
                            "file '%.*s' has %llu bytes, %llu in the backup manifest", len, path,
                            (unsigned long long)m->size, (unsigned long long)f->size);
    }
    if (f->algorithm != MANIFEST_CRC32C) {
        return vv_error_set(err, VV_ECORRUPT,
                            "file '%.*s' has no CRC32C in the backup manifest, as was asked for",
                            len, path);
    }
    if (m->crc32c != f->crc32c) {
        return vv_error_set(err, VV_ECORRUPT,
                            "file '%.*s' did not arrive as the server read it: its checksum is "
                            "another than in the backup manifest",
                            len, path);
    }
    return VV_OK;
}

/* After a switch of timelines there are several ranges; they must begin and end with the backup. */
static enum vv_rc
compare_wal(void *ctx, const struct manifest_wal *w, struct vv_error *err)
{
    struct comparison *c = ctx;

    if (!c->range_seen || w->start < c->start) {
        c->start = w->start;
    }
    if (!c->range_seen || w->end > c->end) {
        c->end = w->end;
    }
    c->range_seen = true;
    (void)err;
    return VV_OK;
}

enum vv_rc
base_members_compare(struct base_members *m, struct vv_span manifest, uint64_t start, uint64_t end,
                     struct vv_error *err)
{
    struct comparison c = {.members = m};
    struct manifest_calls calls = {.ctx = &c, .file = compare_file, .wal = compare_wal};

    VV_TRY(base_members_index(m, err));
    VV_TRY(manifest_read(manifest, &calls, err));
    for (size_t i = 0; i < m->count; i++) {
        if (!m->items[i].seen) {
            return vv_error_set(err, VV_ECORRUPT,
                                "file '%s' was sent, but is not in the backup "
                                "manifest",
                                m->items[i].path);
        }
    }
    if (!c.range_seen || c.start != start || c.end != end) {
        return vv_error_set(err, VV_ECORRUPT,
                            "the backup manifest names other WAL than the server did");
    }
    return VV_OK;
}

void
base_members_release(struct base_members *m)
{
    vv_arena_release(&m->arena);
    vv_free(m->items);
    vv_free(m->table);
    *m = (struct base_members){0};
}

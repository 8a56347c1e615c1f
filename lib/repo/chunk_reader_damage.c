/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of copies of chunks that cannot be read. */

#include <stdio.h>
#include <string.h>

#include "repo/chunk_reader_internal.h"

void
chunk_reader_strict(struct chunk_reader *c)
{
    c->strict = true;
}

void
chunk_reader_report_bad(struct chunk_reader *c, enum vv_event_kind kind,
                        const struct chunk_location *loc, const char *text)
{
    uint64_t hash = chunk_reader_block_hash(&loc->pack, loc->block_number) ^
                    (kind == VV_EVENT_PROBLEM ? 0 : UINT64_MAX);
    char object[PACK_OBJECT_TEXT];
    bool known = false;

    vv_mutex_lock(&c->lock);
    for (unsigned i = 0; i < c->bad_count && !known; i++) {
        known = c->bad[i] == hash;
    }
    if (!known && c->bad_count < BAD_MAX) {
        c->bad[c->bad_count++] = hash;
    }
    vv_mutex_unlock(&c->lock);
    if (!known) {
        pack_object_text(&loc->pack, object);
        vv_emit(repo_events(c->repo), kind, "block-damaged", vv_span(object, strlen(object)),
                "%s%s", text, kind == VV_EVENT_PROBLEM ? "" : "; another copy served");
    }
}

/** A copy that failed.  What is to be said of it depends on whether another one serves. */
struct failed_copy {
    struct chunk_location at;
    char text[512];
};

void
chunk_reader_note_failed(struct vv_buf *failed, const struct chunk_location *at, const char *text)
{
    struct failed_copy f; /* no memory: one message less */

    memset(&f, 0, sizeof(f));
    f.at = *at;
    (void)snprintf(f.text, sizeof(f.text), "%s", text);
    vv_buf_put(failed, &f, sizeof(f));
}

void
chunk_reader_tell_failed(struct chunk_reader *c, struct vv_buf *failed, size_t from,
                         enum vv_event_kind kind)
{
    const struct failed_copy *f = (const struct failed_copy *)(const void *)failed->data;

    for (size_t i = from / sizeof(*f); i < failed->len / sizeof(*f); i++) {
        chunk_reader_report_bad(c, kind, &f[i].at, f[i].text);
    }
    failed->len = from;
}

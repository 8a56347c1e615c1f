/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots a run has read; see slot_memory.h. */
#include "repo/slot_memory.h"

#include "core/alloc.h"
#include "repo/record_array.h"

struct slot_memory {
    struct vv_buf known; /* struct known_record, sorted by session */
    struct vv_buf noted;
};

struct slot_memory *
slot_memory_new(void)
{
    return vv_alloc_array(1, sizeof(struct slot_memory));
}

void
slot_memory_free(struct slot_memory *m)
{
    if (m == NULL) {
        return;
    }
    vv_buf_release(&m->known);
    vv_buf_release(&m->noted);
    vv_free(m);
}

const struct known_record *
slot_memory_find(const struct slot_memory *m, const struct vv_uuid *session, size_t *ret_count)
{
    const struct known_record *all = (const void *)m->known.data;
    size_t known = m->known.len / sizeof(*all);
    const struct known_record *first =
        record_array_first(m->known.data, known, sizeof(*first), session);
    size_t room = first != NULL ? known - (size_t)(first - all) : 0;
    size_t count = 0;

    while (count < room && vv_uuid_equal(&first[count].session, session)) {
        count++;
    }
    *ret_count = count;
    return first;
}

void
slot_memory_note(struct slot_memory *m, const struct known_record *k)
{
    vv_buf_put(&m->noted, k, sizeof(*k));
}

size_t
slot_memory_noted(const struct slot_memory *m)
{
    return m->noted.len / sizeof(struct known_record);
}

void
slot_memory_forget(struct slot_memory *m, size_t count)
{
    if (count < slot_memory_noted(m)) {
        m->noted.len = count * sizeof(struct known_record);
    }
}

void
slot_memory_turn(struct slot_memory *m)
{
    struct vv_buf before = m->known;

    if (m->noted
            .failed) { /* without memory nothing is known: half a slot's records would be wrong */
        vv_buf_release(&m->noted);
    }
    m->known = m->noted;
    m->noted = before;
    vv_buf_reset(&m->noted);
    record_array_sort(m->known.data, m->known.len / sizeof(struct known_record),
                      sizeof(struct known_record), record_compare_ids);
}

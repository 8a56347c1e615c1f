/* SPDX-License-Identifier: BSD-2-Clause */
/* Forgets, pins, first listings and accepted snapshots: taking them in, answering about them. */
#include "repo/retention_records.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "repo/admin_records.h"
#include "repo/record_array.h"

void
retention_records_release(struct retention_records *l)
{
    vv_free(l->forgets);
    vv_free(l->forget_snapshots);
    vv_free(l->forgotten);
    vv_free(l->pins);
    vv_free(l->listed);
    vv_free(l->accepted);
    vv_free(l->ends);
    memset(l, 0, sizeof(*l));
}

/** F3 */
static enum vv_rc
check_name(const char *file, const uint8_t digits[16], const char *suffix, struct vv_error *err)
{
    char own[64];
    char text[33];

    vv_hex(text, digits, 16);
    (void)snprintf(own, sizeof(own), "forget-%s%s", text, suffix);
    if (strcmp(own, file) != 0) {
        return vv_error_set(err, VV_EFORGED, "a copy of '%s' under another name", own);
    }
    return VV_OK;
}

static enum vv_rc
take_forget(struct retention_records *l, const char *file, const struct admin_record *record,
            struct vv_error *err)
{
    struct forget f;
    struct forget_run *forgets;
    struct forget_run *run;
    struct vv_uuid *ids;

    VV_TRY(check_name(file, record->nonce, "", err));
    VV_TRY(forget_decode(record->payload, &f, err));
    forgets = record_array_grow(l->forgets, l->forget_count, 1, sizeof(*forgets), err);
    if (forgets == NULL) {
        return VV_ENOMEM;
    }
    l->forgets = forgets;
    ids = record_array_grow(l->forget_snapshots, l->forget_snapshot_count, f.count, sizeof(*ids),
                            err);
    if (ids == NULL) {
        return VV_ENOMEM;
    }
    l->forget_snapshots = ids;
    run = &forgets[l->forget_count++];
    *run = (struct forget_run){.time = record->time,
                               .grace = f.grace,
                               .first = l->forget_snapshot_count,
                               .count = f.count};
    memcpy(run->id.b, record->nonce, sizeof(run->id.b));
    if (f.count > 0) {
        memcpy(&ids[l->forget_snapshot_count], f.snapshots.data, f.snapshots.len);
    }
    l->forget_snapshot_count += f.count;
    return VV_OK;
}

static enum vv_rc
take_end(struct retention_records *l, const char *file, const struct admin_record *record,
         struct vv_error *err)
{
    struct forget_end *ends = record_array_grow(l->ends, l->end_count, 1, sizeof(*ends), err);

    if (ends == NULL) {
        return VV_ENOMEM;
    }
    l->ends = ends;
    VV_TRY(forget_end_decode(record->payload, &ends[l->end_count], err));
    VV_TRY(check_name(file, ends[l->end_count].forget.b, ".end", err));
    l->end_count++;
    return VV_OK;
}

static enum vv_rc
take_pin(struct retention_records *l, const struct admin_record *record, struct vv_error *err)
{
    struct pin_record *pins = record_array_grow(l->pins, l->pin_count, 1, sizeof(*pins), err);

    if (pins == NULL) {
        return VV_ENOMEM;
    }
    l->pins = pins;
    VV_TRY(pin_decode(record->payload, &pins[l->pin_count].pin, err));
    pins[l->pin_count++].time = record->time;
    return VV_OK;
}

static enum vv_rc
take_listed(struct retention_records *l, const struct admin_record *record, struct vv_error *err)
{
    struct vv_reader in;
    struct first_listed *listed;
    uint32_t count;

    VV_TRY(first_listed_open(record->payload, &in, &count, err));
    listed = record_array_grow(l->listed, l->listed_count, count, sizeof(*listed), err);
    if (listed == NULL) {
        return VV_ENOMEM;
    }
    l->listed = listed;
    for (uint32_t i = 0; i < count; i++) {
        first_listed_next(&in, &listed[l->listed_count++]);
    }
    return VV_OK;
}

static enum vv_rc
take_accepted(struct retention_records *l, const struct admin_record *record, struct vv_error *err)
{
    struct vv_span ids;
    struct vv_uuid *accepted;
    uint32_t count;

    VV_TRY(accepted_decode(record->payload, &ids, &count, err));
    accepted = record_array_grow(l->accepted, l->accepted_count, count, sizeof(*accepted), err);
    if (accepted == NULL) {
        return VV_ENOMEM;
    }
    l->accepted = accepted;
    if (count > 0) {
        memcpy(&accepted[l->accepted_count], ids.data, ids.len);
    }
    l->accepted_count += count;
    return VV_OK;
}

enum vv_rc
retention_records_take(struct retention_records *l, const char *file,
                       const struct admin_record *record, struct vv_error *err)
{
    switch (record->type) {
    case ADMIN_FORGET:
        return take_forget(l, file, record, err);
    case ADMIN_FORGET_END:
        return take_end(l, file, record, err);
    case ADMIN_PIN:
        return take_pin(l, record, err);
    case ADMIN_LISTED:
        return take_listed(l, record, err);
    case ADMIN_ACCEPTED:
        return take_accepted(l, record, err);
    case ADMIN_CERTIFICATE:
    case ADMIN_REVOCATION:
    case ADMIN_EPOCH:
    case ADMIN_GRAVE:
    case ADMIN_SUSPECT:
        break;
    }
    return vv_error_set(err, VV_EUSAGE, "no record of retention");
}

/* --- order ------------------------------------------------------------------------------------ */

static int
compare_forgotten(const void *a, const void *b)
{
    const struct forgotten *x = a;
    const struct forgotten *y = b;
    int c = record_compare_ids(a, b);

    if (c != 0) {
        return c;
    }
    if (x->carried_out != y->carried_out) {
        return x->carried_out ? -1 : 1;
    }
    return x->until != y->until ? (x->until < y->until ? -1 : 1)
                                : memcmp(x->forget.b, y->forget.b, 16);
}

static int
compare_pins(const void *a, const void *b)
{
    const struct pin_record *x = a;
    const struct pin_record *y = b;
    int c = record_compare_ids(a, b);

    if (c != 0) {
        return c;
    }
    if (x->time != y->time) {
        return x->time > y->time ? -1 : 1;
    }
    return (int)y->pin.pinned - (int)x->pin.pinned;
}

static int
compare_listed(const void *a, const void *b)
{
    const struct first_listed *x = a;
    const struct first_listed *y = b;
    int c = record_compare_ids(a, b);

    return c != 0 ? c : x->time < y->time ? -1 : x->time > y->time;
}

int64_t
forget_run_until(const struct forget_run *f)
{
    int64_t until;

    return __builtin_add_overflow(f->time, f->grace, &until) ? INT64_MAX : until;
}

/** F1, F2: the snapshots of all forgets that were not cancelled. */
static enum vv_rc
collect_forgotten(struct retention_records *l, struct vv_error *err)
{
    l->forgotten = vv_alloc_array(l->forget_snapshot_count + 1, sizeof(*l->forgotten));
    if (l->forgotten == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->forget_count; i++) {
        const struct forget_run *f = &l->forgets[i];
        for (uint32_t k = 0; f->outcome != FORGET_CANCELLED && k < f->count; k++) {
            l->forgotten[l->forgotten_count++] =
                (struct forgotten){.snapshot = l->forget_snapshots[f->first + k],
                                   .forget = f->id,
                                   .time = f->time,
                                   .until = forget_run_until(f),
                                   .carried_out = f->outcome == FORGET_CARRIED_OUT};
        }
    }
    record_array_sort(l->forgotten, l->forgotten_count, sizeof(*l->forgotten), compare_forgotten);
    return VV_OK;
}

enum vv_rc
retention_records_arrange(struct retention_records *l, struct vv_error *err)
{
    record_array_sort(l->forgets, l->forget_count, sizeof(*l->forgets), record_compare_ids);
    record_array_sort(l->pins, l->pin_count, sizeof(*l->pins), compare_pins);
    record_array_sort(l->listed, l->listed_count, sizeof(*l->listed), compare_listed);
    record_array_sort(l->accepted, l->accepted_count, sizeof(*l->accepted), record_compare_ids);
    record_array_sort(l->ends, l->end_count, sizeof(*l->ends), record_compare_ids);
    for (size_t i = 0; i < l->forget_count; i++) {
        const struct forget_end *e =
            record_array_first(l->ends, l->end_count, sizeof(*e), &l->forgets[i].id);
        l->forgets[i].outcome = e != NULL ? e->outcome : 0;
    }
    return collect_forgotten(l, err);
}

/* --- answers ---------------------------------------------------------------------------------- */

const struct forget_run *
admin_forget_run(const struct admin_records *a, const struct vv_uuid *forget)
{
    return record_array_first(a->retention.forgets, a->retention.forget_count,
                              sizeof(struct forget_run), forget);
}

const struct forgotten *
admin_forgotten(const struct admin_records *a, const struct vv_uuid *snapshot)
{
    return record_array_first(a->retention.forgotten, a->retention.forgotten_count,
                              sizeof(struct forgotten), snapshot);
}

bool
admin_pinned(const struct admin_records *a, const struct vv_uuid *snapshot, int64_t now,
             int64_t *ret_until)
{
    const struct pin_record *p =
        record_array_first(a->retention.pins, a->retention.pin_count, sizeof(*p), snapshot);

    if (p == NULL || !p->pin.pinned || (p->pin.until != 0 && p->pin.until <= now)) {
        return false;
    }
    if (ret_until != NULL) {
        *ret_until = p->pin.until;
    }
    return true;
}

bool
admin_first_listed(const struct admin_records *a, const struct vv_uuid *snapshot, int64_t *ret)
{
    const struct first_listed *l =
        record_array_first(a->retention.listed, a->retention.listed_count, sizeof(*l), snapshot);

    if (l != NULL) {
        *ret = l->time;
    }
    return l != NULL;
}

bool
admin_accepted(const struct admin_records *a, const struct vv_uuid *snapshot)
{
    return record_array_first(a->retention.accepted, a->retention.accepted_count, sizeof(*snapshot),
                              snapshot) != NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Forgets and their ends, pins, first listings, accepted snapshots: signing and publishing. */
#include "repo/retention_publish.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum vv_rc
forget_publish(struct repo *r, const struct vv_uuid *snapshots, uint32_t count, int64_t grace,
               struct vv_uuid *ret_id, struct vv_error *err)
{
    const struct forget f = {count, vv_span(snapshots, (size_t)count * sizeof(*snapshots)), grace};
    struct admin_record record;
    struct vv_buf payload = {0};
    enum vv_rc rc;

    assert(count > 0 && count <= FORGET_SNAPSHOTS_MAX && grace >= 0);
    forget_encode(&f, &payload);
    rc = admin_publish_drawn(r, 1, ADMIN_FORGET, "forget", &payload, &record, err);
    vv_buf_release(&payload);
    if (rc == VV_OK && ret_id != NULL) {
        memcpy(ret_id->b, record.nonce, sizeof(ret_id->b));
    }
    return rc;
}

/** The name is taken: by what? */
static enum vv_rc
how_it_ended(struct repo *r, const struct vv_uuid *forget, enum forget_outcome wanted,
             struct vv_error *err)
{
    struct admin_records a;
    const struct forget_run *run;
    enum vv_rc rc;

    vv_error_clear(err);
    VV_TRY(admin_records_read(r, &a, err));
    run = admin_forget_run(&a, forget);
    if (run == NULL || run->outcome == 0) {
        rc = vv_error_set(err, VV_EFORGED,
                          "something that is not the administrator's lies under the name of this "
                          "forget's end");
        vv_error_hint(err, "it hides its snapshots, and they stay stored: look who may write to "
                           "'admin', and take the object away");
    } else if (run->outcome != wanted) {
        rc = vv_error_set(err, VV_EREFUSED, "it has been %s already",
                          run->outcome == FORGET_CARRIED_OUT ? "carried out" : "taken back");
    } else {
        rc = VV_OK;
    }
    admin_records_release(&a);
    return rc;
}

enum vv_rc
forget_end(struct repo *r, const struct vv_uuid *forget, enum forget_outcome outcome,
           struct vv_error *err)
{
    const struct forget_end e = {*forget, outcome};
    struct admin_record record;
    struct vv_buf payload = {0};
    char name[64];
    char digits[33];
    enum vv_rc rc;

    forget_end_encode(&e, &payload);
    vv_hex(digits, forget->b, sizeof(forget->b));
    (void)snprintf(name, sizeof(name), "forget-%s.end", digits);
    rc = vv_buf_check(&payload, err);
    if (rc == VV_OK) {
        rc = admin_record_begin(r, 1, ADMIN_FORGET_END, vv_buf_span(&payload), &record, err);
    }
    if (rc == VV_OK) {
        rc = admin_publish_record(r, &record, name, err);
    }
    vv_buf_release(&payload);
    return rc == VV_EEXISTS ? how_it_ended(r, forget, outcome, err) : rc;
}

/** F4 */
static int64_t
after_every_pin(const struct admin_records *a, const struct vv_uuid *snapshot, int64_t now)
{
    int64_t time = now;

    for (size_t i = 0; i < a->retention.pin_count; i++) {
        const struct pin_record *p = &a->retention.pins[i];
        if (vv_uuid_equal(&p->pin.snapshot, snapshot) && p->time >= time && p->time < INT64_MAX) {
            time = p->time + 1;
        }
    }
    return time;
}

enum vv_rc
pin_publish(struct repo *r, const struct admin_records *a, const struct pin *pin,
            struct vv_error *err)
{
    struct admin_record record;
    struct vv_buf payload = {0};
    enum vv_rc rc;

    pin_encode(pin, &payload);
    rc = vv_buf_check(&payload, err);
    if (rc == VV_OK) {
        rc = admin_record_begin(r, 1, ADMIN_PIN, vv_buf_span(&payload), &record, err);
    }
    if (rc == VV_OK) {
        record.time = after_every_pin(a, &pin->snapshot, record.time);
        rc = admin_publish_as_drawn(r, &record, "pin", err);
    }
    vv_buf_release(&payload);
    return rc;
}

enum vv_rc
first_listed_publish(struct repo *r, const struct first_listed *listed, uint32_t count,
                     struct vv_error *err)
{
    struct vv_buf payload = {0};
    enum vv_rc rc;

    first_listed_begin(&payload, count);
    for (uint32_t i = 0; i < count; i++) {
        first_listed_put(&payload, &listed[i]);
    }
    rc = admin_publish_drawn(r, 0, ADMIN_LISTED, "listed", &payload, NULL, err);
    vv_buf_release(&payload);
    return rc;
}

enum vv_rc
accepted_publish(struct repo *r, const struct vv_uuid *snapshots, uint32_t count,
                 struct vv_error *err)
{
    struct vv_buf payload = {0};
    enum vv_rc rc;

    accepted_encode(snapshots, count, &payload);
    rc = admin_publish_drawn(r, 1, ADMIN_ACCEPTED, "accepted", &payload, NULL, err);
    vv_buf_release(&payload);
    return rc;
}

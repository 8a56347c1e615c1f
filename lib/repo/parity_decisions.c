/* SPDX-License-Identifier: BSD-2-Clause */
/* Does this site keep parity: invariant Y4. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/random.h"
#include "repo/pack_parity.h"

#define PREFIX "decision-"
#define ATTEMPTS 8

/** The number in "decision-<n>"; 0 if the name is none. */
static uint64_t
number_of(const char *name)
{
    uint64_t n = 0;
    size_t digits = 0;

    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0) {
        return 0;
    }
    for (name += strlen(PREFIX); *name >= '0' && *name <= '9'; name++) {
        n = n * 10 + (uint64_t)(*name - '0');
        digits++;
    }
    return *name == '\0' && digits <= 18 ? n : 0;
}

static enum vv_rc
read_one(struct repo *r, uint64_t number, struct parity_decision *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    char name[64];
    enum vv_rc rc;

    (void)snprintf(name, sizeof(name), "parity/" PREFIX "%" PRIu64, number);
    rc = storage_read_all(repo_storage(r), name, LIMIT_SMALL_OBJECT, &object, err);
    if (rc == VV_OK) {
        rc = parity_decision_decode(vv_buf_span(&object), repo_id(r), ret, err);
    }
    if (rc == VV_OK && !vv_uuid_equal(&ret->site, &repo_site(r)->id)) {
        rc = vv_error_set(err, VV_ECORRUPT, "it is of another site");
    }
    if (rc == VV_ECORRUPT || rc == VV_ELIMIT) {
        repo_report(r, "parity-damaged", name, err != NULL ? err->message : "damaged");
    }
    return rc;
}

enum vv_rc
parity_decision_read(struct repo *r, struct parity_decision *ret, uint64_t *ret_number,
                     struct vv_error *err)
{
    struct vv_error why = {0};
    struct name_list names = {0};
    uint64_t below = UINT64_MAX;
    uint64_t highest = 0;
    enum vv_rc rc = repo_list(r, "parity", &names, &why);

    if (rc == VV_ENOTFOUND) { /* no such directory */
        *ret_number = 0;
        return vv_error_set(err, VV_ENOTFOUND, "nothing was decided about parity");
    }
    while (rc == VV_OK) {
        uint64_t best = 0;
        for (size_t i = 0; i < names.count; i++) {
            uint64_t n = number_of(names.names[i]);
            best = n < below && n > best ? n : best;
        }
        highest = highest == 0 ? best : highest;
        if (best == 0) {
            rc = vv_error_set(&why, VV_ENOTFOUND, "nothing was decided about parity");
            break;
        }
        rc = read_one(r, best, ret, &why);
        if (rc == VV_OK) {
            break;
        }
        below = best;
        if (rc == VV_ECORRUPT || rc == VV_ELIMIT || rc == VV_ENOTFOUND) {
            rc = VV_OK; /* the one before */
        }
    }
    name_list_release(&names);
    *ret_number = highest;
    if (rc != VV_OK && err != NULL) {
        *err = why;
    }
    return rc;
}

enum vv_rc
parity_wanted(struct repo *r, bool *ret, struct vv_error *err)
{
    struct parity_decision d;
    uint64_t number;
    enum vv_rc rc = parity_decision_read(r, &d, &number, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        *ret = false;
        return VV_OK;
    }
    VV_TRY(rc);
    *ret = d.on;
    return VV_OK;
}

enum vv_rc
parity_decide(struct repo *r, bool on, struct vv_error *err)
{
    struct parity_decision d = {.on = on, .site = repo_site(r)->id};
    const struct vv_clock *clock = repo_clock(r);
    enum vv_rc rc = VV_EEXISTS;

    if (vv_uuid_is_zero(&d.site)) {
        return vv_error_set(err, VV_EREFUSED, "'site' is missing or damaged");
    }
    for (int attempt = 0; rc == VV_EEXISTS && attempt < ATTEMPTS; attempt++) {
        VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
        struct parity_decision now = {0};
        char name[64];
        uint64_t number = 0;
        vv_error_clear(err);
        rc = parity_decision_read(r, &now, &number, err);
        if (rc == VV_OK && now.on == on) {
            return VV_OK;
        }
        if (rc != VV_OK && rc != VV_ENOTFOUND) {
            return rc;
        }
        vv_error_clear(err);
        d.time = clock->realtime(clock);
        vv_random(d.nonce, sizeof(d.nonce));
        VV_TRY(parity_decision_encode(&d, repo_id(r), &object, err));
        (void)snprintf(name, sizeof(name), "parity/" PREFIX "%" PRIu64, number + 1);
        rc = storage_publish(repo_storage(r), name, vv_buf_span(&object), err);
    }
    return rc;
}

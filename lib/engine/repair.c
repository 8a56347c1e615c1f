/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair: the order of things. */

#include "engine/repair.h"

#include <string.h>

#include "core/alloc.h"
#include "engine/repair_internal.h"
#include "repo/repo_mend.h"
#include "repo/repo_reserve.h"

#define SCARCE_BYTES (16u << 20)

void
repair_summary_release(struct repair_summary *s)
{
    vv_free(s->each);
    s->each = NULL;
}

void
repair_mended(struct repair *x, const char *name, const char *how)
{
    x->s.objects_mended++;
    vv_emit(repo_events(x->repo), VV_EVENT_PROBLEM, "object-mended", vv_span(name, strlen(name)),
            "was damaged or missing; %s", how);
}

void
repair_lost(struct repair *x, const char *name, const char *why)
{
    x->s.objects_lost++;
    vv_emit(repo_events(x->repo), VV_EVENT_PROBLEM, "object-lost", vv_span(name, strlen(name)),
            "%s", why);
}

/* --- damaged objects out of the way ------------------------------------------------------------ */

enum vv_rc
repair_note_aside(struct repair *x, const char *name, struct vv_error *err)
{
    vv_buf_put(&x->aside, name, strlen(name) + 1);
    return vv_buf_check(&x->aside, err);
}

/** Take a damaged object's name away; false where nothing can be deleted. */
static bool
move_aside(struct repair *x, const char *name)
{
    struct vv_error why = {0};
    bool moved = repo_set_aside(x->repo, name, &why) == VV_OK;

    x->s.objects_aside += moved;
    x->s.objects_left += !moved;
    if (!moved) {
        vv_emit(repo_events(x->repo), VV_EVENT_WARNING, "object-left", vv_span(name, strlen(name)),
                "damaged, and stays where it is: %s", why.message);
    }
    return moved;
}

enum vv_rc
repair_clear_aside(struct repair *x, struct vv_error *err)
{
    for (size_t at = 0; at < x->aside.len;) {
        const char *name = (const char *)x->aside.data + at;
        VV_TRY(vv_cancel_check(repo_cancel(x->repo), err));
        (void)move_aside(x, name);
        at += strlen(name) + 1;
    }
    return VV_OK;
}

enum vv_rc
repair_put(struct repair *x, const char *name, struct vv_span bytes, const char *how,
           struct vv_error *err)
{
    enum vv_rc rc = storage_publish(repo_storage(x->repo), name, bytes, err);

    if (rc == VV_EEXISTS) {
        vv_error_clear(err);
        if (!move_aside(x, name)) {
            return VV_OK;
        }
        rc = storage_publish(repo_storage(x->repo), name, bytes, err);
    }
    VV_TRY(rc);
    repair_mended(x, name, how);
    return VV_OK;
}

/* --- all of it --------------------------------------------------------------------------------- */

/** The other repositories: of this one, and of this administrator. */
static enum vv_rc
open_others(struct repair *x, struct vv_error *err)
{
    struct repo_options options = {
        .clock = repo_clock(x->repo), .events = NULL, .cancel = repo_cancel(x->repo)};

    x->others = vv_alloc_array(x->options->other_count + 1, sizeof(struct repo *));
    if (x->others == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < x->options->other_count; i++) {
        struct repo *other = NULL;
        VV_TRY(repo_open_keyless(x->options->others[i], &options, &other, err));
        x->others[x->other_count++] = other;
        if (!vv_uuid_equal(repo_id(other), repo_id(x->repo)) ||
            memcmp(keyring_admin_public(repo_keyring(other)),
                   keyring_admin_public(repo_keyring(x->repo)), 32) != 0) {
            return vv_error_set(err, VV_EUSAGE, "'%s' is another repository",
                                x->options->others[i]->url);
        }
    }
    return VV_OK;
}

static void
enter(struct repair *x, enum repair_phase phase)
{
    if (x->progress != NULL) {
        atomic_store(&x->progress->phase, (int)phase);
    }
}

static enum vv_rc
run(struct repair *x, struct vv_error *err)
{
    VV_TRY(open_others(x, err));
    VV_TRY(repair_objects(x, err));
    enter(x, REPAIR_READING);
    VV_TRY(repair_read_packs(x, err));
    enter(x, REPAIR_HEALING);
    VV_TRY(repair_packs(x, err));
    enter(x, REPAIR_INDEX);
    VV_TRY(repair_index(x, err));
    VV_TRY(repair_records(x, err));
    VV_TRY(repair_suspects(x, err));
    enter(x, REPAIR_FILES);
    VV_TRY(repair_files(x, err));
    VV_TRY(repair_clear_aside(x, err));
    enter(x, REPAIR_PATHS);
    return repair_paths(x, err);
}

enum vv_rc
repair_run(struct repo *r, const struct repair_options *options, struct vv_progress *progress,
           struct repair_summary *ret, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(r);
    uint64_t start = clock->monotonic(clock);
    struct repair x = {.repo = r, .options = options, .progress = progress};
    uint64_t reserve = 0;
    enum vv_rc rc = keyring_need_admin(repo_keyring(r), "repair", err);

    if (rc == VV_OK) {
        rc = repo_reserve_take(r, SCARCE_BYTES, &reserve, err);
    }
    if (rc == VV_OK) {
        rc = run(&x, err);
    }
    repo_reserve_return(r, reserve);
    repo_reserve_explain(r, err);
    for (size_t i = 0; i < x.other_count; i++) {
        repo_free(x.others[i]);
    }
    vv_free(x.others);
    vv_buf_release(&x.bad);
    vv_buf_release(&x.wanted);
    vv_buf_release(&x.aside);
    if (rc != VV_OK) {
        repair_summary_release(&x.s);
        return rc;
    }
    x.s.duration_ns = clock->monotonic(clock) - start;
    *ret = x.s;
    return VV_OK;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking at a site: what does not depend on each other is asked at once, where a round trip takes
 * long. */
#include "core/parallel.h"
#include "engine/replicate_internal.h"

struct look {
    struct destination *d;
    struct batch *b; /* NULL outside of a batch */
    struct condemned_set condemned;
    struct admin_records admin;
    struct site_catalog catalog;
};

static void
look_release(struct look *l)
{
    condemned_set_release(&l->condemned);
    admin_records_release(&l->admin);
    site_catalog_release(&l->catalog);
}

static enum vv_rc
look_at_packs(void *ctx, struct vv_error *err)
{
    struct look *l = ctx;

    VV_TRY(condemned_read(l->d->site, &l->condemned, err));
    return site_catalog_fetch(l->d, &l->catalog, err);
}

static enum vv_rc
look_at_admin(void *ctx, struct vv_error *err)
{
    struct look *l = ctx;

    return admin_records_read(l->d->site, &l->admin, err);
}

/** Key slots and certificates come first: without them nothing else can be read there. */
static enum vv_rc
copy_small(void *ctx, struct vv_error *err)
{
    const struct look *l = ctx;
    struct replicate_summary *s = l->d->s;
    struct replica_small_objects small = {0};

    VV_TRY(replica_copy_small(l->d->run->source, &l->b->scan.admin, l->d->site, &small, err));
    s->objects_copied += small.copied;
    s->key_slots_extra = small.slots_extra;
    s->objects_refused = small.refused;
    return VV_OK;
}

static enum vv_rc
choose(void *ctx, struct vv_error *err)
{
    const struct look *l = ctx;

    return choose_records(l->b, err);
}

static enum vv_rc
run(struct destination *d, struct vv_job *jobs, size_t count, struct vv_error *err)
{
    return vv_parallel_run(jobs, count, storage_parallel(d->storage), err);
}

enum vv_rc
look_at_site(struct destination *d, struct site_catalog *ret, struct vv_error *err)
{
    struct look l = {.d = d};
    struct vv_job jobs[] = {{.run = look_at_packs, .ctx = &l}, {.run = look_at_admin, .ctx = &l}};
    enum vv_rc rc = run(d, jobs, VV_COUNT(jobs), err);

    if (rc == VV_OK) {
        rc = site_catalog_judge(d, &l.condemned, &l.admin, &l.catalog, err);
    }
    if (rc == VV_OK) {
        *ret = l.catalog;
        l.catalog = (struct site_catalog){0};
    }
    look_release(&l);
    return rc;
}

/** Another revocation may have had the name of one of the source's (Y5 of repo/replica_site.h). */
static enum vv_rc
copy_revocations(struct batch *b, struct vv_error *err)
{
    struct destination *d = b->d;
    struct replica_small_objects small = {0};

    if (replica_revocations_hold(&b->scan.admin, &b->site_admin)) {
        return VV_OK;
    }
    VV_TRY(replica_copy_revocations(d->run->source, &b->scan.admin, d->site, &b->site_admin, &small,
                                    err));
    d->s->objects_copied += small.copied;
    d->s->objects_refused += small.refused;
    admin_records_release(&b->site_admin);
    return admin_records_read(d->site, &b->site_admin, err);
}

enum vv_rc
look_for_batch(struct batch *b, bool packs, struct vv_error *err)
{
    struct look l = {.d = b->d, .b = b};
    struct vv_job jobs[] = {{.run = copy_small, .ctx = &l},
                            {.run = choose, .ctx = &l},
                            {.run = look_at_packs, .ctx = &l}};
    enum vv_rc rc = run(b->d, jobs, packs ? 3 : 2, err);

    if (rc == VV_OK) {
        rc = copy_revocations(b, err);
    }
    if (rc == VV_OK && packs) {
        rc = site_catalog_judge(b->d, &l.condemned, &b->site_admin, &l.catalog, err);
    }
    if (rc == VV_OK && packs) {
        b->site = l.catalog;
        l.catalog = (struct site_catalog){0};
    }
    look_release(&l);
    return rc;
}

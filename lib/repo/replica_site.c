/* SPDX-License-Identifier: BSD-2-Clause */
/* Making a place a replica: invariants Y1, Y2, Y4. */
#include "repo/replica_site.h"

#include <string.h>

#include "core/parallel.h"
#include "repo/repo_internal.h"

/** What was found at the destination. */
enum finding {
    FOUND_NOTHING,    /* empty, or packs only */
    FOUND_UNFINISHED, /* of this repository, without config */
    FOUND_REPLICA,
};

struct place {
    struct repo *source;
    struct storage *st;
    bool root_is_missing;
    bool unknown; /* an object that does not belong to an unfinished replica */
    bool objects; /* something beside packs */
};

/** Are these bytes what lies there?  An error if that cannot be said now. */
static enum vv_rc
is_there(struct storage *st, const char *name, struct vv_span object, bool *ret,
         struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf found = {0};
    enum vv_rc rc = storage_read_all(st, name, object.len, &found, err);

    if (rc == VV_ETRANSIENT || rc == VV_ENOMEM || rc == VV_ECANCELLED) {
        return rc;
    }
    vv_error_clear(err);
    *ret = rc == VV_OK && found.len == object.len &&
           (object.len == 0 || memcmp(found.data, object.data, object.len) == 0);
    return VV_OK;
}

enum vv_rc
publish_same(struct storage *st, const char *name, struct vv_span object, struct vv_error *err)
{
    struct vv_error why = {0};
    bool same = false;
    enum vv_rc rc = storage_publish(st, name, object, err);

    if (rc == VV_EEXISTS || rc == VV_ETRANSIENT) {
        enum vv_rc look = is_there(st, name, object, &same, &why);
        if (same) {
            vv_error_clear(err);
            return VV_OK;
        }
        if (rc == VV_EEXISTS && look != VV_OK) {
            if (err != NULL) {
                *err = why;
            }
            return look;
        }
    }
    return rc;
}

static enum vv_rc
refuse(struct vv_error *err, const char *url, const char *why, const char *hint)
{
    (void)vv_error_set(err, VV_EREFUSED, "'%s' %s", url, why);
    vv_error_hint(err, "%s", hint);
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, VV_EREFUSED);
}

static const char choose_another[] = "give an empty directory, or one that holds nothing but "
                                     "'packs' copied there by hand; nothing was changed";

/** Objects in the root: those an unfinished replica may have. */
static enum vv_rc
judge_root(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct place *p = ctx;

    (void)size;
    (void)err;
    if (strcmp(name, "README") == 0 || strcmp(name, "reserve") == 0 || strcmp(name, "site") == 0) {
        p->objects = true;
    } else {
        p->unknown = true;
    }
    return VV_OK;
}

/** Key slots: only those the source has. */
static enum vv_rc
judge_key(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct place *p = ctx;
    struct vv_buf path = {0};
    uint64_t there = 0;

    (void)err;
    vv_buf_printf(&path, "keys/%s", name);
    p->objects = true;
    if (!storage_name_valid(vv_buf_text(&path)) ||
        storage_size(repo_storage(p->source), vv_buf_text(&path), &there, NULL) != VV_OK ||
        there != size) {
        p->unknown = true;
    }
    vv_buf_release(&path);
    return VV_OK;
}

static enum vv_rc
judge_other(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct place *p = ctx;

    (void)name;
    (void)size;
    (void)err;
    p->unknown = true;
    return VV_OK;
}

/** The objects of one directory, which may be missing. */
static enum vv_rc
judge(struct place *p, const char *directory, storage_list_fn *fn, struct vv_error *err)
{
    enum vv_rc rc = p->root_is_missing ? VV_OK : storage_list(p->st, directory, fn, p, err);

    if (rc == VV_ENOTFOUND) {
        p->root_is_missing = directory[0] == '\0';
        vv_error_clear(err);
        return VV_OK;
    }
    return rc;
}

/** A place without config: can it become a replica? */
static enum vv_rc
judge_place(struct place *p, enum finding *ret, struct vv_error *err)
{
    static const char *const others[] = {"admin", "sessions", "snapshots", "condemned", "index"};
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct site site;
    enum vv_rc rc = storage_read_all(p->st, "site", LIMIT_SMALL_OBJECT, &object, err);

    if (rc == VV_OK && site_decode(vv_buf_span(&object), repo_id(p->source), &site, err) == VV_OK) {
        *ret = FOUND_UNFINISHED; /* `site` was published: everything else there is ours */
        return VV_OK;
    }
    if (rc != VV_OK && rc != VV_ENOTFOUND) {
        return rc;
    }
    p->unknown = rc == VV_OK; /* a site, but of another repository, or damaged */
    vv_error_clear(err);
    VV_TRY(judge(p, "", judge_root, err));
    VV_TRY(judge(p, "keys", judge_key, err));
    for (size_t i = 0; i < VV_COUNT(others); i++) {
        VV_TRY(judge(p, others[i], judge_other, err));
    }
    if (p->unknown) {
        return refuse(err, p->st->url, "is not empty and no repository", choose_another);
    }
    *ret = p->objects ? FOUND_UNFINISHED : FOUND_NOTHING;
    return VV_OK;
}

/** The config there is not byte for byte the source's: why? */
static enum vv_rc
judge_config(struct place *p, struct vv_span source_config, struct vv_error *err)
{
    const struct config *own = keyring_config(repo_keyring(p->source));
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct config config;

    VV_TRY(repo_config_object(p->st, &object, &config, err));
    if (!vv_uuid_equal(&config.repository, &own->repository)) {
        return refuse(err, p->st->url, "is another repository", choose_another);
    }
    if (object.len != source_config.len ||
        memcmp(object.data, source_config.data, object.len) != 0) {
        (void)vv_error_set(err, VV_EFORGED, "'config' at '%s' is not that of the source",
                           p->st->url);
        vv_error_hint(err, "one of the two was replaced: open each of them with a key, which tells "
                           "the right one");
        return vv_error_origin(err, VV_ORIGIN_REPOSITORY, VV_EFORGED);
    }
    return VV_OK;
}

static enum vv_rc
look(struct place *p, struct vv_span source_config, enum finding *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    enum vv_rc rc = storage_read_all(p->st, "config", LIMIT_CONFIG, &object, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        return judge_place(p, ret, err);
    }
    *ret = FOUND_REPLICA;
    if (rc == VV_OK && object.len == source_config.len &&
        memcmp(object.data, source_config.data, object.len) == 0) {
        return VV_OK;
    }
    if (rc == VV_OK || rc == VV_ECORRUPT || rc == VV_ELIMIT || rc == VV_EIO) {
        vv_error_clear(err);
        rc = judge_config(p, source_config, err); /* key slots hold copies */
    }
    if (rc == VV_ENOREPO) { /* a line that was cut looked like damage: there is none */
        vv_error_clear(err);
        return judge_place(p, ret, err);
    }
    return rc;
}

struct key_copy {
    struct repo *source;
    struct storage *st;
};

static enum vv_rc
copy_key(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct key_copy *c = ctx;
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    enum vv_rc rc;

    vv_buf_printf(&path, "keys/%s", name);
    if (size > LIMIT_KEY_SLOT || !storage_name_valid(vv_buf_text(&path))) {
        return VV_OK;
    }
    VV_TRY(storage_read_all(repo_storage(c->source), vv_buf_text(&path), LIMIT_KEY_SLOT, &object,
                            err));
    rc = publish_same(c->st, vv_buf_text(&path), vv_buf_span(&object), err);
    if (rc == VV_EEXISTS) { /* a damaged one; replica_copy_small tells */
        vv_error_clear(err);
        rc = VV_OK;
    }
    return rc;
}

/** An object that an earlier attempt may have left. */
static enum vv_rc
unless_there(enum vv_rc rc, struct vv_error *err)
{
    if (rc == VV_EEXISTS) {
        vv_error_clear(err);
        return VV_OK;
    }
    return rc;
}

/** What is made beside config; independent of each other. */
struct making {
    struct place *p;
    int64_t now;
    uint64_t reserve;
};

static enum vv_rc
make_keys(void *ctx, struct vv_error *err)
{
    const struct making *m = ctx;
    struct key_copy keys = {.source = m->p->source, .st = m->p->st};

    return storage_list(repo_storage(m->p->source), "keys", copy_key, &keys, err);
}

static enum vv_rc
make_readme(void *ctx, struct vv_error *err)
{
    const struct making *m = ctx;

    VV_TRY(unless_there(publish_readme(m->p->st, repo_id(m->p->source), err), err));
    return unless_there(publish_reserve(m->p->st, m->reserve, err), err);
}

static enum vv_rc
make_site(void *ctx, struct vv_error *err)
{
    const struct making *m = ctx;

    return unless_there(publish_site(m->p->st, repo_id(m->p->source), m->now, err), err);
}

/** Y2 */
static enum vv_rc
make_replica(struct place *p, struct vv_span config, const struct repo_options *options,
             uint64_t reserve, struct vv_error *err)
{
    const struct vv_clock *clock = options->clock != NULL ? options->clock : vv_clock_system();
    struct making m = {.p = p, .now = clock->realtime(clock), .reserve = reserve};
    struct vv_job jobs[] = {{.run = make_keys, .ctx = &m},
                            {.run = make_readme, .ctx = &m},
                            {.run = make_site, .ctx = &m}};

    VV_TRY(storage_complete_layout(p->st, err));
    VV_TRY(vv_parallel_run(jobs, VV_COUNT(jobs), storage_parallel(p->st), err));
    return publish_same(p->st, "config", config, err); /* the commit point */
}

static enum vv_rc
check_site(struct repo *source, struct repo *site, struct vv_error *err)
{
    const struct vv_uuid *id = &repo_site(site)->id;
    const char *url = repo_storage(site)->url;

    if (vv_uuid_is_zero(id)) {
        return refuse(err, url, "has no intact 'site': nothing can be written there",
                      "snapshots can be restored from it; make another replica in an empty "
                      "directory, into which its 'packs' may be copied by hand");
    }
    if (vv_uuid_equal(id, &repo_site(source)->id)) {
        return refuse(err, url,
                      "carries the source's own site id: it is the source, or a plain copy of it",
                      "name another place; to make a replica of a plain copy, delete "
                      "everything in it but 'packs' and run this again");
    }
    return VV_OK;
}

enum vv_rc
replica_open(struct repo *source, struct storage *st, const struct repo_options *options,
             uint64_t reserve, struct repo **ret, bool *ret_made, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf config = {0};
    VV_CLEANUP(repo_freep) struct repo *site = NULL;
    struct place p = {.source = source, .st = st};
    struct repo_options keyless = *options;
    enum finding found = FOUND_REPLICA;
    struct config known;

    if (reserve > LIMIT_PACK) {
        return vv_error_set(err, VV_EUSAGE, "--reserve is at most 1 GiB");
    }
    VV_TRY(repo_config_object(repo_storage(source), &config, &known, err));
    VV_TRY(look(&p, vv_buf_span(&config), &found, err));
    if (found != FOUND_REPLICA) {
        VV_TRY(make_replica(&p, vv_buf_span(&config), options, reserve, err));
        *ret_made = true;
    }
    keyless.cache_dir = NULL;
    VV_TRY(repo_open_config(st, &known, &keyless, &site, err)); /* it is the source's */
    VV_TRY(check_site(source, site, err));
    *ret = TAKE(site);
    return VV_OK;
}

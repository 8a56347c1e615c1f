/* SPDX-License-Identifier: BSD-2-Clause */
/* A repository in a directory of another host, over SFTP: making the driver, and small things. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "storage/sftp_internal.h"

/* A device that has less than this free is full, whatever else failed. */
#define NO_SPACE_BELOW (UINT64_C(1) << 20)

enum vv_rc
sftp_path(const struct sftp *s, const char *name, char out[SFTP_PATH_MAX], struct vv_error *err)
{
    bool slash = name[0] != '\0' && strcmp(s->root, "/") != 0;
    int n = snprintf(out, SFTP_PATH_MAX, "%s%s%s", s->root, slash ? "/" : "", name);
    if (n < 0 || n >= SFTP_PATH_MAX) {
        return vv_error_set(err, VV_ELIMIT, "the path of '%s' is longer than %d bytes", s->url,
                            SFTP_PATH_MAX - 1);
    }
    return VV_OK;
}

enum vv_rc
sftp_temporary_path(struct sftp *s, char out[SFTP_PATH_MAX], struct vv_error *err)
{
    char name[STORAGE_SESSION_MAX + 32];
    uint64_t n = atomic_fetch_add(&s->last_temporary, 1) + 1;
    vv_mutex_lock(&s->lock);
    (void)snprintf(name, sizeof(name), "tmp/%s-%" PRIu64, s->session, n);
    vv_mutex_unlock(&s->lock);
    return sftp_path(s, name, out, err);
}

bool
sftp_no_space(const struct sftp *s, struct sftp_channel *c, uint64_t wanted)
{
    uint64_t free_bytes = 0;
    uint64_t total = 0;
    if ((sftp_client_extensions(c->client) & SFTP_STATVFS) == 0 ||
        sftp_statvfs(c->client, s->root, &free_bytes, &total, NULL) != VV_OK) {
        return false;
    }
    return free_bytes < NO_SPACE_BELOW || free_bytes < wanted;
}

void
sftp_explain(const struct sftp *s, struct vv_error *err)
{
    if (err != NULL && err->rc == VV_EREFUSED && err->hint[0] == '\0') {
        vv_error_hint(err, "check what the account may do below '%s' on the server", s->root);
    }
}

struct removal {
    const char *name;
};

static void
forget_file(struct sftp_channel *c, void *ctx)
{
    sftp_file_forget(c, ctx);
}

static enum vv_rc
attempt_remove(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
               struct vv_error *err)
{
    const struct removal *r = ctx;
    struct sftp_attributes a;
    char path[SFTP_PATH_MAX];
    char directory[STORAGE_NAME_MAX + 1];
    struct sftp_directory *d = NULL;
    struct vv_error why = {0};

    (void)snprintf(directory, sizeof(directory), "%.*s", (int)storage_directory_len(r->name),
                   r->name);
    VV_TRY(sftp_path(s, r->name, path, err));
    VV_TRY(sftp_directory_get(s, c, directory, &d, err));
    enum vv_rc rc = sftp_remove(c->client, path, &why);
    if (rc == VV_ENOTFOUND && attempt > 0) {
        rc = VV_OK; /* it was an earlier attempt whose answer was lost */
    } else if (rc != VV_OK && rc != VV_ENOTFOUND && !sftp_client_failed(c->client) &&
               sftp_lstat(c->client, path, &a, NULL) == VV_OK && a.has_mode &&
               (a.mode & 0170000) == 0040000) {
        rc = vv_error_set(&why, VV_ENOTFOUND, "'%s/%s' is a directory", s->url, r->name);
    }
    if (rc == VV_OK) {
        rc = sftp_directory_sync(s, c, d, NULL, &why);
    }
    sftp_directory_put(c, d);
    if (rc != VV_OK && err != NULL) {
        *err = why;
    }
    return rc;
}

static enum vv_rc
sftp_storage_remove(struct storage *st, const char *name, struct vv_error *err)
{
    struct sftp *s = (struct sftp *)st;
    struct removal r = {.name = name};
    char copy[STORAGE_NAME_MAX + 1];
    (void)snprintf(copy, sizeof(copy), "%s", name);
    sftp_pool_each(s, forget_file, copy);
    return sftp_run(s, attempt_remove, &r, err);
}

struct space {
    uint64_t free;
    uint64_t total;
};

static enum vv_rc
attempt_space(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
              struct vv_error *err)
{
    struct space *space = ctx;
    (void)attempt;
    if ((sftp_client_extensions(c->client) & SFTP_STATVFS) == 0) {
        return vv_error_set(err, VV_EUNSUPPORTED, "the server of '%s' does not tell its free space",
                            s->url);
    }
    return sftp_statvfs(c->client, s->root, &space->free, &space->total, err);
}

static enum vv_rc
sftp_storage_space(struct storage *st, uint64_t *ret_free, uint64_t *ret_total,
                   struct vv_error *err)
{
    struct space space = {0};
    VV_TRY(sftp_run((struct sftp *)st, attempt_space, &space, err));
    *ret_free = space.free;
    *ret_total = space.total;
    return VV_OK;
}

static void
sftp_storage_uncache(struct storage *st, const char *name)
{
    /* what the server has in its memory cannot be dropped from here */
    char copy[STORAGE_NAME_MAX + 1];
    (void)snprintf(copy, sizeof(copy), "%s", name);
    sftp_pool_each((struct sftp *)st, forget_file, copy);
}

static void
sftp_storage_set_session(struct storage *st, const char *session_text)
{
    struct sftp *s = (struct sftp *)st;
    vv_mutex_lock(&s->lock);
    (void)snprintf(s->session, sizeof(s->session), "%s", session_text);
    vv_mutex_unlock(&s->lock);
}

static unsigned
sftp_storage_parallel(struct storage *st)
{
    (void)st;
    return SFTP_PARALLEL;
}

static bool
sftp_storage_set_rate_limit(struct storage *st, struct vv_rate_limit *limit)
{
    struct sftp *s = (struct sftp *)st;
    vv_mutex_lock(&s->lock);
    bool changed = s->limit != limit;
    s->limit = limit;
    vv_mutex_unlock(&s->lock);
    if (changed) {
        sftp_pool_renew(s);
    }
    return true;
}

static void
sftp_storage_free(struct storage *st)
{
    struct sftp *s = (struct sftp *)st;
    sftp_pool_release(s);
    sftp_url_release(&s->target);
    vv_mutex_release(&s->lock);
    vv_free(s->root);
    vv_free(s->url);
    vv_free(s);
}

static const struct storage_ops sftp_ops = {
    .scheme = "sftp",
    .publish = sftp_storage_publish,
    .read = sftp_storage_read,
    .size = sftp_storage_size,
    .list = sftp_storage_list,
    .remove = sftp_storage_remove,
    .make_layout = sftp_storage_make_layout,
    .complete_layout = sftp_storage_complete_layout,
    .abilities = sftp_storage_abilities,
    .free = sftp_storage_free,
    .space = sftp_storage_space,
    .uncache = sftp_storage_uncache,
    .set_session = sftp_storage_set_session,
    .parallel = sftp_storage_parallel,
    .set_rate_limit = sftp_storage_set_rate_limit,
    .list_shards = sftp_storage_list_shards,
    .describe = sftp_storage_describe,
    .digests = sftp_storage_digests,
};

/* A channel as the user asked for it. */
static enum vv_rc
connect_ssh(void *ctx, struct byte_stream **ret, struct vv_error *err)
{
    struct sftp *s = ctx;
    struct ssh_target target = {
        .user = s->target.user, .host = s->target.host, .port = s->target.port};
    return ssh_connect_as(&target, &s->ssh, &s->choice, ret, err);
}

static void
set_options(struct sftp *s, const struct storage_options *o)
{
    if (o->ssh != NULL) {
        s->ssh = *o->ssh;
    }
    s->clock = o->clock != NULL ? o->clock : vv_clock_system();
    s->cancel = o->cancel;
    s->events = o->events;
    s->ssh.clock = s->ssh.clock != NULL ? s->ssh.clock : s->clock;
    s->ssh.cancel = s->ssh.cancel != NULL ? s->ssh.cancel : s->cancel;
    s->ssh.events = s->ssh.events != NULL ? s->ssh.events : s->events;
    bool set = o->channels > 0 && o->channels < SFTP_CHANNELS_MAX;
    s->most = set ? o->channels : SFTP_CHANNELS_MAX;
}

/* The driver without a way to connect; takes nothing. */
static enum vv_rc
make(const char *url, const char *root, const struct storage_options *options, struct sftp **ret,
     struct vv_error *err)
{
    static const struct storage_options none;
    struct sftp *s = vv_alloc_array(1, sizeof(*s));
    if (s == NULL) {
        (void)vv_error_nomem(err);
        return VV_ENOMEM;
    }
    s->url = vv_strdup(url);
    s->root = vv_strdup(root);
    if (s->url == NULL || s->root == NULL) {
        vv_free(s->url);
        vv_free(s->root);
        vv_free(s);
        (void)vv_error_nomem(err);
        return VV_ENOMEM;
    }
    s->base = (struct storage){.ops = &sftp_ops, .url = s->url};
    set_options(s, options != NULL ? options : &none);
    vv_mutex_init(&s->lock);
    sftp_pool_init(s);
    uint8_t random[8];
    uint32_t first;
    vv_random(random, sizeof(random));
    memcpy(s->session, "unnamed-", 8);
    vv_hex(s->session + 8, random, sizeof(random));
    /* leftovers of a session that goes on are not met again: they would look like a failure */
    vv_random(&first, sizeof(first));
    atomic_store(&s->last_temporary, first);
    *ret = s;
    return VV_OK;
}

enum vv_rc
storage_sftp_new(const char *url, const struct storage_options *options, struct storage **ret,
                 struct vv_error *err)
{
    struct sftp_url target = {0};
    struct sftp *s = NULL;
    VV_TRY(sftp_url_parse(url, &target, err));
    enum vv_rc rc = make(url, target.path, options, &s, err);
    if (rc != VV_OK) {
        sftp_url_release(&target);
        return rc;
    }
    size_t len = strlen(s->url);
    while (len > 0 && s->url[len - 1] == '/' && strlen(s->root) > 1) {
        s->url[--len] = '\0'; /* messages put a name behind it */
    }
    s->target = target;
    s->connect = connect_ssh;
    s->connect_ctx = s;
    *ret = &s->base;
    return VV_OK;
}

enum vv_rc
storage_sftp_new_with(sftp_connect_fn *connect, void *ctx, const char *root,
                      const struct storage_options *options, uint64_t stall_ms,
                      struct storage **ret, struct vv_error *err)
{
    struct sftp *s = NULL;
    VV_TRY(make(root, root, options, &s, err));
    s->connect = connect;
    s->connect_ctx = ctx;
    s->stall_ms = stall_ms;
    *ret = &s->base;
    return VV_OK;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer's half of the prune protocol: steps W1, W2 and heartbeats. */

#include "repo/writer_session_internal.h"

#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "core/random.h"
#include "crypto/asymmetric.h"
#include "repo/session_mark.h"

#define HEARTBEAT_NS (600ull * 1000 * 1000 * 1000)
#define HEARTBEAT_POLL_MS 1000u

/** Publish the registration (beat 0) or a heartbeat. */
static enum vv_rc
publish_session(struct writer_session *s, uint64_t beat, struct vv_error *err)
{
    struct session_record record = {.session = s->id, .kind = s->kind, .beat = beat};
    struct vv_buf object = {0};
    struct vv_buf name = {0};
    char text[VV_UUID_TEXT];
    enum vv_rc rc;

    if (s->client != NULL) {
        record.client = s->client->id;
    }
    record.time = repo_clock(s->repo)->realtime(repo_clock(s->repo));
    vv_random(record.nonce, sizeof(record.nonce));
    vv_uuid_text(&s->id, text);
    vv_buf_printf(&name, "sessions/%s", text);
    if (beat > 0) {
        vv_buf_printf(&name, ".%llu", (unsigned long long)beat);
    }
    (void)vv_buf_text(&name);
    rc = vv_buf_check(&name, err);
    if (rc == VV_OK) {
        rc = session_encode(&record, repo_id(s->repo), &object, err);
    }
    if (rc == VV_OK) {
        rc = storage_publish(repo_storage(s->repo), vv_buf_text(&name), vv_buf_span(&object), err);
    }
    vv_buf_release(&object);
    vv_buf_release(&name);
    return rc;
}

enum vv_rc
writer_session_beat(struct writer_session *s, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(s->repo);
    uint64_t now = clock->monotonic(clock);
    uint64_t beat;

    vv_mutex_lock(&s->lock);
    if (now - s->last_beat < HEARTBEAT_NS) {
        vv_mutex_unlock(&s->lock);
        return VV_OK;
    }
    s->last_beat = now;
    beat = ++s->beats;
    vv_mutex_unlock(&s->lock);
    return publish_session(s, beat, err);
}

/** Heartbeats are an aid for prune's patience, never a condition of safety: a failed one is only
 *  reported, and the next one is tried in its time. */
static void
heart(void *arg)
{
    struct writer_session *s = arg;
    struct vv_error err = {0};

    vv_mutex_lock(&s->lock);
    while (!s->stop) {
        (void)vv_cond_wait_ms(&s->wake, &s->lock, HEARTBEAT_POLL_MS);
        if (s->stop) {
            break;
        }
        vv_mutex_unlock(&s->lock);
        if (writer_session_beat(s, &err) != VV_OK) {
            vv_emit(repo_events(s->repo), VV_EVENT_WARNING, "heartbeat-failed", vv_span(NULL, 0),
                    "%s", err.message);
        }
        vv_mutex_lock(&s->lock);
    }
    vv_mutex_unlock(&s->lock);
}

/** Publish this client's certificate as its ${n}th, signed by the administrator who opened the
 *  repository. */
static enum vv_rc
certify(struct writer_session *s, unsigned n, struct vv_error *err)
{
    struct certificate c = {.client = s->client->id, .role = KEY_ROLE_ADMIN};
    struct vv_buf payload = {0};
    char name[ADMIN_NUMBERED_NAME];
    enum vv_rc rc;

    memcpy(c.ed25519, s->client->ed25519_public, 32);
    x25519_public(s->client->x25519_secret, c.x25519);
    certificate_encode(&c, &payload);
    admin_numbered_name("certificate", &c.client, n, name);
    rc = vv_buf_check(&payload, err);
    if (rc == VV_OK) {
        rc = admin_publish(s->repo, 0, ADMIN_CERTIFICATE, name, vv_buf_span(&payload), err);
    }
    vv_buf_release(&payload);
    return rc;
}

/** Is this client certified here, with the keys it has?  What it may do is checked too: what a
 *  client commits that others will not believe is lost. */
static enum vv_rc
check_certificate(struct writer_session *s, bool *ret, struct vv_error *err)
{
    const struct certified *c = admin_certified(&s->admin, &s->client->id);

    *ret = c != NULL;
    if (c == NULL && keyring_client(repo_keyring(s->repo)) != NULL) {
        enum vv_rc rc = vv_error_set(
            err, VV_EREFUSED, "the administrator's certificate of this key's client is not here");
        vv_error_hint(err, "replicate from the copy 'varve key add' was run on");
        return rc;
    }
    if (admin_revoked(&s->admin, &s->client->id, UINT64_MAX)) {
        enum vv_rc rc = vv_error_set(err, VV_EREFUSED, "this client's certificate was revoked");
        vv_error_hint(err, "move its state directory away to go on as a new client");
        return rc;
    }
    if (c == NULL) {
        return VV_OK;
    }
    if (memcmp(c->certificate.ed25519, s->client->ed25519_public, 32) != 0) {
        return vv_error_set(err, VV_EFORGED,
                            "this client's certificate names another key than local state");
    }
    if (!certificate_may_write(&c->certificate)) {
        return vv_error_set(err, VV_EREFUSED, "this client's certificate allows reading only");
    }
    memcpy(s->certificate, c->name, sizeof(s->certificate));
    return VV_OK;
}

#define CERTIFICATES_MAX 16u /* names tried: what lies there may be no certificate */

/** Make sure the certificate is in this copy of the repository. */
static enum vv_rc
ensure_certificate(struct writer_session *s, struct vv_error *err)
{
    bool certified = false;

    VV_TRY(check_certificate(s, &certified, err));
    for (unsigned n = 1; !certified && n <= CERTIFICATES_MAX; n++) {
        enum vv_rc rc = certify(s, n, err);
        if (rc != VV_OK && rc != VV_EEXISTS) { /* exists: another run of this client was faster */
            return rc;
        }
        vv_error_clear(err);
        admin_records_release(&s->admin);
        VV_TRY(admin_records_read(s->repo, &s->admin, err));
        VV_TRY(admin_records_conclusive(&s->admin, err));
        VV_TRY(check_certificate(s, &certified, err));
    }
    if (!certified) {
        return vv_error_set(err, VV_EFORGED,
                            "this client cannot be certified: the names of its certificates are "
                            "taken by something else");
    }
    return s->client->certified ? VV_OK : local_state_set_certified(repo_state(s->repo), err);
}

/** Write in the newest epoch.  A record that has nothing for this client was made without it. */
static enum vv_rc
take_epoch(struct writer_session *s, struct vv_error *err)
{
    enum vv_rc rc;

    admin_learn_epochs(s->repo, &s->admin);
    if (repo_epoch(s->repo) >= s->admin.newest_epoch &&
        keyring_epoch_known(repo_keyring(s->repo), repo_epoch(s->repo))) {
        return VV_OK;
    }
    rc = vv_error_set(err, VV_EKEY, "this key was given no key of epoch %u, the newest one",
                      s->admin.newest_epoch);
    vv_error_hint(err, "it was made, or its client certified, on another copy of the repository: "
                       "an administrator's next 'varve key rotate' gives it one");
    return rc;
}

/* The two halves of W2, each of which touches only its own members of the session. */
static enum vv_rc
read_condemned(void *ctx, struct vv_error *err)
{
    struct writer_session *s = ctx;
    struct condemned_set condemned;

    VV_TRY(condemned_read(s->repo, &condemned, err));
    condemned_set_release(&s->condemned);
    s->condemned = condemned;
    if (s->condemned.lists + s->condemned.damaged > 0) {
        s->parent_reuse = false;
    }
    return VV_OK;
}

static enum vv_rc
read_admin(void *ctx, struct vv_error *err)
{
    struct writer_session *s = ctx;
    struct admin_records admin;

    VV_TRY(admin_records_read(s->repo, &admin, err));
    admin_records_release(&s->admin);
    s->admin = admin;
    return VV_OK;
}

enum vv_rc
writer_session_refresh(struct writer_session *s, struct vv_error *err)
{
    struct vv_job jobs[] = {{.run = read_condemned, .ctx = s}, {.run = read_admin, .ctx = s}};

    VV_TRY(vv_parallel_run(jobs, VV_COUNT(jobs), storage_parallel(repo_storage(s->repo)), err));
    return admin_records_conclusive(&s->admin, err);
}

/** W2, and may this client write at all? */
static enum vv_rc
look_around(struct writer_session *s, struct vv_error *err)
{
    VV_TRY(writer_session_refresh(s, err)); /* W2; W8 */
    if (s->kind == SESSION_PRUNE) {
        VV_TRY(condemned_conclusive(&s->condemned, err));
    }
    if (s->client != NULL) {
        VV_TRY(ensure_certificate(s, err));
        VV_TRY(take_epoch(s, err));
    }
    return vv_thread_start(&s->heart, "heartbeat", heart, s, err);
}

enum vv_rc
writer_session_begin(struct repo *r, enum session_kind kind, struct writer_session **ret,
                     struct vv_error *err)
{
    VV_CLEANUP(writer_session_freep) struct writer_session *s = vv_alloc_array(1, sizeof(*s));
    /* Copying and healing sign nothing; with a key, repair signs what it makes. */
    bool signs = kind != SESSION_REPLICATE && !(kind == SESSION_REPAIR && repo_is_keyless(r));
    char text[VV_UUID_TEXT];
    enum vv_rc rc;

    if (s == NULL) {
        return vv_error_nomem(err);
    }
    s->repo = r;
    s->kind = kind;
    s->mark = -1;
    vv_mutex_init(&s->lock);
    vv_cond_init(&s->wake);
    if (repo_state(r) == NULL && signs) {
        return vv_error_set(err, VV_EUSAGE, "a state directory is needed to write snapshots");
    }
    if (vv_uuid_is_zero(
            &repo_site(r)->id)) { /* graves of this site could not be told from others */
        (void)vv_error_set(err, VV_EREFUSED,
                           "'site' is missing or damaged: nothing can be written");
        vv_error_hint(err, "snapshots can be restored from here, and copied to a new place");
        return vv_error_origin(err, VV_ORIGIN_REPOSITORY, VV_EREFUSED);
    }
    if (signs) {
        VV_TRY(local_state_client(repo_state(r), 1, &s->client, err));
    }
    vv_random(s->id.b, sizeof(s->id.b));
    vv_uuid_text(&s->id, text);
    storage_set_session(repo_storage(r), text);
    s->last_beat = repo_clock(r)->monotonic(repo_clock(r));
    s->mark = session_mark_hold(r, &s->id);
    rc = publish_session(s, 0, err); /* W1 */
    s->closed = rc != VV_OK;         /* no mark is better than one that stays */
    VV_TRY(rc);
    s->parent_reuse = true;
    rc = look_around(s, err);
    if (rc != VV_OK) { /* nobody need wait for it */
        (void)!writer_create_slot(s, vv_span(NULL, 0), 0, NULL);
        return rc;
    }
    *ret = TAKE(s);
    return VV_OK;
}

static void
stop_heart(struct writer_session *s)
{
    vv_mutex_lock(&s->lock);
    s->stop = true;
    vv_cond_broadcast(&s->wake);
    vv_mutex_unlock(&s->lock);
    vv_thread_join(&s->heart);
}

void
writer_session_free(struct writer_session *s)
{
    if (s == NULL) {
        return;
    }
    stop_heart(s);
    session_mark_release(s->repo, &s->id, s->mark, s->closed || s->ended);
    condemned_set_release(&s->condemned);
    admin_records_release(&s->admin);
    vv_cond_release(&s->wake);
    vv_mutex_release(&s->lock);
    vv_free(s);
}

const struct vv_uuid *
writer_session_id(const struct writer_session *s)
{
    return &s->id;
}

const struct condemned_set *
writer_session_condemned(const struct writer_session *s)
{
    return &s->condemned;
}

const struct admin_records *
writer_session_admin(const struct writer_session *s)
{
    return &s->admin;
}

bool
writer_session_parent_reuse(const struct writer_session *s)
{
    return s->parent_reuse;
}

const struct client_keys *
writer_session_client(const struct writer_session *s)
{
    return s->client;
}

const char *
writer_session_certificate(const struct writer_session *s)
{
    return s->certificate;
}

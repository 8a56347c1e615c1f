/* SPDX-License-Identifier: BSD-2-Clause */
/* Replicas: which there are, opening one when it is needed, and what became of it. */

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "crypto/hash.h"
#include "repo/replica_site.h"
#include "repo/replicas_internal.h"

#define BLOCK_CACHE (32u << 20)

/* --- which there are -------------------------------------------------------------------------- */

static void
replica_free(struct replica *x)
{
    chunk_reader_free(x->reader);
    chunk_index_free(x->index);
    repo_free(x->repo);
    storage_free(x->storage);
    vv_free(x->url);
    vv_free(x);
}

/** Add one unless it is known; more than there is room for are left out. */
static enum vv_rc
add_replica(struct replicas *s, const char *url, size_t len, bool remembered, struct vv_error *err)
{
    struct replica *x;

    for (size_t i = 0; i < s->count; i++) {
        if (strlen(s->items[i]->url) == len && memcmp(s->items[i]->url, url, len) == 0) {
            return VV_OK;
        }
    }
    if (s->count == REPLICAS_MAX) {
        return VV_OK;
    }
    x = vv_alloc_array(1, sizeof(*x));
    if (x == NULL || (x->url = vv_alloc(len + 1)) == NULL) {
        vv_free(x);
        return vv_error_nomem(err);
    }
    memcpy(x->url, url, len);
    x->url[len] = '\0';
    x->remembered = remembered;
    s->items[s->count++] = x;
    return VV_OK;
}

enum vv_rc
replicas_new(struct repo *r, const struct replica_source *source, struct replicas **ret,
             struct vv_error *err)
{
    struct replicas *s = vv_alloc_array(1, sizeof(*s));
    enum vv_rc rc = VV_OK;

    if (s == NULL) {
        return vv_error_nomem(err);
    }
    s->repo = r;
    s->source = source;
    vv_mutex_init(&s->opening);
    vv_mutex_init(&s->lock);
    for (size_t i = 0; i < source->count && rc == VV_OK; i++) {
        rc = add_replica(s, source->urls[i], strlen(source->urls[i]), false, err);
    }
    if (rc != VV_OK) {
        replicas_free(s);
        return rc;
    }
    *ret = s;
    return VV_OK;
}

void
replicas_free(struct replicas *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        replica_free(s->items[i]);
    }
    vv_free(s->blocks.slots);
    vv_free(s->packs);
    vv_mutex_release(&s->opening);
    vv_mutex_release(&s->lock);
    vv_free(s);
}

/** Those of local state, the newest first; a memory that cannot be read is none.  s->lock held. */
static enum vv_rc
recall(struct replicas *s, struct vv_error *err)
{
    struct vv_buf lines = {0};
    struct vv_error why = {0};
    enum vv_rc rc = VV_OK;

    s->recalled = true;
    if (repo_state(s->repo) == NULL) {
        return VV_OK;
    }
    rc = local_state_replicas(repo_state(s->repo), &lines, &why);
    if (rc != VV_OK && rc != VV_ENOMEM) {
        repo_report(s->repo, "state-damaged", "replicas", why.message);
        rc = VV_OK;
        vv_buf_reset(&lines);
    }
    while (rc == VV_OK && lines.len > 0) {
        size_t end = lines.len - 1; /* every line ends with '\n' */
        size_t begin = end;
        while (begin > 0 && lines.data[begin - 1] != '\n') {
            begin--;
        }
        rc = add_replica(s, (const char *)lines.data + begin, end - begin, true, err);
        lines.len = begin;
    }
    vv_buf_release(&lines);
    return rc == VV_ENOMEM ? vv_error_nomem(err) : rc;
}

/* --- opening ---------------------------------------------------------------------------------- */

static void
pass_on(struct vv_events *self, const struct vv_event *event)
{
    struct replica_events *x = (struct replica_events *)(void *)self;
    struct vv_event mapped = *event;
    char text[2048];

    (void)snprintf(text, sizeof(text), "in replica '%s': %s", x->url, event->text);
    mapped.text = text;
    if (event->kind == VV_EVENT_PROBLEM) {
        mapped.kind = VV_EVENT_WARNING;
        mapped.name = "replica-damaged";
    }
    if (x->next != NULL) {
        x->next->emit(x->next, &mapped);
    }
}

/** Say once why a replica is of no use; a NULL ${text}: there is nothing to say. */
static void
give_it_up(struct replicas *s, struct replica *x, enum replica_condition condition,
           const char *text)
{
    bool refused = condition == REPLICA_FORGED || (condition == REPLICA_OTHER && !x->remembered);
    enum replica_condition before;

    vv_mutex_lock(&s->lock);
    before = x->condition;
    x->condition = condition;
    vv_mutex_unlock(&s->lock);
    if (text == NULL || (before != REPLICA_UNUSED && before != REPLICA_OPEN)) {
        return; /* or another thread was faster */
    }
    vv_emit(repo_events(s->repo), refused ? VV_EVENT_PROBLEM : VV_EVENT_WARNING,
            condition == REPLICA_UNREACHABLE ? "replica-unreachable" : "replica-refused",
            vv_span(x->url, strlen(x->url)), "this replica %s",
            text[0] != '\0' ? text : "cannot be used");
}

static bool
is_itself(struct replicas *s, const struct replica *x)
{
    struct storage *here = repo_storage(s->repo);
    uint64_t device[2];
    uint64_t inode[2];

    return strcmp(here->url, x->url) == 0 ||
           (storage_local_identity(here, &device[0], &inode[0]) &&
            storage_local_identity(x->storage, &device[1], &inode[1]) && device[0] == device[1] &&
            inode[0] == inode[1]);
}

static bool
ends_the_run(enum vv_rc rc)
{
    return rc == VV_ENOMEM || rc == VV_ECANCELLED;
}

/** H3.  A damaged `config` proves nothing; then `site` shows that the place is a copy of this. */
static enum vv_rc
judge(struct replicas *s, struct replica *x, enum replica_condition *ret, char *text, size_t room,
      struct vv_error *err)
{
    const struct key_bundle *bundle = keyring_bundle(repo_keyring(s->repo));
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct vv_error why = {0};
    struct vv_reader body;
    struct config config;
    struct site site;
    struct vv_id hash;
    char id[VV_UUID_TEXT];
    enum vv_rc rc = storage_read_all(x->storage, "config", LIMIT_CONFIG, &object, &why);

    *ret = REPLICA_OPEN;
    if (rc == VV_OK) {
        sha256(object.data, object.len, hash.b);
        if (memcmp(hash.b, bundle->config_hash, sizeof(hash.b)) == 0) {
            return VV_OK;
        }
        if (container_open(vv_buf_span(&object), FORMAT_CONFIG, NULL, &body, NULL) == VV_OK &&
            config_decode(vv_buf_span(&object), &config, NULL) == VV_OK) {
            bool other = !vv_uuid_equal(&config.repository, repo_id(s->repo));
            vv_uuid_text(&config.repository, id);
            *ret = other ? REPLICA_OTHER : REPLICA_FORGED;
            (void)snprintf(text, room,
                           other ? "is another repository (%s); nothing is taken from it"
                                 : "has a 'config' that is not the one of repository %s's keys; "
                                   "nothing is taken from it",
                           id);
            return VV_OK;
        }
    }
    if (rc == VV_OK || rc == VV_ENOTFOUND || rc == VV_EIO || rc == VV_ELIMIT) {
        vv_buf_reset(&object);
        rc = storage_read_all(x->storage, "site", LIMIT_SMALL_OBJECT, &object, &why);
        if (rc == VV_OK) {
            rc = site_decode(vv_buf_span(&object), repo_id(s->repo), &site, &why);
        }
    }
    if (ends_the_run(rc)) {
        *err = why;
        return rc;
    }
    if (rc != VV_OK) {
        *ret = REPLICA_UNREACHABLE;
        (void)snprintf(text, room, "cannot be used: %s", why.message);
    }
    return VV_OK;
}

/** The parts of a replica that has been accepted. */
static enum vv_rc
assemble(struct replicas *s, struct replica *x, struct vv_error *err)
{
    x->events = (struct replica_events){
        .base = {.emit = pass_on}, .next = repo_events(s->repo), .url = x->url};
    VV_TRY(repo_open_replica(s->repo, x->storage, &x->events.base, &x->repo, err));
    VV_TRY(chunk_index_open(x->repo, &x->index, err));
    return chunk_reader_new(x->repo, x->index, BLOCK_CACHE, &x->reader, err);
}

/** Open a replica that has not been tried yet.  s->opening held, s->lock not. */
static enum vv_rc
open_replica(struct replicas *s, struct replica *x, struct vv_error *err)
{
    enum replica_condition condition = REPLICA_OPEN;
    struct vv_error why = {0};
    char text[1700] = "";
    enum vv_rc rc = s->source->open(s->source->ctx, x->url, &x->storage, &why);

    if (rc == VV_OK && is_itself(s, x)) {
        /* One that is remembered is no mistake: the run works on that replica. */
        give_it_up(s, x, REPLICA_OTHER, x->remembered ? NULL : "is the repository itself");
        return VV_OK;
    }
    if (rc == VV_OK) {
        rc = judge(s, x, &condition, text, sizeof(text), &why);
    }
    if (rc == VV_OK && condition == REPLICA_OPEN) {
        rc = assemble(s, x, &why);
    }
    if (ends_the_run(rc)) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    if (rc != VV_OK) {
        condition = REPLICA_UNREACHABLE;
        (void)snprintf(text, sizeof(text), "cannot be opened: %s%s%s", why.message,
                       why.hint[0] != '\0' ? "; " : "", why.hint);
    }
    if (condition != REPLICA_OPEN) {
        give_it_up(s, x, condition, text);
        return VV_OK;
    }
    vv_mutex_lock(&s->lock);
    x->condition = REPLICA_OPEN;
    vv_mutex_unlock(&s->lock);
    return VV_OK;
}

enum vv_rc
replicas_use(struct replicas *s, size_t nth, struct replica **ret, struct vv_error *err)
{
    enum replica_condition condition = REPLICA_UNUSED;
    struct replica *x;
    enum vv_rc rc = VV_OK;

    *ret = NULL;
    vv_mutex_lock(&s->lock);
    if (nth >= s->count && !s->recalled) {
        rc = recall(s, err);
    }
    x = nth < s->count ? s->items[nth] : NULL;
    if (x != NULL) {
        condition = x->condition;
    }
    vv_mutex_unlock(&s->lock);
    VV_TRY(rc);
    if (x == NULL) {
        return vv_error_set(err, VV_ENOTFOUND, "no further replica");
    }
    if (condition == REPLICA_UNUSED) {
        vv_mutex_lock(&s->opening);
        vv_mutex_lock(&s->lock);
        condition = x->condition;
        vv_mutex_unlock(&s->lock);
        if (condition == REPLICA_UNUSED) {
            rc = open_replica(s, x, err);
        }
        vv_mutex_lock(&s->lock);
        condition = x->condition;
        vv_mutex_unlock(&s->lock);
        vv_mutex_unlock(&s->opening);
    }
    *ret = condition == REPLICA_OPEN ? x : NULL;
    return rc;
}

enum vv_rc
replicas_repo(struct replicas *s, size_t nth, struct repo **ret, struct vv_error *err)
{
    struct replica *x;

    *ret = NULL;
    VV_TRY(replicas_use(s, nth, &x, err));
    *ret = x != NULL ? x->repo : NULL;
    return VV_OK;
}

/* --- what became of them ---------------------------------------------------------------------- */

void
replicas_failed(struct replicas *s, size_t nth, const struct vv_error *why)
{
    char text[1700];

    (void)snprintf(text, sizeof(text), "failed and is left alone from now on: %s", why->message);
    give_it_up(s, s->items[nth], REPLICA_UNREACHABLE, text);
}

void
replicas_count_object(struct replicas *s, size_t nth)
{
    vv_mutex_lock(&s->lock);
    s->items[nth]->objects++;
    vv_mutex_unlock(&s->lock);
}

void
replicas_note_keys(struct replicas *s, const char *url)
{
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->items[i]->url, url) == 0) {
            replicas_count_object(s, i);
        }
    }
}

bool
replicas_report(struct replicas *s, size_t nth, struct replica_report *ret)
{
    bool there;

    if (s == NULL) {
        return false;
    }
    vv_mutex_lock(&s->lock);
    there = nth < s->count;
    if (there) {
        const struct replica *x = s->items[nth];
        *ret = (struct replica_report){x->url, x->remembered, x->condition, x->blocks, x->objects};
    }
    vv_mutex_unlock(&s->lock);
    return there;
}

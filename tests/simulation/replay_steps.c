/* SPDX-License-Identifier: BSD-2-Clause */
/* Which storage call is which step of the protocol, and the storage that stops before each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "format/pack.h"
#include "simulation/replay.h"

/* Steps an actor takes once; what it repeats is one step. */
enum step {
    W1 = 1u << 0,
    W2 = 1u << 1,
    W3 = 1u << 2,
    W4 = 1u << 3,
    W6 = 1u << 4,
    W7 = 1u << 5,
    W8 = 1u << 6,
    P1 = 1u << 7,
    P1_MARK = 1u << 8,
    P2 = 1u << 9,
    P3 = 1u << 10,
    P4_MARK = 1u << 11,
    P4_LISTS = 1u << 12,
    P5_READ = 1u << 13,
    P5_PUBLISH = 1u << 14,
    P5_CLAIM = 1u << 15,
    P5_DROP = 1u << 16,
    P6 = 1u << 17,
    P7 = 1u << 18,
    P7_BURY = 1u << 19,
    P2_SURVEY = 1u << 20,
};

struct steps {
    struct storage base;
    struct storage *inner;
    struct actor *actor;
};

static bool
is_below(const char *name, const char *directory)
{
    return strncmp(name, directory, strlen(directory)) == 0;
}

static bool
has(const struct actor *a, enum step step)
{
    return (a->steps & step) != 0;
}

/** Note the step; its name the first time, "" afterwards. */
static const char *
once(struct actor *a, enum step step, const char *name)
{
    bool again = has(a, step);

    a->steps |= step;
    return again ? "" : name;
}

static bool
is_data_pack(const struct actor *a, struct vv_span data)
{
    struct pack_header h;

    return data.len >= PACK_HEADER_LEN &&
           pack_header_decode(data.data, &a->replay->repository, &h, NULL) == VV_OK &&
           h.class == PACK_DATA;
}

static void
note_pack(struct actor *a, const char *object)
{
    const char *name = strrchr(object, '/') + 1;

    if (!pack_name_parse(name, strlen(name), &a->published)) {
        abort();
    }
}

static const char *
session_publishes(struct actor *a, const char *name, struct vv_span data)
{
    if (is_below(name, "sessions/") && strchr(name, '.') == NULL) {
        if (a->session[0] != '\0') {
            (void)snprintf(a->session, sizeof(a->session), "%s", name + strlen("sessions/"));
            return "W1 register again";
        }
        (void)snprintf(a->session, sizeof(a->session), "%s", name + strlen("sessions/"));
        return once(a, W1, "W1 register");
    }
    if (is_below(name, "packs/") && is_data_pack(a, data)) {
        note_pack(a, name);
        a->data_pack = true;
        return "W5 publish pack";
    }
    if (is_below(name, "index/") && a->data_pack) {
        a->data_pack = false;
        return "W5 publish index";
    }
    return is_below(name, "snapshots/") ? once(a, W6, "W6 commit") : "";
}

static const char *
session_lists(struct actor *a, const char *name)
{
    if (strcmp(name, "condemned") == 0) {
        return has(a, W1) ? once(a, W2, "W2 read condemned") : "";
    }
    if (strcmp(name, "snapshots") == 0) {
        return a->kind != ACTOR_SESSION ? ""
               : !has(a, W1)            ? "W8 see parent"
               : has(a, W2)             ? once(a, W8, "W8 reuse parent")
                                        : "";
    }
    if (strcmp(name, "index") == 0) {
        return has(a, W2) ? once(a, W3, "W3 read index") : "";
    }
    if (is_below(name, "packs")) {
        return has(a, W3) ? once(a, W4, "W4 list packs") : "";
    }
    return strcmp(name, "admin") == 0 && has(a, W6) ? once(a, W7, "W7 read graves") : "";
}

/** Which session of the trace does a slot belong to? */
static const char *
fence_of(const struct actor *a, const char *name)
{
    static char text[STEP_TEXT];

    for (unsigned i = 0; i < a->replay->actor_count; i++) {
        const struct actor *b = &a->replay->actors[i];
        if (b->session[0] != '\0' && strcmp(b->session, name + strlen("snapshots/")) == 0) {
            /* numbered as in the model: sessions, then prunes */
            (void)snprintf(text, sizeof(text), "P3 fence %s%u",
                           b->kind == ACTOR_PRUNE ? "prune " : "", b->number);
            return text;
        }
    }
    return "";
}

static const char *
prune_publishes(struct actor *a, const char *name, struct vv_span data)
{
    if (is_below(name, "sessions/") && strchr(name, '.') == NULL) {
        (void)snprintf(a->session, sizeof(a->session), "%s", name + strlen("sessions/"));
        return once(a, P1, "P1 register");
    }
    if (is_below(name, "condemned/")) {
        return once(a, P2, "P2 condemn");
    }
    if (is_below(name, "packs/") && is_data_pack(a, data)) {
        note_pack(a, name);
        a->data_pack = true;
        return "P4 copy out";
    }
    if (is_below(name, "index/")) {
        bool of_copy = a->data_pack;
        a->data_pack = false;
        return of_copy           ? "P4 publish index"
               : has(a, P5_READ) ? once(a, P5_PUBLISH, "P5 publish index")
                                 : "";
    }
    if (is_below(name, "snapshots/")) {
        return strcmp(name + strlen("snapshots/"), a->session) != 0 ? fence_of(a, name)
               : has(a, P4_MARK)                                    ? once(a, P5_CLAIM, "P5 claim")
                                                                    : once(a, P5_CLAIM, "P7 end");
    }
    return is_below(name, "admin/grave-") && has(a, P7) ? once(a, P7_BURY, "P7 bury") : "";
}

static const char *
prune_lists(struct actor *a, const char *name)
{
    /* Slots are listed for their snapshots behind the administrator's records, and with sessions to see
     * who is open; for that it looks behind sessions whether there are new records. */
    bool behind_records = a->listed_records;

    a->listed_records = strcmp(name, "admin") == 0 && !a->listed_sessions;
    a->listed_sessions = strcmp(name, "sessions") == 0;
    if (strcmp(name, "snapshots") == 0) {
        return !has(a, P1) || !behind_records ? ""
               : !has(a, P2)                  ? once(a, P1_MARK, "P1 mark")
               : has(a, P3)                   ? once(a, P4_MARK, "P4 mark again")
                                              : "";
    }
    if (strcmp(name, "sessions") == 0) {
        return !has(a, P2)       ? ""
               : has(a, P4_MARK) ? ""
               : has(a, P3)      ? "P3 look again"
                                 : once(a, P3, "P3 list open sessions");
    }
    if (strcmp(name, "condemned") == 0) {
        return has(a, P4_MARK)                  ? once(a, P4_LISTS, "P4 read condemned again")
               : has(a, P1_MARK) && !has(a, P2) ? once(a, P2_SURVEY, "P2 survey")
                                                : "";
    }
    return strcmp(name, "index") == 0 && has(a, P4_LISTS) ? once(a, P5_READ, "P5 read index") : "";
}

static const char *
prune_removes(struct actor *a, const char *name)
{
    if (is_below(name, "index/")) {
        return once(a, P5_DROP, "P5 drop segments");
    }
    if (is_below(name, "packs/")) {
        return once(a, P6, "P6 delete packs");
    }
    return is_below(name, "condemned/") ? once(a, P7, "P7 retire") : "";
}

/** Wait for one's turn if this is a step. */
static void
stop_before(struct actor *a, const char *step)
{
    if (step[0] == '\0' || a->let_go) {
        return;
    }
    (void)snprintf(a->pending, sizeof(a->pending), "%s", step);
    fibers_hold(a->process, true);
    fibers_yield();
    a->pending[0] = '\0';
}

static enum vv_rc
steps_publish(struct storage *s, const char *name, struct vv_span data, struct vv_error *err)
{
    struct steps *p = (struct steps *)s;
    struct actor *a = p->actor;
    enum vv_rc rc;

    stop_before(a, a->kind == ACTOR_PRUNE ? prune_publishes(a, name, data)
                                          : session_publishes(a, name, data));
    rc = storage_publish(p->inner, name, data, err);
    if (is_below(name, "snapshots/") && strcmp(name + strlen("snapshots/"), a->session) == 0) {
        a->commit = rc;
    }
    return rc;
}

static enum vv_rc
steps_read(struct storage *s, const char *name, uint64_t offset, uint8_t *buf, size_t len,
           size_t *ret_len, struct vv_error *err)
{
    return storage_read(((struct steps *)s)->inner, name, offset, buf, len, ret_len, err);
}

static enum vv_rc
steps_size(struct storage *s, const char *name, uint64_t *ret, struct vv_error *err)
{
    return storage_size(((struct steps *)s)->inner, name, ret, err);
}

static enum vv_rc
steps_list(struct storage *s, const char *directory, storage_list_fn *fn, void *ctx,
           struct vv_error *err)
{
    struct steps *p = (struct steps *)s;
    struct actor *a = p->actor;

    stop_before(a,
                a->kind == ACTOR_PRUNE ? prune_lists(a, directory) : session_lists(a, directory));
    return storage_list(p->inner, directory, fn, ctx, err);
}

static enum vv_rc
steps_remove(struct storage *s, const char *name, struct vv_error *err)
{
    struct steps *p = (struct steps *)s;

    if (p->actor->kind == ACTOR_PRUNE) {
        stop_before(p->actor, prune_removes(p->actor, name));
    }
    return storage_remove(p->inner, name, err);
}

static enum vv_rc
steps_make_layout(struct storage *s, struct vv_error *err)
{
    return storage_make_layout(((struct steps *)s)->inner, err);
}

static enum vv_rc
steps_complete_layout(struct storage *s, struct vv_error *err)
{
    return storage_complete_layout(((struct steps *)s)->inner, err);
}

static uint32_t
steps_abilities(struct storage *s)
{
    return storage_abilities(((struct steps *)s)->inner);
}

static void
steps_free(struct storage *s)
{
    vv_free(s);
}

static const struct storage_ops steps_ops = {
    .scheme = "steps",
    .publish = steps_publish,
    .read = steps_read,
    .size = steps_size,
    .list = steps_list,
    .remove = steps_remove,
    .make_layout = steps_make_layout,
    .complete_layout = steps_complete_layout,
    .abilities = steps_abilities,
    .free = steps_free,
};

struct storage *
steps_storage(struct actor *a, struct storage *inner)
{
    struct steps *p = vv_alloc_array(1, sizeof(*p));

    if (p == NULL) {
        abort();
    }
    p->base = (struct storage){.ops = &steps_ops, .url = inner->url};
    p->inner = inner;
    p->actor = a;
    return &p->base;
}

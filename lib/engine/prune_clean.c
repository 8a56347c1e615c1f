/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune, P7: what sessions that have ended left behind. */
#include <string.h>

#include "engine/parity_site.h"
#include "engine/prune_internal.h"
#include "repo/bury.h"
#include "repo/repo_mend.h"
#include "repo/session_mark.h"
#include "storage/removal.h"

#define EMPTY_SLOTS_MANY 32u /* slots without a snapshot that are worth a grave */
#define GRAVES_MANY 16u      /* records of graves before they are merged */
#define SESSION_DIGITS 32u

static enum vv_rc
remove_one(struct prune *p, const char *directory, const char *file, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    enum vv_rc rc;

    vv_buf_printf(&name, "%s/%s", directory, file);
    (void)vv_buf_text(&name);
    VV_TRY(vv_buf_check(&name, err));
    rc = storage_remove(repo_storage(p->repo), vv_buf_text(&name), err);
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        return VV_OK;
    }
    return rc;
}

/** Has nobody touched it for an hour? */
static enum vv_rc
is_still(struct prune *p, const char *name, uint64_t value, bool *ret, struct vv_error *err)
{
    uint64_t still = 0;

    VV_TRY(stillness_of(p->still, name, value, &still, err));
    *ret = still >= PRUNE_STILL_NS;
    return VV_OK;
}

/** Registrations and heartbeats of sessions that have a slot, or are in a grave; and of readers that
 *  are gone. */
static enum vv_rc
clean_sessions(struct prune *p, const struct open_sessions *open, struct vv_error *err)
{
    VV_CLEANUP(removal_release) struct removal gone = {.storage = repo_storage(p->repo)};

    for (size_t i = 0; i < open->sessions.count; i++) {
        const char *file = open->sessions.names[i];
        const struct open_session *s;
        struct vv_uuid id;
        uint64_t beat;
        bool ended = false;
        if (!session_name_parse(file, &id, &beat)) {
            continue;
        }
        s = open_sessions_find(open, &id);
        if (s != NULL && s->kind == SESSION_READER) {
            char text[VV_UUID_TEXT];
            vv_uuid_text(&id, text);
            VV_TRY(is_still(p, text, s->beat, &ended, err));
        } else {
            ended = s == NULL;
        }
        if (ended) {
            VV_TRY(removal_add(&gone, "sessions", file, err));
        }
    }
    return removal_finish(&gone, err);
}

/** Does an open session own the temporary file (its name begins with the session's), or did a repair
 *  keep it aside? */
static bool
is_in_use(const struct open_sessions *open, const char *file)
{
    struct vv_uuid id;

    if (strncmp(file, REPO_ASIDE_PREFIX, strlen(REPO_ASIDE_PREFIX)) == 0) {
        return true;
    }
    return strlen(file) > SESSION_DIGITS && vv_uuid_parse(file, SESSION_DIGITS, &id) &&
           open_sessions_find(open, &id) != NULL;
}

/** Temporary files of sessions that have ended, at once; of such as nobody knows, after an hour in
 *  which they did not change: they may belong to a run that has not registered yet. */
static enum vv_rc
clean_temporaries(struct prune *p, const struct open_sessions *open, struct vv_error *err)
{
    struct name_list names;
    enum vv_rc rc = repo_list(p->repo, "tmp", &names, err);

    VV_TRY(rc);
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        const char *file = names.names[i];
        char session[VV_UUID_TEXT] = "";
        bool gone = false;
        if (is_in_use(open, file)) {
            continue;
        }
        if (strlen(file) > SESSION_DIGITS) {
            memcpy(session, file, SESSION_DIGITS);
            session[SESSION_DIGITS] = '\0';
        }
        if (name_list_has(&open->slots, session)) {
            gone = true;
        } else {
            rc = is_still(p, file, names.sizes[i], &gone, err);
        }
        if (rc == VV_OK && gone) {
            rc = remove_one(p, "tmp", file, err);
        }
    }
    name_list_release(&names);
    return rc;
}

enum vv_rc
prune_clean(struct prune *p, struct vv_error *err)
{
    struct admin_records admin = {0};
    struct open_sessions open = {0};
    uint64_t parity;
    size_t count;
    enum vv_rc rc;

    prune_phase(p, PRUNE_CLEANING);
    VV_TRY(parity_site_sweep(p->repo, &parity, err));
    p->s.bytes_deleted += parity;
    VV_TRY(admin_records_read(p->repo, &admin, err));
    rc = open_sessions_read(p->repo, &admin, &open, err);
    admin_records_release(&admin);
    if (rc == VV_OK) {
        rc = clean_sessions(p, &open, err);
    }
    if (rc == VV_OK) {
        rc = clean_temporaries(p, &open, err);
    }
    if (rc == VV_OK) {
        session_marks_sweep(p->repo, &open);
    }
    open_sessions_release(&open);
    if (rc == VV_OK) {
        rc = stillness_store(p->still, err);
    }
    VV_TRY(rc);
    VV_TRY(bury_empty_sessions(p->repo, EMPTY_SLOTS_MANY, &count, err));
    if (count > 0) {
        VV_TRY(slots_remove_buried(p->repo, &count, err));
    }
    return graves_merge(p->repo, GRAVES_MANY, err);
}

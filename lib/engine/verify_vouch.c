/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verify with data: writers deduplicate against each other's packs only if an administrator has
 * signed their index records (X2), which he does after every byte of a pack was read, each chunk's
 * id recomputed, and the directory taken from the pack itself: what a record of a hostile writer
 * says plays no part.
 */
#include "core/alloc.h"
#include "engine/verify_internal.h"

struct verify_vouch {
    struct writer_session *session;
    struct index_writer *index;
    bool failed; /* guarded by v->lock: told once, then nothing more is tried */
};

static void
vouch_failed(struct verify *v, const struct vv_error *err)
{
    bool first;

    vv_mutex_lock(&v->lock);
    first = !v->vouch->failed;
    v->vouch->failed = true;
    vv_mutex_unlock(&v->lock);
    if (first) {
        vv_emit(repo_events(v->repo), VV_EVENT_WARNING, "index-not-signed", vv_span(NULL, 0),
                "index records of writers' packs could not be signed, so that other writers store "
                "the same content again: %s",
                err->message);
    }
}

static void
vouch_free(struct verify_vouch *u)
{
    if (u != NULL) {
        index_writer_free(u->index);
        writer_session_free(u->session);
        vv_free(u);
    }
}

/** Is a pack there that a writer alone vouches for? */
static bool
something_to_sign(const struct verify *v)
{
    for (size_t i = 0; i < verify_pack_count(v); i++) {
        const struct verify_pack *p = &verify_packs(v)[i];
        if (p->listed && p->index_size != 0 && !p->damaged && !p->vouched) {
            return true;
        }
    }
    return false;
}

enum vv_rc
verify_vouch_begin(struct verify *v, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc;

    if (!v->options->vouch || !keyring_may_administer(repo_keyring(v->repo)) ||
        repo_state(v->repo) == NULL || !something_to_sign(v)) {
        return VV_OK;
    }
    v->vouch = vv_alloc_array(1, sizeof(*v->vouch));
    if (v->vouch == NULL) {
        return vv_error_nomem(err);
    }
    rc = writer_session_begin(v->repo, SESSION_REPAIR, &v->vouch->session, &why);
    if (rc == VV_OK) {
        rc = index_writer_new(v->repo, writer_session_client(v->vouch->session), &v->vouch->index,
                              &why);
    }
    if (rc != VV_OK) {
        vouch_failed(v, &why);
        vouch_free(TAKE(v->vouch));
    }
    return VV_OK;
}

bool
verify_vouch_wanted(const struct verify *v, const struct verify_pack *p)
{
    return v->vouch != NULL && p->index_size != 0 && !p->vouched &&
           !condemned_contains(&v->condemned, &p->name);
}

void
verify_vouch_add(struct verify *v, const struct verify_pack *p,
                 const struct pack_directory *directory, enum pack_class class)
{
    struct vv_error why = {0};
    bool failed;

    vv_mutex_lock(&v->lock);
    failed = v->vouch->failed;
    vv_mutex_unlock(&v->lock);
    if (failed) {
        return;
    }
    if (index_writer_add(v->vouch->index, &p->name, p->size, class, directory, &why) != VV_OK) {
        vouch_failed(v, &why);
        return;
    }
    vv_mutex_lock(&v->lock);
    v->s.packs_vouched++;
    vv_mutex_unlock(&v->lock);
}

void
verify_vouch_end(struct verify *v)
{
    struct vv_error why = {0};

    if (v->vouch == NULL) {
        return;
    }
    if (!v->vouch->failed &&
        (index_writer_flush(v->vouch->index, &why) != VV_OK ||
         writer_session_commit(v->vouch->session, vv_span(NULL, 0), 0, &why) != VV_OK)) {
        vouch_failed(v, &why);
    }
    if (v->vouch->failed) {
        v->s.packs_vouched = 0; /* how many of them were published is not known */
    }
    vouch_free(TAKE(v->vouch));
}

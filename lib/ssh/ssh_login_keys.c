/* SPDX-License-Identifier: BSD-2-Clause */
/* Logging in with keys: those of the agent, and key files. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "ssh/ssh_session_internal.h"

enum { PASSPHRASE_TRIES = 3 };

/* A certificate beside the key: what it is for, libssh2 cannot do. */
static bool
has_certificate(const char *path)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};

    vv_buf_printf(&name, "%s-cert.pub", path);
    return !name.failed && access(vv_buf_text(&name), F_OK) == 0;
}

/* ---- the agent ---- */

/* Is a key of the agent one of those that may be used? */
static bool
is_wanted(const struct ssh_plan *p, struct vv_span key)
{
    bool found = false;

    if (p->options->identity == NULL && !p->config.identities_only) {
        return true;
    }
    for (size_t i = 0; i < p->identities_count && !found; i++) {
        struct ssh_key_file f = {0};
        if (ssh_identity_read(p->identities[i], &f, NULL) == VV_OK) {
            found = f.public_key.len == key.len && key.len > 0 &&
                    memcmp(f.public_key.data, key.data, key.len) == 0;
            ssh_key_file_release(&f);
        }
    }
    return found;
}

static enum vv_rc
try_agent_key(struct ssh_attempts *a, LIBSSH2_AGENT *agent, struct libssh2_agent_publickey *key,
              struct vv_error *err)
{
    struct vv_span blob = vv_span(key->blob, key->blob_len);
    enum ssh_key_type type = ssh_key_type_of(blob);
    char fingerprint[SSH_FINGERPRINT_SIZE];
    bool again;

    if (!is_wanted(a->s->plan, blob) ||
        ssh_attempt_unusable(a, type, key->comment != NULL ? key->comment : "key of the agent")) {
        return VV_OK;
    }
    ssh_key_fingerprint(blob, fingerprint);
    ssh_attempt_note(a, "the agent's %s %s", ssh_key_type_label(type), fingerprint);
    a->count++;
    ssh_session_step(a->s);
    do {
        int rc = libssh2_agent_userauth(agent, a->s->plan->user, key);
        VV_TRY(ssh_attempt_result(a, rc, &again, err));
    } while (again);
    return VV_OK;
}

enum vv_rc
ssh_attempt_agent(struct ssh_attempts *a, struct vv_error *err)
{
    const char *path = a->s->plan->config.identity_agent;
    struct libssh2_agent_publickey *key = NULL;
    enum vv_rc rc = VV_OK;

    if (path != NULL && strcmp(path, "none") == 0) {
        return VV_OK;
    }
    LIBSSH2_AGENT *agent = libssh2_agent_init(a->s->session);
    if (agent == NULL) {
        return vv_error_nomem(err);
    }
    if (path != NULL && path[0] == '/') {
        libssh2_agent_set_identity_path(agent, path);
    }
    if (libssh2_agent_connect(agent) == 0) {
        if (libssh2_agent_list_identities(agent) == 0) {
            while (rc == VV_OK && !a->in && libssh2_agent_get_identity(agent, &key, key) == 0) {
                rc = try_agent_key(a, agent, key, err);
            }
        }
        (void)libssh2_agent_disconnect(agent);
    }
    libssh2_agent_free(agent);
    return rc;
}

/* ---- files ---- */

/* One attempt with a file; *ret_locked: the passphrase is wrong. */
static enum vv_rc
try_file(struct ssh_attempts *a, const char *path, const char *passphrase, bool *ret_locked,
         struct vv_error *err)
{
    const char *user = a->s->plan->user;
    bool again;
    int rc;

    ssh_session_step(a->s);
    do {
        rc = libssh2_userauth_publickey_fromfile_ex(a->s->session, user, (unsigned)strlen(user),
                                                    NULL, path, passphrase);
        VV_TRY(ssh_attempt_result(a, rc, &again, err));
    } while (again);
    *ret_locked = rc == LIBSSH2_ERROR_FILE;
    a->count += rc != LIBSSH2_ERROR_FILE;
    return VV_OK;
}

static enum vv_rc
try_locked_file(struct ssh_attempts *a, const char *path, struct vv_error *err)
{
    const struct ssh_options *o = a->s->plan->options;
    bool locked = true;
    unsigned attempt;
    enum vv_rc rc = VV_OK;

    for (attempt = 0; locked && attempt < PASSPHRASE_TRIES && rc == VV_OK; attempt++) {
        struct vv_buf secret = {0};
        rc = o->secret == NULL
                 ? VV_ENOTFOUND
                 : o->secret(o->secret_ctx, SSH_KEY_PASSPHRASE, path, attempt, &secret, err);
        if (rc == VV_OK) {
            rc = try_file(a, path, vv_buf_text(&secret), &locked, err);
        }
        if (secret.len > 0) {
            crypto_wipe(secret.data, secret.len);
        }
        vv_buf_release(&secret);
    }
    if (rc != VV_OK && rc != VV_ENOTFOUND) {
        return rc;
    }
    const char *state = !locked       ? ""
                        : attempt > 1 ? " (wrong passphrase)"
                                      : " (encrypted, and there is no passphrase for it)";
    ssh_attempt_note(a, "'%s'%s", path, state);
    if (locked && a->hint[0] == '\0') {
        (void)snprintf(a->hint, sizeof(a->hint),
                       "load the key into an agent: eval $(ssh-agent) && ssh-add '%s'; or give the "
                       "right passphrase",
                       path);
    }
    vv_error_clear(err);
    return VV_OK;
}

static enum vv_rc
try_identity(struct ssh_attempts *a, const char *path, struct vv_error *err)
{
    struct ssh_key_file f = {0};
    struct vv_error trouble = {0};
    bool unreadable = false;
    enum vv_rc rc = ssh_identity_read(path, &f, &trouble);

    if (rc == VV_ENOTFOUND && a->s->plan->options->identity == NULL) {
        return VV_OK; /* one of the usual names */
    }
    if (rc != VV_OK) {
        ssh_attempt_note(a, "%s", trouble.message);
        if (a->hint[0] == '\0') {
            (void)snprintf(a->hint, sizeof(a->hint), "%.*s", (int)sizeof(a->hint) - 1,
                           trouble.hint);
        }
        return VV_OK;
    }
    if (has_certificate(path)) {
        (void)ssh_attempt_unusable(a, SSH_KEY_CERTIFICATE, path);
    }
    if (ssh_attempt_unusable(a, f.type, path)) {
        rc = VV_OK;
    } else if (f.encrypted) {
        rc = try_locked_file(a, path, err);
    } else {
        rc = try_file(a, path, NULL, &unreadable, err);
        ssh_attempt_note(a, "'%s'%s", path, unreadable ? " (libssh2 cannot read it)" : "");
    }
    ssh_key_file_release(&f);
    return rc;
}

enum vv_rc
ssh_attempt_files(struct ssh_attempts *a, struct vv_error *err)
{
    const struct ssh_plan *p = a->s->plan;

    for (size_t i = 0; i < p->identities_count && !a->in; i++) {
        VV_TRY(try_identity(a, p->identities[i], err));
    }
    return VV_OK;
}

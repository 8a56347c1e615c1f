/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Logging in: nothing at all, keys of the agent, key files, a password, as far as the server offers
 * it; and what is said if none of it was accepted.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ssh/ssh_session_internal.h"

enum { MANY_TRIES = 5 }; /* a server's MaxAuthTries is usually 6 */

void
ssh_attempt_note(struct ssh_attempts *a, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    vv_buf_printf(&a->tried, "%s%s", a->tried.len > 0 ? ", " : "", text);
}

bool
ssh_attempt_unusable(struct ssh_attempts *a, enum ssh_key_type type, const char *path)
{
    char reason[SSH_REASON_SIZE];

    if (!ssh_key_needs_command(type, path, reason)) {
        return false;
    }
    ssh_attempt_note(a, "'%s' (%s: only for the ssh command)", path, ssh_key_type_label(type));
    if (!a->failure->use_command) {
        a->failure->use_command = true;
        (void)snprintf(a->failure->reason, sizeof(a->failure->reason), "%s", reason);
    }
    return true;
}

/* Is there nobody any more, without a word? */
static bool
is_lost(const struct ssh_session *s)
{
    char next;
    ssize_t n = recv(s->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT);

    return !s->said_goodbye &&
           (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR));
}

enum vv_rc
ssh_attempt_result(struct ssh_attempts *a, int rc, bool *ret_again, struct vv_error *err)
{
    *ret_again = rc == LIBSSH2_ERROR_EAGAIN;
    if (rc != 0 && !*ret_again && is_lost(a->s)) {
        rc = LIBSSH2_ERROR_SOCKET_DISCONNECT;
    }
    switch (rc) {
    case LIBSSH2_ERROR_EAGAIN:
        return ssh_session_wait(a->s, "has not answered while logging in", err);
    case 0:
        a->in = true;
        return VV_OK;
    case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
    case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
    case LIBSSH2_ERROR_KEYFILE_AUTH_FAILED:
    case LIBSSH2_ERROR_METHOD_NOT_SUPPORTED:
    case LIBSSH2_ERROR_AGENT_PROTOCOL:
    case LIBSSH2_ERROR_PASSWORD_EXPIRED:
    case LIBSSH2_ERROR_FILE:
    case LIBSSH2_ERROR_METHOD_NONE:
        return VV_OK;
    default:
        break;
    }
    rc = (int)ssh_session_error(a->s, rc, "while logging in", err);
    if (rc == VV_ETRANSIENT && a->count >= MANY_TRIES) {
        (void)vv_error_set(err, VV_EAUTH,
                           "'%s' hung up after %u keys and passwords had been refused: %.600s",
                           a->s->plan->login, a->count, vv_buf_text(&a->tried));
        vv_error_hint(err,
                      "say which key to use (--ssh-identity FILE), so that the right one comes "
                      "first");
        return VV_EAUTH;
    }
    return (enum vv_rc)rc;
}

/* ---- all refused ---- */

static bool
offers(const char *methods, const char *method)
{
    size_t len = strlen(method);

    for (; *methods != '\0'; methods += strcspn(methods, ","), methods += *methods == ',') {
        if (strncmp(methods, method, len) == 0 && (methods[len] == ',' || methods[len] == '\0')) {
            return true;
        }
    }
    return false;
}

/* What the ssh command could try beyond what was tried here. */
static void
consider_command(struct ssh_attempts *a, const char *methods)
{
    const struct ssh_config *c = &a->s->plan->config;
    const char *method = c->gssapi && offers(methods, "gssapi-with-mic") ? "gssapi-with-mic"
                         : c->host_based && offers(methods, "hostbased") ? "hostbased"
                                                                         : NULL;

    if (method != NULL && !a->failure->use_command) {
        a->failure->use_command = true;
        (void)snprintf(a->failure->reason, sizeof(a->failure->reason),
                       "the server offers %s, which libssh2 does not know", method);
    }
}

static enum vv_rc
refused(struct ssh_attempts *a, const char *methods, struct vv_error *err)
{
    const struct ssh_plan *p = a->s->plan;

    consider_command(a, methods);
    VV_TRY(vv_buf_check(&a->tried, err));
    (void)vv_error_set(err, VV_EAUTH, "'%s' refuses to let us in (it takes: %s); %s%.700s",
                       p->login, methods,
                       a->tried.len > 0 ? "tried: " : "there was nothing to try with",
                       a->tried.len > 0 ? vv_buf_text(&a->tried) : "");
    if (a->hint[0] != '\0') {
        vv_error_hint(err, "%s", a->hint);
    } else if (a->failure->use_command) {
        vv_error_hint(err, "use the ssh command (--ssh-transport ssh): %s", a->failure->reason);
    } else if (a->tried.len == 0 && p->identities_count > 0) {
        vv_error_hint(err,
                      "make a key and allow it there: ssh-keygen -t ed25519 -f %s && ssh-copy-id "
                      "-i %s.pub -p %u %s@%s",
                      p->options->identity != NULL ? p->options->identity : "~/.ssh/id_ed25519",
                      p->options->identity != NULL ? p->options->identity : "~/.ssh/id_ed25519",
                      p->port, p->user, p->host);
    } else {
        vv_error_hint(err,
                      "is the key in ~%s/.ssh/authorized_keys there, and the user right? try: "
                      "ssh -v -p %u %s@%s",
                      p->user, p->port, p->user, p->host);
    }
    return VV_EAUTH;
}

/* ---- in order ---- */

/* Asks what the server offers; where it lets everybody in, that is all. */
static enum vv_rc
ask_methods(struct ssh_attempts *a, const char **ret, struct vv_error *err)
{
    struct ssh_session *s = a->s;
    const char *user = s->plan->user;

    *ret = NULL;
    ssh_session_step(s);
    while ((*ret = libssh2_userauth_list(s->session, user, (unsigned)strlen(user))) == NULL) {
        bool again;
        if (libssh2_userauth_authenticated(s->session)) {
            a->in = true;
            return VV_OK;
        }
        VV_TRY(ssh_attempt_result(a, libssh2_session_last_errno(s->session), &again, err));
        if (!again) {
            return vv_error_set(err, VV_EAUTH, "'%s' does not say how to log in", s->plan->login);
        }
    }
    return VV_OK;
}

static enum vv_rc
log_in(struct ssh_attempts *a, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf copy = {0};
    const char *methods;

    VV_TRY(ask_methods(a, &methods, err));
    if (a->in) {
        return VV_OK;
    }
    vv_buf_put_text(&copy, methods); /* libssh2's own is gone with the next call */
    methods = vv_buf_text(&copy);
    VV_TRY(vv_buf_check(&copy, err));
    if (offers(methods, "publickey")) {
        VV_TRY(ssh_attempt_agent(a, err));
        if (!a->in) {
            VV_TRY(ssh_attempt_files(a, err));
        }
    }
    if (!a->in) {
        VV_TRY(ssh_attempt_password(a, methods, err));
    }
    return a->in ? VV_OK : refused(a, methods, err);
}

enum vv_rc
ssh_session_log_in(struct ssh_session *s, struct ssh_failure *failure, struct vv_error *err)
{
    struct ssh_attempts a = {.s = s, .failure = failure};
    enum vv_rc rc = log_in(&a, err);

    vv_buf_release(&a.tried);
    if (rc == VV_OK) {
        *failure = (struct ssh_failure){0}; /* keys that could not be used were not needed */
    } else if (rc != VV_EAUTH) {
        failure->use_command = false;
    }
    return rc;
}

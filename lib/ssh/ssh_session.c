/* SPDX-License-Identifier: BSD-2-Clause */
/* Connecting by libssh2: handshake, host key, login, the sftp subsystem. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/alloc.h"
#include "core/file.h"
#include "ssh/ssh_session_internal.h"
#include "ssh/ssh_socket_internal.h"

enum {
    POLL_MS = 200,
    CLOSE_MS = 700,
    KEEPALIVE_S = 15,
    RECEIVE_WINDOW = 32 << 20,
};

/* ---- steps ---- */

static uint64_t
now_ms(const struct ssh_session *s)
{
    return s->clock->monotonic(s->clock) / 1000000;
}

void
ssh_session_step(struct ssh_session *s)
{
    s->deadline_ms = now_ms(s) + s->plan->timeout_ms;
}

static void
poll_session(struct ssh_session *s, uint64_t ms)
{
    int directions = libssh2_session_block_directions(s->session);
    struct pollfd fd = {.fd = s->fd};

    fd.events = (short)((directions & LIBSSH2_SESSION_BLOCK_INBOUND ? POLLIN : 0) |
                        (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND ? POLLOUT : 0));
    if (fd.events == 0) {
        fd.events = POLLIN;
    }
    (void)poll(&fd, 1, ms < POLL_MS ? (int)ms : POLL_MS);
}

enum vv_rc
ssh_session_wait(struct ssh_session *s, const char *what, struct vv_error *err)
{
    VV_TRY(vv_cancel_check(s->plan->options->cancel, err));
    uint64_t now = now_ms(s);
    if (now >= s->deadline_ms) {
        return ssh_say_timeout(s->plan, what, err);
    }
    poll_session(s, s->deadline_ms - now);
    return VV_OK;
}

enum vv_rc
ssh_session_error(struct ssh_session *s, int rc, const char *what, struct vv_error *err)
{
    char *text = NULL;

    if (rc == LIBSSH2_ERROR_ALLOC) {
        return vv_error_nomem(err);
    }
    (void)libssh2_session_last_error(s->session, &text, NULL, 0);
    const char *why = text == NULL || *text == '\0' ? "no reason given" : text;
    switch (rc) {
    case LIBSSH2_ERROR_SOCKET_NONE:
    case LIBSSH2_ERROR_BANNER_RECV:
    case LIBSSH2_ERROR_BANNER_SEND:
    case LIBSSH2_ERROR_SOCKET_SEND:
    case LIBSSH2_ERROR_SOCKET_RECV:
    case LIBSSH2_ERROR_SOCKET_DISCONNECT:
    case LIBSSH2_ERROR_SOCKET_TIMEOUT:
    case LIBSSH2_ERROR_TIMEOUT:
    case LIBSSH2_ERROR_CHANNEL_CLOSED:
    case LIBSSH2_ERROR_BAD_SOCKET:
        return vv_error_set(err, VV_ETRANSIENT, "'%s' closed the connection %s (libssh2 %d: %s)",
                            s->plan != NULL ? s->plan->name : s->name, what, rc, why);
    default:
        return vv_error_set(err, VV_EIO, "the connection to '%s' failed %s (libssh2 %d: %s)",
                            s->plan != NULL ? s->plan->name : s->name, what, rc, why);
    }
}

/* ---- handshake ---- */

static enum vv_rc
initialise_once(struct vv_error *err)
{
    static struct vv_mutex lock = VV_MUTEX_INIT;
    static bool done;

    vv_mutex_lock(&lock);
    int rc = done ? 0 : libssh2_init(0);
    done = done || rc == 0;
    vv_mutex_unlock(&lock);
    return rc == 0 ? VV_OK : vv_error_set(err, VV_EUNSUPPORTED, "libssh2 cannot begin (%d)", rc);
}

/* What is asked for, nothing with SHA-1 in it.  ${host_keys}: types of the host's key, best first. */
static enum vv_rc
set_methods(struct ssh_session *s, const char *host_keys, struct vv_error *err)
{
    static const char ciphers[] = "aes128-ctr,aes256-ctr,aes192-ctr";
    static const char macs[] = "hmac-sha2-256,hmac-sha2-512";
    const struct {
        int method;
        const char *list;
    } lists[] = {
        {LIBSSH2_METHOD_KEX,
         "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"
         "ecdh-sha2-nistp521,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
         "diffie-hellman-group14-sha256,diffie-hellman-group-exchange-sha256"},
        {LIBSSH2_METHOD_HOSTKEY, host_keys},
        {LIBSSH2_METHOD_CRYPT_CS, ciphers},
        {LIBSSH2_METHOD_CRYPT_SC, ciphers},
        {LIBSSH2_METHOD_MAC_CS, macs},
        {LIBSSH2_METHOD_MAC_SC, macs},
    };

    for (size_t i = 0; i < VV_COUNT(lists); i++) {
        int rc = libssh2_session_method_pref(s->session, lists[i].method, lists[i].list);
        if (rc != 0) {
            return ssh_session_error(s, rc, "while choosing methods", err);
        }
    }
    return VV_OK;
}

static enum vv_rc
shake_hands(struct ssh_session *s, struct ssh_failure *failure, struct vv_error *err)
{
    int rc;

    ssh_session_step(s);
    while ((rc = libssh2_session_handshake(s->session, s->fd)) == LIBSSH2_ERROR_EAGAIN) {
        VV_TRY(ssh_session_wait(s, "has not finished the SSH handshake", err));
    }
    if (rc == 0) {
        return VV_OK;
    }
    if (rc == LIBSSH2_ERROR_KEX_FAILURE || rc == LIBSSH2_ERROR_METHOD_NONE) {
        failure->use_command = true;
        (void)snprintf(failure->reason, sizeof(failure->reason),
                       "libssh2 and the server have no key exchange, host key type, cipher or MAC "
                       "in common");
        (void)vv_error_set(err, VV_EUNSUPPORTED, "cannot talk to '%s': %s", s->plan->name,
                           failure->reason);
        vv_error_hint(err, "use the ssh command for it (--ssh-transport ssh)");
        return VV_EUNSUPPORTED;
    }
    return ssh_session_error(s, rc, "during the SSH handshake", err);
}

/* ---- host key ---- */

/* L1 */
static enum vv_rc
check_host_key(struct ssh_session *s, struct ssh_failure *failure, struct vv_error *err)
{
    size_t len = 0;
    int type = 0;
    const char *key = libssh2_session_hostkey(s->session, &len, &type);

    if (key == NULL || len == 0) {
        return vv_error_set(err, VV_EIO, "'%s' has shown no host key", s->plan->name);
    }
    enum vv_rc rc = ssh_plan_check_host_key(s->plan, vv_span(key, len), err);
    failure->not_pinned = rc == VV_EAUTH && s->plan->options->fingerprint != NULL;
    return rc;
}

/* Types that are known first, then the others, so that a host which has several keys shows the one
 * that is known. */
static void
order_host_keys(ssh_key_types known, struct vv_buf *out)
{
    static const enum ssh_key_type usable[] = {SSH_KEY_ED25519, SSH_KEY_ECDSA_256,
                                               SSH_KEY_ECDSA_384, SSH_KEY_ECDSA_521};

    for (unsigned pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < VV_COUNT(usable); i++) {
            if (((known >> usable[i] & 1u) != 0) == (pass == 0)) {
                vv_buf_printf(out, "%s%s", out->len > 0 ? "," : "", ssh_key_type_name(usable[i]));
            }
        }
    }
}

/* ---- the channel ---- */

static enum vv_rc
open_channel(struct ssh_session *s, struct vv_error *err)
{
    const struct ssh_options *o = s->plan->options;
    uint64_t window = o->receive_window != 0 ? o->receive_window : RECEIVE_WINDOW;
    int rc;

    window = window > UINT32_MAX / 2 ? UINT32_MAX / 2 : window;
    ssh_session_step(s);
    while ((s->channel =
                libssh2_channel_open_ex(s->session, "session", strlen("session"), (unsigned)window,
                                        LIBSSH2_CHANNEL_PACKET_DEFAULT, NULL, 0)) == NULL) {
        rc = libssh2_session_last_errno(s->session);
        if (rc == LIBSSH2_ERROR_CHANNEL_FAILURE) {
            (void)vv_error_set(err, VV_ETRANSIENT, "'%s' refuses a further channel", s->plan->name);
            vv_error_hint(err, "look for MaxSessions in the server's sshd_config, and at its log");
            return VV_ETRANSIENT;
        }
        if (rc != LIBSSH2_ERROR_EAGAIN) {
            return ssh_session_error(s, rc, "while opening a channel", err);
        }
        VV_TRY(ssh_session_wait(s, "has not opened a channel", err));
    }
    while ((rc = libssh2_channel_subsystem(s->channel, "sftp")) == LIBSSH2_ERROR_EAGAIN) {
        VV_TRY(ssh_session_wait(s, "has not started its SFTP server", err));
    }
    if (rc == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED || rc == LIBSSH2_ERROR_CHANNEL_FAILURE) {
        (void)vv_error_set(err, VV_EUNSUPPORTED, "'%s' has no SFTP server for '%s'", s->plan->name,
                           s->plan->user);
        vv_error_hint(err, "the server's sshd_config needs a line: Subsystem sftp internal-sftp");
        return VV_EUNSUPPORTED;
    }
    return rc == 0 ? VV_OK : ssh_session_error(s, rc, "while starting the SFTP server", err);
}

/* ---- all of it ---- */

static LIBSSH2_ALLOC_FUNC(session_alloc)
{
    (void)abstract;
    return vv_alloc(count);
}

static LIBSSH2_REALLOC_FUNC(session_realloc)
{
    (void)abstract;
    return vv_realloc_array(ptr, count, 1);
}

static LIBSSH2_FREE_FUNC(session_release)
{
    (void)abstract;
    vv_free(ptr);
}

static LIBSSH2_DISCONNECT_FUNC(note_goodbye)
{
    struct ssh_session *s = *abstract;

    (void)session;
    (void)reason;
    (void)message;
    (void)message_len;
    (void)language;
    (void)language_len;
    s->said_goodbye = true;
}

/* libssh2 takes every callback as void *. */
static void
set_goodbye(struct ssh_session *s)
{
    LIBSSH2_DISCONNECT_FUNC((*function)) = note_goodbye;
    void *callback;

    memcpy(&callback, &function, sizeof(callback));
    (void)libssh2_session_callback_set(s->session, LIBSSH2_CALLBACK_DISCONNECT, callback);
}

static enum vv_rc
make_session(const struct ssh_plan *p, struct ssh_session **ret, struct vv_error *err)
{
    struct vv_buf name = {0};
    struct ssh_session *s = vv_alloc_array(1, sizeof(*s));

    if (s == NULL) {
        return vv_error_nomem(err);
    }
    *ret = s; /* the caller frees it in every case */
    s->fd = -1;
    s->plan = p;
    s->clock = p->clock;
    vv_buf_printf(&name, "ssh to %s", p->login);
    s->name = name.failed ? NULL : vv_strdup(vv_buf_text(&name));
    vv_buf_release(&name);
    if (s->name == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(ssh_socket_connect(p, &s->fd, err));
    s->session = libssh2_session_init_ex(session_alloc, session_release, session_realloc, s);
    if (s->session == NULL) {
        return vv_error_nomem(err);
    }
    set_goodbye(s);
    libssh2_session_set_blocking(s->session, 0);
    return VV_OK;
}

static enum vv_rc
connect_with(const struct ssh_plan *p, const char *host_keys, struct ssh_failure *failure,
             struct byte_stream **ret, struct vv_error *err)
{
    VV_CLEANUP(ssh_session_freep) struct ssh_session *s = NULL;

    VV_TRY(make_session(p, &s, err));
    VV_TRY(set_methods(s, host_keys, err));
    VV_TRY(shake_hands(s, failure, err));
    VV_TRY(check_host_key(s, failure, err));
    VV_TRY(ssh_session_log_in(s, failure, err));
    VV_TRY(open_channel(s, err));
    libssh2_keepalive_config(s->session, 1, KEEPALIVE_S);
    s->plan = NULL;
    ssh_session_stream(s);
    *ret = &TAKE(s)->base;
    return VV_OK;
}

/* A pinned fingerprint may be that of any of the host's keys: if the first one shown is not it, the
 * other types are asked for one by one. */
static enum vv_rc
connect_pinned(const struct ssh_plan *p, struct ssh_failure *failure, struct byte_stream **ret,
               struct vv_error *err)
{
    static const enum ssh_key_type usable[] = {SSH_KEY_ED25519, SSH_KEY_ECDSA_256,
                                               SSH_KEY_ECDSA_384, SSH_KEY_ECDSA_521};
    struct vv_error wrong = {0};

    for (size_t i = 0; i < VV_COUNT(usable); i++) {
        struct vv_error e = {0};
        struct ssh_failure f = {0};
        enum vv_rc rc = connect_with(p, ssh_key_type_name(usable[i]), &f, ret, &e);
        if (f.not_pinned) {
            wrong = wrong.rc == VV_OK ? e : wrong;
        } else if (rc != VV_EUNSUPPORTED || !f.use_command) {
            *failure = f;
            if (rc != VV_OK && err != NULL) {
                *err = e;
            }
            return rc;
        } else if (wrong.rc == VV_OK && i + 1 == VV_COUNT(usable)) {
            wrong = e; /* none of the types could be agreed upon */
            *failure = f;
        }
    }
    if (wrong.rc == VV_EAUTH) { /* what libssh2 cannot ask for is an RSA key */
        failure->use_command = true;
        (void)snprintf(failure->reason, sizeof(failure->reason),
                       "no ED25519 or ECDSA host key of the server has the pinned fingerprint");
    }
    if (err != NULL) {
        *err = wrong;
    }
    return wrong.rc;
}

enum vv_rc
ssh_session_connect(const struct ssh_plan *p, struct ssh_failure *failure, struct byte_stream **ret,
                    struct vv_error *err)
{
    struct known_hosts_findings f = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf host_keys = {0};

    VV_TRY(initialise_once(err));
    if (p->options->fingerprint != NULL) {
        return connect_pinned(p, failure, ret, err);
    }
    VV_TRY(ssh_plan_search(p, vv_span(NULL, 0), &f, err));
    order_host_keys(f.types, &host_keys);
    VV_TRY(vv_buf_check(&host_keys, err));
    return connect_with(p, vv_buf_text(&host_keys), failure, ret, err);
}

void
ssh_session_free(struct ssh_session *s)
{
    int rc = 0;

    if (s == NULL) {
        return;
    }
    if (s->session != NULL) {
        /* Leaving politely may not take long; the server learns it from the socket anyway. */
        uint64_t until = now_ms(s) + CLOSE_MS;
        while ((rc = libssh2_session_disconnect(s->session, "done")) == LIBSSH2_ERROR_EAGAIN &&
               now_ms(s) < until) {
            poll_session(s, until - now_ms(s));
        }
        (void)shutdown(s->fd, SHUT_RDWR);
        /* Nothing can block any more: EAGAIN comes only from packets given up here. */
        for (unsigned i = 0; i < 1000; i++) {
            if (libssh2_session_free(s->session) != LIBSSH2_ERROR_EAGAIN) {
                break;
            }
        }
    }
    vv_fd_close(s->fd);
    vv_free(s->name);
    vv_free(s);
}

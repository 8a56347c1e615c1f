/* SPDX-License-Identifier: BSD-2-Clause */
/* Options and answers for connections to other hosts. */
#include "ssh_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "secret_internal.h"
#include "signals.h"
#include "terminal_prompt.h"

static const char *
environment(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static const char *
given_or_set(const char *given, const char *name)
{
    return given != NULL ? given : environment(name);
}

static enum vv_rc
choose_transport(const struct ssh_given *given, struct ssh_options *o, struct vv_error *err)
{
    static const char *const names[] = {"auto", "libssh2", "ssh"};
    static const enum ssh_transport transports[] = {SSH_AUTO, SSH_LIBSSH2, SSH_COMMAND};
    const char *set = environment("VARVE_SSH_TRANSPORT");

    if (given->transport >= 0) {
        o->transport = transports[given->transport];
        return VV_OK;
    }
    for (size_t i = 0; set != NULL && i < VV_COUNT(names); i++) {
        if (strcmp(set, names[i]) == 0) {
            o->transport = transports[i];
            return VV_OK;
        }
    }
    if (set != NULL) {
        (void)vv_error_set(err, VV_EUSAGE, "'%s' in VARVE_SSH_TRANSPORT is no transport", set);
        vv_error_hint(err, "there are auto, libssh2 and ssh");
        return VV_EUSAGE;
    }
    return VV_OK;
}

static enum vv_rc
yes_or_no(const char *name, bool *ret, struct vv_error *err)
{
    const char *set = environment(name);

    if (set == NULL || strcmp(set, "0") == 0 || strcmp(set, "no") == 0) {
        return VV_OK;
    }
    if (strcmp(set, "1") != 0 && strcmp(set, "yes") != 0) {
        return vv_error_set(err, VV_EUSAGE, "'%s' in %s is neither yes nor no", set, name);
    }
    *ret = true;
    return VV_OK;
}

static enum vv_rc
ask_for_it(enum ssh_secret_kind kind, const char *about, struct secret_value *v,
           struct vv_error *err)
{
    struct vv_buf text = {0};
    enum vv_rc rc;

    if (!secret_terminal()) {
        return vv_error_set(err, VV_ENOTFOUND, "there is no terminal to ask on");
    }
    vv_buf_put_text(&text, kind == SSH_PASSWORD ? "password of " : "passphrase of the key ");
    message_escape(&text, about);
    vv_buf_put_text(&text, ": ");
    rc = secret_ask_line(vv_buf_text(&text), v, err);
    vv_buf_release(&text);
    return rc;
}

/** From wherever the user said, else by asking. */
static enum vv_rc
get_secret(struct ssh_input *in, enum ssh_secret_kind kind, const char *about, unsigned attempt,
           struct secret_value *v, struct vv_error *err)
{
    const struct secret_ways *w = &in->ways[kind];
    bool found = false;
    enum vv_rc rc = VV_OK;

    if (attempt == 0) {
        rc = secret_passphrase_option(w, in->messages, v, &found, err);
        if (!found) {
            rc = secret_passphrase_environment(w, in->messages, v, &found, err);
        }
    }
    return found ? rc : ask_for_it(kind, about, v, err);
}

static enum vv_rc
give_secret(void *ctx, enum ssh_secret_kind kind, const char *about, unsigned attempt,
            struct vv_buf *out, struct vv_error *err)
{
    struct ssh_input *in = ctx;
    struct secret_value *known = &in->known[kind];
    enum vv_rc rc = VV_OK;

    vv_mutex_lock(&in->lock);
    bool same = known->bytes != NULL && strcmp(in->about[kind], about) == 0;
    if (!same || attempt > 0) {
        struct secret_value fresh = {0};
        rc = get_secret(in, kind, about, attempt, &fresh, err);
        if (rc == VV_OK) {
            secret_value_release(known);
            *known = fresh;
            (void)snprintf(in->about[kind], sizeof(in->about[kind]), "%s", about);
        } else {
            secret_value_release(&fresh);
        }
    }
    if (rc == VV_OK) {
        vv_buf_put(out, secret_data(known->bytes), known->len);
        rc = vv_buf_check(out, err);
    }
    vv_mutex_unlock(&in->lock);
    return rc;
}

static bool
ask_host(void *ctx, const char *host, const char *key_type, const char *fingerprint)
{
    struct vv_buf text = {0};
    bool yes;

    (void)ctx;
    vv_buf_put_text(&text, "host ");
    message_escape(&text, host);
    vv_buf_put_text(&text, " is not known; its ");
    message_escape(&text, key_type);
    vv_buf_put_text(&text, " key has the fingerprint\n  ");
    message_escape(&text, fingerprint);
    vv_buf_put_text(&text, "\ncompare it with what the server's administrator says; is it right "
                           "(yes/no)? ");
    yes = prompt_yes(vv_buf_text(&text));
    vv_buf_release(&text);
    return yes;
}

enum vv_rc
ssh_input_init(struct ssh_input *in, const struct ssh_given *given, struct messages *m,
               struct vv_error *err)
{
    struct ssh_options *o = &in->options;

    *in = (struct ssh_input){.messages = m};
    VV_TRY(choose_transport(given, o, err));
    o->accept_new_host_key = given->accept_new_host_key;
    VV_TRY(yes_or_no("VARVE_SSH_ACCEPT_NEW_HOST_KEY", &o->accept_new_host_key, err));
    o->command = given_or_set(given->command, "VARVE_SSH_COMMAND");
    o->identity = given_or_set(given->identity, "VARVE_SSH_IDENTITY");
    o->known_hosts = given_or_set(given->known_hosts, "VARVE_SSH_KNOWN_HOSTS");
    o->fingerprint = given_or_set(given->fingerprint, "VARVE_SSH_HOST_KEY_FINGERPRINT");
    o->secret = give_secret;
    o->secret_ctx = in;
    o->ask_host = secret_terminal() ? ask_host : NULL;
    o->events = &m->events;
    o->cancel = signals_cancel();
    in->ways[SSH_KEY_PASSPHRASE] =
        (struct secret_ways){.passphrase_file = given->passphrase_file,
                             .passphrase_command = given->passphrase_command,
                             .variable = "VARVE_SSH_PASSPHRASE",
                             .use_environment = true};
    in->ways[SSH_PASSWORD] =
        (struct secret_ways){.variable = "VARVE_SSH_PASSWORD", .use_environment = true};
    vv_mutex_init(&in->lock);
    in->ready = true;
    return VV_OK;
}

void
ssh_input_release(struct ssh_input *in)
{
    if (!in->ready) {
        return;
    }
    for (size_t i = 0; i < VV_COUNT(in->known); i++) {
        secret_value_release(&in->known[i]);
    }
    vv_mutex_release(&in->lock);
    *in = (struct ssh_input){0};
}

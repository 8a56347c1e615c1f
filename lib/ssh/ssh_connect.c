/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Choosing the transport.
 *
 * C1  after a host key that must not be used (changed, revoked, unknown, not the pinned one of a
 *     type libssh2 knows) and after a credential both transports would show alike, nothing else is
 *     tried.
 * C2  whatever is chosen by `auto` is said once, with the reason.
 */
#include <stdio.h>
#include <string.h>

#include "ssh/ssh_plan_internal.h"

/* ---- deciding before anything is sent ---- */

static bool
identity_needs_command(const struct ssh_plan *p, char reason[SSH_REASON_SIZE])
{
    struct ssh_key_file f = {0};
    bool needs = false;

    if (p->options->identity != NULL && ssh_identity_read(p->identities[0], &f, NULL) == VV_OK) {
        needs = ssh_key_needs_command(f.type, p->identities[0], reason);
        ssh_key_file_release(&f);
    }
    return needs;
}

static enum vv_rc
needs_command(const struct ssh_plan *p, bool *ret, char reason[SSH_REASON_SIZE],
              struct vv_error *err)
{
    struct known_hosts_findings f = {0};

    *ret = true;
    if (p->options->command != NULL) {
        (void)snprintf(reason, SSH_REASON_SIZE, "it was given: '%.200s'", p->options->command);
        return VV_OK;
    }
    if (ssh_config_needs_command(&p->config, reason)) {
        return VV_OK;
    }
    if (p->options->fingerprint == NULL) {
        VV_TRY(ssh_plan_search(p, vv_span(NULL, 0), &f, err));
        if (ssh_host_keys_need_command(f.types, f.authority, reason)) {
            return VV_OK;
        }
    }
    *ret = identity_needs_command(p, reason);
    return VV_OK;
}

/* ---- saying and doing ---- */

static void
say(const struct ssh_plan *p, const struct ssh_choice *c)
{
    const char *how = c->transport == SSH_LIBSSH2 ? "libssh2" : "the ssh command";

    vv_emit(p->options->events, VV_EVENT_NOTICE, "ssh-transport", vv_span(p->name, strlen(p->name)),
            "%s is used for '%s'%s%s", how, p->login, c->reason[0] == '\0' ? "" : ": ", c->reason);
}

static enum vv_rc
connect_by_command(const struct ssh_plan *p, const char *reason, struct ssh_choice *choice,
                   struct byte_stream **ret, struct vv_error *err)
{
    struct ssh_choice made = {.made = true, .transport = SSH_COMMAND};

    (void)snprintf(made.reason, sizeof(made.reason), "%s", reason);
    if (!p->no_program) {
        say(p, &made); /* before, so that a failure of it can be understood */
    }
    VV_TRY(ssh_command_connect(p, reason, ret, err));
    *choice = made;
    return VV_OK;
}

static enum vv_rc
connect_automatically(const struct ssh_plan *p, struct ssh_choice *choice, struct byte_stream **ret,
                      struct vv_error *err)
{
    struct ssh_choice made = {.made = true, .transport = SSH_LIBSSH2};
    struct ssh_failure failure = {0};
    struct vv_error trouble = {0};
    char reason[SSH_REASON_SIZE];
    bool needed;

    VV_TRY(needs_command(p, &needed, reason, err));
    if (needed) {
        return connect_by_command(p, reason, choice, ret, err);
    }
    enum vv_rc rc = ssh_session_connect(p, &failure, ret, &trouble);
    if (rc == VV_OK) {
        *choice = made;
        say(p, choice);
        return VV_OK;
    }
    if (failure.use_command && !p->no_program) {
        return connect_by_command(p, failure.reason, choice, ret, err);
    }
    if (failure.use_command) {
        vv_error_hint(
            &trouble,
            "the ssh command could do it, but is not installed: apt install openssh-client");
    }
    if (err != NULL) {
        *err = trouble;
    }
    return rc;
}

static enum vv_rc
connect_planned(const struct ssh_plan *p, struct ssh_choice *choice, struct byte_stream **ret,
                struct vv_error *err)
{
    struct ssh_failure failure = {0};
    enum ssh_transport transport = choice->made ? choice->transport : p->options->transport;

    if (!choice->made && p->config_trouble[0] != '\0' && !p->no_program) {
        vv_emit(p->options->events, VV_EVENT_WARNING, "ssh-configuration",
                vv_span(p->name, strlen(p->name)), "the ssh configuration is not used: %s",
                p->config_trouble);
    }
    switch (transport) {
    case SSH_AUTO:
        return connect_automatically(p, choice, ret, err);
    case SSH_LIBSSH2:
        VV_TRY(ssh_session_connect(p, &failure, ret, err));
        break;
    case SSH_COMMAND:
        VV_TRY(ssh_command_connect(p, "", ret, err));
        break;
    }
    if (!choice->made) {
        *choice = (struct ssh_choice){.made = true, .transport = transport};
    }
    return VV_OK;
}

enum vv_rc
ssh_connect_as(const struct ssh_target *target, const struct ssh_options *options,
               struct ssh_choice *choice, struct byte_stream **ret, struct vv_error *err)
{
    struct ssh_plan p;

    VV_TRY(ssh_plan_make(target, options, &p, err));
    enum vv_rc rc = connect_planned(&p, choice, ret, err);
    ssh_plan_release(&p);
    return rc;
}

enum vv_rc
ssh_connect(const struct ssh_target *target, const struct ssh_options *options,
            struct byte_stream **ret, struct vv_error *err)
{
    struct ssh_choice choice = {0};

    return ssh_connect_as(target, options, &choice, ret, err);
}

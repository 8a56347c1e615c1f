/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is this the host's key?  And what is said if not.
 *
 * H1  a key that is revoked, or differs from those known, or from the pinned fingerprint, is never
 *     accepted, whatever the options say.
 * H2  with a pinned fingerprint no file is asked, and none is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "ssh/ssh_plan_internal.h"

static enum vv_rc
search_as(const struct ssh_plan *p, const char *name, struct vv_span key,
          struct known_hosts_findings *f, struct vv_error *err)
{
    for (size_t i = 0; i < p->known_hosts_count; i++) {
        VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
        enum vv_rc rc = vv_file_read(AT_FDCWD, p->known_hosts[i], KNOWN_HOSTS_MAX, &text, err);
        if (rc == VV_ENOTFOUND) {
            continue;
        }
        VV_TRY(rc);
        VV_TRY(known_hosts_search(vv_buf_span(&text), p->known_hosts[i], name, key, f, err));
    }
    return VV_OK;
}

enum vv_rc
ssh_plan_search(const struct ssh_plan *p, struct vv_span key, struct known_hosts_findings *f,
                struct vv_error *err)
{
    struct known_hosts_findings bare = {0};

    VV_TRY(search_as(p, p->host_name, key, f, err));
    if (p->bare_name == NULL || f->verdict != KNOWN_HOSTS_UNKNOWN || f->types != 0) {
        return VV_OK;
    }
    /* As ssh does: a host known on its usual port may show the same key on another one.  A revoked
     * one counts too; that it differs says nothing. */
    VV_TRY(search_as(p, p->bare_name, key, &bare, err));
    f->authority = f->authority || bare.authority;
    if (key.len == 0) {
        f->types = bare.types;
    } else if (bare.verdict == KNOWN_HOSTS_MATCH || bare.verdict == KNOWN_HOSTS_REVOKED) {
        *f = bare;
    }
    return VV_OK;
}

/* ---- what is said ---- */

static const char *
of_type(const char *type)
{
    return type == NULL ? "" : type;
}

/* " -p 2222" if it is not the usual port. */
static const char *
port_option(const struct ssh_plan *p, char out[24])
{
    out[0] = '\0';
    if (p->port != 22) {
        (void)snprintf(out, 24, " -p %u", p->port);
    }
    return out;
}

enum vv_rc
ssh_say_unknown_host(const struct ssh_plan *p, const char *type, const char *shown,
                     struct vv_error *err)
{
    char port[24];
    const char *file = p->known_hosts_count > 0 ? p->known_hosts[0] : "~/.ssh/known_hosts";

    (void)vv_error_set(
        err, VV_EAUTH,
        "the host key of '%s' is not known: it has shown %s%s%s and '%s' has none for '%s'",
        p->name, of_type(type), type == NULL ? "" : " ", shown == NULL ? "a key" : shown, file,
        p->host_name);
    vv_error_hint(err,
                  "compare it with what the server's console says to: "
                  "cat /etc/ssh/ssh_host_*_key.pub | ssh-keygen -lf - ; if it is there, accept it "
                  "with --accept-new-host-key, or by: ssh-keyscan%s %s >>%s",
                  port_option(p, port), p->host, file);
    return VV_EAUTH;
}

enum vv_rc
ssh_say_changed_host(const struct ssh_plan *p, const char *type, const char *shown,
                     const struct known_hosts_findings *f, struct vv_error *err)
{
    (void)vv_error_set(
        err, VV_EAUTH,
        "the host key of '%s' has changed: it has shown %s %s, but '%s' line %u says "
        "%s %s; somebody may be listening in between",
        p->name, of_type(type), shown == NULL ? "another key" : shown, f->file, f->line,
        ssh_key_type_label(f->type), f->fingerprint);
    vv_error_hint(err,
                  "if the server was set up anew and its console shows the new fingerprint: "
                  "ssh-keygen -f '%s' -R '%s', then accept the new key with "
                  "--accept-new-host-key",
                  f->file, p->host_name);
    return VV_EAUTH;
}

enum vv_rc
ssh_say_revoked_host(const struct ssh_plan *p, const char *type, const char *shown,
                     const struct known_hosts_findings *f, struct vv_error *err)
{
    (void)vv_error_set(err, VV_EAUTH,
                       "the host key of '%s' is revoked: it has shown %s %s, which '%s' line %u "
                       "marks @revoked",
                       p->name, of_type(type), shown == NULL ? "a key" : shown, f->file, f->line);
    vv_error_hint(err, "somebody who has stolen this key may pose as the server: give the server a "
                       "new host key (ssh-keygen -A after removing the old ones), or ask whoever "
                       "wrote that line");
    return VV_EAUTH;
}

enum vv_rc
ssh_say_wrong_fingerprint(const struct ssh_plan *p, const char *type, const char *shown,
                          struct vv_error *err)
{
    char port[24];

    (void)vv_error_set(
        err, VV_EAUTH,
        "the host key of '%s' is not the pinned one: it has shown %s %s, pinned is %s", p->name,
        of_type(type), shown == NULL ? "another key" : shown, p->options->fingerprint);
    vv_error_hint(err,
                  "what the server offers is shown by: ssh-keyscan%s %s | ssh-keygen -lf - ; "
                  "compare it with the server's console before changing the pinned one",
                  port_option(p, port), p->host);
    return VV_EAUTH;
}

/* ---- the check ---- */

/* Not being able to write it down is no reason not to go on: next time it is asked again. */
static enum vv_rc
remember(const struct ssh_plan *p, struct vv_span key, const char *type, const char *shown)
{
    struct vv_error err = {0};

    if (p->known_hosts_count == 0) {
        return VV_OK;
    }
    const char *file = p->known_hosts[0];
    if (known_hosts_append(file, p->host_name, key, p->hash_known_hosts, &err) != VV_OK) {
        vv_emit(p->options->events, VV_EVENT_WARNING, "host-key-not-remembered",
                vv_span(file, strlen(file)), "the host key of '%s' (%s %s) was accepted, but: %s",
                p->name, type, shown, err.message);
    } else {
        vv_emit(p->options->events, VV_EVENT_NOTICE, "host-key-accepted",
                vv_span(file, strlen(file)),
                "the host key of '%s' was not known and is accepted: %s %s", p->name, type, shown);
    }
    return VV_OK;
}

enum vv_rc
ssh_plan_check_host_key(const struct ssh_plan *p, struct vv_span key, struct vv_error *err)
{
    struct known_hosts_findings f = {0};
    char shown[SSH_FINGERPRINT_SIZE];
    const char *type = ssh_key_type_label(ssh_key_type_of(key));

    ssh_key_fingerprint(key, shown);
    if (p->options->fingerprint != NULL) { /* H2 */
        return ssh_key_fingerprint_same(shown, p->options->fingerprint)
                   ? VV_OK
                   : ssh_say_wrong_fingerprint(p, type, shown, err);
    }
    VV_TRY(ssh_plan_search(p, key, &f, err));
    switch (f.verdict) {
    case KNOWN_HOSTS_MATCH:
        return VV_OK;
    case KNOWN_HOSTS_REVOKED:
        return ssh_say_revoked_host(p, type, shown, &f, err);
    case KNOWN_HOSTS_MISMATCH:
        return ssh_say_changed_host(p, type, shown, &f, err);
    case KNOWN_HOSTS_UNKNOWN:
        break;
    }
    if (p->accept_new || (p->options->ask_host != NULL &&
                          p->options->ask_host(p->options->ask_host_ctx, p->name, type, shown))) {
        return remember(p, key, type, shown);
    }
    return ssh_say_unknown_host(p, type, shown, err);
}
